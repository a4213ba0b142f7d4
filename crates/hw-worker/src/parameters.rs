//! Reading the parameters of a job from a JSON object: every fault at once, each at its member.

use std::ops::RangeInclusive;

use hw_catalog::{Finding, TableName, closest};
use serde_json::{Map, Value};

/// A JSON object being read. `null` counts as absent.
pub(crate) struct Parameters<'a> {
    members: &'a Map<String, Value>,
    findings: Vec<Finding>,
}

impl<'a> Parameters<'a> {
    /// Begins to read; members that are not among `known` are faults.
    ///
    /// # Errors
    /// One finding where the document is no object.
    pub(crate) fn of(document: &'a Value, kind: &str, known: &[&str]) -> Result<Self, Vec<Finding>> {
        let Value::Object(members) = document else {
            let message = format!("the parameters of `{kind}` must be a JSON object");
            return Err(vec![invalid(message).at("")]);
        };
        let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
        let findings = unknown.map(|name| {
            let finding = Finding::new("HW-T022", format!("unknown parameter `{name}`")).at(pointer(name));
            finding.help(match closest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", listed(known)),
            })
        });
        Ok(Self {
            findings: findings.collect(),
            members,
        })
    }

    /// Notes a fault that was found elsewhere.
    pub(crate) fn note(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The value if no fault was found.
    ///
    /// # Errors
    /// Every fault.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Finding>> {
        match value {
            Some(value) if self.findings.is_empty() => Ok(value),
            _ => Err(self.findings),
        }
    }

    /// A text that is not empty.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.given(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::String(_) => self.wrong(name, "must not be empty"),
            other => self.wrong(name, &format!("must be text, not {}", kind_of(other))),
        }
    }

    /// A text that must be there; `what` tells what to give.
    pub(crate) fn needed(&mut self, name: &str, what: &str) -> Option<String> {
        if self.given(name).is_none() {
            let finding = Finding::new("HW-T023", format!("`{name}` is missing")).at("");
            self.note(finding.help(format!("give {what}")));
            return None;
        }
        self.text(name)
    }

    /// The name of a table.
    pub(crate) fn table(&mut self, name: &str, text: &str) -> Option<TableName> {
        match text.parse::<TableName>() {
            Ok(table) => Some(table),
            Err(error) => {
                self.note(invalid(error.to_string()).at(pointer(name)));
                None
            }
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.given(name)? {
            Value::Bool(flag) => Some(*flag),
            other => self.wrong(name, &format!("must be `true` or `false`, not {}", kind_of(other))),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn number(&mut self, name: &str, bounds: RangeInclusive<u32>) -> Option<u32> {
        let given = self.given(name)?;
        let number = given.as_u64().and_then(|number| u32::try_from(number).ok());
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => Some(number),
            None => {
                let (least, most) = bounds.into_inner();
                self.wrong(
                    name,
                    &format!("must be a whole number from {least} to {most}, not `{given}`"),
                )
            }
        }
    }

    /// A list of texts, none of them empty.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let given = self.given(name)?;
        let texts = given.as_array().map(|items| items.iter().map(Value::as_str).collect());
        match texts.flatten() {
            Some(texts) => Some(Vec::<&str>::into_iter(texts).map(str::to_owned).collect()),
            None => self.wrong(name, "must be a list of texts"),
        }
    }

    /// One of several words, in upper or lower case.
    pub(crate) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?.to_lowercase();
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let finding = invalid(format!("`{text}` is not a value of `{name}`")).at(pointer(name));
            self.note(finding.help(format!("one of {}", listed(&words))));
        }
        found.map(|(_, value)| *value)
    }

    fn given(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn wrong<T>(&mut self, name: &str, what: &str) -> Option<T> {
        self.note(invalid(format!("`{name}` {what}")).at(pointer(name)));
        None
    }
}

/// A parameter that cannot be as it is.
pub(crate) fn invalid(message: impl Into<String>) -> Finding {
    Finding::new("HW-T024", message)
}

/// The JSON pointer of a member.
pub(crate) fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Names in back-ticks; many are cut short.
pub(crate) fn listed(names: &[&str]) -> String {
    const SHOWN_MAX: usize = 20;
    let shown: Vec<String> = names.iter().take(SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    match names.len().checked_sub(SHOWN_MAX) {
        Some(more) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
