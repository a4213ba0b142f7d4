//! Fetching ranges of one version of an object, with tries that are bounded.

use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use object_store::{GetOptions, GetRange, ObjectStore as _};
use tokio::time::{Instant, sleep};

use super::tally::ReadTally;
use crate::{FoundFile, OpenLocation, Scheme};

/// Tries for one range. Requests that are refused or not answered are repeated by the store's client already, with pauses of
/// its own; here it is answers that break off.
const TRIES: u32 = 3;

/// Pause before the second try; doubled for each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// What may be wrong with an answer.
#[derive(Debug)]
enum Broken {
    /// Trying again may help: it broke off, or is short.
    Again(object_store::Error),
    /// It does not: the store refuses, or has another version.
    Final(object_store::Error),
}

/// The bytes of a range of the file as it was found.
///
/// # Errors
/// [`object_store::Error::Precondition`] if it is another file now, and the store's own.
pub(crate) async fn fetch(
    open: &OpenLocation,
    file: &FoundFile,
    range: Range<u64>,
    tally: &ReadTally,
) -> object_store::Result<Bytes> {
    let started = Instant::now();
    let mut pause = PAUSE_FIRST;
    let mut tries = 1;
    let fetched = loop {
        match try_once(open, file, range.clone()).await {
            Ok(bytes) => break Ok(bytes),
            Err(Broken::Again(error)) if tries < TRIES => {
                tracing::debug!(object = %file.object, %error, tries, "a download broke off and is tried again");
                sleep(pause).await;
                pause *= 2;
                tries += 1;
            }
            Err(Broken::Again(error) | Broken::Final(error)) => break Err(error),
        }
    };
    if let Ok(bytes) = &fetched {
        tally.add_downloaded(bytes.len() as u64, started.elapsed());
    }
    fetched
}

async fn try_once(open: &OpenLocation, file: &FoundFile, range: Range<u64>) -> Result<Bytes, Broken> {
    let options = GetOptions {
        range: Some(GetRange::Bounded(range.clone())),
        if_match: demanded(open, file),
        ..GetOptions::default()
    };
    let answer = open
        .store
        .get_opts(&file.object, options)
        .await
        .map_err(Broken::Final)?;
    if answer.meta.size != file.bytes || !open.is_same_content(file.etag.as_deref(), file.modified_at, &answer.meta) {
        return Err(Broken::Final(changed(file)));
    }
    let size = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut bytes = BytesMut::with_capacity(size);
    let mut parts = answer.into_stream();
    while let Some(part) = parts.try_next().await.map_err(again_unless_final)? {
        bytes.extend_from_slice(&part);
        if bytes.len() > size {
            break;
        }
    }
    match bytes.len() == size {
        true => Ok(bytes.freeze()),
        false => Err(Broken::Again(object_store::Error::Generic {
            store: "answer",
            source: "it has not as many bytes as were asked for".into(),
        })),
    }
}

/// The ETag that the store is to hold against the object's. A weak one never counts as equal there, and Azure's listings
/// give theirs without the quotes that its other answers have: then the answer tells whether it is the same.
fn demanded(open: &OpenLocation, file: &FoundFile) -> Option<String> {
    let is_quoted = |etag: &String| etag.starts_with('"') || open.location.scheme() != Scheme::Azure;
    let etag = file.etag.clone().filter(|etag| !etag.starts_with("W/"));
    etag.filter(is_quoted)
}

fn again_unless_final(error: object_store::Error) -> Broken {
    match error {
        object_store::Error::Generic { .. } => Broken::Again(error),
        other => Broken::Final(other),
    }
}

fn changed(file: &FoundFile) -> object_store::Error {
    object_store::Error::Precondition {
        path: file.object.to_string(),
        source: "it is another object now".into(),
    }
}
