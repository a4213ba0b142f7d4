//! Settings of one configuration file.

use std::path::Path;

use hw_catalog::Finding;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Origin, Spot};
use super::keys::{self, Raw, SETTINGS};
use super::layers::{Entry, Layer};

/// Largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads and parses a file. A missing file is a fault here; the caller decides whether it must exist.
pub(super) fn read(path: &Path) -> Layer {
    let origin = Origin::File(path.to_owned());
    match text_of(path) {
        Ok(text) => parse(&text, &origin),
        Err(message) => Layer {
            findings: vec![Fault::Unreadable { message }.finding(&origin, None)],
            ..Layer::default()
        },
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("it has {size} bytes, at most {FILE_BYTES_MAX} are allowed"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// The settings of a text, with every fault in it.
pub(super) fn parse(text: &str, origin: &Origin) -> Layer {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        text,
        origin,
        layer: Layer::default(),
    };
    if errors.is_empty() {
        reader.table(table.get_ref(), "");
    }
    for error in errors {
        let spot = error.span().map(|span| Spot::of(text, span.start));
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        let finding = Fault::Syntax { message }.finding(origin, spot);
        reader.layer.findings.push(finding);
    }
    sort_by_place(&mut reader.layer.findings);
    reader.layer
}

fn sort_by_place(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| finding.offset);
}

struct Reader<'a> {
    text: &'a str,
    origin: &'a Origin,
    layer: Layer,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, parent: &str) {
        for (name, value) in table.iter() {
            let key = joined(parent, name.get_ref());
            match (keys::find(&key), value.get_ref()) {
                (Some(setting), raw) => match setting.kind.read(Raw::Toml(raw)) {
                    Ok(value) => self.layer.entries.push(Entry {
                        key: setting.key,
                        value,
                        origin: self.origin.clone(),
                    }),
                    Err(wrong) => {
                        let fault = Fault::Value {
                            key,
                            secret: setting.secret,
                            wrong,
                        };
                        self.fault(&fault, value.span().start);
                    }
                },
                (None, DeValue::Table(inner)) if keys::is_section(&key) => self.table(inner, &key),
                (None, _) => self.unknown(key, name, matches!(value.get_ref(), DeValue::Table(_))),
            }
        }
    }

    fn unknown(&mut self, key: String, name: &Spanned<std::borrow::Cow<'_, str>>, is_table: bool) {
        let sections = || {
            SETTINGS
                .iter()
                .filter_map(|setting| setting.key.rsplit_once('.'))
                .map(|(section, _)| section)
        };
        let proposal = match is_table {
            true => hw_catalog::closest(&key, sections()).map(str::to_owned),
            false if keys::is_section(&key) => Some(format!("[{key}]")),
            false => propose(&key, str::to_owned),
        };
        self.fault(&Fault::UnknownKey { key, proposal }, name.span().start);
    }

    fn fault(&mut self, fault: &Fault, offset: usize) {
        let spot = match self.origin {
            Origin::Default | Origin::File(_) => Some(Spot::of(self.text, offset)),
            Origin::Environment(_) | Origin::Flag(_) => None,
        };
        self.layer.findings.push(fault.finding(self.origin, spot));
    }
}

/// Keys that end alike and are proposed together at most.
const SAME_END_MAX: usize = 2;

/// The key that was probably meant: a near one, or one or two whose last part is exactly this; each as `shown`, two as one
/// text between back-ticks.
pub(super) fn propose(key: &str, shown: impl Fn(&str) -> String) -> Option<String> {
    let keys = || SETTINGS.iter().map(|setting| setting.key);
    if let Some(near) = hw_catalog::closest(key, keys()) {
        return Some(shown(near));
    }
    let last = key.rsplit('.').next().unwrap_or(key);
    let ends: Vec<String> = keys()
        .filter(|known| known.rsplit('.').next() == Some(last))
        .map(shown)
        .collect();
    ((1..=SAME_END_MAX).contains(&ends.len())).then(|| ends.join("` or `"))
}

/// A quoted key that holds a dot is one name, not a path.
fn joined(parent: &str, name: &str) -> String {
    let name = match name.contains('.') || name.is_empty() {
        true => format!("\"{name}\""),
        false => name.to_owned(),
    };
    match parent {
        "" => name,
        parent => format!("{parent}.{name}"),
    }
}
