//! Links between pages lead somewhere.

use std::path::{Path, PathBuf};

use super::root;

#[test]
fn links_lead_to_pages_and_headings() {
    let mut pages = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    collect(&root().join("docs"), &mut pages);
    let mut checked = 0;
    let mut broken = Vec::new();
    for page in &pages {
        for target in targets(&std::fs::read_to_string(page).unwrap()) {
            checked += 1;
            if let Some(reason) = fault(page, &target) {
                broken.push(format!("{}: {target}: {reason}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(checked >= 50, "only {checked} links were found");
}

#[test]
fn every_page_is_reached_from_the_index() {
    let index = std::fs::read_to_string(root().join("docs/README.md")).unwrap();
    let mut pages = Vec::new();
    for folder in ["docs/guide", "docs/explanation", "docs/reference"] {
        collect(&root().join(folder), &mut pages);
    }
    let docs = root().join("docs");
    let named: Vec<PathBuf> = targets(&index)
        .iter()
        .map(|target| docs.join(target.split('#').next().unwrap()))
        .collect();
    let missing: Vec<&PathBuf> = pages.iter().filter(|page| !named.contains(page)).collect();
    assert!(missing.is_empty(), "docs/README.md does not name {missing:?}");
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, pages);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            pages.push(path);
        }
    }
    pages.sort();
}

/// Targets of the links `[text](target)` outside of code.
fn targets(page: &str) -> Vec<String> {
    let mut inside = false;
    let mut targets = Vec::new();
    for line in page.lines() {
        inside ^= line.starts_with("```");
        let prose: String = line.split('`').step_by(2).collect();
        let links = prose.split("](").skip(1);
        let links = links
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target.to_owned());
        targets.extend(links.filter(|_| !inside));
    }
    targets
}

fn fault(page: &Path, target: &str) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (path, heading) = match target.split_once('#') {
        Some((path, heading)) => (path, Some(heading)),
        None => (target, None),
    };
    let file = match path {
        "" => page.to_owned(),
        path => page.parent().unwrap().join(path),
    };
    if !file.exists() {
        return Some("there is no such file".to_owned());
    }
    let text = std::fs::read_to_string(&file).ok()?;
    let heading = heading?;
    let known: Vec<String> = text.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    (!known.iter().any(|known| known == heading)).then(|| format!("no such heading; there are {known:?}"))
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn links_are_found_outside_of_code() {
    assert_eq!(
        targets("see [a](b.md) and `[c](d.md)`\n```\n[e](f.md)\n```\n[g](h.md#i)"),
        ["b.md", "h.md#i"]
    );
    assert_eq!(anchor("## Tables and files, `ls`"), "tables-and-files-ls");
}
