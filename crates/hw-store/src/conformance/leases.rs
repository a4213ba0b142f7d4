//! Leases: kept by heartbeats, over by the store's own clock.

use std::time::Duration;

use hw_job::{Ending, Fence, TaskState};

use super::{
    LEASE, Setting, change, claim_of, done, ending, job_id, lost, new_session, result, session, short, success,
    task_id, worker,
};
use crate::{ChangeRefused, ClaimedTask, HeldTask, NextState, StoreError, Verdict};

const SECOND: Duration = Duration::from_secs(1);

async fn expired(s: &Setting) -> String {
    let tasks = s.store.expired_tasks(100).await.unwrap();
    tasks.iter().map(|task| short(task.id)).collect::<Vec<_>>().join(" ")
}

fn held(claimed: &ClaimedTask) -> HeldTask {
    HeldTask {
        task: claimed.id,
        fence: claimed.fence,
    }
}

async fn beat(s: &Setting, name: &str, held: &[HeldTask]) -> Vec<Verdict> {
    s.store.heartbeat(&worker(name), held, LEASE).await.unwrap()
}

pub(crate) async fn a_lease_runs_out_at_its_end(s: &Setting) {
    s.submit_tasks(1, 1).await;
    s.claim_one("w").await;
    s.clock.pass(LEASE - Duration::from_micros(1));
    assert_eq!(expired(s).await, "");
    s.clock.pass(Duration::from_micros(1));
    assert_eq!(expired(s).await, "1/0");
}

pub(crate) async fn expired_tasks_come_oldest_first_and_limited(s: &Setting) {
    s.submit_tasks(1, 3).await;
    let first = s.claim_one("w").await;
    s.clock.pass(SECOND);
    s.claim("w", 2).await;
    s.clock.pass(SECOND);
    beat(s, "w", &[held(&first)]).await;
    s.clock.pass(LEASE);
    assert_eq!(expired(s).await, "1/1 1/2 1/0");
    assert_eq!(s.store.expired_tasks(1).await.unwrap().len(), 1);
}

pub(crate) async fn a_heartbeat_extends_the_lease(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    for _ in 0..10 {
        s.clock.pass(LEASE - SECOND);
        assert_eq!(beat(s, "w", &[held(&claimed)]).await, [Verdict::Keep]);
    }
    assert_eq!(expired(s).await, "");
}

pub(crate) async fn verdicts_come_in_the_order_of_the_question(s: &Setting) {
    s.submit_tasks(1, 3).await;
    s.submit_tasks(2, 1).await;
    let claimed = s.claim("w", 4).await;
    s.change(done(&claimed[1])).await.unwrap();
    s.store.request_cancel(job_id(2), "no").await.unwrap();
    let stale = HeldTask {
        task: claimed[2].id,
        fence: Fence(0),
    };
    let unknown = HeldTask {
        task: task_id(9, 0),
        fence: Fence(1),
    };
    let asked = [held(&claimed[3]), stale, unknown, held(&claimed[0]), held(&claimed[1])];
    let verdicts = beat(s, "w", &asked).await;
    use Verdict as V;
    assert_eq!(verdicts, [V::Cancel, V::Lost, V::Lost, V::Keep, V::Lost]);
    assert_eq!(beat(s, "another", &[held(&claimed[0])]).await, [V::Lost]);
    assert_eq!(beat(s, "w", &[]).await, []);
}

pub(crate) async fn a_heartbeat_writes_no_events(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    let before = s.last().await;
    beat(s, "w", &[held(&claimed)]).await;
    assert_eq!(s.last().await, before);
}

pub(crate) async fn a_worker_whose_end_is_asked_for_has_time_to_report(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    s.store.request_cancel(job_id(1), "no").await.unwrap();
    s.clock.pass(LEASE - SECOND);
    assert_eq!(beat(s, "w", &[held(&claimed)]).await, [Verdict::Cancel]);
    s.clock.pass(SECOND * 2);
    assert_eq!(expired(s).await, "");
}

pub(crate) async fn a_lease_that_nobody_took_away_can_be_kept(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    s.clock.pass(LEASE * 4);
    assert_eq!(expired(s).await, "1/0");
    assert_eq!(beat(s, "w", &[held(&claimed)]).await, [Verdict::Keep]);
    assert_eq!(expired(s).await, "");
    s.clock.pass(LEASE * 4);
    assert_eq!(s.change(done(&claimed)).await, Ok(TaskState::Succeeded));
}

pub(crate) async fn jumps_of_the_wall_change_nothing(s: &Setting) {
    s.join("s1").await;
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("s1").await;
    for jump in [3600, -7200, 3600] {
        s.clock.jump(jump);
        assert_eq!(expired(s).await, "");
        assert!(!s.store.list_sessions().await.unwrap()[0].expired);
        assert_eq!(s.job(1).await.age, Duration::ZERO);
    }
    s.clock.jump(-3600);
    s.clock.pass(LEASE);
    assert_eq!(expired(s).await, "1/0");
    assert_eq!(s.job(1).await.age, LEASE);
    assert_eq!(beat(s, "s1", &[held(&claimed)]).await, [Verdict::Keep]);
}

pub(crate) async fn tasks_of_an_ended_session_are_over_for_good(s: &Setting) {
    s.join("s1").await;
    s.join("s2").await;
    s.submit_tasks(1, 2).await;
    let claimed = s.claim_one("s1").await;
    s.claim_one("s2").await;
    s.store.end_session(&session("s1")).await.unwrap();
    assert_eq!(expired(s).await, "1/0");
    assert_eq!(beat(s, "s1", &[held(&claimed)]).await, [Verdict::Lost]);
    assert_eq!(expired(s).await, "1/0");
}

pub(crate) async fn tasks_of_a_session_whose_lease_is_over_are_over_too(s: &Setting) {
    s.join("s1").await;
    s.submit_tasks(1, 1).await;
    s.clock.pass(LEASE - SECOND);
    s.claim_one("s1").await;
    s.clock.pass(SECOND);
    assert_eq!(expired(s).await, "1/0");
    assert!(s.store.renew_session(&session("s1"), LEASE).await.unwrap());
    assert_eq!(expired(s).await, "");
}

pub(crate) async fn a_task_is_not_lost_while_its_lease_runs(s: &Setting) {
    s.join("s1").await;
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("s1").await;
    let taken = change(claimed.id, claimed.fence, lost(), NextState::Ready);
    let leased = Err(ChangeRefused::Leased { task: claimed.id });
    s.clock.pass(LEASE - SECOND);
    assert_eq!(s.change(taken.clone()).await, leased);
    s.clock.pass(SECOND);
    assert_eq!(expired(s).await, "1/0");
    let before = s.last().await;
    assert!(s.store.renew_session(&session("s1"), LEASE).await.unwrap());
    assert_eq!(beat(s, "s1", &[held(&claimed)]).await, [Verdict::Keep]);
    assert_eq!(
        s.change(taken.clone()).await,
        leased,
        "whoever looked before it was extended"
    );
    assert_eq!(s.last().await, before);
    s.store.end_session(&session("s1")).await.unwrap();
    assert_eq!(s.change(taken).await, Ok(TaskState::Ready), "its process is gone");
}

pub(crate) async fn a_worker_whose_session_is_over_claims_nothing(s: &Setting) {
    s.join("s1").await;
    let claim = claim_of("s1", 1);
    s.clock.pass(LEASE);
    s.clock.jump(-3600);
    assert_eq!(
        s.store.claim_tasks(&claim).await,
        Ok(Vec::new()),
        "there is nothing to refuse"
    );
    s.submit_tasks(1, 1).await;
    let before = (s.task(1, 0).await, s.last().await);
    assert_eq!(
        s.store.claim_tasks(&claim).await,
        Err(StoreError::SessionOver(worker("s1")))
    );
    assert_eq!((s.task(1, 0).await, s.last().await), before);
    assert!(s.store.claim_tasks(&claim_of("s1", 0)).await.unwrap().is_empty());
    s.store.renew_session(&session("s1"), LEASE).await.unwrap();
    assert_eq!(s.claim("s1", 1).await.len(), 1);
}

pub(crate) async fn a_worker_whose_session_is_over_finishes_nothing(s: &Setting) {
    s.join("s1").await;
    s.submit_tasks(1, 2).await;
    let claimed = s.claim("s1", 2).await;
    s.clock.pass(LEASE);
    assert_eq!(
        beat(s, "s1", &[held(&claimed[0])]).await,
        [Verdict::Keep],
        "its task is kept"
    );
    let before = (s.job(1).await.tasks, s.last().await);
    let own = [
        (success(), TaskState::Succeeded),
        (Ending::Cancelled, TaskState::Cancelled),
        (Ending::TimedOut, TaskState::TimedOut),
    ];
    for (how, to) in own {
        let report = change(claimed[0].id, claimed[0].fence, how, NextState::Settled(to));
        let refused = ChangeRefused::SessionOver {
            task: claimed[0].id,
            worker: worker("s1"),
        };
        assert_eq!(s.change(report).await, Err(refused));
    }
    assert_eq!((s.job(1).await.tasks, s.last().await), before);

    let taken = change(claimed[1].id, claimed[1].fence, lost(), NextState::Ready);
    assert_eq!(s.change(taken).await, Ok(TaskState::Ready), "others may take it away");
    s.store.start_session(new_session("s1")).await.unwrap();
    assert_eq!(s.change(done(&claimed[0])).await, Ok(TaskState::Succeeded));
    s.change(done(&claimed[1])).await.unwrap_err();
    s.clock.pass(LEASE);
    let repeated = s.change(done(&claimed[0])).await;
    assert_eq!(
        repeated,
        Ok(TaskState::Succeeded),
        "what took effect is not asked again"
    );
}

pub(crate) async fn settled_tasks_do_not_expire(s: &Setting) {
    s.submit_tasks(1, 2).await;
    let claimed = s.claim("w", 2).await;
    s.change(done(&claimed[0])).await.unwrap();
    s.store.end_job(ending(1, result())).await.unwrap();
    s.clock.pass(LEASE * 2);
    assert_eq!(expired(s).await, "");
}
