//! Scalar constants of any dtype, compared by bits.

use std::fmt;

use crate::{BF16, DType, Element, F16, Part, dispatch_dtype};

/// A scalar of any dtype.
///
/// Equality and hashing are by dtype and bits: 0.0 differs from -0.0, a NaN equals itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Literal {
    dtype: DType,
    bits: u128,
}

impl Literal {
    /// The literal with this element's value.
    pub fn new<T: Element>(value: T) -> Literal {
        Literal { dtype: T::DTYPE, bits: value.to_bits64().into() }
    }

    /// A complex literal; the parts are rounded to `f32` for `c64`. `dtype` must be complex.
    pub fn complex(dtype: DType, real: f64, imag: f64) -> Literal {
        let bits = match dtype {
            DType::C64 => u128::from((real as f32).to_bits()) | u128::from((imag as f32).to_bits()) << 32,
            DType::C128 => u128::from(real.to_bits()) | u128::from(imag.to_bits()) << 64,
            _ => unreachable!("a complex literal has a complex dtype, not {dtype}"),
        };
        Literal { dtype, bits }
    }

    /// A complex literal of parts, which have one float dtype.
    pub fn of_parts([real, imag]: [Literal; 2]) -> Literal {
        let dtype = real.dtype.to_complex();
        Literal { dtype, bits: real.bits | imag.bits << (4 * dtype.size()) }
    }

    /// The real and the imaginary part; of a real literal, itself and zero.
    pub fn parts(self) -> [Literal; 2] {
        let part = self.dtype.part();
        match self.dtype.is_complex() {
            true => [self.bits, self.bits >> (8 * part.size())].map(|bits| Literal::from_bits(part, bits)),
            false => [self, Literal::zero(part)],
        }
    }

    /// One of the [`parts`](Literal::parts).
    pub fn part(self, part: Part) -> Literal {
        self.parts()[part as usize]
    }

    /// The literal of `dtype` with these low bits.
    pub fn from_bits(dtype: DType, bits: u128) -> Literal {
        let width = 8 * dtype.size() as u32;
        let mask = if width == 128 { u128::MAX } else { (1 << width) - 1 };
        Literal { dtype, bits: bits & mask }
    }

    /// The dtype.
    pub fn dtype(self) -> DType {
        self.dtype
    }

    /// The bits, zero-extended: little-endian memory order.
    pub fn bits(self) -> u128 {
        self.bits
    }

    /// The element, where `T` is the literal's type.
    pub fn get<T: Element>(self) -> Option<T> {
        (T::DTYPE == self.dtype).then(|| T::from_bits64(self.bits as u64))
    }

    /// Zero of a dtype (false for `bool`).
    pub fn zero(dtype: DType) -> Literal {
        Literal { dtype, bits: 0 }
    }

    /// One of a dtype (true for `bool`).
    pub fn one(dtype: DType) -> Literal {
        Literal::from_f64(dtype, 1.0)
    }

    /// The value converted from `f64` by the casting rules.
    pub fn from_f64(dtype: DType, value: f64) -> Literal {
        if dtype.is_complex() {
            return Literal::complex(dtype, value, 0.0);
        }
        crate::scalar::cast(Literal::new(value), dtype).unwrap_or(Literal { dtype, bits: 0 })
    }

    /// The value as `f64`, rounded where it must be; `None` for complex.
    pub fn to_f64(self) -> Option<f64> {
        crate::scalar::cast(self, DType::F64)?.get()
    }
}

/// `2.5`, `-0.0`, `nan`, `inf`, `true`; a NaN other than the usual one as `nan:0x7fc00001`.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dtype {
            DType::Bool => write!(f, "{}", self.bits != 0),
            DType::F16 => write_float(f, f64::from(F16::from_bits64(self.bits as u64)), *self, 0x7e00),
            DType::BF16 => write_float(f, f64::from(BF16::from_bits64(self.bits as u64)), *self, 0x7fc0),
            DType::F32 => {
                write_float(f, f64::from(f32::from_bits64(self.bits as u64)), *self, f32::NAN.to_bits64())
            }
            DType::F64 => write_float(f, f64::from_bits64(self.bits as u64), *self, f64::NAN.to_bits64()),
            DType::C64 | DType::C128 => {
                let [real, imag] = self.parts();
                write!(f, "({real}, {imag})")
            }
            _ => {
                dispatch_dtype!(self.dtype, T => write!(f, "{:?}", T::from_bits64(self.bits as u64)), complex => Ok(()))
            }
        }
    }
}

fn write_float(f: &mut fmt::Formatter<'_>, value: f64, literal: Literal, usual_nan: u64) -> fmt::Result {
    if value.is_nan() {
        return if literal.bits == u128::from(usual_nan) {
            f.write_str("nan")
        } else {
            write!(f, "nan:{:#x}", literal.bits)
        };
    }
    if value.is_infinite() {
        return f.write_str(if value > 0.0 { "inf" } else { "-inf" });
    }
    match literal.dtype {
        DType::F16 => write!(f, "{}", F16::from_f64(value)),
        DType::BF16 => write!(f, "{}", BF16::from_f64(value)),
        DType::F32 => write!(f, "{:?}", value as f32),
        _ => write!(f, "{value:?}"),
    }
}

impl fmt::Debug for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}: {}", self.dtype)
    }
}
