#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use hw_job::Timestamp;

use super::Slots;

#[test]
fn attempts_at_the_same_time_have_tracks_of_their_own() {
    let mut slots = Slots::default();
    let take = |slots: &mut Slots, start, end| slots.take(Timestamp(start), Timestamp(end));
    assert_eq!(take(&mut slots, 0, 10), 0);
    assert_eq!(take(&mut slots, 5, 7), 1);
    assert_eq!(take(&mut slots, 6, 20), 2);
    assert_eq!(
        take(&mut slots, 7, 9),
        1,
        "a slot is free again at the end of its attempt"
    );
    assert_eq!(take(&mut slots, 12, 13), 0);
    assert_eq!(slots.0.len(), 3);
}
