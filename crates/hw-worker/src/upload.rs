//! Writing a file while its content is made: a task of its own takes the pieces, so that encoding and uploading go on side
//! by side.

use std::future::Future;

use bytes::Bytes;
use futures::StreamExt as _;
use hw_files::{Content, FileError};
use hw_job::Failure;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::{file_failure, tabular};

/// Pieces of a file that wait to be uploaded.
const CHUNKS_AHEAD: usize = 2;

/// A file on its way. Dropped before its end, nothing is published.
pub(crate) struct Upload<T> {
    /// `None` in it says that the content is whole.
    sender: mpsc::Sender<Option<Bytes>>,
    task: Option<JoinHandle<Result<T, FileError>>>,
}

impl<T: Send + 'static> Upload<T> {
    /// Begins with what writes the content, piece by piece.
    pub(crate) fn begin<W>(write: impl FnOnce(Content<'static>) -> W) -> Self
    where
        W: Future<Output = Result<T, FileError>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel::<Option<Bytes>>(CHUNKS_AHEAD);
        let content = futures::stream::unfold(Some(receiver), |receiver| async move {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(Some(chunk)) => Some((Ok(chunk), Some(receiver))),
                Some(None) => None,
                // Whoever made the content is gone: what there is must not be taken for the whole.
                None => Some((Err(called_off()), None)),
            }
        });
        Self {
            sender,
            task: Some(tokio::spawn(write(content.boxed()))),
        }
    }

    /// Hands on a piece, as soon as there is room for it.
    ///
    /// # Errors
    /// Why the file could not be written.
    pub(crate) async fn send(&mut self, bytes: Bytes) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.pass(Some(bytes)).await
    }

    /// Ends the content and waits until the file is there.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) async fn finish(mut self) -> Result<T, Failure> {
        self.pass(None).await?;
        self.ended().await
    }

    async fn pass(&mut self, piece: Option<Bytes>) -> Result<(), Failure> {
        match self.sender.send(piece).await {
            Ok(()) => Ok(()),
            // The upload has ended before its content: it tells why.
            Err(_) => match self.ended().await {
                Err(failure) => Err(failure),
                Ok(_) => Err(tabular::broken(&"a file ended before its content")),
            },
        }
    }

    async fn ended(&mut self) -> Result<T, Failure> {
        let Some(task) = self.task.as_mut() else {
            return Err(tabular::broken(&"the upload is gone"));
        };
        let ended = task.await;
        self.task = None;
        match ended {
            Ok(written) => written.map_err(|error| file_failure(&error)),
            Err(error) => Err(tabular::broken(&error)),
        }
    }
}

impl<T> Drop for Upload<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

fn called_off() -> FileError {
    FileError::NotWritten {
        place: "the file".to_owned(),
        detail: "its content was called off".to_owned(),
    }
}
