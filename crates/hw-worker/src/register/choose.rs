//! Which parts are looked at.

use hw_catalog::Groups;
use rand::Rng;
use rand::seq::index;

use super::{RegisterParams, Validation};

/// How many parts a sample takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleLimits {
    /// Share of the parts (0 to 1).
    pub ratio: f64,
    /// Greatest number of parts.
    pub parts_max: usize,
}

impl Default for SampleLimits {
    fn default() -> Self {
        Self {
            ratio: 0.1,
            parts_max: 10,
        }
    }
}

/// The parts to look at, by their places among `count` parts sorted by path; ascending, none twice.
///
/// A sample has the first part, the last one, and others by chance, altogether `ratio` of the parts but at most
/// `parts_max`, and never fewer than two.
pub(crate) fn choose_parts<R: Rng + ?Sized>(
    count: usize,
    mode: Validation,
    limits: SampleLimits,
    random: &mut R,
) -> Vec<usize> {
    match (count, mode) {
        (0, _) => Vec::new(),
        (1, _) | (_, Validation::Single) => vec![0],
        (2, _) | (_, Validation::FirstLast) => vec![0, count - 1],
        (_, Validation::Sample) => sample(count, limits, random),
        (_, Validation::All) => (0..count).collect(),
    }
}

fn sample<R: Rng + ?Sized>(count: usize, limits: SampleLimits, random: &mut R) -> Vec<usize> {
    let between = count - 2;
    let others = share(count, limits.ratio)
        .min(limits.parts_max)
        .saturating_sub(2)
        .min(between);
    let mut parts = vec![0, count - 1];
    parts.extend(index::sample(random, between, others).iter().map(|index| index + 1));
    parts.sort_unstable();
    parts
}

/// `floor(count x ratio)`, where a product such as 0.29 x 100 counts as the 29 that it means.
fn share(count: usize, ratio: f64) -> usize {
    const ROUNDING: f64 = 1e-9;
    let share = (count as f64) * ratio + ROUNDING;
    if share.is_finite() && share > 0.0 {
        share as usize
    } else {
        0
    }
}

/// Whether it is to be checked that no group is in two parts: asked for, of use, and possible.
pub(crate) fn checks_uniqueness(count: usize, params: &RegisterParams) -> bool {
    count > 1 && params.validate_uniques && params.groups == Groups::Contained && params.group.is_some()
}
