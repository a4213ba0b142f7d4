//! Settings of the environment: `HEADWATER_HTTP__LISTEN`, and Funnel Rocket's names.

use std::path::Path;

use super::fault::{Fault, Origin};
use super::file::propose;
use super::frocket;
use super::keys::{self, Raw, SETTINGS, Setting};
use super::layers::{Entry, Layer};

const PREFIX: &str = "HEADWATER_";
const FILE_SUFFIX: &str = "_FILE";

/// Short names of settings; the name made of the key wins.
const SHORT_NAMES: &[(&str, &str)] = &[("HEADWATER_CA", "client.ca")];

/// Names that are no settings but mean something to the program.
const RESERVED: &[&str] = &[
    "HEADWATER_BACKTRACE",
    "HEADWATER_CONFIG",
    "HEADWATER_DATA_DIR",
    "HEADWATER_FORMAT",
    "HEADWATER_SERVER",
    "HEADWATER_TOKEN",
    "HEADWATER_TOKEN_FILE",
];

/// The layers of the environment, the stronger one first.
pub(super) fn read(environment: &[(String, String)]) -> [Layer; 2] {
    let mut own = Layer::default();
    for (name, value) in environment {
        let is_short = SHORT_NAMES.iter().any(|(short, _)| name == short);
        if name.starts_with(PREFIX) && !is_short && !RESERVED.contains(&name.as_str()) {
            read_variable(name, value, environment, &mut own);
        }
    }
    for (short, key) in SHORT_NAMES {
        let variable = environment.iter().find(|(name, _)| name == short);
        if let (Some((name, value)), Some(setting)) = (variable, keys::find(key)) {
            read_value(setting, value, Origin::Environment(name.clone()), &mut own);
        }
    }
    [own, frocket::read(environment)]
}

/// The variable that sets a key, `HEADWATER_HTTP__LISTEN`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

fn read_variable(name: &str, value: &str, environment: &[(String, String)], layer: &mut Layer) {
    let origin = Origin::Environment(name.to_owned());
    let by_name = |name: &str| SETTINGS.iter().find(|setting| variable(setting.key) == name);
    if let Some(setting) = by_name(name) {
        read_value(setting, value, origin, layer);
        return;
    }
    let of_file = name
        .strip_suffix(FILE_SUFFIX)
        .and_then(by_name)
        .filter(|setting| setting.secret);
    match of_file {
        Some(_) if value.is_empty() => {}
        Some(setting) => read_secret(setting, value, environment, origin, layer),
        None => unknown(name, origin, layer),
    }
}

fn read_value(setting: &'static Setting, text: &str, origin: Origin, layer: &mut Layer) {
    // An empty variable is one that is not set: shells and compose files cannot say it otherwise.
    let is_list = matches!(setting.kind, keys::Kind::Texts | keys::Kind::Counters);
    if text.is_empty() && !is_list {
        return;
    }
    match setting.kind.read(Raw::Text(text)) {
        Ok(value) => layer.entries.push(Entry {
            key: setting.key,
            value,
            origin,
        }),
        Err(wrong) => {
            let fault = Fault::Value {
                key: setting.key.to_owned(),
                secret: setting.secret,
                wrong,
            };
            layer.findings.push(fault.finding(&origin, None));
        }
    }
}

fn read_secret(
    setting: &'static Setting,
    path: &str,
    environment: &[(String, String)],
    origin: Origin,
    layer: &mut Layer,
) {
    let plain = variable(setting.key);
    let given_twice = environment
        .iter()
        .any(|(name, value)| *name == plain && !value.is_empty());
    let fault = match std::fs::read_to_string(Path::new(path)) {
        _ if given_twice => format!("{plain} is set, too"),
        Ok(text) => return read_value(setting, text.trim_end_matches(['\r', '\n']), origin, layer),
        Err(error) => format!("`{path}` cannot be read: {error}"),
    };
    layer
        .findings
        .push(Fault::Secret { message: fault }.finding(&origin, None));
}

/// What was clearly meant as a setting is a fault; other names may belong to somebody else and are only told.
fn unknown(name: &str, origin: Origin, layer: &mut Layer) {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    let squeezed = |text: &str| text.replace("__", "_").to_ascii_lowercase();
    let same = SETTINGS
        .iter()
        .map(|setting| variable(setting.key))
        .find(|known| squeezed(known) == squeezed(name));
    let near = || propose(&rest.replace("__", ".").to_ascii_lowercase(), variable);
    let proposal = same.or_else(near);
    if proposal.is_some() || rest.contains("__") {
        layer
            .findings
            .push(Fault::UnknownVariable { proposal }.finding(&origin, None));
    } else {
        layer
            .notices
            .push(format!("`{name}` names no setting and has no effect"));
    }
}
