//! What is downloaded and what is given up.

use std::ops::Range;

use proptest::prelude::*;

use super::super::plan::{Kept, overlap, to_download, to_give_up, without};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

#[track_caller]
fn downloads(size: u64, wanted: &[Range<u64>], held: &[Range<u64>], expected: &[Range<u64>]) {
    assert_eq!(to_download(size, wanted, held), expected);
}

#[test]
fn small_objects_are_downloaded_whole() {
    downloads(1000, &[10..20], &[], &[0..1000]);
    downloads(MIB, &[0..1, 500..600], &[], &[0..MIB]);
    downloads(1000, &[], &[], &[]);
    downloads(1000, &[5..5], &[], &[]);
    downloads(1000, &[10..20], &[0..1000], &[]);
}

#[test]
fn of_large_objects_only_what_is_near_what_is_wanted_is_downloaded() {
    let size = 100 * MIB;
    downloads(size, &[10..20], &[], &[0..64 * KIB]);
    downloads(size, &[64 * KIB..64 * KIB + 1], &[], &[64 * KIB..128 * KIB]);
    downloads(size, &[size - 8..size], &[], &[size - 64 * KIB..size]);
    // The last step is a short one.
    downloads(size + 5, &[size..size + 5], &[], &[size..size + 5]);
    downloads(
        size,
        &[MIB..2 * MIB, 50 * MIB..51 * MIB],
        &[],
        &[MIB..2 * MIB, 50 * MIB..51 * MIB],
    );
}

#[test]
fn ranges_near_each_other_are_one_request() {
    let size = 100 * MIB;
    downloads(size, &[0..64 * KIB, 320 * KIB..384 * KIB], &[], &[0..384 * KIB]);
    let far = [0..64 * KIB, 384 * KIB..448 * KIB];
    downloads(size, &far, &[], &far);
    // What lies between them and is held is not downloaded, nor what lies there and is near nothing.
    downloads(
        size,
        &[0..64 * KIB, 320 * KIB..384 * KIB],
        std::slice::from_ref(&(64 * KIB..128 * KIB)),
        &[0..64 * KIB, 128 * KIB..384 * KIB],
    );
    downloads(
        size,
        &[0..64 * KIB, 320 * KIB..384 * KIB],
        &[0..128 * KIB, 192 * KIB..384 * KIB],
        &[],
    );
}

#[test]
fn long_ranges_are_cut() {
    downloads(
        100 * MIB,
        std::slice::from_ref(&(0..20 * MIB)),
        &[],
        &[0..8 * MIB, 8 * MIB..16 * MIB, 16 * MIB..20 * MIB],
    );
}

#[test]
fn what_is_left_of_ranges_is_told() {
    assert_eq!(without(&[0..10, 20..30], &[5..25]), [0..5, 25..30]);
    assert_eq!(without(&[0..10], &[0..4, 4..10]), []);
    assert_eq!(without(&[0..10, 5..20], &[]), vec![0..20]);
    assert_eq!(without(&[10..20], &[0..10, 20..30]), vec![10..20]);
}

proptest! {
    #[test]
    fn everything_wanted_is_held_or_downloaded_once(
        size in 1_u64..40 * MIB,
        wanted in prop::collection::vec((0_u64..40 * MIB, 0_u64..3 * MIB), 0..6),
        held in prop::collection::vec((0_u64..40 * MIB, 1_u64..3 * MIB), 0..6),
    ) {
        let within = |ranges: Vec<(u64, u64)>| -> Vec<Range<u64>> {
            ranges.into_iter().map(|(start, bytes)| start.min(size)..(start + bytes).min(size)).collect()
        };
        let (wanted, held) = (within(wanted), within(held));
        let pieces = to_download(size, &wanted, &held);
        let all: Vec<Range<u64>> = pieces.iter().chain(&held).cloned().collect();
        prop_assert_eq!(without(&wanted, &all), Vec::<Range<u64>>::new());
        prop_assert!(pieces.iter().all(|piece| piece.start < piece.end && piece.end <= size));
        prop_assert!(pieces.windows(2).all(|pair| pair[0].end <= pair[1].start));
        prop_assert!(pieces.iter().all(|piece| held.iter().filter(|held| !held.is_empty()).all(|held| !overlap(piece, held))));
    }
}

fn kept(pieces: &[(u64, Option<u128>)]) -> Vec<Kept> {
    pieces.iter().map(|&(bytes, used)| Kept { bytes, used }).collect()
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let pieces = kept(&[(40, Some(3)), (30, Some(1)), (20, Some(2))]);
    assert_eq!(to_give_up(&pieces, 100, 10), Some(vec![]));
    assert_eq!(to_give_up(&pieces, 100, 20), Some(vec![1]));
    assert_eq!(to_give_up(&pieces, 100, 50), Some(vec![1, 2]));
    assert_eq!(to_give_up(&pieces, 100, 100), Some(vec![1, 2, 0]));
    assert_eq!(to_give_up(&pieces, 100, 101), None);
    assert_eq!(to_give_up(&[], 0, 1), None);
}

#[test]
fn a_little_more_goes_than_has_to() {
    let pieces: Vec<Kept> = (0..100)
        .map(|used| Kept {
            bytes: 1,
            used: Some(used),
        })
        .collect();
    assert_eq!(to_give_up(&pieces, 100, 1), Some((0..7).collect()));
}

#[test]
fn what_is_under_way_never_goes() {
    assert_eq!(to_give_up(&kept(&[(90, None), (10, Some(1))]), 100, 5), Some(vec![1]));
    assert_eq!(to_give_up(&kept(&[(90, None), (10, Some(1))]), 100, 11), None);
}
