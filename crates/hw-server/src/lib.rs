//! HTTP routes, live event stream, metrics, authentication.

mod app;
mod auth;
mod broken;
mod config;
mod data_folder;
mod demo;
mod doctor;
mod documents;
mod host;
mod listen;
mod metrics;
mod open;
mod openapi;
mod problem;
mod request;
mod router;
mod routes;
mod state;
#[cfg(test)]
mod tests;

pub use app::{App, AppRole, UpSettings, WorkerProcessSettings, serve_up, serve_worker};
pub use config::{
    AuthSettings, BucketSettings, ByteSize, CacheSettings, ClientSettings, CompatSettings, Config, ConfigError,
    ConfigFiles, ConfigSources, DEFAULT_TOML, EventSettings, FileSettings, FlagSetting, FunnelSettings, HttpSettings,
    JobSettings, ListenAddress, LoadedConfig, LogSettings, MemorySettings, MetricSettings, Origin, PROJECT_FILE,
    RegistrationSettings, RetrySettings, S3Settings, Share, SpillSettings, StoreSettings, TableSettings, TimeSpan,
    TlsSettings, WorkerSettings, config_schema, load_config,
};
pub use data_folder::{DataFolder, DataFolderError, UpLock};
pub use demo::{Demo, write_demo};
pub use host::process_environment;
pub use open::{RestoredStore, check_restorable, load_settings, open_folder, restore_store};
pub use openapi::openapi_text;
