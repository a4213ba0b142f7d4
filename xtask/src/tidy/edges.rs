//! Who may depend on whom, as data. A new edge is a decision: it is added here, with its reason, in the change that needs it.

use super::Finding;
use crate::tree::Tree;

/// A crate and what it may depend on within the workspace, test dependencies included. A crate stands below those it depends on.
pub(super) const TABLE: &[(&str, &[&str])] = &[
    ("hw-catalog", &[]),
    ("hw-job", &[]),
    ("hw-funnel", &["hw-catalog"]),
    ("hw-chart", &[]),
    ("hw-options", &[]),
    ("hw-options-c", &["hw-options"]),
    ("hw-files", &["hw-catalog"]),
    ("hw-store", &["hw-job", "hw-catalog"]),
    ("hw-controller", &["hw-job", "hw-catalog", "hw-store", "hw-files"]),
    ("hw-query", &["hw-catalog", "hw-files", "hw-funnel"]),
    ("hw-worker", &["hw-job", "hw-store", "hw-files", "hw-query"]),
    ("hw-api", &["hw-job", "hw-catalog"]),
    (
        "hw-server",
        &[
            "hw-api",
            "hw-controller",
            "hw-worker",
            "hw-query",
            "hw-store",
            "hw-files",
            "hw-chart",
        ],
    ),
    ("hw-cli", &["hw-api", "hw-chart", "hw-options"]),
    ("headwater", &["hw-cli", "hw-server", "hw-worker"]),
    ("hw-sim", &["hw-controller", "hw-store"]),
    ("xtask", &[]),
];

/// Edges that the layers alone would not give: from, to, why.
pub(super) const EXTRA: &[(&str, &str, &str)] = &[
    (
        "hw-job",
        "hw-catalog",
        "a job's parameters name tables and parts; its failure carries findings",
    ),
    ("hw-worker", "hw-catalog", "a task names tables and parts"),
    (
        "hw-worker",
        "hw-funnel",
        "the kind `funnel` validates queries and merges partial results, both pure",
    ),
    (
        "hw-query",
        "hw-chart",
        "funnels in SQL name their steps as pictures of them do",
    ),
    (
        "headwater",
        "hw-api",
        "what the commands ask of the program fails with a problem",
    ),
    (
        "hw-server",
        "hw-job",
        "routes turn requests into jobs and show their states",
    ),
    ("hw-server", "hw-catalog", "routes show tables"),
    ("hw-sim", "hw-job", "the fake workers send the job model's events"),
    ("hw-sim", "hw-catalog", "the simulated jobs register tables"),
];

/// Development only: may depend on anything of ours.
const FREE: &[&str] = &["hw-bench", "hw-it"];

const DATAFUSION_CRATE: &str = "hw-query";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.packages()
        .flat_map(|(folder, manifest)| check_manifest(&format!("{folder}/Cargo.toml"), manifest))
        .collect()
}

fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    let manifest: toml::Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(path, 0, format!("is not TOML: {error}"))],
    };
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str)
        .unwrap_or_default();
    if !FREE.contains(&name) && allowed(name).is_none() {
        return vec![Finding::new(
            path,
            0,
            format!("`{name}` is not in the dependency table of xtask/src/tidy/edges.rs"),
        )];
    }
    let faults = dependencies(&manifest).into_iter().flat_map(|(dependency, value)| {
        [
            new_edge(name, &dependency),
            datafusion(name, &dependency),
            own_version(&dependency, value),
        ]
    });
    faults.flatten().map(|text| Finding::new(path, 0, text)).collect()
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    TABLE.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

fn new_edge(name: &str, dependency: &str) -> Option<String> {
    let is_ours = dependency.starts_with("hw-") || dependency == "headwater" || dependency == "xtask";
    let is_known = FREE.contains(&name)
        || allowed(name).is_some_and(|edges| edges.contains(&dependency))
        || EXTRA.iter().any(|(from, to, _)| *from == name && *to == dependency);
    (is_ours && !is_known).then(|| format!("new edge {name} -> {dependency}: xtask/src/tidy/edges.rs does not have it"))
}

fn datafusion(name: &str, dependency: &str) -> Option<String> {
    (dependency.starts_with("datafusion") && name != DATAFUSION_CRATE)
        .then(|| format!("`{dependency}`: only {DATAFUSION_CRATE} names DataFusion"))
}

fn own_version(dependency: &str, value: &toml::Value) -> Option<String> {
    let is_shared = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
    (!is_shared).then(|| {
        format!("`{dependency}` must be `{{ workspace = true }}`: versions and features stand in the root manifest")
    })
}

/// The dependencies of every kind and target, under the names of their packages.
fn dependencies(manifest: &toml::Table) -> Vec<(String, &toml::Value)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = [manifest].into_iter().chain(
        targets
            .into_iter()
            .flat_map(|targets| targets.values())
            .filter_map(toml::Value::as_table),
    );
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let lists = tables.flat_map(|table| {
        kinds
            .iter()
            .filter_map(|kind| table.get(*kind).and_then(toml::Value::as_table))
    });
    let named = |(name, value): (&String, _)| (package_name(name, value), value);
    lists
        .flat_map(|list| list.iter().map(|(name, value)| named((name, value))))
        .collect()
}

fn package_name(name: &str, value: &toml::Value) -> String {
    value
        .get("package")
        .and_then(toml::Value::as_str)
        .unwrap_or(name)
        .to_owned()
}
