//! The hybrid of runs of equal values and bit-packed values that codes levels and dictionary keys.

use super::cause::{Decoded, damaged, present};
use super::unpack::{GROUP, Key, WIDTH_MAX, unpack};

const VARINT_BYTES_MAX: usize = 5;
/// Keys unpacked at a time on the way to narrower ones.
const NARROWED: usize = 512;

/// A stretch of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run<'a> {
    /// So many times one value.
    Repeated { value: u32, count: usize },
    /// So many values, packed. The bytes suffice for all.
    Packed { bytes: &'a [u8], count: usize },
}

impl Run<'_> {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Repeated { count, .. } | Self::Packed { count, .. } => *count,
        }
    }
}

/// Reads runs until all values are there.
pub(super) struct Runs<'a> {
    rest: &'a [u8],
    width: usize,
    /// Values still to come.
    missing: usize,
}

impl<'a> Runs<'a> {
    /// `count` values of `width` bits each.
    pub(super) fn new(bytes: &'a [u8], width: usize, count: usize) -> Decoded<Self> {
        match width <= WIDTH_MAX {
            true => Ok(Self {
                rest: bytes,
                width,
                missing: count,
            }),
            false => damaged(format!("keys of {width} bits")),
        }
    }

    /// The next run; `None` when all values were given. Runs are cut where they hold more than was asked for.
    pub(super) fn next(&mut self) -> Decoded<Option<Run<'a>>> {
        while self.missing > 0 {
            let head = self.varint()?;
            let count = (head >> 1) as usize;
            let run = match head & 1 {
                0 => self.repeated(count)?,
                _ => self.packed(count)?,
            };
            if run.is_some() {
                return Ok(run);
            }
        }
        Ok(None)
    }

    fn repeated(&mut self, count: usize) -> Decoded<Option<Run<'a>>> {
        let (bytes, rest) = present(self.rest.split_at_checked(self.width.div_ceil(8)), ENDS_EARLY)?;
        self.rest = rest;
        let value = bytes
            .iter()
            .rev()
            .fold(0, |value: u32, byte| value << 8 | u32::from(*byte));
        let count = count.min(self.missing);
        self.missing -= count;
        Ok((count > 0).then_some(Run::Repeated { value, count }))
    }

    /// The last group may be cut off behind the values that count.
    fn packed(&mut self, groups: usize) -> Decoded<Option<Run<'a>>> {
        let count = groups.saturating_mul(GROUP).min(self.missing);
        let needed = (count as u64 * self.width as u64).div_ceil(8) as usize;
        let bytes = present(self.rest.get(..needed), ENDS_EARLY)?;
        let whole = groups.saturating_mul(self.width);
        self.rest = self.rest.get(whole..).unwrap_or_default();
        self.missing -= count;
        Ok((count > 0).then_some(Run::Packed { bytes, count }))
    }

    fn varint(&mut self) -> Decoded<u32> {
        let mut value = 0;
        for place in 0..VARINT_BYTES_MAX {
            let (byte, rest) = present(self.rest.split_first(), ENDS_EARLY)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return present(u32::try_from(value).ok(), "a run is too long");
            }
        }
        damaged("the length of a run does not end")
    }
}

const ENDS_EARLY: &str = "a page ends before its levels or keys do";

/// Decodes the keys of a page, and checks that all are below `limit`. In front of them stands their width.
pub(super) fn keys<K: Key>(bytes: &[u8], limit: usize, to: &mut [K]) -> Decoded<()> {
    if to.is_empty() {
        return Ok(());
    }
    let (width, bytes) = present(bytes.split_first(), ENDS_EARLY)?;
    let width = usize::from(*width);
    let mut runs = Runs::new(bytes, width, to.len())?;
    let mut rest = &mut *to;
    while let Some(run) = runs.next()? {
        let (now, later) = present(rest.split_at_mut_checked(run.count()), ENDS_EARLY)?;
        match run {
            Run::Repeated { value, .. } => now.fill(key_below(value, limit)?),
            Run::Packed { bytes, .. } if width <= K::BITS => unpack(bytes, width, now),
            Run::Packed { bytes, .. } => narrowed(bytes, width, limit, now)?,
        }
        rest = later;
    }
    // Once for all of a page: a comparison per key would cost as much as unpacking it.
    match to.iter().copied().max() {
        Some(greatest) if greatest.index() >= limit => out_of_dictionary(limit),
        _ => Ok(()),
    }
}

/// Keys stored wider than the dictionary needs.
fn narrowed<K: Key>(bytes: &[u8], width: usize, limit: usize, to: &mut [K]) -> Decoded<()> {
    let mut wide = [0; NARROWED];
    let chunks = to.chunks_mut(NARROWED).zip(bytes.chunks(NARROWED / GROUP * width));
    for (to, bytes) in chunks {
        let wide = wide.get_mut(..to.len()).unwrap_or_default();
        unpack::<u32>(bytes, width, wide);
        for (to, wide) in to.iter_mut().zip(wide) {
            *to = key_below(*wide, limit)?;
        }
    }
    Ok(())
}

fn key_below<K: Key>(value: u32, limit: usize) -> Decoded<K> {
    match K::of(value).filter(|key| key.index() < limit) {
        Some(key) => Ok(key),
        None => out_of_dictionary(limit),
    }
}

fn out_of_dictionary<T>(limit: usize) -> Decoded<T> {
    damaged(format!("a key is beyond the dictionary of {limit} values"))
}
