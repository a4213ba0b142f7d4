//! Configuration text that nobody would write: no panic, and each fault lies within the text.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::config::fault::Origin;
use crate::config::{ConfigFiles, ConfigSources, DEFAULT_TOML, file, load_config};

const ROUNDS: u64 = 400;
const SCRAPS: &[&str] = &[
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "=",
    "\n",
    "#",
    "é",
    "\u{0}",
    "\u{feff}",
    "\"\"\"",
    "1e999",
    "-0",
    "nan",
    "2020-01-01",
    "{ a = 1 }",
    "http",
    "listen",
    ".",
    "99999999999999999999",
    "\\u{D800}",
    "0x",
    "\"%\"",
    "\"1e3s\"",
    "[1, [2]]",
];

#[test]
fn mutated_files_give_faults_or_settings() {
    for seed in 0..ROUNDS {
        let text = mutated(seed);
        let layer = file::parse(&text, &Origin::File("x".into()));
        for finding in &layer.findings {
            let offset = finding.offset.unwrap_or_default();
            assert!(offset <= text.len() as u64, "seed {seed}: {finding:?}");
            assert!(finding.line.is_some_and(|line| line >= 1), "seed {seed}: {finding:?}");
        }
    }
}

#[test]
fn arbitrary_variables_give_faults_or_settings() {
    let keys: Vec<String> = crate::config::keys::SETTINGS
        .iter()
        .map(|setting| crate::config::environment::variable(setting.key))
        .collect();
    for seed in 0..ROUNDS {
        let mut random = StdRng::seed_from_u64(seed);
        let name = keys[random.random_range(0..keys.len())].clone();
        let value: String = (0..random.random_range(0..4))
            .map(|_| SCRAPS[random.random_range(0..SCRAPS.len())])
            .collect();
        let sources = ConfigSources {
            environment: vec![(name, value)],
            files: ConfigFiles::None,
            ..ConfigSources::default()
        };
        match load_config(&sources) {
            Ok(loaded) => assert!(!loaded.show().settings.is_empty()),
            Err(error) => assert!(!error.findings.is_empty()),
        }
    }
}

fn mutated(seed: u64) -> String {
    let mut random = StdRng::seed_from_u64(seed);
    let mut text: Vec<char> = DEFAULT_TOML.replace("\n# ", "\n").chars().collect();
    for _ in 0..random.random_range(1..12) {
        let at = random.random_range(0..text.len().max(1));
        match random.random_range(0..3) {
            0 if at < text.len() => drop(text.remove(at)),
            0 | 1 => text
                .splice(at..at, SCRAPS[random.random_range(0..SCRAPS.len())].chars())
                .for_each(drop),
            _ => text.truncate(at + 1),
        }
    }
    text.into_iter().collect()
}
