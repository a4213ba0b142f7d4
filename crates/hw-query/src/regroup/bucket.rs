//! The bucket of a group.
//!
//! Tables are kept in buckets, so this is a format: the same id must give the same bucket for ever, on every machine. Integers
//! of all widths, dates, times and timestamps are hashed by their number, texts and binaries by their bytes, however they are
//! encoded; null is in bucket 0.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::{Decimal128Type, Decimal256Type, Int64Type, UInt64Type};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::{ArrowError, DataType};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// Whether values of this type can be group ids: they must be equal exactly where their bytes are.
pub fn can_group(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => can_group(values),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Boolean
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(_, _)
        | DataType::Duration(_) => true,
        DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => true,
        other => other.is_integer(),
    }
}

/// The bucket of each value of a plain column.
///
/// # Errors
/// [`ArrowError`] for types that cannot be group ids.
pub(super) fn buckets_of(values: &ArrayRef, buckets: u32) -> Result<UInt32Array, ArrowError> {
    let hashes = Hashes::of(values)?;
    Ok(UInt32Array::from_iter_values(
        (0..values.len()).map(|row| hashes.at(row).map_or(0, |hash| bucket(hash, buckets))),
    ))
}

/// The hash's place in `buckets` equal ranges.
fn bucket(hash: u64, buckets: u32) -> u32 {
    let place = (u128::from(hash) * u128::from(buckets)) >> 64;
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// Values in the few forms that are hashed.
enum Hashes {
    Signed(ArrayRef),
    Unsigned(ArrayRef),
    Bytes(ArrayRef),
    Fixed(ArrayRef),
    Decimal(ArrayRef),
    LargeDecimal(ArrayRef),
}

impl Hashes {
    fn of(values: &ArrayRef) -> Result<Self, ArrowError> {
        let to = |data_type: &DataType| cast(values, data_type);
        Ok(match values.data_type() {
            DataType::UInt64 => Self::Unsigned(Arc::clone(values)),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Self::Bytes(cast(&to(&DataType::LargeUtf8)?, &DataType::LargeBinary)?)
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Self::Bytes(to(&DataType::LargeBinary)?),
            DataType::FixedSizeBinary(_) => Self::Fixed(Arc::clone(values)),
            DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => {
                Self::Decimal(to(&DataType::Decimal128(38, *scale))?)
            }
            DataType::Decimal128(_, _) => Self::Decimal(Arc::clone(values)),
            DataType::Decimal256(_, _) => Self::LargeDecimal(Arc::clone(values)),
            DataType::Date32 | DataType::Time32(_) => Self::Signed(cast(&to(&DataType::Int32)?, &DataType::Int64)?),
            other if can_group(other) => Self::Signed(to(&DataType::Int64)?),
            other => {
                return Err(ArrowError::InvalidArgumentError(format!(
                    "values of type {other} cannot be group ids"
                )));
            }
        })
    }

    fn at(&self, row: usize) -> Option<u64> {
        let valid = |array: &ArrayRef| array.is_valid(row);
        match self {
            Self::Signed(array) => {
                valid(array).then(|| mixed(array.as_primitive::<Int64Type>().value(row).cast_unsigned()))
            }
            Self::Unsigned(array) => valid(array).then(|| mixed(array.as_primitive::<UInt64Type>().value(row))),
            Self::Bytes(array) => valid(array).then(|| of_bytes(array.as_binary::<i64>().value(row))),
            Self::Fixed(array) => valid(array).then(|| of_bytes(array.as_fixed_size_binary().value(row))),
            Self::Decimal(array) => {
                valid(array).then(|| of_bytes(&array.as_primitive::<Decimal128Type>().value(row).to_le_bytes()))
            }
            Self::LargeDecimal(array) => {
                valid(array).then(|| of_bytes(&array.as_primitive::<Decimal256Type>().value(row).to_le_bytes()))
            }
        }
    }
}

/// Spreads a number over all bits (the finaliser of splitmix64).
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// FNV-1a over words of eight bytes, the last one shorter, then spread.
fn of_bytes(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ (bytes.len() as u64);
    for word in bytes.chunks(8) {
        let number = word
            .iter()
            .rev()
            .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        hash = mixed(hash ^ number);
    }
    mixed(hash)
}

/// The bucket of a group as a function of the engine.
#[derive(Debug)]
pub(super) struct BucketFunction {
    buckets: u32,
    signature: Signature,
}

impl BucketFunction {
    pub(super) fn new(buckets: u32) -> Self {
        Self {
            buckets,
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl PartialEq for BucketFunction {
    fn eq(&self, other: &Self) -> bool {
        self.buckets == other.buckets
    }
}

impl Eq for BucketFunction {}

impl Hash for BucketFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.buckets.hash(state);
    }
}

impl ScalarUDFImpl for BucketFunction {
    fn name(&self) -> &str {
        "bucket_of_group"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::UInt32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let Some(group) = args.args.first() else {
            return Err(crate::QueryError::internal("the bucket of no group was asked for").into());
        };
        let buckets = buckets_of(&group.to_array(args.number_rows)?, self.buckets)?;
        Ok(ColumnarValue::Array(Arc::new(buckets)))
    }
}
