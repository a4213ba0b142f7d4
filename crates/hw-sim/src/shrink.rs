//! Shortening: leaves out whatever is not needed to break the promise (delta debugging).

/// The shortest part of `script` that was found to satisfy `breaks`, within so many tries.
pub(crate) fn shrink<T: Clone>(script: &[T], tries_max: usize, breaks: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut shortest = script.to_vec();
    let mut tries = 0;
    let mut chunk = shortest.len().div_ceil(2);
    while chunk > 0 && tries < tries_max {
        let before = shortest.len();
        let mut from = 0;
        while from < shortest.len() && tries < tries_max {
            let kept = shortest.iter().enumerate();
            let without = kept.filter(|(place, _)| !(from..from + chunk).contains(place));
            let without: Vec<T> = without.map(|(_, item)| item.clone()).collect();
            tries += 1;
            if breaks(&without) {
                shortest = without;
            } else {
                from += chunk;
            }
        }
        // As long as single items can be left out, others may become needless.
        if chunk > 1 || shortest.len() == before {
            chunk /= 2;
        }
    }
    shortest
}
