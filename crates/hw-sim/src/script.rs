//! What is done to a simulated deployment, one action after the other.
//!
//! Actions name processes, tasks and messages by numbers that are taken modulo what there is, so that a script keeps a
//! meaning when actions are left out of it.

use crate::chance::Chance;
use crate::gate::{Fate, Trouble};
use crate::wrap::Side;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A client asks a process for a job.
    Submit {
        process: u8,
        plan: u32,
        key: Option<u8>,
        reuse: bool,
        trouble: Option<Trouble>,
    },
    /// A client asks a process for the end of a job, counted from the newest.
    Cancel {
        process: u8,
        job: u8,
        trouble: Option<Trouble>,
    },
    /// A client asks a process for the end of one task of a job, counted from the newest.
    CancelTask {
        process: u8,
        job: u8,
        task: u8,
        trouble: Option<Trouble>,
    },
    /// A controller steps, or goes on with the step in which it stopped.
    Step { process: u8, trouble: Option<Trouble> },
    /// A client's request that had stopped goes on.
    GoOn { process: u8, trouble: Option<Trouble> },
    /// A client hangs up; its request is dropped where it stopped.
    HangUp { process: u8 },
    /// A process does a bit of everything: it claims, works, reports and steps.
    Busy { process: u8 },
    /// A worker claims tasks.
    Claim {
        process: u8,
        tasks: u8,
        trouble: Option<Trouble>,
    },
    /// A worker comes to the end of a task; its report waits to be sent.
    Work { process: u8, task: u8 },
    /// A report is sent; `again` leaves it to be sent once more.
    Report {
        process: u8,
        report: u8,
        again: bool,
        trouble: Option<Trouble>,
    },
    /// Time passes; processes that are well renew their leases meanwhile.
    Pass { millis: u32 },
    /// The wall's clock jumps.
    Jump { hours: i8 },
    /// A process is stopped, as by SIGSTOP.
    Pause { process: u8 },
    /// It goes on.
    Wake { process: u8 },
    /// A process sleeps past its leases, while the others work on; then it goes on as if nothing had happened.
    Oversleep { process: u8, turns: u8 },
    /// A process dies.
    Kill { process: u8 },
    /// A dead process is started anew.
    Start { process: u8 },
    /// A process reaches the store no more.
    Cut { process: u8 },
    /// It does again.
    Mend { process: u8 },
    /// The disk for documents is full, or no longer.
    Fill { full: bool },
    /// What is over is forgotten.
    Prune { jobs_seconds: u8, results_seconds: u8 },
    /// A reader of events that comes and goes reads some.
    Read { limit: u8 },
}

/// How long and how eventful a script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weather {
    pub(crate) steps: usize,
    /// One of so many calls meets trouble; `None` = none does, and nothing dies.
    pub(crate) trouble: Option<u64>,
}

/// How often which action is taken, before each script has its own preferences.
const USUAL: [(Choice, u64); 22] = [
    (Choice::Step, 20),
    (Choice::Claim, 13),
    (Choice::Work, 13),
    (Choice::Report, 13),
    (Choice::Busy, 10),
    (Choice::Pass, 8),
    (Choice::Submit, 5),
    (Choice::GoOn, 3),
    (Choice::Read, 2),
    (Choice::Cancel, 2),
    (Choice::Wake, 2),
    (Choice::Start, 2),
    (Choice::Mend, 2),
    (Choice::Pause, 1),
    (Choice::Oversleep, 1),
    (Choice::Kill, 1),
    (Choice::Cut, 1),
    (Choice::Fill, 1),
    (Choice::Prune, 1),
    (Choice::Jump, 1),
    (Choice::HangUp, 1),
    (Choice::CancelTask, 1),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Step,
    Claim,
    Work,
    Report,
    Busy,
    Pass,
    Submit,
    GoOn,
    Read,
    Cancel,
    Wake,
    Start,
    Mend,
    Pause,
    Oversleep,
    Kill,
    Cut,
    Fill,
    Prune,
    Jump,
    HangUp,
    CancelTask,
}

impl Choice {
    /// Whether it has a place in a script without trouble.
    fn is_trouble(self) -> bool {
        match self {
            Self::Wake
            | Self::Start
            | Self::Mend
            | Self::Pause
            | Self::Oversleep
            | Self::Kill
            | Self::Cut
            | Self::Fill
            | Self::Prune
            | Self::HangUp => true,
            Self::Step
            | Self::Claim
            | Self::Work
            | Self::Report
            | Self::Busy
            | Self::Pass
            | Self::Submit
            | Self::GoOn
            | Self::Read
            | Self::Cancel
            | Self::CancelTask
            | Self::Jump => false,
        }
    }
}

/// Makes a script. Each has preferences of its own (some actions often, some hardly ever), because what goes wrong takes
/// many actions of few kinds more often than a few of all kinds.
pub(crate) fn script(chance: &mut Chance, weather: Weather) -> Vec<Action> {
    let plans: Vec<u32> = (0..6).map(|_| plan_number(chance)).collect();
    let preferred = USUAL.map(|(choice, weight)| {
        let factor = [0, 1, 2, 2, 2, 3, 4, 10].into_iter().nth(usize::from(chance.small(8)));
        let possible = weather.trouble.is_some() || !choice.is_trouble();
        (choice, if possible { weight * factor.unwrap_or(2) } else { 0 })
    });
    let mut author = Author {
        weather,
        plans,
        total: preferred.iter().map(|(_, weight)| weight).sum(),
        preferred,
        patience: [20, 500, 3_000, 10_000, 40_000]
            .into_iter()
            .nth(usize::from(chance.small(5)))
            .unwrap_or(500),
        process_count: 2 + chance.small(4),
        chance,
    };
    let first: Vec<_> = (0..2).map(|_| author.submission()).collect();
    let rest = (first.len()..weather.steps).map(|_| author.action());
    let rest: Vec<_> = rest.collect();
    first.into_iter().chain(rest).collect()
}

fn plan_number(chance: &mut Chance) -> u32 {
    u32::try_from(chance.below(1_000_000)).unwrap_or(0)
}

struct Author<'a> {
    chance: &'a mut Chance,
    weather: Weather,
    plans: Vec<u32>,
    preferred: [(Choice, u64); 22],
    total: u64,
    /// Longest time that passes at once, in milliseconds.
    patience: u64,
    /// Processes that get most of the attention.
    process_count: u8,
}

impl Author<'_> {
    fn action(&mut self) -> Action {
        let process = self.process();
        match self.choice() {
            Choice::Step => Action::Step {
                process,
                trouble: self.trouble(7),
            },
            Choice::Claim => Action::Claim {
                process,
                tasks: 1 + self.chance.small(3),
                trouble: self.trouble(1),
            },
            Choice::Work => Action::Work {
                process,
                task: self.chance.small(8),
            },
            Choice::Report => Action::Report {
                process,
                report: self.chance.small(8),
                again: self.weather.trouble.is_some() && self.chance.one_in(10),
                trouble: self.trouble(1),
            },
            Choice::Busy => Action::Busy { process },
            Choice::Pass => Action::Pass { millis: self.millis() },
            Choice::Submit => self.submission(),
            Choice::GoOn => Action::GoOn {
                process,
                trouble: self.trouble(6),
            },
            Choice::Read => Action::Read {
                limit: self.chance.small(12),
            },
            Choice::Cancel => Action::Cancel {
                process,
                job: self.chance.small(8),
                trouble: self.trouble(1),
            },
            Choice::CancelTask => Action::CancelTask {
                process,
                job: self.chance.small(8),
                task: self.chance.small(4),
                trouble: self.trouble(1),
            },
            disaster => self.disaster(disaster, process),
        }
    }

    fn disaster(&mut self, choice: Choice, process: u8) -> Action {
        match choice {
            Choice::Wake => Action::Wake { process },
            Choice::Start => Action::Start { process },
            Choice::Mend => Action::Mend { process },
            Choice::Pause => Action::Pause { process },
            Choice::Oversleep => Action::Oversleep {
                process,
                turns: 1 + self.chance.small(6),
            },
            Choice::Kill => Action::Kill { process },
            Choice::Cut => Action::Cut { process },
            Choice::Fill => Action::Fill {
                full: self.chance.one_in(2),
            },
            Choice::Prune => Action::Prune {
                jobs_seconds: 10 + self.chance.small(60),
                results_seconds: self.chance.small(30),
            },
            Choice::HangUp => Action::HangUp { process },
            _ => Action::Jump {
                hours: if self.chance.one_in(2) { 1 } else { -1 },
            },
        }
    }

    fn choice(&mut self) -> Choice {
        let mut left = self.chance.below(self.total);
        for (choice, weight) in self.preferred {
            if left < weight {
                return choice;
            }
            left -= weight;
        }
        Choice::Step
    }

    /// Some plans come back, under the same key or another.
    fn submission(&mut self) -> Action {
        let known = usize::from(self.chance.small(6));
        let plan = match self.plans.get(known) {
            Some(plan) if self.chance.one_in(2) => *plan,
            _ => plan_number(self.chance),
        };
        Action::Submit {
            process: self.process(),
            plan,
            key: self.chance.one_in(3).then(|| self.chance.small(3)),
            reuse: self.chance.one_in(2),
            trouble: self.trouble(6),
        }
    }

    fn process(&mut self) -> u8 {
        self.chance.small(self.process_count)
    }

    fn millis(&mut self) -> u32 {
        let most = if self.chance.one_in(3) { self.patience } else { 200 };
        u32::try_from(1 + self.chance.below(most)).unwrap_or(1)
    }

    fn trouble(&mut self, calls: u8) -> Option<Trouble> {
        let every = self.weather.trouble?;
        self.chance.one_in(every).then(|| Trouble {
            call: 1 + self.chance.small(calls),
            side: if self.chance.one_in(2) {
                Side::Before
            } else {
                Side::After
            },
            fate: match self.chance.below(8) {
                0..4 => Fate::Fail,
                4..7 => Fate::Stop,
                _ => Fate::Kill,
            },
        })
    }
}
