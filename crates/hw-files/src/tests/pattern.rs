use crate::Pattern;

#[track_caller]
fn check(pattern: &str, fitting: &[&str], others: &[&str]) {
    let parsed = Pattern::parse(pattern).unwrap();
    for name in fitting {
        assert!(parsed.matches(name), "`{pattern}` should match `{name}`");
    }
    for name in others {
        assert!(!parsed.matches(name), "`{pattern}` should not match `{name}`");
    }
}

#[test]
fn wildcards_match_as_in_a_shell() {
    check(
        "*.parquet",
        &["a.parquet", "_x.parquet", "a b.parquet", "\n.parquet"],
        &["a.csv", "a.parquet.crc", "", ".parquet"],
    );
    check("*", &["a", "a.b", "日本"], &[".hidden"]);
    check(".*", &[".hidden", "."], &["a"]);
    check("?", &["a", "ß", "日"], &["", "ab", "."]);
    check("a*b*c", &["abc", "axxbxxc", "abcbc"], &["ab", "acb", "abcd"]);
    check("**a", &["a", "ba"], &["b"]);
    check("[a-c]1", &["a1", "c1"], &["d1", "A1", "a"]);
    check("[!a-c]", &["d", "-"], &["a"]);
    check("[^a]", &["b"], &["a"]);
    check("[]]", &["]"], &["["]);
    check("[a-]", &["a", "-"], &["b"]);
    check("{a,b}.x", &["a.x", "b.x"], &["c.x", "{a,b}.x"]);
    check("{a,b{1,2}}", &["a", "b1", "b2"], &["b", "b3"]);
    check("{a,}b", &["ab", "b"], &["bb"]);
    check("[{]", &["{"], &["a"]);
    check(r"\*\?\[\{\\", &[r"*?[{\"], &["abcd"]);
    check(r"{a\,b,c}", &["a,b", "c"], &["a", "b"]);
    check("part-{0..9}", &["part-0..9"], &["part-1"]);
}

#[test]
fn a_pattern_that_makes_no_sense_is_told() {
    for (pattern, reason) in [
        ("", "it is empty"),
        ("a/b", "it holds a `/`"),
        ("[a", "a `[` is never closed"),
        ("[]", "a `[` is never closed"),
        ("{a", "a `{` is never closed"),
        ("{a,{b}", "a `{` is never closed"),
        ("a\\", "it ends in a backslash"),
        ("[z-a]", "a range in brackets runs backwards"),
        (&"{a,b}".repeat(20), "its braces stand for more than 1,000 patterns"),
    ] {
        let error = Pattern::parse(pattern).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{pattern}` is not a valid pattern: {reason}")
        );
        assert_eq!(error.code(), "HW-T008");
    }
}

#[test]
fn many_stars_stay_quick() {
    let pattern = Pattern::parse(&"*a".repeat(200)).unwrap();
    assert!(!pattern.matches(&"a".repeat(199)));
    assert!(!pattern.matches(&format!("{}b", "a".repeat(5_000))));
}
