use expect_test::expect;

use super::Setup;

#[test]
fn every_kind_is_read_from_text() {
    let setup = Setup::new()
        .variable("HEADWATER_THREADS", " 4 ")
        .variable("HEADWATER_CACHE__RESULTS", "Off")
        .variable("HEADWATER_RETRY__JITTER", "0.5")
        .variable("HEADWATER_HTTP__HOSTS", "a.example, b.example")
        .variable("HEADWATER_FILES__ALLOW", r#"["/data/a,b", "s3://x/"]"#)
        .variable("HEADWATER_HTTP__LISTEN", "localhost:0")
        .variable("HEADWATER_LOG__LEVEL", "");
    let config = setup.load().unwrap().config;
    assert_eq!(config.threads, Some(4));
    assert!(!config.cache.results);
    assert!((config.retry.jitter - 0.5).abs() < f64::EPSILON);
    assert_eq!(config.http.hosts, ["a.example", "b.example"]);
    assert_eq!(config.files.allow, ["/data/a,b", "s3://x/"]);
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:0");
    assert_eq!(config.log.level, "info");
}

#[test]
fn misspelt_variables_are_faults_and_foreign_ones_are_told() {
    let setup = Setup::new()
        .variable("HEADWATER_HTTP_LISTEN", "127.0.0.1:0")
        .variable("HEADWATER_THREAD", "4")
        .variable("HEADWATER_BANANA__PEEL", "1")
        .variable("HEADWATER_JOBS__TIMEOUT", "30");
    expect![[r#"
        HW-C006 `HEADWATER_HTTP_LISTEN` names no setting (did you mean `HEADWATER_HTTP__LISTEN`?)
        HW-C006 `HEADWATER_THREAD` names no setting (did you mean `HEADWATER_THREADS`?)
        HW-C006 `HEADWATER_BANANA__PEEL` names no setting (write HEADWATER_ and the key in capitals, its dots as two underscores)
        HW-C003 `jobs.timeout` needs a unit, in `HEADWATER_JOBS__TIMEOUT` (write `"30s"`)"#]]
    .assert_eq(&setup.faults());
    let foreign = Setup::new()
        .variable("HEADWATER_PORT_7080_TCP_ADDR", "10.0.0.1")
        .variable("HEADWATER_SERVER", "http://x")
        .variable("HEADWATER_DATA_DIR", "/x");
    assert_eq!(
        foreign.load().unwrap().notices,
        ["`HEADWATER_PORT_7080_TCP_ADDR` names no setting and has no effect"]
    );
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let setup = Setup::new().file("key", "s3cret\n");
    let path = setup.path("key");
    let setup = setup.variable("HEADWATER_S3__SECRET_ACCESS_KEY_FILE", &path);
    assert_eq!(
        setup.show("s3.secret_access_key"),
        r#""***" from HEADWATER_S3__SECRET_ACCESS_KEY_FILE"#
    );
    let loaded = setup.load().unwrap();
    assert_eq!(loaded.config.s3.secret_access_key.as_deref(), Some("s3cret"));
    assert!(!format!("{:?}", loaded.config).contains("s3cret"));
    assert!(
        loaded
            .store_options
            .contains(&("AWS_SECRET_ACCESS_KEY".to_owned(), "s3cret".to_owned()))
    );
}

#[test]
fn a_secret_is_given_once_and_readably() {
    let setup = Setup::new()
        .variable("HEADWATER_S3__SECRET_ACCESS_KEY", "a")
        .variable("HEADWATER_S3__SECRET_ACCESS_KEY_FILE", "/x");
    expect!["HW-C007 `HEADWATER_S3__SECRET_ACCESS_KEY_FILE`: HEADWATER_S3__SECRET_ACCESS_KEY is set, too (give the secret once: in the variable, or in a file that only you can read)"]
        .assert_eq(&setup.faults());
    let setup = Setup::new().variable("HEADWATER_S3__SECRET_ACCESS_KEY_FILE", "/does/not/exist");
    assert!(setup.faults().contains("cannot be read"));
    let setup = Setup::new().variable("HEADWATER_S3__SECRET_ACCESS_KEY", "  ");
    expect!["HW-C002 `s3.secret_access_key` must be a text, found `***` in `HEADWATER_S3__SECRET_ACCESS_KEY` (write a text that is not empty)"]
        .assert_eq(&setup.faults());
}

#[test]
fn store_options_of_the_environment_are_passed_on_and_settings_win() {
    let setup = Setup::new()
        .variable("AWS_REGION", "eu-west-1")
        .variable("PATH", "/bin")
        .variable("HEADWATER_S3__REGION", "eu-central-1");
    let options = setup.load().unwrap().store_options;
    assert_eq!(
        options,
        [
            ("AWS_REGION".to_owned(), "eu-west-1".to_owned()),
            ("AWS_REGION".to_owned(), "eu-central-1".to_owned())
        ]
    );
}

#[test]
fn funnel_rockets_names_are_aliases_and_ours_win() {
    let setup = Setup::new()
        .variable("FROCKET_INVOKER_RUN_TIMEOUT", "60")
        .variable("FROCKET_INVOKER_RETRY_MAX_ATTEMPTS", "5")
        .variable("FROCKET_INVOKER_RETRY_LOST_INTERVAL", "2.5")
        .variable("HEADWATER_RETRY__COUNTED_MAX", "7")
        .variable("FROCKET_LOG_LEVEL", "WARNING")
        .variable("FROCKET_S3_AWS_REGION", "us-east-1");
    assert_eq!(setup.show("jobs.timeout"), r#""60s" from FROCKET_INVOKER_RUN_TIMEOUT"#);
    assert_eq!(setup.show("retry.counted_max"), "7 from HEADWATER_RETRY__COUNTED_MAX");
    assert_eq!(
        setup.show("worker.lease"),
        r#""2.5s" from FROCKET_INVOKER_RETRY_LOST_INTERVAL"#
    );
    assert_eq!(setup.show("log.level"), r#""warn" from FROCKET_LOG_LEVEL"#);
    let cache = |size: &str| Setup::new().variable("FROCKET_WORKER_DISK_CACHE_SIZE_MB", size);
    for (size, bytes) in [("256", 256 << 20), ("0.5", 512 << 10), ("0", 0)] {
        assert_eq!(cache(size).load().unwrap().config.cache.disk.of(1000), bytes, "{size}");
    }
    let told = cache("lots").faults();
    assert!(
        told.starts_with("HW-C002 `cache.disk` must be a number of megabytes, found `lots`"),
        "{told}"
    );
    assert_eq!(setup.show("s3.region"), r#""us-east-1" from FROCKET_S3_AWS_REGION"#);
    let setup = Setup::new()
        .variable("FROCKET_METRICS_BUCKETS_SECONDS", "0.1, 0.5")
        .variable("FROCKET_METRICS_BUCKETS_BYTES", "1024")
        .variable("FROCKET_METRICS_BUCKETS_ROWS", "[10, 100]")
        .variable("FROCKET_METRICS_BUCKETS_GROUPS", "10,100")
        .variable("FROCKET_STATS_TIMING_PERCENTILES", "0.1,0.999")
        .variable("FROCKET_METRICS_EXPORT_LASTRUN", "last.parquet")
        .variable("FROCKET_APISERVER_PRETTYPRINT", "true")
        .variable("FROCKET_LOG_FILE", "x.log");
    let loaded = setup.load().unwrap();
    assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
    let buckets = &loaded.config.metrics.buckets;
    assert_eq!((&buckets.seconds, &buckets.bytes), (&vec![0.1, 0.5], &vec![1024.0]));
    assert_eq!(
        (&buckets.rows, &buckets.groups),
        (&vec![10.0, 100.0], &vec![10.0, 100.0])
    );
    assert_eq!(loaded.config.funnel.stats_percentiles, [0.1, 0.999]);
    assert_eq!(loaded.config.metrics.export_lastrun, Some("last.parquet".into()));
    assert_eq!(loaded.config.log.file, Some("x.log".into()));
    assert!(loaded.config.compat.pretty_print);
    let faults = |name: &str, value: &str| Setup::new().variable(name, value).faults();
    for wrong in ["0.5, 0.5", "2, 1", "0, 1", "a", "0.5, 1.5", "0.5;0.6"] {
        let told = faults("FROCKET_STATS_TIMING_PERCENTILES", wrong);
        let expected = "HW-C002 `funnel.stats_percentiles` must be ascending numbers above 0 and up to 1";
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn funnel_rockets_other_names_are_told_to_be_without_effect() {
    let setup = Setup::new()
        .variable("FROCKET_REDIS_HOST", "redis")
        .variable("FROCKET_LAMBDA_AWS_REGION", "x")
        .variable("FROCKET_REDIS_HOTS", "redis")
        .variable("FROCKET_SOMETHING_ELSE_ENTIRELY", "x");
    expect![[r#"
        `FROCKET_REDIS_HOST` has no effect: the store is SQLite in the data folder, or Postgres (`store.url`)
        `FROCKET_LAMBDA_AWS_REGION` has no effect: object stores are shared by all parts; use the names without the prefix
        `FROCKET_REDIS_HOTS` is no name of Funnel Rocket's and has no effect; did you mean `FROCKET_REDIS_HOST`?
        `FROCKET_SOMETHING_ELSE_ENTIRELY` is no name of Funnel Rocket's and has no effect"#]]
    .assert_eq(&setup.load().unwrap().notices.join("\n"));
    let bad = Setup::new().variable("FROCKET_INVOKER_RUN_TIMEOUT", "soon");
    expect![[r#"HW-C002 `jobs.timeout` must be a number of seconds, found `soon` in `FROCKET_INVOKER_RUN_TIMEOUT` (write for instance `30`)"#]]
        .assert_eq(&bad.faults());
}

#[test]
fn wrong_values_of_names_without_effect_are_faults_all_the_same() {
    let check = |name: &str, value: &str, good: &str| {
        let faults = Setup::new().variable(name, value).faults();
        assert!(
            faults.contains(name) && faults.starts_with("HW-C002"),
            "{name}={value}: {faults}"
        );
        let notices = Setup::new().variable(name, good).load().unwrap().notices;
        assert!(
            notices.len() == 1 && notices[0].contains(name),
            "{name}={good}: {notices:?}"
        );
    };
    check("FROCKET_REDIS_PORT", "x", "6379");
    check("FROCKET_PART_SELECTION_MODE", "server", "worker");
    check("FROCKET_WORKER_SELF_SELECT_ENABLED", "maybe", "true");
    check("FROCKET_PART_SELECTION_PREFLIGHT_MS", "-1", "200");
    check("FROCKET_METRICS_BUCKETS_DOLLARS", "0.1;0.5", "0.1, 0.5");
    check("FROCKET_INVOKER", "lambda", "aws_lambda");
}

#[test]
fn switches_of_funnel_rockets_server_are_ours() {
    let setup = Setup::new()
        .variable("FROCKET_APISERVER_ADMIN_ACTIONS", "False")
        .variable("FROCKET_APISERVER_ERROR_DETAILS", "false")
        .variable("FROCKET_UNREGISTER_LAST_USED_INTERVAL", "0")
        .variable("APISERVER_PORT", "5000");
    assert_eq!(
        setup.show("compat.admin_actions"),
        "false from FROCKET_APISERVER_ADMIN_ACTIONS"
    );
    assert_eq!(
        setup.show("compat.error_details"),
        "false from FROCKET_APISERVER_ERROR_DETAILS"
    );
    assert_eq!(
        setup.show("tables.unregister_guard"),
        r#""0s" from FROCKET_UNREGISTER_LAST_USED_INTERVAL"#
    );
    assert_eq!(setup.show("http.listen"), r#""127.0.0.1:5000" from APISERVER_PORT"#);
    // Kubernetes gives this name to other things, too.
    let foreign = Setup::new().variable("APISERVER_PORT", "tcp://10.0.0.1:443");
    assert_eq!(
        foreign.load().unwrap().notices,
        ["`APISERVER_PORT` has no effect: `tcp://10.0.0.1:443` is no port"]
    );
}
