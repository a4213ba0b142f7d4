//! Sums that do not depend on the order of their terms.
//!
//! A sum of doubles rounds after each term, so that its last digits depend on the order, and with it on how rows are
//! cut into parts and batches. [`ExactSum`] adds without rounding and rounds once, at the end, to the nearest double:
//! the same rows always give the same sum.

use serde::{Deserialize, Serialize};

use crate::scalar::Number;

/// Count and total of the non-null numbers of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    total: Total,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Total {
    Int(i128),
    Float(ExactSum),
}

impl Sum {
    /// The empty sum: the integer 0, or 0.0 for a column of floats.
    pub(crate) fn empty(is_float: bool) -> Self {
        let total = if is_float {
            Total::Float(ExactSum::default())
        } else {
            Total::Int(0)
        };
        Self { count: 0, total }
    }

    pub(crate) fn add(&mut self, number: Number) {
        self.count += 1;
        match (&mut self.total, number) {
            (Total::Int(total), Number::Int(value)) => *total = total.saturating_add(value),
            (Total::Float(total), number) => total.add(number.as_f64()),
            // A column of integers has no floats.
            (Total::Int(_), Number::Float(_)) => {}
        }
    }

    /// Adds `count` terms whose sum is known [in fixed point](FixedTerms).
    pub(crate) fn add_fixed(&mut self, sum: i128, count: u64, terms: &FixedTerms) {
        self.count += count;
        match &mut self.total {
            Total::Int(total) => *total = total.saturating_add(sum),
            Total::Float(total) => total.add_digits(sum, terms.lowest),
        }
    }

    /// Adds the sum of other rows of the same column; `false`, and nothing is added, if it is of another type.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        match (&mut self.total, &other.total) {
            (Total::Int(total), Total::Int(other)) => *total = total.saturating_add(*other),
            (Total::Float(total), Total::Float(other)) => total.merge(other),
            (Total::Int(_), Total::Float(_)) | (Total::Float(_), Total::Int(_)) => return false,
        }
        self.count += other.count;
        true
    }

    pub(crate) fn total(&self) -> Number {
        match &self.total {
            Total::Int(total) => Number::Int(*total),
            Total::Float(total) => Number::Float(total.round()),
        }
    }

    /// `None` without input.
    #[expect(clippy::cast_precision_loss, reason = "a mean is a double")]
    pub(crate) fn mean(&self) -> Option<Number> {
        (self.count > 0).then(|| Number::Float(self.total().as_f64() / self.count as f64))
    }
}

/// The values of a dictionary as integers of one place value, so that adding them is one addition.
#[derive(Debug)]
pub(crate) struct FixedTerms {
    /// By place in the dictionary; 0 for null.
    pub(crate) terms: Vec<i128>,
    /// The limb that all digits begin at.
    lowest: u32,
}

impl FixedTerms {
    /// `None` if the values are too far apart, or infinite, for `rows` of them to be added in 128 bits.
    pub(crate) fn of(values: impl Iterator<Item = Option<Number>> + Clone, rows: usize) -> Option<Self> {
        let mut bits = (u32::MAX, 0);
        let mut greatest_int = 0;
        for value in values.clone().flatten() {
            match value {
                Number::Int(value) => greatest_int = greatest_int.max(value.unsigned_abs()),
                Number::Float(value) if !value.is_finite() => return None,
                Number::Float(value) => {
                    let (mantissa, exponent) = decompose(value);
                    if mantissa != 0 {
                        bits = (bits.0.min(exponent), bits.1.max(exponent + MANTISSA_BITS));
                    }
                }
            }
        }
        let lowest = if bits.1 == 0 { 0 } else { bits.0 / LIMB_BITS };
        let width = (u128::BITS - greatest_int.leading_zeros()).max(bits.1.saturating_sub(lowest * LIMB_BITS));
        if width + (usize::BITS - rows.leading_zeros()) >= i128::BITS - 1 {
            return None;
        }
        let term = |value: Option<Number>| match value {
            None => 0,
            Some(Number::Int(value)) => value,
            Some(Number::Float(value)) => match decompose(value) {
                (0, _) => 0,
                (mantissa, exponent) => i128::from(mantissa) << (exponent - lowest * LIMB_BITS),
            },
        };
        Some(Self {
            terms: values.map(term).collect(),
            lowest,
        })
    }
}

/// A sum of doubles in fixed point: limb `i` counts multiples of `2^(32 i - 1074)`, the smallest double.
///
/// A term of 53 bits, shifted by up to 31, takes 84 of a limb's 127 bits; the rest leaves room for 2^43 terms before a
/// limb could overflow.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct ExactSum {
    /// Limb number and content, ascending; most sums need one to three.
    limbs: Vec<(u8, i128)>,
    infinities: u64,
    negative_infinities: u64,
}

/// Bits of a double's digits, the hidden one included.
const MANTISSA_BITS: u32 = 53;
/// Bits of a limb's place value.
const LIMB_BITS: u32 = 32;
/// 2098 bits of all doubles, 43 bits for carries, in limbs of 32 bits, and one for the sign.
const LIMBS: usize = 70;

/// The same terms may stand in other limbs, depending on how many were added at once.
impl PartialEq for ExactSum {
    fn eq(&self, other: &Self) -> bool {
        let infinities = |sum: &Self| (sum.infinities, sum.negative_infinities);
        infinities(self) == infinities(other) && (self.limbs == other.limbs || self.digits(1) == other.digits(1))
    }
}

impl ExactSum {
    fn add(&mut self, value: f64) {
        if value.is_finite() {
            let (mantissa, exponent) = decompose(value);
            let (limb, shift) = (exponent / LIMB_BITS, exponent % LIMB_BITS);
            self.add_to_limb(u8::try_from(limb).unwrap_or(u8::MAX), i128::from(mantissa) << shift);
        } else if value > 0.0 {
            self.infinities += 1;
        } else if value < 0.0 {
            self.negative_infinities += 1;
        }
    }

    /// Adds an integer of the place value of a limb, digit by digit, so that no limb is filled more than by a term.
    fn add_digits(&mut self, sum: i128, lowest: u32) {
        let mut rest = sum;
        for limb in lowest.. {
            let is_last = limb == lowest + 3;
            let digit = if is_last { rest } else { rest & i128::from(u32::MAX) };
            if digit != 0 {
                self.add_to_limb(u8::try_from(limb).unwrap_or(u8::MAX), digit);
            }
            rest >>= LIMB_BITS;
            if is_last {
                return;
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        for (limb, content) in &other.limbs {
            self.add_to_limb(*limb, *content);
        }
        self.infinities += other.infinities;
        self.negative_infinities += other.negative_infinities;
    }

    fn add_to_limb(&mut self, limb: u8, content: i128) {
        match self.limbs.binary_search_by_key(&limb, |(limb, _)| *limb) {
            Ok(index) => {
                if let Some((_, sum)) = self.limbs.get_mut(index) {
                    *sum = sum.saturating_add(content);
                }
            }
            Err(index) => self.limbs.insert(index, (limb, content)),
        }
    }

    /// The double nearest to the exact sum, ties to even.
    fn round(&self) -> f64 {
        match (self.infinities > 0, self.negative_infinities > 0) {
            (true, true) => f64::NAN,
            (true, false) => f64::INFINITY,
            (false, true) => f64::NEG_INFINITY,
            (false, false) => self.round_finite(),
        }
    }

    fn round_finite(&self) -> f64 {
        self.round_narrow().unwrap_or_else(|| self.round_wide())
    }

    fn round_wide(&self) -> f64 {
        let digits = self.digits(1);
        let is_negative = digits.last().is_some_and(|top| top >> (LIMB_BITS - 1) == 1);
        let magnitude = if is_negative { self.digits(-1) } else { digits };
        let rounded = round_magnitude(&magnitude);
        if is_negative { -rounded } else { rounded }
    }

    /// The sum of neighbouring limbs, as one integer, if it is one of 128 bits. Most sums are.
    fn round_narrow(&self) -> Option<f64> {
        let (lowest, _) = self.limbs.first()?;
        let mut sum = 0_i128;
        for (limb, content) in &self.limbs {
            let shift = u32::from(limb - lowest) * LIMB_BITS;
            let factor = 1_i128.checked_shl(shift).filter(|factor| *factor > 0)?;
            sum = sum.checked_add(content.checked_mul(factor)?)?;
        }
        let exponent = i64::from(*lowest) * i64::from(LIMB_BITS);
        let magnitude = sum.unsigned_abs();
        let rounded = if magnitude == 0 {
            0.0
        } else {
            round_head(magnitude, exponent, true)
        };
        Some(if sum < 0 { -rounded } else { rounded })
    }

    /// The sum, times `sign`, as digits of 32 bits in two's complement, lowest first.
    fn digits(&self, sign: i128) -> Vec<u32> {
        let mut limbs = self.limbs.iter().peekable();
        let mut carry: i128 = 0;
        let mut digits = Vec::with_capacity(LIMBS);
        for number in 0..LIMBS {
            if let Some((_, content)) = limbs.next_if(|(limb, _)| usize::from(*limb) == number) {
                carry = carry.saturating_add(content.saturating_mul(sign));
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the low digit is meant"
            )]
            digits.push(carry as u32);
            carry >>= LIMB_BITS;
        }
        digits
    }
}

/// `value = mantissa * 2^(exponent - 1074)`, both exact.
fn decompose(value: f64) -> (i64, u32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let stored = u32::try_from((bits >> 52) & 0x7ff).unwrap_or_default();
    let (mantissa, exponent) = if stored == 0 {
        (fraction, 0)
    } else {
        (fraction | (1 << 52), stored - 1)
    };
    let mantissa = i64::try_from(mantissa).unwrap_or_default();
    (if value.is_sign_negative() { -mantissa } else { mantissa }, exponent)
}

/// The double nearest to an integer, in digits of 32 bits, times `2^-1074`.
fn round_magnitude(digits: &[u32]) -> f64 {
    let Some(highest) = digits.iter().rposition(|digit| *digit != 0) else {
        return 0.0;
    };
    let digit = |index: Option<usize>| u128::from(index.and_then(|index| digits.get(index)).copied().unwrap_or(0));
    // The four highest digits hold at least 97 significant bits; what lies below only breaks ties.
    let head = (0..4).fold(0_u128, |head, below| {
        (head << LIMB_BITS) | digit(highest.checked_sub(below))
    });
    let head_lowest = highest.checked_sub(3);
    let is_tail_zero = digits.iter().take(head_lowest.unwrap_or(0)).all(|digit| *digit == 0);
    let head_exponent = i64::try_from(highest).unwrap_or_default() * 32 - 96;
    round_head(head, head_exponent, is_tail_zero)
}

/// Rounds `head * 2^(exponent - 1074)`, to which something less than one unit of `head` is to be added unless
/// `is_tail_zero`.
fn round_head(head: u128, exponent: i64, is_tail_zero: bool) -> f64 {
    let length = i64::from(u128::BITS - head.leading_zeros());
    // Bits to drop so that 53 are left, but never bits above 2^-1074, of which there are `-exponent`.
    let drop = (length - 53).max(-exponent).max(0);
    let kept = head >> drop;
    let dropped = head & ((1_u128 << drop) - 1);
    let half = if drop == 0 { 0 } else { 1_u128 << (drop - 1) };
    let is_above_half = dropped > half || (dropped == half && !is_tail_zero);
    let is_tie = drop > 0 && dropped == half && is_tail_zero;
    let rounds_up = drop > 0 && (is_above_half || (is_tie && kept & 1 == 1));
    scale(kept + u128::from(rounds_up), exponent + drop)
}

/// `mantissa * 2^(exponent - 1074)` for a mantissa of at most 54 bits that the result can hold; infinity beyond.
#[expect(clippy::cast_precision_loss, reason = "the mantissa fits")]
fn scale(mantissa: u128, exponent: i64) -> f64 {
    if let Some(power) = power_of_two(exponent - 1074) {
        return mantissa as f64 * power;
    }
    let smallest = f64::from_bits(1);
    // In steps that are powers of two themselves; none of the products rounds before the result overflows.
    let mut scaled = mantissa as f64 * smallest;
    let mut left = exponent;
    while left > 0 {
        let step = left.min(512);
        scaled *= i32::try_from(step).map_or(1.0, |step| 2.0_f64.powi(step));
        left -= step;
    }
    scaled
}

/// `2^exponent`, if it is neither subnormal nor so large that its product with a mantissa could overflow.
fn power_of_two(exponent: i64) -> Option<f64> {
    let biased = u64::try_from(exponent + 1023)
        .ok()
        .filter(|biased| (1..1900).contains(biased))?;
    Some(f64::from_bits(biased << 52))
}

#[cfg(test)]
mod tests;
