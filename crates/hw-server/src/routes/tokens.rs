//! Access tokens.

use axum::extract::State;
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post};
use http::StatusCode;
use hw_api::{NewTokenDocument, TokenDocument, TokenList, TokenRequest};
use hw_catalog::{Finding, closest};
use hw_job::Timestamp;
use hw_store::{Role, TokenRecord};

use super::paging::{Page, newest_first, page_of};
use super::{Answer, Route, document, json};
use crate::auth::{role_name, role_of, sha256_hex, token_text};
use crate::config::parse_duration;
use crate::documents::token_document;
use crate::problem::{ApiError, Fault};
use crate::request::{JsonBody, QueryPairs, Segments};
use crate::state::Shared;

const NAME_BYTES_MAX: usize = 255;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/tokens", "list_tokens", get(list))
            .about("Tokens without their texts, newest first.")
            .query("role", "string", "Only tokens of these roles.")
            .paged()
            .answers(200, "A page of tokens.", vec![json::<TokenList>()]),
        Route::get("/api/v1/tokens/{name}", "show_token", get(show))
            .about("A token without its text.")
            .answers(200, "The token.", vec![json::<TokenDocument>()]),
        Route::post("/api/v1/tokens", "create_token", post(create))
            .about("Makes a token. Its text is told this once; only its hash is kept.")
            .body(json::<TokenRequest>())
            .answers(201, "The token.", vec![json::<NewTokenDocument>()]),
        Route::delete("/api/v1/tokens/{name}", "drop_token", delete(drop_token))
            .about("Drops a token; it is refused from now on.")
            .answers(204, "It is gone.", Vec::new()),
    ]
}

async fn list(State(state): State<Shared>, query: QueryPairs) -> Answer {
    let mut reader = query.reader(&["role", "limit", "page"]);
    let page = Page::read(&mut reader);
    let names = [Role::Read, Role::Write, Role::Admin].map(role_name);
    let roles = reader.choices("role", &names, role_of);
    reader.finish()?;
    let key = |token: &TokenRecord| newest_first(token.created_at.0, &token.name);
    let mut tokens = state.store().list_tokens().await?;
    tokens.retain(|token| roles.is_empty() || roles.contains(&token.role));
    tokens.sort_by_cached_key(key);
    let (tokens, next) = page_of(tokens, &page, key);
    let items = tokens.iter().map(token_document).collect();
    Ok(document(&TokenList { items, next }))
}

async fn show(State(state): State<Shared>, query: QueryPairs, Segments(name): Segments<String>) -> Answer {
    query.reader(&[]).finish()?;
    let tokens = state.store().list_tokens().await?;
    match tokens.iter().find(|token| token.name == name) {
        Some(token) => Ok(document(&token_document(token))),
        None => Err(ApiError::TokenNotFound { name }.into()),
    }
}

async fn create(State(state): State<Shared>, query: QueryPairs, JsonBody(request): JsonBody<TokenRequest>) -> Answer {
    query.reader(&[]).finish()?;
    let now = state.parts().clock.wall();
    let text = token_text((state.parts().random)());
    let record = record_of(request, &text, now)?;
    if !state.store().create_token(record.clone()).await? {
        return Err(ApiError::TokenTaken { name: record.name }.into());
    }
    let created = NewTokenDocument {
        token: text,
        facts: token_document(&record),
    };
    Ok((StatusCode::CREATED, document(&created)).into_response())
}

async fn drop_token(State(state): State<Shared>, query: QueryPairs, Segments(name): Segments<String>) -> Answer {
    query.reader(&[]).finish()?;
    match state.store().drop_token(&name).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(ApiError::TokenNotFound { name }.into()),
    }
}

/// The record of a token, or every fault of the request.
fn record_of(request: TokenRequest, text: &str, now: Timestamp) -> Result<TokenRecord, Fault> {
    let mut findings = Vec::new();
    let mut fault = |pointer: &str, message: String, help: String| {
        findings.push(Finding::new("HW-A002", message).at(pointer).help(help));
    };
    let role = role_of(&request.role);
    if role.is_none() {
        let names = [Role::Read, Role::Write, Role::Admin].map(role_name);
        let help = match closest(&request.role, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        fault("/role", format!("there is no role `{}`", request.role), help);
    }
    let hash = sha256_hex(text.as_bytes());
    let name = request
        .name
        .unwrap_or_else(|| format!("{}-{}", request.role, hash.get(..8).unwrap_or_default()));
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let message = format!("`name` must have 1 to {NAME_BYTES_MAX} bytes without control characters");
        fault("/name", message, "choose another name, or leave it out".to_owned());
    }
    let expires_at = match request.expires.as_deref().map(parse_duration).transpose() {
        Ok(expires) => expires.map(|time| {
            Timestamp(
                now.0
                    .saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX)),
            )
        }),
        Err(wrong) => {
            fault(
                "/expires",
                format!("`expires` {wrong}"),
                "write for instance \"30d\"".to_owned(),
            );
            None
        }
    };
    match (role, findings.is_empty()) {
        (Some(role), true) => Ok(TokenRecord {
            name,
            role,
            hash,
            created_at: now,
            expires_at,
        }),
        _ => Err(ApiError::Members { findings }.into()),
    }
}
