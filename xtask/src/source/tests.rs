use super::{Kind, lex};

/// Lexemes with a mark for their kind: nothing for code, `#` comment, `$` literal.
fn marked(text: &str) -> Vec<String> {
    let mark = |kind| match kind {
        Kind::Code => "",
        Kind::Comment => "#",
        Kind::Literal => "$",
    };
    lex(text)
        .iter()
        .map(|lexeme| format!("{}{}", mark(lexeme.kind), lexeme.text))
        .collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(marked(text), expected);
}

#[test]
fn code_is_words_and_signs() {
    check("fn a_1() -> u8 {}", &["fn", "a_1", "(", ")", "-", ">", "u8", "{", "}"]);
    check("größe::x", &["größe", ":", ":", "x"]);
}

#[test]
fn comments_hide_braces_and_quotes() {
    check("a // { \" '\nb", &["a", "#// { \" '", "b"]);
    check("a /* { /* } */ \" */ b", &["a", "#/* { /* } */ \" */", "b"]);
    check("/* open", &["#/* open"]);
    check("a / b", &["a", "/", "b"]);
}

#[test]
fn strings_hide_braces_and_slashes() {
    check(r#"a "{ // \" \\" b"#, &["a", r#"$"{ // \" \\""#, "b"]);
    check(r###"r#"a " b"# c"###, &[r###"$r#"a " b"#"###, "c"]);
    check(r#"b"x" br"\" c"y""#, &[r#"$b"x""#, r#"$br"\""#, r#"$c"y""#]);
    check("\"open", &["$\"open"]);
}

#[test]
fn raw_names_are_words() {
    check("r#type bar r", &["r", "#", "type", "bar", "r"]);
    check("crate b c", &["crate", "b", "c"]);
}

#[test]
fn characters_differ_from_lifetimes() {
    check(
        "'{' '\\'' '\\u{7d}' b'}' '\"' 'é'",
        &["$'{'", "$'\\''", "$'\\u{7d}'", "$b'}'", "$'\"'", "$'é'"],
    );
    check("&'a str, 'static {", &["&", "'a", "str", ",", "'static", "{"]);
    check("'outer: loop", &["'outer", ":", "loop"]);
}

#[test]
fn lines_are_counted_through_literals_and_comments() {
    let lines: Vec<usize> = lex("a\n\"x\ny\" b\n/* \n */ c")
        .iter()
        .map(|lexeme| lexeme.line)
        .collect();
    assert_eq!(lines, [1, 2, 3, 4, 5]);
}
