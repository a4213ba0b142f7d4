use expect_test::{Expect, expect};

use super::{Body, outline};

/// `first line +lines path` for functions, `line parents::name` with `;` or `{}` for modules.
#[track_caller]
fn check(text: &str, expected: Expect) {
    let outline = outline(text);
    let functions = outline
        .functions
        .iter()
        .map(|f| format!("{} +{} {}\n", f.first_line, f.lines, f.path));
    let modules = outline.modules.iter().map(|module| {
        let path = module
            .parents
            .iter()
            .chain([&module.name])
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("::");
        let body = match &module.body {
            Body::Inline => "{}".to_owned(),
            Body::File { path: None } => ";".to_owned(),
            Body::File { path: Some(path) } => format!("; {path}"),
        };
        format!("{} mod {path}{body}\n", module.line)
    });
    expected.assert_eq(&functions.chain(modules).collect::<String>());
}

#[test]
fn a_function_reaches_from_its_word_to_its_last_brace() {
    check(
        "/// Doc {\n#[inline]\npub fn a(\n    x: u8,\n) -> u8 {\n    if x > 0 { 1 } else { 2 }\n}\nfn b() {}\n",
        expect![[r#"
            3 +5 a
            8 +1 b
        "#]],
    );
}

#[test]
fn braces_in_literals_and_comments_do_not_count() {
    check(
        "fn a() {\n let x = '{'; // {\n let y = \"{\"; /* { */\n let z = r#\"{\"#;\n}",
        expect!["1 +5 a\n"],
    );
}

#[test]
fn members_carry_their_type() {
    check(
        "impl<T: Into<X>> fmt::Display for Job<T> where T: Y {\n fn fmt(&self) {}\n}\nimpl Job { fn go() {} }\ntrait Store { fn a(); fn b() {} }\nimpl<F: Fn(u8) -> u8> Run for Q<F> { fn c() {} }",
        expect![[r#"
            2 +1 Display for Job::fmt
            4 +1 Job::go
            5 +1 Store::b
            6 +1 Run for Q::c
        "#]],
    );
}

#[test]
fn function_types_and_impl_types_are_no_items() {
    check(
        "fn a(f: fn(u8) -> u8, g: impl Fn() -> [u8; 4]) -> impl Iterator<Item = u8> {\n fn inner() {}\n}\ntype F = fn();\nstatic X: fn() = a;\nfn z() {}",
        expect![[r#"
            2 +1 a::inner
            1 +3 a
            6 +1 z
        "#]],
    );
}

#[test]
fn functions_in_macros_and_closures() {
    check(
        "macro_rules! m { ($n:ident) => { fn $n() { 1 } } }\nfn a() { call(|| { fn inner() {} }); }\nmatches!(fn name);\nfn b() { loop { } }",
        expect![[r#"
            2 +1 a::inner
            2 +1 a
            4 +1 b
        "#]],
    );
}

#[test]
fn modules_with_a_body_and_modules_in_files() {
    check(
        "mod a;\n#[cfg(test)]\nmod tests { mod deep; fn t() {} }\n#[path = \"other.rs\"]\npub(crate) mod b;\nmod c;",
        expect![[r#"
            3 +1 tests::t
            1 mod a;
            3 mod tests{}
            3 mod tests::deep;
            5 mod b; other.rs
            6 mod c;
        "#]],
    );
}
