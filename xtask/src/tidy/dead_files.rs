//! A source file that no `mod` reaches is compiled by nobody: it only looks alive.

use std::collections::BTreeSet;

use super::Finding;
use crate::outline::{Body, Module, outline};
use crate::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.packages()
        .flat_map(|(folder, manifest)| check_package(tree, folder, manifest))
        .collect()
}

fn check_package(tree: &Tree, folder: &str, manifest: &str) -> Vec<Finding> {
    let source = format!("{folder}/src/");
    let files: BTreeSet<&str> = tree
        .files("rs")
        .map(|(path, _)| path)
        .filter(|path| path.starts_with(&source))
        .collect();
    let mut alive = BTreeSet::new();
    for root in files
        .iter()
        .copied()
        .filter(|path| is_root(path, &source))
        .map(str::to_owned)
        .chain(named_roots(folder, manifest))
    {
        follow(tree, &root, true, &mut alive);
    }
    let dead = files.into_iter().filter(|path| !alive.contains(*path));
    dead.map(|path| Finding::new(path, 0, "no `mod` declares this file"))
        .collect()
}

/// Roots that cargo finds by itself.
fn is_root(path: &str, source: &str) -> bool {
    let inside = path.strip_prefix(source).unwrap_or_default();
    let in_bin = inside
        .strip_prefix("bin/")
        .is_some_and(|name| !name.contains('/') || name.ends_with("/main.rs"));
    in_bin || inside == "lib.rs" || inside == "main.rs"
}

/// Roots that the manifest names.
fn named_roots(folder: &str, manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    let lists = ["bin", "test", "bench", "example"]
        .into_iter()
        .filter_map(|kind| manifest.get(kind)?.as_array())
        .flatten();
    let targets = lists.chain(manifest.get("lib"));
    let paths = targets.filter_map(|target| target.get("path")?.as_str());
    paths.map(|path| format!("{folder}/{path}")).collect()
}

fn follow(tree: &Tree, path: &str, is_root: bool, alive: &mut BTreeSet<String>) {
    let Some(text) = tree.text(path) else { return };
    if !alive.insert(path.to_owned()) {
        return;
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let children = if is_root || path.ends_with("/mod.rs") {
        folder
    } else {
        path.trim_end_matches(".rs")
    };
    for module in outline(text).modules {
        for file in candidates(&module, folder, children) {
            follow(tree, &file, false, alive);
        }
    }
}

/// Where the compiler looks for a module's file. `folder` is that of the declaring file, `children` that of its modules.
fn candidates(module: &Module, folder: &str, children: &str) -> Vec<String> {
    let Body::File { path } = &module.body else {
        return Vec::new();
    };
    if let Some(path) = path {
        return vec![format!("{folder}/{path}")];
    }
    let parents: String = module.parents.iter().map(|parent| format!("{parent}/")).collect();
    let name = &module.name;
    vec![
        format!("{children}/{parents}{name}.rs"),
        format!("{children}/{parents}{name}/mod.rs"),
    ]
}
