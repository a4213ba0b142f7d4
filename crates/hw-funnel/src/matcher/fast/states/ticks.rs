//! States with a window of ticks, without a branch per step: one word per step more than the first two.
//!
//! ```text
//! last time | steps reached, uses pending | latest start of a chain up to step 1 | up to step 2 | ...
//! ```
//!
//! A chain that has not begun starts at [`NEVER`], from which every time is further away than any limit. For that times and
//! limits have to be moderate; others are left to the states that look at each step. Words are stored so that a state of
//! no row is all zeros: last times less than [`i64::MIN`], starts less than [`NEVER`].

use std::hint::{black_box, select_unpredictable};

use super::OutOfOrder;

/// Most steps.
pub(super) const STEPS_MAX: usize = 8;
/// Limits are below.
pub(super) const LIMIT_END: u64 = 1 << 62;
/// Times lie between this and its negative.
const TIME_END: i64 = 1 << 62;
/// Rows whose states are looked at ahead.
const TOUCHED: usize = 64;
const NEVER: i64 = i64::MAX;

/// A last time as it is stored, and the other way round.
#[inline(always)]
fn last(time: i64) -> i64 {
    time ^ i64::MIN
}

/// A start as it is stored, and the other way round.
#[inline(always)]
fn start(time: i64) -> i64 {
    time ^ NEVER
}

/// Runs a function for the number of steps, and of words per state.
macro_rules! with_steps {
    ($steps:expr, $function:ident($($argument:expr),*)) => {
        match $steps {
            1 => $function::<1, 2>($($argument),*),
            2 => $function::<2, 3>($($argument),*),
            3 => $function::<3, 4>($($argument),*),
            4 => $function::<4, 5>($($argument),*),
            5 => $function::<5, 6>($($argument),*),
            6 => $function::<6, 7>($($argument),*),
            7 => $function::<7, 8>($($argument),*),
            _ => $function::<8, 9>($($argument),*),
        }
    };
}

/// Takes rows: the place of the state of each, its time, its uses, of which `base` is the pattern's first step.
///
/// # Errors
/// [`OutOfOrder`], also if a time is too far from zero.
pub(super) fn push(
    words: &mut [i64],
    steps: usize,
    limit: u64,
    places: impl Iterator<Item = usize>,
    (times, masks, base): (&[i64], &[u64], u32),
) -> Result<(), OutOfOrder> {
    with_steps!(steps, push_steps(words, limit, places, times, masks, base))
}

/// Steps that the first states pass.
pub(super) fn passed(words: &mut [i64], steps: usize, limit: u64, states: usize) -> Vec<u8> {
    with_steps!(steps, passed_steps(words, limit, states))
}

fn push_steps<const STEPS: usize, const WORDS: usize>(
    words: &mut [i64],
    limit: u64,
    mut places: impl Iterator<Item = usize>,
    times: &[i64],
    masks: &[u64],
    base: u32,
) -> Result<(), OutOfOrder> {
    let (states, _) = words.as_chunks_mut::<WORDS>();
    let wanted = (1 << STEPS) - 1;
    let mut is_ordered = true;
    // Negative as soon as one time is.
    let mut beyond = 0;
    let mut chunk = [0; TOUCHED];
    for (times, masks) in times.chunks(TOUCHED).zip(masks.chunks(TOUCHED)) {
        touch(states, &mut places, chunk.get_mut(..times.len()).unwrap_or_default());
        for ((place, time), mask) in chunk.iter().zip(times).zip(masks) {
            let (time, mask) = (*time, mask >> base & wanted);
            let Some(state) = states.get_mut(*place).filter(|_| mask != 0) else {
                continue;
            };
            beyond |= time.wrapping_add(TIME_END);
            let (before, flags) = (last(state[0]), state[1]);
            if time == before {
                state[1] = flags | mask.cast_signed();
                continue;
            }
            is_ordered &= time > before;
            let reached = settle::<STEPS, WORDS>(state, limit);
            state[0] = last(time);
            state[1] = (u64::from(reached) << 32 | mask).cast_signed();
        }
    }
    if is_ordered && beyond >= 0 {
        Ok(())
    } else {
        Err(OutOfOrder)
    }
}

/// Notes the next places, and looks at their states, so that they are on their way when their turns come: the processor
/// waits for many at once here, and only for a few where there is more to do for each.
#[inline(always)]
fn touch<const WORDS: usize>(states: &[[i64; WORDS]], places: &mut impl Iterator<Item = usize>, chunk: &mut [usize]) {
    let mut touched = 0;
    for (kept, place) in chunk.iter_mut().zip(places) {
        *kept = place;
        touched ^= states.get(place).map_or(0, |state| state[0]);
    }
    black_box(touched);
}

fn passed_steps<const STEPS: usize, const WORDS: usize>(words: &mut [i64], limit: u64, states: usize) -> Vec<u8> {
    let (all, _) = words.as_chunks_mut::<WORDS>();
    let passed = all.iter_mut().map(|state| {
        let reached = settle::<STEPS, WORDS>(state, limit);
        // A step is only reached after the one before it.
        u8::try_from(32 - reached.leading_zeros()).unwrap_or(0)
    });
    passed.take(states).collect()
}

/// Applies the pending uses at the last time, the last step first, so that none of them builds upon another.
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    reason = "steps are known when this is compiled, and a state has a word for each"
)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the halves of the flags are meant"
)]
fn settle<const STEPS: usize, const WORDS: usize>(state: &mut [i64; WORDS], limit: u64) -> u32 {
    let (time, flags) = (last(state[0]), state[1]);
    let (pending, mut reached) = (flags as u32, (flags >> 32) as u32);
    for step in (1..STEPS).rev() {
        let begun = state[1 + step];
        let is_near = time.wrapping_sub(start(begun)).cast_unsigned() <= limit;
        let hit = pending >> step & u32::from(is_near);
        reached |= (hit & 1) << step;
        if step + 1 < STEPS {
            state[2 + step] = select_unpredictable(hit & 1 == 1, begun, state[2 + step]);
        }
    }
    if STEPS > 1 {
        state[2] = select_unpredictable(pending & 1 == 1, start(time), state[2]);
    }
    reached | (pending & 1)
}
