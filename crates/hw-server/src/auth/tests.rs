#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{check_host, check_origin};

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect()
}

#[track_caller]
fn check_names(ours: &[&str], hosts: &[&str], accepted: bool) {
    let ours: Vec<String> = ours.iter().map(|&name| name.to_owned()).collect();
    for host in hosts {
        let answer = check_host(&headers(&[("host", host)]), None, &ours);
        assert_eq!(answer.is_ok(), accepted, "{host}");
    }
}

#[test]
fn only_names_of_the_loopback_and_ours_are_answered() {
    let loopback = [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1:7080",
        "127.9.9.9",
        "[::1]:7080",
        "[::1]",
        "localhost.:1",
    ];
    check_names(&[], &loopback, true);
    let foreign = [
        "",
        "evil.example",
        "evil.example:7080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "0.0.0.0",
        "[::2]",
        "x@localhost.evil.example",
        "[::1].evil.example:80",
    ];
    check_names(&[], &foreign[..9], false);
    check_names(
        &["data.example", "10.0.0.1:7080"],
        &["data.example:7080", "DATA.example", "10.0.0.1:7080"],
        true,
    );
    check_names(
        &["data.example", "10.0.0.1:7080"],
        &["x.data.example", "10.0.0.1:7081"],
        false,
    );
    assert!(check_host(&HeaderMap::new(), None, &[]).is_err());
}

#[test]
fn the_target_of_the_request_counts_before_its_header() {
    let headers = headers(&[("host", "localhost")]);
    assert!(check_host(&headers, Some("evil.example"), &[]).is_err());
}

#[track_caller]
fn check_page(host: &str, origin: Option<&str>, accepted: bool) {
    let mut pairs = vec![("host", host)];
    pairs.extend(origin.map(|origin| ("origin", origin)));
    assert_eq!(check_origin(&headers(&pairs)).is_ok(), accepted, "{host} {origin:?}");
}

#[test]
fn pages_of_other_sites_are_refused() {
    check_page("127.0.0.1:7080", None, true);
    check_page("127.0.0.1:7080", Some("http://127.0.0.1:7080"), true);
    check_page("data.example", Some("https://data.example"), true);
    check_page("127.0.0.1:7080", Some("http://127.0.0.1:7081"), false);
    check_page("127.0.0.1:7080", Some("http://127.0.0.1"), false);
    check_page("127.0.0.1:7080", Some("https://evil.example"), false);
    check_page("127.0.0.1:7080", Some("null"), false);
    check_page("", Some("http://"), false);
}
