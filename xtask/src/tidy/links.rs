//! Links between our pages, and from pages to files, lead somewhere. Addresses on the net are not tried.

use super::Finding;
use crate::tree::Tree;

/// Besides those under `docs/`.
const PAGES: &[&str] = &["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let pages = tree
        .files("md")
        .filter(|(path, _)| path.starts_with("docs/") || PAGES.contains(path));
    pages.flat_map(|(path, text)| check_page(tree, path, text)).collect()
}

fn check_page(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let broken =
        prose(text).flat_map(|(line, text)| targets(&text).map(move |target| (line, target)).collect::<Vec<_>>());
    let broken = broken.filter(|(_, target)| is_local(target) && !leads_somewhere(tree, folder, target));
    broken
        .map(|(line, target)| Finding::new(path, line, format!("the link to `{target}` leads nowhere")))
        .collect()
}

/// Lines outside code blocks, without their inline code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut in_block = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let is_fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        in_block ^= is_fence;
        let outside_code = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        (!in_block && !is_fence).then_some((at + 1, outside_code))
    })
}

/// Targets of `[text](target "title")` and of `[name]: target`.
fn targets(line: &str) -> impl Iterator<Item = String> {
    let definition = line
        .trim_start()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
        .map(|(_, target)| target);
    let links = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target);
    let bare = |target: &str| {
        target
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .trim_matches(['<', '>'])
            .to_owned()
    };
    links.chain(definition).map(bare).collect::<Vec<_>>().into_iter()
}

fn is_local(target: &str) -> bool {
    !target.contains("://") && !target.starts_with("mailto:") && !target.starts_with('#')
}

fn leads_somewhere(tree: &Tree, folder: &str, target: &str) -> bool {
    let path = target.split('#').next().unwrap_or_default();
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return false,
            ".." => {}
            name => parts.push(name),
        }
    }
    !path.starts_with('/') && tree.has(&parts.join("/"))
}
