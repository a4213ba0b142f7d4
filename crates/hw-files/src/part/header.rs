//! Headers of pages: Thrift structs in the compact protocol, read field by field. Unknown fields are skipped.

use super::cause::{Decoded, damaged, present};

/// Structs, lists and maps within each other that are skipped.
const DEPTH_MAX: usize = 16;
/// Bytes of a 64-bit number in groups of seven bits.
const VARINT_BYTES_MAX: usize = 10;
const CUT: &str = "the header of a page is cut off";

/// Numbers of encodings in the format.
pub(super) mod encoding {
    pub(in crate::part) const PLAIN: i32 = 0;
    pub(in crate::part) const PLAIN_DICTIONARY: i32 = 2;
    pub(in crate::part) const RLE: i32 = 3;
    pub(in crate::part) const DELTA_BINARY_PACKED: i32 = 5;
    pub(in crate::part) const RLE_DICTIONARY: i32 = 8;
}

/// What the header of one page says. Sizes are those claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) uncompressed: usize,
    pub(super) compressed: usize,
    /// Checksum of the page's bytes in the file.
    pub(super) crc: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dictionary {
        values: usize,
        encoding: i32,
    },
    DataV1 {
        values: usize,
        encoding: i32,
        /// Encoding of the definition levels.
        levels: i32,
    },
    DataV2 {
        values: usize,
        nulls: usize,
        encoding: i32,
        /// Bytes of definition levels in front of the values, never compressed.
        definition_bytes: usize,
        /// Bytes of repetition levels in front of those.
        repetition_bytes: usize,
        compressed: bool,
    },
    /// Index pages, and kinds not yet known.
    Other,
}

/// Reads the header at the start of `bytes`; returns it with its own size.
pub(super) fn header(bytes: &[u8]) -> Decoded<(Header, usize)> {
    let mut cursor = Cursor { rest: bytes };
    let header = PageHeader::read(&mut cursor)?.checked()?;
    Ok((header, bytes.len() - cursor.rest.len()))
}

#[derive(Default)]
struct PageHeader {
    kind: Option<i64>,
    uncompressed: Option<i64>,
    compressed: Option<i64>,
    crc: Option<i64>,
    data: Option<Numbers>,
    dictionary: Option<Numbers>,
    data_v2: Option<Numbers>,
}

impl PageHeader {
    fn read(cursor: &mut Cursor<'_>) -> Decoded<Self> {
        let mut header = Self::default();
        let mut field = 0;
        while let Some(wire) = cursor.field(&mut field)? {
            match (field, wire) {
                (1, Wire::I32) => header.kind = Some(cursor.number()?),
                (2, Wire::I32) => header.uncompressed = Some(cursor.number()?),
                (3, Wire::I32) => header.compressed = Some(cursor.number()?),
                (4, Wire::I32) => header.crc = Some(cursor.number()?),
                (5, Wire::Struct) => header.data = Some(cursor.numbers()?),
                (7, Wire::Struct) => header.dictionary = Some(cursor.numbers()?),
                (8, Wire::Struct) => header.data_v2 = Some(cursor.numbers()?),
                (_, wire) => cursor.skip(wire, DEPTH_MAX)?,
            }
        }
        Ok(header)
    }

    fn checked(&self) -> Decoded<Header> {
        let kind = match (self.kind, &self.data, &self.dictionary, &self.data_v2) {
            (Some(0), Some(fields), _, _) => data(fields)?,
            (Some(2), _, Some(fields), _) => dictionary(fields)?,
            (Some(3), _, _, Some(fields)) => data_v2(fields)?,
            (Some(0 | 2 | 3) | None, ..) => return damaged("the header of a page lacks its kind"),
            _ => Kind::Other,
        };
        Ok(Header {
            kind,
            uncompressed: size(self.uncompressed)?,
            compressed: size(self.compressed)?,
            crc: self.crc.map(|crc| crc as u32),
        })
    }
}

fn data(fields: &Numbers) -> Decoded<Kind> {
    Ok(Kind::DataV1 {
        values: size(fields.get(1))?,
        encoding: number(fields.get(2))?,
        levels: number(fields.get(3))?,
    })
}

fn dictionary(fields: &Numbers) -> Decoded<Kind> {
    Ok(Kind::Dictionary {
        values: size(fields.get(1))?,
        encoding: number(fields.get(2))?,
    })
}

fn data_v2(fields: &Numbers) -> Decoded<Kind> {
    Ok(Kind::DataV2 {
        values: size(fields.get(1))?,
        nulls: size(fields.get(2))?,
        encoding: number(fields.get(4))?,
        definition_bytes: size(fields.get(5))?,
        repetition_bytes: size(fields.get(6))?,
        compressed: fields.get(7) != Some(0),
    })
}

fn size(number: Option<i64>) -> Decoded<usize> {
    let number = number.and_then(|number| i32::try_from(number).ok());
    let size = number.and_then(|number| usize::try_from(number).ok());
    present(size, "the header of a page lacks a size")
}

fn number(number: Option<i64>) -> Decoded<i32> {
    let number = number.and_then(|number| i32::try_from(number).ok());
    present(number, "the header of a page lacks an encoding")
}

/// The numbers and truth values of a struct by field, as far as headers of pages have them.
#[derive(Default)]
struct Numbers {
    fields: [Option<i64>; 8],
}

impl Numbers {
    fn get(&self, field: usize) -> Option<i64> {
        self.fields.get(field).copied().flatten()
    }

    fn set(&mut self, field: i64, value: i64) {
        let place = usize::try_from(field).ok().and_then(|field| self.fields.get_mut(field));
        if let Some(place) = place {
            *place = Some(value);
        }
    }
}

/// Kinds of value on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    True,
    False,
    I8,
    I16,
    I32,
    I64,
    Double,
    Binary,
    List,
    Map,
    Struct,
    Uuid,
}

impl Wire {
    fn of(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::True,
            2 => Self::False,
            3 => Self::I8,
            4 => Self::I16,
            5 => Self::I32,
            6 => Self::I64,
            7 => Self::Double,
            8 => Self::Binary,
            9 | 10 => Self::List,
            11 => Self::Map,
            12 => Self::Struct,
            13 => Self::Uuid,
            _ => return None,
        })
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn byte(&mut self) -> Decoded<u8> {
        let (first, rest) = present(self.rest.split_first(), CUT)?;
        self.rest = rest;
        Ok(*first)
    }

    fn pass(&mut self, bytes: usize) -> Decoded<()> {
        self.rest = present(self.rest.get(bytes..), CUT)?;
        Ok(())
    }

    fn varint(&mut self) -> Decoded<u64> {
        let mut value = 0;
        for place in 0..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * place).min(63);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        damaged("a number in the header of a page does not end")
    }

    /// A signed number, zigzag coded.
    fn number(&mut self) -> Decoded<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn length(&mut self) -> Decoded<usize> {
        let length = usize::try_from(self.varint()?).ok();
        present(length.filter(|length| *length <= self.rest.len()), CUT)
    }

    /// The next field of a struct: its number goes to `field`. `None` at the end of the struct.
    fn field(&mut self, field: &mut i64) -> Decoded<Option<Wire>> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *field = match head >> 4 {
            0 => self.number()?,
            step => field.saturating_add(step.into()),
        };
        present(
            Wire::of(head & 0x0f),
            "the header of a page has an unknown kind of field",
        )
        .map(Some)
    }

    fn numbers(&mut self) -> Decoded<Numbers> {
        let mut numbers = Numbers::default();
        let mut field = 0;
        while let Some(wire) = self.field(&mut field)? {
            match wire {
                Wire::True => numbers.set(field, 1),
                Wire::False => numbers.set(field, 0),
                Wire::I32 => {
                    let value = self.number()?;
                    numbers.set(field, value);
                }
                other => self.skip(other, DEPTH_MAX)?,
            }
        }
        Ok(numbers)
    }

    fn skip(&mut self, wire: Wire, depth: usize) -> Decoded<()> {
        if depth == 0 {
            return damaged("the header of a page is nested too deeply");
        }
        match wire {
            Wire::True | Wire::False => Ok(()),
            Wire::I8 => self.pass(1),
            Wire::I16 | Wire::I32 | Wire::I64 => self.varint().map(drop),
            Wire::Double => self.pass(8),
            Wire::Uuid => self.pass(16),
            Wire::Binary => {
                let length = self.length()?;
                self.pass(length)
            }
            Wire::Struct => {
                let mut field = 0;
                while let Some(wire) = self.field(&mut field)? {
                    self.skip(wire, depth - 1)?;
                }
                Ok(())
            }
            Wire::List => self.skip_list(depth - 1),
            Wire::Map => self.skip_map(depth - 1),
        }
    }

    fn skip_list(&mut self, depth: usize) -> Decoded<()> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.length()?,
            short => short.into(),
        };
        let wire = self.element(head)?;
        (0..length).try_for_each(|_| self.skip(wire, depth))
    }

    fn skip_map(&mut self, depth: usize) -> Decoded<()> {
        let length = self.length()?;
        if length == 0 {
            return Ok(());
        }
        let kinds = self.byte()?;
        let (key, value) = (self.element(kinds >> 4)?, self.element(kinds)?);
        (0..length).try_for_each(|_| {
            self.skip(key, depth)?;
            self.skip(value, depth)
        })
    }

    /// The kind of a list's elements: there truth values take a byte each.
    fn element(&self, code: u8) -> Decoded<Wire> {
        match present(
            Wire::of(code & 0x0f),
            "the header of a page has an unknown kind of element",
        )? {
            Wire::True | Wire::False => Ok(Wire::I8),
            other => Ok(other),
        }
    }
}
