//! Sequences: how far a group gets, and by which chain.
//!
//! # Definition
//! A group's rows are looked at as *blocks*: its distinct timestamps in ascending order, each with the steps that at
//! least one of its rows matches. Steps with `rowFound: false` are *negative*, all others *positive*.
//!
//! A **chain** up to a step gives each positive step up to it a block, such that
//!
//! 1. a row of the block matches the step,
//! 2. blocks are strictly ascending,
//! 3. the last block's time minus the first one's is at most `maxDuration`,
//! 4. for each negative step between two positive ones, no block strictly between theirs matches it; for one before
//!    the first positive step, no block before that step's.
//!
//! A group **passes** a positive step if a chain up to it exists. It passes a negative step if a chain up to the
//! positive step before it exists (the empty chain, if there is none) that also keeps clear of the negative step
//!
//! - until some block of the next positive step with which the chain goes on by the rules above, or
//! - until the end of the timeframe; after the last positive step of the sequence this is the only way.
//!
//! So a group that never takes the next step passes a negative one if what it excludes never happens any more, and
//! passing a step always implies passing the steps before it: counts never increase.
//!
//! **The chain** of a group, from which times between steps are taken, is one up to its deepest step: of all such
//! chains the one that ends first, of those the one whose first, then second, ... block is the earliest. Without
//! `maxDuration` and negative steps that is the greedy match: the earliest row for each step in turn.
//!
//! # Method
//! For each positive step in turn and each block, the latest start of a chain that ends there is computed from the
//! step before in one pass over the blocks. The latest start is all that matters for `maxDuration`, so this decides
//! exactly whether a chain exists, in O(blocks x steps).

use crate::time::TimeValue;

/// Steps of a sequence as far as matching depends on them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern<'a> {
    /// For each step, whether it is positive.
    pub(crate) positive: &'a [bool],
    pub(crate) max_duration: Option<TimeValue>,
}

/// The rows of a group, cut into blocks of equal time.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// Distinct, ascending.
    pub(crate) times: Vec<TimeValue>,
    /// For each step and block, whether a row matches.
    pub(crate) hits: Vec<Vec<bool>>,
}

/// For each block, the start block of the chain that ends there and starts last.
type Starts = Vec<Option<usize>>;

/// How many steps, from the first on, the group passes.
pub(crate) fn steps_passed(pattern: Pattern<'_>, blocks: &Blocks) -> usize {
    walk(pattern, blocks).passed
}

/// The chain of a group that passes `passed` steps: the block of each positive step up to there.
pub(crate) fn chain(pattern: Pattern<'_>, blocks: &Blocks) -> Vec<(usize, usize)> {
    let walk = walk(pattern, blocks);
    trace(pattern, blocks, &walk).unwrap_or_default()
}

/// What a pass over the steps found.
struct Walk {
    passed: usize,
    /// Positive steps that have chains: the step, the negative steps before it, and the chains.
    layers: Vec<Layer>,
    /// Negative steps passed after the last of them.
    gap: Vec<usize>,
}

struct Layer {
    step: usize,
    gap: Vec<usize>,
    starts: Starts,
}

fn walk(pattern: Pattern<'_>, blocks: &Blocks) -> Walk {
    let mut walk = Walk {
        passed: 0,
        layers: Vec::new(),
        gap: Vec::new(),
    };
    for (step, is_positive) in pattern.positive.iter().enumerate() {
        let starts = walk.layers.last().map(|layer| &layer.starts);
        if *is_positive {
            let starts = extend(pattern, blocks, starts, &walk.gap, step);
            if starts.iter().all(Option::is_none) {
                return walk;
            }
            walk.layers.push(Layer {
                step,
                gap: std::mem::take(&mut walk.gap),
                starts,
            });
        } else {
            walk.gap.push(step);
            let goes_on = next_positive(pattern, step).is_some_and(|next| {
                extend(pattern, blocks, starts, &walk.gap, next)
                    .iter()
                    .any(Option::is_some)
            });
            if !(goes_on || stays_clear(blocks, starts, &walk.gap)) {
                walk.gap.pop();
                return walk;
            }
        }
        walk.passed = step + 1;
    }
    walk
}

fn next_positive(pattern: Pattern<'_>, after: usize) -> Option<usize> {
    let mut steps = pattern.positive.iter().enumerate().skip(after + 1);
    steps.find(|(_, is_positive)| **is_positive).map(|(step, _)| step)
}

/// The chains of a positive step, from those of the positive step before it (`None` for the first one) and the
/// negative steps in between.
fn extend(pattern: Pattern<'_>, blocks: &Blocks, before: Option<&Starts>, gap: &[usize], step: usize) -> Starts {
    let mut starts = Vec::with_capacity(blocks.times.len());
    // The latest start among the chains that end before the block and have met no negative row since.
    let mut open: Option<usize> = None;
    let mut is_clear_from_begin = true;
    for block in 0..blocks.times.len() {
        let start = match before {
            None => is_clear_from_begin.then_some(block),
            Some(_) => open,
        };
        let start = start.filter(|start| blocks.is_hit(&[step], block) && is_within(pattern, blocks, *start, block));
        starts.push(start);
        if blocks.is_hit(gap, block) {
            // For chains that end earlier this block lies strictly between; for those that end here it does not.
            open = None;
            is_clear_from_begin = false;
        }
        open = open.max(before.and_then(|before| before.get(block).copied().flatten()));
    }
    starts
}

/// Whether a chain (the empty one, if there is no positive step yet) meets none of the negative steps to the end.
fn stays_clear(blocks: &Blocks, starts: Option<&Starts>, gap: &[usize]) -> bool {
    match (starts, blocks.last_hit(gap)) {
        (None, last_hit) => last_hit.is_none(),
        (Some(starts), last_hit) => starts.iter().skip(last_hit.unwrap_or(0)).any(Option::is_some),
    }
}

fn is_within(pattern: Pattern<'_>, blocks: &Blocks, start: usize, end: usize) -> bool {
    let (Some(start), Some(end), Some(limit)) = (blocks.times.get(start), blocks.times.get(end), pattern.max_duration)
    else {
        return true;
    };
    end.minus(*start).compare(limit).is_some_and(std::cmp::Ordering::is_le)
}

impl Blocks {
    /// Whether one of the steps matches in the block.
    fn is_hit(&self, steps: &[usize], block: usize) -> bool {
        let hit = |step: &usize| {
            self.hits
                .get(*step)
                .and_then(|hits| hits.get(block))
                .copied()
                .unwrap_or(false)
        };
        steps.iter().any(hit)
    }

    fn first_hit(&self, steps: &[usize]) -> Option<usize> {
        (0..self.times.len()).find(|block| self.is_hit(steps, *block))
    }

    fn last_hit(&self, steps: &[usize]) -> Option<usize> {
        (0..self.times.len()).rev().find(|block| self.is_hit(steps, *block))
    }
}

fn trace(pattern: Pattern<'_>, blocks: &Blocks, walk: &Walk) -> Option<Vec<(usize, usize)>> {
    let (end, limit) = end_of_chain(pattern, blocks, walk)?;
    let reaching = blocks_reaching(blocks, &walk.layers, end);
    // The first block may not lie behind a row that a leading negative step matches.
    let last_begin = blocks.first_hit(&walk.layers.first()?.gap).unwrap_or(end);
    let mut chain: Vec<(usize, usize)> = Vec::new();
    for (layer, reaching) in walk.layers.iter().zip(&reaching) {
        let is_fit = |block: &usize| match chain.last() {
            Some((_, last)) => block > last,
            None => *block <= last_begin && is_within(pattern, blocks, *block, limit),
        };
        let mut candidates = reaching
            .iter()
            .enumerate()
            .filter(|(_, reaches)| **reaches)
            .map(|(block, _)| block);
        chain.push((layer.step, candidates.find(is_fit)?));
    }
    Some(chain)
}

/// The block at which the chain ends, and the block that `maxDuration` counts to: the same, or the block of the next
/// positive step if the negative steps passed last depend on it.
fn end_of_chain(pattern: Pattern<'_>, blocks: &Blocks, walk: &Walk) -> Option<(usize, usize)> {
    let starts = &walk.layers.last()?.starts;
    let clear_from = blocks.last_hit(&walk.gap).unwrap_or(0);
    let closings = closings(pattern, blocks, &walk.gap);
    let ends = starts.iter().zip(closings).enumerate();
    ends.filter_map(|(block, (start, closing))| Some((block, (*start)?, closing)))
        .find_map(|(block, start, closing)| {
            if block >= clear_from {
                return Some((block, block));
            }
            closing
                .filter(|closing| is_within(pattern, blocks, start, *closing))
                .map(|closing| (block, closing))
        })
}

/// For each block, the next one that the positive step after the negative steps `gap` matches, unless they match in
/// between.
fn closings(pattern: Pattern<'_>, blocks: &Blocks, gap: &[usize]) -> Vec<Option<usize>> {
    let next = gap.last().and_then(|last| next_positive(pattern, *last));
    let mut closings = vec![None; blocks.times.len()];
    let mut upcoming = None;
    for (block, closing) in closings.iter_mut().enumerate().rev() {
        *closing = upcoming;
        if next.is_some_and(|next| blocks.is_hit(&[next], block)) {
            upcoming = Some(block);
        } else if blocks.is_hit(gap, block) {
            upcoming = None;
        }
    }
    closings
}

/// For each positive step, the blocks from which the chain can be completed to `end`.
fn blocks_reaching(blocks: &Blocks, layers: &[Layer], end: usize) -> Vec<Vec<bool>> {
    let at_end = (0..blocks.times.len()).map(|block| block == end).collect();
    let mut reaching: Vec<Vec<bool>> = vec![at_end];
    for pair in layers.windows(2).rev() {
        let ([layer, next], Some(later)) = (pair, reaching.last()) else {
            break;
        };
        let mut is_open = false;
        let mut current = vec![false; blocks.times.len()];
        for (block, (flag, reaches_later)) in current.iter_mut().zip(later).enumerate().rev() {
            *flag = is_open && blocks.is_hit(&[layer.step], block);
            is_open = *reaches_later || (is_open && !blocks.is_hit(&next.gap, block));
        }
        reaching.push(current);
    }
    reaching.reverse();
    reaching
}

#[cfg(test)]
mod tests;
