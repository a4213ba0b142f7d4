//! How a funnel is carried out, as a document: what is read and why, which way is taken, and after a run what it cost.
//!
//! The shape is `FunnelExplainDocument` of the API. Everything is over all parts of the question, not per task of a job.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hw_catalog::{Groups, Part, Table};
use hw_funnel::{ColumnOutline, PartMatcher, Partial, Query, Strategy, result};
use serde::Serialize;
use serde_json::{Value, json};

use super::direct::{Activity, ColumnFigures, Direct, DirectRun, Figures, OpenPart, now};
use super::run::{FunnelWork, Source};
use super::skip;
use crate::catalog::StatementCatalog;
use crate::error::QueryError;
use crate::explain::{Explained, row_groups_pruned, shown};

/// Which way is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    /// Straight from the pages of parts.
    Pages,
    /// Over a plan of the engine.
    Plan,
}

#[derive(Serialize)]
struct Document {
    way: Way,
    reason: String,
    strategy: StrategyDocument,
    groups: &'static str,
    columns: Vec<ColumnDocument>,
    predicates: Vec<PredicateDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<Pruned>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row_groups: Option<Pruned>,
    memory: MemoryDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    analysis: Option<Analysis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Value>,
}

#[derive(Serialize)]
struct StrategyDocument {
    name: &'static str,
    reason: &'static str,
}

#[derive(Serialize)]
struct ColumnDocument {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
    uses: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<StoredColumn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<ReadColumn>,
}

/// A column in the row groups that are not pruned, as footers tell.
#[derive(Serialize, Clone, Copy, Default)]
struct StoredColumn {
    row_groups: u64,
    dictionary_row_groups: u64,
    bytes: u64,
    unfolded_bytes: u64,
}

/// What a run read of a column.
#[derive(Serialize)]
struct ReadColumn {
    row_groups: u64,
    dictionary_row_groups: u64,
    entries: u64,
    flat_rows: u64,
    bytes: u64,
    unfolded_bytes: u64,
}

#[derive(Serialize)]
struct PredicateDocument {
    column: String,
    op: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    places: Vec<String>,
    /// `dictionary`, `rows` or `mixed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    per: Option<&'static str>,
}

#[derive(Serialize)]
struct Pruned {
    total: u64,
    pruned: u64,
}

#[derive(Serialize)]
struct MemoryDocument {
    limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    decoding: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<u64>,
}

#[derive(Serialize)]
struct Analysis {
    elapsed_ms: f64,
    matchers: u64,
    restarted: u64,
    rejoined: u64,
    second_passes: u64,
    row_groups_without_match: u64,
    stages: Vec<StageDocument>,
    times: Vec<TimeDocument>,
}

#[derive(Serialize, Default)]
struct StageDocument {
    stage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

#[derive(Serialize)]
struct TimeDocument {
    activity: &'static str,
    ms: f64,
}

/// What is known before anything runs.
struct Outline<'a> {
    query: &'a Query,
    opened: Option<&'a [Arc<OpenPart>]>,
}

impl FunnelWork {
    /// How the question is carried out; with `analyze` it is.
    pub(crate) async fn explain(&self, analyze: bool) -> Result<Value, QueryError> {
        let catalog = self.catalog();
        let _open = self.open(&catalog);
        let source = self.source(&catalog).await?;
        let query = Arc::new(Query::from_expanded(self.scan.query(), source.dataset())?);
        let strategy = PartMatcher::strategy(&query);
        let by_pages = match (source.registered(), strategy) {
            (_, Strategy::Plain { .. }) => Err("only the plain matcher takes this query".to_owned()),
            (None, _) => Err("nothing is known of the parts of this relation".to_owned()),
            (Some((table, parts)), _) => self.by_pages(&catalog, &query, table, parts, analyze).await?,
        };
        let mut document = match by_pages {
            Ok(document) => document,
            Err(reason) => self.by_plan(&catalog, &source, &query, reason, analyze).await?,
        };
        document.groups = if source.straddles() { "split" } else { "contained" };
        if document.plan.is_none() {
            let planned = self.planned_first(&catalog, &source).await?;
            document.plan = planned.map(|planned| plan_document(&shown(&planned.plan, false)));
        }
        serde_json::to_value(document).map_err(|error| QueryError::internal(error.to_string()))
    }

    /// The way straight from the pages, or why it is not taken.
    async fn by_pages(
        &self,
        catalog: &StatementCatalog,
        query: &Arc<Query>,
        table: &Arc<Table>,
        parts: &[Part],
        analyze: bool,
    ) -> Result<Result<Document, String>, QueryError> {
        let direct = Direct {
            engine: &self.engine,
            counters: &self.counters,
            cancelled: &self.cancelled,
            query,
            export: self.scan.export(),
            is_measured: analyze,
        };
        let started = now();
        let opened = direct.open_all(&catalog.stores, table, parts).await?;
        let opening = now() - started;
        let outline = Outline {
            query,
            opened: Some(&opened),
        };
        let limit = self.engine.limits().memory;
        if outline.decoding() > limit {
            let decoding = outline.decoding();
            return Ok(Err(format!(
                "decoding a row group takes {decoding} bytes, beyond the memory limit of {limit}"
            )));
        }
        let reason = match table.groups {
            Groups::Contained => "registered parts, each matched by itself",
            Groups::Split => "registered parts, matched together since groups may straddle them",
        };
        let mut document = outline.document(Way::Pages, reason.to_owned(), limit);
        if analyze {
            let Some(mut run) = direct.match_parts(table, &opened).await? else {
                return Ok(Err("the groups take more memory than there is".to_owned()));
            };
            run.spend_opening(opening);
            outline.add_run(&mut document, &run, started, self.counters.summary().bytes_read);
        }
        Ok(Ok(document))
    }

    async fn by_plan(
        &self,
        catalog: &Arc<StatementCatalog>,
        source: &Source,
        query: &Arc<Query>,
        reason: String,
        analyze: bool,
    ) -> Result<Document, QueryError> {
        let outline = Outline { query, opened: None };
        let mut document = outline.document(Way::Plan, reason, self.engine.limits().memory);
        if !analyze {
            return Ok(document);
        }
        let started = now();
        let mut partial = Partial::empty(query);
        let (mut matchers, mut pruned) = (0, 0);
        for relation in source.relations() {
            let planned = self.plan(catalog, source.dataset(), relation).await?;
            self.execute(&planned, &mut partial).await?;
            matchers += 1;
            pruned += row_groups_pruned(&planned.plan);
            if document.plan.is_none() {
                document.plan = Some(plan_document(&shown(&planned.plan, true)));
            }
        }
        let read = self.counters.summary();
        document.parts = Some(Pruned {
            total: read.files_total,
            pruned: read.files_pruned,
        });
        document.row_groups = Some(Pruned {
            total: self.counters.row_groups(),
            pruned,
        });
        let mut stages = vec![StageDocument {
            bytes: Some(read.bytes_read),
            ..StageDocument::of("read")
        }];
        stages.extend(outline.result_stages(&partial, None, None));
        document.analysis = Some(Analysis {
            elapsed_ms: milliseconds(now() - started),
            matchers,
            restarted: 0,
            rejoined: 0,
            second_passes: 0,
            row_groups_without_match: 0,
            stages,
            times: Vec::new(),
        });
        Ok(document)
    }
}

impl Outline<'_> {
    fn document(&self, way: Way, reason: String, limit: u64) -> Document {
        let strategy = PartMatcher::strategy(self.query);
        let stored = self.opened.map(|opened| self.stored(opened));
        let stored_of = |column: usize| stored.as_ref().and_then(|stored| stored.get(column)).copied();
        let outlines = self.query.column_outlines().into_iter().enumerate();
        let column = |(number, outline): (usize, ColumnOutline)| ColumnDocument {
            name: outline.name,
            data_type: outline.data_type.to_string(),
            uses: outline.uses,
            stored: stored_of(number),
            read: None,
        };
        let predicates = self.query.predicate_outlines().into_iter();
        let predicates = predicates.map(|predicate| PredicateDocument {
            per: stored_of(predicate.column).and_then(looked_at),
            column: predicate.name,
            op: predicate.op,
            value: predicate.value,
            places: predicate.places,
        });
        Document {
            way,
            reason,
            strategy: StrategyDocument {
                name: strategy.name(),
                reason: reason_of(strategy),
            },
            groups: "",
            columns: outlines.map(column).collect(),
            predicates: predicates.collect(),
            parts: self.opened.map(pruned_parts),
            row_groups: self.opened.map(pruned_row_groups),
            memory: MemoryDocument {
                limit,
                decoding: self.opened.map(|_| self.decoding()),
                held: self
                    .opened
                    .map(|opened| opened.iter().filter(|part| part.is_held()).count() as u64)
                    .filter(|held| *held > 0),
            },
            analysis: None,
            plan: None,
        }
    }

    /// Most bytes that one row group takes while it is decoded.
    fn decoding(&self) -> u64 {
        let parts = self.opened.unwrap_or_default().iter();
        parts.map(|part| part.decoding_bytes() as u64).max().unwrap_or(0)
    }

    /// Each column in the row groups that are not pruned.
    fn stored(&self, opened: &[Arc<OpenPart>]) -> Vec<StoredColumn> {
        let mut stored = vec![StoredColumn::default(); self.query.columns().len()];
        for (part, row_group) in opened.iter().flat_map(kept) {
            for (stored, column) in stored.iter_mut().zip(&part.columns) {
                let (bytes, unfolded_bytes) = skip::chunk_bytes(&part.reader, row_group, *column);
                stored.row_groups += 1;
                stored.dictionary_row_groups += u64::from(part.reader.is_dictionary_coded(row_group, *column));
                stored.bytes += bytes;
                stored.unfolded_bytes += unfolded_bytes;
            }
        }
        stored
    }

    fn add_run(&self, document: &mut Document, run: &DirectRun, started: Instant, bytes_read: u64) {
        let none = Figures::default();
        let figures = run.figures.as_ref().unwrap_or(&none);
        for (column, read) in document.columns.iter_mut().zip(&figures.columns) {
            column.read = Some(ReadColumn::from(*read));
        }
        let mut stages = self.stored_stages(figures, bytes_read);
        stages.extend(self.result_stages(&run.partial, Some(figures.selected), Some(figures.memory)));
        let times = Activity::ALL.iter().zip(figures.spent);
        let times = times.map(|(activity, spent)| TimeDocument {
            activity: activity.name(),
            ms: milliseconds(spent),
        });
        document.analysis = Some(Analysis {
            elapsed_ms: milliseconds(now() - started),
            matchers: run.matchers,
            restarted: figures.restarts,
            rejoined: run.rejoined,
            second_passes: figures.second_passes,
            row_groups_without_match: figures.hopeless,
            stages,
            times: times.collect(),
        });
    }

    /// From what is stored to what was decoded.
    fn stored_stages(&self, figures: &Figures, bytes_read: u64) -> Vec<StageDocument> {
        let opened = self.opened.unwrap_or_default();
        let rows_of = |part: &Arc<OpenPart>| -> u64 {
            let row_groups = 0..part.reader.row_groups();
            row_groups.map(|row_group| part.reader.rows(row_group) as u64).sum()
        };
        let stored: u64 = opened.iter().map(rows_of).sum();
        let bytes: u64 = opened.iter().map(|part| self.part_bytes(part)).sum();
        let rows: u64 = opened
            .iter()
            .flat_map(kept)
            .map(|(part, row_group)| part.reader.rows(row_group) as u64)
            .sum();
        let stage = |stage, rows, bytes| StageDocument {
            rows: Some(rows),
            bytes: Some(bytes),
            ..StageDocument::of(stage)
        };
        let unfolded = figures.columns.iter().map(|column| column.unfolded_bytes).sum();
        vec![
            stage("stored", stored, bytes),
            stage("read", rows, bytes_read),
            stage("decoded", rows, unfolded),
        ]
    }

    /// Bytes of the query's columns in a part.
    fn part_bytes(&self, part: &OpenPart) -> u64 {
        let chunks = (0..part.reader.row_groups())
            .flat_map(|row_group| part.columns.iter().map(move |column| (row_group, *column)));
        chunks
            .map(|(row_group, column)| skip::chunk_bytes(&part.reader, row_group, column).0)
            .sum()
    }

    /// From the timeframe to the answer.
    fn result_stages(&self, partial: &Partial, selected: Option<u64>, memory: Option<u64>) -> Vec<StageDocument> {
        let answer = result(self.query, partial);
        let has_predicates = !self.query.predicate_outlines().is_empty();
        let mut stages = vec![StageDocument {
            rows: Some(partial.scanned_rows()),
            groups: Some(partial.scanned_groups()),
            bytes: memory,
            ..StageDocument::of("timeframe")
        }];
        if let Some(selected) = selected.filter(|_| has_predicates) {
            stages.push(StageDocument {
                rows: Some(selected),
                ..StageDocument::of("selected")
            });
        }
        let number = |selection: &Value, member: &str| selection.get(member).and_then(Value::as_u64);
        let selection = |stage, selection: &Value| StageDocument {
            rows: number(selection, "matchingGroupRows"),
            groups: number(selection, "matchingGroups"),
            ..StageDocument::of(stage)
        };
        stages.extend(answer.get("query").map(|query| selection("matched", query)));
        let steps = answer.pointer("/funnel/sequence").and_then(Value::as_array);
        stages.extend(
            steps
                .and_then(|steps| steps.last())
                .map(|last| selection("passed", last)),
        );
        stages
    }
}

impl StageDocument {
    fn of(stage: &'static str) -> Self {
        Self {
            stage,
            ..Self::default()
        }
    }
}

impl From<ColumnFigures> for ReadColumn {
    fn from(figures: ColumnFigures) -> Self {
        Self {
            row_groups: figures.row_groups,
            dictionary_row_groups: figures.dictionary_row_groups,
            entries: figures.entries,
            flat_rows: figures.flat_rows,
            bytes: figures.bytes,
            unfolded_bytes: figures.unfolded_bytes,
        }
    }
}

fn reason_of(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Streaming => {
            "all steps are positive: a few words of state per group suffice while rows come in order of time; a part where \
             they do not is read again and gathered"
        }
        Strategy::Gathering { reason } | Strategy::Plain { reason } => reason,
    }
}

/// Over what a predicate is looked at; `None` where there is nothing to look at.
fn looked_at(column: StoredColumn) -> Option<&'static str> {
    match (column.dictionary_row_groups, column.row_groups) {
        (_, 0) => None,
        (0, _) => Some("rows"),
        (some, all) if some == all => Some("dictionary"),
        _ => Some("mixed"),
    }
}

/// The row groups of a part that are not pruned.
fn kept(part: &Arc<OpenPart>) -> impl Iterator<Item = (&OpenPart, usize)> {
    let row_groups = (0..part.reader.row_groups()).filter(|row_group| !part.is_skipped(*row_group));
    row_groups.map(move |row_group| (part.as_ref(), row_group))
}

fn pruned_parts(opened: &[Arc<OpenPart>]) -> Pruned {
    let pruned = opened.iter().filter(|part| kept(part).next().is_none());
    Pruned {
        total: opened.len() as u64,
        pruned: pruned.count() as u64,
    }
}

fn pruned_row_groups(opened: &[Arc<OpenPart>]) -> Pruned {
    let total: usize = opened.iter().map(|part| part.reader.row_groups()).sum();
    let left: usize = opened.iter().map(|part| kept(part).count()).sum();
    Pruned {
        total: total as u64,
        pruned: (total - left) as u64,
    }
}

fn plan_document(explained: &Explained) -> Value {
    json!({"text": explained.text, "plan": explained.plan})
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
