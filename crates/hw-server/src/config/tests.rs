#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod environment;
mod files;
mod fuzz;
mod reference;
mod units;

use hw_catalog::Finding;

use super::{ConfigError, ConfigFiles, ConfigSources, FlagSetting, LoadedConfig, load_config};

/// A folder with these files, the first of which is the project's.
pub(super) struct Setup {
    folder: tempfile::TempDir,
    sources: ConfigSources,
}

impl Setup {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = ConfigSources {
            environment: vec![("HOME".to_owned(), folder.path().join("home").display().to_string())],
            folder: folder.path().to_owned(),
            ..ConfigSources::default()
        };
        Self { folder, sources }
    }

    pub(super) fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(super) fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn flag(mut self, flag: &str, key: &str, value: &str) -> Self {
        self.sources.flags.push(FlagSetting {
            flag: flag.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        });
        self
    }

    pub(super) fn files(mut self, files: ConfigFiles) -> Self {
        self.sources.files = files;
        self
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(super) fn load(&self) -> Result<LoadedConfig, ConfigError> {
        load_config(&self.sources)
    }

    /// The faults, one a line, the folder written as `.`.
    pub(super) fn faults(&self) -> String {
        let error = self.load().expect_err("the configuration has faults");
        let lines = error.findings.iter().map(line).collect::<Vec<_>>().join("\n");
        lines.replace(&format!("{}/", self.folder.path().display()), "")
    }

    /// A setting's value and origin.
    pub(super) fn show(&self, key: &str) -> String {
        let shown = self.load().unwrap().show();
        let setting = shown.settings.iter().find(|setting| setting.key == key).unwrap();
        let origin = setting
            .origin
            .replace(&format!("{}/", self.folder.path().display()), "");
        format!("{} from {origin}", setting.value)
    }
}

fn line(finding: &Finding) -> String {
    let place = match (finding.line, finding.column) {
        (Some(line), Some(column)) => format!("{line}:{column} "),
        _ => String::new(),
    };
    let help = finding.help.as_deref().unwrap_or_default();
    format!("{place}{} {} ({help})", finding.code, finding.message)
}

#[test]
fn defaults_are_complete_and_typed() {
    let loaded = LoadedConfig::defaults().unwrap();
    let config = loaded.config;
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:7080");
    assert_eq!(config.http.body_limit.0, 16 << 20);
    assert_eq!(config.memory.limit.of(1000), 700);
    assert_eq!(config.jobs.keep_results.0.as_secs(), 7 * 86_400);
    assert_eq!(config.jobs.timeout, None);
    assert!(loaded.notices.is_empty());
}

#[test]
fn stronger_layers_win() {
    let all = || {
        Setup::new()
            .file(
                "headwater.toml",
                "[jobs]\ntimeout = \"2s\"\n[worker]\nlease = \"2s\"\n[events]\nkeep = \"2d\"",
            )
            .file(
                "home/.config/headwater/config.toml",
                "[jobs]\ntimeout = \"1s\"\n[events]\nkeep = \"1d\"\n[cache]\nresults = false",
            )
            .variable("HEADWATER_JOBS__TIMEOUT", "3s")
            .variable("HEADWATER_WORKER__LEASE", "3s")
            .flag("--timeout", "jobs.timeout", "4s")
    };
    assert_eq!(all().show("jobs.timeout"), r#""4s" from --timeout"#);
    assert_eq!(all().show("worker.lease"), r#""3s" from HEADWATER_WORKER__LEASE"#);
    assert_eq!(all().show("events.keep"), r#""2d" from headwater.toml"#);
    assert_eq!(
        all().show("cache.results"),
        "false from home/.config/headwater/config.toml"
    );
    assert_eq!(all().show("log.level"), r#""info" from default"#);
    assert_eq!(all().show("files.root"), "null from default");
}

#[test]
fn xdg_config_home_goes_before_home() {
    let setup = Setup::new().file("xdg/headwater/config.toml", "threads = 3");
    let folder = setup.path("xdg");
    assert_eq!(
        setup.variable("XDG_CONFIG_HOME", &folder).show("threads"),
        "3 from xdg/headwater/config.toml"
    );
}

#[test]
fn discovery_can_be_replaced_or_disabled() {
    let setup = || {
        Setup::new()
            .file("headwater.toml", "threads = 2")
            .file("other.toml", "threads = 5")
    };
    assert_eq!(setup().show("threads"), "2 from headwater.toml");
    assert_eq!(setup().files(ConfigFiles::None).show("threads"), "null from default");
    let only = setup().files(ConfigFiles::Only("other.toml".into()));
    assert_eq!(only.show("threads"), "5 from other.toml");
    let missing = setup().files(ConfigFiles::Only("missing.toml".into()));
    assert!(
        missing
            .faults()
            .starts_with("HW-C005 `missing.toml` cannot be read: No such file")
    );
}

#[test]
fn parts_need_not_be_held_in_memory() {
    let none = |key: &'static str| Setup::new().flag("--set", key, "0B");
    assert_eq!(none("cache.memory").load().unwrap().config.cache.memory.of(1000), 0);
    assert!(none("memory.limit").faults().starts_with("HW-C002"));
}

#[test]
fn flags_are_checked_as_files_are() {
    let setup = Setup::new()
        .flag("--set", "http.lisen", "127.0.0.1:0")
        .flag("--memory-limit", "memory.limit", "3");
    expect_test::expect![[r#"
        HW-C001 unknown setting `http.lisen` in `--set` (did you mean `http.listen`?)
        HW-C003 `memory.limit` needs a unit, in `--memory-limit` (write `"3MiB"`)"#]]
    .assert_eq(&setup.faults());
}
