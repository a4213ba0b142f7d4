use super::second_copies;

fn lock(packages: &[(&str, &str, &[&str])]) -> String {
    let package = |(name, version, dependencies): &(&str, &str, &[&str])| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndependencies = {dependencies:?}\n\n")
    };
    packages.iter().map(package).collect()
}

#[test]
fn a_second_arrow_is_named_with_those_who_ask_for_it() {
    let text = lock(&[
        ("arrow-array", "58.0.0", &[]),
        ("arrow-array", "59.3.2", &[]),
        ("old", "1.0.0", &["arrow-array 58.0.0"]),
        ("new", "1.0.0", &["arrow-array 59.3.2", "serde"]),
    ]);
    assert_eq!(
        second_copies(&text).unwrap(),
        ["`arrow-array` has 2 versions: 58.0.0 for old; 59.3.2 for new"]
    );
}

#[test]
fn other_libraries_may_have_several_versions() {
    let text = lock(&[
        ("rand", "0.9.5", &[]),
        ("rand", "0.10.3", &[]),
        ("arrow", "59.3.2", &[]),
        ("arrows", "1.0.0", &[]),
    ]);
    assert_eq!(second_copies(&text).unwrap(), [""; 0]);
}

#[test]
fn each_guarded_name_is_guarded() {
    for name in [
        "arrow",
        "arrow-ipc",
        "parquet",
        "object_store",
        "datafusion",
        "datafusion-proto",
    ] {
        let text = lock(&[(name, "1.0.0", &[]), (name, "2.0.0", &[])]);
        assert_eq!(second_copies(&text).unwrap().len(), 1, "{name}");
    }
}

#[test]
fn a_broken_lock_file_is_an_error() {
    assert!(second_copies("[[package").is_err());
    assert!(second_copies("").is_err());
}
