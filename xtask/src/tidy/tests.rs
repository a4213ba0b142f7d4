//! Each rule is shown to let a good tree pass and to find the fault in a bad one.

use expect_test::{Expect, expect};

use super::{Rule, dead_files, edges, error_codes, exports, lengths, links, names, purity, unfinished};
use crate::tree::Tree;

#[track_caller]
fn check(rule: Rule, files: &[(&str, &str)], expected: Expect) {
    let mut findings = rule(&Tree::of(files));
    findings.sort();
    expected.assert_eq(
        &findings
            .iter()
            .map(|finding| format!("{finding}\n"))
            .collect::<String>(),
    );
}

#[track_caller]
fn passes(rule: Rule, files: &[(&str, &str)]) {
    check(rule, files, expect![""]);
}

/// A manifest of package `name` with these lines after it.
fn manifest(name: &str, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\n{rest}")
}

#[track_caller]
fn check_manifest(name: &str, rest: &str, expected: Expect) {
    check(
        edges::check,
        &[("crates/x/Cargo.toml", &manifest(name, rest))],
        expected,
    );
}

#[test]
fn edges_of_the_table_pass() {
    check_manifest(
        "hw-store",
        "[dependencies]\nhw-job.workspace = true\nhw-catalog.workspace = true\n",
        expect![""],
    );
    check_manifest(
        "hw-server",
        "[dependencies]\nhw-job = { workspace = true }\n",
        expect![""],
    );
    check_manifest(
        "hw-it",
        "[dev-dependencies]\nhw-query = { workspace = true }\n",
        expect![""],
    );
    passes(edges::check, &[("Cargo.toml", "[workspace]\n")]);
}

#[test]
fn the_table_has_no_cycle() {
    let order: Vec<&str> = edges::TABLE.iter().map(|(name, _)| *name).collect();
    let rows = edges::TABLE
        .iter()
        .flat_map(|(from, to)| to.iter().map(move |to| (*from, *to)));
    for (from, to) in rows.chain(edges::EXTRA.iter().map(|(from, to, _)| (*from, *to))) {
        let place = |name| order.iter().position(|known| *known == name).unwrap();
        assert!(
            place(to) < place(from),
            "{to} must stand above {from}, which depends on it"
        );
    }
}

#[test]
fn a_new_edge_is_found_in_every_kind_of_dependencies() {
    check_manifest(
        "hw-funnel",
        "[dependencies]\nhw-job.workspace = true\n[dev-dependencies]\nhw-store.workspace = true\n\
         [build-dependencies]\nxtask.workspace = true\n\
         [target.'cfg(unix)'.dependencies]\nother = { package = \"hw-files\", workspace = true }\n",
        expect![[r#"
            crates/x/Cargo.toml: new edge hw-funnel -> hw-files: xtask/src/tidy/edges.rs does not have it
            crates/x/Cargo.toml: new edge hw-funnel -> hw-job: xtask/src/tidy/edges.rs does not have it
            crates/x/Cargo.toml: new edge hw-funnel -> hw-store: xtask/src/tidy/edges.rs does not have it
            crates/x/Cargo.toml: new edge hw-funnel -> xtask: xtask/src/tidy/edges.rs does not have it
        "#]],
    );
}

#[test]
fn a_crate_outside_the_table_is_found() {
    check_manifest(
        "hw-new",
        "",
        expect![[r#"
            crates/x/Cargo.toml: `hw-new` is not in the dependency table of xtask/src/tidy/edges.rs
        "#]],
    );
}

#[test]
fn only_the_query_crate_names_datafusion() {
    check_manifest("hw-query", "[dependencies]\ndatafusion.workspace = true\n", expect![""]);
    check_manifest(
        "hw-it",
        "[dependencies]\ndatafusion-proto.workspace = true\n",
        expect![[r#"
            crates/x/Cargo.toml: `datafusion-proto`: only hw-query names DataFusion
        "#]],
    );
}

#[test]
fn versions_stand_in_the_root_manifest() {
    check_manifest(
        "hw-job",
        "[dependencies]\nserde = \"1\"\nuuid = { version = \"1\" }\n",
        expect![[r#"
            crates/x/Cargo.toml: `serde` must be `{ workspace = true }`: versions and features stand in the root manifest
            crates/x/Cargo.toml: `uuid` must be `{ workspace = true }`: versions and features stand in the root manifest
        "#]],
    );
}

#[test]
fn a_broken_manifest_is_a_finding() {
    let findings = edges::check(&Tree::of(&[("crates/x/Cargo.toml", "[package")]));
    assert_eq!(findings.len(), 1);
}

#[test]
fn async_is_found_in_pure_crates() {
    check(
        purity::check,
        &[(
            "crates/hw-job/src/lib.rs",
            "async fn a() {\n    b().await;\n    let c = async move {};\n}\n",
        )],
        expect![[r#"
            crates/hw-job/src/lib.rs:1: `async` in a pure crate
            crates/hw-job/src/lib.rs:2: `await` in a pure crate
            crates/hw-job/src/lib.rs:3: `async` in a pure crate
        "#]],
    );
}

#[test]
fn async_passes_elsewhere_and_in_prose() {
    passes(
        purity::check,
        &[
            ("crates/hw-store/src/lib.rs", "async fn a() {}"),
            (
                "crates/hw-funnel/src/lib.rs",
                "// not async\nfn asynchronous() -> &'static str { \"async .await\" }",
            ),
        ],
    );
}

#[test]
fn empty_names_are_found_in_files_folders_and_modules() {
    check(
        names::check,
        &[
            ("crates/hw-job/src/utils.rs", ""),
            ("crates/hw-job/src/common/a.rs", ""),
            ("crates/hw-types/src/lib.rs", ""),
            ("crates/hw-job/src/lib.rs", "mod utils;\nmod prelude {}\n"),
        ],
        expect![[r#"
            crates/hw-job/src/common/a.rs: `common` says nothing: name the module after what it is about, or move each function to its main argument's module
            crates/hw-job/src/lib.rs:2: `prelude` says nothing: name the module after what it is about, or move each function to its main argument's module
            crates/hw-job/src/utils.rs: `utils` says nothing: name the module after what it is about, or move each function to its main argument's module
            crates/hw-types/src/lib.rs: `types` says nothing: name the module after what it is about, or move each function to its main argument's module
        "#]],
    );
}

#[test]
fn telling_names_pass() {
    passes(
        names::check,
        &[
            ("crates/hw-job/src/task_types.rs", "mod outcome {}"),
            ("crates/hw-job/src/commons.rs", ""),
        ],
    );
}

#[test]
fn glob_re_exports_are_found() {
    check(
        exports::check,
        &[(
            "crates/a/src/lib.rs",
            "mod x;\npub use x::*;\npub(crate) use x::{A, b::*};\nfn f() {}\npub(in crate::x)\nuse x::y::*;\n",
        )],
        expect![[r#"
            crates/a/src/lib.rs:2: glob re-export: list the names
            crates/a/src/lib.rs:3: glob re-export: list the names
            crates/a/src/lib.rs:6: glob re-export: list the names
        "#]],
    );
}

#[test]
fn imports_and_re_exports_by_name_pass() {
    passes(
        exports::check,
        &[(
            "crates/a/src/lib.rs",
            "pub use x::{A, B};\nmod tests { use super::*; }\npub fn f() { use x::*; }\n// pub use x::*;\n",
        )],
    );
}

/// A function of `lines` lines.
fn long(name: &str, lines: usize) -> String {
    format!("fn {name}() {{\n{}}}\n", "    call();\n".repeat(lines - 2))
}

#[test]
fn a_function_may_not_cross_the_limit() {
    passes(lengths::check, &[("crates/a/src/lib.rs", &long("f", 70))]);
    check(
        lengths::check,
        &[("crates/a/src/lib.rs", &format!("mod m {{\n{}}}", long("f", 71)))],
        expect![[r#"
            crates/a/src/lib.rs:2: `m::f` has 71 lines, more than 70: cut it where it changes the subject
        "#]],
    );
}

#[test]
fn tests_may_be_long() {
    let text = long("f", 99);
    passes(
        lengths::check,
        &[
            ("crates/a/src/tests.rs", &text),
            ("crates/a/src/tests/queue.rs", &text),
            ("tests/src/it.rs", &text),
            ("crates/a/src/lib.rs", &format!("mod tests {{ {text} }}")),
        ],
    );
}

#[test]
fn a_listed_function_may_not_grow() {
    let list = "# why\n80 crates/a/src/lib.rs f\n";
    passes(
        lengths::check,
        &[("crates/a/src/lib.rs", &long("f", 80)), (lengths::LIST, list)],
    );
    check(
        lengths::check,
        &[("crates/a/src/lib.rs", &long("f", 81)), (lengths::LIST, list)],
        expect![[r#"
            crates/a/src/lib.rs:1: `f` grew from 80 to 81 lines, it may only shrink
        "#]],
    );
}

#[test]
fn the_list_shrinks_with_the_functions() {
    let list =
        "# why\n80 crates/a/src/lib.rs f\n90 crates/a/src/lib.rs gone\nnonsense\n99 crates/a/src/lib.rs Type::g\n";
    let source = long("f", 75) + "impl Type {\n" + &long("g", 99) + "}\n" + &long("unlisted", 88);
    let files = [("crates/a/src/lib.rs", source.as_str()), (lengths::LIST, list)];
    check(
        lengths::check,
        &files,
        expect![[r#"
            crates/a/src/lib.rs:177: `unlisted` has 88 lines, more than 70: cut it where it changes the subject
            xtask/src/long_functions.txt: `80 crates/a/src/lib.rs f` is out of date, `cargo xtask tidy --bless` shortens the list
            xtask/src/long_functions.txt: `90 crates/a/src/lib.rs gone` is out of date, `cargo xtask tidy --bless` shortens the list
            xtask/src/long_functions.txt:4: a line is `LINES PATH FUNCTION`
        "#]],
    );
    let shortened = lengths::shortened_list(&Tree::of(&files));
    assert_eq!(
        shortened,
        "# why\n99 crates/a/src/lib.rs Type::g\n75 crates/a/src/lib.rs f\n"
    );
}

#[test]
fn unfinished_work_is_found() {
    check(
        unfinished::check,
        &[
            (
                "crates/a/src/lib.rs",
                "fn a() { todo!() }\nfn b() { unimplemented!(\"x\") }\n/* one\n   FIXME */\n//TODO(me): x\n",
            ),
            ("sdk/python/a.py", "x = 1\n# TODO: y\n"),
        ],
        expect![[r#"
            crates/a/src/lib.rs:1: `todo!`: finish it, or leave it out
            crates/a/src/lib.rs:2: `unimplemented!`: finish it, or leave it out
            crates/a/src/lib.rs:4: `FIXME`: finish it, or file it where work is planned
            crates/a/src/lib.rs:5: `TODO`: finish it, or file it where work is planned
            sdk/python/a.py:2: `TODO`: finish it, or file it where work is planned
        "#]],
    );
}

#[test]
fn words_about_unfinished_work_pass() {
    passes(
        unfinished::check,
        &[(
            "crates/a/src/lib.rs",
            "// the todo list\nfn todo() -> &'static str { \"TODO\" }\n// todo!()\n",
        )],
    );
}

#[test]
fn codes_and_pages_must_match() {
    check(
        error_codes::check,
        &[
            (
                "crates/a/src/lib.rs",
                "fn code() {\n    (\"HW-F003\", \"see `HW-F004` and HW-F0055\", r\"HW-F006\") // HW-F007\n}\n",
            ),
            ("crates/a/src/tests.rs", "const MADE_UP: &str = \"HW-F008\";"),
            ("docs/errors/HW-F003.md", "# HW-F003: a title\n"),
            ("docs/errors/HW-F006.md", "# HW-F005: a title of another\n"),
            ("docs/errors/HW-F009.md", "# HW-F009: nobody's\n"),
            ("docs/errors/README.md", "# All\n"),
            ("docs/errors/notes.md", "# Notes\n"),
        ],
        expect![[r#"
            crates/a/src/lib.rs:2: `HW-F004` has no page docs/errors/HW-F004.md
            docs/errors/HW-F006.md:1: the first line must be `# HW-F006: title`
            docs/errors/HW-F009.md: no crate has an error `HW-F009`: remove the page
            docs/errors/notes.md: is not named after an error code
        "#]],
    );
}

#[test]
fn files_that_nobody_declares_are_found() {
    check(
        dead_files::check,
        &[
            ("crates/a/Cargo.toml", ""),
            (
                "crates/a/src/lib.rs",
                "mod b;\n// mod dead;\nmod inline { mod deep; }\n#[path = \"odd_name.rs\"]\nmod odd;\n",
            ),
            ("crates/a/src/b.rs", "mod c;"),
            ("crates/a/src/b/c.rs", ""),
            ("crates/a/src/c.rs", ""),
            ("crates/a/src/dead.rs", "mod also_dead;"),
            ("crates/a/src/dead/also_dead.rs", ""),
            ("crates/a/src/inline/deep/mod.rs", "mod e;"),
            ("crates/a/src/inline/deep/e.rs", ""),
            ("crates/a/src/odd_name.rs", ""),
            ("crates/a/src/bin/tool.rs", ""),
            ("crates/a/src/bin/other/part.rs", ""),
            ("tests/Cargo.toml", "[[test]]\nname = \"it\"\npath = \"src/it.rs\"\n"),
            ("tests/src/it.rs", "mod funnel;"),
            ("tests/src/funnel.rs", ""),
            ("tests/src/it/funnel.rs", ""),
        ],
        expect![[r#"
            crates/a/src/bin/other/part.rs: no `mod` declares this file
            crates/a/src/c.rs: no `mod` declares this file
            crates/a/src/dead.rs: no `mod` declares this file
            crates/a/src/dead/also_dead.rs: no `mod` declares this file
            tests/src/it/funnel.rs: no `mod` declares this file
        "#]],
    );
}

#[test]
fn links_that_lead_nowhere_are_found() {
    check(
        links::check,
        &[
            (
                "README.md",
                "[a](docs/a.md) [b](docs/b.md#x \"t\") [c](ARCHITECTURE.md)\n\n[d]: docs/none.md\n",
            ),
            (
                "docs/a.md",
                "[up](../README.md) [out](../../x.md) [rooted](/README.md)\n",
            ),
        ],
        expect![[r#"
            README.md:1: the link to `ARCHITECTURE.md` leads nowhere
            README.md:1: the link to `docs/b.md#x` leads nowhere
            README.md:3: the link to `docs/none.md` leads nowhere
            docs/a.md:1: the link to `../../x.md` leads nowhere
            docs/a.md:1: the link to `/README.md` leads nowhere
        "#]],
    );
}

#[test]
fn good_links_addresses_and_code_pass() {
    passes(
        links::check,
        &[
            (
                "README.md",
                "[a](<docs/a.md>) [b](docs) [c](#here) [d](https://x.org/y) `[e](none.md)`\n```\n[f](none.md)\n```\n[g](./docs/../README.md)\n",
            ),
            ("docs/a.md", ""),
            ("crates/a/README.md", "[not ours to check](none.md)"),
        ],
    );
}
