//! Headers of pages, byte by byte.

use expect_test::{Expect, expect};

use super::super::cause::Cause;
use super::super::header::header;

fn check(bytes: &[u8], expected: Expect) {
    let told = match header(bytes) {
        Ok((header, size)) => format!("{size} bytes: {header:?}"),
        Err(Cause::Damaged(reason)) => reason,
        Err(other) => format!("{other:?}"),
    };
    expected.assert_eq(&told);
}

#[test]
fn headers_of_each_kind_are_read() {
    // kind 0, sizes 100 and 60, data page: 10 values, PLAIN, levels RLE, RLE
    let data = [
        0x15, 0, 0x15, 200, 1, 0x15, 120, 0x2c, 0x15, 20, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0,
    ];
    check(
        &data,
        expect![
            "18 bytes: Header { kind: DataV1 { values: 10, encoding: 0, levels: 3 }, uncompressed: 100, compressed: 60, crc: None }"
        ],
    );
    // kind 2, with a checksum, dictionary page: 3 values, PLAIN, sorted
    let dictionary = [
        0x15, 4, 0x15, 8, 0x15, 8, 0x15, 1, 0x3c, 0x15, 6, 0x15, 0, 0x11, 0, 0, 9, 9,
    ];
    check(
        &dictionary,
        expect![
            "16 bytes: Header { kind: Dictionary { values: 3, encoding: 0 }, uncompressed: 4, compressed: 4, crc: Some(4294967295) }"
        ],
    );
    // kind 3: 4 values, 1 null, 4 rows, RLE_DICTIONARY, 2 and 0 bytes of levels, not compressed
    let data_v2 = [
        0x15, 6, 0x15, 8, 0x15, 8, 0x5c, 0x15, 8, 0x15, 2, 0x15, 8, 0x15, 16, 0x15, 4, 0x15, 0, 0x12, 0, 0,
    ];
    check(
        &data_v2,
        expect![
            "22 bytes: Header { kind: DataV2 { values: 4, nulls: 1, encoding: 8, definition_bytes: 2, repetition_bytes: 0, compressed: false }, uncompressed: 4, compressed: 4, crc: None }"
        ],
    );
    // an index page
    check(
        &[0x15, 2, 0x15, 8, 0x15, 8, 0x3c, 0, 0],
        expect!["9 bytes: Header { kind: Other, uncompressed: 4, compressed: 4, crc: None }"],
    );
}

#[test]
fn unknown_fields_are_passed_over() {
    let mut bytes = vec![0x15, 2, 0x15, 8, 0x15, 8];
    // field 20: a list of two lists of truth values; 21: a map of bytes to doubles; 22: a struct; 23: bytes; 24: a uuid
    bytes.extend([0x09, 40, 0x29, 0x21, 1, 0, 0x21, 1, 1]);
    bytes.extend([0x1b, 1, 0x37, 5, 1, 2, 3, 4, 5, 6, 7, 8]);
    bytes.extend([0x1c, 0x11, 0x14, 2, 0]);
    bytes.extend([0x18, 2, b'a', b'b']);
    bytes.extend([0x1d]);
    bytes.extend([7; 16]);
    bytes.push(0);
    check(
        &bytes,
        expect!["54 bytes: Header { kind: Other, uncompressed: 4, compressed: 4, crc: None }"],
    );
}

#[test]
fn damaged_headers_are_told() {
    check(&[], expect!["the header of a page is cut off"]);
    check(&[0], expect!["the header of a page lacks its kind"]);
    check(&[0x15, 2, 0], expect!["the header of a page lacks a size"]);
    check(
        &[0x15, 0, 0x15, 8, 0x15, 8, 0],
        expect!["the header of a page lacks its kind"],
    );
    check(
        &[0x15, 2, 0x15, 7, 0x15, 8, 0],
        expect!["the header of a page lacks a size"],
    );
    check(&[0x15, 0x80, 0x80], expect!["the header of a page is cut off"]);
    check(
        &[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        expect!["a number in the header of a page does not end"],
    );
    check(&[0x1f, 1], expect!["the header of a page has an unknown kind of field"]);
    check(
        &[0x19, 0x1f, 1],
        expect!["the header of a page has an unknown kind of element"],
    );
    check(&[0x18, 100, 1], expect!["the header of a page is cut off"]);
    check(&[0x1c; 40], expect!["the header of a page is nested too deeply"]);
}
