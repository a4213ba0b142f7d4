//! Registration as a job: find the files, look at some of them closely and at the footers of the others, compare the
//! group ids, then make the table together with the job's end.
//!
//! ```text
//! register.discover ─▶ register.inspect × chosen parts ─┬─▶ (register.compare) ─▶ table
//!                      register.outline × other parts  ─┘
//! ```
//!
//! A fault of the data does not fail a task: tasks report what they found, so that the job can name every fault of every
//! part at once.

use hw_catalog::{Finding, Part, Table, TableKind, TableName, TableVersion};
use hw_files::Published;
use hw_job::{
    Advance, CatalogChange, ErrorClass, Failure, JobKind, JobView, Lifetime, Merged, Needs, PrepareError,
    PrepareRequest, Prepared, TaskSpec,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) use crate::carried::{read, unreadable, written};

use super::{
    CombineOptions, Combined, Inspected, Outlines, PartInspection, RegisterParams, checks_uniqueness, combine_folded,
    info,
};

pub(super) const FORMAT: u32 = 1;
pub(super) const DISCOVER: &str = "register.discover";
pub(super) const INSPECT: &str = "register.inspect";
pub(super) const OUTLINE: &str = "register.outline";
pub(super) const COMPARE: &str = "register.compare";

/// Parts whose footers one task reads.
const OUTLINES_PER_TASK: usize = 64;

/// Most findings that a failed registration lists.
const FINDINGS_MAX: usize = 100;

/// Registers datasets: parameters `{"name", "path", "group", "time", "pattern", "recursive", "validation",
/// "validate_uniques", "groups"}`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegisterKind {
    /// Most frequent values kept of a text column.
    pub top_count: usize,
    /// Share of the rows below which a value is not kept.
    pub top_share_min: f64,
}

/// A registration's expanded parameters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Expanded {
    pub(super) format: u32,
    pub(super) params: RegisterParams,
    /// The client's working folder; only clients that may read what their user may have one.
    pub(super) folder: Option<String>,
    /// Whether the client may read what its user may, with a working folder or without.
    #[serde(default)]
    pub(super) unrestricted: bool,
}

/// Outcome of `register.discover`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Discovered {
    /// URL of the folder that holds the parts, ending in `/`.
    pub(super) location: String,
    pub(super) parts: Vec<Part>,
    /// Places of the parts to look at closely.
    pub(super) chosen: Vec<usize>,
    /// On the wall, microseconds: the table's time of registration.
    pub(super) at: i64,
    /// The wildcard that the path ended in, if it did.
    #[serde(default)]
    pub(super) wildcard: Option<Wildcard>,
}

/// Which files of the folder are parts, as the path told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Wildcard {
    pub(super) pattern: String,
    pub(super) recursive: bool,
}

/// Parameters of `register.inspect` and `register.outline`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PartsTask {
    pub(super) location: String,
    pub(super) parts: Vec<Part>,
    #[serde(default)]
    pub(super) collect_ids: bool,
}

/// Outcome of `register.inspect`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum InspectOutcome {
    /// The part can be one of the dataset.
    Found {
        inspection: Box<PartInspection>,
        /// Its distinct group ids.
        ids: Option<Published>,
    },
    /// It cannot.
    Faults(Vec<Finding>),
}

/// Outcome of `register.outline`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OutlineOutcome {
    /// Folded by schema.
    pub(super) outlines: Vec<Outlines>,
    pub(super) faults: Vec<Finding>,
}

/// Parameters of `register.compare`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CompareTask {
    pub(super) group: String,
    pub(super) ids: Vec<(String, Published)>,
}

/// Outcome of `register.compare`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CompareOutcome {
    pub(super) fault: Option<Finding>,
}

impl JobKind for RegisterKind {
    fn name(&self) -> &'static str {
        "register"
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime::Interactive
    }

    fn reads(&self, params: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        RegisterParams::parse(params).map(|_| Vec::new())
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        let params = RegisterParams::parse(request.params).map_err(PrepareError::Faults)?;
        let flow = request.job.to_string();
        let expanded = Expanded {
            format: FORMAT,
            params,
            folder: request.folder.map(str::to_owned),
            unrestricted: request.unrestricted,
        };
        let tasks = vec![task(DISCOVER, &Value::Null, &flow)];
        Ok(Prepared {
            expanded: written(&expanded),
            tasks,
            fingerprint: None,
            warnings: Vec::new(),
        })
    }

    fn advance(&self, job: &JobView<'_>) -> Result<Advance, Failure> {
        let expanded: Expanded = read(job.expanded)?;
        let discovered = discovered(job)?;
        let inspects: Vec<InspectOutcome> = outcomes(job, INSPECT)?;
        let uniqueness = checks_uniqueness(discovered.parts.len(), &expanded.params);
        if inspects.is_empty() {
            return Ok(Advance::Tasks(look(&discovered, uniqueness, job)));
        }
        let is_compared = job.tasks.iter().any(|task| task.kind == COMPARE);
        if let (true, false, Some(compare)) = (uniqueness, is_compared, comparison(&expanded, &inspects)) {
            return Ok(Advance::Tasks(vec![task(
                COMPARE,
                &written(&compare),
                &job.id.to_string(),
            )]));
        }
        Ok(Advance::Merge)
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        let expanded: Expanded = read(job.expanded)?;
        let discovered = discovered(job)?;
        let inspects: Vec<InspectOutcome> = outcomes(job, INSPECT)?;
        let compared: Option<CompareOutcome> = outcomes(job, COMPARE)?.pop();
        let outlines: Vec<OutlineOutcome> = outcomes(job, OUTLINE)?;
        let combined = self.combined(&expanded, &discovered, &inspects, &outlines, compared)?;
        Ok(finish(job, expanded, discovered, outlines, &inspects, combined))
    }
}

impl RegisterKind {
    /// What all parts say together, or every fault of every part.
    fn combined(
        &self,
        expanded: &Expanded,
        discovered: &Discovered,
        inspects: &[InspectOutcome],
        outlines: &[OutlineOutcome],
        compared: Option<CompareOutcome>,
    ) -> Result<Combined, Failure> {
        let RegisterParams {
            path,
            group,
            time,
            groups,
            ..
        } = &expanded.params;
        let mut faults: Vec<Finding> = inspects.iter().flat_map(InspectOutcome::faults).cloned().collect();
        faults.extend(outlines.iter().flat_map(|outline| outline.faults.iter().cloned()));
        let all_compared = compared.is_some() && inspects.len() == discovered.parts.len();
        faults.extend(compared.and_then(|compared| compared.fault));
        let found: Vec<Inspected> = inspects.iter().filter_map(InspectOutcome::inspected).collect();
        let others: Vec<Outlines> = outlines
            .iter()
            .flat_map(|outline| outline.outlines.iter().cloned())
            .collect();
        let options = CombineOptions {
            group: group.clone(),
            time: time.clone(),
            groups: *groups,
            // The ids are not at hand here: `register.compare` has compared them.
            check_uniqueness: false,
            top_count: self.top_count,
            top_share_min: self.top_share_min,
            ..CombineOptions::for_parts(discovered.parts.len())
        };
        // A column that no part has was named wrongly; one that some parts lack is a fault of the parts.
        let wrong_name = is_of_all_parts(&faults, inspects.len());
        let class = if wrong_name {
            ErrorClass::Input
        } else {
            ErrorClass::Data
        };
        let mut faults = each_role_once(faults);
        match combine_folded(&found, &others, &options) {
            Ok(combined) if faults.is_empty() => {
                let containment_proven = combined.containment_proven || all_compared;
                Ok(Combined {
                    containment_proven,
                    ..combined
                })
            }
            Ok(_) => Err(refused(path, class, faults)),
            Err(more) => {
                faults.extend(more);
                Err(refused(path, ErrorClass::Data, faults))
            }
        }
    }
}

/// Faults of the group column or the time column that one part tells as well as another: missing, or of an unfit type.
const ROLE_FAULTS: [&str; 4] = ["HW-T030", "HW-T031", "HW-T033", "HW-T034"];

/// Whether there is nothing but such faults, and each in every part that was looked at.
fn is_of_all_parts(faults: &[Finding], parts: usize) -> bool {
    let count = |code: &str| faults.iter().filter(|fault| fault.code == code).count();
    let is_general = |fault: &Finding| ROLE_FAULTS.contains(&fault.code.as_str()) && count(&fault.code) == parts;
    !faults.is_empty() && faults.iter().all(is_general)
}

/// Such faults told once, of the first part that has them and the number of the others.
fn each_role_once(faults: Vec<Finding>) -> Vec<Finding> {
    let mut told: Vec<(Finding, usize)> = Vec::new();
    for fault in faults {
        let is_role = ROLE_FAULTS.contains(&fault.code.as_str());
        match told.iter_mut().find(|(first, _)| is_role && first.code == fault.code) {
            Some((_, more)) => *more += 1,
            None => told.push((fault, 0)),
        }
    }
    let with_count = |(fault, more): (Finding, usize)| match more {
        0 => fault,
        1 => Finding {
            message: format!("{}; the same in 1 more part", fault.message),
            ..fault
        },
        more => Finding {
            message: format!("{}; the same in {more} more parts", fault.message),
            ..fault
        },
    };
    told.into_iter().map(with_count).collect()
}

impl InspectOutcome {
    fn faults(&self) -> &[Finding] {
        match self {
            Self::Found { .. } => &[],
            Self::Faults(faults) => faults,
        }
    }

    fn inspected(&self) -> Option<Inspected> {
        match self {
            Self::Found { inspection, .. } => Some(Inspected {
                inspection: inspection.as_ref().clone(),
                ids: None,
            }),
            Self::Faults(_) => None,
        }
    }
}

/// The tasks that look at the parts.
fn look(discovered: &Discovered, collect_ids: bool, job: &JobView<'_>) -> Vec<TaskSpec> {
    let flow = job.id.to_string();
    let mut chosen = discovered.chosen.iter().peekable();
    let (mut closely, mut others) = (Vec::new(), Vec::new());
    for (place, part) in discovered.parts.iter().enumerate() {
        let is_chosen = chosen.next_if(|next| **next == place).is_some();
        if is_chosen {
            closely.push(part.clone())
        } else {
            others.push(part.clone())
        }
    }
    let parts_task = |kind: &str, parts: &[Part], collect_ids: bool| {
        task(
            kind,
            &written(&PartsTask {
                location: discovered.location.clone(),
                parts: parts.to_vec(),
                collect_ids,
            }),
            &flow,
        )
    };
    let inspects = closely.chunks(1).map(|part| parts_task(INSPECT, part, collect_ids));
    let outlines = others
        .chunks(OUTLINES_PER_TASK)
        .map(|parts| parts_task(OUTLINE, parts, false));
    inspects.chain(outlines).collect()
}

fn comparison(expanded: &Expanded, inspects: &[InspectOutcome]) -> Option<CompareTask> {
    let group = expanded.params.group.clone()?;
    let ids = inspects.iter().filter_map(|outcome| match outcome {
        InspectOutcome::Found {
            inspection,
            ids: Some(ids),
        } => Some((inspection.outline.path.clone(), ids.clone())),
        _ => None,
    });
    let ids: Vec<_> = ids.collect();
    (ids.len() > 1).then_some(CompareTask { group, ids })
}

fn finish(
    job: &JobView<'_>,
    expanded: Expanded,
    discovered: Discovered,
    outlines: Vec<OutlineOutcome>,
    inspects: &[InspectOutcome],
    combined: Combined,
) -> Merged {
    let parts = counted_parts(&discovered, &outlines, inspects);
    let warnings = combined.warnings.clone();
    // As Funnel Rocket counts them: one for each part that was looked at closely.
    let tasks: Vec<_> = job.tasks.iter().filter(|task| task.kind == INSPECT).collect();
    let attempts: u32 = tasks.iter().map(|task| task.attempts).sum();
    let bytes: u64 = parts.iter().map(|part| part.bytes).sum();
    let table = table(job, expanded.params, &discovered, combined, bytes);
    let result = json!({
        "success": true,
        "requestId": crate::request_id(job.id),
        "dataset": info(&table),
        "rows": table.rows,
        "warnings": warnings,
        "stats": {
            "totalTime": job.elapsed.as_secs_f64(),
            "dataset": {"totalSize": bytes, "parts": parts.len()},
            "invoker": {
                "enqueueTime": job.enqueued.as_secs_f64(),
                "pollTime": job.elapsed.saturating_sub(job.enqueued).as_secs_f64(),
                "totalTasks": tasks.len(),
                "totalAttempts": attempts,
                "failedTasks": 0,
                "failedAttempts": (attempts as usize).saturating_sub(tasks.len()),
                "lostRetries": tasks.iter().map(|task| task.lost).sum::<u32>(),
            },
        },
    });
    let changes = vec![CatalogChange::Put {
        table: Box::new(table),
        parts,
        expected: None,
    }];
    Merged {
        result,
        partial: false,
        changes,
        files: Vec::new(),
    }
}

/// The parts with their numbers of rows, where a footer told.
fn counted_parts(discovered: &Discovered, outlines: &[OutlineOutcome], inspects: &[InspectOutcome]) -> Vec<Part> {
    let outlined = outlines
        .iter()
        .flat_map(|outcome| &outcome.outlines)
        .flat_map(|group| &group.parts);
    let outlined = outlined.map(|part| (part.path.as_str(), part.rows));
    let inspected = inspects.iter().filter_map(|outcome| match outcome {
        InspectOutcome::Found { inspection, .. } => Some(&inspection.outline),
        InspectOutcome::Faults(_) => None,
    });
    let inspected = inspected.map(|part| (part.path.as_str(), part.rows));
    let mut rows: Vec<(&str, u64)> = outlined.chain(inspected).collect();
    rows.sort_unstable();
    let rows_of = |path: &str| {
        rows.binary_search_by_key(&path, |(path, _)| path)
            .ok()
            .and_then(|at| rows.get(at))
    };
    let counted = |part: &Part| Part {
        rows: rows_of(&part.path).map(|(_, rows)| *rows),
        ..part.clone()
    };
    discovered.parts.iter().map(counted).collect()
}

fn table(job: &JobView<'_>, params: RegisterParams, discovered: &Discovered, combined: Combined, bytes: u64) -> Table {
    let (pattern, recursive) = match &discovered.wildcard {
        Some(wildcard) => (wildcard.pattern.clone(), wildcard.recursive),
        None => (params.pattern, params.recursive),
    };
    Table {
        name: params.name,
        kind: TableKind::Dataset,
        version: TableVersion(0),
        schema: combined.schema,
        group_column: params.group,
        time_column: params.time,
        groups: combined.groups,
        sorted_by: combined.sorted_by,
        rows: combined.rows,
        bytes,
        columns: combined.columns,
        unsupported: combined.unsupported,
        dataset: Some(hw_catalog::Dataset {
            location: discovered.location.clone(),
            pattern,
            recursive,
            parts: discovered.parts.len() as u64,
            inspected: combined.inspected,
            containment_proven: combined.containment_proven,
        }),
        registered_at: discovered.at,
        origin: Some(job.id.to_string()),
        comment: None,
        repartition: None,
        view: None,
    }
}

fn refused(path: &str, class: ErrorClass, mut faults: Vec<Finding>) -> Failure {
    let count = faults.len();
    faults.truncate(FINDINGS_MAX);
    let first = faults.first().cloned().unwrap_or_default();
    let message = match count {
        1 => format!("`{path}` cannot become a table: {}", first.message),
        count => format!("`{path}` cannot become a table, for {count} reasons"),
    };
    Failure {
        findings: faults,
        help: first.help,
        ..Failure::new(class, first.code, message)
    }
}

fn task(kind: &str, params: &Value, flow: &str) -> TaskSpec {
    TaskSpec {
        kind: kind.to_owned(),
        format: FORMAT,
        params: params.clone(),
        needs: Needs::default(),
        affinity: Vec::new(),
        flow: flow.to_owned(),
        after: Vec::new(),
    }
}

fn discovered(job: &JobView<'_>) -> Result<Discovered, Failure> {
    let discovered = outcomes(job, DISCOVER)?.pop();
    discovered.ok_or_else(|| unreadable("nothing was discovered"))
}

fn outcomes<T: DeserializeOwned>(job: &JobView<'_>, kind: &str) -> Result<Vec<T>, Failure> {
    job.tasks
        .iter()
        .filter(|task| task.kind == kind)
        .map(|task| read(&task.outcome))
        .collect()
}
