//! The members of a body against the published schema of its type: unknown, missing and misfit ones, all at once.
//!
//! Only what a member must be at the outside is looked at (text, number, list of ...); what is inside is checked by whoever
//! knows its meaning.

use hw_catalog::{Finding, closest};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Every fault of the document's members.
pub(super) fn check<T: ToSchema>(document: &Value) -> Vec<Finding> {
    let schema = serde_json::to_value(T::schema()).unwrap_or_default();
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let Some(members) = document.as_object() else {
        return vec![
            finding("the body must be an object", "").help(format!("known members are {}", listed(properties))),
        ];
    };
    let unknown = members
        .keys()
        .filter(|name| !properties.contains_key(*name))
        .map(|name| unknown_member(name, properties));
    let misfit = members.iter().filter_map(|(name, value)| {
        let expected = properties.get(name).and_then(expected_of)?;
        (!fits(value, &expected)).then(|| misfit_member(name, value, &expected))
    });
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let missing = required
        .filter_map(Value::as_str)
        .filter(|name| !members.contains_key(*name))
        .map(|name| finding(format!("`{name}` is missing"), &pointer(name)).help(format!("add the member `{name}`")));
    unknown.chain(misfit).chain(missing).collect()
}

fn finding(message: impl Into<String>, pointer: &str) -> Finding {
    Finding::new("HW-A002", message).at(pointer)
}

fn unknown_member(name: &str, properties: &Map<String, Value>) -> Finding {
    let help = match closest(name, properties.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known members are {}", listed(properties)),
    };
    finding(format!("unknown member `{name}`"), &pointer(name)).help(help)
}

fn misfit_member(name: &str, value: &Value, expected: &Expected) -> Finding {
    let words = expected.words();
    finding(
        format!("`{name}` must be {words}, found {}", shown(value)),
        &pointer(name),
    )
    .help(format!("give {words}"))
}

fn listed(properties: &Map<String, Value>) -> String {
    properties
        .keys()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A member's place, escaped as RFC 6901 says.
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// What a member must be.
struct Expected {
    types: Vec<String>,
    /// What each item of a list must be.
    item: Option<String>,
    /// Bounds of a whole number.
    range: Option<(i128, i128)>,
}

impl Expected {
    /// `a list of texts`. That a member may be null need not be told: it can be left out as well.
    fn words(&self) -> String {
        let kinds = self.types.iter().filter(|kind| *kind != "null");
        let words = kinds.map(|kind| match (kind.as_str(), self.item.as_deref()) {
            ("array", Some("string")) => "a list of texts".to_owned(),
            ("integer", _) => match self.range {
                Some((least, most)) => format!("a whole number from {least} to {most}"),
                None => in_words("integer").to_owned(),
            },
            (kind, _) => in_words(kind).to_owned(),
        });
        words.collect::<Vec<_>>().join(" or ")
    }
}

/// `None` where anything goes.
fn expected_of(property: &Value) -> Option<Expected> {
    let types = match property.get("type")? {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => return None,
    };
    let item = property
        .get("items")
        .and_then(|items| items.get("type"))
        .and_then(Value::as_str);
    Some(Expected {
        types,
        item: item.map(str::to_owned),
        range: range_of(property),
    })
}

/// The whole numbers that fit a property, as its format and its bounds say.
fn range_of(property: &Value) -> Option<(i128, i128)> {
    let (least, most) = match property.get("format")?.as_str()? {
        "int32" => (i128::from(i32::MIN), i128::from(i32::MAX)),
        "int64" => (i128::from(i64::MIN), i128::from(i64::MAX)),
        _ => return None,
    };
    // A type without negative numbers is told by its least one, and holds twice as many others.
    match property.get("minimum").and_then(Value::as_i64) {
        Some(0) => Some((0, most * 2 + 1)),
        _ => Some((least, most)),
    }
}

fn fits(value: &Value, expected: &Expected) -> bool {
    let items_fit = match (value.as_array(), &expected.item) {
        (Some(items), Some(kind)) => items.iter().all(|item| is(item, kind)),
        _ => true,
    };
    items_fit && in_range(value, expected.range) && expected.types.iter().any(|kind| is(value, kind))
}

fn in_range(value: &Value, range: Option<(i128, i128)>) -> bool {
    let number = value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
    number
        .zip(range)
        .is_none_or(|(number, (least, most))| (least..=most).contains(&number))
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn in_words(kind: &str) -> &str {
    match kind {
        "string" => "a text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

fn shown(value: &Value) -> String {
    const LONGEST: usize = 40;
    let text = value.to_string();
    match text.chars().count() > LONGEST {
        true => format!("`{}...`", text.chars().take(LONGEST).collect::<String>()),
        false => format!("`{text}`"),
    }
}
