//! Scripts that are made to hurt: sizes, depths and repetitions at which anything but linear work would not end in time.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Version::{V1, V2};
use crate::{
    FaultKind, NoScripts, ProviderError, Resolved, ScriptProvider, Settings, Version, extract, parse, resolve,
};

/// A quarter of it where nothing is optimised: the test is to take seconds.
const MEGABYTE: usize = if cfg!(debug_assertions) { 1 << 18 } else { 1 << 20 };

fn filled(piece: &str) -> Vec<u8> {
    piece.repeat(MEGABYTE / piece.len()).into_bytes()
}

fn run(version: Version, text: &[u8], scripts: &[(String, Vec<u8>)]) -> Result<usize, FaultKind> {
    let mut provider: BTreeMap<Vec<u8>, Arc<[u8]>> = scripts
        .iter()
        .map(|(name, text)| (name.clone().into_bytes(), Arc::from(&text[..])))
        .collect();
    match resolve(text, Settings::new(version), &mut provider) {
        Ok(Resolved { code, .. }) => Ok(code.len()),
        Err(list) => Err(list.faults[0].kind.clone()),
    }
}

/// A megabyte of each: were any of them quadratic, this test would take hours.
#[test]
fn a_megabyte_of_anything_takes_linear_time() {
    let pieces = [
        "%",
        "%jar",
        "%jar ",
        "%jar\n",
        "%jar x;",
        "%jar x; ",
        "%jar x;\n",
        " ",
        " %",
        "\t%jar x;\n",
        "\\",
        "%a \\",
        "%a x\\;",
        ";",
        "\n",
        "\r",
        "%\r",
        "%import A;",
        "%import A;\n",
        "%import ",
        "%import\n",
        "x %jar y;\n",
        "x %jar y;",
        "%jvmoption  a\\ b c;",
        "%jvmoption \\t;\n",
        "%scriptclass X;\n",
        "%scriptclass X;",
        "%env A=1;",
        "%env A=1;\n",
        "%env ",
        "%perNodeAndCallInstanceLimit 1;",
        "\0",
        "%a:b c;",
        "%jar :::::::;",
        "% \n",
        "%import",
        "%imp",
        "%z 1;",
        "x %jar a",
        "%jar a %jar b",
    ];
    for piece in pieces {
        let text = filled(piece);
        let _ = parse(&text);
        let _ = extract(&text, b"%jar");
        let _ = extract(&text, &text[..1000]);
        let _ = crate::check_migration(&text);
        for version in [V1, V2] {
            let _ = run(
                version,
                &text,
                &[("A".to_owned(), text[..1000].to_vec()), (String::new(), text.clone())],
            );
        }
    }
}

#[test]
fn values_and_blanks_of_a_megabyte() {
    for (before, piece, after) in [
        ("%jar ", "x", ";"),
        ("%jar ", ":", ";"),
        ("%jar ", "\\", "t;"),
        ("%jar x", " ", ";"),
        ("%jvmoption x", " ", "y;"),
        ("%jvmoption x", "\\ ", ";"),
        ("%", "k", " v;"),
        ("", " ", "%jar x;"),
        ("%import ", "n", ";"),
        ("%scriptclass ", "c", ";"),
    ] {
        let text = [before.as_bytes(), &filled(piece), after.as_bytes()].concat();
        for version in [V1, V2] {
            let _ = run(version, &text, &[]);
        }
        let _ = crate::check_migration(&text);
    }
}

#[test]
fn mentions_behind_code_are_read_once() {
    for end in ["", ";", "\n;"] {
        let text = [b"x ", &filled("%jar a")[..], end.as_bytes()].concat();
        let _ = parse(&text);
        let _ = extract(&text, b"%jar");
    }
    let blanks = [b"x y\nx \n", &filled(" ")[..]].concat();
    for keyword in [" ", "  ", "x", ""] {
        let _ = extract(&blanks, keyword.as_bytes());
        let _ = extract(&blanks[2..], keyword.as_bytes());
    }
}

#[test]
fn ten_thousand_options() {
    let text: String = (0..10_000)
        .map(|number| format!("%jar /jars/{number:05}.jar;{:<80}\n", " code"))
        .collect();
    for version in [V1, V2] {
        let resolved = resolve(text.as_bytes(), Settings::new(version), &mut NoScripts).unwrap();
        assert_eq!(resolved.jars.len(), 10_000);
        assert_eq!(resolved.code.len(), 10_000 * 81);
    }
}

/// `S1` imports `S2` and so on; `levels` scripts below the main one.
fn chain(levels: usize) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let script = |number: usize| match number == levels {
        true => b"%jar deepest.jar;\nend\n".to_vec(),
        false => format!("begin {number}\n%import S{};\n", number + 1).into_bytes(),
    };
    (
        script(0),
        (1..=levels)
            .map(|number| (format!("S{number}"), script(number)))
            .collect(),
    )
}

#[test]
fn imports_of_9999_levels_work_and_of_10000_are_refused() {
    let (main, scripts) = chain(9_999);
    let length = main.len() + scripts.iter().map(|(_, text)| text.len()).sum::<usize>();
    let options: usize = (1..=9_999).map(|number| format!("%import S{number};").len()).sum();
    assert_eq!(
        run(V2, &main, &scripts),
        Ok(length - options - "%jar deepest.jar;".len())
    );
    assert_eq!(run(V1, &main, &scripts), run(V2, &main, &scripts));
    let (main, scripts) = chain(10_000);
    assert_eq!(run(V2, &main, &scripts), Err(FaultKind::TooDeep { depth: 10_000 }));
    assert!(run(V1, &main, &scripts).is_ok());
}

#[test]
fn deep_imports_keep_their_places() {
    let (main, mut scripts) = chain(9_999);
    scripts.last_mut().unwrap().1 = b"ok\n %jar\n".to_vec();
    let mut provider: BTreeMap<Vec<u8>, Arc<[u8]>> = scripts
        .into_iter()
        .map(|(name, text)| (name.into_bytes(), Arc::from(text)))
        .collect();
    let faults = resolve(&main, Settings::new(V2), &mut provider).unwrap_err();
    let first = &faults.faults[0];
    assert_eq!(first.origin.as_deref(), Some(&b"S9999"[..]));
    assert_eq!((first.place.line, first.place.column, first.place.offset), (2, 6, 8));
}

#[test]
fn cycles_end() {
    let ring: Vec<(String, Vec<u8>)> = (0..50)
        .map(|number| {
            let all: String = (0..50).map(|other| format!("%import R{other};\n")).collect();
            (format!("R{number}"), format!("{all}{number}\n").into_bytes())
        })
        .collect();
    for version in [V1, V2] {
        assert!(run(version, b"%import R0;", &ring).is_ok());
    }
}

#[test]
fn one_large_script_may_be_asked_for_many_times() {
    let large = ("A".to_owned(), filled("code\n"));
    for version in [V1, V2] {
        let length = run(version, &filled("%import A;\n"), std::slice::from_ref(&large)).unwrap();
        assert!(length > MEGABYTE);
    }
}

#[test]
fn many_scripts_of_one_length_and_one_begin() {
    let text = |number: usize| format!("{}{number:05}\n", "x".repeat(200)).into_bytes();
    let scripts: Vec<_> = (0..5000).map(|number| (format!("S{number}"), text(number))).collect();
    let main: String = (0..5000).map(|number| format!("%import S{number};\n")).collect();
    for version in [V1, V2] {
        assert_eq!(run(version, main.as_bytes(), &scripts), Ok(5000 * 207));
    }
}

/// Makes up another script each time.
struct Endless(usize);

impl ScriptProvider for Endless {
    fn script(&mut self, _: &[u8]) -> Result<Arc<[u8]>, ProviderError> {
        self.0 += 1;
        Ok(Arc::from(format!("%import X;{}", self.0).as_bytes()))
    }
}

#[test]
fn a_provider_that_never_ends_is_stopped() {
    let faults = resolve(b"%import X;", Settings::new(V1), &mut Endless(0)).unwrap_err();
    assert!(
        matches!(faults.faults[0].kind, FaultKind::TooMuchImported { .. }),
        "{faults:?}"
    );
    let faults = resolve(b"%import X;", Settings::new(V2), &mut Endless(0)).unwrap_err();
    assert!(matches!(faults.faults[0].kind, FaultKind::TooDeep { .. }), "{faults:?}");
}

#[test]
fn nobody_to_ask() {
    struct Nobody;
    impl ScriptProvider for Nobody {
        fn script(&mut self, _: &[u8]) -> Result<Arc<[u8]>, ProviderError> {
            Err(ProviderError::Unavailable("not connected".to_owned()))
        }
    }
    for (version, code) in [(V1, 1615), (V2, 1631)] {
        let faults = resolve(b"%import A;\n%import B;", Settings::new(version), &mut Nobody).unwrap_err();
        assert_eq!(faults.faults.len(), 1);
        assert_eq!(faults.faults[0].aliases(), [format!("F-UDF-CL-SL-JAVA-{code}")]);
        // Nobody is asked where nothing is imported.
        assert!(resolve(b"%jar x;", Settings::new(version), &mut Nobody).is_ok());
    }
}
