//! Funnel Rocket's environment names, `FROCKET_INVOKER_RUN_TIMEOUT`: those that mean something here set our settings, the
//! others are accepted and told to be without effect.

use super::fault::{Fault, Origin, Wrong};
use super::keys::{self, Raw};
use super::layers::{Entry, Layer};

const PREFIX: &str = "FROCKET_";

/// The port of Funnel Rocket's container. The name is not its alone, so a value that is no port is no fault.
const PORT: &str = "APISERVER_PORT";

/// The number of server processes in that container.
const PROCESSES: &str = "APISERVER_NUM_WORKERS";

/// What becomes of a name.
#[derive(Debug, Clone, Copy)]
enum Effect {
    /// It sets this key.
    Sets(&'static str, Form),
    /// It sets both keys, which are one to Funnel Rocket.
    SetsBoth([&'static str; 2], Form),
    /// It has no effect, for this reason; a value that Funnel Rocket could not have read is a fault nevertheless.
    Nothing(Shape, &'static str),
}

/// How a value is carried over.
#[derive(Debug, Clone, Copy)]
enum Form {
    AsIs,
    /// A bare number of seconds.
    Seconds,
    /// A bare number of megabytes, those of 1024 times 1024 bytes.
    Megabytes,
    /// A level in Python's words.
    LogLevel,
}

/// What a value without effect must look like.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Anything,
    Flag,
    /// A whole number from 0.
    Count,
    /// A number from 0.
    Number,
    /// Numbers separated by commas.
    Numbers,
    Word(&'static [&'static str]),
}

use Effect::{Nothing, Sets, SetsBoth};
use Form::{AsIs, LogLevel, Megabytes, Seconds};
use Shape::{Anything, Count, Flag, Number, Numbers, Word};

const NO_REDIS: &str = "the store is SQLite in the data folder, or Postgres (`store.url`)";
const NO_LAMBDA: &str = "tasks run in worker processes";
const NO_PREFLIGHT: &str = "workers claim the parts they hold first, without a pause";
const NO_POLLING: &str = "changes are told by events";
const BY_AWS_NAMES: &str = "object stores are shared by all parts; use the names without the prefix";

/// Every name that Funnel Rocket knows, without the prefix.
const NAMES: &[(&str, Effect)] = &[
    ("AGGREGATIONS_TOP_DEFAULT_COUNT", Sets("funnel.top_count", AsIs)),
    ("AGGREGATIONS_TOP_GRACE_FACTOR", Sets("funnel.top_grace_factor", AsIs)),
    ("APISERVER_ADMIN_ACTIONS", Sets("compat.admin_actions", AsIs)),
    ("APISERVER_ERROR_DETAILS", Sets("compat.error_details", AsIs)),
    ("APISERVER_PRETTYPRINT", Sets("compat.pretty_print", AsIs)),
    ("AWS_ACCESS_KEY_ID", Sets("s3.access_key_id", AsIs)),
    ("AWS_ENDPOINT_URL", Sets("s3.endpoint", AsIs)),
    ("AWS_NO_SIGNATURE", Sets("s3.skip_signature", AsIs)),
    ("AWS_REGION", Sets("s3.region", AsIs)),
    ("AWS_SECRET_ACCESS_KEY", Sets("s3.secret_access_key", AsIs)),
    ("BLOBSTORE", Nothing(Anything, NO_REDIS)),
    (
        "BLOBSTORE_DEFAULT_TTL",
        Nothing(Count, "files are kept as long as something refers to them"),
    ),
    (
        "BLOBSTORE_MAX_TTL",
        Nothing(Count, "files are kept as long as something refers to them"),
    ),
    ("BLOBSTORE_REDIS_DB", Nothing(Count, NO_REDIS)),
    ("BLOBSTORE_REDIS_HOST", Nothing(Anything, NO_REDIS)),
    ("BLOBSTORE_REDIS_PORT", Nothing(Count, NO_REDIS)),
    (
        "DATASET_CATEGORICAL_POTENTIAL_USE",
        Nothing(Flag, "dictionaries are read as they are stored"),
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
    (
        "DATASET_MAX_PARTS",
        Nothing(Count, "Funnel Rocket does not use it either"),
    ),
    ("DATASTORE", Nothing(Anything, NO_REDIS)),
    ("DATASTORE_REDIS_DB", Nothing(Count, NO_REDIS)),
    ("DATASTORE_REDIS_HOST", Nothing(Anything, NO_REDIS)),
    ("DATASTORE_REDIS_PORT", Nothing(Count, NO_REDIS)),
    ("DATASTORE_REDIS_PREFIX", Nothing(Anything, NO_REDIS)),
    ("INVOKER", Nothing(Word(&["work_queue", "aws_lambda"]), NO_LAMBDA)),
    ("INVOKER_ASYNC_LOG_INTERVAL_MS", Nothing(Number, NO_POLLING)),
    ("INVOKER_ASYNC_POLL_INTERVAL_MS", Nothing(Number, NO_POLLING)),
    ("INVOKER_LAMBDA_DEBUG_PAYLOAD", Nothing(Flag, NO_LAMBDA)),
    ("INVOKER_LAMBDA_LEGACY_ASYNC", Nothing(Flag, NO_LAMBDA)),
    ("INVOKER_LAMBDA_NAME", Nothing(Anything, NO_LAMBDA)),
    ("INVOKER_LAMBDA_THREADS", Nothing(Count, NO_LAMBDA)),
    (
        "INVOKER_RETRY_FAILED_INTERVAL",
        SetsBoth(["retry.pause_first", "retry.external_pause_first"], Seconds),
    ),
    ("INVOKER_RETRY_LOST_INTERVAL", Sets("worker.lease", Seconds)),
    ("INVOKER_RETRY_MAX_ATTEMPTS", Sets("retry.counted_max", AsIs)),
    ("INVOKER_RUN_TIMEOUT", Sets("jobs.timeout", Seconds)),
    ("LAMBDA_AWS_CONNECT_TIMEOUT", Nothing(Number, NO_LAMBDA)),
    ("LAMBDA_AWS_MAX_POOL_CONNECTIONS", Nothing(Count, NO_LAMBDA)),
    ("LAMBDA_AWS_READ_TIMEOUT", Nothing(Number, NO_LAMBDA)),
    ("LAMBDA_AWS_RETRIES_MAX_ATTEMPTS", Nothing(Count, NO_LAMBDA)),
    ("LOG_FILE", Sets("log.file", AsIs)),
    ("LOG_FORMAT", Nothing(Anything, "see `log.format`")),
    ("LOG_LEVEL", Sets("log.level", LogLevel)),
    ("METRICS_BUCKETS_BYTES", Sets("metrics.buckets.bytes", AsIs)),
    (
        "METRICS_BUCKETS_DEFAULT",
        Nothing(Numbers, "every histogram has a unit with buckets of its own"),
    ),
    ("METRICS_BUCKETS_DOLLARS", Nothing(Numbers, "runs here have no price")),
    ("METRICS_BUCKETS_GROUPS", Sets("metrics.buckets.groups", AsIs)),
    ("METRICS_BUCKETS_ROWS", Sets("metrics.buckets.rows", AsIs)),
    ("METRICS_BUCKETS_SECONDS", Sets("metrics.buckets.seconds", AsIs)),
    ("METRICS_EXPORT_LASTRUN", Sets("metrics.export_lastrun", AsIs)),
    ("METRICS_EXPORT_PROMETHEUS", Sets("metrics.export", AsIs)),
    (
        "PART_SELECTION_MODE",
        Nothing(Word(&["worker", "invoker"]), NO_PREFLIGHT),
    ),
    ("PART_SELECTION_PREFLIGHT_MS", Nothing(Number, NO_PREFLIGHT)),
    ("REDIS_DB", Nothing(Count, NO_REDIS)),
    ("REDIS_HOST", Nothing(Anything, NO_REDIS)),
    ("REDIS_PORT", Nothing(Count, NO_REDIS)),
    ("STATS_TIMING_PERCENTILES", Sets("funnel.stats_percentiles", AsIs)),
    (
        "UNREGISTER_LAST_USED_INTERVAL",
        Sets("tables.unregister_guard", Seconds),
    ),
    ("VALIDATION_SAMPLE_MAX", Sets("registration.sample_max", AsIs)),
    ("VALIDATION_SAMPLE_RATIO", Sets("registration.sample_ratio", AsIs)),
    ("WORKER_DISK_CACHE_SIZE_MB", Sets("cache.disk", Megabytes)),
    (
        "WORKER_REJECT_AGE",
        Nothing(Number, "tasks of ended jobs are withdrawn at once"),
    ),
    ("WORKER_SELF_SELECT_ENABLED", Nothing(Flag, NO_PREFLIGHT)),
];

/// The layer of Funnel Rocket's names, weaker than that of our own.
pub(super) fn read(environment: &[(String, String)]) -> Layer {
    let mut layer = Layer::default();
    for (name, value) in environment.iter().filter(|(_, value)| !value.is_empty()) {
        match name.strip_prefix(PREFIX) {
            Some(rest) => read_variable(name, rest, value, &mut layer),
            None if name == PORT => read_port(value, &mut layer),
            None if name == PROCESSES => {
                let notice = format!("`{name}` has no effect: one process serves all requests");
                layer.notices.push(notice);
            }
            None => {}
        }
    }
    layer
}

fn read_variable(name: &str, rest: &str, value: &str, layer: &mut Layer) {
    match effect(rest) {
        Some(Sets(key, form)) => set(name, key, value, form, layer),
        Some(SetsBoth([one, other], form)) => {
            set(name, one, value, form, layer);
            // What is wrong with the value was told already.
            if carried(value, form).is_ok() {
                set(name, other, value, form, layer);
            }
        }
        Some(Nothing(shape, reason)) => match shape.wrong(value) {
            None => layer.notices.push(format!("`{name}` has no effect: {reason}")),
            Some(wrong) => {
                let origin = Origin::Environment(name.to_owned());
                layer.findings.push(Fault::Alias { wrong }.finding(&origin, None));
            }
        },
        None => layer.notices.push(unknown(name, rest)),
    }
}

fn read_port(value: &str, layer: &mut Layer) {
    match value.trim().parse::<u16>() {
        Ok(port) => set(PORT, "http.listen", &format!("127.0.0.1:{port}"), AsIs, layer),
        Err(_) => layer
            .notices
            .push(format!("`{PORT}` has no effect: `{value}` is no port")),
    }
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
        of(shared).map(|_| Nothing(Anything, BY_AWS_NAMES))
    })
}

/// The value as our setting takes it.
fn carried(value: &str, form: Form) -> Result<String, Wrong> {
    match form {
        AsIs => Ok(value.to_owned()),
        Seconds => match Number.wrong(value) {
            None => Ok(format!("{}s", value.trim())),
            Some(_) => Err(wrong("a number of seconds", value, "write for instance `30`")),
        },
        Megabytes => match Number.wrong(value) {
            None => Ok(format!("{}MiB", value.trim())),
            Some(_) => Err(wrong("a number of megabytes", value, "write for instance `256`")),
        },
        LogLevel => Ok(match value.to_ascii_lowercase().as_str() {
            "critical" => "error".to_owned(),
            "warning" => "warn".to_owned(),
            other => other.to_owned(),
        }),
    }
}

fn set(name: &str, key: &'static str, text: &str, form: Form, layer: &mut Layer) {
    let Some(setting) = keys::find(key) else {
        return;
    };
    let origin = Origin::Environment(name.to_owned());
    let value = carried(text, form).and_then(|text| setting.kind.read(Raw::Text(&text)));
    match value {
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

impl Shape {
    /// What is wrong with a value, if anything.
    fn wrong(self, text: &str) -> Option<Wrong> {
        let number = |text: &str| {
            text.trim()
                .parse::<f64>()
                .is_ok_and(|number| number.is_finite() && number >= 0.0)
        };
        let (fits, expected, help) = match self {
            Anything => return None,
            Flag => {
                let word = text.trim().to_ascii_lowercase();
                let fits = matches!(
                    word.as_str(),
                    "true" | "false" | "1" | "0" | "yes" | "no" | "on" | "off"
                );
                (fits, "true or false".to_owned(), "write `true` or `false`")
            }
            Count => (
                text.trim().parse::<u64>().is_ok(),
                "a whole number from 0".to_owned(),
                "write for instance `8`",
            ),
            Number => (number(text), "a number from 0".to_owned(), "write for instance `8`"),
            Numbers => (
                text.split(',').all(number),
                "numbers separated by commas".to_owned(),
                "write for instance `0.5, 1, 5`",
            ),
            Word(words) => (
                words.contains(&text.trim()),
                format!("one of {}", words.join(", ")),
                "it has no effect here and can be left out",
            ),
        };
        (!fits).then(|| wrong(&expected, text, help))
    }
}

fn wrong(expected: &str, found: &str, help: &str) -> Wrong {
    Wrong::Value {
        expected: expected.to_owned(),
        found: found.to_owned(),
        help: help.to_owned(),
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
        Sets(key, _) | SetsBoth([key, _], _) => (*name, Some(*key)),
        Nothing(..) => (*name, None),
    })
}
