//! What a request for a funnel asks, found out without making a job.

use std::path::Path;

use hw_catalog::{Finding, TableName};
use hw_files::{Access, FileStores};
use hw_job::Failure;
use hw_query::{CatalogFault, FunnelScan, Tables};
use serde_json::Value;

use super::params::{Params, Source};
use super::run::discovered;
use super::{Discovered, FileSource, FunnelKind, asked, cut, files_without_columns};

/// Who asks, and where things are.
pub struct FunnelAsker<'a> {
    /// The catalog.
    pub tables: &'a dyn Tables,
    /// Where files are.
    pub stores: &'a FileStores,
    /// What the client may read.
    pub access: &'a Access,
    /// The client's working folder.
    pub folder: Option<&'a Path>,
}

/// A funnel bound to the parts that a job would match now.
pub struct FunnelQuestion {
    /// The table with its parts, and the expanded query.
    pub scan: FunnelScan,
    /// Tasks that a job would be cut into.
    pub tasks: usize,
}

/// Why a request asks nothing.
#[derive(Debug)]
pub enum QuestionFault {
    /// What is wrong with it, all at once.
    Faults(Vec<Finding>),
    /// There is no such table.
    NoTable(TableName),
    /// The catalog did not answer.
    Catalog(CatalogFault),
    /// The files cannot be used.
    Files(Failure),
}

impl FunnelKind {
    /// What the parameters of a funnel job ask.
    ///
    /// # Errors
    /// [`QuestionFault`], as the job would be refused or fail.
    pub async fn question(&self, params: &Value, asker: &FunnelAsker<'_>) -> Result<FunnelQuestion, QuestionFault> {
        let params = Params::parse(params).map_err(QuestionFault::Faults)?;
        let stored = match params.source.table() {
            Some(name) => asker.tables.table(&name).await.map_err(QuestionFault::Catalog)?,
            None => None,
        };
        let (table, parts) = match (&params.source, stored) {
            (_, Some(stored)) => (asked(&stored.table, &params, stored.parts.len()), stored.parts.to_vec()),
            (Source::Table(name), None) => return Err(QuestionFault::NoTable(name.clone())),
            (Source::Files(path), None) => {
                let Discovered { table, parts } = asker.files(&params, path).await?;
                (*table, parts)
            }
        };
        let checked = self.check(&params.query, params.export.as_ref(), &table);
        let (query, _) = checked.map_err(QuestionFault::Faults)?;
        Ok(FunnelQuestion {
            tasks: cut(&table, &parts, None).len(),
            scan: FunnelScan {
                table: table.into(),
                parts,
                query,
                export: None,
            },
        })
    }
}

impl FunnelAsker<'_> {
    async fn files(&self, params: &Params, path: &str) -> Result<Discovered, QuestionFault> {
        let (Some(group), Some(time)) = (params.group.clone(), params.time.clone()) else {
            return Err(QuestionFault::Faults(vec![files_without_columns(path)]));
        };
        let source = FileSource {
            path: path.to_owned(),
            group,
            time,
            folder: self.folder.map(|folder| folder.to_string_lossy().into_owned()),
            unrestricted: *self.access == Access::Unrestricted,
        };
        let found = discovered(self.stores, self.access, &source).await;
        found.map_err(QuestionFault::Files)
    }
}
