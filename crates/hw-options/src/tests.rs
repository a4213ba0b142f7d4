//! Both handlers against their slow twins on random scripts, and against hostile ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod acceptance;
mod codes;
mod differential;
mod graph;
mod hostile;
mod launch;
mod migration;

mod plain;
mod regressions;

use crate::{Resolved, Settings, Version, resolve};

/// What becomes of a script, in one line.
fn show(version: Version, script: &str, scripts: &[(&str, &str)]) -> String {
    show_with(Settings::new(version), script, scripts)
}

fn show_with(settings: Settings, script: &str, scripts: &[(&str, &str)]) -> String {
    let mut provider = provider(scripts);
    match resolve(script.as_bytes(), settings, &mut provider) {
        Ok(resolved) => success(&resolved),
        Err(list) => {
            let first = &list.faults[0];
            let codes = first
                .aliases()
                .iter()
                .map(|alias| alias.rsplit('-').next().unwrap().to_owned())
                .collect::<Vec<_>>();
            let origin = first.origin.as_ref().map(|name| format!(" of {}", name.escape_ascii()));
            format!(
                "{} {} {}:{} @{} [{}] {first}{}",
                first.kind.code(),
                first.kind.name(),
                first.place.line,
                first.place.column,
                first.place.offset,
                codes.join(" "),
                origin.unwrap_or_default()
            )
        }
    }
}

fn provider(scripts: &[(&str, &str)]) -> std::collections::BTreeMap<Vec<u8>, std::sync::Arc<[u8]>> {
    let pair = |(name, text): &(&str, &str)| (name.as_bytes().to_vec(), std::sync::Arc::from(text.as_bytes()));
    scripts.iter().map(pair).collect()
}

fn success(resolved: &Resolved<'_>) -> String {
    let list = |items: &[crate::Item<'_>]| {
        let texts = items
            .iter()
            .map(|item| String::from_utf8_lossy(&item.text).into_owned());
        texts.collect::<Vec<_>>().join("|")
    };
    let mut shown = format!(
        "code=\"{}\" jvm=[{}] jars=[{}]",
        resolved
            .code
            .iter()
            .map(|byte| match byte {
                b'\n' => "\\n".to_owned(),
                b'\t' => "\\t".to_owned(),
                byte => char::from(*byte).to_string(),
            })
            .collect::<String>(),
        list(&resolved.jvm_options),
        list(&resolved.jars)
    );
    if !resolved.imports.is_empty() {
        let names = resolved
            .imports
            .iter()
            .map(|import| String::from_utf8_lossy(&import.name).into_owned());
        shown += &format!(" requests=[{}]", names.collect::<Vec<_>>().join("|"));
    }
    if !resolved.warnings.is_empty() {
        let one = |warning: &crate::Warning| {
            let origin = warning
                .origin
                .as_ref()
                .map(|name| format!(" of {}", name.escape_ascii()));
            let place = format!("{}:{}", warning.place.line, warning.place.column);
            format!("{} {place}{}", warning.kind.name(), origin.unwrap_or_default())
        };
        shown += &format!(
            " warnings=[{}]",
            resolved.warnings.iter().map(one).collect::<Vec<_>>().join("|")
        );
    }
    shown
}
