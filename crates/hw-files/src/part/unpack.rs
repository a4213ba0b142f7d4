//! Numbers packed at a fixed width in bits, lowest bits first, unpacked eight at a time.
//!
//! Eight values of `WIDTH` bits take `WIDTH` bytes, so that groups begin at bytes. As many values as fit are loaded into one
//! 64-bit word and spread over it by masks and shifts: half of them by 32 bits, half of each half by 16, and so on. That
//! takes fewer operations than cutting out one value after the other, for narrow numbers by far.

use arrow_buffer::ArrowNativeType;

/// Values of a group.
pub(super) const GROUP: usize = 8;
/// Bytes looked at for a group: the widest takes 32, and a word read at its last byte ends 7 later.
const WINDOW: usize = 40;
/// Widest value.
pub(super) const WIDTH_MAX: usize = 32;

/// Numbers that are unpacked: keys of dictionaries.
pub(super) trait Key: ArrowNativeType + Ord {
    /// Bits of the number.
    const BITS: usize;

    /// The number, if it has room for it.
    fn of(value: u32) -> Option<Self>;

    /// The number as an index.
    fn index(self) -> usize;

    /// Unpacks one group; `WIDTH` is at most `BITS`.
    fn group<const WIDTH: usize>(window: &[u8; WINDOW], to: &mut [Self; GROUP]);
}

impl Key for u8 {
    const BITS: usize = 8;

    fn of(value: u32) -> Option<Self> {
        Self::try_from(value).ok()
    }

    fn index(self) -> usize {
        self.into()
    }

    #[inline(always)]
    fn group<const WIDTH: usize>(window: &[u8; WINDOW], to: &mut [Self; GROUP]) {
        let halves = spread(word(window, 0), 4 * WIDTH, 32, mask(4 * WIDTH));
        let quarters = spread(halves, 2 * WIDTH, 16, mask(2 * WIDTH) * 0x0000_0001_0000_0001);
        *to = spread(quarters, WIDTH, 8, mask(WIDTH) * 0x0001_0001_0001_0001).to_le_bytes();
    }
}

impl Key for u16 {
    const BITS: usize = 16;

    fn of(value: u32) -> Option<Self> {
        Self::try_from(value).ok()
    }

    fn index(self) -> usize {
        self.into()
    }

    #[inline(always)]
    fn group<const WIDTH: usize>(window: &[u8; WINDOW], to: &mut [Self; GROUP]) {
        let [a, b, c, d, e, f, g, h] = to;
        for (half, [a, b, c, d]) in [[a, b, c, d], [e, f, g, h]].into_iter().enumerate() {
            let halves = spread(word(window, half * 4 * WIDTH), 2 * WIDTH, 32, mask(2 * WIDTH));
            let all = spread(halves, WIDTH, 16, mask(WIDTH) * 0x0000_0001_0000_0001);
            (*a, *b) = (all as Self, (all >> 16) as Self);
            (*c, *d) = ((all >> 32) as Self, (all >> 48) as Self);
        }
    }
}

impl Key for u32 {
    const BITS: usize = 32;

    fn of(value: u32) -> Option<Self> {
        Some(value)
    }

    fn index(self) -> usize {
        self as usize
    }

    #[inline(always)]
    fn group<const WIDTH: usize>(window: &[u8; WINDOW], to: &mut [Self; GROUP]) {
        for (place, to) in to.iter_mut().enumerate() {
            *to = (word(window, place * WIDTH) & mask(WIDTH)) as Self;
        }
    }
}

/// Moves the upper half of each field, which begins `by` bits above its start, to `apart` bits above it. `lower` has the
/// bits of all lower halves.
#[inline(always)]
fn spread(word: u64, by: usize, apart: usize, lower: u64) -> u64 {
    (word & lower) | ((word >> by & lower) << apart)
}

#[inline(always)]
const fn mask(bits: usize) -> u64 {
    match bits >= 64 {
        true => u64::MAX,
        false => (1 << bits) - 1,
    }
}

/// The 64 bits from the byte that holds bit `at`, moved down so that this bit is the lowest.
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    reason = "`at` is at most 31 * 8, and known when this is compiled"
)]
fn word(window: &[u8; WINDOW], at: usize) -> u64 {
    let byte = at / 8;
    let bytes = [
        window[byte],
        window[byte + 1],
        window[byte + 2],
        window[byte + 3],
        window[byte + 4],
        window[byte + 5],
        window[byte + 6],
        window[byte + 7],
    ];
    u64::from_le_bytes(bytes) >> (at % 8)
}

/// Unpacks as many values as `to` has; `width` is at most the number's bits. Where `from` ends earlier, the missing bits
/// are zero: callers check the length.
pub(super) fn unpack<K: Key>(from: &[u8], width: usize, to: &mut [K]) {
    macro_rules! widths {
        ($($width:literal)*) => {
            match width {
                $($width if $width <= K::BITS => unpack_width::<K, $width>(from, to),)*
                _ => to.fill(K::default()),
            }
        };
    }
    widths!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

fn unpack_width<K: Key, const WIDTH: usize>(mut from: &[u8], to: &mut [K]) {
    let (groups, rest) = to.as_chunks_mut::<GROUP>();
    let mut groups = groups.iter_mut();
    while let Some(window) = from.first_chunk::<WINDOW>() {
        let Some(group) = groups.next() else {
            break;
        };
        K::group::<WIDTH>(window, group);
        from = from.get(WIDTH..).unwrap_or_default();
    }
    for group in groups {
        K::group::<WIDTH>(&padded(from), group);
        from = from.get(WIDTH..).unwrap_or_default();
    }
    let mut last = [K::default(); GROUP];
    K::group::<WIDTH>(&padded(from), &mut last);
    rest.iter_mut().zip(last).for_each(|(to, value)| *to = value);
}

fn padded(from: &[u8]) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    window.iter_mut().zip(from).for_each(|(to, byte)| *to = *byte);
    window
}
