//! Fast equals slow, on random texts that are made of what matters to parsers.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;

use super::plain::{self, Failure, Outcome, Scripts};
use crate::fault::{FaultKind, FaultList};
use crate::{Settings, Version, extract, parse, resolve};

/// Pieces of texts: anything that a rule speaks of, and a few that none does.
const PIECES: &[&str] = &[
    "%",
    "%%",
    "%jar",
    "%jar ",
    "%jarx ",
    "%import ",
    "%import",
    "%imp",
    "ort B;",
    "%scriptclass ",
    "%jvmoption ",
    "%jvm",
    "%ja",
    "r x;",
    " ",
    "  ",
    "\t",
    "\x0B",
    "\x0C",
    "\n",
    "\r",
    "\r\n",
    ";",
    ";;",
    "\\",
    "\\\\",
    "\\;",
    "\\n",
    "\\r",
    "\\ ",
    "\\t",
    "\\f",
    "\\v",
    "\\x",
    "t",
    "f",
    "v",
    "a",
    "A",
    "B;",
    ":",
    "::",
    "\0",
    "é",
    "-Dx=y",
    "_",
    "9",
    "%other x;",
    "%a b;",
    "%9 _;",
    "code",
    "//",
    "% x",
    "-",
    "\u{A0}",
];

/// Options that are right, so that scripts get past the first line.
const OPTIONS: &[&str] = &[
    "%jar /a.jar;",
    "%jar b:a:b;",
    "%jar x\\t;",
    "%jar  x\\\\ ;",
    "%import A;",
    "%import B;",
    "%import  C ;",
    "%import D;",
    "%scriptclass X;",
    "%scriptclass \\n;",
    "%jvmoption -Da=x\\ y -Db;",
    "%jvmoption a\\\\\\\\t;",
    "%jvmoption b ;",
    "\n",
    "\n",
    "\n",
    " ",
    "code\n",
    "\r",
    "code",
    "%jvmoption \\t;",
    "%jar \\ ;",
    "%jar :;",
    "%jvmoption -Dx=\\;;",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(select(PIECES), 0..24).prop_map(|pieces| {
        let mut text = pieces.concat().into_bytes();
        // Something that is not UTF-8, too.
        text.iter_mut()
            .filter(|byte| **byte == 0xC3)
            .for_each(|byte| *byte = 0xFF);
        text
    })
}

fn script() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![9 => select(OPTIONS), 1 => select(PIECES)];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat().into_bytes())
}

fn scripts() -> impl Strategy<Value = Scripts> {
    let name = select(vec![&b"A"[..], b"B", b"C", b"D"]).prop_map(<[u8]>::to_vec);
    prop::collection::btree_map(name, script(), 0..=4)
}

#[expect(clippy::disallowed_methods, reason = "long runs by hand ask for more cases")]
fn cases() -> ProptestConfig {
    let cases = std::env::var("HW_OPTIONS_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(3000),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn second_parser(text in prop_oneof![soup(), script()]) {
        let slow = plain::parse(&text);
        match (parse(&text), slow) {
            (Ok(fast), Ok(slow)) => {
                let fast: Vec<_> = fast.list.into_iter().map(|option| plain::PlainOption {
                    key: option.key.into_owned(),
                    value: option.value.into_owned(),
                    start: option.start,
                    end: option.end,
                }).collect();
                prop_assert_eq!(fast, slow);
            }
            (Err(fast), Err(slow)) => prop_assert_eq!(first_syntax(&fast), Some(slow)),
            (fast, slow) => prop_assert!(false, "fast {fast:?}, slow {slow:?}"),
        }
    }

    #[test]
    fn every_malformed_line_is_told(text in soup()) {
        // Line by line each fault stands by itself: the slow twin tells one for each bad line.
        let lines = text.split(|byte| matches!(byte, b'\n' | b'\r'));
        let slow = lines.filter_map(|line| plain::parse(line).err()).map(|(_, column, token)| (column, token)).collect::<Vec<_>>();
        let fast = parse(&text).err().unwrap_or_default();
        let fast = fast.faults.iter().map(|fault| match &fault.kind {
            FaultKind::Syntax(syntax) => (fault.place.column, syntax.unexpected),
            other => panic!("{other:?}"),
        }).collect::<Vec<_>>();
        prop_assert_eq!(fast, slow);
    }

    #[test]
    fn first_parser(text in prop_oneof![soup(), script()], keyword in select(vec!["%jar", "%import", "%a", "a", "%%", "", "\\\\", ";;a"])) {
        let mut left = text.clone();
        match (extract(&text, keyword.as_bytes()), plain::extract(&mut left, keyword.as_bytes())) {
            (Ok(fast), Ok(slow)) => {
                prop_assert_eq!(&*fast.code, &left[..]);
                prop_assert_eq!(fast.option.map(|option| (option.value.into_owned(), option.start)), slow);
            }
            (Err(fast), Err(no_value)) => {
                prop_assert_eq!(matches!(fast.faults[0].kind, FaultKind::NoValue { .. }), no_value);
            }
            (fast, slow) => prop_assert!(false, "fast {fast:?}, slow {slow:?}"),
        }
    }

    #[test]
    fn first_handler(text in script(), scripts in scripts()) {
        compare(Settings::new(Version::V1), &text, &scripts, plain::handle_v1(&text, &scripts))?;
    }

    #[test]
    fn first_handler_on_soup(text in soup(), scripts in scripts()) {
        compare(Settings::new(Version::V1), &text, &scripts, plain::handle_v1(&text, &scripts))?;
    }

    #[test]
    fn second_handler(text in script(), scripts in scripts(), strict: bool) {
        let settings = Settings { strict_script_class: strict, ..Settings::new(Version::V2) };
        compare(settings, &text, &scripts, plain::handle_v2(&text, &scripts, strict))?;
    }

    #[test]
    fn any_bytes_end_without_a_panic(text: Vec<u8>, other: Vec<u8>) {
        let scripts = Scripts::from([(b"A".to_vec(), other)]);
        for version in [Version::V1, Version::V2] {
            let _ = resolve(&text, Settings::new(version), &mut provider(&scripts));
        }
        let _ = crate::check_migration(&text);
    }

    #[test]
    fn the_migration_check_is_silent_only_where_nothing_changes(text in script()) {
        let migration = crate::check_migration(&text);
        if migration.is_empty() {
            let none = Scripts::new();
            let text: Vec<u8> = text.split(|byte| *byte == b'%').collect::<Vec<_>>().join(&b"%"[..]);
            let (one, two) = (plain::handle_v1(&text, &none), plain::handle_v2(&text, &none, false));
            if let Ok(two) = two {
                prop_assert_eq!(one, Ok(two));
            }
        }
    }
}

pub(super) fn provider(scripts: &Scripts) -> std::collections::BTreeMap<Vec<u8>, Arc<[u8]>> {
    scripts
        .iter()
        .map(|(name, text)| (name.clone(), Arc::from(&text[..])))
        .collect()
}

fn first_syntax(list: &FaultList) -> Option<plain::PlainSyntaxError> {
    let first = list.faults.first()?;
    match &first.kind {
        FaultKind::Syntax(syntax) => Some((first.place.line - 1, first.place.column, syntax.unexpected)),
        _ => None,
    }
}

fn compare(
    settings: Settings,
    text: &[u8],
    scripts: &Scripts,
    slow: Result<Outcome, Failure>,
) -> Result<(), TestCaseError> {
    let fast = resolve(text, settings, &mut provider(scripts));
    match (fast, slow) {
        (Ok(fast), Ok(slow)) => {
            let owned = |items: &[crate::Item<'_>]| items.iter().map(|item| item.text.to_vec()).collect::<Vec<_>>();
            let fast = Outcome {
                jvm_options: owned(&fast.jvm_options),
                jars: owned(&fast.jars),
                requests: fast.imports.iter().map(|import| import.name.clone()).collect(),
                code: fast.code.into_owned(),
            };
            prop_assert_eq!(fast, slow);
        }
        (Err(fast), Err(slow)) => {
            let first = &fast.faults[0];
            let codes: Vec<String> = slow
                .codes
                .iter()
                .map(|code| format!("F-UDF-CL-SL-JAVA-{code}"))
                .collect();
            prop_assert_eq!(first.aliases(), codes);
            if let Some((origin, place)) = slow.place {
                prop_assert_eq!(&first.origin, &origin);
                prop_assert_eq!(first_syntax(&fast), Some(place));
            }
            if let Some(wanted) = slow.key {
                let FaultKind::UnknownKey { key } = &first.kind else {
                    panic!("{first:?}")
                };
                prop_assert_eq!(key, &wanted);
            }
        }
        (fast, slow) => prop_assert!(false, "fast {:?}, slow {slow:?}", fast.map(|fast| fast.code)),
    }
    Ok(())
}
