//! Settings: where they come from, and the typed configuration that they come to.
//!
//! Layers, the strongest first: flags, the environment (our names, then Funnel Rocket's), the project's `headwater.toml`,
//! the user's `config.toml`, the compiled-in `default.toml`. Every fault of every layer is told at once, at its place.

mod environment;
mod fault;
mod file;
mod frocket;
mod keys;
mod layers;
mod model;
mod schema;
#[cfg(test)]
mod tests;
mod units;

use std::path::PathBuf;

use hw_api::{CheckedConfig, SettingDocument};
use hw_catalog::Finding;
use serde_json::Value;

pub use fault::{ConfigError, Origin};
pub use model::{
    AuthSettings, BucketSettings, ByteSize, CacheSettings, ClientSettings, CompatSettings, Config, EventSettings,
    FileSettings, FunnelSettings, HttpSettings, JobSettings, ListenAddress, LogSettings, MemorySettings,
    MetricSettings, RegistrationSettings, RetrySettings, S3Settings, Share, SpillSettings, StoreSettings,
    TableSettings, TimeSpan, TlsSettings, WorkerSettings,
};
pub use schema::config_schema;
pub(crate) use units::{UnitFault, parse_duration, show_duration, show_size};

use layers::{Entry, Layer};

/// The compiled-in defaults, with a comment on each setting.
pub const DEFAULT_TOML: &str = include_str!("config/default.toml");

/// Name of a project's configuration file.
pub const PROJECT_FILE: &str = "headwater.toml";

/// Which configuration files are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ConfigFiles {
    /// `headwater.toml` in the working folder and the user's own, where they exist.
    #[default]
    Discovered,
    /// This one, which must exist, and no other.
    Only(PathBuf),
    /// None.
    None,
}

/// A setting given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagSetting {
    /// The flag, `--listen`, for messages.
    pub flag: String,
    /// The setting's key.
    pub key: String,
    /// Its value as text.
    pub value: String,
}

/// Where settings may come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigSources {
    /// The command line.
    pub flags: Vec<FlagSetting>,
    /// The environment, names and values.
    pub environment: Vec<(String, String)>,
    /// Which files are read.
    pub files: ConfigFiles,
    /// The working folder.
    pub folder: PathBuf,
}

/// The configuration, and where each of its values came from.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedConfig {
    /// The settings.
    pub config: Config,
    /// What the user should know: variables without effect.
    pub notices: Vec<String>,
    /// The files that were read, the strongest first.
    pub files: Vec<PathBuf>,
    /// Options of object stores: the environment's, and what the settings say, which wins.
    pub store_options: Vec<(String, String)>,
    entries: Vec<Entry>,
}

/// Reads all layers.
///
/// # Errors
/// [`ConfigError`] with every fault of every layer.
pub fn load_config(sources: &ConfigSources) -> Result<LoadedConfig, ConfigError> {
    let mut layers = vec![flags(&sources.flags)];
    layers.extend(environment::read(&sources.environment));
    let files = files(sources);
    layers.extend(files.iter().map(|path| file::read(path)));
    layers.push(file::parse(DEFAULT_TOML, &Origin::Default));
    let findings: Vec<Finding> = layers.iter().flat_map(|layer| layer.findings.clone()).collect();
    if !findings.is_empty() {
        return Err(ConfigError { findings });
    }
    let mut entries = layers::merged(&layers);
    entries.sort_by_key(|entry| keys::SETTINGS.iter().position(|setting| setting.key == entry.key));
    let config: Config = serde_json::from_value(layers::document(&entries)).map_err(unreadable)?;
    Ok(LoadedConfig {
        store_options: store_options(&sources.environment, &config.s3),
        config,
        notices: layers.into_iter().flat_map(|layer| layer.notices).collect(),
        files,
        entries,
    })
}

/// The list of settings and the typed configuration disagree: our bug, which a test over all settings excludes.
fn unreadable(error: serde_json::Error) -> ConfigError {
    ConfigError {
        findings: vec![Finding::new("HW-C002", error.to_string())],
    }
}

fn flags(flags: &[FlagSetting]) -> Layer {
    let mut layer = Layer::default();
    for flag in flags {
        let origin = Origin::Flag(flag.flag.clone());
        let Some(setting) = keys::find(&flag.key) else {
            let fault = fault::Fault::UnknownKey {
                key: flag.key.clone(),
                proposal: file::propose(&flag.key, str::to_owned),
            };
            layer.findings.push(fault.finding(&origin, None));
            continue;
        };
        match setting.kind.read(keys::Raw::Text(&flag.value)) {
            Ok(value) => layer.entries.push(Entry {
                key: setting.key,
                value,
                origin,
            }),
            Err(wrong) => {
                let fault = fault::Fault::Value {
                    key: flag.key.clone(),
                    secret: setting.secret,
                    wrong,
                };
                layer.findings.push(fault.finding(&origin, None));
            }
        }
    }
    layer
}

/// The files to read, the strongest first.
fn files(sources: &ConfigSources) -> Vec<PathBuf> {
    match &sources.files {
        ConfigFiles::None => Vec::new(),
        ConfigFiles::Only(path) => vec![sources.folder.join(path)],
        ConfigFiles::Discovered => [Some(sources.folder.join(PROJECT_FILE)), user_file(&sources.environment)]
            .into_iter()
            .flatten()
            .filter(|path| path.exists())
            .collect(),
    }
}

fn user_file(environment: &[(String, String)]) -> Option<PathBuf> {
    let absolute = |name: &str| {
        environment
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| PathBuf::from(value))
            .filter(|path| path.is_absolute())
    };
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("headwater").join("config.toml"))
}

/// Options of stores in the form of environment variables, as the file layer takes them; the last of a name counts.
fn store_options(environment: &[(String, String)], s3: &S3Settings) -> Vec<(String, String)> {
    let of_environment = environment
        .iter()
        .filter(|(name, _)| {
            ["AWS_", "AZURE_", "GOOGLE_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        })
        .cloned();
    let set = [
        ("AWS_ENDPOINT", s3.endpoint.clone()),
        ("AWS_REGION", s3.region.clone()),
        ("AWS_ACCESS_KEY_ID", s3.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", s3.secret_access_key.clone()),
        ("AWS_SKIP_SIGNATURE", s3.skip_signature.then(|| "true".to_owned())),
    ];
    let set = set
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    of_environment.chain(set).collect()
}

impl LoadedConfig {
    /// Writes to the log what is set without effect.
    pub(crate) fn log_notices(&self) {
        for notice in &self.notices {
            tracing::warn!(notice, "a variable of the environment has no effect");
        }
    }

    /// The configuration without files, flags and environment.
    ///
    /// # Errors
    /// None, in a program whose tests pass.
    pub fn defaults() -> Result<Self, ConfigError> {
        load_config(&ConfigSources {
            files: ConfigFiles::None,
            ..ConfigSources::default()
        })
    }

    /// Every setting with its value and origin, in the order of `default.toml`; secrets show as `***`. Settings that
    /// have neither value nor default are null.
    pub fn show(&self) -> CheckedConfig {
        let settings = keys::SETTINGS.iter().map(|setting| {
            let entry = self.entries.iter().find(|entry| entry.key == setting.key);
            SettingDocument {
                key: setting.key.to_owned(),
                value: match entry {
                    Some(_) if setting.secret => Value::String("***".to_owned()),
                    Some(entry) => entry.value.clone(),
                    None => Value::Null,
                },
                origin: entry.map_or(&Origin::Default, |entry| &entry.origin).to_string(),
            }
        });
        CheckedConfig {
            settings: settings.collect(),
            notices: self.notices.clone(),
        }
    }
}
