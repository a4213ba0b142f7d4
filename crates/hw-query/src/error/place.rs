//! Places in the text of a statement.

use hw_catalog::Finding;

/// A place in a statement's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// 1-based line.
    pub line: u64,
    /// 1-based column, in characters.
    pub column: u64,
    /// 0-based byte offset.
    pub offset: u64,
}

impl Place {
    /// The place at a 1-based line and column of `sql`, `None` for the "nowhere" that the parser gives as line 0.
    /// A place beyond the text is moved to the end of its line, or of the text.
    pub(crate) fn of(sql: &str, line: u64, column: u64) -> Option<Self> {
        if line == 0 || column == 0 {
            return None;
        }
        let mut start = 0;
        for _ in 1..line {
            match sql.get(start..).and_then(|rest| rest.find('\n')) {
                Some(end) => start += end + 1,
                None => return Some(Self::end_of(sql)),
            }
        }
        let rest = sql.get(start..).unwrap_or_default();
        let within = rest
            .char_indices()
            .nth(usize::try_from(column - 1).unwrap_or(usize::MAX))
            .map_or(rest.len(), |(index, _)| index);
        Some(Self {
            line,
            column,
            offset: (start + within) as u64,
        })
    }
}

impl Place {
    /// The place behind the last character.
    pub(crate) fn end_of(sql: &str) -> Self {
        let last_line = sql.rsplit('\n').next().unwrap_or_default();
        Self {
            line: sql.matches('\n').count() as u64 + 1,
            column: last_line.chars().count() as u64 + 1,
            offset: sql.len() as u64,
        }
    }
}

/// Characters of a line that are shown around a fault.
const CARET_WIDTH: usize = 100;

/// The line of `sql` that a finding points to, with a caret below the place; long lines are cut around it.
pub fn caret(sql: &str, finding: &Finding) -> Option<String> {
    let line = usize::try_from(finding.line?).ok()?;
    let column = usize::try_from(finding.column?).ok()?;
    let text: Vec<char> = sql.lines().nth(line.checked_sub(1)?)?.chars().collect();
    let place = column.checked_sub(1)?.min(text.len());
    let start = place.saturating_sub(CARET_WIDTH / 2);
    let shown: String = text
        .iter()
        .skip(start)
        .take(CARET_WIDTH)
        .map(|c| if c.is_control() { ' ' } else { *c })
        .collect();
    let label = format!("line {line}: ");
    let indent = " ".repeat(label.chars().count() + place - start);
    Some(format!("{label}{shown}\n{indent}^"))
}
