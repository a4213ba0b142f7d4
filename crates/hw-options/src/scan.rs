//! The two searches that everything else waits for: where the next `%` is, and where a value may end.
//!
//! Both ask first whether a block of 64 bytes has what is wanted, in a form that compilers turn into vector instructions, and
//! only then where, in words of 8 bytes. No `unsafe`, nothing special to one processor; the tests hold both against loops.

use crate::bytes::part;

/// Bytes looked at in one round.
const BLOCK: usize = 64;

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
    #[inline(never)]
    fn advance(&mut self) -> Option<()> {
        let rest = self.text.get(self.next..)?;
        let (blocks, tail) = rest.as_chunks::<BLOCK>();
        for (number, block) in blocks.iter().enumerate() {
            if has(block, b'%') {
                self.block = self.next + number * BLOCK;
                self.next = self.block + BLOCK;
                self.mask = mask(block, b'%');
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
    mask(&block, b'%')
}

/// The first place at or behind `from` that holds one of `stops`; the text's length if none does.
#[inline]
pub(crate) fn find_any<const N: usize>(text: &[u8], from: usize, stops: [u8; N]) -> usize {
    /// Most values are short: a plain loop over them ends before a wide one has begun.
    const NEAR: usize = 16;
    let rest = part(text, from, text.len());
    let near = part(rest, 0, NEAR.min(rest.len()));
    if let Some(place) = near.iter().position(|byte| stops.contains(byte)) {
        return from + place;
    }
    match rest.len() > NEAR {
        true => find_any_far(text, from + NEAR, stops),
        false => text.len(),
    }
}

fn find_any_far<const N: usize>(text: &[u8], from: usize, stops: [u8; N]) -> usize {
    let rest = part(text, from, text.len());
    let (blocks, tail) = rest.as_chunks::<BLOCK>();
    for (number, block) in blocks.iter().enumerate() {
        if stops.iter().any(|stop| has(block, *stop)) {
            let place = block.iter().position(|byte| stops.contains(byte));
            return from + number * BLOCK + place.unwrap_or(BLOCK);
        }
    }
    let place = tail.iter().position(|byte| stops.contains(byte));
    place.map_or(text.len(), |place| text.len() - tail.len() + place)
}

/// Whether a byte of `block` is `wanted`. The compiler makes comparisons of whole vectors of it.
#[inline(always)]
fn has(block: &[u8; BLOCK], wanted: u8) -> bool {
    block.iter().fold(0, |found, byte| found | u8::from(*byte == wanted)) != 0
}

const ONES: u64 = u64::MAX / 0xFF;
const LOW: u64 = 0x7F * ONES;

/// Bit n: byte n of `block` is `wanted`.
#[inline(always)]
fn mask(block: &[u8; BLOCK], wanted: u8) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    let mut found = 0;
    for (number, word) in words.iter().enumerate() {
        found |= equal(*word, wanted) << (8 * number);
    }
    found
}

/// Bit n: byte n of the word is `wanted`.
#[inline(always)]
fn equal(word: [u8; 8], wanted: u8) -> u64 {
    let differs = u64::from_le_bytes(word) ^ (ONES * u64::from(wanted));
    // The high bit of each byte that differs, without carries between bytes.
    let set = ((differs & LOW) + LOW) | differs;
    let equal = (!set >> 7) & ONES;
    equal.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests;
