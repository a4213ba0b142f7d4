//! Where ids and chance come from.

use hw_job::{JobId, Timestamp};

/// Makes ids and random numbers. The system's at the rim, a seeded one in simulation.
pub trait Ids: Send + Sync {
    /// A new job id.
    fn job_id(&self, now: Timestamp) -> JobId;

    /// A random number from 0 to 1.
    fn chance(&self) -> f64;
}

/// The system's random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn job_id(&self, now: Timestamp) -> JobId {
        JobId::new(u64::try_from(now.0 / 1000).unwrap_or(0), rand::random())
    }

    fn chance(&self) -> f64 {
        rand::random()
    }
}
