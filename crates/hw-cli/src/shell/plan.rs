//! `EXPLAIN` as a statement: to people its plan is a tree, as `.explain` and `--explain` show it, rather than a cell of a table.

/// The query of an `EXPLAIN [ANALYZE] query`, at the place where it stood so that faults keep theirs, and whether it is run.
/// `None` for anything else, and for the forms with options of their own, whose answer stays the engine's rows.
pub(super) fn explained(sql: &str) -> Option<(String, bool)> {
    let mut rest = after_blanks(sql);
    let explain = word(rest);
    if !explain.eq_ignore_ascii_case("explain") {
        return None;
    }
    rest = after_blanks(rest.get(explain.len()..)?);
    let analyze = word(rest).eq_ignore_ascii_case("analyze");
    if analyze {
        rest = after_blanks(rest.get("analyze".len()..)?);
    }
    let begins_with = |option: &&str| word(rest).eq_ignore_ascii_case(option);
    if ["verbose", "format", "analyze", "analyse", ""].iter().any(begins_with) && !rest.starts_with('(') {
        return None;
    }
    let before = sql.get(..sql.len() - rest.len())?;
    let blanks = before.chars().map(|c| if c == '\n' { '\n' } else { ' ' });
    Some((blanks.chain(rest.chars()).collect(), analyze))
}

/// The letters at the beginning.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

/// What follows white space and comments.
fn after_blanks(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let behind = match rest.get(..2) {
            Some("--") => rest.find('\n').and_then(|end| rest.get(end..)),
            Some("/*") => rest.find("*/").and_then(|end| rest.get(end + 2..)),
            _ => return rest,
        };
        match behind {
            Some(behind) => rest = behind.trim_start(),
            None => return rest,
        }
    }
}

#[cfg(test)]
mod tests;
