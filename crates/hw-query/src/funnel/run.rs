//! Running the operator over a source.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DataFusionError};
use datafusion::datasource::provider_as_source;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use hw_catalog::{Groups, Part, Table, TableKind};
use hw_files::Standing;
use hw_funnel::{Dataset, Partial, Query};

use super::direct::{Direct, DirectRun};
use super::node::FunnelNode;
use super::output::merge_into;
use super::spec::{FunnelSpec, Options};
use super::{FunnelInput, FunnelPartial, FunnelRelation, dataset_of, dataset_of_schema, timeframe};
use crate::catalog::{OpenCatalog, StatementCatalog};
use crate::counters::Counters;
use crate::dataset;
use crate::engine::Engine;
use crate::error::{QueryError, from_execution};
use crate::explain::row_groups_pruned as row_groups_pruned_of;
use crate::rows::SummaryHandle;
use crate::run::state_with;
use crate::session::SessionInput;
use crate::tables::StoredTable;
use crate::yielding::{CancelFlag, let_joins_yield};

/// Bytes that a matcher is taken to hold for each row, besides those for each cell.
const ROW_BYTES: u64 = 64;

/// Bytes that a row is taken to have in a file that does not tell its rows.
const ROW_BYTES_STORED: u64 = 8;

/// Bytes that a matcher is taken to hold for each cell.
const CELL_BYTES: u64 = 32;

/// Partitions that rows are distributed over at most; each has buffers of its own.
const PARTITIONS_MAX: usize = 512;

/// Bytes that a row is taken to have on its way to its partition.
const ROW_BYTES_MOVED: usize = 64;

/// Fewest rows of a batch on its way.
const BATCH_ROWS_MIN: usize = 256;

/// Partitions for a source whose size is not known, per thread.
const PARTITIONS_UNKNOWN: usize = 4;

/// A run to be started on the engine's threads.
pub(crate) struct FunnelWork {
    pub(crate) engine: Engine,
    pub(crate) input: SessionInput,
    pub(crate) config: SessionConfig,
    pub(crate) scan: FunnelInput,
    pub(crate) counters: Arc<Counters>,
    pub(crate) cancelled: CancelFlag,
    /// What others of the same job asked of the folder of the table.
    pub(crate) standing: Option<Arc<Standing>>,
}

/// What is to be matched.
pub(super) struct Source {
    dataset: Dataset,
    /// No group has rows in two of them.
    relations: Vec<Relation>,
    /// Whether groups may straddle the parts of a relation.
    straddling: bool,
    /// Registered parts, which can be read without a plan.
    parts: Option<(Arc<Table>, Vec<Part>)>,
}

impl Source {
    /// Whether rows are distributed by group first, since groups may straddle parts.
    pub(super) fn straddles(&self) -> bool {
        self.straddling
    }

    /// The path of the part that a relation consists of, if it is one.
    fn only_part(&self, place: usize) -> Option<&str> {
        let (_, parts) = self.parts.as_ref()?;
        let alone = self.relations.len() == parts.len();
        parts.get(place).filter(|_| alone).map(|part| part.path.as_str())
    }

    pub(super) fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    pub(super) fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// Registered parts, which can be read without a plan.
    pub(super) fn registered(&self) -> Option<(&Arc<Table>, &[Part])> {
        self.parts.as_ref().map(|(table, parts)| (table, parts.as_slice()))
    }
}

/// Rows that are matched by one plan.
pub(super) struct Relation {
    rows: Arc<dyn TableProvider>,
    spread: Spread,
}

/// How many rows a relation has, and what follows for distributing them by group.
#[derive(Debug, Clone, Copy)]
enum Spread {
    Unknown,
    /// All groups of these rows are whole, and other tasks match others meanwhile: distributed only if they are too many.
    Alone(u64),
    /// Of these rows nothing is known, and nothing else is matched.
    Together(u64),
}

/// One plan of the operator.
pub(crate) struct FunnelPlan {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) context: Arc<TaskContext>,
}

impl FunnelWork {
    pub(crate) fn summary(&self) -> SummaryHandle {
        SummaryHandle::new(Arc::clone(&self.counters))
    }

    pub(crate) fn cancelled(&self) -> CancelFlag {
        self.cancelled.clone()
    }

    pub(crate) async fn run(self) -> Result<FunnelPartial, QueryError> {
        let catalog = self.catalog();
        // A session's state takes longer to make than a small part to match. Views need one, parts do not.
        let _open = (!self.scan.is_dataset()).then(|| self.open(&catalog));
        let source = self.source(&catalog).await?;
        let query = Arc::new(Query::from_expanded(self.scan.query(), &source.dataset)?);
        let (partial, row_groups_pruned) = self.match_source(&catalog, &source, &query).await?;
        let read = self.counters.summary();
        Ok(FunnelPartial {
            partial,
            columns: query.columns().into_iter().map(str::to_owned).collect(),
            bytes_read: read.bytes_read,
            files_total: read.files_total,
            files_pruned: read.files_pruned,
            files_held: self.counters.files_held(),
            downloaded: self.counters.remote().downloaded(),
            from_cache: self.counters.remote().from_cache(),
            download_time: self.counters.remote().download_time(),
            row_groups_total: self.counters.row_groups(),
            row_groups_pruned,
            redistributed: source.straddling,
            pinned: catalog.pinned(),
        })
    }

    /// The same work, stopped by another flag.
    pub(super) fn with_flag(&self, cancelled: CancelFlag) -> Self {
        Self {
            engine: self.engine.clone(),
            input: self.input.clone(),
            config: self.config.clone(),
            scan: self.scan.clone(),
            counters: Arc::clone(&self.counters),
            cancelled,
            standing: self.standing.clone(),
        }
    }

    /// The counts, and the number of row groups skipped: straight from the pages of parts, or by plans.
    pub(super) async fn match_source(
        &self,
        catalog: &Arc<StatementCatalog>,
        source: &Source,
        query: &Arc<Query>,
    ) -> Result<(Partial, u64), QueryError> {
        let direct = match &source.parts {
            Some((table, parts)) => self.direct(catalog, query, table, parts).await?,
            None => None,
        };
        match direct {
            Some(run) => Ok((run.partial, run.row_groups_pruned)),
            None => self.by_plans(catalog, source, query).await,
        }
    }

    /// Parts straight from their pages.
    async fn direct(
        &self,
        catalog: &StatementCatalog,
        query: &Arc<Query>,
        table: &Arc<Table>,
        parts: &[Part],
    ) -> Result<Option<DirectRun>, QueryError> {
        let direct = Direct {
            engine: &self.engine,
            counters: &self.counters,
            cancelled: &self.cancelled,
            query,
            export: self.scan.export(),
            is_measured: false,
        };
        direct.run(&catalog.stores, table, parts).await
    }

    /// The counts, and the number of row groups skipped.
    async fn by_plans(
        &self,
        catalog: &Arc<StatementCatalog>,
        source: &Source,
        query: &Query,
    ) -> Result<(Partial, u64), QueryError> {
        let mut partial = Partial::empty(query);
        let mut row_groups_pruned = 0;
        for (place, relation) in source.relations.iter().enumerate() {
            let planned = self.plan(catalog, &source.dataset, relation).await?;
            let done = self.execute(&planned, &mut partial).await;
            done.map_err(|error| match source.only_part(place) {
                Some(part) => error.of_part(part),
                None => error,
            })?;
            row_groups_pruned += row_groups_pruned_of(&planned.plan);
        }
        Ok((partial, row_groups_pruned))
    }

    /// The plan over the first relation; `None` without parts.
    pub(super) async fn planned_first(
        &self,
        catalog: &Arc<StatementCatalog>,
        source: &Source,
    ) -> Result<Option<FunnelPlan>, QueryError> {
        match source.relations.first() {
            Some(relation) => self.plan(catalog, &source.dataset, relation).await.map(Some),
            None => Ok(None),
        }
    }

    #[cfg(test)]
    pub(super) async fn plan_first(&self) -> Result<(FunnelPlan, OpenCatalog), QueryError> {
        let catalog = self.catalog();
        let open = self.open(&catalog);
        let source = self.source(&catalog).await?;
        let planned = self.planned_first(&catalog, &source).await?;
        let planned = planned.ok_or_else(|| QueryError::internal("a table without parts was to be planned"))?;
        Ok((planned, open))
    }

    pub(super) fn catalog(&self) -> Arc<StatementCatalog> {
        let catalog = StatementCatalog::new(self.engine.clone(), self.input.clone(), Arc::clone(&self.counters));
        if let Some(standing) = &self.standing {
            catalog.stores.share(Arc::clone(standing));
        }
        catalog
    }

    pub(super) fn open(&self, catalog: &Arc<StatementCatalog>) -> OpenCatalog {
        catalog.open(&state_with(&self.engine, self.config.clone(), catalog))
    }

    pub(super) async fn source(&self, catalog: &Arc<StatementCatalog>) -> Result<Source, QueryError> {
        match &self.scan {
            FunnelInput::Scan(scan) if scan.table.kind == TableKind::View => {
                let dataset = dataset_of(&scan.table);
                let dataset = dataset.ok_or_else(|| QueryError::NotFunnelable(scan.table.name.to_string()))?;
                let rows = catalog.known_view(&scan.table).await?;
                Ok(self.whole(rows, &dataset.group_column, &dataset.time_column))
            }
            FunnelInput::Scan(scan) => self.parts(catalog, &scan.table, &scan.parts),
            FunnelInput::Relation(FunnelRelation { name, group, time, .. }) => {
                if let Some(stored) = catalog.stored_dataset(name).await?
                    && stored.table.group_column.as_ref() == Some(group)
                    && stored.table.time_column.as_ref() == Some(time)
                {
                    return self.parts(catalog, &stored.table, &stored.parts);
                }
                Ok(self.whole(catalog.named(name).await?, group, time))
            }
        }
    }

    /// A relation of which nothing is known.
    pub(super) fn whole(&self, rows: Arc<dyn TableProvider>, group: &str, time: &str) -> Source {
        Source {
            dataset: dataset_of_schema(&rows.schema(), group, time),
            relations: vec![Relation {
                rows,
                spread: Spread::Unknown,
            }],
            straddling: true,
            parts: None,
        }
    }

    pub(super) fn parts(
        &self,
        catalog: &StatementCatalog,
        table: &Arc<Table>,
        parts: &[Part],
    ) -> Result<Source, QueryError> {
        let dataset = dataset_of(table).ok_or_else(|| QueryError::NotFunnelable(table.name.to_string()))?;
        catalog.pin(&table.name, table.version);
        let all = table.dataset.as_ref().map_or(0, |dataset| dataset.parts);
        let relations = match table.groups {
            Groups::Contained => {
                let alone = |part: &Part| self.relation(catalog, table, vec![part.clone()], Spread::Alone);
                parts.iter().map(alone).collect::<Result<_, _>>()?
            }
            Groups::Split if parts.len() as u64 == all => {
                vec![self.relation(catalog, table, parts.to_vec(), Spread::Together)?]
            }
            Groups::Split => {
                return Err(QueryError::internal(format!(
                    "{} of {all} parts of `{}` were to be matched alone, but its groups straddle parts",
                    parts.len(),
                    table.name
                )));
            }
        };
        Ok(Source {
            dataset,
            relations,
            straddling: table.groups == Groups::Split,
            parts: Some((Arc::clone(table), parts.to_vec())),
        })
    }

    fn relation(
        &self,
        catalog: &StatementCatalog,
        table: &Arc<Table>,
        parts: Vec<Part>,
        spread: fn(u64) -> Spread,
    ) -> Result<Relation, QueryError> {
        let count: u64 = parts
            .iter()
            .map(|part| part.rows.unwrap_or(part.bytes / ROW_BYTES_STORED))
            .sum();
        let stored = StoredTable {
            table: Arc::clone(table),
            parts: parts.into(),
            query: None,
        };
        let rows = dataset::table(&self.engine, &catalog.stores, &self.counters, &stored)?;
        Ok(Relation {
            rows: Arc::new(rows),
            spread: spread(count),
        })
    }

    /// Partitions that rows are distributed over by group, and the memory that all matchers of the plan have: half of the pool
    /// at most, into which those under way fit. 1 partition leaves the rows as they come.
    fn partitions(&self, spread: Spread, columns: usize) -> (usize, usize) {
        let threads = self.engine.threads();
        let half = usize::try_from(self.engine.limits().memory / 2).unwrap_or(usize::MAX);
        let row = ROW_BYTES + CELL_BYTES * columns as u64;
        let bytes = |rows: u64| usize::try_from(rows.saturating_mul(row)).unwrap_or(usize::MAX);
        let needed = |rows: u64, room: usize| bytes(rows).div_ceil((room / threads).max(1));
        let (partitions, room) = match spread {
            Spread::Unknown => (threads * PARTITIONS_UNKNOWN, 0),
            // There are as many tasks as threads.
            Spread::Alone(rows) => (needed(rows, half / threads), bytes(rows).min(half / threads)),
            Spread::Together(rows) => (needed(rows, half).max(threads).max(2), bytes(rows).min(half)),
        };
        (partitions.clamp(1, PARTITIONS_MAX), room)
    }

    /// Every thread fills a batch for every partition: the more there are, the smaller are the batches. Rows of unknown number
    /// go over few partitions.
    fn config_of(&self, spread: Spread, partitions: usize) -> SessionConfig {
        let config = self.config.clone().with_target_partitions(partitions);
        if matches!(spread, Spread::Unknown) {
            return config;
        }
        let room = usize::try_from(self.engine.limits().memory / 8).unwrap_or(usize::MAX);
        let batch = room / (ROW_BYTES_MOVED * partitions * self.engine.threads());
        let usual = self.config.batch_size();
        config
            .with_batch_size(batch.clamp(BATCH_ROWS_MIN.min(usual), usual))
            .with_round_robin_repartition(false)
    }

    pub(super) async fn plan(
        &self,
        catalog: &Arc<StatementCatalog>,
        dataset: &Dataset,
        relation: &Relation,
    ) -> Result<FunnelPlan, QueryError> {
        let failed = |error| from_execution(error, self.engine.limits());
        let options = Options {
            redistribute: false,
            matchers_max: self.engine.threads(),
            room: 0,
            export: self.scan.export(),
        };
        let spec = FunnelSpec::new(self.scan.query(), dataset, options)?;
        let (partitions, room) = self.partitions(relation.spread, spec.columns());
        let redistributed = Options {
            redistribute: true,
            room,
            ..options
        };
        let spec = Arc::new(match partitions {
            1 => spec,
            _ => spec.with_options(redistributed),
        });
        let state = state_with(&self.engine, self.config_of(relation.spread, partitions), catalog);
        let logical = logical_plan(&spec, dataset, &relation.rows).map_err(failed)?;
        let plan = state.create_physical_plan(&logical).await.map_err(failed)?;
        Ok(FunnelPlan {
            plan: let_joins_yield(plan, &self.cancelled).map_err(failed)?,
            context: state.task_ctx(),
        })
    }

    pub(super) async fn execute(&self, planned: &FunnelPlan, partial: &mut Partial) -> Result<(), QueryError> {
        let failed = |error| from_execution(error, self.engine.limits());
        let stream = execute_stream(Arc::clone(&planned.plan), Arc::clone(&planned.context));
        let mut rows = stream.map_err(failed)?;
        while let Some(batch) = rows.next().await {
            merge_into(partial, &batch.map_err(failed)?)?;
        }
        Ok(())
    }
}

fn logical_plan(
    spec: &Arc<FunnelSpec>,
    dataset: &Dataset,
    relation: &Arc<dyn TableProvider>,
) -> Result<LogicalPlan, DataFusionError> {
    let query = spec.query();
    let time = &dataset.time_column;
    let schema = relation.schema();
    let time_type = schema.field_with_name(time)?.data_type();
    let mut input = LogicalPlanBuilder::scan("relation", provider_as_source(Arc::clone(relation)), None)?;
    if let Some(condition) = timeframe::condition(time, time_type, query.time_bounds()) {
        input = input.filter(condition)?;
    }
    let columns = query
        .columns()
        .into_iter()
        .map(|name| Expr::Column(Column::from_name(name)));
    let input = input.project(columns.collect::<Vec<_>>())?.build()?;
    let node = FunnelNode::new(input, Arc::clone(spec))?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}
