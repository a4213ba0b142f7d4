//! The dependency check: libraries whose types cross our crates' borders stand in the lock file once.
//!
//! Two copies of arrow would mean two kinds of record batch in one program, and twice its build time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[cfg(test)]
mod tests;

/// Exact names, and prefixes where the name ends in `-`.
const ONLY_ONCE: &[&str] = &[
    "arrow",
    "arrow-",
    "parquet",
    "object_store",
    "datafusion",
    "datafusion-",
];

/// Reads `Cargo.lock` in `root` and prints the verdict.
///
/// # Errors
/// A text that names every library with more than one version and who asks for each.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let path = root.join("Cargo.lock");
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
    let found = second_copies(&text)?;
    if found.is_empty() {
        println!("deps: one version each of {}", ONLY_ONCE.join(", ").replace('-', "-*"));
        return Ok(());
    }
    found.iter().for_each(|line| println!("{line}"));
    Err("a library that must be there once is there twice".to_owned())
}

/// One line per library that has more than one version in the lock file.
fn second_copies(lock: &str) -> Result<Vec<String>, String> {
    let lock: toml::Table = lock
        .parse()
        .map_err(|error| format!("`Cargo.lock` is not TOML: {error}"))?;
    let packages = lock
        .get("package")
        .and_then(toml::Value::as_array)
        .ok_or("`Cargo.lock` lists no package")?;
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        if let (Some(name), Some(version)) = (text_of(package, "name"), text_of(package, "version")) {
            versions.entry(name).or_default().insert(version);
        }
    }
    let twice = versions
        .into_iter()
        .filter(|(name, versions)| is_only_once(name) && versions.len() > 1);
    Ok(twice
        .map(|(name, versions)| describe(name, &versions, packages))
        .collect())
}

fn is_only_once(name: &str) -> bool {
    ONLY_ONCE.iter().any(|rule| {
        if rule.ends_with('-') {
            name.starts_with(rule)
        } else {
            name == *rule
        }
    })
}

fn describe(name: &str, versions: &BTreeSet<&str>, packages: &[toml::Value]) -> String {
    let copies = versions.iter().map(|version| {
        let wanted = format!("{name} {version}");
        let askers: Vec<&str> = packages
            .iter()
            .filter(|package| asks_for(package, &wanted))
            .filter_map(|package| text_of(package, "name"))
            .collect();
        format!("{version} for {}", askers.join(", "))
    });
    format!(
        "`{name}` has {} versions: {}",
        versions.len(),
        copies.collect::<Vec<_>>().join("; ")
    )
}

/// Cargo writes the version behind the name just when a name has several.
fn asks_for(package: &toml::Value, wanted: &str) -> bool {
    let dependencies = package.get("dependencies").and_then(toml::Value::as_array);
    dependencies.is_some_and(|list| list.iter().any(|dependency| dependency.as_str() == Some(wanted)))
}

fn text_of<'a>(package: &'a toml::Value, key: &str) -> Option<&'a str> {
    package.get(key).and_then(toml::Value::as_str)
}
