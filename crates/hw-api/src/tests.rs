use expect_test::expect;
use hw_catalog::Finding;

use crate::{ExitCode, Problem, rfc3339};

#[test]
fn problems_carry_every_finding() {
    let findings = vec![
        Finding::new("HW-F001", "unknown key `colour`")
            .at("/query/colour")
            .help("did you mean `column`?"),
    ];
    let problem = Problem::new(422, "HW-F001", "the query has faults", "1 fault").findings(findings);
    expect![[r#"{"type":"urn:headwater:error:HW-F001","title":"the query has faults","status":422,"detail":"1 fault","code":"HW-F001","aliases":[],"errors":[{"code":"HW-F001","aliases":[],"message":"unknown key `colour`","pointer":"/query/colour","help":"did you mean `column`?"}]}"#]]
        .assert_eq(&serde_json::to_string(&problem).unwrap_or_default());
}

#[test]
fn exit_codes_follow_class_and_status() {
    let exit = |status, class: Option<&str>| {
        let mut problem = Problem::new(status, "HW-A000", "t", "d");
        problem.class = class.map(str::to_owned);
        problem.exit_code()
    };
    assert_eq!(exit(422, None), ExitCode::BadInput);
    assert_eq!(exit(404, Some("input")), ExitCode::NotFound);
    assert_eq!(exit(409, None), ExitCode::Conflict);
    assert_eq!(exit(422, Some("data")), ExitCode::Failed);
    assert_eq!(exit(503, Some("platform")), ExitCode::Failed);
    assert_eq!(exit(503, None), ExitCode::OutOfReach);
    assert_eq!(exit(504, Some("timeout")), ExitCode::TimedOut);
    assert_eq!(exit(500, Some("cancelled")), ExitCode::Cancelled);
    assert_eq!(exit(500, None), ExitCode::Failed);
}

#[test]
fn times_have_microseconds() {
    assert_eq!(rfc3339(1_700_000_000_000_001), "2023-11-14T22:13:20.000001Z");
}
