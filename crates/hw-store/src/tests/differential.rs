//! The same random calls on two stores must give the same answers and the same events: the one in memory, and another.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use expect_test::expect;
use hw_catalog::{TableName, TableVersion};
use hw_job::{
    CatalogChange, Ending, ErrorClass, EventKind, EventSeq, Failure, Fence, JobEnding, JobState, NewEvent,
    StoredDocument, TaskId, TaskState, Work,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::{in_memory, on_sqlite};
use crate::conformance::*;
use crate::{
    AddTasks, Claim, EventFilter, HeldTask, IdempotencyKey, JobFilter, ListenFrom, NewJob, NextState, PageRequest,
    Retention, Role, Slot, TaskChange, TaskWork, TokenRecord,
};

const STEPS: usize = 250;
const JOBS: u64 = 12;

/// Seeds for the store on Postgres, where each call crosses to a server: with these few, everything happens too.
const POSTGRES_SEEDS: [u64; 6] = [0, 1, 2, 18, 29, 31];

#[test]
fn both_stores_answer_alike() {
    let mut seen = BTreeSet::new();
    for seed in 0..32 {
        seen.extend(run(seed, on_sqlite));
    }
    // The calls must be such that everything happens.
    expect!["job.submitted job.started job.finishing job.cancel_requested job.ended task.ready task.started task.retry task.cancel_requested task.ended task.blocked task.unblocked task.late table.created table.changed table.dropped worker.joined worker.left hook.called"].assert_eq(&names(seen));
}

#[test]
fn both_stores_answer_alike_today() {
    let seed = seed_of_today();
    for offset in 0..4 {
        run(seed.wrapping_mul(31).wrapping_add(offset), on_sqlite);
    }
}

#[test]
fn postgres_answers_alike() {
    if super::server::shared().is_none() {
        return;
    }
    let mut seen = BTreeSet::new();
    for seed in POSTGRES_SEEDS {
        seen.extend(run(seed, on_some_postgres));
    }
    expect!["job.submitted job.started job.finishing job.cancel_requested job.ended task.ready task.started task.retry task.cancel_requested task.ended task.blocked task.unblocked task.late table.created table.changed table.dropped worker.joined worker.left hook.called"].assert_eq(&names(seen));
}

#[test]
fn postgres_answers_alike_today() {
    if super::server::shared().is_some() {
        run(seed_of_today(), on_some_postgres);
    }
}

async fn on_some_postgres() -> Setting {
    super::on_postgres().await.unwrap()
}

fn names(kinds: BTreeSet<EventKind>) -> String {
    kinds.into_iter().map(EventKind::as_str).collect::<Vec<_>>().join(" ")
}

fn seed_of_today() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    println!("seed {}", now.as_secs());
    now.as_secs()
}

/// Makes calls from a seed; returns what happened.
fn run<F: Future<Output = Setting>>(seed: u64, other: impl FnOnce() -> F) -> BTreeSet<EventKind> {
    let mut seen = BTreeSet::new();
    block_on(async {
        let memory = in_memory().await;
        let other = other().await;
        let mut twin = Twin {
            seed,
            step: 0,
            random: StdRng::seed_from_u64(seed),
            memory,
            other,
            claimed: Vec::new(),
        };
        for step in 0..STEPS {
            twin.step = step;
            twin.step().await;
            if step % 10 == 9 {
                twin.compare_everything().await;
                seen.extend(twin.memory.events().await.iter().map(|event| event.kind));
            }
        }
    });
    seen
}

struct Twin {
    seed: u64,
    step: usize,
    random: StdRng,
    memory: Setting,
    other: Setting,
    /// Tasks with the fences under which they were claimed, and by whom.
    claimed: Vec<(TaskId, Fence, String)>,
}

/// Asks both stores the same and compares the answers.
macro_rules! both {
    ($twin:expr, $method:ident ( $($argument:expr),* )) => {{
        let memory = $twin.memory.store.$method($($argument),*).await;
        let other = $twin.other.store.$method($($argument),*).await;
        $twin.same(stringify!($method), &memory, &other);
        memory
    }};
}

impl Twin {
    fn same<T: Debug>(&self, what: &str, memory: &T, other: &T) {
        let (memory, other) = (format!("{memory:#?}"), format!("{other:#?}"));
        assert!(
            memory == other,
            "seed {}, step {}, {what}\nmemory: {memory}\n{}: {other}",
            self.seed,
            self.step,
            self.other.store.backend(),
        );
    }

    fn chance(&mut self, share: f64) -> bool {
        self.random.random_bool(share)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random.random_range(0..end)
    }

    fn name(&mut self, prefix: &str, count: u64) -> String {
        format!("{prefix}{}", self.below(count))
    }

    async fn step(&mut self) {
        match self.below(32) {
            0..=4 => self.submit().await,
            5..=9 => self.claim().await,
            10..=14 => self.report().await,
            15 => self.heartbeat().await,
            16..=18 => self.pass_time().await,
            19 => self.end_job().await,
            20 => self.add_tasks().await,
            21 => self.touch_job().await,
            22 | 31 => self.sessions().await,
            23 => self.files().await,
            24 => self.tokens_and_events().await,
            30 => self.listeners().await,
            25 => self.catalog().await,
            26 => self.prune().await,
            27 => self.requeue().await,
            28 => self.look_up().await,
            _ => self.wake().await,
        }
    }

    fn spec(&mut self, index: u64) -> hw_job::TaskSpec {
        let mut spec = of_flow(&self.name("flow", 3));
        spec.kind = self.name("kind", 2);
        spec.format = u32::try_from(1 + self.below(2)).unwrap();
        spec.needs.cpu_milli = u32::try_from(500 * (1 + self.below(4))).unwrap();
        spec.needs.memory_bytes = self.below(1000);
        if self.chance(0.2) {
            spec.needs.labels = vec![self.name("label", 2)];
        }
        if self.chance(0.1) {
            spec.needs.gpu = 1;
        }
        if self.chance(0.3) {
            spec.affinity = vec![self.name("part", 4)];
        }
        if index > 0 && self.chance(0.3) {
            spec.after = (0..1 + self.below(2))
                .map(|_| u32::try_from(self.below(index)).unwrap())
                .collect();
        }
        spec
    }

    async fn submit(&mut self) {
        let number = self.below(JOBS);
        let tasks = self.below(6);
        let tasks = (0..tasks).map(|index| self.spec(index)).collect();
        let mut job = NewJob {
            priority: if self.chance(0.2) { 50 } else { 100 },
            owner: session(&self.name("s", 3)),
            tags: vec![self.name("tag", 3)],
            fingerprint: Some(self.name("print", 3)),
            ..new_job(number, tasks)
        };
        if self.chance(0.1) {
            job.not_before = Some(due(self.below(30)));
        }
        if self.chance(0.3) {
            job.idempotency = Some(IdempotencyKey {
                key: self.name("key", 3),
                request: self.name("request", 2),
            });
        }
        if self.chance(0.4) {
            job.reads = vec![(
                TableName::in_main(&self.name("t", 3)).unwrap(),
                TableVersion(1 + self.below(3)),
            )];
        }
        let _ = both!(self, submit_job(job.clone()));
    }

    async fn claim(&mut self) {
        let name = self.name("w", 3);
        let claim = Claim {
            kinds: vec![
                ("kind0".to_owned(), 2),
                ("kind1".to_owned(), u32::try_from(1 + self.below(2)).unwrap()),
            ],
            slot: Slot {
                tasks: u32::try_from(self.below(5)).unwrap(),
                cpu_milli: 4000,
                memory_bytes: 2000,
                scarce: hw_job::Scarce {
                    gpu: 1,
                    ..hw_job::Scarce::default()
                },
                labels: vec!["label0".to_owned()],
            },
            owner: if self.chance(0.3) {
                Some(session(&self.name("s", 3)))
            } else {
                None
            },
            holds: if self.chance(0.4) {
                vec![self.name("part", 4)]
            } else {
                Vec::new()
            },
            ..claim_of(&name, 1)
        };
        let claimed = both!(self, claim_tasks(&claim)).unwrap_or_default();
        self.claimed
            .extend(claimed.into_iter().map(|task| (task.id, task.fence, name.clone())));
    }

    fn change(&mut self) -> Option<TaskChange> {
        let (task, fence, _) = self.claimed.choose(&mut self.random).cloned()?;
        let fence = if self.chance(0.05) { Fence(fence.0 + 1) } else { fence };
        let document = if self.chance(0.3) {
            StoredDocument::File {
                path: self.name("outcome", 20),
                media_type: "application/json".to_owned(),
                bytes: 7,
                checksum: "00".to_owned(),
            }
        } else {
            StoredDocument::Inline(json!({ "rows": self.below(1000), "share": 0.25 }))
        };
        let class =
            [ErrorClass::Internal, ErrorClass::Platform, ErrorClass::Data][usize::try_from(self.below(3)).unwrap()];
        let ending = match self.below(10) {
            0..=4 => Ending::Succeeded(document),
            5 => Ending::Failed(Failure::new(class, "HW-J000", "boom").help("none")),
            6 => Ending::Cancelled,
            7 => Ending::TimedOut,
            8 => Ending::Lost { worker_died: true },
            _ => Ending::Preempted,
        };
        let next = match (&ending, self.below(10)) {
            (Ending::Succeeded(_), 0..=8) => NextState::Settled(TaskState::Succeeded),
            (_, 0..=3) => NextState::Ready,
            (_, 4..=6) => NextState::RetryAfter(Duration::from_secs(self.below(20))),
            (_, 7) => NextState::Settled(TaskState::Failed),
            (_, 8) => NextState::Settled(TaskState::Quarantined),
            _ => NextState::Settled(TaskState::ALL[usize::try_from(self.below(13)).unwrap()]),
        };
        let files = if self.chance(0.2) {
            vec![self.name("result", 40)]
        } else {
            Vec::new()
        };
        let work = self.chance(0.3).then(|| self.work());
        Some(TaskChange {
            files,
            work,
            ..change(task, fence, ending, next)
        })
    }

    fn work(&mut self) -> Work {
        Work {
            rows: self.below(1000),
            bytes: self.below(1000),
        }
    }

    async fn tell_work(&mut self) {
        let work = self.work();
        let held = self.claimed.iter().rev().take(6);
        let done: Vec<TaskWork> = held
            .map(|(task, fence, _)| TaskWork {
                task: *task,
                fence: *fence,
                work,
            })
            .collect();
        let _ = both!(self, note_work(&done));
    }

    async fn report(&mut self) {
        let count = 1 + self.below(4);
        let changes: Vec<TaskChange> = (0..count).filter_map(|_| self.change()).collect();
        if self.chance(0.8) {
            let files: Vec<String> = changes.iter().flat_map(|change| change.files.clone()).collect();
            let _ = both!(self, announce_files("owner", &files));
        }
        let _ = both!(self, change_tasks(changes.clone()));
    }

    async fn heartbeat(&mut self) {
        let name = self.name("w", 3);
        let held = self.claimed.iter().rev().take(6);
        let held: Vec<HeldTask> = held
            .map(|(task, fence, _)| HeldTask {
                task: *task,
                fence: *fence,
            })
            .collect();
        let _ = both!(self, heartbeat(&worker(&name), &held, LEASE));
        self.tell_work().await;
    }

    async fn pass_time(&mut self) {
        let time = Duration::from_millis(self.below(12_000));
        let jump = if self.chance(0.3) {
            i64::try_from(self.below(7200)).unwrap() - 3600
        } else {
            0
        };
        for setting in [&self.memory, &self.other] {
            setting.clock.pass(time);
            setting.clock.jump(jump);
        }
        let limit = u32::try_from(1 + self.below(5)).unwrap();
        let _ = both!(self, expired_tasks(limit));
    }

    async fn wake(&mut self) {
        let limit = u32::try_from(1 + self.below(3)).unwrap();
        let _ = both!(self, wake_due_tasks(limit));
        if self.chance(0.1) {
            let task = task_id(self.below(JOBS), u32::try_from(self.below(4)).unwrap());
            let _ = both!(self, cancel_task(task, "not needed"));
        }
    }

    async fn end_job(&mut self) {
        let number = self.below(JOBS);
        let how = match self.below(4) {
            0..=1 => result(),
            2 => JobEnding::Failed(Failure::new(ErrorClass::Data, "HW-J000", "no")),
            _ => JobEnding::Cancelled {
                reason: "asked".to_owned(),
            },
        };
        let mut end = ending(number, how);
        for _ in 0..self.below(3) {
            let name = TableName::in_main(&self.name("t", 3)).unwrap();
            let there = self.memory.store.load_table(&name).await.unwrap();
            let there = there.map(|table| table.version);
            end.changes.push(if self.chance(0.6) {
                let expected = match self.below(6) {
                    0 => Some(there.unwrap_or(TableVersion(0))),
                    1 if self.chance(0.3) => Some(TableVersion(self.below(4))),
                    _ => None,
                };
                CatalogChange::Put {
                    table: Box::new(table(&name)),
                    parts: vec![part("b", self.below(100)), part("a", 1)],
                    expected,
                }
            } else {
                let version = match there {
                    Some(version) if self.chance(0.8) => version,
                    _ => TableVersion(self.below(4)),
                };
                CatalogChange::Drop { name, version }
            });
        }
        end.files = vec![self.name("result", 40)];
        if self.chance(0.8) {
            let _ = both!(self, announce_files("owner", &end.files));
        }
        let _ = both!(self, end_job(end.clone()));
    }

    async fn add_tasks(&mut self) {
        let number = self.below(JOBS);
        let job = self.memory.store.load_job(job_id(number)).await.unwrap();
        let first_index = job.map_or(0, |job| job.tasks.total()) + u32::from(self.chance(0.1));
        let tasks = self.below(3);
        let tasks = (0..tasks)
            .map(|index| self.spec(index + u64::from(first_index)))
            .collect();
        let add = AddTasks {
            job: job_id(number),
            first_index,
            tasks,
        };
        let _ = both!(self, add_tasks(add.clone()));
    }

    async fn touch_job(&mut self) {
        let job = job_id(self.below(JOBS));
        match self.below(4) {
            0 => drop(both!(self, request_cancel(job, "enough"))),
            1 => drop(both!(self, finish_job(job))),
            _ => {
                let (from, to) = (session(&self.name("s", 3)), session(&self.name("s", 3)));
                let from = if self.chance(0.7) { Some(&from) } else { None };
                let _ = both!(self, adopt_job(job, from, &to));
            }
        }
    }

    async fn sessions(&mut self) {
        let name = self.name("s", 3);
        match self.below(5) {
            0..=1 => drop(both!(self, start_session(new_session(&name)))),
            2 => drop(both!(self, renew_session(&session(&name), LEASE))),
            3 => drop(both!(self, end_session(&session(&name)))),
            _ => {
                let of = self.name("s", 3);
                let name = self.name("w", 3);
                let _ = both!(self, put_worker(new_worker(&name, &of)));
            }
        }
    }

    async fn files(&mut self) {
        let paths = [self.name("file", 5), self.name("file", 5)];
        match self.below(6) {
            0..=1 => drop(both!(self, announce_files("owner", &paths))),
            5 => {
                let condemned = both!(self, condemn_files(5, 3)).unwrap();
                if self.chance(0.8) {
                    let _ = both!(self, forget_files(&condemned));
                }
            }
            2 => drop(both!(self, confirm_files(&paths))),
            3 => drop(both!(self, release_files(&paths))),
            _ => drop(both!(self, forget_files(&paths))),
        }
        let _ = both!(self, unreferenced_files(5, 3));
    }

    async fn tokens_and_events(&mut self) {
        let name = self.name("token", 3);
        let token = TokenRecord {
            hash: format!("hash of {name}"),
            name: name.clone(),
            role: Role::Write,
            created_at: hw_job::Timestamp(1),
            expires_at: None,
        };
        match self.below(4) {
            0 => drop(both!(self, create_token(token.clone()))),
            1 => drop(both!(self, drop_token(&name))),
            2 => drop(both!(self, find_token(&token.hash))),
            _ => {
                let event = NewEvent {
                    kind: EventKind::HookCalled,
                    subject: name,
                    job: None,
                    data: json!({ "n": 1.5, "text": "a\u{0}b\"'\n" }),
                };
                let _ = both!(self, append_events(vec![event.clone(), event.clone()]));
            }
        }
    }

    async fn listeners(&mut self) {
        let name = self.name("listener", 3);
        let seq = EventSeq(self.below(60));
        match self.below(6) {
            0 => drop(both!(self, register_listener(&name, ListenFrom::Oldest))),
            1 => drop(both!(self, register_listener(&name, ListenFrom::After(seq)))),
            2 => drop(both!(self, drop_listener(&name))),
            3 => drop(both!(self, advance_listener(&name, seq))),
            _ => {
                let filter = EventFilter {
                    kinds: if self.chance(0.5) {
                        vec![EventKind::TaskStarted]
                    } else {
                        Vec::new()
                    },
                    job: if self.chance(0.2) {
                        Some(job_id(self.below(JOBS)))
                    } else {
                        None
                    },
                    subject: None,
                };
                let limit = u32::try_from(self.below(20)).unwrap();
                let heard = both!(self, hear_events(&name, limit, &filter));
                if let Ok(Some(heard)) = heard {
                    let _ = both!(self, advance_listener(&name, heard.upto));
                }
            }
        }
    }

    async fn catalog(&mut self) {
        let name = TableName::in_main(&self.name("t", 3)).unwrap();
        let _ = both!(self, touch_tables(std::slice::from_ref(&name)));
        let _ = both!(self, table_use(&name));
        let version = TableVersion(self.below(4));
        let _ = both!(self, load_parts(&name, version));
    }

    async fn prune(&mut self) {
        let limits = Retention {
            jobs: Duration::from_secs(40),
            results: Duration::from_secs(15),
            events: Duration::from_secs(60),
        };
        let _ = both!(self, prune(&limits));
    }

    async fn requeue(&mut self) {
        if let Some((task, _, _)) = self.claimed.choose(&mut self.random).cloned() {
            let _ = both!(self, requeue_task(task));
        }
    }

    async fn look_up(&mut self) {
        let print = self.name("print", 3);
        let _ = both!(self, find_result("test", &print));
        let whole = job_id(self.below(JOBS)).to_string();
        let tail = &whole[whole.len() - usize::try_from(1 + self.below(4)).unwrap()..];
        let _ = both!(self, find_jobs(tail, 5));
        let _ = both!(self, find_jobs(&whole[..10], 5));
        let filter = JobFilter {
            states: if self.chance(0.5) {
                vec![JobState::Queued, JobState::Succeeded]
            } else {
                Vec::new()
            },
            table: if self.chance(0.3) {
                Some(TableName::in_main("t0").unwrap())
            } else {
                None
            },
            tag: if self.chance(0.3) {
                Some("tag1".to_owned())
            } else {
                None
            },
            owner: if self.chance(0.3) { Some(session("s1")) } else { None },
            unsettled: self.chance(0.4),
            ..JobFilter::default()
        };
        let mut page = PageRequest { limit: 2, after: None };
        while let Some(next) = both!(self, list_jobs(&filter, &page)).unwrap().next {
            page.after = Some(next);
        }
    }

    async fn compare_everything(&mut self) {
        let page = PageRequest {
            limit: 1000,
            after: None,
        };
        let jobs = both!(self, list_jobs(&JobFilter::default(), &page)).unwrap();
        for job in &jobs.items {
            let _ = both!(self, load_job(job.id));
            let _ = both!(self, load_tasks(job.id));
            let _ = both!(self, load_attempts(job.id));
            let _ = both!(self, queue_length(Some(job.id)));
        }
        let _ = both!(self, queue_length(None));
        let _ = both!(self, read_events(EventSeq(0), 100_000, &EventFilter::default()));
        let _ = both!(self, last_event());
        let _ = both!(self, oldest_event());
        let _ = both!(self, list_tables());
        let _ = both!(self, list_sessions());
        let _ = both!(self, list_listeners());
        let _ = both!(self, list_workers());
        let _ = both!(self, list_tokens());
        let _ = both!(self, unreferenced_files(0, 1000));
    }
}
