//! The one writer of markup. Tags and names of attributes are the program's own; all else is escaped on its way in.

/// A piece of markup.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    written: String,
}

/// Names and values of attributes.
pub(crate) type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Markup {
    /// What a reader's program wants first: a document type, an XML declaration, a style sheet.
    pub(crate) fn own(&mut self, text: &'static str) {
        self.written.push_str(text);
    }

    pub(crate) fn open(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.begin(tag, attributes);
        self.written.push('>');
    }

    pub(crate) fn close(&mut self, tag: &'static str) {
        self.written.push_str("</");
        self.written.push_str(tag);
        self.written.push_str(">\n");
    }

    /// An element without content.
    pub(crate) fn leaf(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.begin(tag, attributes);
        self.written.push_str("/>\n");
    }

    /// An element with a text.
    pub(crate) fn element(&mut self, tag: &'static str, attributes: Attributes<'_>, text: &str) {
        self.open(tag, attributes);
        escape(text, &mut self.written);
        self.close(tag);
    }

    pub(crate) fn append(&mut self, other: &Self) {
        self.written.push_str(&other.written);
    }

    pub(crate) fn into_string(self) -> String {
        self.written
    }

    fn begin(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.written.push('<');
        self.written.push_str(tag);
        for (name, value) in attributes {
            self.written.push(' ');
            self.written.push_str(name);
            self.written.push_str("=\"");
            escape(value, &mut self.written);
            self.written.push('"');
        }
    }
}

/// Writes `text` so that it stays text in HTML and XML alike. What would not be seen, or would turn the direction of
/// writing, is written as `\u{…}`: XML cannot hold some of it, and names that look alike should not pass for each other.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => push_visible(c, out),
        }
    }
}

fn push_visible(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_hidden(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        c => out.push(c),
    }
}

fn is_hidden(c: char) -> bool {
    let is_no_character = u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c);
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}');
    c.is_control() || is_no_character || turns || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// `text` as it will be seen, before it is measured.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_visible(c, &mut out));
    out
}
