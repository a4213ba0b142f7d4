#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use hw_api::ExitCode;
use hw_catalog::Finding;
use hw_controller::{DocumentError, SubmitFault};
use hw_files::FileError;
use hw_job::{ErrorClass, Failure};
use hw_query::QueryError;
use hw_store::StoreError;

use super::{ApiError, Fault, of_failure};

#[track_caller]
fn check(fault: impl Into<Fault>, status: u16, code: &str, exit: ExitCode) {
    let problem = fault.into().into_problem();
    assert_eq!(
        (problem.status, problem.code.as_str(), problem.exit_code()),
        (status, code, exit)
    );
    assert!(problem.problem_type.ends_with(code));
    assert!(problem.help.is_some(), "{problem}");
}

fn failure(class: ErrorClass) -> Failure {
    Failure::new(class, "HW-J012", "it failed").help("try again")
}

#[test]
fn errors_have_a_status_and_an_exit_code() {
    let table = || "t".to_owned();
    check(
        ApiError::TableNotFound {
            name: table(),
            proposal: None,
        },
        404,
        "HW-A015",
        ExitCode::NotFound,
    );
    check(
        ApiError::Members {
            findings: vec![Finding::new("HW-A002", "x").help("y")],
        },
        422,
        "HW-A002",
        ExitCode::BadInput,
    );
    check(
        ApiError::NotABackup {
            path: table(),
            reason: table(),
        },
        422,
        "HW-A030",
        ExitCode::BadInput,
    );
    check(ApiError::TokenMissing, 401, "HW-A021", ExitCode::OutOfReach);
    check(
        ApiError::Internal { message: table() },
        500,
        "HW-A028",
        ExitCode::Failed,
    );
    check(StoreError::Busy(table()), 503, "HW-S005", ExitCode::OutOfReach);
    check(StoreError::Full(table()), 507, "HW-S004", ExitCode::OutOfReach);
    check(
        SubmitFault::QueueFull { limit: 3 },
        503,
        "HW-A017",
        ExitCode::OutOfReach,
    );
    check(
        SubmitFault::Conflict(failure(ErrorClass::Input)),
        409,
        "HW-J012",
        ExitCode::Conflict,
    );
    check(DocumentError::Gone(table()), 410, "HW-A012", ExitCode::Failed);
    check(
        FileError::NotPermitted { place: table() },
        403,
        "HW-T004",
        ExitCode::BadInput,
    );
    check(
        FileError::NotFound { place: table() },
        404,
        "HW-T005",
        ExitCode::NotFound,
    );
    check(
        QueryError::Memory {
            limit: 1,
            detail: table(),
        },
        503,
        "HW-Q017",
        ExitCode::Failed,
    );
}

#[test]
fn failures_of_jobs_keep_their_class() {
    let check = |class, status, exit| {
        let problem = of_failure(&failure(class));
        assert_eq!((problem.status, problem.exit_code()), (status, exit), "{class:?}");
    };
    check(ErrorClass::Input, 422, ExitCode::BadInput);
    check(ErrorClass::Data, 422, ExitCode::Failed);
    check(ErrorClass::External, 502, ExitCode::OutOfReach);
    check(ErrorClass::Platform, 503, ExitCode::Failed);
    check(ErrorClass::Internal, 500, ExitCode::Failed);
    check(ErrorClass::Cancelled, 409, ExitCode::Cancelled);
    check(ErrorClass::Timeout, 504, ExitCode::TimedOut);
}

#[test]
fn every_finding_of_a_submission_travels() {
    let findings = vec![
        Finding::new("HW-F001", "one").at("/a").help("do"),
        Finding::new("HW-F002", "two"),
    ];
    let problem = Fault::from(SubmitFault::Faults(findings)).into_problem();
    assert_eq!((problem.code.as_str(), problem.errors.len()), ("HW-F001", 2));
    assert_eq!(problem.detail, "2 faults");
    assert_eq!(problem.help.as_deref(), Some("do"));
}
