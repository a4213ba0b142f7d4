//! What stands before the handlers of a route: token, role, load.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use http::HeaderMap;
use http::request::Parts;
use hw_api::FOLDER_HEADER;
use hw_files::Access;
use hw_store::Role;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::held::hold;
use crate::auth::{Caller, Transport, role_of_token};
use crate::problem::{ApiError, Fault};
use crate::routes::{Answer, Load};
use crate::state::Shared;

/// What is asked of requests to a route.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) state: Shared,
    pub(super) role: Option<Role>,
    pub(super) load: Load,
}

/// Lets a request pass to its handler, or answers it.
pub(super) async fn pass(State(guard): State<Guard>, mut request: Request, next: Next) -> Answer {
    let state = &guard.state;
    let transport = request.extensions().get::<Transport>().copied();
    let transport = transport.unwrap_or(Transport::Tcp { without_token: None });
    if let Some(role) = guard.role {
        let caller = caller(state, transport, request.headers()).await?;
        caller.may(role)?;
        request.extensions_mut().insert(caller);
    }
    let permit = admit(state, guard.load)?;
    let response = next.run(request).await;
    // The room is taken until the answer's last byte.
    Ok(match permit {
        Some(permit) => hold(response, permit),
        None => response,
    })
}

async fn caller(state: &Shared, transport: Transport, headers: &HeaderMap) -> Result<Caller, Fault> {
    let without_token = match transport {
        Transport::InProcess | Transport::Unix => {
            return Ok(Caller {
                role: Role::Admin,
                folder: folder(headers),
                access: Access::Unrestricted,
            });
        }
        Transport::Tcp { without_token } => without_token,
    };
    let now = state.parts().clock.wall();
    let of_token = role_of_token(headers, state.own_token(), state.store(), now).await?;
    let role = of_token.or(without_token).ok_or(ApiError::TokenMissing)?;
    Ok(Caller {
        role,
        folder: None,
        access: state.network_access().clone(),
    })
}

/// The client's working folder; one that is not absolute is none.
fn folder(headers: &HeaderMap) -> Option<PathBuf> {
    let header = headers.get(FOLDER_HEADER)?;
    let folder = PathBuf::from(OsStr::from_bytes(header.as_bytes()));
    folder.is_absolute().then_some(folder)
}

fn admit(state: &Shared, load: Load) -> Result<Option<OwnedSemaphorePermit>, Fault> {
    let http = &state.config().http;
    let take = |room: &Arc<Semaphore>, limit, setting| match room.clone().try_acquire_owned() {
        Ok(permit) => Ok(Some(permit)),
        Err(_) => Err(ApiError::TooBusy { limit, setting }.into()),
    };
    match load {
        Load::Free => Ok(None),
        Load::Request => take(&state.requests, http.requests_max, "http.requests_max"),
        Load::Follower => take(&state.followers, http.followers_max, "http.followers_max"),
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Fault> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            ApiError::Internal {
                message: "the caller of an open route is not known".to_owned(),
            }
            .into()
        })
    }
}
