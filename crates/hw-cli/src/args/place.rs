//! Paths, URLs and names as the user types them.

/// Whether `text` is a URL and not a path: a scheme of two or more characters before `://`.
pub(crate) fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// Whether `text` names a file or folder rather than a table: a URL, a path with a separator or a wildcard, or a name
/// that ends like a file of rows.
pub(crate) fn names_a_file(text: &str) -> bool {
    const ENDINGS: [&str; 5] = [".parquet", ".csv", ".json", ".jsonl", ".arrow"];
    is_url(text)
        || text.contains(['/', '*', std::path::MAIN_SEPARATOR])
        || ENDINGS.iter().any(|ending| text.ends_with(ending))
        || text == "."
        || text == ".."
}
