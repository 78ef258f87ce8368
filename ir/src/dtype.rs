//! Element types: names, sizes, classes, NumPy's promotion.
//!
//! [`DType`] is a closed set: the Python array API's thirteen types, and two half-precision floats. No kernel computes with
//! these, nor with complex types: halves are computed with as `f32` ([`half`](crate::half)), and complex numbers are pairs of
//! real ones in memory, of which [`complex`](crate::complex) says what ops do to them. [`Element`] ties a Rust type to its
//! `DType`, and
//! [`dispatch_dtype!`](crate::dispatch_dtype) turns a run-time `DType` into a generic call.

use std::fmt;

use crate::{BF16, F16};

/// The type of one array element.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DType {
    /// One byte; zero is false, anything else true. Results are always 0 or 1.
    Bool,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// Unsigned 8-bit integer.
    U8,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 64-bit integer.
    U64,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of an `f32`: 8 significant bits, its range.
    BF16,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// Two `f32`: real, imaginary.
    C64,
    /// Two `f64`: real, imaginary.
    C128,
}

/// The family a [`DType`] belongs to, in promotion order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// `bool`.
    Bool,
    /// `i8` to `i64`.
    Signed,
    /// `u8` to `u64`.
    Unsigned,
    /// `f16`, `bf16`, `f32`, `f64`.
    Float,
    /// `c64`, `c128`.
    Complex,
}

impl DType {
    /// Every dtype, in declaration order.
    pub const ALL: [DType; 15] = [
        DType::Bool,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
        DType::C64,
        DType::C128,
    ];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            DType::Bool | DType::I8 | DType::U8 => 1,
            DType::I16 | DType::U16 | DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::U32 | DType::F32 => 4,
            DType::I64 | DType::U64 | DType::F64 | DType::C64 => 8,
            DType::C128 => 16,
        }
    }

    /// The family of this dtype.
    pub const fn kind(self) -> Kind {
        match self {
            DType::Bool => Kind::Bool,
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => Kind::Signed,
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Kind::Unsigned,
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => Kind::Float,
            DType::C64 | DType::C128 => Kind::Complex,
        }
    }

    /// Whether this is a signed or unsigned integer; `bool` is not.
    pub const fn is_integer(self) -> bool {
        matches!(self.kind(), Kind::Signed | Kind::Unsigned)
    }

    /// Whether this is `f16`, `bf16`, `f32` or `f64`.
    pub const fn is_float(self) -> bool {
        matches!(self.kind(), Kind::Float)
    }

    /// Whether this is `f16` or `bf16`, which are computed with as `f32`.
    pub const fn is_half(self) -> bool {
        matches!(self, DType::F16 | DType::BF16)
    }

    /// Whether this is `c64` or `c128`.
    pub const fn is_complex(self) -> bool {
        matches!(self.kind(), Kind::Complex)
    }

    /// The name in the text form: `f32`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::U8 => "u8",
            DType::U16 => "u16",
            DType::U32 => "u32",
            DType::U64 => "u64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::C64 => "c64",
            DType::C128 => "c128",
        }
    }

    /// NumPy's name: `float32`. That of `bf16` is `ml_dtypes`'.
    pub const fn numpy_name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::U8 => "uint8",
            DType::U16 => "uint16",
            DType::U32 => "uint32",
            DType::U64 => "uint64",
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::C64 => "complex64",
            DType::C128 => "complex128",
        }
    }

    /// The dtype with this text name, or NumPy name.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name || dtype.numpy_name() == name)
    }

    /// NumPy's `result_type` of two array dtypes (NEP 50: both strong). `bf16` promotes as `ml_dtypes` has it: it holds
    /// `bool` and 8-bit integers, and what it has in common with `f16` is `f32`.
    ///
    /// ```
    /// use raptors_ir::DType::*;
    /// assert_eq!(I32.promote(F32), F64);
    /// assert_eq!(I64.promote(U64), F64);
    /// ```
    pub const fn promote(self, other: DType) -> DType {
        let (a, b) = (self, other);
        match (a.kind(), b.kind()) {
            (Kind::Bool, _) => b,
            (_, Kind::Bool) => a,
            (Kind::Signed, Kind::Signed)
            | (Kind::Unsigned, Kind::Unsigned)
            | (Kind::Complex, Kind::Complex) => wider(a, b),
            (Kind::Float, Kind::Float) => floats(a, b),
            (Kind::Signed, Kind::Unsigned) => signed_and_unsigned(a, b),
            (Kind::Unsigned, Kind::Signed) => signed_and_unsigned(b, a),
            (Kind::Float, Kind::Signed | Kind::Unsigned) => float_and_integer(a, b),
            (Kind::Signed | Kind::Unsigned, Kind::Float) => float_and_integer(b, a),
            (Kind::Complex, _) => wider(a, b.to_float().to_complex()),
            (_, Kind::Complex) => wider(a.to_float().to_complex(), b),
        }
    }

    /// The float type that functions such as `sqrt` compute in: `bool` and integers of 8 bits go to `f16`, of 16 bits to
    /// `f32`, wider ones to `f64`.
    pub const fn to_float(self) -> DType {
        match self {
            DType::Bool | DType::I8 | DType::U8 => DType::F16,
            DType::I16 | DType::U16 => DType::F32,
            DType::I32 | DType::I64 | DType::U32 | DType::U64 => DType::F64,
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 | DType::C64 | DType::C128 => self,
        }
    }

    /// The dtype of the parts of a complex number; any other dtype itself.
    pub const fn part(self) -> DType {
        match self {
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            DType::Bool
            | DType::I8
            | DType::I16
            | DType::I32
            | DType::I64
            | DType::U8
            | DType::U16
            | DType::U32
            | DType::U64
            | DType::F16
            | DType::BF16
            | DType::F32
            | DType::F64 => self,
        }
    }

    /// The complex type whose parts are this float type, or hold it.
    pub const fn to_complex(self) -> DType {
        match self {
            DType::F16 | DType::BF16 | DType::F32 | DType::C64 => DType::C64,
            _ => DType::C128,
        }
    }
}

const fn wider(a: DType, b: DType) -> DType {
    if a.size() >= b.size() { a } else { b }
}

const fn floats(a: DType, b: DType) -> DType {
    match (a, b) {
        (DType::F16, DType::BF16) | (DType::BF16, DType::F16) => DType::F32,
        _ => wider(a, b),
    }
}

const fn float_and_integer(float: DType, integer: DType) -> DType {
    match (float, integer.to_float()) {
        // Eight bits hold any of them.
        (DType::BF16, DType::F16) => DType::BF16,
        (float, other) => floats(float, other),
    }
}

const fn signed_and_unsigned(signed: DType, unsigned: DType) -> DType {
    if signed.size() > unsigned.size() {
        return signed;
    }
    match unsigned.size() {
        1 => DType::I16,
        2 => DType::I32,
        4 => DType::I64,
        _ => DType::F64,
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A boolean element: any byte may be read, non-zero is true.
///
/// Memory that another library filled may hold bytes other than 0 and 1, which a Rust `bool` must not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct Bool(u8);

impl Bool {
    /// The truth value.
    #[inline(always)]
    pub const fn get(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for Bool {
    #[inline(always)]
    fn from(value: bool) -> Bool {
        Bool(value as u8)
    }
}

/// A Rust type that is the element of some [`DType`]. Every bit pattern is a value of it.
pub trait Element: Copy + PartialEq + Send + Sync + fmt::Debug + Default + 'static {
    /// The dtype of this type.
    const DTYPE: DType;
    /// The bits, zero-extended.
    fn to_bits64(self) -> u64;
    /// The element with these low bits.
    fn from_bits64(bits: u64) -> Self;
}

macro_rules! elements {
    ($($type:ty, $dtype:ident, |$x:ident| $to:expr, |$bits:ident| $from:expr;)*) => {
        $(impl Element for $type {
            const DTYPE: DType = DType::$dtype;
            #[inline(always)]
            fn to_bits64(self) -> u64 { let $x = self; $to }
            #[inline(always)]
            fn from_bits64($bits: u64) -> Self { $from }
        })*
    };
}

elements! {
    Bool, Bool, |x| x.0 as u64, |bits| Bool(bits as u8);
    i8, I8, |x| x as u8 as u64, |bits| bits as i8;
    i16, I16, |x| x as u16 as u64, |bits| bits as i16;
    i32, I32, |x| x as u32 as u64, |bits| bits as i32;
    i64, I64, |x| x as u64, |bits| bits as i64;
    u8, U8, |x| x as u64, |bits| bits as u8;
    u16, U16, |x| x as u64, |bits| bits as u16;
    u32, U32, |x| x as u64, |bits| bits as u32;
    u64, U64, |x| x, |bits| bits;
    F16, F16, |x| x.to_bits() as u64, |bits| F16::from_bits(bits as u16);
    BF16, BF16, |x| x.to_bits() as u64, |bits| BF16::from_bits(bits as u16);
    f32, F32, |x| x.to_bits() as u64, |bits| f32::from_bits(bits as u32);
    f64, F64, |x| x.to_bits(), |bits| f64::from_bits(bits);
}

/// Evaluates `$body` with `$T` bound to the Rust type of a real `DType`; `$complex` for the complex ones, and `$half`, where
/// it is given, for the half-precision floats.
#[macro_export]
macro_rules! dispatch_dtype {
    ($dtype:expr, $T:ident => $body:expr, complex => $complex:expr) => {
        match $dtype {
            $crate::DType::F16 => {
                type $T = $crate::F16;
                $body
            }
            $crate::DType::BF16 => {
                type $T = $crate::BF16;
                $body
            }
            dtype => $crate::dispatch_dtype!(dtype, $T => $body, half => unreachable!(), complex => $complex),
        }
    };
    ($dtype:expr, $T:ident => $body:expr, half => $half:expr, complex => $complex:expr) => {
        match $dtype {
            $crate::DType::F16 | $crate::DType::BF16 => $half,
            $crate::DType::Bool => {
                type $T = $crate::Bool;
                $body
            }
            $crate::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::DType::U64 => {
                type $T = u64;
                $body
            }
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::DType::C64 | $crate::DType::C128 => $complex,
        }
    };
}
