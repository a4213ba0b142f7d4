//! Truth values: one bit each, or runs.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

use super::cause::{Cause, Decoded, present};
use super::chunk::{Coding, DataPage, Opener, Pages};
use super::runs::{Run, Runs};
use super::validity::Validity;

/// Bytes of the length in front of runs.
const LENGTH_BYTES: usize = 4;

/// Decodes all pages into one array.
pub(super) fn flat(pages: &Pages, opener: &mut Opener<'_>) -> Decoded<ArrayRef> {
    let rows = opener.shape.rows;
    let mut bits = BooleanBufferBuilder::new(rows);
    let mut validity = Validity::default();
    for page in &pages.data {
        let (levels, values) = opener.data(page)?;
        let count = validity.push_page(levels, page.values, rows)?;
        match count == page.values {
            true => push(page, values, count, &mut bits)?,
            false => {
                let mut dense = BooleanBufferBuilder::new(count);
                push(page, values, count, &mut dense)?;
                spread(&dense.finish(), validity.last(page.values), &mut bits);
            }
        }
    }
    Ok(Arc::new(BooleanArray::new(bits.finish(), validity.finish())))
}

fn push(page: &DataPage, values: &[u8], count: usize, to: &mut BooleanBufferBuilder) -> Decoded<()> {
    match page.coding {
        Coding::Plain => {
            let bits = present(
                values.get(..count.div_ceil(8)),
                "a page has fewer values than its header says",
            )?;
            to.append_packed_range(0..count, bits);
            Ok(())
        }
        Coding::Runs if count == 0 => Ok(()),
        Coding::Runs => {
            let runs = present(values.get(LENGTH_BYTES..), "a page ends before its runs do")?;
            push_runs(Runs::new(runs, 1, count)?, to)
        }
        Coding::Keys | Coding::Delta => Err(Cause::NotHere),
    }
}

fn push_runs(mut runs: Runs<'_>, to: &mut BooleanBufferBuilder) -> Decoded<()> {
    while let Some(run) = runs.next()? {
        match run {
            Run::Repeated { value, count } => to.append_n(count, value != 0),
            Run::Packed { bytes, count } => to.append_packed_range(0..count, bytes),
        }
    }
    Ok(())
}

fn spread(dense: &BooleanBuffer, present: impl Iterator<Item = bool>, to: &mut BooleanBufferBuilder) {
    let mut next = dense.iter();
    for valid in present {
        let value = match valid {
            true => next.next().unwrap_or_default(),
            false => false,
        };
        to.append(value);
    }
}
