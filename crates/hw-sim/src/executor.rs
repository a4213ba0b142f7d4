//! Polls futures by hand, one at a time, so that nothing happens but what the script says.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::runtime::Runtime;

/// Runs futures to the point where they stop by themselves.
#[derive(Debug, Default)]
pub struct Executor {
    /// For stores that do real work elsewhere; `None` for those that answer at once.
    runtime: Option<Runtime>,
}

impl Executor {
    /// For a store that answers with the first poll.
    pub fn inline() -> Self {
        Self::default()
    }

    /// For a store that needs a runtime.
    pub fn on(runtime: Runtime) -> Self {
        Self { runtime: Some(runtime) }
    }

    /// The future's answer; `None` if it stopped where only a further call goes on.
    pub(crate) fn drive<T>(
        &self,
        future: &mut Pin<Box<dyn Future<Output = T> + Send + '_>>,
        has_stopped: impl Fn() -> bool,
    ) -> Option<T> {
        match &self.runtime {
            None => match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            },
            Some(runtime) => runtime.block_on(poll_fn(|context| match future.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if has_stopped() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })),
        }
    }

    /// The answer of a future that stops nowhere; `None` if it waits nevertheless.
    pub fn now<T>(&self, future: impl Future<Output = T> + Send) -> Option<T> {
        let mut future: Pin<Box<dyn Future<Output = T> + Send + '_>> = Box::pin(future);
        self.drive(&mut future, || false)
    }
}
