#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

fn plainly(text: &[u8]) -> Vec<usize> {
    text.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn percents_are_found_at_each_place_of_each_length() {
    for length in 0..200 {
        for at in 0..length {
            let mut text = vec![b'a'; length];
            text[at] = b'%';
            assert_eq!(Percents::new(&text).collect::<Vec<_>>(), [at], "{at} of {length}");
        }
    }
}

#[test]
fn the_search_goes_on_where_it_is_told_to() {
    let text = "%".repeat(300);
    for to in [1, 5, 63, 64, 65, 127, 128, 200, 299, 300, 301] {
        let mut percents = Percents::new(text.as_bytes());
        percents.next();
        percents.seek(to);
        assert_eq!(percents.collect::<Vec<_>>(), (to..300).collect::<Vec<_>>(), "{to}");
    }
}

proptest! {
    #[test]
    fn a_mask_has_a_bit_for_each_byte(block in prop::array::uniform32(any::<u8>()), wanted: u8) {
        let mut both = [wanted; BLOCK];
        both[16..48].copy_from_slice(&block);
        let plain = both.iter().rev().fold(0u64, |mask, byte| mask << 1 | u64::from(*byte == wanted));
        prop_assert_eq!(in_order(hits(&both, wanted)), plain);
    }

    #[test]
    fn searches_agree_with_loops(text in prop::collection::vec(prop::sample::select(b"%;\\a \n\x80".to_vec()), 0..400), from in 0usize..420) {
        prop_assert_eq!(Percents::new(&text).collect::<Vec<_>>(), plainly(&text));
        let stops = [b';', b'\n', b'\x80', b';'];
        let plain = text.iter().enumerate().skip(from).find(|(_, byte)| stops.contains(byte));
        prop_assert_eq!(find_any(&text, from.min(text.len()), stops), plain.map_or(text.len(), |(at, _)| at));
    }
}
