//! A client's session: which tables and files it sees, which options it set.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::SchemaRef;
use datafusion::prelude::SessionConfig;
use hw_files::{Access, Standing};
use serde_json::Value;

use crate::Tables;
use crate::catalog::DefinedView;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::explain::Explained;
use crate::funnel::{self, FunnelInput, FunnelPartial, FunnelRun, FunnelWork};
use crate::regroup::{Regroup, RegroupWork};
use crate::rows::Rows;
use crate::run::{self, AbortOnDrop, Canceller};
use crate::statement::{self, ViewDefinition, ViewStatement};
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
        run::start(self.work(sql, params)).await
    }

    /// The plan of the one query in `sql`, and what its operators do: with `analyze` the query is run to its end, and
    /// its rows are thrown away.
    ///
    /// # Errors
    /// As [`Session::run`], and [`QueryError::Statement`] for statements that are no queries.
    pub async fn explain(&self, sql: &str, params: &[Value], analyze: bool) -> Result<Explained, QueryError> {
        let work = self.work(sql, params);
        let cancelled = work.cancelled.clone();
        self.apart(cancelled, async move { run::explain(&work, analyze).await })
            .await
    }

    /// What the statement in `sql` makes or drops, if it is CREATE VIEW or DROP VIEW. Nothing is looked up and nothing done.
    ///
    /// # Errors
    /// [`QueryError::Statement`] with every fault of the words around the query.
    pub fn view_statement(&self, sql: &str) -> Result<Option<ViewStatement>, QueryError> {
        statement::view_statement(sql, self.engine.limits())
    }

    /// Plans the query of a view as if the view were read, with the rights of this session, and tells what is to be kept of
    /// it. Nothing is kept here.
    ///
    /// # Errors
    /// [`QueryError::Statement`] with every fault found; [`QueryError::Catalog`] and [`QueryError::Storage`] where tables or
    /// files could not be looked up.
    pub async fn define_view(&self, definition: &ViewDefinition) -> Result<DefinedView, QueryError> {
        let (engine, input, config) = (self.engine.clone(), self.input.clone(), current(&self.options));
        let definition = definition.clone();
        let work = async move { run::define_view(&engine, input, config, &definition).await };
        self.apart(CancelFlag::default(), work).await
    }

    /// How a funnel is carried out, as a document: the columns read, what footers rule out, predicates, way and strategy,
    /// and the plan that is taken where the parts cannot be read straight. With `analyze` it is run, its answer is thrown
    /// away, and rows, bytes and time of each stage are told.
    ///
    /// # Errors
    /// As [`FunnelRun::finish`].
    pub async fn explain_funnel(&self, input: impl Into<FunnelInput>, analyze: bool) -> Result<Value, QueryError> {
        let work = self.funnel_work(input.into());
        self.apart(work.cancelled(), async move { work.explain(analyze).await })
            .await
    }

    /// The columns of a relation by its name: a table, a view, or files by path, URL or wildcard.
    ///
    /// # Errors
    /// [`QueryError::Statement`] with one fault where the name stands for nothing that may be read.
    pub async fn columns_of(&self, name: &str) -> Result<SchemaRef, QueryError> {
        let (engine, input, config) = (self.engine.clone(), self.input.clone(), current(&self.options));
        let name = name.to_owned();
        let work = async move { run::columns_of(&engine, input, config, &name).await };
        self.apart(CancelFlag::default(), work).await
    }

    /// Does work on the engine's threads. Dropping the future cancels it.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        cancelled: CancelFlag,
        work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        let task = self.engine.spawn(work)?;
        let _guard = AbortOnDrop(Canceller::with_flag(task.abort_handle(), cancelled));
        match task.await {
            Ok(done) => done,
            Err(_) => Err(QueryError::internal("planning ended unexpectedly")),
        }
    }

    fn work(&self, sql: &str, params: &[Value]) -> run::Work {
        run::Work {
            engine: self.engine.clone(),
            input: self.input.clone(),
            options: Arc::clone(&self.options),
            sql: sql.to_owned(),
            params: params.to_vec(),
            cancelled: CancelFlag::default(),
        }
    }

    /// Starts the funnel operator over a table, some of its parts, a view, or files.
    ///
    /// # Errors
    /// [`QueryError::Internal`] if the engine is shut down; everything else comes from [`FunnelRun::finish`].
    pub fn start_funnel(&self, input: impl Into<FunnelInput>) -> Result<FunnelRun, QueryError> {
        funnel::start(&self.engine, self.funnel_work(input.into()))
    }

    /// The same for one of several tasks over a table, which share what is asked of its folder.
    ///
    /// # Errors
    /// As [`Session::start_funnel`].
    pub fn start_funnel_with(
        &self,
        input: impl Into<FunnelInput>,
        standing: Option<Arc<Standing>>,
    ) -> Result<FunnelRun, QueryError> {
        let work = FunnelWork {
            standing,
            ..self.funnel_work(input.into())
        };
        funnel::start(&self.engine, work)
    }

    /// Runs the funnel operator to its end. Dropping the future cancels it.
    ///
    /// # Errors
    /// As [`FunnelRun::finish`].
    pub async fn run_funnel(&self, input: impl Into<FunnelInput>) -> Result<FunnelPartial, QueryError> {
        self.start_funnel(input)?.finish().await
    }

    #[cfg(test)]
    pub(crate) fn funnel_work_for_tests(&self, scan: FunnelInput) -> FunnelWork {
        self.funnel_work(scan)
    }

    pub(crate) fn regroup_work(&self, regroup: Regroup) -> RegroupWork {
        RegroupWork {
            engine: self.engine.clone(),
            input: self.input.clone(),
            config: current(&self.options),
            regroup,
            counters: Arc::default(),
            cancelled: CancelFlag::default(),
        }
    }

    fn funnel_work(&self, scan: FunnelInput) -> FunnelWork {
        FunnelWork {
            engine: self.engine.clone(),
            input: self.input.clone(),
            config: current(&self.options),
            scan,
            counters: Arc::default(),
            cancelled: CancelFlag::default(),
            standing: None,
        }
    }
}

/// The options as they are now; statements that run keep the ones they began with.
pub(crate) fn current(options: &Mutex<SessionConfig>) -> SessionConfig {
    options.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

#[cfg(test)]
mod tests;
