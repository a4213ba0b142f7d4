//! Scripts are shortened to what matters.

use crate::shrink::shrink;

#[test]
fn only_what_matters_is_left() {
    let script: Vec<u32> = (0..120).collect();
    let needs = |script: &[u32]| [7, 50, 51, 99].iter().all(|needed| script.contains(needed));
    assert_eq!(shrink(&script, 2_000, needs), [7, 50, 51, 99]);
    assert!(shrink(&script, 2_000, |_| true).is_empty());
    assert_eq!(shrink(&script, 2_000, |part| part.len() == 120), script);
}

#[test]
fn tries_are_limited() {
    let tries = std::cell::Cell::new(0);
    shrink(&[0; 500], 50, |_| {
        tries.set(tries.get() + 1);
        false
    });
    assert_eq!(tries.get(), 50);
}
