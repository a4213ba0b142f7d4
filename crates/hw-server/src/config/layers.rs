//! Layers of settings, the strongest first, and what they come to.

use hw_catalog::Finding;
use serde_json::{Map, Value};

use super::fault::Origin;

/// A setting's value in one layer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: &'static str,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What one place says: its settings, its faults, and what its writer should know.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Layer {
    pub(super) entries: Vec<Entry>,
    pub(super) findings: Vec<Finding>,
    pub(super) notices: Vec<String>,
}

/// The strongest entry of each key.
pub(super) fn merged<'a>(layers: impl IntoIterator<Item = &'a Layer>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for entry in layers.into_iter().flat_map(|layer| &layer.entries) {
        if entries.iter().all(|known| known.key != entry.key) {
            entries.push(entry.clone());
        }
    }
    entries
}

/// The entries as one document, sections as objects.
pub(super) fn document(entries: &[Entry]) -> Value {
    let mut root = Map::new();
    for entry in entries {
        insert(&mut root, entry.key, entry.value.clone());
    }
    Value::Object(root)
}

fn insert(object: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((section, rest)) = path.split_once('.') else {
        object.insert(path.to_owned(), value);
        return;
    };
    let section = object
        .entry(section.to_owned())
        .or_insert_with(|| Value::Object(Map::new()));
    if let Some(section) = section.as_object_mut() {
        insert(section, rest, value);
    }
}
