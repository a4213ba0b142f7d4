//! What every verb works with.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hw_api::ExitCode;

use crate::args::{Global, is_url};
use crate::client::Client;
use crate::console::Console;
use crate::failure::{ClientError, Ending};
use crate::interrupts::Interrupts;
use crate::program::{ConfigSource, LocalOptions, Program};
use crate::surroundings::Surroundings;
use crate::transport::{Destination, ServerAddress, server_document};

/// How a verb ended.
pub(crate) type Ended = Result<ExitCode, Ending>;

pub(crate) struct Context {
    pub(crate) program: Arc<dyn Program>,
    pub(crate) client: Client,
    pub(crate) console: Console,
    pub(crate) interrupts: Interrupts,
    pub(crate) local: LocalOptions,
    /// Data folder and server as a follow-up command has to name them: ` --data-dir DIR`, or nothing for the default.
    pub(crate) follow_up_options: String,
}

impl Context {
    pub(crate) fn new(
        global: &Global,
        surroundings: Surroundings,
        program: Arc<dyn Program>,
    ) -> (Self, Option<Ending>) {
        let folder = surroundings.folder.clone();
        let variable = |name: &str| {
            surroundings
                .variables
                .get(name)
                .filter(|value| !value.is_empty())
                .cloned()
        };
        let data_dir = global
            .data_dir
            .clone()
            .or_else(|| variable("HEADWATER_DATA_DIR").map(PathBuf::from));
        let follow_up_options = follow_up_options(global);
        let local = LocalOptions {
            data_dir: absolute(&folder, data_dir.as_deref().unwrap_or(Path::new(".headwater"))),
            config: config_source(global, &folder),
            settings: global.set.clone(),
            log_level: global.log_level.clone(),
            folder,
        };
        let server = global.server.clone().or_else(|| variable("HEADWATER_SERVER"));
        let (server, fault) = match server_address(server, &variable, &local) {
            Ok(server) => (server, None),
            Err(ending) => (None, Some(ending)),
        };
        let shows_its_token = server.as_ref().is_some_and(ServerAddress::shows_its_token);
        let mut context = Self {
            client: Client::new(Destination {
                server,
                local: local.clone(),
                program: Arc::clone(&program),
            }),
            interrupts: surroundings.interrupts.clone(),
            console: Console::new(global, surroundings),
            program,
            local,
            follow_up_options,
        };
        if shows_its_token {
            let warning = "the token travels in clear text: use https:// for a server on another host";
            context.console.warn(warning);
        }
        (context, fault)
    }

    /// A path as the router can find it: absolute, unless it is a URL.
    pub(crate) fn absolute(&self, path: &str) -> String {
        if is_url(path) {
            return path.to_owned();
        }
        absolute(&self.local.folder, Path::new(path))
            .to_string_lossy()
            .into_owned()
    }

    pub(crate) fn absolute_path(&self, path: &Path) -> PathBuf {
        absolute(&self.local.folder, path)
    }

    /// Carries out a verb until the user interrupts it.
    pub(crate) async fn until_interrupted<T>(
        interrupts: Interrupts,
        work: impl Future<Output = Result<T, Ending>>,
    ) -> Result<T, Ending> {
        tokio::select! {
            done = work => done,
            () = interrupts.wait() => Err(Ending::Quiet(ExitCode::Cancelled)),
        }
    }
}

/// What was given as a flag has to be given again; what stands in the environment still does.
fn follow_up_options(global: &Global) -> String {
    let data_dir = global
        .data_dir
        .as_ref()
        .map(|folder| folder.to_string_lossy().into_owned());
    let options = [("--data-dir", data_dir), ("--server", global.server.clone())];
    let given = options.into_iter().filter_map(|(name, value)| Some((name, value?)));
    given
        .map(|(name, value)| format!(" {name} {}", quoted(&value)))
        .collect()
}

/// `path` below `folder`, without `.` parts; `..` stays, as links make it mean what only the system knows.
fn absolute(folder: &Path, path: &Path) -> PathBuf {
    let joined = folder.join(path);
    std::path::absolute(&joined).unwrap_or(joined)
}

fn config_source(global: &Global, folder: &Path) -> ConfigSource {
    match (&global.config, global.no_config) {
        (Some(file), _) => ConfigSource::File(absolute(folder, file)),
        (None, true) => ConfigSource::Nothing,
        (None, false) => ConfigSource::Discover,
    }
}

fn server_address(
    server: Option<String>,
    variable: &dyn Fn(&str) -> Option<String>,
    local: &LocalOptions,
) -> Result<Option<ServerAddress>, Ending> {
    let Some(server) = server else { return Ok(None) };
    let token = match (variable("HEADWATER_TOKEN"), variable("HEADWATER_TOKEN_FILE")) {
        (Some(token), _) => Some(token),
        (None, Some(file)) => Some(read_token(&absolute(&local.folder, Path::new(&file)))?),
        (None, None) => None,
    };
    let address = ServerAddress::new(&server, token)?;
    let written = server_document(&local.data_dir).and_then(|document| document.http);
    // The folder's own token goes to the server of that folder only.
    if written.is_some_and(|written| address.is(&written)) {
        let token = std::fs::read_to_string(local.data_dir.join("token")).ok();
        return Ok(Some(address.or_token(token.map(|token| token.trim().to_owned()))));
    }
    Ok(Some(address))
}

fn read_token(file: &Path) -> Result<String, Ending> {
    match std::fs::read_to_string(file) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(error) => Err(ClientError::Input {
            path: file.to_owned(),
            reason: error.to_string(),
        }
        .into()),
    }
}

/// A text as a shell reads it back.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}
