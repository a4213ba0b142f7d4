//! Options of the engine that come with a request: what a session of statements has set before.
//!
//! They go the way of `SET`, so that the same closed list and the same bounds hold: nothing that reaches files or limits.

use std::collections::BTreeMap;

use hw_catalog::Finding;
use hw_query::Session;

use crate::problem::{ApiError, Fault, of_query};

/// More than there are options.
const SETTINGS_MAX: usize = 64;

/// Sets the options.
///
/// # Errors
/// HW-A002 with a finding for each option that there is not, or that does not take its value.
pub(super) async fn apply(session: &Session, settings: &BTreeMap<String, String>) -> Result<(), Fault> {
    if settings.len() > SETTINGS_MAX {
        let message = format!(
            "`settings` holds {} options, at most {SETTINGS_MAX} are taken",
            settings.len()
        );
        return Err(refused(vec![finding(
            "/settings",
            message,
            "leave out what is not needed",
        )]));
    }
    let mut findings = Vec::new();
    for (name, value) in settings {
        if let Err(fault) = set(session, name, value).await? {
            findings.push(fault);
        }
    }
    match findings.is_empty() {
        true => Ok(()),
        false => Err(refused(findings)),
    }
}

fn refused(findings: Vec<Finding>) -> Fault {
    ApiError::Members { findings }.into()
}

fn finding(pointer: &str, message: String, help: &str) -> Finding {
    Finding::new("HW-A002", message).at(pointer).help(help)
}

/// Sets one option; the inner error is the client's.
async fn set(session: &Session, name: &str, value: &str) -> Result<Result<(), Finding>, Fault> {
    let pointer = format!("/settings/{}", name.replace('~', "~0").replace('/', "~1"));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    // The name becomes part of a statement: only what can be nothing but a name may.
    let well_formed = name
        .split('.')
        .all(|part| !part.is_empty() && part.chars().all(is_name) && !part.starts_with(|c: char| c.is_ascii_digit()));
    if !well_formed {
        let message = format!("`{name}` is no option that a session may set");
        return Ok(Err(finding(&pointer, message, "`SHOW ALL` lists the names of options")));
    }
    let statement = format!("SET {name} = '{}'", value.replace('\'', "''"));
    // Options change while a statement is planned, so that there is no answer to wait for.
    let Err(error) = session.run(&statement, &[]).await else {
        return Ok(Ok(()));
    };
    let problem = of_query(&error);
    if problem.status >= 500 {
        return Err(problem.into());
    }
    let first = problem.errors.into_iter().next();
    let (message, help) = match first {
        Some(error) => (error.message, error.help),
        None => (problem.detail, problem.help),
    };
    let help = help.unwrap_or_else(|| "`SHOW ALL` lists the names of options".to_owned());
    Ok(Err(finding(&pointer, message, &help)))
}
