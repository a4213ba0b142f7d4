//! "Did you mean": the nearest of the names that exist.

/// The candidate that `given` most probably meant: equal but for case, else the nearest by edit distance (at most a
/// third of the length, at least one edit). `None` where nothing is near. Ties go to the first candidate.
pub fn closest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = given.to_lowercase();
    let edits_max = (given.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&folded, candidate), candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

fn distance(folded: &str, candidate: &str) -> usize {
    strsim::damerau_levenshtein(folded, &candidate.to_lowercase())
}
