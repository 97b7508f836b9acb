//! The two types of floating-point numbers, f64 and f32, behind one trait.

use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::str::FromStr;

/// The types of floating-point numbers in which networks are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RealType {
    /// IEEE 754 binary64.
    F64,
    /// IEEE 754 binary32.
    F32,
}

impl RealType {
    /// Bytes of one number: 8 or 4.
    pub fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
        }
    }

    /// `value`, a number of this type, in the fewest digits that read back to the same bits.
    pub fn format(self, value: f64) -> String {
        match self {
            Self::F64 => format!("{value:?}"),
            Self::F32 => format!("{:?}", value as f32),
        }
    }
}

impl fmt::Display for RealType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
        })
    }
}

/// A type that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected `f64` or `f32`")]
pub struct ParseRealTypeError(pub String);

impl FromStr for RealType {
    type Err = ParseRealTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "f64" => Ok(Self::F64),
            "f32" => Ok(Self::F32),
            other => Err(ParseRealTypeError(other.to_owned())),
        }
    }
}

/// A floating-point number in which a network is trained: [`f64`] or [`f32`].
///
/// `exp` and `ln_1p` come from the pure-Rust crate `libm`, never from the platform, so that two machines agree on
/// every bit.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + crate::element::Element
    + crate::kernel::Kernels
    + crate::kernel::Operand<Self>
    + crate::shard::GradientOf<Self>
    + 'static
{
    /// Which type this is.
    const REAL_TYPE: RealType;
    /// +0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// The nearest number of this type, ties to even.
    fn from_f64(value: f64) -> Self;
    /// The nearest number of this type, ties to even.
    fn from_f32(value: f32) -> Self;
    /// The nearest number of this type, ties to even.
    fn from_i32(value: i32) -> Self;
    /// The nearest number of this type, ties to even.
    fn from_i64(value: i64) -> Self;
    /// The same number; exact.
    fn to_f64(self) -> f64;
    /// `self · a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// e to the power of `self`.
    fn exp(self) -> Self;
    /// ln(1 + `self`).
    fn ln_1p(self) -> Self;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// |`self`|.
    fn abs(self) -> Self;
    /// The number whose little-endian bytes are `bytes`, which must be exactly [`RealType::bytes`] long.
    ///
    /// # Panics
    ///
    /// If `bytes` has another length.
    fn from_le_slice(bytes: &[u8]) -> Self;
    /// `self` with its bytes in little-endian order; the identity on little-endian machines.
    fn to_le(self) -> Self;
}

macro_rules! real {
    ($t:ty, $real_type:expr, $exp:path, $ln_1p:path) => {
        impl Real for $t {
            const REAL_TYPE: RealType = $real_type;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn from_f32(value: f32) -> Self {
                value as $t
            }
            #[inline(always)]
            fn from_i32(value: i32) -> Self {
                value as $t
            }
            #[inline(always)]
            fn from_i64(value: i64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                <$t>::mul_add(self, a, b)
            }
            #[inline]
            fn exp(self) -> Self {
                $exp(self)
            }
            #[inline]
            fn ln_1p(self) -> Self {
                $ln_1p(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                <$t>::is_finite(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$t>::abs(self)
            }
            #[inline(always)]
            fn from_le_slice(bytes: &[u8]) -> Self {
                <$t>::from_le_bytes(bytes.try_into().expect("a slice of exactly one number"))
            }
            #[inline(always)]
            fn to_le(self) -> Self {
                <$t>::from_bits(self.to_bits().to_le())
            }
        }
    };
}

real!(f64, RealType::F64, libm::exp, libm::log1p);
real!(f32, RealType::F32, libm::expf, libm::log1pf);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_reads_back_from_its_own_name() {
        for real_type in [RealType::F64, RealType::F32] {
            assert_eq!(real_type.to_string().parse(), Ok(real_type));
        }
        assert_eq!("f16".parse::<RealType>(), Err(ParseRealTypeError("f16".to_owned())));
    }

    #[test]
    fn numbers_are_printed_with_as_many_digits_as_their_type_has() {
        assert_eq!(RealType::F64.format(0.1), "0.1");
        assert_eq!(RealType::F64.format(1.0), "1.0");
        assert_eq!(RealType::F32.format(f64::from(0.1_f32)), "0.1");
    }
}
