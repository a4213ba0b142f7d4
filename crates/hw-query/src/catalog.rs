//! The catalog as the planner sees it: the tables and files that one statement names, looked up before it is planned.
//!
//! Look-ups happen once per statement, so every mention of a table means the same version, and all unknown names are
//! told at once. What the planner asks beyond that (`information_schema`) is answered from the catalog's names.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{ScalarValue, TableReference};
use datafusion::execution::SessionState;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as Parsed;
use hw_catalog::{DEFAULT_SCHEMA, Table, TableKind, TableName, TableVersion};

use self::missing::{other_catalog, unknown_table};
use crate::counters::Counters;
use crate::dataset;
use crate::engine::Engine;
use crate::error::{QueryError, StatementFault, StatementFaultKind};
use crate::files::{Format, Named};
use crate::funnel::add_funnels;
use crate::session::SessionInput;
use crate::statement::{self, CheckedStatement, FUNNEL_SCHEMA, Relation, StatementKind, take_funnels};
use crate::stores::StatementStores;
use crate::tables::StoredTable;

mod missing;
mod provider;
mod view;

pub use view::DefinedView;

/// The one catalog.
pub(crate) const CATALOG: &str = "headwater";

/// What the catalog tells of itself.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// What one statement sees of the catalog.
pub(crate) struct StatementCatalog {
    engine: Engine,
    input: SessionInput,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stores: Arc<StatementStores>,
    /// Set once: the session state refers to this catalog, and views are planned with that state.
    state: Mutex<Option<SessionState>>,
    found: Mutex<HashMap<Key, Arc<dyn TableProvider>>>,
    /// What the store said of each table, so that every mention means the same version.
    loaded: Mutex<HashMap<TableName, Option<StoredTable>>>,
    /// Funnels in this statement and in its views.
    funnels: AtomicUsize,
    names: Mutex<Vec<TableName>>,
    pinned: Mutex<BTreeMap<TableName, TableVersion>>,
    /// What views grow to when they are put in.
    weights: Mutex<HashMap<Key, u64>>,
    /// Views that are being put in, the outermost first.
    opening: Mutex<Vec<TableName>>,
    own: Weak<Self>,
}

/// Breaks the cycle between a catalog and the state that refers to it when the statement is done.
#[derive(Debug)]
pub(crate) struct OpenCatalog(Arc<StatementCatalog>);

impl OpenCatalog {
    pub(crate) fn catalog(&self) -> &Arc<StatementCatalog> {
        &self.0
    }
}

impl Drop for OpenCatalog {
    fn drop(&mut self) {
        *locked(&self.0.state) = None;
    }
}

/// Schema and name.
type Key = (String, String);

impl fmt::Debug for StatementCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatementCatalog").finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StatementCatalog {
    pub(crate) fn new(engine: Engine, input: SessionInput, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            engine,
            input,
            stores: Arc::new(StatementStores::new(Arc::clone(&counters))),
            counters,
            state: Mutex::default(),
            found: Mutex::default(),
            loaded: Mutex::default(),
            funnels: AtomicUsize::default(),
            names: Mutex::default(),
            pinned: Mutex::default(),
            weights: Mutex::default(),
            opening: Mutex::default(),
            own: own.clone(),
        })
    }

    /// Lets views be planned with `state` as long as the answer is held. Views are met while planning, and while
    /// `information_schema` is read.
    pub(crate) fn open(self: &Arc<Self>, state: &SessionState) -> OpenCatalog {
        *locked(&self.state) = Some(state.clone());
        OpenCatalog(Arc::clone(self))
    }

    /// The versions of the tables that were looked up, by name.
    pub(crate) fn pinned(&self) -> Vec<(TableName, TableVersion)> {
        locked(&self.pinned)
            .iter()
            .map(|(name, version)| (name.clone(), *version))
            .collect()
    }

    /// Lets a name stand for a version that was looked up elsewhere.
    fn know(&self, stored: StoredTable) {
        locked(&self.loaded).insert(stored.table.name.clone(), Some(stored));
    }

    /// A view as it was looked up elsewhere.
    ///
    /// # Errors
    /// [`QueryError::Statement`] with one fault if it no longer works.
    pub(crate) async fn known_view(&self, table: &Arc<Table>) -> Result<Arc<dyn TableProvider>, QueryError> {
        if let Some(view) = &table.view {
            self.know(StoredTable {
                table: Arc::clone(table),
                parts: Arc::new([]),
                query: Some(view.query.as_str().into()),
            });
        }
        self.named(&table.name.to_string()).await
    }

    /// Records that a version was read which was looked up elsewhere.
    pub(crate) fn pin(&self, name: &TableName, version: TableVersion) {
        locked(&self.pinned).insert(name.clone(), version);
    }

    /// The table of this name, if the text names one.
    pub(crate) async fn stored_table(&self, text: &str) -> Result<Option<StoredTable>, QueryError> {
        match text.parse::<TableName>() {
            Ok(name) => self.load(&name).await,
            Err(_) => Ok(None),
        }
    }

    async fn load(&self, name: &TableName) -> Result<Option<StoredTable>, QueryError> {
        let known = locked(&self.loaded).get(name).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let stored = self.input.tables.table(name).await.map_err(QueryError::Catalog)?;
        Ok(locked(&self.loaded).entry(name.clone()).or_insert(stored).clone())
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn input(&self) -> &SessionInput {
        &self.input
    }

    /// The options of the session, while the statement is planned.
    pub(crate) fn config(&self) -> SessionConfig {
        let state = locked(&self.state);
        let state = state.as_ref().unwrap_or_else(|| self.engine.template());
        state.config().clone()
    }

    /// Lets the planner find a funnel under the name that stands for it.
    pub(crate) fn put_funnel(&self, name: &str, table: Arc<dyn TableProvider>) {
        locked(&self.found).insert((FUNNEL_SCHEMA.to_owned(), name.to_owned()), table);
    }

    /// The dataset of this name, if the text names one.
    pub(crate) async fn stored_dataset(&self, text: &str) -> Result<Option<StoredTable>, QueryError> {
        let stored = self.stored_table(text).await?;
        Ok(stored.filter(|stored| stored.table.kind == TableKind::Dataset))
    }

    /// The relation that a text names outside of SQL: a table or view, else files.
    ///
    /// # Errors
    /// [`QueryError::Statement`] with one fault, without a place, where it names nothing.
    pub(crate) async fn named(&self, text: &str) -> Result<Arc<dyn TableProvider>, QueryError> {
        self.named_within(text, 0).await
    }

    /// As [`Self::named`], within so many views.
    pub(crate) async fn named_within(&self, text: &str, depth: usize) -> Result<Arc<dyn TableProvider>, QueryError> {
        let name = text.parse::<TableName>().ok();
        let key = name.map_or((DEFAULT_SCHEMA.to_owned(), text.to_owned()), |name| {
            (name.schema().to_owned(), name.name().to_owned())
        });
        if let Some(table) = self.stored(&key, depth).await? {
            return Ok(table);
        }
        if looks_like_file(text) {
            return Ok(Arc::new(self.named_files(text).await?));
        }
        let names = self.input.tables.names().await.map_err(QueryError::Catalog)?;
        Err(unknown_table(&key, &names).into())
    }

    /// Takes the funnels out of a statement and looks up all that it names. `values` stand for its placeholders.
    ///
    /// # Errors
    /// [`QueryError::Statement`] with every name that stands for nothing and every fault of a funnel.
    pub(crate) async fn prepare(
        self: &Arc<Self>,
        checked: &mut CheckedStatement,
        sql: &str,
        state: &SessionState,
        values: &[ScalarValue],
        depth: usize,
    ) -> Result<(), QueryError> {
        let first = self.funnels.load(Ordering::Relaxed);
        let calls = take_funnels(&mut checked.parsed, sql, first).map_err(QueryError::Statement)?;
        self.funnels.fetch_add(calls.len(), Ordering::Relaxed);
        let resolved = self.resolve(&Names::of(checked, state)?, depth).await;
        let added = match &resolved {
            Ok(()) | Err(QueryError::Statement(_)) => add_funnels(self, &calls, values, depth).await,
            Err(_) => Ok(()),
        };
        match (resolved, added) {
            (Err(QueryError::Statement(mut faults)), Err(QueryError::Statement(more))) => {
                faults.extend(more);
                faults.sort_by_key(|fault| fault.place.map(|place| place.offset));
                Err(QueryError::Statement(faults))
            }
            (resolved, added) => resolved.and(added),
        }
    }

    /// Looks up all that a statement names.
    ///
    /// # Errors
    /// [`QueryError::Statement`] with every name that stands for nothing.
    async fn resolve(&self, named: &Names<'_>, depth: usize) -> Result<(), QueryError> {
        if named.kind == StatementKind::Catalog || named.relations.iter().any(is_information) {
            let names = self.input.tables.names().await.map_err(QueryError::Catalog)?;
            *locked(&self.names) = names;
        }
        let mut faults = Vec::new();
        for relation in named.relations {
            if !named.means_table(relation) {
                continue;
            }
            match self.look_up(relation, depth).await {
                Ok(()) => {}
                Err(QueryError::Statement(found)) => faults.extend(found.into_iter().map(|mut fault| {
                    fault.place = fault.place.or(relation.place);
                    fault
                })),
                Err(other) => return Err(other),
            }
        }
        match faults.is_empty() {
            true => Ok(()),
            false => Err(QueryError::Statement(faults)),
        }
    }

    async fn look_up(&self, relation: &Relation, depth: usize) -> Result<(), QueryError> {
        let Some(key) = key_of(&relation.name) else {
            return Err(other_catalog(&relation.name).into());
        };
        if is_information(relation) || locked(&self.found).contains_key(&key) {
            return Ok(());
        }
        if let Some(table) = self.stored(&key, depth).await? {
            locked(&self.found).insert(key, table);
            return Ok(());
        }
        if relation.quoted && looks_like_file(&key.1) {
            let table: Arc<dyn TableProvider> = Arc::new(self.named_files(&key.1).await?);
            locked(&self.found).insert(key, table);
            return Ok(());
        }
        let names = self.input.tables.names().await.map_err(QueryError::Catalog)?;
        Err(unknown_table(&key, &names).into())
    }

    async fn named_files(&self, text: &str) -> Result<crate::scan::FilesTable, QueryError> {
        let state = locked(&self.state).clone();
        let Some(state) = state else {
            return Err(QueryError::internal("files named outside of planning"));
        };
        let named = Named {
            engine: &self.engine,
            input: &self.input,
            stores: &self.stores,
            counters: &self.counters,
            session: &state as &dyn Session,
        };
        named.table(text).await
    }

    /// The table of this name in the catalog, ready to be planned.
    async fn stored(&self, key: &Key, depth: usize) -> Result<Option<Arc<dyn TableProvider>>, QueryError> {
        let Ok(name) = TableName::new(&key.0, &key.1) else {
            return Ok(None);
        };
        let Some(stored) = self.load(&name).await? else {
            return Ok(None);
        };
        locked(&self.pinned).insert(name, stored.table.version);
        match stored.table.kind {
            TableKind::View => self.view(&stored, depth).await.map(Some),
            // A managed table's segments are Parquet parts like a dataset's.
            TableKind::Dataset | TableKind::Managed => {
                let table = dataset::table(&self.engine, &self.stores, &self.counters, &stored)?;
                Ok(Some(Arc::new(table)))
            }
            TableKind::Bucket | TableKind::Lake | TableKind::Mirror => {
                let message = format!(
                    "table `{}` is a {} table, which SQL cannot read yet",
                    stored.table.name,
                    stored.table.kind.as_str()
                );
                Err(StatementFault::new(StatementFaultKind::Unsupported, message).into())
            }
        }
    }

    /// What a statement grows to when views are put in. All it names must have been looked up.
    ///
    /// # Errors
    /// A [`StatementFault`] if that is too much.
    pub(crate) fn weigh(&self, parsed: &Parsed) -> Result<u64, StatementFault> {
        let weights = locked(&self.weights);
        let weight_of = |name: &TableReference| key_of(name).and_then(|key| weights.get(&key).copied()).unwrap_or(1);
        statement::weight(parsed, weight_of)
    }

    fn schema_names(&self) -> Vec<String> {
        let mut schemas = vec![DEFAULT_SCHEMA.to_owned()];
        schemas.extend(locked(&self.names).iter().map(|name| name.schema().to_owned()));
        schemas.sort();
        schemas.dedup();
        schemas
    }
}

/// What a statement names, and which of the names are its own.
struct Names<'a> {
    relations: &'a [Relation],
    kind: StatementKind,
    /// Names that stand for tables somewhere in the statement, not only for WITH clauses.
    tables: Vec<TableReference>,
}

impl<'a> Names<'a> {
    fn of(checked: &'a CheckedStatement, state: &SessionState) -> Result<Self, QueryError> {
        let tables = state.resolve_table_references(&checked.parsed);
        Ok(Self {
            relations: &checked.relations,
            kind: checked.kind,
            tables: tables.map_err(|error| QueryError::internal(error.to_string()))?,
        })
    }

    fn means_table(&self, relation: &Relation) -> bool {
        self.tables.contains(&relation.name)
    }
}

fn key_of(name: &TableReference) -> Option<Key> {
    let schema = name.schema().unwrap_or(DEFAULT_SCHEMA).to_owned();
    let is_ours = name.catalog().is_none_or(|catalog| catalog == CATALOG);
    is_ours.then(|| (schema, name.table().to_owned()))
}

fn is_information(relation: &Relation) -> bool {
    relation.name.schema() == Some(INFORMATION_SCHEMA)
}

/// A quoted name is tried as a file where it looks like one; else a mistyped table would be called a missing file.
pub(crate) fn looks_like_file(name: &str) -> bool {
    name.contains(['/', '*', '?']) || Format::of(name).is_some()
}
