//! Numbers as bit-packed differences to the one before.
//!
//! ```text
//! values of a block | mini blocks of a block | values | first value
//! least difference | bits of each mini block | mini block | mini block ...      once per block
//! ```
//!
//! Sums wrap around: a difference between two numbers of a type may need one bit more than the type has.

use super::cause::{Decoded, damaged, present};
use super::unpack::{GROUP, WIDTH_MAX, unpack};

/// Values of a block; writers take 128 to some thousands.
const BLOCK_VALUES_MAX: u64 = 1 << 20;
/// Values unpacked at a time: a multiple of a group.
const UNPACKED: usize = 256;
const VARINT_BYTES_MAX: usize = 10;
const ENDS_EARLY: &str = "a page of differences ends early";

/// Numbers that differences add up to.
pub(super) trait Delta: Copy {
    /// Widest difference.
    const BITS: usize;

    /// The number in these bytes, of which there are as many as it has.
    fn of_bytes(bytes: &[u8]) -> Self;

    /// The lower bits.
    fn truncated(value: u64) -> Self;

    /// The sum, wrapped around.
    fn plus(self, other: Self) -> Self;
}

macro_rules! delta {
    ($number:ty) => {
        impl Delta for $number {
            const BITS: usize = Self::BITS as usize;

            #[inline(always)]
            fn of_bytes(bytes: &[u8]) -> Self {
                bytes.first_chunk().map_or(0, |bytes| Self::from_le_bytes(*bytes))
            }

            #[inline(always)]
            fn truncated(value: u64) -> Self {
                value as Self
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
        }
    };
}

delta!(u32);
delta!(u64);

/// Decodes a page of exactly so many numbers.
pub(super) fn decode<T: Delta>(bytes: &[u8], to: &mut [T]) -> Decoded<()> {
    let Some((first, mut rest)) = to.split_first_mut() else {
        return Ok(());
    };
    let mut cursor = Cursor { rest: bytes };
    let block = cursor.varint()?;
    let minis = cursor.varint()?;
    if cursor.varint()? != rest.len() as u64 + 1 {
        return damaged("a page of differences has another number of values than its header says");
    }
    let mini = mini_values(block, minis)?;
    let mut value = T::truncated(cursor.zigzag()?);
    *first = value;
    while !rest.is_empty() {
        let least = T::truncated(cursor.zigzag()?);
        let widths = cursor.take(minis as usize)?;
        for width in widths {
            let (now, later) = rest.split_at_mut(mini.min(rest.len()));
            rest = later;
            let bytes = cursor.mini(usize::from(*width), mini, now.len())?;
            value = sums(bytes, (*width).into(), least, value, now)?;
        }
    }
    Ok(())
}

fn mini_values(block: u64, minis: u64) -> Decoded<usize> {
    let values = block.checked_div(minis).filter(|values| {
        block <= BLOCK_VALUES_MAX && values * minis == block && *values > 0 && values.is_multiple_of(GROUP as u64)
    });
    present(
        values.map(|values| values as usize),
        "a page of differences has blocks of an impossible size",
    )
}

/// Adds up the differences of a mini block; returns the last number.
fn sums<T: Delta>(bytes: &[u8], width: usize, least: T, mut value: T, to: &mut [T]) -> Decoded<T> {
    if to.is_empty() {
        return Ok(value);
    }
    if width > T::BITS {
        return damaged(format!("differences of {width} bits"));
    }
    if width > WIDTH_MAX {
        for (place, to) in to.iter_mut().enumerate() {
            value = value.plus(least).plus(T::truncated(wide(bytes, place * width, width)));
            *to = value;
        }
        return Ok(value);
    }
    let mut unpacked = [0u32; UNPACKED];
    for (part, to) in to.chunks_mut(UNPACKED).enumerate() {
        let bytes = bytes.get(part * UNPACKED / GROUP * width..).unwrap_or_default();
        let unpacked = unpacked.get_mut(..to.len()).unwrap_or_default();
        unpack(bytes, width, unpacked);
        for (to, difference) in to.iter_mut().zip(unpacked) {
            value = value.plus(least.plus(T::truncated((*difference).into())));
            *to = value;
        }
    }
    Ok(value)
}

/// One number of more than 32 bits.
fn wide(bytes: &[u8], bit: usize, width: usize) -> u64 {
    let mut word = [0; 16];
    let from = bytes.get(bit / 8..).unwrap_or_default();
    word.iter_mut().zip(from).for_each(|(to, byte)| *to = *byte);
    let value = (u128::from_le_bytes(word) >> (bit % 8)) as u64;
    value & (u64::MAX >> (64 - width.clamp(1, 64)))
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) = present(self.rest.split_at_checked(bytes), ENDS_EARLY)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The bytes of a mini block. Those behind the last value may be missing, and behind the last mini block that has
    /// values there is nothing, whatever width it says.
    fn mini(&mut self, width: usize, values: usize, needed: usize) -> Decoded<&'a [u8]> {
        let least = (needed * width).div_ceil(8);
        let whole = match needed {
            0 => 0,
            _ => (values * width).div_ceil(8).min(self.rest.len()),
        };
        match whole >= least {
            true => self.take(whole),
            false => damaged(ENDS_EARLY),
        }
    }

    fn varint(&mut self) -> Decoded<u64> {
        let mut value = 0;
        for place in 0..VARINT_BYTES_MAX {
            let (byte, rest) = present(self.rest.split_first(), ENDS_EARLY)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        damaged("a number in a page of differences does not end")
    }

    fn zigzag(&mut self) -> Decoded<u64> {
        let value = self.varint()?;
        Ok((value >> 1) ^ (value & 1).wrapping_neg())
    }
}
