//! The list of settings, the typed configuration, `default.toml` and the published schema say the same.

use crate::config::fault::Origin;
use crate::config::keys::{Kind, SETTINGS};
use crate::config::{DEFAULT_TOML, config_schema, environment, file, frocket, schema};

use super::Setup;

#[test]
fn every_setting_stands_in_the_defaults_with_a_comment() {
    for setting in SETTINGS {
        let about = schema::about(setting.key);
        assert!(about.ends_with('.'), "`{}` has no comment: {about:?}", setting.key);
    }
    let layer = file::parse(DEFAULT_TOML, &Origin::Default);
    assert_eq!(layer.findings, []);
}

/// Uncommenting every line of `default.toml` must give a valid file: the examples in it are right, too.
#[test]
fn the_examples_of_the_defaults_are_valid() {
    let uncommented: String = DEFAULT_TOML
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => setting,
            _ => line,
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let setup = Setup::new().file("headwater.toml", &uncommented);
    let shown = setup.load().unwrap().show();
    let missing: Vec<_> = shown
        .settings
        .iter()
        .filter(|setting| setting.value.is_null())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Any valid value of any setting fits the typed configuration.
#[test]
fn the_typed_configuration_has_a_place_for_every_setting() {
    for setting in SETTINGS {
        let value = match setting.kind {
            Kind::Flag => "true".to_owned(),
            Kind::Count(least, _) => least.to_string(),
            Kind::Number(least, _) => least.to_string(),
            Kind::Duration { .. } => "3s".to_owned(),
            Kind::Size | Kind::Share { .. } => "3MiB".to_owned(),
            Kind::Word(words) => words[0].to_owned(),
            Kind::Address => "[::1]:0".to_owned(),
            Kind::StoreAddress => "postgres://db.example/headwater".to_owned(),
            Kind::Text | Kind::Texts => "x".to_owned(),
            Kind::Counters => "licence=2, scanner=1".to_owned(),
            Kind::Numbers(..) => "0.25, 0.5".to_owned(),
        };
        let setup = Setup::new().variable(&environment::variable(setting.key), &value);
        setup
            .load()
            .unwrap_or_else(|error| panic!("`{}`: {error}", setting.key));
    }
}

#[test]
fn the_published_schema_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/config.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&config_schema()).unwrap());
    crate::tests::compare_with_file(path, &text);
}

#[test]
fn aliases_lead_to_settings() {
    for (name, key) in frocket::names() {
        assert!(
            key.is_none_or(|key| SETTINGS.iter().any(|setting| setting.key == key)),
            "{name}"
        );
    }
    let names: Vec<_> = frocket::names().map(|(name, _)| name).collect();
    assert!(names.is_sorted(), "keep the list in order");
}
