//! What to download, what to read where, what to give up: decisions without effects.

use std::ops::Range;

/// Objects up to this size are downloaded whole: one request costs more than their bytes.
const WHOLE_BYTES_MAX: u64 = 1 << 20;

/// Downloads begin and end at multiples of this, so that ranges asked for later meet those asked for before.
const STEP: u64 = 64 << 10;

/// Bytes between two ranges that are downloaded with them, since a further request takes longer.
const GAP_BYTES_MAX: u64 = 256 << 10;

/// Longest piece: it is given up as a whole, and several of them are downloaded at a time.
const PIECE_BYTES_MAX: u64 = 8 << 20;

/// When something has to be given up, so much of the limit more, so that not every download has to look for victims.
const MARGIN_SHARE: u64 = 16;

/// A piece of an object in the cache, as far as giving it up is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its size.
    pub(super) bytes: u64,
    /// When it was used last; greater is later. `None` while it is being downloaded.
    pub(super) used: Option<u128>,
}

/// The pieces to download so that `wanted` can be read from an object of `size` bytes: ascending, apart from each other and
/// from `held`, none without a byte near one that is wanted.
pub(super) fn to_download(size: u64, wanted: &[Range<u64>], held: &[Range<u64>]) -> Vec<Range<u64>> {
    let needed: Vec<Range<u64>> = match size <= WHOLE_BYTES_MAX {
        true if wanted.iter().any(|range| !range.is_empty()) => std::iter::once(0..size).collect(),
        true => Vec::new(),
        false => merged(wanted.iter().map(|range| rounded(range, size)).collect(), 0),
    };
    let missing = without(&merged(needed.clone(), GAP_BYTES_MAX), held);
    let is_needed = |piece: &Range<u64>| needed.iter().any(|range| overlap(range, piece));
    missing.into_iter().filter(is_needed).flat_map(cut).collect()
}

/// What of `wanted` is in none of `held`: ascending and apart.
pub(super) fn without(wanted: &[Range<u64>], held: &[Range<u64>]) -> Vec<Range<u64>> {
    let held = merged(held.to_vec(), 0);
    let mut left = Vec::new();
    for range in merged(wanted.to_vec(), 0) {
        let mut at = range.start;
        for taken in held.iter().filter(|taken| overlap(taken, &range)) {
            if taken.start > at {
                left.push(at..taken.start);
            }
            at = at.max(taken.end);
        }
        if at < range.end {
            left.push(at..range.end);
        }
    }
    left
}

/// Whether two ranges have a byte in common.
pub(super) fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

/// The places in `kept` of what has to go so that `newcomer` bytes fit below `limit`: those used longest ago, and a little
/// more. `None` if they do not fit whatever goes.
pub(super) fn to_give_up(kept: &[Kept], limit: u64, newcomer: u64) -> Option<Vec<usize>> {
    let total: u64 = kept.iter().map(|piece| piece.bytes).sum();
    if newcomer > limit {
        return None;
    }
    if total.saturating_add(newcomer) <= limit {
        return Some(Vec::new());
    }
    let room = limit - newcomer;
    let target = room.saturating_sub(limit / MARGIN_SHARE);
    let mut oldest: Vec<(u128, usize, u64)> = kept
        .iter()
        .enumerate()
        .filter_map(|(place, piece)| Some((piece.used?, place, piece.bytes)))
        .collect();
    oldest.sort_unstable();
    let mut left = total;
    let mut gone = Vec::new();
    for (_, place, bytes) in oldest {
        if left <= target {
            break;
        }
        left -= bytes;
        gone.push(place);
    }
    (left <= room).then_some(gone)
}

/// The range from and to the next steps outside of it.
fn rounded(range: &Range<u64>, size: u64) -> Range<u64> {
    if range.is_empty() {
        return range.clone();
    }
    range.start / STEP * STEP..range.end.div_ceil(STEP).saturating_mul(STEP).min(size)
}

/// The ranges in ascending order, those put together between which at most `gap` bytes lie; empty ones left out.
fn merged(mut ranges: Vec<Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(gap) => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// The range in pieces of bounded length.
fn cut(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let Range { start, end } = range;
    let pieces = (end - start).div_ceil(PIECE_BYTES_MAX);
    (0..pieces).map(move |piece| {
        let from = start + piece * PIECE_BYTES_MAX;
        from..(from + PIECE_BYTES_MAX).min(end)
    })
}
