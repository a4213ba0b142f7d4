//! Decompression of pages, straight to where they are wanted.

use std::io::Read;

use parquet::basic::Compression;

use super::cause::{Cause, Decoded, damaged};

/// The most that each codec can make of one compressed byte, so that a damaged header does not claim memory.
const GZIP_GAIN_MAX: usize = 1032;
const LZ4_GAIN_MAX: usize = 255;
/// Added to what the gain allows: short inputs have headers.
const GAIN_SLACK: usize = 1024;
const BROTLI_BUFFER_BYTES: usize = 4096;

/// Codecs that this module speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Plain,
    Snappy,
    Gzip,
    Brotli,
    Lz4,
    Zstd,
}

impl Codec {
    /// `None` for those left to the general reader.
    pub(super) fn of(compression: Compression) -> Option<Self> {
        match compression {
            Compression::UNCOMPRESSED => Some(Self::Plain),
            Compression::SNAPPY => Some(Self::Snappy),
            Compression::GZIP(_) => Some(Self::Gzip),
            Compression::BROTLI(_) => Some(Self::Brotli),
            Compression::LZ4_RAW => Some(Self::Lz4),
            Compression::ZSTD(_) => Some(Self::Zstd),
            Compression::LZ4 | Compression::LZO => None,
        }
    }

    /// Checks that compressed bytes can hold as much as is claimed, before memory is taken for it. Where they do not tell
    /// it themselves, `chunk` bounds it: what the footer tells of the whole column chunk.
    pub(super) fn check_claim(self, compressed: &[u8], claimed: usize, chunk: usize) -> Decoded<()> {
        let possible = match self {
            Self::Plain => claimed == compressed.len(),
            Self::Snappy => snap::raw::decompress_len(compressed).is_ok_and(|size| size == claimed),
            Self::Gzip => claimed <= at_most(compressed, GZIP_GAIN_MAX),
            Self::Lz4 => claimed <= at_most(compressed, LZ4_GAIN_MAX),
            Self::Zstd => zstd_can_hold(compressed, claimed, chunk),
            Self::Brotli => claimed <= chunk,
        };
        match possible {
            true => Ok(()),
            false => damaged(format!(
                "a page of {} bytes claims to unfold into {claimed}",
                compressed.len()
            )),
        }
    }
}

fn at_most(compressed: &[u8], gain: usize) -> usize {
    compressed.len().saturating_mul(gain).saturating_add(GAIN_SLACK)
}

/// Frames tell their size, unless they were streamed. Several frames in one page are not ruled out.
fn zstd_can_hold(compressed: &[u8], claimed: usize, chunk: usize) -> bool {
    match zstd::zstd_safe::get_frame_content_size(compressed) {
        Ok(Some(size)) => size == claimed as u64 || claimed <= chunk,
        Ok(None) => claimed <= chunk,
        Err(_) => false,
    }
}

/// Decompressors with their working memory.
#[derive(Default)]
pub(super) struct Decoders {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    snappy: snap::raw::Decoder,
}

impl Decoders {
    /// Decompresses into exactly `to`.
    pub(super) fn decompress(&mut self, codec: Codec, from: &[u8], to: &mut [u8]) -> Decoded<()> {
        let wanted = to.len();
        let written = match codec {
            Codec::Plain if from.len() == wanted => {
                to.copy_from_slice(from);
                Ok(wanted)
            }
            Codec::Plain => Err("its size is not the one claimed".to_owned()),
            Codec::Snappy => self.snappy.decompress(from, to).map_err(|error| error.to_string()),
            Codec::Gzip => read_all(flate2::read::MultiGzDecoder::new(from), to),
            Codec::Brotli => read_all(brotli::Decompressor::new(from, BROTLI_BUFFER_BYTES), to),
            Codec::Lz4 => lz4_flex::block::decompress_into(from, to).map_err(|error| error.to_string()),
            Codec::Zstd => self.zstd(from, to),
        };
        match written {
            Ok(written) if written == wanted => Ok(()),
            Ok(written) => damaged(format!("a page unfolds into {written} bytes, {wanted} were claimed")),
            Err(reason) => damaged(format!("a page does not unfold: {reason}")),
        }
    }

    fn zstd(&mut self, from: &[u8], to: &mut [u8]) -> Result<usize, String> {
        if self.zstd.is_none() {
            self.zstd = Some(zstd::bulk::Decompressor::new().map_err(|error| error.to_string())?);
        }
        match &mut self.zstd {
            Some(decoder) => decoder
                .decompress_to_buffer(from, to)
                .map_err(|error| error.to_string()),
            None => Ok(0),
        }
    }
}

/// Fills `to`, and looks that nothing follows.
fn read_all(mut from: impl Read, to: &mut [u8]) -> Result<usize, String> {
    from.read_exact(to).map_err(|error| error.to_string())?;
    let mut further = [0];
    match from.read(&mut further) {
        Ok(0) => Ok(to.len()),
        Ok(more) => Ok(to.len() + more),
        Err(error) => Err(error.to_string()),
    }
}

/// Checks a page's bytes as they stand in the file, where the writer left a checksum.
pub(super) fn check_crc(expected: Option<u32>, bytes: &[u8]) -> Result<(), Cause> {
    match expected {
        Some(expected) if crc32fast::hash(bytes) != expected => damaged("the checksum of a page is not its own"),
        _ => Ok(()),
    }
}
