#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use hw_api::ExitCode;

use super::{ClientError, Failure};

#[track_caller]
fn check(reason: &str, expected: &str) {
    let failure = Failure::from(ClientError::OutOfReach {
        place: "https://box:7080".to_owned(),
        reason: reason.to_owned(),
    });
    assert_eq!(failure.exit, ExitCode::OutOfReach);
    let help = failure.problem.help.unwrap();
    assert!(help.contains(expected), "{reason}: {help}");
}

#[test]
fn the_connection_tells_what_to_do() {
    check("tcp connect error: Connection refused (os error 111)", "`headwater up`");
    check("dns error: Name or service not known", "`headwater up`");
    check("invalid peer certificate: UnknownIssuer", "HEADWATER_CA");
    check(
        "invalid peer certificate: certificate not valid for name \"box\"",
        "a name in the server's certificate",
    );
    check("received fatal alert: CertificateRequired", "client.certificate");
    check("invalid HTTP version parsed", "https://HOST:PORT");
    check(
        "received corrupt message of type InvalidContentType",
        "write --server http://HOST:PORT",
    );
}
