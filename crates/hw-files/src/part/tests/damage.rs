//! Damaged files: an error or a right answer, never a panic, a hang or much memory.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use bytes::Bytes;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::cause::Cause;
use super::super::chunk::{Shape, pages};
use super::super::codec::Codec;
use super::super::{Buffers, PartReader};
use super::{expected, flattened, open, write};
use crate::{Fault, FileError};

const FLIPS: usize = 10_000;
const TESTS_OF_FLIPS: usize = 2;
/// Far more than any file here needs.
const MEMORY_MAX: usize = 256 << 20;

fn files() -> Vec<Bytes> {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ];
    let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
    let forms = codecs
        .into_iter()
        .flat_map(|codec| versions.map(|version| (codec, version)));
    let files = forms.map(|(codec, version)| {
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_writer_version(version)
            .set_data_page_row_count_limit(100)
            .set_write_batch_size(50)
            .set_dictionary_page_size_limit(1000);
        write(&[batch()], properties.build())
    });
    files.collect()
}

fn batch() -> RecordBatch {
    let rows = 0..400i64;
    let columns: [(&str, ArrayRef); 5] = [
        (
            "key",
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row % 10))),
        ),
        (
            "any",
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row * row))),
        ),
        (
            "some",
            Arc::new(Float64Array::from_iter(
                rows.clone().map(|row| (row % 4 != 0).then_some(row as f64)),
            )),
        ),
        (
            "text",
            Arc::new(StringArray::from_iter_values(
                rows.clone().map(|row| format!("text {}", row % 170)),
            )),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
                rows.map(|row| Some(vec![Some(row as i32); (row % 3) as usize])),
            )),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

/// Reads all columns; what is read has the row group's length and can be looked through.
fn read_all(file: &Bytes, buffers: &Buffers) -> Result<Vec<ArrayRef>, FileError> {
    let reader = open(file)?;
    let mut arrays = Vec::new();
    let mut first_error = None;
    for row_group in 0..reader.row_groups() {
        for column in 0..reader.schema().fields().len() {
            match read_one(&reader, row_group, column, buffers) {
                Ok(array) => arrays.push(array),
                Err(error) => first_error = first_error.or(Some(error)),
            }
            let memory = buffers.memory_size();
            assert!(memory < MEMORY_MAX, "{memory} bytes");
        }
    }
    first_error.map_or(Ok(arrays), Err)
}

fn read_one(reader: &PartReader, row_group: usize, column: usize, buffers: &Buffers) -> Result<ArrayRef, FileError> {
    reader.dictionary(row_group, column, buffers)?;
    let array = reader.read(row_group, column, buffers)?.array;
    assert_eq!(array.len(), reader.rows(row_group));
    array.to_data().validate_full().unwrap();
    Ok(flattened(&array))
}

/// Flips one to three bits within a range.
fn flipped(file: &Bytes, range: std::ops::Range<usize>, random: &mut StdRng) -> Bytes {
    let mut bytes = file.to_vec();
    for _ in 0..random.random_range(1..4) {
        bytes[random.random_range(range.clone())] ^= 1 << random.random_range(0..8);
    }
    bytes.into()
}

/// Damages the pages of one column, and reads that one.
fn flip_pages(file: &Bytes, column: usize, buffers: &Buffers, random: &mut StdRng) -> Result<ArrayRef, FileError> {
    let metadata = open(file)?.metadata().clone();
    let (start, length) = metadata.row_group(0).column(column).byte_range();
    let start = usize::try_from(start).unwrap();
    let damaged = flipped(file, start..start + usize::try_from(length).unwrap(), random);
    let reader = PartReader::with_metadata(Arc::new(super::Memory(damaged)), metadata)?;
    read_one(&reader, 0, column, buffers)
}

/// Flips in the pages, and every tenth time in the footer.
#[track_caller]
fn check_flips(files: &[Bytes], seed: u64) {
    let buffers = Buffers::default();
    let mut random = StdRng::seed_from_u64(seed);
    let mut errors = 0;
    for flip in 0..FLIPS / TESTS_OF_FLIPS {
        let file = &files[flip % files.len()];
        let outcome = match flip % 10 {
            0 => {
                let data = open(file).unwrap().metadata().row_group(0).compressed_size();
                let footer = usize::try_from(data).unwrap()..file.len();
                read_all(&flipped(file, footer, &mut random), &buffers).map(drop)
            }
            _ => flip_pages(file, flip % 5, &buffers, &mut random).map(drop),
        };
        if let Err(error) = outcome {
            assert_eq!(error.fault(), Fault::Data, "{error}");
            errors += 1;
        }
        assert!(buffers.memory_size() < MEMORY_MAX, "{} bytes", buffers.memory_size());
    }
    assert!(errors > FLIPS / TESTS_OF_FLIPS / 10, "{errors} errors");
    assert_eq!(buffers.lent_size(), 0);
}

#[test]
fn flipped_bits_of_stored_pages_give_an_error_or_an_answer() {
    check_flips(&files()[..2], 7);
}

#[test]
fn flipped_bits_of_compressed_pages_give_an_error_or_an_answer() {
    check_flips(&files()[2..], 8);
}

#[test]
fn pages_of_bytes_drawn_at_random_give_an_error_or_an_answer() {
    let buffers = Buffers::default();
    let mut random = StdRng::seed_from_u64(8);
    for file in files() {
        let expected = expected(&file).unwrap();
        assert_eq!(read_all(&file, &buffers).unwrap(), expected[0]);
        for _ in 0..50 {
            let mut bytes = file.to_vec();
            let start = random.random_range(4..bytes.len() / 2);
            let end = (start + random.random_range(1..200)).min(bytes.len() / 2);
            random.fill(&mut bytes[start..end]);
            let _ = read_all(&bytes.into(), &buffers);
        }
    }
}

#[test]
fn files_cut_off_anywhere_are_told() {
    let buffers = Buffers::default();
    for file in files() {
        for end in (0..file.len()).step_by(37).chain(file.len() - 12..file.len()) {
            let error = read_all(&file.slice(..end), &buffers).unwrap_err();
            assert_eq!(error.fault(), Fault::Data, "{error}");
        }
    }
}

#[test]
fn pieces_missing_in_the_middle_are_told() {
    let buffers = Buffers::default();
    for file in files() {
        for start in (4..file.len() / 2).step_by(61) {
            let bytes = [&file[..start], &file[start + 10..]].concat();
            let error = read_all(&bytes.into(), &buffers).unwrap_err();
            assert_eq!(error.fault(), Fault::Data, "{error}");
        }
    }
}

#[test]
fn the_error_names_file_row_group_and_column() {
    let file = write(&[batch(), batch()], WriterProperties::builder().build());
    let reader = open(&file).unwrap();
    let chunk = reader.metadata().row_group(1).column(1).clone();
    let (start, length) = chunk.byte_range();
    let mut bytes = file.to_vec();
    bytes[usize::try_from(start).unwrap()..][..usize::try_from(length).unwrap()].fill(0xff);
    let error = open(&bytes.into())
        .unwrap()
        .read(1, 1, &Buffers::default())
        .unwrap_err();
    assert_eq!(error.code(), "HW-T044");
    let text = error.to_string();
    assert!(
        text.starts_with("column `any` in row group 1 of file `memory.parquet` is damaged: "),
        "{text}"
    );
}

/// A chunk of one page with the number 5, and this checksum.
fn chunk_with_crc(crc: u32) -> Vec<u8> {
    let zigzag = ((crc as i32) << 1) ^ ((crc as i32) >> 31);
    let mut rest = zigzag as u32;
    let mut chunk = vec![0x15, 0, 0x15, 16, 0x15, 16, 0x15];
    while rest > 0x7f {
        chunk.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    chunk.push(rest as u8);
    chunk.extend([0x1c, 0x15, 2, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0]);
    chunk.extend(5u64.to_le_bytes());
    chunk
}

#[test]
fn checksums_of_pages_are_compared() {
    let shape = Shape {
        rows: 1,
        unfolded: 100,
        codec: Codec::Plain,
        nullable: false,
        short_text_bytes_max: 0,
    };
    let right = crc32fast::hash(&5u64.to_le_bytes());
    assert_eq!(pages(&chunk_with_crc(right), &shape).unwrap().data.len(), 1);
    let error = pages(&chunk_with_crc(right ^ 1), &shape).unwrap_err();
    assert!(matches!(error, Cause::Damaged(reason) if reason == "the checksum of a page is not its own"));
}

#[test]
fn other_numbers_of_values_are_told() {
    let file = write(&[batch()], WriterProperties::builder().build());
    let reader = open(&file).unwrap();
    let metadata = reader.metadata().as_ref().clone();
    for rows in [399, 401, 0, 1 << 40] {
        let mut builder = metadata.clone().into_builder();
        let groups = builder.take_row_groups().into_iter();
        let groups = groups.map(|group| group.into_builder().set_num_rows(rows).build().unwrap());
        let metadata = Arc::new(builder.set_row_groups(groups.collect()).build());
        let reader = PartReader::with_metadata(Arc::new(super::Memory(file.clone())), metadata).unwrap();
        for column in 0..5 {
            let read = reader.read(0, column, &Buffers::default());
            // The general reader stops after as many rows as it is told.
            if rows > 400 || column < 4 {
                assert_eq!(read.unwrap_err().code(), "HW-T044", "{rows} rows, column {column}");
            }
        }
    }
}
