//! The server itself on the wire: its facts, health, checks, workers, tokens and settings.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What `up` writes to `server.json` and `GET /server` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerDocument {
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Address of the HTTP listener, `http://127.0.0.1:7080`; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Where metrics are served alone, `http://127.0.0.1:9100/metrics`; absent where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// Path of the Unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// The data folder.
    pub data_dir: String,
    /// `sqlite`, `memory`, `postgres`.
    pub store: String,
    /// When it started.
    pub started_at: String,
}

/// Whether a part of the server is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthDocument {
    /// Whether all is well.
    pub ok: bool,
    /// What is not, each in one sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// The answer of `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorDocument {
    /// Every check.
    pub checks: Vec<Check>,
}

/// One check of `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub state: CheckState,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// Well.
    Ok,
    /// Works, but could be better.
    Warning,
    /// Does not work.
    Failed,
}

/// A page of workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerList {
    /// The workers, newest first.
    pub items: Vec<WorkerDocument>,
    /// Token of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerDocument {
    /// Its id.
    pub id: String,
    /// Name of its host.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Its program's version.
    pub version: String,
    /// When its process started; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub started_at: String,
    /// Tasks that it takes at a time.
    pub slots: u32,
    /// Tasks that it has.
    pub running: u32,
    /// Labels that it carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Whether it takes no new tasks.
    #[serde(default)]
    pub draining: bool,
    /// Whether its process has ended, and nobody has cleared up after it yet; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
}

/// Body of `POST /tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Its name; made from the role if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `read`, `write` or `admin`.
    pub role: String,
    /// How long it is valid, `"30d"`; for ever if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// A token that was just made; its text is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewTokenDocument {
    /// The text to send as `Authorization: Bearer`.
    pub token: String,
    /// The facts.
    #[serde(flatten)]
    pub facts: TokenDocument,
}

/// A token without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenDocument {
    /// Its name.
    pub name: String,
    /// What it allows.
    pub role: String,
    /// When it was made.
    pub created_at: String,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A page of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    /// The tokens, newest first.
    pub items: Vec<TokenDocument>,
    /// Token of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckedConfig {
    /// Each setting, by key.
    pub settings: Vec<SettingDocument>,
    /// What is set without effect, each in one sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingDocument {
    /// Its key, `memory.limit`.
    pub key: String,
    /// Its value; secrets show as `***`.
    pub value: Value,
    /// Where it came from: `default`, a file's path, an environment variable, `flag`.
    pub origin: String,
}

/// Body of `POST /config/backup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// File to write, absolute or relative to the client's folder; must not exist.
    pub path: String,
}
