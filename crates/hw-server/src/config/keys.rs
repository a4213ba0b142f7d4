//! The settings that exist, and which values each may have.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::de::DeValue;

use super::fault::Wrong;
use super::model::ListenAddress;
use super::units::{UnitFault, parse_duration, parse_size};

/// A setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key, `http.listen`.
    pub(crate) key: &'static str,
    /// Which values it may have.
    pub(crate) kind: Kind,
    /// Whether its value is never shown.
    pub(crate) secret: bool,
}

/// Which values a setting may have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Yes or no.
    Flag,
    /// A whole number within bounds.
    Count(u64, u64),
    /// A number within bounds.
    Number(f64, f64),
    /// A time with its unit; whether it may be zero.
    Duration { zero: bool },
    /// A size with its unit.
    Size,
    /// A size with its unit, or a percentage; whether the size may be zero.
    Share { zero: bool },
    /// One of these words.
    Word(&'static [&'static str]),
    /// Address and port to listen at.
    Address,
    /// Address of a Postgres store.
    StoreAddress,
    /// Any text but the empty one.
    Text,
    /// Several texts.
    Texts,
    /// Several names, each with a whole number above zero: `licence=2`.
    Counters,
    /// One or more ascending numbers, each above the first bound and at most the second.
    Numbers(f64, f64),
}

/// A value as a layer gives it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Raw<'a> {
    /// From a flag or the environment, where everything is text.
    Text(&'a str),
    /// From a file.
    Toml(&'a DeValue<'a>),
}

const fn plain(key: &'static str, kind: Kind) -> Setting {
    Setting {
        key,
        kind,
        secret: false,
    }
}

/// Every setting, in the order of `default.toml`.
pub(crate) const SETTINGS: &[Setting] = &[
    plain("threads", Kind::Count(1, 4096)),
    plain("memory.limit", Kind::Share { zero: false }),
    plain("spill.limit", Kind::Share { zero: false }),
    Setting {
        key: "store.url",
        kind: Kind::StoreAddress,
        secret: true,
    },
    plain("http.listen", Kind::Address),
    plain("http.hosts", Kind::Texts),
    plain("http.body_limit", Kind::Size),
    plain("http.requests_max", Kind::Count(1, 1_000_000)),
    plain("http.followers_max", Kind::Count(1, 1_000_000)),
    plain("http.connections_max", Kind::Count(1, 1_000_000)),
    plain("http.wait_max", Kind::Duration { zero: false }),
    plain("http.drain", Kind::Duration { zero: true }),
    plain("http.tls.certificate", Kind::Text),
    plain("http.tls.key", Kind::Text),
    plain("http.tls.client_ca", Kind::Text),
    plain("http.tls.client_role", Kind::Word(&["none", "read", "write", "admin"])),
    plain("http.tls.handshake_timeout", Kind::Duration { zero: false }),
    plain("http.tls.handshakes_max", Kind::Count(1, 1_000_000)),
    plain("client.ca", Kind::Text),
    plain("client.certificate", Kind::Text),
    plain("client.key", Kind::Text),
    plain("auth.loopback_token", Kind::Flag),
    plain("files.allow", Kind::Texts),
    plain("files.root", Kind::Text),
    plain("files.grace", Kind::Duration { zero: true }),
    plain("s3.endpoint", Kind::Text),
    plain("s3.region", Kind::Text),
    plain("s3.access_key_id", Kind::Text),
    Setting {
        key: "s3.secret_access_key",
        kind: Kind::Text,
        secret: true,
    },
    plain("s3.skip_signature", Kind::Flag),
    plain("jobs.keep_results", Kind::Duration { zero: false }),
    plain("jobs.keep_history", Kind::Duration { zero: false }),
    plain("jobs.timeout", Kind::Duration { zero: false }),
    plain("jobs.unfinished_max", Kind::Count(1, 100_000_000)),
    plain("events.keep", Kind::Duration { zero: false }),
    plain("worker.slots", Kind::Count(1, 4096)),
    plain("worker.lease", Kind::Duration { zero: false }),
    plain("worker.drain", Kind::Duration { zero: true }),
    plain("worker.memory", Kind::Share { zero: false }),
    plain("worker.disk", Kind::Size),
    plain("worker.gpu", Kind::Count(0, 4096)),
    plain("worker.counters", Kind::Counters),
    plain("worker.metrics", Kind::Address),
    plain("retry.counted_max", Kind::Count(1, 1000)),
    plain("retry.lost_max", Kind::Count(1, 1000)),
    plain("retry.deaths_max", Kind::Count(1, 1000)),
    plain("retry.pause_first", Kind::Duration { zero: true }),
    plain("retry.external_pause_first", Kind::Duration { zero: true }),
    plain("retry.pause_max", Kind::Duration { zero: true }),
    plain("retry.jitter", Kind::Number(0.0, 1.0)),
    plain("registration.sample_ratio", Kind::Number(0.0, 1.0)),
    plain("registration.sample_max", Kind::Count(2, 1_000_000)),
    plain("registration.categorical_ratio", Kind::Number(0.0, 1.0)),
    plain("registration.top_count", Kind::Count(0, 10_000)),
    plain("registration.top_share_min", Kind::Number(0.0, 1.0)),
    plain("tables.unregister_guard", Kind::Duration { zero: true }),
    plain("funnel.top_count", Kind::Count(1, 100_000)),
    plain("funnel.top_grace_factor", Kind::Number(0.0, 1_000.0)),
    plain("funnel.stats_percentiles", Kind::Numbers(0.0, 1.0)),
    plain("cache.results", Kind::Flag),
    plain("cache.memory", Kind::Share { zero: true }),
    plain("cache.disk", Kind::Share { zero: true }),
    plain("cache.folder", Kind::Text),
    plain("compat.funnel_rocket", Kind::Flag),
    plain("compat.funnel_rocket_status", Kind::Flag),
    plain("compat.error_details", Kind::Flag),
    plain("compat.admin_actions", Kind::Flag),
    plain("compat.pretty_print", Kind::Flag),
    plain(
        "log.level",
        Kind::Word(&["off", "error", "warn", "info", "debug", "trace"]),
    ),
    plain("log.format", Kind::Word(&["auto", "text", "json"])),
    plain("log.file", Kind::Text),
    plain("metrics.export", Kind::Flag),
    plain("metrics.listen", Kind::Address),
    plain("metrics.dataset_label", Kind::Flag),
    plain("metrics.export_lastrun", Kind::Text),
    plain("metrics.buckets.seconds", Kind::Numbers(0.0, f64::MAX)),
    plain("metrics.buckets.bytes", Kind::Numbers(0.0, f64::MAX)),
    plain("metrics.buckets.rows", Kind::Numbers(0.0, f64::MAX)),
    plain("metrics.buckets.groups", Kind::Numbers(0.0, f64::MAX)),
];

/// The setting of exactly this key.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// Whether some key begins with `section` and a dot.
pub(super) fn is_section(section: &str) -> bool {
    SETTINGS.iter().any(|setting| {
        setting
            .key
            .strip_prefix(section)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

impl Kind {
    /// What a value must be, for messages: `a time with its unit`.
    fn expected(self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Count(least, most) => format!("a whole number from {least} to {most}"),
            Self::Number(least, most) => format!("a number from {least} to {most}"),
            Self::Duration { .. } => "a time with its unit".to_owned(),
            Self::Size => "a size with its unit".to_owned(),
            Self::Share { .. } => "a size with its unit, or a percentage".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Address => "an address and a port".to_owned(),
            Self::StoreAddress => "the address of a Postgres store".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::Counters => "a list of different names, each with a whole number above zero".to_owned(),
            Self::Numbers(above, f64::MAX) => format!("ascending numbers above {above}"),
            Self::Numbers(above, most) => format!("ascending numbers above {above} and up to {most}"),
        }
    }

    fn example(self) -> String {
        match self {
            Self::Flag => "write `true` or `false`".to_owned(),
            Self::Count(least, _) => format!("write for instance `{}`", least.max(8)),
            Self::Number(..) => "write for instance `0.1`".to_owned(),
            Self::Duration { .. } => "write for instance `\"30s\"`, `\"5min\"` or `\"7d\"`".to_owned(),
            Self::Size => "write for instance `\"512MiB\"`".to_owned(),
            Self::Share { .. } => "write for instance `\"4GiB\"` or `\"70%\"`".to_owned(),
            Self::Word(words) => format!("write one of {}", words.join(", ")),
            Self::Address => "write for instance `\"127.0.0.1:7080\"`".to_owned(),
            Self::StoreAddress => "write for instance `\"postgres://headwater:PASSWORD@db.example/headwater?sslmode=verify-full\"`, \
                                   with special characters of the password as `%XX`; `schema=NAME` may follow, in small letters"
                .to_owned(),
            Self::Text => "write a text that is not empty".to_owned(),
            Self::Texts => "write for instance `[\"a\", \"b\"]`".to_owned(),
            Self::Counters => "write for instance `[\"licence=2\", \"scanner=1\"]`".to_owned(),
            Self::Numbers(..) => "write for instance `[0.25, 0.5, 1]`".to_owned(),
        }
    }

    /// The value in the form of the typed configuration.
    pub(super) fn read(self, raw: Raw<'_>) -> Result<Value, Wrong> {
        let value = match raw {
            Raw::Text(text) => self.parse(text),
            Raw::Toml(value) => from_toml(value).filter(|value| self.fits_type(value)),
        };
        let shown = || match raw {
            Raw::Text(text) => text.to_owned(),
            Raw::Toml(value) => shown(value),
        };
        // A bare number where a unit is needed has its own answer, so it is looked at before the type.
        if let (
            Raw::Toml(DeValue::Integer(_) | DeValue::Float(_)),
            Self::Duration { .. } | Self::Size | Self::Share { .. },
        ) = (raw, self)
        {
            return self.checked(Value::String(shown()), &shown());
        }
        match value {
            Some(value) => self.checked(value, &shown()),
            None => Err(self.wrong(&shown())),
        }
    }

    fn parse(self, text: &str) -> Option<Value> {
        match self {
            Self::Flag => flag(text).map(Value::Bool),
            Self::Count(..) => text.trim().replace('_', "").parse::<u64>().ok().map(Value::from),
            Self::Number(..) => text.trim().parse::<f64>().ok().map(Value::from),
            Self::Texts | Self::Counters => Some(texts(text)),
            Self::Numbers(..) => numbers(text),
            Self::Duration { .. }
            | Self::Size
            | Self::Share { .. }
            | Self::Word(_)
            | Self::Address
            | Self::StoreAddress
            | Self::Text => Some(Value::String(text.to_owned())),
        }
    }

    fn fits_type(self, value: &Value) -> bool {
        match self {
            Self::Flag => value.is_boolean(),
            Self::Count(..) => value.is_u64(),
            Self::Number(..) => value.is_number(),
            Self::Texts | Self::Counters => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            Self::Numbers(..) => value.as_array().is_some_and(|items| items.iter().all(Value::is_number)),
            Self::Duration { .. }
            | Self::Size
            | Self::Share { .. }
            | Self::Word(_)
            | Self::Address
            | Self::StoreAddress
            | Self::Text => value.is_string(),
        }
    }

    fn checked(self, value: Value, shown: &str) -> Result<Value, Wrong> {
        let text = value.as_str().unwrap_or_default();
        let fits = match self {
            Self::Flag | Self::Texts => true,
            Self::Count(least, most) => value.as_u64().is_some_and(|count| (least..=most).contains(&count)),
            Self::Number(least, most) => value.as_f64().is_some_and(|number| (least..=most).contains(&number)),
            Self::Duration { zero } => self
                .has_unit(parse_duration(text))?
                .is_some_and(|time| zero || !time.is_zero()),
            Self::Size => self.has_unit(parse_size(text))?.is_some_and(|bytes| bytes > 0),
            Self::Share { zero } => match text.trim().strip_suffix('%') {
                Some(percent) => percent_of(percent).is_some(),
                None => self.has_unit(parse_size(text))?.is_some_and(|bytes| zero || bytes > 0),
            },
            Self::Word(words) => words.contains(&text),
            Self::Address => text.parse::<ListenAddress>().is_ok(),
            Self::StoreAddress => hw_store::PostgresStore::shown_address(text).is_ok(),
            Self::Text => !text.trim().is_empty(),
            Self::Counters => counters_of(&value).is_some(),
            Self::Numbers(above, most) => are_ascending(&value, above, most),
        };
        match fits {
            true => Ok(value),
            false => Err(self.wrong(shown)),
        }
    }

    fn has_unit<T>(self, parsed: Result<T, UnitFault>) -> Result<Option<T>, Wrong> {
        match parsed {
            Ok(amount) => Ok(Some(amount)),
            Err(UnitFault::NoUnit { proposal }) => Err(Wrong::NoUnit { proposal }),
            Err(UnitFault::NotUnderstood | UnitFault::TooLarge) => Ok(None),
        }
    }

    fn wrong(self, shown: &str) -> Wrong {
        let mut help = self.example();
        if let Self::Word(words) = self
            && let Some(near) = hw_catalog::closest(shown, words.iter().copied())
        {
            help = format!("did you mean `{near}`?");
        }
        Wrong::Value {
            expected: self.expected(),
            found: shown.to_owned(),
            help,
        }
    }
}

/// A percentage between 0 (excluded) and 100, as a share of 1.
pub(super) fn percent_of(text: &str) -> Option<f64> {
    let percent: f64 = text.trim().parse().ok()?;
    (percent > 0.0 && percent <= 100.0).then_some(percent / 100.0)
}

fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// `1, 2`, with or without brackets.
fn numbers(text: &str) -> Option<Value> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let numbers = bare
        .unwrap_or(text)
        .split(',')
        .map(|number| number.trim().parse::<f64>().ok());
    numbers.collect::<Option<Vec<f64>>>().map(Value::from)
}

/// Whether the list holds numbers, each greater than the one before.
fn are_ascending(list: &Value, above: f64, most: f64) -> bool {
    let Some(items) = list.as_array().filter(|items| !items.is_empty()) else {
        return false;
    };
    let mut before = above;
    items.iter().all(|item| {
        let number = item.as_f64().filter(|number| *number > before && *number <= most);
        before = number.unwrap_or(before);
        number.is_some()
    })
}

/// The counters that the list names; `None` if an entry is none, or a name occurs twice.
pub(super) fn counters_of(list: &Value) -> Option<BTreeMap<String, u64>> {
    let mut counters = BTreeMap::new();
    for item in list.as_array()? {
        let (name, count) = item.as_str()?.split_once('=')?;
        let count = count.trim().parse().ok().filter(|count| *count > 0)?;
        let name = Some(name.trim()).filter(|name| !name.is_empty())?;
        if counters.insert(name.to_owned(), count).is_some() {
            return None;
        }
    }
    Some(counters)
}

/// `a, b`, or a JSON list where an entry holds a comma.
fn texts(text: &str) -> Value {
    if let Ok(list @ Value::Array(_)) = serde_json::from_str(text) {
        let all_texts = list.as_array().is_some_and(|items| items.iter().all(Value::is_string));
        if all_texts {
            return list;
        }
    }
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .collect::<Vec<_>>()
        .into()
}

/// The JSON value of a TOML one; `None` for what no setting takes (dates, tables, numbers beyond 64 bits).
fn from_toml(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Integer(number) => u64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
            .ok()
            .map(Value::from),
        DeValue::Float(number) => number.as_str().replace('_', "").parse::<f64>().ok().map(Value::from),
        DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
        DeValue::Array(items) => items.iter().map(|item| from_toml(item.get_ref())).collect(),
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
