//! What the commands need of the server.

use std::path::PathBuf;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hw_api::{CheckedConfig, Problem};
use hw_cli::{ConfigSource, DemoData, LocalOptions, LocalRouter, Program, Restored, UpOptions, WorkerOptions};
use hw_server::{
    App, AppRole, ConfigFiles, ConfigSources, DEFAULT_TOML, FlagSetting, LoadedConfig, UpSettings,
    WorkerProcessSettings, check_restorable, load_settings, open_folder, process_environment, restore_store, serve_up,
    serve_worker, write_demo,
};

use crate::logging;

/// Headwater itself.
pub(crate) struct Headwater;

impl Program for Headwater {
    fn open(&self, options: LocalOptions) -> BoxFuture<'_, Result<LocalRouter, Problem>> {
        async move {
            let config = load(&options).map_err(|problem| *problem)?;
            // A single command is silent unless it is asked to speak: its answer tells what went wrong.
            let level = options.log_level.as_deref().unwrap_or("off");
            logging::start(level, &config.config.log).map_err(|problem| *problem)?;
            let app = App::open(config, open_folder(&options.data_dir)?, AppRole::OneShot).await?;
            Ok(LocalRouter::new(app.router(), app.close()))
        }
        .boxed()
    }

    fn up(&self, options: UpOptions) -> BoxFuture<'_, Result<(), Problem>> {
        async move {
            let config = load(&options.local).map_err(|problem| *problem)?;
            logging::start(&config.config.log.level, &config.config.log).map_err(|problem| *problem)?;
            let runtime = process_environment()
                .into_iter()
                .find(|(name, _)| name == "XDG_RUNTIME_DIR");
            let settings = UpSettings {
                listen: options.listen,
                http: !options.no_http,
                runtime_folder: runtime.map(|(_, value)| PathBuf::from(value)),
                started: options.started,
                shutdown: options.shutdown,
            };
            serve_up(config, open_folder(&options.local.data_dir)?, settings).await
        }
        .boxed()
    }

    fn worker(&self, options: WorkerOptions) -> BoxFuture<'_, Result<(), Problem>> {
        async move {
            let config = load(&options.local).map_err(|problem| *problem)?;
            logging::start(&config.config.log.level, &config.config.log).map_err(|problem| *problem)?;
            let WorkerOptions {
                local,
                slots,
                labels,
                shutdown,
            } = options;
            let settings = WorkerProcessSettings {
                slots,
                labels,
                shutdown,
            };
            serve_worker(config, open_folder(&local.data_dir)?, settings).await
        }
        .boxed()
    }

    fn config(&self, options: &LocalOptions) -> Result<CheckedConfig, Box<Problem>> {
        Ok(load(options)?.show())
    }

    fn default_config(&self) -> &'static str {
        DEFAULT_TOML
    }

    fn restore(&self, options: LocalOptions, backup: PathBuf) -> BoxFuture<'_, Result<Restored, Problem>> {
        async move {
            check_restorable(&load(&options).map_err(|problem| *problem)?)?;
            let done = restore_store(&open_folder(&options.data_dir)?, &backup).await?;
            Ok(Restored {
                store: done.store,
                bytes: done.bytes,
                previous: done.previous,
            })
        }
        .boxed()
    }

    fn demo(&self, options: &LocalOptions, name: &str) -> Result<DemoData, Box<Problem>> {
        let demo = write_demo(&options.data_dir, name).map_err(Box::new)?;
        Ok(DemoData {
            title: demo.title,
            path: demo.path,
            table: demo.table,
            group: demo.group,
            time: demo.time,
            query: demo.query,
            query_file: demo.query_file,
            sql: demo.sql,
            readme: demo.readme,
        })
    }
}

fn load(options: &LocalOptions) -> Result<LoadedConfig, Box<Problem>> {
    let flag = |(key, value): &(String, String)| FlagSetting {
        flag: format!("--set {key}"),
        key: key.clone(),
        value: value.clone(),
    };
    let mut flags: Vec<FlagSetting> = options.settings.iter().map(flag).collect();
    flags.extend(options.log_level.iter().map(|level| FlagSetting {
        flag: "--log-level".to_owned(),
        key: "log.level".to_owned(),
        value: level.clone(),
    }));
    let files = match &options.config {
        ConfigSource::Discover => ConfigFiles::Discovered,
        ConfigSource::File(path) => ConfigFiles::Only(path.clone()),
        ConfigSource::Nothing => ConfigFiles::None,
    };
    let sources = ConfigSources {
        flags,
        environment: process_environment(),
        files,
        folder: options.folder.clone(),
    };
    load_settings(&sources).map_err(Box::new)
}
