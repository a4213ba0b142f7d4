//! A client's session: which tables and files it sees, which options it set.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::prelude::SessionConfig;
use hw_files::Access;
use serde_json::Value;

use crate::Tables;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::rows::Rows;
use crate::run;
use crate::yielding::CancelFlag;

/// What a session sees.
#[derive(Clone)]
pub struct SessionInput {
    /// The tables of the catalog.
    pub tables: Arc<dyn Tables>,
    /// The files that the client may name.
    pub access: Access,
    /// The client's working folder, against which relative paths in SQL are resolved; `None` refuses them.
    pub folder: Option<PathBuf>,
}

/// One client's session. Statements may run at the same time; each sees the options as they were when it began.
pub struct Session {
    engine: Engine,
    input: SessionInput,
    options: Arc<Mutex<SessionConfig>>,
}

impl Session {
    pub(crate) fn new(engine: Engine, input: SessionInput) -> Self {
        let options = Arc::new(Mutex::new(engine.template().config().clone()));
        Self { engine, input, options }
    }

    /// Plans the one statement in `sql` and starts it. `params` stand for `$1`, `$2` and so on: null, booleans,
    /// numbers and texts.
    ///
    /// The answer is a stream that computes a few batches ahead of its reader and no more; dropping it, or the future
    /// of this call, cancels the statement.
    ///
    /// # Errors
    /// [`QueryError::Statement`] with every fault found in the statement and its parameters, before anything runs;
    /// [`QueryError::Catalog`] and [`QueryError::Storage`] where tables or files could not be looked up.
    pub async fn run(&self, sql: &str, params: &[Value]) -> Result<Rows, QueryError> {
        let work = run::Work {
            engine: self.engine.clone(),
            input: self.input.clone(),
            options: Arc::clone(&self.options),
            sql: sql.to_owned(),
            params: params.to_vec(),
            cancelled: CancelFlag::default(),
        };
        run::start(work).await
    }
}

/// The options as they are now; statements that run keep the ones they began with.
pub(crate) fn current(options: &Mutex<SessionConfig>) -> SessionConfig {
    options.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

#[cfg(test)]
mod tests;
