//! The JSON schema of configuration files, for editors.

use serde_json::{Map, Value, json};

use super::fault::Origin;
use super::file;
use super::keys::{Kind, SETTINGS, Setting};

use super::DEFAULT_TOML;

/// The schema (draft 2020-12), made from the list of settings and the comments of `default.toml`.
pub fn config_schema() -> Value {
    let defaults = file::parse(DEFAULT_TOML, &Origin::Default);
    let mut root = Map::new();
    for setting in SETTINGS {
        let default = defaults
            .entries
            .iter()
            .find(|entry| entry.key == setting.key)
            .map(|entry| entry.value.clone());
        let property = property(setting, default);
        insert(&mut root, setting.key, property);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "headwater.toml",
        "description": "Settings of Headwater. Every setting is optional.",
        "type": "object",
        "additionalProperties": false,
        "properties": root,
    })
}

fn insert(properties: &mut Map<String, Value>, path: &str, property: Value) {
    let Some((section, rest)) = path.split_once('.') else {
        properties.insert(path.to_owned(), property);
        return;
    };
    let section = properties
        .entry(section.to_owned())
        .or_insert_with(|| json!({"type": "object", "additionalProperties": false, "properties": {}}));
    if let Some(properties) = section.get_mut("properties").and_then(Value::as_object_mut) {
        insert(properties, rest, property);
    }
}

fn property(setting: &Setting, default: Option<Value>) -> Value {
    let mut property = Map::new();
    property.insert("description".to_owned(), about(setting.key).into());
    if let Value::Object(form) = form(setting.kind) {
        property.extend(form);
    }
    if let Some(default) = default {
        property.insert("default".to_owned(), default);
    }
    Value::Object(property)
}

fn form(kind: Kind) -> Value {
    const TIME: &str = r"^(\s*[0-9]+(\.[0-9]+)?\s*(us|ms|s|m|min|h|d|w))+\s*$|^0$";
    const SIZE: &str = r"^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgGtT][iI]?)?[bB]\s*$";
    const SHARE: &str = r"^\s*[0-9]+(\.[0-9]+)?\s*(([kKmMgGtT][iI]?)?[bB]|%)\s*$";
    const COUNTER: &str = r"^\s*[^=]*[^=\s]\s*=\s*0*[1-9][0-9]*\s*$";
    match kind {
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Count(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Kind::Number(least, most) => json!({"type": "number", "minimum": least, "maximum": most}),
        Kind::Duration { .. } => json!({"type": "string", "pattern": TIME}),
        Kind::Size => json!({"type": "string", "pattern": SIZE}),
        Kind::Share { .. } => json!({"type": "string", "pattern": SHARE}),
        Kind::Word(words) => json!({"type": "string", "enum": words}),
        Kind::Address | Kind::StoreAddress | Kind::Text => json!({"type": "string", "minLength": 1}),
        Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Counters => {
            json!({"type": "array", "items": {"type": "string", "pattern": COUNTER}, "uniqueItems": true})
        }
        Kind::Numbers(above, f64::MAX) => {
            json!({"type": "array", "minItems": 1, "items": {"type": "number", "exclusiveMinimum": above}})
        }
        Kind::Numbers(above, most) => {
            json!({"type": "array", "minItems": 1, "items": {"type": "number", "exclusiveMinimum": above, "maximum": most}})
        }
    }
}

/// What a setting is for: the comment above it in `default.toml`, which is the one place where that is written.
pub(crate) fn about(key: &str) -> String {
    let mut section = String::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in DEFAULT_TOML.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        }
        let assigned = line.trim_start_matches("# ").split_once(" = ").map(|(name, _)| name);
        match assigned {
            Some(name) if format!("{section}{name}") == key => return comment.join(" "),
            Some(name) if !name.contains(' ') => comment.clear(),
            _ => match line.strip_prefix("# ") {
                Some(text) => comment.push(text),
                None => comment.clear(),
            },
        }
    }
    String::new()
}
