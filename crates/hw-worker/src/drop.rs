//! Taking a table out of the catalog. Registered files stay where they are; parts of our own are swept later.

use hw_catalog::{Finding, TableName};
use hw_job::{
    CatalogChange, ErrorClass, Failure, JobKind, JobView, LastUse, Lifetime, Merged, PrepareError, PrepareRequest,
    Prepared,
};
use serde_json::{Value, json};

use crate::parameters::Parameters;

/// Drops a table: parameters `{"table", "force"}`.
///
/// Refused while the table was used less than [`guard_seconds`](Self::guard_seconds) ago, unless forced.
#[derive(Debug, Clone, Copy)]
pub struct DropKind {
    /// Seconds since the last use below which a drop is refused; 0 = never refused.
    pub guard_seconds: u64,
}

#[derive(Debug)]
struct Params {
    table: TableName,
    force: bool,
}

fn parse(params: &Value) -> Result<Params, Vec<Finding>> {
    let mut members = Parameters::of(params, "drop", &["table", "force"])?;
    let table = members.needed("table", "the name of the table");
    let table = table.and_then(|text| members.table("table", &text));
    let force = members.flag("force").unwrap_or(false);
    members.finish(table.map(|table| Params { table, force }))
}

impl DropKind {
    fn in_use(&self, table: &TableName, used: LastUse) -> Failure {
        let message = format!(
            "table `{table}` was used {} seconds ago, less than {}",
            used.seconds_ago, self.guard_seconds
        );
        Failure::new(ErrorClass::Input, "HW-T050", message).help("wait until nobody uses it, or drop it with `--force`")
    }
}

impl JobKind for DropKind {
    fn name(&self) -> &'static str {
        "drop"
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime::Interactive
    }

    fn reads(&self, params: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        Ok(vec![parse(params)?.table])
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        let params = parse(request.params).map_err(PrepareError::Faults)?;
        let last_used = request.tables.first().and_then(|pinned| pinned.last_used);
        if let Some(used) = last_used.filter(|used| !params.force && used.seconds_ago < self.guard_seconds) {
            return Err(PrepareError::Conflict(self.in_use(&params.table, used)));
        }
        let last_used = last_used.map(|used| used.at.0.div_euclid(1_000_000));
        let expanded = json!({"table": params.table, "force": params.force, "last_used": last_used});
        Ok(Prepared {
            expanded,
            tasks: Vec::new(),
            fingerprint: None,
            warnings: Vec::new(),
        })
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        let changes = job
            .reads
            .iter()
            .map(|(name, version)| CatalogChange::Drop {
                name: name.clone(),
                version: *version,
            })
            .collect();
        let mut result = json!({"success": true, "datasetFound": true});
        if let (Some(used), Some(object)) = (
            job.expanded.get("last_used").filter(|used| !used.is_null()),
            result.as_object_mut(),
        ) {
            object.insert("datasetLastUsed".to_owned(), used.clone());
        }
        Ok(Merged {
            result,
            partial: false,
            changes,
            files: Vec::new(),
        })
    }
}
