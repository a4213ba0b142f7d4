//! The parameters of a registration.

use hw_catalog::{Finding, Groups, TableName, closest};
use hw_files::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The pattern of a registration that names none.
pub(super) const PATTERN: &str = "*.parquet";

/// Which parts are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Validation {
    /// The first.
    Single,
    /// The first and the last.
    FirstLast,
    /// The first, the last, and some between them, by chance.
    Sample,
    /// Every one.
    All,
}

/// What a registration is asked to do, every default written out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterParams {
    /// Name of the table to be.
    pub name: TableName,
    /// Path or URL of the folder, or of the one file; or, where no folder or file is called so, of a folder with a wildcard
    /// for file names as its last part, which then counts as the pattern.
    pub path: String,
    /// Column that tells groups apart; `None` for a table that funnels do not run over.
    pub group: Option<String>,
    /// Column that orders the rows of a group; given together with `group`.
    pub time: Option<String>,
    /// Shell wildcard for file names.
    pub pattern: String,
    /// Whether sub-folders are searched too.
    pub recursive: bool,
    /// Which parts are looked at.
    pub validation: Validation,
    /// Whether it is checked that no group is in two of the parts that are looked at.
    pub validate_uniques: bool,
    /// Whether groups are contained in parts.
    pub groups: Groups,
}

/// A parameter and the other names that Funnel Rocket's clients use for it.
struct Known {
    name: &'static str,
    aliases: &'static [&'static str],
}

const KNOWN: [Known; 9] = [
    Known {
        name: "name",
        aliases: &[],
    },
    Known {
        name: "path",
        aliases: &["basepath"],
    },
    Known {
        name: "group",
        aliases: &["groupIdColumn", "group_id_column"],
    },
    Known {
        name: "time",
        aliases: &["timestampColumn", "timestamp_column"],
    },
    Known {
        name: "pattern",
        aliases: &[],
    },
    Known {
        name: "recursive",
        aliases: &[],
    },
    Known {
        name: "validation",
        aliases: &["validationMode", "validation_mode"],
    },
    Known {
        name: "validate_uniques",
        aliases: &["validateUniques"],
    },
    Known {
        name: "groups",
        aliases: &[],
    },
];

impl RegisterParams {
    /// Reads the parameters from a JSON object; camelCase and snake_case names are both known, `null` counts as absent.
    ///
    /// # Errors
    /// Every fault, each with the JSON pointer of its member.
    pub(crate) fn parse(document: &Value) -> Result<Self, Vec<Finding>> {
        let Value::Object(members) = document else {
            let message = "the parameters of a registration must be a JSON object";
            return Err(vec![invalid(message).at("")]);
        };
        let mut reader = Reader {
            members,
            findings: Vec::new(),
        };
        reader.check_names();
        let params = reader.read();
        match params {
            Some(params) if reader.findings.is_empty() => Ok(params),
            _ => Err(reader.findings),
        }
    }
}

struct Reader<'a> {
    members: &'a Map<String, Value>,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn read(&mut self) -> Option<RegisterParams> {
        let name = self
            .required("name", "the name of the table")
            .and_then(|(pointer, text)| self.name(pointer, &text));
        let path = self
            .required("path", "the folder or URL of the parts")
            .and_then(|given| self.not_empty(given));
        let group = self.text("group").and_then(|given| self.not_empty(given));
        let time = self.text("time").and_then(|given| self.not_empty(given));
        self.check_columns(group.as_deref(), time.as_deref());
        let pattern = self.pattern();
        let recursive = self.flag("recursive").unwrap_or(false);
        let validation = self.validation();
        let validate_uniques = self.flag("validate_uniques").unwrap_or(true);
        let groups = self.groups();
        Some(RegisterParams {
            name: name?,
            path: path?,
            group,
            time,
            pattern: pattern?,
            recursive,
            validation: validation?,
            validate_uniques,
            groups: groups?,
        })
    }

    /// Members that no one knows, and parameters given under two names.
    fn check_names(&mut self) {
        let all_names = || {
            KNOWN
                .iter()
                .flat_map(|known| std::iter::once(&known.name).chain(known.aliases))
                .copied()
        };
        for key in self.members.keys() {
            if all_names().any(|name| name == key) {
                continue;
            }
            let finding = Finding::new("HW-T022", format!("unknown parameter `{key}`")).at(pointer(key));
            let help = match closest(key, all_names()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => {
                    let names: Vec<_> = KNOWN.iter().map(|known| format!("`{}`", known.name)).collect();
                    format!("known are {}", names.join(", "))
                }
            };
            self.findings.push(finding.help(help));
        }
        for known in &KNOWN {
            if let [first, second, ..] = self.given_names(known.name).as_slice() {
                let message = format!("`{second}` is another name of `{first}`, and both are given");
                let finding = invalid(message).at(pointer(second));
                self.findings.push(finding.help("leave one of them out"));
            }
        }
    }

    /// The names under which a parameter is given.
    fn given_names(&self, name: &str) -> Vec<&'static str> {
        let known = KNOWN.iter().find(|known| known.name == name);
        let names = known
            .into_iter()
            .flat_map(|known| std::iter::once(&known.name).chain(known.aliases));
        names
            .copied()
            .filter(|name| self.members.get(*name).is_some_and(|value| !value.is_null()))
            .collect()
    }

    fn given(&self, name: &str) -> Option<(String, Value)> {
        let given = *self.given_names(name).first()?;
        Some((pointer(given), self.members.get(given)?.clone()))
    }

    fn text(&mut self, name: &str) -> Option<(String, String)> {
        match self.given(name)? {
            (pointer, Value::String(text)) => Some((pointer, text)),
            (pointer, other) => {
                self.findings
                    .push(invalid(format!("`{name}` must be text, not {}", kind_of(&other))).at(pointer));
                None
            }
        }
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        match self.given(name)? {
            (_, Value::Bool(flag)) => Some(flag),
            (pointer, other) => {
                let message = format!("`{name}` must be `true` or `false`, not {}", kind_of(&other));
                self.findings.push(invalid(message).at(pointer));
                None
            }
        }
    }

    fn required(&mut self, name: &str, what: &str) -> Option<(String, String)> {
        if self.given(name).is_none() {
            self.findings.push(missing(name, what));
            return None;
        }
        self.text(name)
    }

    fn name(&mut self, pointer: String, text: &str) -> Option<TableName> {
        match text.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                self.findings.push(invalid(error.to_string()).at(pointer));
                None
            }
        }
    }

    fn not_empty(&mut self, (pointer, text): (String, String)) -> Option<String> {
        if text.is_empty() {
            let name = pointer.trim_start_matches('/');
            self.findings
                .push(invalid(format!("`{name}` must not be empty")).at(pointer.clone()));
            return None;
        }
        Some(text)
    }

    /// Funnels need both columns; other tables need neither.
    fn check_columns(&mut self, group: Option<&str>, time: Option<&str>) {
        let given = |name: &str| !self.given_names(name).is_empty();
        let lone = match (given("group"), given("time")) {
            (true, false) => Some(("time", "the column that orders the rows of a group")),
            (false, true) => Some(("group", "the column that tells groups apart")),
            _ => None,
        };
        if let Some((name, what)) = lone {
            self.findings
                .push(missing(name, what).help("funnels need both columns; leave both out for a plain table"));
        }
        if group.is_some() && group == time {
            let pointer = self.given("time").map(|(pointer, _)| pointer).unwrap_or_default();
            self.findings
                .push(invalid("the group column and the time column must be two columns").at(pointer));
        }
    }

    fn pattern(&mut self) -> Option<String> {
        if self.given("pattern").is_none() {
            return Some(PATTERN.to_owned());
        }
        let (pointer, text) = self.text("pattern")?;
        match Pattern::parse(&text) {
            Ok(_) => Some(text),
            Err(error) => {
                self.findings.push(
                    Finding::new(error.code(), error.to_string())
                        .at(pointer)
                        .help(error.help()),
                );
                None
            }
        }
    }

    fn validation(&mut self) -> Option<Validation> {
        let choices = [
            ("single", Validation::Single),
            ("first_last", Validation::FirstLast),
            ("sample", Validation::Sample),
            ("all", Validation::All),
        ];
        self.choice("validation", &choices, Validation::Sample)
    }

    fn groups(&mut self) -> Option<Groups> {
        self.choice(
            "groups",
            &[("contained", Groups::Contained), ("split", Groups::Split)],
            Groups::Contained,
        )
    }

    /// One of several words, in upper or lower case.
    fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)], default: T) -> Option<T> {
        if self.given(name).is_none() {
            return Some(default);
        }
        let (pointer, text) = self.text(name)?;
        let word = text.to_lowercase();
        if let Some((_, value)) = choices.iter().find(|(choice, _)| *choice == word) {
            return Some(*value);
        }
        let words: Vec<_> = choices.iter().map(|(choice, _)| format!("`{choice}`")).collect();
        let finding = invalid(format!("`{text}` is not a value of `{name}`")).at(pointer);
        self.findings.push(finding.help(format!("one of {}", words.join(", "))));
        None
    }
}

fn pointer(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn missing(name: &str, what: &str) -> Finding {
    Finding::new("HW-T023", format!("`{name}` is missing"))
        .at("")
        .help(format!("give {what}"))
}

fn invalid(message: impl Into<String>) -> Finding {
    Finding::new("HW-T024", message)
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
