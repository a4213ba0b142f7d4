//! Parameters of the query string and of headers, read one by one, their faults told together.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use hw_catalog::{Finding, closest};
use hw_store::{PAGE_ITEMS_MAX, PageRequest};
use url::form_urlencoded;

use crate::config::{UnitFault, parse_duration};
use crate::problem::{ApiError, Fault};
use crate::state::Shared;

/// Items of a page where the client does not say.
const PAGE_ITEMS: u32 = 100;

/// The pairs of the query string, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryPairs(Vec<(String, String)>);

impl FromRequestParts<Shared> for QueryPairs {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.query().unwrap_or_default()))
    }
}

impl QueryPairs {
    pub(crate) fn of(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// A reader that knows these parameters.
    pub(crate) fn reader(&self, known: &'static [&'static str]) -> Reader<'_> {
        Reader::new(&self.0, known)
    }
}

/// Reads parameters and collects what is wrong with them.
pub(crate) struct Reader<'a> {
    pairs: &'a [(String, String)],
    findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    fn new(pairs: &'a [(String, String)], known: &'static [&'static str]) -> Self {
        let unknown = pairs.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let findings = unknown.map(|(name, _)| {
            let help = match (closest(name, known.iter().copied()), known) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, []) => "this route takes none".to_owned(),
                (None, known) => format!("known are {}", known.join(", ")),
            };
            fault(format!("unknown parameter `{name}`")).help(help)
        });
        Self {
            pairs,
            findings: findings.collect(),
        }
    }

    /// The parameter's value; of several the last one.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.pairs
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated or hold several, separated by commas.
    pub(crate) fn texts(&self, name: &str) -> Vec<&'a str> {
        let values = self.pairs.iter().filter(|(known, _)| known == name);
        values
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// `true`, `false`, or the bare name, which means true.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => false,
            Some("" | "true" | "1") => true,
            Some(other) => {
                self.wrong(
                    format!("`{name}` must be true or false, found `{other}`"),
                    format!("write `{name}=true`"),
                );
                false
            }
        }
    }

    /// A time with its unit.
    pub(crate) fn duration(&mut self, name: &str) -> Option<Duration> {
        let text = self.text(name)?;
        match parse_duration(text) {
            Ok(time) => Some(time),
            Err(UnitFault::NoUnit { proposal }) => {
                self.wrong(
                    format!("`{name}` needs a unit, found `{text}`"),
                    format!("write `{name}={proposal}`"),
                );
                None
            }
            Err(UnitFault::NotUnderstood | UnitFault::TooLarge) => {
                self.wrong(
                    format!("`{name}` must be a time with its unit, found `{text}`"),
                    format!("write for instance `{name}=20s`"),
                );
                None
            }
        }
    }

    /// A whole number from 0.
    pub(crate) fn number(&mut self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.wrong(
                format!("`{name}` must be a whole number, found `{text}`"),
                format!("write for instance `{name}=100`"),
            );
        }
        number
    }

    /// Values of a closed list.
    pub(crate) fn choices<T>(&mut self, name: &str, names: &[&str], read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for text in self.texts(name) {
            match read(text) {
                Some(value) => found.push(value),
                None => {
                    let help = match closest(text, names.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("known are {}", names.join(", ")),
                    };
                    self.wrong(format!("`{name}` has no value `{text}`"), help);
                }
            }
        }
        found
    }

    /// The page asked for, with `limit` and `page`.
    pub(crate) fn page(&mut self) -> PageRequest {
        let limit = match self.number("limit") {
            None => PAGE_ITEMS,
            Some(limit) if (1..=u64::from(PAGE_ITEMS_MAX)).contains(&limit) => {
                u32::try_from(limit).unwrap_or(PAGE_ITEMS)
            }
            Some(limit) => {
                self.wrong(
                    format!("`limit` must be a number from 1 to {PAGE_ITEMS_MAX}, found `{limit}`"),
                    "leave it out for 100 items",
                );
                PAGE_ITEMS
            }
        };
        PageRequest {
            limit,
            after: self.text("page").filter(|page| !page.is_empty()).map(str::to_owned),
        }
    }

    /// Notes a fault.
    pub(crate) fn wrong(&mut self, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(fault(message).help(help));
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// HW-A003 with every fault.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        match self.findings.is_empty() {
            true => Ok(()),
            false => Err(ApiError::Parameters {
                findings: self.findings,
            }
            .into()),
        }
    }
}

fn fault(message: impl Into<String>) -> Finding {
    Finding::new("HW-A003", message)
}
