use expect_test::expect;

use super::{find, list};

#[test]
fn the_list_names_every_command() {
    expect![[r#"
        usage: cargo xtask COMMAND
          check [PART...]      all checks, the same as ./test
          tidy [--bless]       the rules no other tool knows; --bless shortens the ratchet list
          deps                 one arrow, parquet, object_store and DataFusion in the lock file
          bless [-p CRATE]     run the tests and re-record what they expect; review the diff
          openapi              re-record docs/reference/openapi.json
          sim [--seeds N]      run the deterministic simulation
          bench [NAME...]      run the benchmarks, optimised
    "#]]
    .assert_eq(&list());
}

#[test]
fn commands_are_found_by_their_whole_name() {
    assert!(find("tidy").is_some());
    assert!(find("tid").is_none());
}

#[test]
fn arguments_a_command_does_not_know_are_refused() {
    let tidy = find("tidy").unwrap();
    assert_eq!(
        (tidy.run)(&["--fix".to_owned()]).unwrap_err(),
        "usage: cargo xtask tidy [--bless]"
    );
}
