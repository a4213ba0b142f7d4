//! The two searches that everything else waits for: where the next `%` is, and where a value may end.
//!
//! Both are written in a form that compilers turn into vector instructions. No `unsafe`, nothing special to one processor; the
//! tests hold both against loops.

use crate::bytes::part;

/// Bytes looked at in one round.
const BLOCK: usize = 64;
/// Bytes of a vector.
const LANES: usize = 16;

/// The places of all `%` of a text, in order.
pub(crate) struct Percents<'t> {
    text: &'t [u8],
    /// Where the current block begins.
    block: usize,
    /// Bit n: byte n of the current block is a `%` that was not told yet.
    mask: u64,
    /// Where the next block begins.
    next: usize,
}

impl<'t> Percents<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            block: 0,
            mask: 0,
            next: 0,
        }
    }

    /// Goes on at `place`, which is not before what was told last.
    pub(crate) fn seek(&mut self, place: usize) {
        let within = place.saturating_sub(self.block);
        match within < BLOCK && place < self.next {
            true => self.mask &= u64::MAX << within,
            false => {
                self.mask = 0;
                self.next = place;
            }
        }
    }

    /// Finds a block that has one.
    #[inline]
    fn advance(&mut self) -> Option<()> {
        let rest = self.text.get(self.next..)?;
        let (blocks, tail) = rest.as_chunks::<BLOCK>();
        for (number, block) in blocks.iter().enumerate() {
            // Behind a block that has one the next mostly has one, too.
            if number > 0 && !has(block, [b'%']) {
                continue;
            }
            let hits = hits(block, b'%');
            if hits != 0 {
                self.block = self.next + number * BLOCK;
                self.next = self.block + BLOCK;
                self.mask = in_order(hits);
                return Some(());
            }
        }
        self.block = self.next + blocks.len() * BLOCK;
        self.next = self.text.len();
        self.mask = mask_of_tail(tail);
        (self.mask != 0).then_some(())
    }
}

impl Iterator for Percents<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.mask == 0 {
            self.advance()?;
        }
        let bit = self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(self.block + bit)
    }
}

fn mask_of_tail(tail: &[u8]) -> u64 {
    let mut block = [0; BLOCK];
    if let Some(begin) = block.get_mut(..tail.len()) {
        begin.copy_from_slice(tail);
    }
    in_order(hits(&block, b'%'))
}

/// Whether a byte of `block` is one of `wanted`.
#[inline(always)]
fn has<const N: usize>(block: &[u8; BLOCK], wanted: [u8; N]) -> bool {
    let is_wanted = |byte: &u8| wanted.iter().fold(0, |hit, wanted| hit | u8::from(byte == wanted));
    block.iter().fold(0, |hit, byte| hit | is_wanted(byte)) != 0
}

/// Where `block` holds `wanted`: bit `8 * lane + quarter` is the byte `16 * quarter + lane`.
///
/// Byte by byte the same for all 16 lanes: some twenty vector instructions. None of them gives a bit for each byte in order
/// without `unsafe`. Inlined into a loop it would be taken apart again.
#[inline(never)]
fn hits(block: &[u8; BLOCK], wanted: u8) -> u128 {
    let (quarters, _) = block.as_chunks::<LANES>();
    let [a, b, c, d] = quarters else { return 0 };
    let mut lanes = [0; LANES];
    let equal = |byte: &u8| u8::from(*byte == wanted);
    for ((((lane, a), b), c), d) in lanes.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *lane = equal(a) | equal(b) << 1 | equal(c) << 2 | equal(d) << 3;
    }
    u128::from_le_bytes(lanes)
}

/// The hits with bit n for byte n.
#[inline(always)]
fn in_order(hits: u128) -> u64 {
    match hits & hits.wrapping_sub(1) {
        0 if hits == 0 => 0,
        0 => 1 << place_of(hits),
        rest if rest & (rest - 1) == 0 => 1 << place_of(hits) | 1 << place_of(rest),
        _ => all_in_order(hits),
    }
}

/// The byte of the first hit.
fn place_of(hits: u128) -> u32 {
    let bit = hits.trailing_zeros();
    (bit / 8 + 16 * (bit % 8)) % 64
}

fn all_in_order(mut hits: u128) -> u64 {
    let mut mask = 0;
    while hits != 0 {
        mask |= 1 << place_of(hits);
        hits &= hits - 1;
    }
    mask
}

/// The first place at or behind `from` that holds one of `stops`; the text's length if none does. Who seeks fewer than four bytes names
/// one of them again: a fixed number is what becomes vector instructions.
#[inline]
pub(crate) fn find_any(text: &[u8], from: usize, stops: [u8; 4]) -> usize {
    let rest = part(text, from, text.len());
    // Most values are short.
    let near = part(rest, 0, BLOCK.min(rest.len()));
    match find_in(near, stops) {
        place if place < near.len() => from + place,
        _ => find_any_far(text, from + near.len(), stops),
    }
}

fn find_any_far(text: &[u8], from: usize, stops: [u8; 4]) -> usize {
    let rest = part(text, from, text.len());
    let (blocks, tail) = rest.as_chunks::<BLOCK>();
    for (number, block) in blocks.iter().enumerate() {
        if has(block, stops) {
            return from + number * BLOCK + find_in(block, stops);
        }
    }
    text.len() - tail.len() + find_in(tail, stops)
}

/// The first of `stops` in a few bytes; their number if there is none.
fn find_in(bytes: &[u8], stops: [u8; 4]) -> usize {
    let (chunks, tail) = bytes.as_chunks::<LANES>();
    for (number, chunk) in chunks.iter().enumerate() {
        if let Some(place) = first_stop(chunk, stops) {
            return number * LANES + place;
        }
    }
    let place = tail.iter().position(|byte| stops.contains(byte));
    bytes.len() - tail.len() + place.unwrap_or(tail.len())
}

#[inline]
fn first_stop(chunk: &[u8; LANES], stops: [u8; 4]) -> Option<usize> {
    let mut lanes = [0; LANES];
    mark(chunk, stops, &mut lanes);
    let lanes = u128::from_le_bytes(lanes);
    (lanes != 0).then(|| lanes.trailing_zeros() as usize / 8)
}

/// Marks the bytes that are stops. Not inlined, and by reference: the form that becomes vector instructions whatever the level of
/// optimisation.
#[inline(never)]
fn mark(chunk: &[u8; LANES], [a, b, c, d]: [u8; 4], marks: &mut [u8; LANES]) {
    for (mark, byte) in marks.iter_mut().zip(chunk) {
        *mark = u8::from(*byte == a) | u8::from(*byte == b) | u8::from(*byte == c) | u8::from(*byte == d);
    }
}

#[cfg(test)]
mod tests;
