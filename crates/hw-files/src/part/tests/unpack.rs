//! Packed numbers and runs against one written bit by bit.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::cause::Cause;
use super::super::runs::{Run, Runs, keys};
use super::super::unpack::{Key, unpack};

fn packed(values: &[u32], width: usize) -> Vec<u8> {
    let mut bytes = vec![0; (values.len() * width).div_ceil(8)];
    for (place, value) in values.iter().enumerate() {
        for bit in 0..width {
            let at = place * width + bit;
            bytes[at / 8] |= ((value >> bit & 1) as u8) << (at % 8);
        }
    }
    bytes
}

fn check<K: Key>(width: usize) {
    let mut random = StdRng::seed_from_u64(width as u64);
    for count in [0, 1, 7, 8, 9, 16, 31, 32, 64, 100, 1000] {
        let limit = 1u64 << width;
        let values: Vec<u32> = (0..count).map(|_| random.random_range(0..limit) as u32).collect();
        let mut unpacked = vec![K::default(); count];
        unpack(&packed(&values, width), width, &mut unpacked);
        let unpacked: Vec<_> = unpacked.into_iter().map(Key::index).collect();
        let expected: Vec<_> = values.iter().map(|value| *value as usize).collect();
        assert_eq!(unpacked, expected, "{count} values of {width} bits");
    }
}

#[test]
fn every_width_is_unpacked_to_every_number_that_has_room() {
    (0..=8).for_each(check::<u8>);
    (0..=16).for_each(check::<u16>);
    (0..=32).for_each(check::<u32>);
}

/// `width`, then runs.
fn page(width: u8, runs: &[&[u8]]) -> Vec<u8> {
    let mut page = vec![width];
    runs.iter().for_each(|run| page.extend_from_slice(run));
    page
}

#[track_caller]
fn check_keys(page: &[u8], limit: usize, count: usize, expected: Result<&[u8], &str>) {
    let mut found = vec![0u8; count];
    match (keys(page, limit, &mut found), expected) {
        (Ok(()), Ok(expected)) => assert_eq!(found, expected),
        (Err(Cause::Damaged(reason)), Err(expected)) => assert_eq!(reason, expected),
        (found, expected) => panic!("{found:?}, expected {expected:?}"),
    }
}

#[test]
fn keys_are_checked_against_the_dictionary() {
    let three = page(2, &[&[6, 1], &[3, 0b11_10_01_00, 0b00_01_10_11]]);
    check_keys(&three, 4, 11, Ok(&[1, 1, 1, 0, 1, 2, 3, 3, 2, 1, 0]));
    check_keys(&three, 4, 5, Ok(&[1, 1, 1, 0, 1]));
    check_keys(&three, 3, 11, Err("a key is beyond the dictionary of 3 values"));
    check_keys(&three, 1, 2, Err("a key is beyond the dictionary of 1 values"));
    check_keys(&three, 4, 12, Err("a page ends before its levels or keys do"));
    check_keys(&[], 4, 1, Err("a page ends before its levels or keys do"));
    check_keys(&[], 0, 0, Ok(&[]));
    check_keys(&page(33, &[&[2]]), 4, 1, Err("keys of 33 bits"));
    check_keys(
        &page(1, &[&[0xff, 0xff, 0xff, 0xff, 0x7f]]),
        4,
        1,
        Err("a run is too long"),
    );
    check_keys(&page(1, &[&[0x80; 9]]), 4, 1, Err("the length of a run does not end"));
    check_keys(&page(0, &[&[20]]), 1, 10, Ok(&[0; 10]));
}

#[test]
fn keys_may_be_wider_than_the_dictionary_needs() {
    let values: Vec<u32> = (0..1600).map(|value| value % 200).collect();
    let bytes = packed(&values, 13);
    let run = [&[0x91, 0x03][..], &bytes].concat();
    let mut found = vec![0u8; values.len()];
    keys(&page(13, &[&run]), 200, &mut found).unwrap();
    assert!(
        found
            .iter()
            .zip(&values)
            .all(|(found, value)| u32::from(*found) == *value)
    );
    let mut short = vec![0u8; values.len()];
    assert!(keys(&page(13, &[&run]), 199, &mut short).is_err());
    let wide = packed(&[256; 8], 9);
    let error = keys(&page(9, &[&[3], &wide]), 256, &mut found[..8]);
    assert!(error.is_err(), "256 must not become 0");
}

#[test]
fn runs_of_nothing_end() {
    let mut runs = Runs::new(&[0, 1, 0, 1, 1, 4, 1], 1, 2).unwrap();
    assert_eq!(runs.next().unwrap(), Some(Run::Repeated { value: 1, count: 2 }));
    assert_eq!(runs.next().unwrap(), None);
}
