//! Funnel Rocket's environment names, `FROCKET_INVOKER_RUN_TIMEOUT`: those that mean something here set our settings, the
//! others are accepted and told to be without effect.

use super::fault::{Fault, Origin};
use super::keys::{self, Raw};
use super::layers::{Entry, Layer};

const PREFIX: &str = "FROCKET_";

/// What becomes of a name.
#[derive(Debug, Clone, Copy)]
enum Effect {
    /// It sets this key.
    Sets(&'static str, Form),
    /// It has no effect, for this reason.
    Nothing(&'static str),
}

/// How a value is carried over.
#[derive(Debug, Clone, Copy)]
enum Form {
    AsIs,
    /// A bare number of seconds.
    Seconds,
    /// A level in Python's words.
    LogLevel,
}

use Effect::{Nothing, Sets};
use Form::{AsIs, LogLevel, Seconds};

const NO_REDIS: &str = "the store is SQLite in the data folder";
const NO_LAMBDA: &str = "tasks run in worker processes";
const NO_PREFLIGHT: &str = "workers claim the parts they hold first, without a pause";
const NO_POLLING: &str = "changes are told by events";
const FIXED_BUCKETS: &str = "the buckets of histograms are fixed";
const BY_AWS_NAMES: &str = "object stores are shared by all parts; use the names without the prefix";

/// Every name that Funnel Rocket knows, without the prefix.
const NAMES: &[(&str, Effect)] = &[
    ("AGGREGATIONS_TOP_DEFAULT_COUNT", Sets("funnel.top_count", AsIs)),
    (
        "AGGREGATIONS_TOP_GRACE_FACTOR",
        Nothing("top values are merged exactly"),
    ),
    (
        "APISERVER_ADMIN_ACTIONS",
        Nothing("tokens carry roles: `headwater token create`"),
    ),
    (
        "APISERVER_ERROR_DETAILS",
        Nothing("errors always say what to do and never hold secrets"),
    ),
    (
        "APISERVER_PRETTYPRINT",
        Nothing("answers are compact; `jq` prints them"),
    ),
    ("AWS_ACCESS_KEY_ID", Sets("s3.access_key_id", AsIs)),
    ("AWS_ENDPOINT_URL", Sets("s3.endpoint", AsIs)),
    ("AWS_NO_SIGNATURE", Sets("s3.skip_signature", AsIs)),
    ("AWS_REGION", Sets("s3.region", AsIs)),
    ("AWS_SECRET_ACCESS_KEY", Sets("s3.secret_access_key", AsIs)),
    ("BLOBSTORE", Nothing(NO_REDIS)),
    (
        "BLOBSTORE_DEFAULT_TTL",
        Nothing("files are kept as long as something refers to them"),
    ),
    (
        "BLOBSTORE_MAX_TTL",
        Nothing("files are kept as long as something refers to them"),
    ),
    ("BLOBSTORE_REDIS_DB", Nothing(NO_REDIS)),
    ("BLOBSTORE_REDIS_HOST", Nothing(NO_REDIS)),
    ("BLOBSTORE_REDIS_PORT", Nothing(NO_REDIS)),
    (
        "DATASET_CATEGORICAL_POTENTIAL_USE",
        Nothing("dictionaries are read as they are stored"),
    ),
    (
        "DATASET_CATEGORICAL_RATIO",
        Sets("registration.categorical_ratio", AsIs),
    ),
    ("DATASET_CATEGORICAL_TOP_COUNT", Sets("registration.top_count", AsIs)),
    (
        "DATASET_CATEGORICAL_TOP_MINPCT",
        Sets("registration.top_share_min", AsIs),
    ),
    ("DATASET_MAX_PARTS", Nothing("Funnel Rocket does not use it either")),
    ("DATASTORE", Nothing(NO_REDIS)),
    ("DATASTORE_REDIS_DB", Nothing(NO_REDIS)),
    ("DATASTORE_REDIS_HOST", Nothing(NO_REDIS)),
    ("DATASTORE_REDIS_PORT", Nothing(NO_REDIS)),
    ("DATASTORE_REDIS_PREFIX", Nothing(NO_REDIS)),
    ("INVOKER", Nothing(NO_LAMBDA)),
    ("INVOKER_ASYNC_LOG_INTERVAL_MS", Nothing(NO_POLLING)),
    ("INVOKER_ASYNC_POLL_INTERVAL_MS", Nothing(NO_POLLING)),
    ("INVOKER_LAMBDA_DEBUG_PAYLOAD", Nothing(NO_LAMBDA)),
    ("INVOKER_LAMBDA_LEGACY_ASYNC", Nothing(NO_LAMBDA)),
    ("INVOKER_LAMBDA_NAME", Nothing(NO_LAMBDA)),
    ("INVOKER_LAMBDA_THREADS", Nothing(NO_LAMBDA)),
    ("INVOKER_RETRY_FAILED_INTERVAL", Sets("retry.pause_first", Seconds)),
    ("INVOKER_RETRY_LOST_INTERVAL", Sets("worker.lease", Seconds)),
    ("INVOKER_RETRY_MAX_ATTEMPTS", Sets("retry.counted_max", AsIs)),
    ("INVOKER_RUN_TIMEOUT", Sets("jobs.timeout", Seconds)),
    ("LAMBDA_AWS_CONNECT_TIMEOUT", Nothing(NO_LAMBDA)),
    ("LAMBDA_AWS_MAX_POOL_CONNECTIONS", Nothing(NO_LAMBDA)),
    ("LAMBDA_AWS_READ_TIMEOUT", Nothing(NO_LAMBDA)),
    ("LAMBDA_AWS_RETRIES_MAX_ATTEMPTS", Nothing(NO_LAMBDA)),
    ("LOG_FILE", Nothing("logs go to the error output")),
    ("LOG_FORMAT", Nothing("see `log.format`")),
    ("LOG_LEVEL", Sets("log.level", LogLevel)),
    ("METRICS_BUCKETS_BYTES", Nothing(FIXED_BUCKETS)),
    ("METRICS_BUCKETS_DEFAULT", Nothing(FIXED_BUCKETS)),
    ("METRICS_BUCKETS_DOLLARS", Nothing(FIXED_BUCKETS)),
    ("METRICS_BUCKETS_GROUPS", Nothing(FIXED_BUCKETS)),
    ("METRICS_BUCKETS_ROWS", Nothing(FIXED_BUCKETS)),
    ("METRICS_BUCKETS_SECONDS", Nothing(FIXED_BUCKETS)),
    (
        "METRICS_EXPORT_LASTRUN",
        Nothing("`headwater job export` writes a run's figures"),
    ),
    ("METRICS_EXPORT_PROMETHEUS", Sets("metrics.export", AsIs)),
    ("PART_SELECTION_MODE", Nothing(NO_PREFLIGHT)),
    ("PART_SELECTION_PREFLIGHT_MS", Nothing(NO_PREFLIGHT)),
    ("REDIS_DB", Nothing(NO_REDIS)),
    ("REDIS_HOST", Nothing(NO_REDIS)),
    ("REDIS_PORT", Nothing(NO_REDIS)),
    (
        "STATS_TIMING_PERCENTILES",
        Nothing("the percentiles of answers are fixed"),
    ),
    (
        "UNREGISTER_LAST_USED_INTERVAL",
        Sets("tables.unregister_guard", Seconds),
    ),
    ("VALIDATION_SAMPLE_MAX", Sets("registration.sample_max", AsIs)),
    ("VALIDATION_SAMPLE_RATIO", Sets("registration.sample_ratio", AsIs)),
    ("WORKER_DISK_CACHE_SIZE_MB", Nothing("parts are read in place")),
    (
        "WORKER_REJECT_AGE",
        Nothing("tasks of ended jobs are withdrawn at once"),
    ),
    ("WORKER_SELF_SELECT_ENABLED", Nothing(NO_PREFLIGHT)),
];

/// The layer of Funnel Rocket's names, weaker than that of our own.
pub(super) fn read(environment: &[(String, String)]) -> Layer {
    let mut layer = Layer::default();
    for (name, value) in environment {
        if let Some(rest) = name.strip_prefix(PREFIX) {
            match effect(rest) {
                Some(Sets(key, form)) => set(name, key, &carried(value, form), &mut layer),
                Some(Nothing(reason)) => layer.notices.push(format!("`{name}` has no effect: {reason}")),
                None => layer.notices.push(unknown(name, rest)),
            }
        }
    }
    layer
}

/// The names of object stores exist with a prefix for each use, too.
fn effect(rest: &str) -> Option<Effect> {
    let of = |name: &str| {
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, effect)| *effect)
    };
    of(rest).or_else(|| {
        if let Some(shared) = rest.strip_prefix("S3_").filter(|shared| shared.starts_with("AWS_")) {
            return of(shared);
        }
        let shared = rest
            .strip_prefix("LAMBDA_")
            .filter(|shared| shared.starts_with("AWS_"))?;
        of(shared).map(|_| Nothing(BY_AWS_NAMES))
    })
}

fn carried(value: &str, form: Form) -> String {
    match form {
        AsIs => value.to_owned(),
        Seconds => format!("{value}s"),
        LogLevel => match value.to_ascii_lowercase().as_str() {
            "critical" => "error".to_owned(),
            "warning" => "warn".to_owned(),
            other => other.to_owned(),
        },
    }
}

fn set(name: &str, key: &'static str, text: &str, layer: &mut Layer) {
    let Some(setting) = keys::find(key).filter(|_| !text.is_empty() && text != "s") else {
        return;
    };
    let origin = Origin::Environment(name.to_owned());
    match setting.kind.read(Raw::Text(text)) {
        Ok(value) => layer.entries.push(Entry { key, value, origin }),
        Err(wrong) => {
            let fault = Fault::Value {
                key: key.to_owned(),
                secret: setting.secret,
                wrong,
            };
            layer.findings.push(fault.finding(&origin, None));
        }
    }
}

fn unknown(name: &str, rest: &str) -> String {
    match hw_catalog::closest(rest, NAMES.iter().map(|(known, _)| *known)) {
        Some(near) => {
            format!("`{name}` is no name of Funnel Rocket's and has no effect; did you mean `{PREFIX}{near}`?")
        }
        None => format!("`{name}` is no name of Funnel Rocket's and has no effect"),
    }
}

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    NAMES.iter().map(|(name, effect)| match effect {
        Sets(key, _) => (*name, Some(*key)),
        Nothing(_) => (*name, None),
    })
}
