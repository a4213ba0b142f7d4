//! What becomes of a task when an attempt at it has ended.

use std::time::Duration;

use crate::failure::ErrorClass;
use crate::task::{Ending, TaskState};

/// How often and how fast a task is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Attempts that count (internal and external failures) before the task is given up.
    pub counted_max: u32,
    /// Attempts lost by the platform before the task is given up.
    pub lost_max: u32,
    /// Deaths of the task's worker after which the task itself is suspected and quarantined.
    pub deaths_max: u32,
    /// Pause before the first retry; doubled for each further one.
    pub pause_first: Duration,
    /// The same after a failure of something outside (a source, an object store, a service), which is not better within a
    /// second.
    pub external_pause_first: Duration,
    /// Longest pause.
    pub pause_max: Duration,
    /// Share by which a pause is shortened or lengthened at random, 0 to 1.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    /// 3 counted attempts, 1 s (5 s where something outside failed) doubled up to 5 min with 20 % jitter, 10 lost ones, 2
    /// deaths of the worker.
    fn default() -> Self {
        Self {
            counted_max: 3,
            lost_max: 10,
            deaths_max: 2,
            pause_first: Duration::from_secs(1),
            external_pause_first: Duration::from_secs(5),
            pause_max: Duration::from_secs(300),
            jitter: 0.2,
        }
    }
}

/// What was tried at a task so far, the attempt that has just ended included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttemptCounts {
    /// Attempts that failed by the task's or a source's own fault.
    pub counted: u32,
    /// Attempts that the platform lost.
    pub lost: u32,
    /// Those among the lost ones whose worker process died.
    pub deaths: u32,
}

/// What becomes of a task after an attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AfterAttempt {
    /// It is settled in this state.
    Settled(TaskState),
    /// It may be claimed again at once.
    Ready,
    /// It may be claimed again after a pause.
    RetryAfter(Duration),
}

impl AttemptCounts {
    /// The counts with one more attempt that ended so.
    #[must_use]
    pub fn and(mut self, ending: &Ending) -> Self {
        match ending {
            Ending::Failed(failure) => match failure.class {
                ErrorClass::Platform => self.lost += 1,
                ErrorClass::External | ErrorClass::Internal => self.counted += 1,
                ErrorClass::Input | ErrorClass::Data | ErrorClass::Cancelled | ErrorClass::Timeout => {}
            },
            Ending::Lost { worker_died } => {
                self.lost += 1;
                self.deaths += u32::from(*worker_died);
            }
            Ending::Preempted => self.lost += 1,
            Ending::Succeeded(_) | Ending::Cancelled | Ending::TimedOut => {}
        }
        self
    }
}

impl RetryPolicy {
    /// Decides what becomes of a task. `counts` include the attempt that ended; `random` lies in 0 to 1 and spreads
    /// the pauses.
    pub fn after(&self, counts: AttemptCounts, ending: &Ending, random: f64) -> AfterAttempt {
        match ending {
            Ending::Succeeded(_) => AfterAttempt::Settled(TaskState::Succeeded),
            Ending::Cancelled => AfterAttempt::Settled(TaskState::Cancelled),
            Ending::TimedOut => AfterAttempt::Settled(TaskState::TimedOut),
            Ending::Lost { .. } | Ending::Preempted => self.after_loss(counts, AfterAttempt::Ready),
            Ending::Failed(failure) => match failure.class {
                ErrorClass::Input | ErrorClass::Data => AfterAttempt::Settled(TaskState::Failed),
                ErrorClass::Cancelled => AfterAttempt::Settled(TaskState::Cancelled),
                ErrorClass::Timeout => AfterAttempt::Settled(TaskState::TimedOut),
                ErrorClass::Platform => self.after_loss(
                    counts,
                    AfterAttempt::RetryAfter(self.pause(self.pause_first, counts.lost, random)),
                ),
                ErrorClass::External | ErrorClass::Internal if counts.counted >= self.counted_max => {
                    AfterAttempt::Settled(TaskState::Quarantined)
                }
                ErrorClass::External => {
                    AfterAttempt::RetryAfter(self.pause(self.external_pause_first, counts.counted, random))
                }
                ErrorClass::Internal => AfterAttempt::RetryAfter(self.pause(self.pause_first, counts.counted, random)),
            },
        }
    }

    fn after_loss(&self, counts: AttemptCounts, again: AfterAttempt) -> AfterAttempt {
        let given_up = counts.deaths >= self.deaths_max || counts.lost >= self.lost_max;
        if given_up {
            AfterAttempt::Settled(TaskState::Quarantined)
        } else {
            again
        }
    }

    /// The pause after the `nth` failure, from 1: the first one doubled each time, capped, spread by the jitter.
    fn pause(&self, first: Duration, nth: u32, random: f64) -> Duration {
        let doubled = first.saturating_mul(1_u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX));
        let spread = 1.0 + self.jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0);
        doubled.min(self.pause_max).mul_f64(spread)
    }
}
