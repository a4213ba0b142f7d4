//! What a statement that changed the catalog has done, in a line for people.

use http::HeaderMap;
use hw_api::{STATEMENT_DONE, StatementDone};

use crate::render::text::printable;

/// What the headers of an answer tell; `None` for the rows of a query.
pub(super) fn done(headers: &HeaderMap) -> Option<StatementDone> {
    serde_json::from_str(headers.get(STATEMENT_DONE)?.to_str().ok()?).ok()
}

/// ``created view `buyers`, version 1``.
pub(super) fn line(done: &StatementDone) -> String {
    let name = printable(&done.table);
    let version = done
        .version
        .map(|version| format!(", version {version}"))
        .unwrap_or_default();
    match (done.statement.as_str(), done.outcome.as_str()) {
        ("DROP VIEW", "unchanged") => format!("there is no view `{name}`"),
        (_, "unchanged") => format!("view `{name}` is there already{version}"),
        (_, outcome) => format!("{outcome} view `{name}`{version}"),
    }
}

#[cfg(test)]
mod tests {
    use hw_api::StatementDone;

    use super::line;

    #[track_caller]
    fn check(statement: &str, outcome: &str, version: Option<u64>, expected: &str) {
        let done = StatementDone {
            statement: statement.to_owned(),
            outcome: outcome.to_owned(),
            table: "buyers".to_owned(),
            version,
            job: None,
        };
        assert_eq!(line(&done), expected);
    }

    #[test]
    fn a_line_tells_what_was_done() {
        check("CREATE VIEW", "created", Some(1), "created view `buyers`, version 1");
        check("CREATE VIEW", "replaced", Some(2), "replaced view `buyers`, version 2");
        check(
            "CREATE VIEW",
            "unchanged",
            Some(2),
            "view `buyers` is there already, version 2",
        );
        check("DROP VIEW", "dropped", None, "dropped view `buyers`");
        check("DROP VIEW", "unchanged", None, "there is no view `buyers`");
    }
}
