//! The parameters of an export, and the statement that they come to.

use hw_catalog::{Finding, Table, TableName, closest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::parameters::{Parameters, invalid, listed};

const KNOWN: [&str; 7] = [
    "table",
    "to",
    "format",
    "columns",
    "filter",
    "rows_per_file",
    "overwrite",
];

/// What rows are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileFormat {
    Parquet,
    Csv,
    Jsonl,
}

const FORMATS: [(&str, FileFormat); 3] = [
    ("parquet", FileFormat::Parquet),
    ("csv", FileFormat::Csv),
    ("jsonl", FileFormat::Jsonl),
];

impl FileFormat {
    /// The ending of files' names.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        let ending = ending.to_ascii_lowercase();
        FORMATS
            .iter()
            .find(|(word, _)| *word == ending)
            .map(|(_, format)| *format)
    }
}

/// Well-formed parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExportParams {
    pub(super) table: TableName,
    pub(super) to: String,
    pub(super) format: FileFormat,
    /// Whether `to` names one file, not a folder.
    pub(super) is_file: bool,
    pub(super) columns: Option<Vec<String>>,
    pub(super) filter: Option<String>,
    pub(super) rows_per_file: Option<u32>,
    pub(super) overwrite: bool,
}

impl ExportParams {
    /// # Errors
    /// Every fault, each with the JSON pointer of its member.
    pub(super) fn parse(document: &Value) -> Result<Self, Vec<Finding>> {
        let mut given = Parameters::of(document, "export", &KNOWN)?;
        let table = given.needed("table", "the name of the table whose rows are written");
        let table = table.and_then(|text| given.table("table", &text));
        let to = given.needed("to", "the file, folder or URL that the rows go to");
        let named = to.as_deref().and_then(FileFormat::of_name);
        let asked = given.choice("format", &FORMATS);
        if let (Some(named), Some(asked)) = (named, asked)
            && named != asked
        {
            let message = format!(
                "`format` is `{}`, but the file ends in `.{}`",
                asked.ending(),
                named.ending()
            );
            given.note(
                invalid(message)
                    .at("/format")
                    .help("leave `format` out, or name a folder"),
            );
        }
        let columns = given.texts("columns");
        if columns.as_ref().is_some_and(Vec::is_empty) {
            given.note(
                invalid("`columns` must name a column")
                    .at("/columns")
                    .help("leave it out for all columns"),
            );
        }
        let filter = given.text("filter");
        let rows_per_file = given.number("rows_per_file", 1..=u32::MAX);
        if named.is_some() && rows_per_file.is_some() {
            let finding = invalid("`rows_per_file` is for folders, and `to` is one file").at("/rows_per_file");
            given.note(finding.help("name a folder, or leave it out"));
        }
        let overwrite = given.flag("overwrite").unwrap_or(false);
        let params = table.zip(to).map(|(table, to)| Self {
            table,
            to,
            format: named.or(asked).unwrap_or(FileFormat::Parquet),
            is_file: named.is_some(),
            columns,
            filter,
            rows_per_file,
            overwrite,
        });
        given.finish(params)
    }

    /// The statement that gives the rows.
    ///
    /// # Errors
    /// Every column that the table has not.
    pub(super) fn sql(&self, table: &Table) -> Result<String, Vec<Finding>> {
        let names: Vec<&str> = table
            .schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let mut findings = Vec::new();
        for (place, column) in self.columns.iter().flatten().enumerate() {
            let pointer = format!("/columns/{place}");
            if !names.contains(&column.as_str()) {
                let message = format!("column `{column}` does not exist in table `{}`", table.name);
                let help = match closest(column, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the columns are {}", listed(&names)),
                };
                findings.push(Finding::new("HW-T053", message).at(pointer).help(help));
            } else if self.columns.iter().flatten().take(place).any(|before| before == column) {
                findings.push(invalid(format!("column `{column}` is named twice")).at(pointer));
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let columns = match &self.columns {
            Some(columns) => columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "),
            None => "*".to_owned(),
        };
        let from = format!("{}.{}", quoted(table.name.schema()), quoted(table.name.name()));
        // The filter stands on lines of its own, so that a remark in it ends with it.
        let filter = self.filter.as_ref().map(|filter| format!(" WHERE (\n{filter}\n)"));
        Ok(format!("SELECT {columns} FROM {from}{}", filter.unwrap_or_default()))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
