//! What a simulated job is to do. A plan follows from its number, so that parameters hold nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hw_catalog::TableName;
use hw_job::{ErrorClass, Lifetime};

use crate::chance::Chance;

/// Tables that simulated jobs fight for.
pub(crate) const TABLES: [&str; 3] = ["t0", "t1", "t2"];

/// A job as the simulation knows it beforehand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) number: u32,
    pub(crate) lifetime: Lifetime,
    /// Tasks by stage; a stage begins when all tasks before it have succeeded.
    pub(crate) stages: Vec<Vec<TaskPlan>>,
    pub(crate) merge_fails: bool,
    pub(crate) table: Option<TableMove>,
    pub(crate) timeout: Option<Duration>,
    /// It must not start for so long.
    pub(crate) delay: Option<Duration>,
    /// It must have ended after so long.
    pub(crate) deadline: Option<Duration>,
    /// Whether its documents are kept in files.
    pub(crate) large: bool,
    /// Whether a finished job of this plan may answer for another.
    pub(crate) answers: bool,
}

/// What a job's success does to a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TableMove {
    Put(TableName),
    Drop(TableName),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskPlan {
    pub(crate) value: u64,
    /// How the attempts end, by their number; the last one repeats.
    pub(crate) script: Vec<Act>,
    pub(crate) after: Vec<u32>,
}

/// What a worker does about a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Succeed,
    Fail(ErrorClass),
    /// It never comes to an end.
    Hang,
}

/// The plans used so far.
#[derive(Debug, Default)]
pub(crate) struct Plans(Mutex<BTreeMap<u32, Arc<Plan>>>);

impl Plans {
    pub(crate) fn plan(&self, number: u32) -> Arc<Plan> {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(Plan::new(number));
        plans.entry(number).or_insert_with(made).clone()
    }
}

impl Plan {
    fn new(number: u32) -> Self {
        let mut chance = Chance::new(u64::from(number));
        let timeout = chance.one_in(5).then(|| Duration::from_secs(1 + chance.below(60)));
        let stage_count = [0, 1, 1, 1, 1, 1, 2, 2, 2, 3]
            .into_iter()
            .nth(usize::from(chance.small(10)));
        let mut task_count = 0;
        let stages = (0..stage_count.unwrap_or(1)).map(|_| {
            let tasks = 1 + chance.below(4);
            let tasks = (0..tasks).map(|_| {
                task_count += 1;
                task_plan(&mut chance, task_count - 1, timeout.is_some())
            });
            tasks.collect()
        });
        let stages = stages.collect();
        let mut plan = Self {
            number,
            lifetime: if chance.one_in(2) {
                Lifetime::Durable
            } else {
                Lifetime::Interactive
            },
            stages,
            merge_fails: chance.one_in(16),
            table: table_move(&mut chance),
            timeout,
            delay: None,
            deadline: None,
            large: chance.one_in(6),
            answers: chance.one_in(3),
        };
        plan.delay = chance.one_in(6).then(|| Duration::from_secs(1 + chance.below(20)));
        let last_start = plan.delay.unwrap_or_default();
        plan.deadline = chance
            .one_in(8)
            .then(|| last_start + Duration::from_secs(1 + chance.below(40)));
        plan
    }

    /// After how long it times out.
    pub(crate) fn times_out_after(&self) -> Option<Duration> {
        self.timeout.map(|timeout| timeout + self.delay.unwrap_or_default())
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.lifetime {
            Lifetime::Interactive => "sim.asked",
            Lifetime::Durable => "sim.kept",
        }
    }

    pub(crate) fn task(&self, index: u32) -> Option<&TaskPlan> {
        self.stages.iter().flatten().nth(usize::try_from(index).ok()?)
    }

    pub(crate) fn task_count(&self) -> usize {
        self.stages.iter().map(Vec::len).sum()
    }

    /// What its tasks bring together.
    pub(crate) fn sum(&self) -> u64 {
        self.stages.iter().flatten().map(|task| task.value).sum()
    }
}

impl TaskPlan {
    /// What the attempt of this number, from 1, comes to.
    pub(crate) fn act(&self, attempt: u32) -> Act {
        let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let act = self.script.get(place).or(self.script.last());
        act.copied().unwrap_or(Act::Succeed)
    }
}

fn task_plan(chance: &mut Chance, index: u32, may_hang: bool) -> TaskPlan {
    let mut script = Vec::new();
    if chance.one_in(3) {
        for _ in 0..=chance.below(3) {
            script.push(misfortune(chance, may_hang));
        }
    }
    script.push(Act::Succeed);
    let after = if index > 0 && chance.one_in(4) {
        let before = u32::try_from(chance.below(u64::from(index))).unwrap_or(0);
        vec![before]
    } else {
        Vec::new()
    };
    TaskPlan {
        value: chance.below(1000),
        script,
        after,
    }
}

fn misfortune(chance: &mut Chance, may_hang: bool) -> Act {
    match chance.below(16) {
        0 => Act::Fail(ErrorClass::Input),
        1 => Act::Fail(ErrorClass::Data),
        2..5 => Act::Fail(ErrorClass::External),
        5..9 => Act::Fail(ErrorClass::Internal),
        9..11 if may_hang => Act::Hang,
        _ => Act::Fail(ErrorClass::Platform),
    }
}

fn table_move(chance: &mut Chance) -> Option<TableMove> {
    let name = TABLES.into_iter().nth(usize::from(chance.small(3)))?;
    let name = TableName::in_main(name).ok()?;
    match chance.below(6) {
        0 | 1 => Some(TableMove::Put(name)),
        2 => Some(TableMove::Drop(name)),
        _ => None,
    }
}
