//! The element types of a data set, and columns that keep theirs in memory and on the wire.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use pulp::Simd;

use crate::Real;
use crate::kernel::Operand;
use crate::kernel::bytes::transposed_bytes;
use crate::kernel::tiles::{Tile, transposed};

/// The type of the numbers in a data set's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// Unsigned 8-bit integer, as in images.
    U8,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
}

impl ElementType {
    /// All element types.
    pub const ALL: [Self; 7] = [
        Self::U8,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::F32,
        Self::F64,
    ];

    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether it is one of the integers.
    pub fn is_integer(self) -> bool {
        !matches!(self, Self::F32 | Self::F64)
    }

    fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An element type that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found element type `{0}`, expected u8, i8, i16, i32, i64, f32 or f64")]
pub struct ParseElementTypeError(pub String);

impl FromStr for ElementType {
    type Err = ParseElementTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|element_type| element_type.name() == text)
            .ok_or_else(|| ParseElementTypeError(text.to_owned()))
    }
}

/// A number as it stands in a data set.
pub trait Element: bytemuck::Pod + fmt::Debug + PartialEq + Send + Sync {
    /// The element type that this is.
    const TYPE: ElementType;
    /// The nearest number of precision `T`, ties to even; exact for u8, i8 and i16.
    fn to_real<T: Real>(self) -> T;
    /// Whether precision `T` can hold the number: false for NaN, infinities and, in f32, f64 beyond its range.
    fn is_finite_in<T: Real>(self) -> bool {
        self.to_real::<T>().is_finite()
    }
    /// The type that the kernels read in place of this one, where they compute in `C`: bytes stay bytes, since they are
    /// converted in registers as fast as they are read; all others become `C` in a buffer near the core first.
    type Near<C: Real>: Operand<C>;
    /// The same number in that type, rounded as by [`Element::to_real`].
    fn near<C: Real>(self) -> Self::Near<C>;
    /// A tile with rows and columns exchanged.
    #[inline(always)]
    fn transposed<S: Simd>(_simd: S, tile: &Tile<Self>) -> Tile<Self> {
        transposed(tile)
    }
    /// `self` with its bytes in little-endian order; the identity on little-endian machines, and its own inverse.
    fn swap_to_le(self) -> Self;
    /// Wraps values of this type.
    fn wrap(values: Vec<Self>) -> Values;
    /// The values, if they are of this type.
    fn view(values: &Values) -> Option<&[Self]>;
}

macro_rules! element {
    ($t:ty, $variant:ident, |$v:ident| $le:expr, |$r:ident, $real:ident| $to_real:expr, { $($near:item)* }) => {
        impl Element for $t {
            const TYPE: ElementType = ElementType::$variant;
            $($near)*

            #[inline(always)]
            fn to_real<$real: Real>(self) -> $real {
                let $r = self;
                $to_real
            }
            #[inline(always)]
            fn swap_to_le(self) -> Self {
                let $v = self;
                $le
            }
            fn wrap(values: Vec<Self>) -> Values {
                Values::$variant(values)
            }
            fn view(values: &Values) -> Option<&[Self]> {
                match values {
                    Values::$variant(values) => Some(values),
                    _ => None,
                }
            }
        }
    };
}

/// For all that become numbers of the computation before the kernels read them.
macro_rules! converted {
    ($t:ty, $variant:ident, |$v:ident| $le:expr, |$r:ident, $real:ident| $to_real:expr) => {
        element!($t, $variant, |$v| $le, |$r, $real| $to_real, {
            type Near<C: Real> = C;
            #[inline(always)]
            fn near<C: Real>(self) -> C {
                self.to_real()
            }
        });
    };
}

element!(u8, U8, |v| v, |v, T| T::from_i32(i32::from(v)), {
    type Near<C: Real> = u8;
    #[inline(always)]
    fn near<C: Real>(self) -> u8 {
        self
    }
    #[inline(always)]
    fn transposed<S: Simd>(simd: S, tile: &Tile<u8>) -> Tile<u8> {
        transposed_bytes(simd, tile)
    }
});
converted!(i8, I8, |v| v, |v, T| T::from_i32(i32::from(v)));
converted!(i16, I16, |v| v.to_le(), |v, T| T::from_i32(i32::from(v)));
converted!(i32, I32, |v| v.to_le(), |v, T| T::from_i32(v));
converted!(i64, I64, |v| v.to_le(), |v, T| T::from_i64(v));
converted!(f32, F32, |v| f32::from_bits(v.to_bits().to_le()), |v, T| T::from_f32(v));
converted!(f64, F64, |v| f64::from_bits(v.to_bits().to_le()), |v, T| T::from_f64(v));

/// Numbers of one element type.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Values {
    U8(Vec<u8>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// Runs `$body` with `$v` bound to the vector inside a [`Values`], whatever its element type.
#[macro_export]
macro_rules! with_values {
    ($values:expr, |$v:ident| $body:expr) => {
        match $values {
            $crate::element::Values::U8($v) => $body,
            $crate::element::Values::I8($v) => $body,
            $crate::element::Values::I16($v) => $body,
            $crate::element::Values::I32($v) => $body,
            $crate::element::Values::I64($v) => $body,
            $crate::element::Values::F32($v) => $body,
            $crate::element::Values::F64($v) => $body,
        }
    };
}

/// Runs `$body` with the type `$e` bound to the Rust type of an [`ElementType`].
#[macro_export]
macro_rules! with_element_type {
    ($element_type:expr, |$e:ident| $body:expr) => {
        match $element_type {
            $crate::ElementType::U8 => {
                type $e = u8;
                $body
            }
            $crate::ElementType::I8 => {
                type $e = i8;
                $body
            }
            $crate::ElementType::I16 => {
                type $e = i16;
                $body
            }
            $crate::ElementType::I32 => {
                type $e = i32;
                $body
            }
            $crate::ElementType::I64 => {
                type $e = i64;
                $body
            }
            $crate::ElementType::F32 => {
                type $e = f32;
                $body
            }
            $crate::ElementType::F64 => {
                type $e = f64;
                $body
            }
        }
    };
}

/// Columns of X in the element type of their file: n_0 × (number of columns), column after column.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    features: usize,
    values: Values,
}

impl Columns {
    /// Columns of `features` numbers each, one column after the other.
    ///
    /// Returns `None` if `features` is 0 or does not divide the number of values.
    pub fn new(features: usize, values: Values) -> Option<Self> {
        let len = with_values!(&values, |v| v.len());
        (features > 0 && len.is_multiple_of(features)).then_some(Self { features, values })
    }

    /// The columns whose little-endian bytes are `bytes`.
    ///
    /// Returns `None` if `bytes` is not a whole number of columns.
    pub fn from_le_bytes(element_type: ElementType, features: usize, bytes: &[u8]) -> Option<Self> {
        if !bytes.len().is_multiple_of(element_type.bytes()) {
            return None;
        }
        let values = with_element_type!(element_type, |E| {
            let elements = bytes
                .chunks_exact(size_of::<E>())
                .map(bytemuck::pod_read_unaligned::<E>);
            E::wrap(elements.map(E::swap_to_le).collect())
        });
        Self::new(features, values)
    }

    /// The little-endian bytes of the columns in `range`, column after column.
    ///
    /// # Panics
    ///
    /// If `range` reaches beyond the last column.
    pub fn to_le_bytes(&self, range: Range<usize>) -> Vec<u8> {
        with_values!(&self.values, |v| {
            let part = &v[range.start * self.features..range.end * self.features];
            let little_endian: Vec<_> = part.iter().map(|value| value.swap_to_le()).collect();
            bytemuck::cast_slice(&little_endian).to_vec()
        })
    }

    /// n_0, the numbers in one column.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The number of columns.
    pub fn count(&self) -> usize {
        with_values!(&self.values, |v| v.len()) / self.features
    }

    /// The element type.
    pub fn element_type(&self) -> ElementType {
        fn of<E: Element>(_: &[E]) -> ElementType {
            E::TYPE
        }
        with_values!(&self.values, |v| of(v))
    }

    /// All numbers, column after column.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// A copy of the columns in `range`.
    ///
    /// # Panics
    ///
    /// If `range` reaches beyond the last column.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let values = with_values!(&self.values, |v| {
            Element::wrap(v[range.start * self.features..range.end * self.features].to_vec())
        });
        Self {
            features: self.features,
            values,
        }
    }

    /// Feature and column of the first number that precision `T` cannot hold (NaN, an infinity, or out of range).
    pub fn first_non_finite<T: Real>(&self) -> Option<(usize, usize)> {
        with_values!(&self.values, |v| {
            let at = v.iter().position(|value| !value.is_finite_in::<T>())?;
            Some((at % self.features, at / self.features))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_type_reads_back_from_its_own_name() {
        for element_type in ElementType::ALL {
            assert_eq!(element_type.to_string().parse(), Ok(element_type));
        }
        assert!("u16".parse::<ElementType>().is_err());
    }

    #[test]
    fn columns_survive_the_trip_through_little_endian_bytes() {
        let all = [
            Values::U8(vec![0, 1, 128, 255]),
            Values::I8(vec![0, 1, -128, 127]),
            Values::I16(vec![0, 1, i16::MIN, i16::MAX]),
            Values::I32(vec![0, 1, i32::MIN, i32::MAX]),
            Values::I64(vec![0, 1, i64::MIN, i64::MAX]),
            Values::F32(vec![0.0, -1.5, f32::MIN, f32::MAX]),
            Values::F64(vec![0.0, -1.5, f64::MIN, f64::MAX]),
        ];
        for values in all {
            let columns = Columns::new(2, values).unwrap();
            let bytes = columns.to_le_bytes(0..2);
            let element_type = columns.element_type();
            assert_eq!(bytes.len(), 4 * element_type.bytes());
            assert_eq!(Columns::from_le_bytes(element_type, 2, &bytes), Some(columns.clone()));
            assert_eq!(columns.to_le_bytes(1..2), bytes[bytes.len() / 2..]);
        }
        assert_eq!(Columns::from_le_bytes(ElementType::I16, 2, &[0, 0, 0]), None);
        assert_eq!(Columns::from_le_bytes(ElementType::I16, 2, &[0, 0]), None);
    }

    #[test]
    fn little_endian_means_the_low_byte_first() {
        let columns = Columns::new(1, Values::I16(vec![0x0102])).unwrap();
        assert_eq!(columns.to_le_bytes(0..1), [2, 1]);
    }

    #[test]
    fn the_first_number_that_is_not_finite_is_found_by_feature_and_column() {
        let columns = Columns::new(3, Values::F64(vec![0.0, 1.0, 2.0, 3.0, f64::NAN, 5.0])).unwrap();
        assert_eq!(columns.first_non_finite::<f64>(), Some((1, 1)));
        let large = Columns::new(1, Values::F64(vec![1e300])).unwrap();
        assert_eq!(
            (large.first_non_finite::<f64>(), large.first_non_finite::<f32>()),
            (None, Some((0, 0)))
        );
    }
}
