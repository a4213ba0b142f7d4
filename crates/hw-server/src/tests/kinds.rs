//! Made-up kinds of jobs under the names of the real ones, and `work`, which is cut into tasks that tests do by hand.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use hw_catalog::{
    Bound, ColumnSummary, ColumnType, Dataset, Finding, Groups, Part, Scalar, Table, TableKind, TableName,
    TableVersion, UnsupportedColumn,
};
use hw_job::{
    CatalogChange, ErrorClass, Failure, JobKind, JobView, Lifetime, Merged, Needs, PrepareError, PrepareRequest,
    Prepared, TaskSpec,
};
use serde_json::{Value, json};

pub(super) fn kinds() -> Vec<Arc<dyn JobKind>> {
    vec![Arc::new(Work), Arc::new(Register), Arc::new(Drop), Arc::new(Funnel)]
}

fn prepared(params: &Value, tasks: Vec<TaskSpec>) -> Prepared {
    Prepared {
        expanded: params.clone(),
        tasks,
        fingerprint: None,
        warnings: Vec::new(),
    }
}

fn finished(result: Value, changes: Vec<CatalogChange>) -> Merged {
    Merged {
        result,
        partial: false,
        changes,
        files: Vec::new(),
    }
}

/// `{"tasks": 2, "label": "gold"}`: so many tasks; its result is what they brought.
struct Work;

impl JobKind for Work {
    fn name(&self) -> &'static str {
        "work"
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime::Interactive
    }

    fn reads(&self, params: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        let table = params.get("table").and_then(Value::as_str);
        Ok(table.map(|table| table.parse().unwrap()).into_iter().collect())
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        if request.params.get("conflict").is_some() {
            let failure = Failure::new(ErrorClass::Input, "HW-T050", "it is in use").help("wait");
            return Err(PrepareError::Conflict(failure));
        }
        let count = request.params.get("tasks").and_then(Value::as_u64).unwrap_or(0);
        let label = request.params.get("label").and_then(Value::as_str);
        let chain = request.params.get("chain").is_some();
        let task = |index: u64| TaskSpec {
            kind: "step".to_owned(),
            format: 1,
            params: json!({"index": index}),
            needs: Needs {
                labels: label.map(str::to_owned).into_iter().collect(),
                ..Needs::default()
            },
            affinity: Vec::new(),
            flow: "work".to_owned(),
            after: if chain && index > 0 {
                vec![index as u32 - 1]
            } else {
                Vec::new()
            },
        };
        Ok(prepared(request.params, (0..count).map(task).collect()))
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        if let Some(message) = job.expanded.get("fail").and_then(Value::as_str) {
            return Err(Failure::new(ErrorClass::Data, "HW-T012", message).help("mend the data"));
        }
        let outcomes: Vec<_> = job.tasks.iter().map(|task| task.outcome.clone()).collect();
        Ok(finished(json!({"outcomes": outcomes}), Vec::new()))
    }
}

/// Makes a table of two parts without looking at any file.
struct Register;

impl JobKind for Register {
    fn name(&self) -> &'static str {
        "register"
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime::Interactive
    }

    fn reads(&self, _: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        Ok(Vec::new())
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        let mut findings = Vec::new();
        for member in request.params.as_object().unwrap().keys() {
            let known = ["name", "path", "basepath", "groupIdColumn", "timestampColumn"];
            if !known.contains(&member.as_str()) {
                let finding = Finding::new("HW-T030", format!("unknown member `{member}`"));
                findings.push(finding.at(format!("/{member}")).help("leave it out"));
            }
        }
        match findings.is_empty() {
            true => Ok(prepared(request.params, Vec::new())),
            false => Err(PrepareError::Faults(findings)),
        }
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        let name: TableName = job.expanded["name"].as_str().unwrap().parse().unwrap();
        let put = CatalogChange::Put {
            table: Box::new(table(name)),
            parts: vec![part("a.parquet", 1), part("b.parquet", 2), part("sub/c é.parquet", 3)],
            expected: None,
        };
        Ok(finished(json!({"success": true}), vec![put]))
    }
}

struct Drop;

impl JobKind for Drop {
    fn name(&self) -> &'static str {
        "drop"
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime::Interactive
    }

    fn reads(&self, params: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        Ok(vec![params["table"].as_str().unwrap().parse().unwrap()])
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        Ok(prepared(request.params, Vec::new()))
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        let drops = job.reads.iter().map(|(name, version)| CatalogChange::Drop {
            name: name.clone(),
            version: *version,
        });
        Ok(finished(
            json!({"success": true, "datasetFound": true}),
            drops.collect(),
        ))
    }
}

/// Answers with its own parameters; identical questions have one fingerprint. `{"tasks": 2}` is cut into tasks that tests
/// do by hand, `{"fail": "why"}` fails, `{"wrong": ...}` is refused.
struct Funnel;

impl JobKind for Funnel {
    fn name(&self) -> &'static str {
        "funnel"
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime::Interactive
    }

    fn reads(&self, _: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        Ok(Vec::new())
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        let query = &request.params["query"];
        if query.get("wrong").is_some() {
            let finding = Finding {
                kind: "SCHEMA".to_owned(),
                ..Finding::new("HW-F001", "unknown member `wrong`").at("/wrong")
            };
            return Err(PrepareError::Faults(vec![finding.help("leave it out")]));
        }
        let count = query.get("tasks").and_then(Value::as_u64).unwrap_or(0);
        let task = |index: u64| TaskSpec {
            kind: "step".to_owned(),
            format: 1,
            params: json!({"index": index}),
            needs: Needs::default(),
            affinity: Vec::new(),
            flow: "funnel".to_owned(),
            after: Vec::new(),
        };
        Ok(Prepared {
            fingerprint: Some(query.to_string()),
            ..prepared(request.params, (0..count).map(task).collect())
        })
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        match job.expanded["query"].get("fail").and_then(Value::as_str) {
            Some("inside") => return Err(Failure::new(ErrorClass::Internal, "HW-J023", "a secret of the program")),
            Some(message) => return Err(Failure::new(ErrorClass::Data, "HW-T012", message).help("mend the data")),
            None => {}
        }
        Ok(finished(
            json!({"asked": job.expanded, "by": job.id.to_string()}),
            Vec::new(),
        ))
    }
}

fn part(path: &str, rows: u64) -> Part {
    Part {
        path: path.to_owned(),
        bytes: rows * 10,
        rows: Some(rows),
        etag: None,
        modified_at: 0,
    }
}

fn bound(value: i64) -> Option<Bound> {
    Some(Bound {
        value: Scalar::Int(value),
        exact: true,
    })
}

fn summary(name: &str, column_type: ColumnType) -> ColumnSummary {
    ColumnSummary {
        name: name.to_owned(),
        column_type,
        min: None,
        max: None,
        null_count: Some(0),
        dictionary: false,
        categorical: false,
        top_values: Vec::new(),
        unique_ratio: None,
    }
}

fn table(name: TableName) -> Table {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let event = ColumnSummary {
        categorical: true,
        top_values: vec![("view".to_owned(), 0.75), ("buy".to_owned(), 0.25)],
        unique_ratio: Some(0.5),
        ..summary("event", ColumnType::String)
    };
    let time_summary = ColumnSummary {
        min: bound(0),
        max: bound(1_500),
        ..summary("at", ColumnType::Timestamp)
    };
    Table {
        name,
        kind: TableKind::Dataset,
        version: TableVersion(0),
        schema: Schema::new(vec![
            Field::new("user", DataType::Int64, false),
            Field::new("at", time, false),
            Field::new("event", DataType::Utf8, true),
            Field::new("blob", DataType::Binary, true),
        ]),
        group_column: Some("user".to_owned()),
        time_column: Some("at".to_owned()),
        groups: Groups::Contained,
        sorted_by: Vec::new(),
        rows: Some(6),
        bytes: 60,
        columns: vec![summary("user", ColumnType::Int), time_summary, event],
        unsupported: vec![UnsupportedColumn {
            name: "blob".to_owned(),
            reason: "Binary".to_owned(),
        }],
        dataset: Some(Dataset {
            location: "file:///data/".to_owned(),
            pattern: "*.parquet".to_owned(),
            recursive: true,
            parts: 3,
            inspected: 3,
            containment_proven: true,
        }),
        registered_at: 1_700_000_000_000_000,
        origin: None,
        comment: None,
        repartition: None,
        view: None,
    }
}
