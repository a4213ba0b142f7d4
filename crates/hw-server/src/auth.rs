//! Who asks, and what they may do.
//!
//! Over the Unix socket and in process a client is the user of the data folder and may do everything. Over TCP the name
//! under which the server was asked for and the page that asks are looked at first ([`check_host`], [`check_origin`]), then
//! the token: demanded where the listener is not on the loopback or the settings say so, unless clients show certificates, and
//! checked wherever one is sent.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use hw_files::Access;
use hw_job::Timestamp;
use hw_store::{Role, Store, TokenRecord};
use sha2::{Digest as _, Sha256};

use crate::problem::{ApiError, Fault};

/// How a request came in. A request without it counts as one over TCP that needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// From within this process.
    InProcess,
    /// Over the data folder's Unix socket.
    Unix,
    /// Over the network.
    Tcp {
        /// What requests without a token may do; `None` = they are not answered.
        without_token: Option<Role>,
    },
}

impl Transport {
    /// The transport in words, for logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InProcess => "process",
            Self::Unix => "unix",
            Self::Tcp { .. } => "tcp",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// What the caller may do.
    pub(crate) role: Role,
    /// The client's working folder.
    pub(crate) folder: Option<PathBuf>,
    /// The files that the caller may name.
    pub(crate) access: Access,
}

impl Caller {
    /// Refuses callers whose role is less than `needed`.
    pub(crate) fn may(&self, needed: Role) -> Result<(), Fault> {
        match self.role >= needed {
            true => Ok(()),
            false => Err(ApiError::RoleTooSmall {
                role: role_name(self.role),
                needed: role_name(needed),
            }
            .into()),
        }
    }
}

/// The role in the words of the API.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Read => "read",
        Role::Write => "write",
        Role::Admin => "admin",
    }
}

/// The role of this name.
pub(crate) fn role_of(name: &str) -> Option<Role> {
    [Role::Read, Role::Write, Role::Admin]
        .into_iter()
        .find(|role| role_name(*role) == name)
}

/// Refuses requests under a name that is neither of the loopback nor one of ours: a page of another site could have made its
/// own name point here.
pub(crate) fn check_host(headers: &HeaderMap, target: Option<&str>, ours: &[String]) -> Result<(), ApiError> {
    let mut named = headers.get_all(HOST).iter();
    let header = named.next().and_then(|host| host.to_str().ok());
    // Of two names one may be shown to whoever stands before this server, and the other one to it.
    if named.next().is_some() {
        return Err(ApiError::ForeignHost {
            host: "several names".to_owned(),
        });
    }
    let host = target.or(header).unwrap_or_default();
    let name = without_port(host);
    let is_ours = ours
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host));
    match is_ours || is_loopback_name(name) {
        true => Ok(()),
        false => Err(ApiError::ForeignHost { host: host.to_owned() }),
    }
}

/// Refuses requests that a page of another site makes.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or("(unreadable)");
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let of_origin = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    match of_origin.is_some_and(|of_origin| !host.is_empty() && of_origin.eq_ignore_ascii_case(host)) {
        true => Ok(()),
        false => Err(ApiError::ForeignOrigin {
            origin: origin.to_owned(),
        }),
    }
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The role of the token that a request carries; `None` if it carries none.
///
/// # Errors
/// [`ApiError::TokenInvalid`] for a token that is not known or over; the store's own.
pub(crate) async fn role_of_token(
    headers: &HeaderMap,
    own_token: Option<&str>,
    store: &dyn Store,
    now: Timestamp,
) -> Result<Option<Role>, Fault> {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let invalid = || Fault::from(ApiError::TokenInvalid);
    let text = header.to_str().map_err(|_| invalid())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(invalid)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(invalid());
    }
    // Only hashes are compared, so that the time it takes tells nothing of the tokens.
    let hash = sha256_hex(token.as_bytes());
    if own_token.is_some_and(|own| sha256_hex(own.as_bytes()) == hash) {
        return Ok(Some(Role::Admin));
    }
    let known = store.find_token(&hash).await?;
    let valid = known.filter(|token| token.hash == hash && !is_over(token, now));
    valid.map(|token| Some(token.role)).ok_or_else(invalid)
}

/// Whether a token's time is over.
pub(crate) fn is_over(token: &TokenRecord, now: Timestamp) -> bool {
    token.expires_at.is_some_and(|end| end <= now)
}

/// SHA-256 as 64 hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The text of a token made of random bytes.
pub(crate) fn token_text(random: [u8; 32]) -> String {
    random.iter().fold("hw_".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
