//! SQL in colours, and the words of SQL.

use reedline::{Color, Highlighter, StyledText};

/// Words that are completed and coloured, by letter.
pub(super) const KEYWORDS: &[&str] = &[
    "ALL",
    "ALTER",
    "ANALYZE",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COPY",
    "CREATE",
    "CROSS",
    "CURRENT",
    "DATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXTRACT",
    "FALSE",
    "FILTER",
    "FIRST",
    "FOLLOWING",
    "FROM",
    "FULL",
    "GROUP",
    "GROUPING",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LAST",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NATURAL",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRECEDING",
    "QUALIFY",
    "RANGE",
    "RECURSIVE",
    "RIGHT",
    "ROWS",
    "SELECT",
    "SEMI",
    "SET",
    "SETS",
    "SHOW",
    "SIMILAR",
    "SOME",
    "TABLE",
    "THEN",
    "TIMESTAMP",
    "TO",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "UNNEST",
    "USING",
    "VALUES",
    "VIEW",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

/// Functions that are completed, by letter.
pub(super) const FUNCTIONS: &[&str] = &[
    "abs",
    "approx_distinct",
    "array_agg",
    "avg",
    "ceil",
    "coalesce",
    "concat",
    "count",
    "date_bin",
    "date_part",
    "date_trunc",
    "first_value",
    "floor",
    "lag",
    "last_value",
    "lead",
    "length",
    "lower",
    "max",
    "median",
    "min",
    "now",
    "nullif",
    "rank",
    "regexp_like",
    "regexp_replace",
    "replace",
    "round",
    "row_number",
    "split_part",
    "starts_with",
    "stddev",
    "string_agg",
    "strpos",
    "substr",
    "sum",
    "to_timestamp",
    "trim",
    "upper",
];

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Keyword,
    Text,
    Number,
    Comment,
    Command,
    Other,
}

/// Cuts a line into pieces; together they are the line.
pub(super) fn pieces(line: &str) -> Vec<(Kind, &str)> {
    if line.trim_start().starts_with('.') {
        let end = line
            .trim_start()
            .find(char::is_whitespace)
            .map_or(line.len(), |at| at + line.len() - line.trim_start().len());
        let (command, rest) = line.split_at(end);
        return vec![(Kind::Command, command), (Kind::Other, rest)];
    }
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = piece(rest, first);
        let (text, behind) = rest.split_at(length.max(first.len_utf8()).min(rest.len()));
        pieces.push((kind, text));
        rest = behind;
    }
    pieces
}

/// Kind and bytes of the piece that `rest` begins with.
fn piece(rest: &str, first: char) -> (Kind, usize) {
    let until = |is_end: &dyn Fn(char) -> bool| rest.find(|c: char| is_end(c)).unwrap_or(rest.len());
    match first {
        '\'' => (Kind::Text, quoted(rest, '\'')),
        '"' => (Kind::Other, quoted(rest, '"')),
        '-' if rest.starts_with("--") => (Kind::Comment, until(&|c| c == '\n')),
        '/' if rest.starts_with("/*") => (Kind::Comment, rest.find("*/").map_or(rest.len(), |at| at + 2)),
        c if c.is_ascii_digit() => (
            Kind::Number,
            until(&|c| !c.is_ascii_alphanumeric() && c != '.' && c != '_'),
        ),
        c if c.is_alphabetic() || c == '_' => {
            let end = until(&|c| !c.is_alphanumeric() && c != '_');
            let word = rest.get(..end).unwrap_or_default().to_uppercase();
            let is_keyword = KEYWORDS.binary_search(&word.as_str()).is_ok();
            (if is_keyword { Kind::Keyword } else { Kind::Other }, end)
        }
        c => (Kind::Other, c.len_utf8()),
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let inside = rest.get(1..).unwrap_or_default();
    inside.find(quote).map_or(rest.len(), |at| at + 2)
}

/// Colours the line that is being typed.
pub(super) struct SqlHighlighter;

impl Highlighter for SqlHighlighter {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut text = StyledText::new();
        for (kind, piece) in pieces(line) {
            let style = match kind {
                Kind::Keyword => Color::Blue.bold(),
                Kind::Text => Color::Green.normal(),
                Kind::Number => Color::Cyan.normal(),
                Kind::Comment => Color::DarkGray.normal(),
                Kind::Command => Color::Purple.normal(),
                Kind::Other => Color::Default.normal(),
            };
            text.push((style, piece.to_owned()));
        }
        text
    }
}
