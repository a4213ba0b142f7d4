//! A strict reader of the markup that is written here: whatever it does not know is a fault.

/// Every tag and attribute that may occur.
const TAGS: &[&str] = &[
    "svg", "title", "desc", "style", "rect", "text", "g", "html", "head", "meta", "body", "main", "figure", "h1", "p",
    "div", "table", "caption", "thead", "tbody", "tr", "th", "td",
];
const ATTRIBUTES: &[&str] = &[
    "xmlns",
    "viewBox",
    "width",
    "height",
    "role",
    "aria-labelledby",
    "id",
    "class",
    "x",
    "y",
    "text-anchor",
    "lang",
    "charset",
    "name",
    "content",
    "http-equiv",
    "tabindex",
    "scope",
];

/// A text and the tag that holds it.
pub(super) type Text = (String, String);

/// Reads a document to its end; gives its texts, unescaped.
#[track_caller]
pub(super) fn read(document: &str) -> Vec<Text> {
    let mut rest = document.strip_prefix("<!DOCTYPE html>\n").unwrap_or(document);
    let mut open: Vec<String> = Vec::new();
    let mut texts = Vec::new();
    while let Some(begin) = rest.find('<') {
        take_text(&rest[..begin], &open, &mut texts);
        let end = begin + rest[begin..].find('>').expect("a tag ends");
        take_tag(&rest[begin + 1..end], &mut open);
        rest = &rest[end + 1..];
    }
    assert_eq!((rest.trim(), open.len()), ("", 0), "the document is complete");
    texts
}

fn take_text(text: &str, open: &[String], texts: &mut Vec<Text>) {
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{fffe}' || c == '\u{ffff}';
    assert!(!text.contains(bad), "{text:?}");
    let is_style = open.last().is_some_and(|tag| tag == "style");
    if is_style {
        // The one text that is the program's own.
        return assert!(!text.contains("url") && !text.contains("import"), "{text}");
    }
    assert!(!text.contains(['>', '"', '\'']), "{text:?}");
    if !text.trim().is_empty() {
        texts.push((open.last().expect("no text outside").clone(), unescape(text)));
    }
}

fn take_tag(tag: &str, open: &mut Vec<String>) {
    if let Some(name) = tag.strip_prefix('/') {
        return assert_eq!(open.pop().as_deref(), Some(name));
    }
    let (tag, is_leaf) = match tag.strip_suffix('/') {
        Some(tag) => (tag, true),
        None => (tag, false),
    };
    let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
    assert!(TAGS.contains(&name), "<{tag}>");
    while !attributes.is_empty() {
        let (attribute, after) = attributes.split_once("=\"").expect("an attribute has a value");
        assert!(ATTRIBUTES.contains(&attribute), "{attribute} in <{tag}>");
        let (value, after) = after.split_once('"').expect("a value ends");
        let is_address = value.contains("//") && attribute != "xmlns";
        assert!(!value.contains('<') && !is_address, "{value}");
        attributes = after.trim_start();
    }
    if !is_leaf {
        open.push(name.to_owned());
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';').expect("an entity ends");
        out.push_str(before);
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            other => panic!("&{other};"),
        });
        rest = after;
    }
    out + rest
}
