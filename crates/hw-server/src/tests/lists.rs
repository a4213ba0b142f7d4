//! Every list of the API behaves the same: pages, order, filters, and what it says to values that are wrong.

use std::time::Duration;

use hw_job::{SessionId, WorkerId};
use hw_store::{NewSession, WorkerRecord};
use serde_json::{Value, json};

use super::setting::Setting;

/// A list with at least three items: its path, and the member that tells items apart.
struct List {
    path: String,
    key: &'static str,
    /// The keys in the order in which the items were made, where the list begins with the newest.
    made: Option<Vec<String>>,
    /// Filters and how many items each leaves.
    filters: &'static [(&'static str, usize)],
    /// Filters with values that are wrong.
    wrong: &'static [&'static str],
}

/// Items are told apart by the microsecond in which they were made.
async fn tick() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

async fn tables(setting: &Setting) -> List {
    let mut made = Vec::new();
    for name in ["b", "c", "a"] {
        let body = json!({"name": name, "path": "/data"});
        setting.post("/api/v1/tables?wait=10s", body).await.ok();
        made.push(name.to_owned());
        tick().await;
    }
    List {
        path: "/api/v1/tables".to_owned(),
        key: "name",
        made: Some(made),
        filters: &[("kind=dataset", 3), ("kind=view,bucket", 0)],
        wrong: &["kind=datset"],
    }
}

fn parts() -> List {
    List {
        path: "/api/v1/tables/a/parts".to_owned(),
        key: "path",
        made: None,
        filters: &[],
        wrong: &[],
    }
}

async fn jobs(setting: &Setting) -> List {
    let mut made = Vec::new();
    for tasks in [1, 2, 3] {
        let body = json!({"kind": "work", "params": {"tasks": tasks}, "tags": ["mine"]});
        let job = setting.post("/api/v1/jobs", body).await.ok();
        made.push(job["id"].as_str().unwrap().to_owned());
        tick().await;
    }
    List {
        path: "/api/v1/jobs?tag=mine".to_owned(),
        key: "id",
        made: Some(made),
        filters: &[
            ("kind=work", 3),
            ("kind=funnel", 0),
            ("state=succeeded", 0),
            ("table=a", 0),
        ],
        wrong: &["state=runing", "table=a.b.c.d"],
    }
}

fn tasks(jobs: &List) -> List {
    List {
        path: format!("/api/v1/jobs/{}/tasks", jobs.made.as_ref().unwrap()[2]),
        key: "id",
        made: None,
        filters: &[],
        wrong: &[],
    }
}

async fn workers(setting: &Setting) -> List {
    let mut made = Vec::new();
    for (name, host, label) in [("m", "one", "gold"), ("z", "one", "tin"), ("k", "two", "gold")] {
        let session = SessionId(name.to_owned());
        let new = NewSession {
            id: session.clone(),
            role: "worker".to_owned(),
            host: host.to_owned(),
            pid: 7,
            process_start: "1".to_owned(),
            version: "0.1.0".to_owned(),
            lease: Duration::from_secs(60),
        };
        setting.store().start_session(new).await.unwrap();
        let worker = WorkerRecord {
            id: WorkerId(format!("{name}:tasks")),
            session,
            slots: 2,
            labels: vec![label.to_owned()],
            draining: name == "z",
            running: 0,
        };
        setting.store().put_worker(worker).await.unwrap();
        made.push(format!("{name}:tasks"));
        tick().await;
    }
    List {
        path: "/api/v1/workers".to_owned(),
        key: "id",
        made: Some(made),
        filters: &[
            ("host=one", 2),
            ("label=gold", 2),
            ("host=one&label=gold", 1),
            ("draining=true", 1),
            ("draining=false", 2),
        ],
        wrong: &["draining=maybe"],
    }
}

async fn tokens(setting: &Setting) -> List {
    let mut made = Vec::new();
    for (name, role) in [("q", "read"), ("r", "admin"), ("p", "read")] {
        setting
            .post("/api/v1/tokens", json!({"name": name, "role": role}))
            .await
            .ok();
        made.push(name.to_owned());
        tick().await;
    }
    List {
        path: "/api/v1/tokens".to_owned(),
        key: "name",
        made: Some(made),
        filters: &[("role=read", 2), ("role=read,admin", 3), ("role=write", 0)],
        wrong: &["role=amdin"],
    }
}

async fn all(setting: &Setting) -> Vec<List> {
    let (tables, parts, jobs) = (tables(setting).await, parts(), jobs(setting).await);
    let tasks = tasks(&jobs);
    vec![
        tables,
        parts,
        jobs,
        tasks,
        workers(setting).await,
        tokens(setting).await,
    ]
}

impl List {
    fn with(&self, query: &str) -> String {
        let sign = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{sign}{query}", self.path)
    }

    fn keys(&self, list: &Value) -> Vec<String> {
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item[self.key].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn pages_put_together_are_the_list() {
    let setting = Setting::new().await;
    for list in all(&setting).await {
        let whole = list.keys(&setting.get(&list.path).await.ok());
        assert!(whole.len() >= 3, "{}: {whole:?}", list.path);
        let (mut pages, mut query) = (Vec::new(), "limit=1".to_owned());
        loop {
            let page = setting.get(&list.with(&query)).await.ok();
            let keys = list.keys(&page);
            assert_eq!(keys.len(), 1, "{}", list.path);
            pages.extend(keys);
            match page["next"].as_str() {
                Some(next) => query = format!("limit=1&page={next}"),
                None => break,
            }
        }
        assert_eq!(pages, whole, "{}", list.path);
    }
}

#[tokio::test]
async fn the_newest_come_first() {
    let setting = Setting::new().await;
    for list in all(&setting).await {
        let Some(made) = &list.made else { continue };
        let newest_first: Vec<String> = made.iter().rev().cloned().collect();
        assert_eq!(
            list.keys(&setting.get(&list.path).await.ok()),
            newest_first,
            "{}",
            list.path
        );
    }
}

#[tokio::test]
async fn an_item_that_goes_makes_no_page_skip_another() {
    let setting = Setting::new().await;
    let list = tokens(&setting).await;
    let first = setting.get(&list.with("limit=2")).await.ok();
    assert_eq!(list.keys(&first), ["p", "r"]);
    setting.delete("/api/v1/tokens/r").await;
    let next = first["next"].as_str().unwrap();
    let second = setting.get(&list.with(&format!("limit=2&page={next}"))).await.ok();
    assert_eq!((list.keys(&second), second.get("next")), (vec!["q".to_owned()], None));
}

#[tokio::test]
async fn filters_leave_what_they_name() {
    let setting = Setting::new().await;
    for list in all(&setting).await {
        for (filter, count) in list.filters {
            let found = list.keys(&setting.get(&list.with(filter)).await.ok());
            assert_eq!(found.len(), *count, "{} {filter}: {found:?}", list.path);
        }
    }
}

#[tokio::test]
async fn wrong_values_are_findings() {
    let setting = Setting::new().await;
    let everywhere = ["limit=0", "limit=1001", "limit=many", "limt=3", "page=xyz"];
    for list in all(&setting).await {
        for query in everywhere.iter().chain(list.wrong) {
            let reply = setting.get(&list.with(query)).await;
            let problem = reply.problem();
            assert_eq!(
                (problem.status, problem.code.as_str()),
                (422, "HW-A003"),
                "{} {query}",
                list.path
            );
            assert_eq!(problem.errors.len(), 1, "{} {query}: {}", list.path, reply.text);
        }
        // All of it at once.
        let problem = setting.get(&list.with("limit=0&limt=3")).await.problem();
        assert_eq!(problem.errors.len(), 2, "{}", list.path);
    }
}

/// The log is read from a place on rather than by pages, the oldest first.
#[tokio::test]
async fn events_are_a_list_with_a_place() {
    let setting = Setting::new().await;
    jobs(&setting).await;
    let seqs = async |query: &str| -> Vec<u64> {
        let reply = setting.get(&format!("/api/v1/events?{query}")).await;
        reply
            .lines()
            .iter()
            .map(|event| event["seq"].as_u64().unwrap())
            .collect()
    };
    let whole = seqs("kind=job").await;
    assert!(whole.len() >= 3 && whole.is_sorted(), "{whole:?}");
    let first = seqs("kind=job&limit=2").await;
    assert_eq!(first, whole[..2]);
    assert_eq!(seqs(&format!("kind=job&since={}", first[1])).await, whole[2..]);
    assert_eq!(seqs("kind=job&limit=1&follow=true&since=0").await, whole[..1]);
    for query in ["limit=0", "limit=x", "since=-1", "kind=jb", "page=1"] {
        let problem = setting.get(&format!("/api/v1/events?{query}")).await.problem();
        assert_eq!((problem.code.as_str(), problem.errors.len()), ("HW-A003", 1), "{query}");
    }
}
