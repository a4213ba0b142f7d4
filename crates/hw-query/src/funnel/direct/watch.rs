//! What a matcher spent its time on, for who asks. Where nobody does, nothing is counted and no clock is read.

use std::cell::RefCell;
use std::time::{Duration, Instant};

/// What time is told apart by, in the order of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Opening files, footers.
    Open,
    /// Reading, decompressing and decoding columns.
    Decode,
    /// Timeframe and predicates.
    Masks,
    /// The group of each row.
    Groups,
    /// Conditions and sequences.
    Matching,
    /// Deciding groups at the end.
    Verdict,
    /// Aggregations over the rows of groups that passed.
    SecondPass,
    /// Merging what matchers found.
    Merge,
}

impl Activity {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 8] = [
        Self::Open,
        Self::Decode,
        Self::Masks,
        Self::Groups,
        Self::Matching,
        Self::Verdict,
        Self::SecondPass,
        Self::Merge,
    ];

    /// The name in documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Decode => "decode",
            Self::Masks => "masks",
            Self::Groups => "groups",
            Self::Matching => "matching",
            Self::Verdict => "verdict",
            Self::SecondPass => "second_pass",
            Self::Merge => "merge",
        }
    }
}

/// What was read of one column. Row groups that are read twice count twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ColumnFigures {
    pub(crate) row_groups: u64,
    pub(crate) bytes: u64,
    pub(crate) unfolded_bytes: u64,
    /// Row groups that came as codes into a dictionary, and the entries of their dictionaries.
    pub(crate) dictionary_row_groups: u64,
    pub(crate) entries: u64,
    /// Rows of those that came as values.
    pub(crate) flat_rows: u64,
}

impl ColumnFigures {
    fn add(&mut self, other: &Self) {
        self.row_groups += other.row_groups;
        self.bytes += other.bytes;
        self.unfolded_bytes += other.unfolded_bytes;
        self.dictionary_row_groups += other.dictionary_row_groups;
        self.entries += other.entries;
        self.flat_rows += other.flat_rows;
    }
}

/// What matchers did; sums of several add up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) spent: [Duration; Activity::ALL.len()],
    /// In the order of the query's columns.
    pub(crate) columns: Vec<ColumnFigures>,
    /// Rows within the timeframe that serve a step or condition.
    pub(crate) selected: u64,
    /// Row groups in which none can.
    pub(crate) hopeless: u64,
    /// Most bytes that each matcher held.
    pub(crate) memory: u64,
    /// Matchers that began again, since rows were out of order of time.
    pub(crate) restarts: u64,
    /// Matchers that looked at rows again for aggregations.
    pub(crate) second_passes: u64,
}

impl Figures {
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            columns: vec![ColumnFigures::default(); columns],
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.spent.iter_mut().zip(other.spent) {
            *mine += theirs;
        }
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            mine.add(theirs);
        }
        self.selected += other.selected;
        self.hopeless += other.hopeless;
        self.memory += other.memory;
        self.restarts += other.restarts;
        self.second_passes += other.second_passes;
    }

    pub(crate) fn spend(&mut self, activity: Activity, time: Duration) {
        if let Some(spent) = self.spent.get_mut(activity as usize) {
            *spent += time;
        }
    }
}

/// The watch of one matcher, on one thread.
pub(super) struct Watch(Option<RefCell<Running>>);

struct Running {
    figures: Figures,
    activity: Option<Activity>,
    since: Instant,
}

impl Watch {
    /// A watch that counts only if somebody asks.
    pub(super) fn new(is_asked: bool, columns: usize) -> Self {
        let running = || Running {
            figures: Figures::new(columns),
            activity: None,
            since: now(),
        };
        Self(is_asked.then(|| RefCell::new(running())))
    }

    /// From now on time goes to `activity`; gives what it went to.
    pub(super) fn enter(&self, activity: Option<Activity>) -> Option<Activity> {
        let mut running = self.0.as_ref()?.borrow_mut();
        let (now, before) = (now(), running.activity);
        let spent = now - running.since;
        if let Some(before) = before {
            running.figures.spend(before, spent);
        }
        (running.activity, running.since) = (activity, now);
        before
    }

    /// Counts, if somebody asks.
    pub(super) fn note(&self, change: impl FnOnce(&mut Figures)) {
        if let Some(running) = &self.0 {
            change(&mut running.borrow_mut().figures);
        }
    }

    /// Counts for one column, if somebody asks.
    pub(super) fn note_column(&self, column: usize, read: impl FnOnce() -> ColumnFigures) {
        self.note(|figures| {
            if let Some(known) = figures.columns.get_mut(column) {
                known.add(&read());
            }
        });
    }

    pub(super) fn finish(self) -> Option<Figures> {
        self.enter(None);
        self.0.map(|running| running.into_inner().figures)
    }
}

/// The time, for who asks where it goes.
#[expect(
    clippy::disallowed_methods,
    reason = "only explaining measures, and nothing is decided by it"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
