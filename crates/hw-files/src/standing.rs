//! What a store says of the files of a table now, for all who ask within one statement or job.

use std::collections::HashMap;

use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use tokio::sync::OnceCell;

use crate::{OpenLocation, Scheme};

/// Up to so many files are asked for one by one.
const ASKED_SINGLY_MAX: u64 = 4;

/// Objects beside those of the table that a listing may meet before it is given up, besides as many as the table has.
const STRANGERS_MAX: u64 = 2_000;

/// What a folder of a store holds, listed at most once. Says what was so when it was first asked, or later: to be made anew
/// for each statement or job.
#[derive(Debug)]
pub struct Standing {
    open: OpenLocation,
    files: u64,
    listed: OnceCell<Option<HashMap<Path, ObjectMeta>>>,
}

impl Standing {
    /// For a folder of which `files` files are known.
    pub fn new(open: OpenLocation, files: u64) -> Self {
        Self {
            open,
            files,
            listed: OnceCell::new(),
        }
    }

    /// Whether it speaks of this folder.
    pub fn is_of(&self, open: &OpenLocation) -> bool {
        self.open.location == open.location
    }

    /// As [`OpenLocation::is_same_content`].
    pub fn is_same_content(&self, etag: Option<&str>, modified_at: i64, now: &ObjectMeta) -> bool {
        self.open.is_same_content(etag, modified_at, now)
    }

    /// What the store says of a file: by a listing of the folder that all share, or a request of its own where there are few
    /// files, the listing is refused, or it does not hold the file.
    ///
    /// # Errors
    /// The store's own.
    pub async fn meta(&self, object: &Path) -> object_store::Result<ObjectMeta> {
        if self.is_listed()
            && let Some(listed) = self.listed.get_or_init(|| self.list()).await
            && let Some(meta) = listed.get(object)
        {
            return Ok(meta.clone());
        }
        self.open.store.head(object).await
    }

    /// Local files are asked faster than listed, and web servers have no listings.
    fn is_listed(&self) -> bool {
        let scheme = self.open.location.scheme();
        self.files > ASKED_SINGLY_MAX && !matches!(scheme, Scheme::Local | Scheme::Http)
    }

    /// `None` if it cannot be listed, or holds far more than is asked for.
    async fn list(&self) -> Option<HashMap<Path, ObjectMeta>> {
        let most = self.files.saturating_mul(2).saturating_add(STRANGERS_MAX);
        let mut listing = self.open.store.list(Some(&self.open.prefix));
        let mut found = HashMap::new();
        loop {
            match listing.try_next().await {
                Ok(Some(_)) if found.len() as u64 >= most => return None,
                Ok(Some(meta)) => drop(found.insert(meta.location.clone(), meta)),
                Ok(None) => return Some(found),
                Err(error) => {
                    tracing::debug!(place = %self.open.location, %error, "a folder is not listed");
                    return None;
                }
            }
        }
    }
}
