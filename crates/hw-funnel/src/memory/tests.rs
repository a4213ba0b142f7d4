#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::{Lent, Memory};

#[test]
fn memory_comes_back_and_is_zero_again() {
    let memory = Memory::default();
    let mut first = Lent::<i64>::zeroed(&memory, 100);
    first.fill(7);
    let place = first.as_ptr();
    drop(first);
    let again = Lent::<i64>::zeroed(&memory, 90);
    assert_eq!(again.as_ptr(), place);
    assert_eq!(*again, vec![0; 90]);
    let further = Lent::<i64>::zeroed(&memory, 90);
    assert_ne!(further.as_ptr(), place, "it is still in use");
}

#[test]
fn the_smallest_piece_that_suffices_is_taken() {
    let memory = Memory::default();
    let large = Lent::<u32>::zeroed(&memory, 1000);
    let small = Lent::<u32>::zeroed(&memory, 10);
    let (large_place, small_place) = (large.as_ptr(), small.as_ptr());
    drop((large, small));
    assert_eq!(Lent::<u32>::zeroed(&memory, 10).as_ptr(), small_place);
    assert_eq!(Lent::<u32>::zeroed(&memory, 11).as_ptr(), large_place);
    assert_eq!(Lent::<u32>::zeroed(&memory, 1001).len(), 1001);
}

#[test]
fn what_nobody_took_for_the_longest_time_makes_room() {
    let memory = Memory::new(4 * 4_000);
    let pieces = [900, 300, 200].map(|count| Lent::<u32>::zeroed(&memory, count));
    drop(pieces);
    // All three do not fit into a quarter of the bytes: the first that came back is gone.
    let kept = |memory: &Memory| {
        let pieces = memory.kept.counts.lock().unwrap();
        (
            pieces.bytes,
            pieces.pieces.iter().map(Vec::capacity).collect::<Vec<_>>(),
        )
    };
    assert_eq!(kept(&memory), (2_000, vec![300, 200]));
    drop(Lent::<u32>::zeroed(&memory, 250));
    assert_eq!(kept(&memory), (2_000, vec![200, 300]), "used last");
    drop(Lent::<u32>::zeroed(&memory, 800));
    assert_eq!(kept(&memory), (3_200, vec![800]));
    drop(Lent::<u32>::zeroed(&memory, 1_001));
    assert_eq!(kept(&memory), (3_200, vec![800]), "larger than all that may be kept");
    let many: Vec<_> = (0..100).map(|_| Lent::<u32>::zeroed(&memory, 1)).collect();
    drop(many);
    assert_eq!(kept(&memory).1.len(), super::PIECES_MAX);
}
