//! The bytes of one column chunk, and the pages in them.
//!
//! ```text
//! header | dictionary page | header | data page | header | data page | ...
//! ```
//!
//! All headers are read before any page is decoded. So the form of the answer is known, and a damaged number claims no
//! memory: the values of all pages must be those of the row group.

use std::ops::Range;

use super::buffers::{Block, Buffers};
use super::cause::{Cause, Decoded, damaged, present};
use super::codec::{Codec, Decoders, check_crc};
use super::header::{Header, Kind, encoding, header};

/// The pages of a chunk, by their place in its bytes.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) dictionary: Option<DictionaryPage>,
    pub(super) data: Vec<DataPage>,
}

#[derive(Debug)]
pub(super) struct DictionaryPage {
    pub(super) values: usize,
    unfolded: usize,
    body: Range<usize>,
}

#[derive(Debug)]
pub(super) struct DataPage {
    pub(super) values: usize,
    pub(super) coding: Coding,
    pub(super) version: Version,
    /// Size of the page when it is decompressed, levels included.
    pub(super) unfolded: usize,
    pub(super) body: Range<usize>,
    compressed: bool,
}

/// How the values of a page are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Keys,
    Runs,
    Delta,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Levels are compressed with the values.
    One,
    /// Levels stand in front, as they are.
    Two { definition: usize, repetition: usize },
}

/// What a chunk must hold, from the metadata.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) rows: usize,
    /// Bytes of all pages when they are decompressed.
    pub(super) unfolded: usize,
    pub(super) codec: Codec,
    /// Whether values have definition levels.
    pub(super) nullable: bool,
    /// Most bytes of text for which 32-bit offsets are taken.
    pub(super) short_text_bytes_max: usize,
}

/// Finds the pages of a chunk, and checks their sizes and checksums.
pub(super) fn pages(bytes: &[u8], shape: &Shape) -> Decoded<Pages> {
    let mut found = Pages {
        dictionary: None,
        data: Vec::new(),
    };
    let mut at = 0;
    let mut values = 0;
    while at < bytes.len() {
        let (header, body, end) = match page_at(bytes, at) {
            // Some writers leave a few bytes behind the last page.
            Err(_) if values == shape.rows && values > 0 => break,
            page => page?,
        };
        at = end;
        if let Kind::Dictionary { values, encoding } = header.kind {
            if found.dictionary.is_some() || !found.data.is_empty() {
                return damaged("it has a dictionary behind its first page");
            }
            found.dictionary = Some(dictionary_page(bytes, &header, body, values, encoding, shape)?);
        } else if let Some(page) = data_page(bytes, &header, body, shape)? {
            values += page.values;
            found.data.push(page);
        }
    }
    match values == shape.rows {
        true => Ok(found),
        false => damaged(format!(
            "its pages hold {values} values, the row group has {} rows",
            shape.rows
        )),
    }
}

/// The dictionary page at the start of a chunk.
pub(super) fn first_dictionary(bytes: &[u8], shape: &Shape) -> Decoded<DictionaryPage> {
    let (header, body, _) = page_at(bytes, 0)?;
    match header.kind {
        Kind::Dictionary { values, encoding } => dictionary_page(bytes, &header, body, values, encoding, shape),
        _ => damaged("its dictionary is not where the footer says"),
    }
}

fn page_at(bytes: &[u8], at: usize) -> Decoded<(Header, Range<usize>, usize)> {
    let (header, size) = header(bytes.get(at..).unwrap_or_default())?;
    let start = at + size;
    let end = start.saturating_add(header.compressed);
    let body = present(bytes.get(start..end), "a page reaches beyond its column chunk")?;
    check_crc(header.crc, body)?;
    Ok((header, start..end, end))
}

fn dictionary_page(
    bytes: &[u8],
    header: &Header,
    body: Range<usize>,
    values: usize,
    coding: i32,
    shape: &Shape,
) -> Decoded<DictionaryPage> {
    if !matches!(coding, encoding::PLAIN | encoding::PLAIN_DICTIONARY) {
        return Err(Cause::NotHere);
    }
    let claimed = bytes.get(body.clone()).unwrap_or_default();
    shape.codec.check_claim(claimed, header.uncompressed, shape.unfolded)?;
    Ok(DictionaryPage {
        values,
        unfolded: header.uncompressed,
        body,
    })
}

fn data_page(bytes: &[u8], header: &Header, body: Range<usize>, shape: &Shape) -> Decoded<Option<DataPage>> {
    let page = |values, coding, version, compressed| DataPage {
        values,
        coding,
        version,
        unfolded: header.uncompressed,
        body: body.clone(),
        compressed,
    };
    let page = match header.kind {
        Kind::DataV1 { levels, .. } if shape.nullable && levels != encoding::RLE => return Err(Cause::NotHere),
        Kind::DataV1 { values, encoding, .. } => page(values, coding(encoding)?, Version::One, true),
        Kind::DataV2 {
            values,
            encoding,
            definition_bytes: definition,
            repetition_bytes: repetition,
            compressed,
            ..
        } => page(
            values,
            coding(encoding)?,
            Version::Two { definition, repetition },
            compressed,
        ),
        Kind::Dictionary { .. } | Kind::Other => return Ok(None),
    };
    check_sizes(bytes, &page, shape)?;
    Ok(Some(page))
}

fn coding(number: i32) -> Decoded<Coding> {
    match number {
        encoding::PLAIN => Ok(Coding::Plain),
        encoding::PLAIN_DICTIONARY | encoding::RLE_DICTIONARY => Ok(Coding::Keys),
        encoding::RLE => Ok(Coding::Runs),
        encoding::DELTA_BINARY_PACKED => Ok(Coding::Delta),
        _ => Err(Cause::NotHere),
    }
}

/// Checks that the page can hold what it claims.
fn check_sizes(bytes: &[u8], page: &DataPage, shape: &Shape) -> Decoded<()> {
    let levels = page.levels_size();
    let body = bytes.get(page.body.clone()).unwrap_or_default();
    let (Some(body), Some(claimed)) = (body.get(levels..), page.unfolded.checked_sub(levels)) else {
        return damaged("the levels of a page are longer than the page");
    };
    if page.is_stored(shape.codec) && body.len() != claimed {
        return damaged(format!("a page of {} bytes claims to have {claimed}", body.len()));
    }
    // A page of nulls alone has nothing to compress, and some writers then store nothing at all.
    match claimed == 0 || page.is_stored(shape.codec) {
        true => Ok(()),
        false => shape.codec.check_claim(body, claimed, shape.unfolded),
    }
}

impl DataPage {
    /// Bytes of levels in front of what is compressed.
    fn levels_size(&self) -> usize {
        match self.version {
            Version::One => 0,
            Version::Two { definition, repetition } => definition.saturating_add(repetition),
        }
    }

    /// Whether the values stand in the file as they are.
    pub(super) fn is_stored(&self, codec: Codec) -> bool {
        codec == Codec::Plain || !self.compressed
    }

    /// Where the values stand in the chunk's bytes, with the levels of a page of version one.
    pub(super) fn values_range(&self) -> Range<usize> {
        let start = self.body.start + self.levels_size();
        start.min(self.body.end)..self.body.end
    }

    /// Size of that when it is decompressed.
    pub(super) fn values_unfolded(&self) -> usize {
        self.unfolded.saturating_sub(self.levels_size())
    }

    /// The definition levels of a page of version two.
    pub(super) fn outer_levels<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let Version::Two { definition, repetition } = self.version else {
            return None;
        };
        let start = self.body.start + repetition;
        bytes.get(start..start + definition)
    }
}

/// Cuts the definition levels off the front of a page of version one.
pub(super) fn split_levels(page: &[u8]) -> Decoded<(&[u8], &[u8])> {
    let cut = page.split_first_chunk().and_then(|(length, rest)| {
        let length = u32::from_le_bytes(*length) as usize;
        rest.split_at_checked(length)
    });
    present(cut, "the levels of a page are longer than the page")
}

/// Opens pages, one after the other, in the same scratch memory.
pub(super) struct Opener<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) shape: Shape,
    pub(super) decoders: &'a mut Decoders,
    pub(super) buffers: &'a Buffers,
    scratch: Option<Block>,
}

/// An open page: definition levels, where the column has any, and values.
pub(super) type OpenPage<'a> = (Option<&'a [u8]>, &'a [u8]);

impl<'a> Opener<'a> {
    pub(super) fn new(bytes: &'a [u8], shape: Shape, decoders: &'a mut Decoders, buffers: &'a Buffers) -> Self {
        Self {
            bytes,
            shape,
            decoders,
            buffers,
            scratch: None,
        }
    }

    pub(super) fn dictionary(&mut self, page: &DictionaryPage) -> Decoded<&[u8]> {
        self.unfold(page.body.clone(), page.unfolded, self.shape.codec == Codec::Plain)
    }

    pub(super) fn data(&mut self, page: &DataPage) -> Decoded<OpenPage<'_>> {
        let nullable = self.shape.nullable;
        let outer = page.outer_levels(self.bytes);
        let stored = page.is_stored(self.shape.codec);
        let values = self.unfold(page.values_range(), page.values_unfolded(), stored)?;
        match (outer, nullable) {
            (_, false) => Ok((None, values)),
            (Some(levels), true) => Ok((Some(levels), values)),
            (None, true) => split_levels(values).map(|(levels, values)| (Some(levels), values)),
        }
    }

    fn unfold(&mut self, body: Range<usize>, unfolded: usize, stored: bool) -> Decoded<&[u8]> {
        let body = self.bytes.get(body).unwrap_or_default();
        if stored {
            return Ok(body);
        }
        let scratch = match self.scratch.take() {
            Some(scratch) if scratch.bytes().len() >= unfolded => scratch,
            _ => self.buffers.block(unfolded),
        };
        let scratch = self.scratch.insert(scratch);
        let to = scratch.bytes_mut().get_mut(..unfolded).unwrap_or_default();
        if unfolded > 0 {
            self.decoders.decompress(self.shape.codec, body, to)?;
        }
        Ok(to)
    }
}
