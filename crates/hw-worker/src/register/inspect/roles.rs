//! The group column and the time column of a part: what they must be, and how they sort the rows.

use std::cmp::Ordering;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use hw_catalog::{ColumnType, Finding, closest};

use super::columns::is_reserved;
use super::keys::{Keys, LastKey};
use super::{InspectError, InspectOptions, Part, PartOrder};
use crate::register::GroupIds;
use crate::register::ids::IdCollector;

/// A column that has a role, found and of a fitting type.
#[derive(Debug, Clone)]
pub(super) struct Role {
    index: usize,
    name: String,
    data_type: DataType,
}

#[derive(Debug, Default)]
pub(super) struct Roles {
    group: Option<Role>,
    time: Option<Role>,
}

/// Finds the columns; what stands against them is added to `findings`.
pub(super) fn find(part: &Part<'_>, options: &InspectOptions, findings: &mut Vec<Finding>) -> Roles {
    let mut find = |name: &Option<String>, rule: &Rule| match role(part, name.as_deref()?, rule) {
        Ok(role) => Some(role),
        Err(finding) => {
            findings.push(*finding);
            None
        }
    };
    Roles {
        group: find(&options.group, &GROUP),
        time: find(&options.time, &TIME),
    }
}

/// What is asked of a column in a role.
struct Rule {
    pointer: &'static str,
    what: &'static str,
    missing: &'static str,
    unfit: &'static str,
    must_be: &'static str,
    fits: fn(&ColumnType) -> bool,
}

const GROUP: Rule = Rule {
    pointer: "/group",
    what: "group column",
    missing: "HW-T030",
    unfit: "HW-T031",
    must_be: "an integer or text",
    fits: |column_type| matches!(column_type, ColumnType::Int | ColumnType::String),
};

const TIME: Rule = Rule {
    pointer: "/time",
    what: "time column",
    missing: "HW-T033",
    unfit: "HW-T034",
    must_be: "an integer, a float, a timestamp or a date",
    fits: |column_type| {
        matches!(
            column_type,
            ColumnType::Int | ColumnType::Float | ColumnType::Timestamp | ColumnType::Date
        )
    },
};

fn role(part: &Part<'_>, name: &str, rule: &Rule) -> Result<Role, Box<Finding>> {
    let fields = part.footer.schema.fields();
    let found = fields.iter().enumerate().find(|(_, field)| field.name() == name);
    let (index, field) = found.ok_or_else(|| Box::new(missing(part, name, rule)))?;
    let fits = ColumnType::of(field.data_type()).is_some_and(|column_type| (rule.fits)(&column_type));
    if !fits || is_reserved(name) {
        return Err(Box::new(unfit(part, field, rule)));
    }
    Ok(Role {
        index,
        name: name.to_owned(),
        data_type: field.data_type().clone(),
    })
}

fn missing(part: &Part<'_>, name: &str, rule: &Rule) -> Finding {
    let names = || part.footer.schema.fields().iter().map(|field| field.name().as_str());
    let message = format!("{} `{name}` does not exist in `{}`", rule.what, part.file.path);
    let help = match closest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the columns are {}", listed(names())),
    };
    Finding::new(rule.missing, message).at(rule.pointer).help(help)
}

fn unfit(part: &Part<'_>, field: &Field, rule: &Rule) -> Finding {
    let (name, file) = (field.name(), &part.file.path);
    let (message, help) = match is_reserved(name) {
        true => (
            format!("{} `{name}` in `{file}` has a reserved name", rule.what),
            "rename the column: names that begin with `__cond_` are used by queries".to_owned(),
        ),
        false => (
            format!("{} `{name}` in `{file}` is of type {}", rule.what, field.data_type()),
            format!("the {} must be {}", rule.what, rule.must_be),
        ),
    };
    Finding::new(rule.unfit, message).at(rule.pointer).help(help)
}

/// Names for messages; many are cut short.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN_MAX: usize = 20;
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    match names.get(..SHOWN_MAX) {
        Some(first) if names.len() > SHOWN_MAX => format!("{} and {} more", first.join(", "), names.len() - SHOWN_MAX),
        _ => names.join(", "),
    }
}

/// Reads both columns from the first row to the last.
pub(super) async fn scan(part: &Part<'_>, roles: &Roles, collect_ids: bool) -> Result<Scan, InspectError> {
    let scan = Scan::new(roles, collect_ids);
    let mut columns: Vec<usize> = [&roles.group, &roles.time]
        .into_iter()
        .flatten()
        .map(|role| role.index)
        .collect();
    if columns.is_empty() {
        return Ok(scan);
    }
    columns.sort_unstable();
    part.drive(&columns, scan, Scan::take).await
}

/// What was seen of the columns so far.
#[derive(Debug)]
pub(super) struct Scan {
    group: Option<Column>,
    time: Option<Column>,
    order: Order,
    ids: Option<IdCollector>,
}

#[derive(Debug)]
struct Column {
    role: Role,
    nulls: u64,
    nans: u64,
}

impl Scan {
    fn new(roles: &Roles, collect_ids: bool) -> Self {
        let column = |role: &Option<Role>| {
            role.clone().map(|role| Column {
                role,
                nulls: 0,
                nans: 0,
            })
        };
        let group = column(&roles.group);
        let ids = group
            .as_ref()
            .filter(|_| collect_ids)
            .map(|group| IdCollector::for_type(&group.role.plain_type()));
        Self {
            order: Order::new(group.is_some(), roles.time.is_some()),
            time: column(&roles.time),
            group,
            ids,
        }
    }

    fn take(&mut self, batch: &RecordBatch) {
        let group = self.group.as_mut().and_then(|column| column.take(batch));
        let time = self.time.as_mut().and_then(|column| column.take(batch));
        let group = group.as_ref().map(Keys::of);
        let time = time.as_ref().map(Keys::of);
        if let (Some(ids), Some(group)) = (&mut self.ids, &group) {
            ids.take(group);
        }
        self.order.take(batch.num_rows(), group.as_ref(), time.as_ref());
    }

    /// Nulls and NaN where none may be.
    pub(super) fn faults(&self, path: &str) -> Vec<Finding> {
        let group = self.group.iter().filter(|column| column.nulls > 0).map(|column| {
            let message = format!(
                "group column `{}` has {} in `{path}`",
                column.role.name,
                counted(column.nulls, "null")
            );
            let help = "write the part without these rows, or with an id of their own for them";
            Finding::new("HW-T032", message).at("/group").help(help)
        });
        let time = self
            .time
            .iter()
            .filter(|column| column.nulls + column.nans > 0)
            .map(|column| {
                let found: Vec<_> = [(column.nulls, "null"), (column.nans, "NaN")]
                    .into_iter()
                    .filter(|(count, _)| *count > 0)
                    .map(|(count, what)| counted(count, what))
                    .collect();
                let message = format!(
                    "time column `{}` has {} in `{path}`",
                    column.role.name,
                    found.join(" and ")
                );
                let help = "write the part without these rows, or choose another time column";
                Finding::new("HW-T035", message).at("/time").help(help)
            });
        group.chain(time).collect()
    }

    pub(super) fn order(&self) -> PartOrder {
        self.order.found
    }

    pub(super) fn into_ids(self) -> Option<GroupIds> {
        let signed = self
            .group
            .is_some_and(|group| group.role.plain_type().is_signed_integer());
        self.ids.map(|ids| ids.finish(signed))
    }
}

fn counted(count: u64, what: &str) -> String {
    match (count, what) {
        (1, _) => format!("one {what}"),
        (_, "NaN") => format!("{count} NaN"),
        _ => format!("{count} {what}s"),
    }
}

impl Role {
    fn plain_type(&self) -> DataType {
        match &self.data_type {
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            other => other.clone(),
        }
    }
}

impl Column {
    /// The column's values in a batch, nulls and NaN counted.
    fn take(&mut self, batch: &RecordBatch) -> Option<ArrayRef> {
        let array = batch.column_by_name(&self.role.name)?.clone();
        let nulls = array.null_count();
        self.nulls += nulls as u64;
        if let (DataType::Float16 | DataType::Float32 | DataType::Float64, Keys::Numbers(keys)) =
            (array.data_type(), Keys::of(&array))
        {
            let valueless = keys.iter().filter(|key| key.is_none()).count();
            self.nans += (valueless - nulls) as u64;
        }
        Some(array)
    }
}

/// Follows the rows as they come. A value that is missing makes the part faulty, so its place in the order is moot.
#[derive(Debug)]
struct Order {
    found: PartOrder,
    last: Option<(Option<LastKey>, Option<LastKey>)>,
}

impl Order {
    fn new(group: bool, time: bool) -> Self {
        Self {
            found: PartOrder {
                by_group: group,
                by_group_and_time: group && time,
                by_time: time,
            },
            last: None,
        }
    }

    fn take(&mut self, rows: usize, group: Option<&Keys<'_>>, time: Option<&Keys<'_>>) {
        if rows == 0 {
            return;
        }
        if let Some((last_group, last_time)) = self.last.take() {
            let compare = |keys: Option<&Keys<'_>>, last: &Option<LastKey>| keys?.compare_last(last.as_ref()?, 0);
            self.step(compare(group, &last_group), compare(time, &last_time));
        }
        for row in 1..rows {
            if !(self.found.by_group || self.found.by_time) {
                break;
            }
            let compare = |keys: Option<&Keys<'_>>| keys?.compare(row - 1, row);
            self.step(compare(group), compare(time));
        }
        self.last = Some((group.and_then(Keys::last), time.and_then(Keys::last)));
    }

    /// How a row stands to the next one, by group and by time.
    fn step(&mut self, group: Option<Ordering>, time: Option<Ordering>) {
        let group = group.unwrap_or(Ordering::Equal);
        let time = time.unwrap_or(Ordering::Equal);
        self.found.by_group &= group.is_le();
        self.found.by_group_and_time &= group.then(time).is_le();
        self.found.by_time &= time.is_le();
    }
}
