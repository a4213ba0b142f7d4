//! Tables. Their parts lie beside them, a version's in one document, so that lists of tables never read parts.

use std::collections::BTreeMap;

use async_trait::async_trait;
use hw_catalog::{Part, Table, TableName, TableVersion};
use hw_job::{CatalogChange, JobId};
use sqlx::postgres::PgRow;

use super::document::{read_document, write_document};
use super::files::release_files;
use super::row::{Reader, kept_all};
use super::writer::{Batch, Change, sql};
use super::{PostgresStore, stored};
use crate::catalog::{NameState, PlannedChange, names_of, sorted_parts};
use crate::{CatalogStore, StoreError, TableUse};

#[async_trait]
impl CatalogStore for PostgresStore {
    async fn load_table(&self, name: &TableName) -> Result<Option<Table>, StoreError> {
        let query = "SELECT schema, name, document FROM catalog_table
                     WHERE schema = $1 AND name = $2 AND document IS NOT NULL";
        let query = || sql(query).bind(name.schema().to_owned()).bind(name.name().to_owned());
        self.row(query).await?.as_ref().map(read_table).transpose()
    }

    async fn load_parts(&self, name: &TableName, version: TableVersion) -> Result<Vec<Part>, StoreError> {
        let query = "SELECT document FROM table_parts WHERE schema = $1 AND name = $2 AND version = $3";
        let query = || {
            sql(query)
                .bind(name.schema().to_owned())
                .bind(name.name().to_owned())
                .bind(stored(version.0))
        };
        let Some(row) = self.row(query).await? else {
            return Ok(Vec::new());
        };
        let row = Reader::new(&row, format_args!("the parts of table `{name}` version {version}"));
        read_document(&row, "document")
    }

    async fn list_tables(&self) -> Result<Vec<Table>, StoreError> {
        let query = "SELECT schema, name, document FROM catalog_table WHERE document IS NOT NULL ORDER BY schema, name";
        self.rows(|| sql(query)).await?.iter().map(read_table).collect()
    }

    async fn touch_tables(&self, names: &[TableName]) -> Result<(), StoreError> {
        if names.is_empty() {
            return Ok(());
        }
        self.change(Touch(names.to_vec())).await
    }

    async fn table_use(&self, name: &TableName) -> Result<TableUse, StoreError> {
        let query = || {
            sql("SELECT used_at, used FROM catalog_table WHERE schema = $1 AND name = $2")
                .bind(name.schema().to_owned())
                .bind(name.name().to_owned())
        };
        let Some(row) = self.row(query).await? else {
            return Ok(TableUse::default());
        };
        let row = Reader::new(&row, format_args!("table `{name}`"));
        let used: Option<i64> = row.value("used")?;
        Ok(TableUse {
            at: row.timestamp_if_any("used_at")?,
            seconds_ago: used.map(|used| self.now().since(used).as_secs()),
        })
    }
}

struct Touch(Vec<TableName>);

#[async_trait]
impl Change for Touch {
    type Answer = ();
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        touch_tables(batch, &self.0).await
    }
}

/// Notes that the tables are used now; names without a table are passed over.
pub(super) async fn touch_tables(
    batch: &mut Batch<'_>,
    names: impl IntoIterator<Item = &TableName>,
) -> Result<(), StoreError> {
    let names: Vec<TableName> = names.into_iter().cloned().collect();
    if names.is_empty() {
        return Ok(());
    }
    let touch = "UPDATE catalog_table SET used_at = $3, used = $4
                 WHERE document IS NOT NULL
                   AND (schema, name) IN (SELECT * FROM unnest($1::text[], $2::text[]))";
    let (schemas, names) = name_pairs(&names);
    let touch = sql(touch)
        .bind(schemas)
        .bind(names)
        .bind(batch.now.wall.0)
        .bind(batch.now.elapsed);
    batch.write(touch).await?;
    Ok(())
}

/// The texts of the parts of changes, in the order of these, and their paths.
pub(super) struct PartTexts(Vec<(String, Vec<String>)>);

impl PartTexts {
    pub(super) fn of(changes: &[CatalogChange]) -> Result<Self, StoreError> {
        let texts = changes.iter().map(|change| {
            let parts = sorted_parts(change);
            let paths = kept_all(parts.iter().map(|part| &part.path));
            Ok((write_document(&parts)?, paths))
        });
        texts.collect::<Result<_, _>>().map(Self)
    }
}

/// What the names that the changes are about stand for now.
pub(super) async fn name_states(
    batch: &mut Batch<'_>,
    changes: &[CatalogChange],
) -> Result<BTreeMap<TableName, NameState>, StoreError> {
    let names: Vec<TableName> = names_of(changes).into_iter().cloned().collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let look = "SELECT schema, name, version, document IS NOT NULL AS present FROM catalog_table
                WHERE (schema, name) IN (SELECT * FROM unnest($1::text[], $2::text[]))";
    let (schemas, names) = name_pairs(&names);
    let rows = batch.rows(sql(look).bind(schemas).bind(names)).await?;
    rows.iter().map(read_name_state).collect()
}

/// Makes the changes that were planned.
pub(super) async fn change_catalog(
    batch: &mut Batch<'_>,
    job: JobId,
    planned: Vec<PlannedChange>,
    parts: &PartTexts,
) -> Result<(), StoreError> {
    for change in planned {
        release_manifest(batch, change.name()).await?;
        match change {
            PlannedChange::Put { place, table, created } => {
                let parts = parts.0.get(place).cloned().unwrap_or_default();
                put_table(batch, &table, parts).await?;
                batch.journal.table_put(job, &table.name, table.version, created);
            }
            PlannedChange::Drop(name) => {
                let drop = "UPDATE catalog_table SET document = NULL, used_at = NULL, used = NULL
                            WHERE schema = $1 AND name = $2";
                let drop = sql(drop).bind(name.schema().to_owned()).bind(name.name().to_owned());
                batch.write(drop).await?;
                batch.journal.table_dropped(job, &name);
            }
        }
    }
    Ok(())
}

/// Releases the manifest of the table as it is: the next version has another one, if any.
async fn release_manifest(batch: &mut Batch<'_>, name: &TableName) -> Result<(), StoreError> {
    let look = "SELECT schema, name, document FROM catalog_table
                WHERE schema = $1 AND name = $2 AND document IS NOT NULL";
    let look = sql(look).bind(name.schema().to_owned()).bind(name.name().to_owned());
    let Some(row) = batch.row(look).await? else {
        return Ok(());
    };
    match read_table(&row)?.repartition {
        Some(made_of) => release_files(batch, &[made_of.manifest.path]).await,
        None => Ok(()),
    }
}

async fn put_table(batch: &mut Batch<'_>, table: &Table, parts: (String, Vec<String>)) -> Result<(), StoreError> {
    let put = "WITH put AS (
                   INSERT INTO catalog_table (schema, name, version, document) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (schema, name) DO UPDATE
                   SET version = excluded.version, document = excluded.document, used_at = NULL, used = NULL)
               INSERT INTO table_parts (schema, name, version, document, paths) VALUES ($1, $2, $3, $5, $6)";
    let put = sql(put)
        .bind(table.name.schema().to_owned())
        .bind(table.name.name().to_owned())
        .bind(stored(table.version.0))
        .bind(write_document(table)?)
        .bind(parts.0)
        .bind(parts.1);
    batch.write(put).await?;
    Ok(())
}

/// Schemas and names.
fn name_pairs(names: &[TableName]) -> (Vec<String>, Vec<String>) {
    names
        .iter()
        .map(|name| (name.schema().to_owned(), name.name().to_owned()))
        .unzip()
}

fn read_name(row: &Reader<'_>) -> Result<TableName, StoreError> {
    let (schema, name) = (row.text("schema")?, row.text("name")?);
    TableName::new(&schema, &name).map_err(|error| row.corrupt("name", error))
}

fn read_name_state(row: &PgRow) -> Result<(TableName, NameState), StoreError> {
    let row = Reader::new(row, "a table");
    let state = NameState {
        version: TableVersion(row.number("version")?),
        exists: row.truth("present")?,
    };
    Ok((read_name(&row)?, state))
}

fn read_table(row: &PgRow) -> Result<Table, StoreError> {
    let name = read_name(&Reader::new(row, "a table"))?;
    read_document(&Reader::new(row, format_args!("table `{name}`")), "document")
}
