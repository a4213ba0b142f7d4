//! The query document that a verb is given: from a file, from the command line, or the empty one.

use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::args::QueryArgs;
use crate::context::Context;
use crate::failure::{ClientError, Ending, Failure};
use crate::source::Source;

/// A query as the user wrote it.
pub(crate) struct Query {
    /// What findings are places in.
    pub(crate) source: Arc<Source>,
}

impl Query {
    pub(crate) fn load(context: &mut Context, args: &QueryArgs) -> Result<Self, Ending> {
        let source = match (&args.file, &args.string) {
            (Some(file), _) if file.as_os_str() == "-" => Source::new("standard input", context.console.read_all()?),
            (Some(file), _) => {
                let path = context.absolute_path(file);
                let text = std::fs::read_to_string(&path).map_err(|error| ClientError::Input {
                    path: file.clone(),
                    reason: error.to_string(),
                })?;
                Source::new(file.display().to_string(), text)
            }
            (None, Some(text)) => Source::new("--string", text.as_str()),
            (None, None) => Source::new("--empty", "{}"),
        };
        // A byte order mark is no part of a document.
        let text = source.text.trim_start_matches('\u{feff}').to_owned();
        Ok(Self {
            source: Arc::new(Source { text, ..source }),
        })
    }

    /// The document as it stands, to be sent on without a change.
    pub(crate) fn document(&self) -> Result<&RawValue, Ending> {
        serde_json::from_str(&self.source.text).map_err(|error| self.not_json(&error).into())
    }

    /// The document for its names; null where it is too deep to be looked at.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.source.text).unwrap_or_default()
    }

    fn not_json(&self, error: &serde_json::Error) -> Failure {
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        Failure::from(ClientError::NotJson {
            name: self.source.name.clone(),
            reason,
            line: error.line().max(1),
            column: error.column().max(1),
        })
        .within(&self.source)
    }
}
