//! The parameters of a repartitioning, and what they mean for the table that is read.

use hw_catalog::{ColumnType, Finding, Table, TableKind, TableName, closest};
use serde_json::Value;

use super::PARTS_MAX;
use crate::parameters::{Parameters, invalid, listed};

const KNOWN: [&str; 6] = ["table", "to", "group", "time", "parts", "row_group_rows"];

/// Fewest and most rows of a row group.
const ROW_GROUP_ROWS: std::ops::RangeInclusive<u32> = 1_000..=100_000_000;

/// Well-formed parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RepartitionParams {
    pub(super) table: TableName,
    pub(super) to: Option<TableName>,
    pub(super) group: Option<String>,
    pub(super) time: Option<String>,
    pub(super) parts: Option<u32>,
    pub(super) row_group_rows: Option<u32>,
}

/// What they come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) to: TableName,
    pub(super) group: String,
    pub(super) time: String,
}

impl RepartitionParams {
    /// # Errors
    /// Every fault, each with the JSON pointer of its member.
    pub(super) fn parse(document: &Value) -> Result<Self, Vec<Finding>> {
        let mut given = Parameters::of(document, "repartition", &KNOWN)?;
        let table = given.needed("table", "the name of the table whose rows are brought together");
        let table = table.and_then(|text| given.table("table", &text));
        let to = given.text("to").and_then(|text| given.table("to", &text));
        let (group, time) = (given.text("group"), given.text("time"));
        let parts = given.number("parts", 1..=PARTS_MAX);
        let row_group_rows = given.number("row_group_rows", ROW_GROUP_ROWS);
        if table.is_some() && table == to {
            let finding = invalid(format!("`{}` cannot be repartitioned into itself", text_of(&table))).at("/to");
            given.note(finding.help("name another table; once it is made, the old one can be dropped"));
        }
        given.finish(table.map(|table| Self {
            table,
            to,
            group,
            time,
            parts,
            row_group_rows,
        }))
    }

    /// The columns and the table to be made, held against the table that is read.
    ///
    /// # Errors
    /// Every fault.
    pub(super) fn chosen(&self, source: &Table) -> Result<Chosen, Vec<Finding>> {
        let mut findings = Vec::new();
        if source.dataset.is_none() && source.kind != TableKind::View {
            let message = format!(
                "table `{}` is a {} table, which has no parts",
                source.name,
                source.kind.as_str()
            );
            findings.push(
                Finding::new("HW-T051", message)
                    .at("/table")
                    .help("name a dataset, a managed table or a view"),
            );
        }
        let group = self.group.as_ref().or(source.group_column.as_ref());
        let group = role(source, group, &GROUP, &mut findings);
        let time = self.time.as_ref().or(source.time_column.as_ref());
        let time = role(source, time, &TIME, &mut findings);
        if group.is_some() && group == time {
            findings.push(invalid("the group column and the time column must be two columns").at("/time"));
        }
        let to = match (&self.to, &group) {
            (Some(to), _) => Some(to.clone()),
            (None, Some(group)) => default_name(source, group, &mut findings),
            (None, None) => None,
        };
        match (to, group, time) {
            (Some(to), Some(group), Some(time)) if findings.is_empty() => Ok(Chosen { to, group, time }),
            _ => Err(findings),
        }
    }
}

fn text_of(table: &Option<TableName>) -> String {
    table.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// `events_by_user`.
fn default_name(source: &Table, group: &str, findings: &mut Vec<Finding>) -> Option<TableName> {
    let name = format!("{}_by_{group}", source.name.name());
    match TableName::new(source.name.schema(), &name) {
        Ok(name) => Some(name),
        Err(error) => {
            let finding = invalid(format!("`{name}` cannot be the name of the new table: {error}")).at("/to");
            findings.push(finding.help("give one with `to`"));
            None
        }
    }
}

/// What is asked of a column in a role.
struct Rule {
    name: &'static str,
    what: &'static str,
    missing: &'static str,
    unfit: &'static str,
    must_be: &'static str,
    fits: fn(&arrow_schema::DataType) -> bool,
}

const GROUP: Rule = Rule {
    name: "group",
    what: "group column",
    missing: "HW-T030",
    unfit: "HW-T031",
    must_be: "an integer, a text, a binary, a truth value, a decimal, a date or a time",
    fits: hw_query::can_group,
};

const TIME: Rule = Rule {
    name: "time",
    what: "time column",
    missing: "HW-T033",
    unfit: "HW-T034",
    must_be: "an integer, a float, a timestamp or a date",
    fits: |data_type| {
        matches!(
            ColumnType::of(data_type),
            Some(ColumnType::Int | ColumnType::Float | ColumnType::Timestamp | ColumnType::Date)
        )
    },
};

fn role(source: &Table, name: Option<&String>, rule: &Rule, findings: &mut Vec<Finding>) -> Option<String> {
    let pointer = format!("/{}", rule.name);
    let Some(name) = name else {
        let message = format!("table `{}` has no {}", source.name, rule.what);
        let help = format!("name one with `{}`, or register the table with it", rule.name);
        findings.push(Finding::new("HW-T023", message).at(pointer).help(help));
        return None;
    };
    let names: Vec<&str> = source
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let Ok(field) = source.schema.field_with_name(name) else {
        let message = format!("{} `{name}` does not exist in table `{}`", rule.what, source.name);
        let help = match closest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the columns are {}", listed(&names)),
        };
        findings.push(Finding::new(rule.missing, message).at(pointer).help(help));
        return None;
    };
    if !(rule.fits)(field.data_type()) {
        let message = format!(
            "{} `{name}` of table `{}` is of type {}",
            rule.what,
            source.name,
            field.data_type()
        );
        let help = format!("the {} must be {}", rule.what, rule.must_be);
        findings.push(Finding::new(rule.unfit, message).at(pointer).help(help));
        return None;
    }
    Some(name.clone())
}
