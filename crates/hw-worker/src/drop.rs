//! Taking a table out of the catalog. Registered files stay where they are; parts of our own are swept later.

use hw_catalog::{Finding, TableKind, TableName};
use hw_job::{
    CatalogChange, ErrorClass, Failure, JobKind, JobView, LastUse, Lifetime, Merged, PrepareError, PrepareRequest,
    Prepared,
};
use serde_json::{Value, json};

use crate::parameters::Parameters;

/// Drops a table: parameters `{"table", "force", "kind"}`; with `kind` only a table of that kind.
///
/// Refused while the table was used less than [`guard_seconds`](Self::guard_seconds) ago, unless forced or a view: whoever reads
/// a view has planned its query already.
#[derive(Debug, Clone, Copy)]
pub struct DropKind {
    /// Seconds since the last use below which a drop is refused; 0 = never refused.
    pub guard_seconds: u64,
}

#[derive(Debug)]
struct Params {
    table: TableName,
    force: bool,
    kind: Option<TableKind>,
}

fn parse(params: &Value) -> Result<Params, Vec<Finding>> {
    let mut members = Parameters::of(params, "drop", &["table", "force", "kind"])?;
    let table = members.needed("table", "the name of the table");
    let table = table.and_then(|text| members.table("table", &text));
    let force = members.flag("force").unwrap_or(false);
    let kind = members.choice("kind", &TableKind::ALL.map(|kind| (kind.as_str(), kind)));
    members.finish(table.map(|table| Params { table, force, kind }))
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

/// A table that is not of the kind that was to be dropped.
pub fn other_kind(table: &TableName, wanted: TableKind, there: TableKind) -> Failure {
    let (wanted, there) = (wanted.as_str(), there.as_str());
    let message = format!("table `{table}` is of kind {there}, not {wanted}");
    Failure::new(ErrorClass::Input, "HW-T058", message).help(format!("drop it with `headwater table drop {table}`"))
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
        let there = request.tables.first().map(|pinned| pinned.table.kind);
        if let (Some(wanted), Some(there)) = (params.kind, there)
            && wanted != there
        {
            return Err(PrepareError::Conflict(other_kind(&params.table, wanted, there)));
        }
        let guarded = request
            .tables
            .first()
            .filter(|pinned| pinned.table.kind != TableKind::View);
        let last_used = guarded.and_then(|pinned| pinned.last_used);
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
