//! The lane algebra: what the functions of mathematics are written in, once.
//!
//! A function such as `exp` is generic over [`Lanes`]. With [`Scalar`] it is the definition of the op for one element;
//! with a vector type of an instruction set it is a kernel; with a recorder it becomes part of a lane program, which the
//! code generator compiles. Every operation here is exact or rounded once, and has the same bits in every
//! implementation (NaN payloads aside), so all of them give the same bits for every function.
//!
//! Only operations that AVX2, AVX-512 and NEON have, or can build in a few instructions, are required; the others are
//! provided methods. An implementation is a context that is passed by value: a token, or a reference to a recorder.

use std::fmt::Debug;

/// A float type that lanes are made of.
pub trait Real: Copy + PartialOrd + Debug + Send + Sync + 'static {
    /// The signed integer of the same width.
    type Int: Copy + Debug + Eq + Send + Sync + 'static;
    /// Bits of the fraction, without the implicit one: 23 or 52.
    const FRACTION_BITS: u32;
    /// The bias of the exponent: 127 or 1023.
    const BIAS: i32;
    /// 1.5 * 2^FRACTION_BITS: added to a number below 2^(FRACTION_BITS - 1), it leaves the nearest integer in the low bits.
    const MAGIC: Self;
    /// -0.0.
    const NEG_ZERO: Self;
    /// The smallest number that is not subnormal.
    const SMALLEST_NORMAL: Self;
    /// Infinity.
    const INFINITY: Self;
    /// NaN.
    const NAN: Self;
    /// As many numbers as [`Lanes::lookup`] chooses from: 16 or 8.
    type Table: Debug + Send + Sync + 'static;
    /// The entry that the low bits of an index name.
    fn entry(table: &Self::Table, index: Self::Int) -> Self;
    /// The number of a small integer.
    fn number(x: i32) -> Self;
    /// The integer of a small number.
    fn int(x: i64) -> Self::Int;
    /// The number's bits.
    fn bits(self) -> Self::Int;
}

impl Real for f32 {
    type Int = i32;
    const FRACTION_BITS: u32 = 23;
    const BIAS: i32 = 127;
    const MAGIC: f32 = 12_582_912.0;
    const NEG_ZERO: f32 = -0.0;
    const SMALLEST_NORMAL: f32 = f32::MIN_POSITIVE;
    const INFINITY: f32 = f32::INFINITY;
    const NAN: f32 = f32::NAN;
    type Table = [f32; 16];
    fn entry(table: &[f32; 16], index: i32) -> f32 {
        table[(index & 15) as usize]
    }
    fn number(x: i32) -> f32 {
        x as f32
    }
    fn int(x: i64) -> i32 {
        x as i32
    }
    fn bits(self) -> i32 {
        self.to_bits().cast_signed()
    }
}

impl Real for f64 {
    type Int = i64;
    const FRACTION_BITS: u32 = 52;
    const BIAS: i32 = 1023;
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    const NEG_ZERO: f64 = -0.0;
    const SMALLEST_NORMAL: f64 = f64::MIN_POSITIVE;
    const INFINITY: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    type Table = [f64; 8];
    fn entry(table: &[f64; 8], index: i64) -> f64 {
        table[(index & 7) as usize]
    }
    fn number(x: i32) -> f64 {
        f64::from(x)
    }
    fn int(x: i64) -> i64 {
        x
    }
    fn bits(self) -> i64 {
        self.to_bits().cast_signed()
    }
}

/// A scalar function that stands in for the lanes where the vector form does not hold: huge angles, for example.
///
/// A function of one operand ignores the second.
#[derive(Clone, Copy, Debug)]
pub struct Rare<T> {
    /// The name, for texts.
    pub name: &'static str,
    /// The value for a lane's operands.
    pub function: fn(T, T) -> T,
}

/// Lanes of one float type, and integers and masks of the same width.
///
/// `Int` is a two's complement integer of the float's width that wraps; shift counts are below the width.
pub trait Lanes: Copy {
    /// The float of a lane.
    type Elem: Real;
    /// A float per lane.
    type Float: Copy;
    /// An integer per lane.
    type Int: Copy;
    /// A truth value per lane.
    type Mask: Copy;
    /// The lanes of as many `f64`: for `f64` these lanes themselves.
    type Wide: Lanes<Elem = f64>;

    /// A number in every lane.
    fn float(self, x: Self::Elem) -> Self::Float;
    /// An integer in every lane.
    fn int(self, x: <Self::Elem as Real>::Int) -> Self::Int;

    /// `x + y`.
    fn add(self, x: Self::Float, y: Self::Float) -> Self::Float;
    /// `x - y`.
    fn sub(self, x: Self::Float, y: Self::Float) -> Self::Float;
    /// `x * y`.
    fn mul(self, x: Self::Float, y: Self::Float) -> Self::Float;
    /// `x / y`.
    fn div(self, x: Self::Float, y: Self::Float) -> Self::Float;
    /// The square root, correctly rounded.
    fn sqrt(self, x: Self::Float) -> Self::Float;
    /// `x * y + z`, rounded once.
    fn fma(self, x: Self::Float, y: Self::Float, z: Self::Float) -> Self::Float;
    /// `-(x * y) + z`, rounded once.
    fn fnma(self, x: Self::Float, y: Self::Float, z: Self::Float) -> Self::Float;
    /// `x * y - z`, rounded once.
    fn fms(self, x: Self::Float, y: Self::Float, z: Self::Float) -> Self::Float;
    /// `if x < y { x } else { y }`: the second operand when one is NaN, or both are zero.
    fn min(self, x: Self::Float, y: Self::Float) -> Self::Float;
    /// `if x > y { x } else { y }`: the second operand when one is NaN, or both are zero.
    fn max(self, x: Self::Float, y: Self::Float) -> Self::Float;
    /// The nearest integer, ties to even.
    fn round(self, x: Self::Float) -> Self::Float;
    /// The largest integer not above `x`.
    fn floor(self, x: Self::Float) -> Self::Float;

    /// `x < y`; false for NaN.
    fn lt(self, x: Self::Float, y: Self::Float) -> Self::Mask;
    /// `x <= y`; false for NaN.
    fn le(self, x: Self::Float, y: Self::Float) -> Self::Mask;
    /// `x == y`; false for NaN.
    fn eq(self, x: Self::Float, y: Self::Float) -> Self::Mask;
    /// Both.
    fn and(self, a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Either.
    fn or(self, a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// The opposite.
    fn not(self, a: Self::Mask) -> Self::Mask;
    /// `x` where the mask holds, else `y`.
    fn select(self, mask: Self::Mask, x: Self::Float, y: Self::Float) -> Self::Float;

    /// The bits of a float.
    fn bits(self, x: Self::Float) -> Self::Int;
    /// The float of these bits.
    fn float_of_bits(self, x: Self::Int) -> Self::Float;
    /// `x + y`.
    fn int_add(self, x: Self::Int, y: Self::Int) -> Self::Int;
    /// `x - y`.
    fn int_sub(self, x: Self::Int, y: Self::Int) -> Self::Int;
    /// Bitwise and.
    fn int_and(self, x: Self::Int, y: Self::Int) -> Self::Int;
    /// Bitwise or.
    fn int_or(self, x: Self::Int, y: Self::Int) -> Self::Int;
    /// Bitwise exclusive or.
    fn int_xor(self, x: Self::Int, y: Self::Int) -> Self::Int;
    /// Bits moved left by a constant.
    fn shl(self, x: Self::Int, count: u32) -> Self::Int;
    /// Bits moved right by a constant, zeros moved in.
    fn shr(self, x: Self::Int, count: u32) -> Self::Int;
    /// `x == y`.
    fn int_eq(self, x: Self::Int, y: Self::Int) -> Self::Mask;
    /// `x > y`, signed.
    fn int_gt(self, x: Self::Int, y: Self::Int) -> Self::Mask;
    /// `x` where the mask holds, else `y`.
    fn int_select(self, mask: Self::Mask, x: Self::Int, y: Self::Int) -> Self::Int;

    /// The entry of a table that the low bits of `index` name: four for `f32`, three for `f64`.
    fn lookup(self, table: &'static <Self::Elem as Real>::Table, index: Self::Int) -> Self::Float;

    /// The same for a table whose second half repeats the first: AVX2 looks at one half alone.
    #[inline(always)]
    fn lookup_half(self, table: &'static <Self::Elem as Real>::Table, index: Self::Int) -> Self::Float {
        self.lookup(table, index)
    }

    /// `rare.function(x, y)` in the lanes where the mask holds, else `value`. Costs a test where no lane does.
    fn rare(
        self,
        rare: &'static Rare<Self::Elem>,
        mask: Self::Mask,
        value: Self::Float,
        x: Self::Float,
        y: Self::Float,
    ) -> Self::Float;

    /// The context of as many `f64`.
    fn wide(self) -> Self::Wide;
    /// Each lane as `f64`.
    fn widen(self, x: Self::Float) -> <Self::Wide as Lanes>::Float;
    /// Each lane rounded from `f64`.
    fn narrow(self, x: <Self::Wide as Lanes>::Float) -> Self::Float;
    /// A mask of the wide lanes as one of these.
    fn narrow_mask(self, x: <Self::Wide as Lanes>::Mask) -> Self::Mask;
    /// A mask of these lanes as one of the wide ones.
    fn widen_mask(self, x: Self::Mask) -> <Self::Wide as Lanes>::Mask;

    /// `x * 2^n` for integers `n`, rounded once: for `|x|` within 2^-64 and 2^64, 0, infinite or NaN, and `|n|` at most
    /// 250 for `f32`, 2040 for `f64`.
    #[inline(always)]
    fn scale(self, x: Self::Float, n: Self::Float) -> Self::Float {
        // Two factors, since one power may not be a number. The first product is exact.
        let n = self.nearest_int(n);
        let half = self.int_shift_right_arithmetic(n, 1);
        let product = self.mul(x, self.power_of_two(half));
        self.mul(product, self.power_of_two(self.int_sub(n, half)))
    }

    /// `2^n` for `n` from `1 - BIAS` to `BIAS`.
    #[inline(always)]
    fn power_of_two(self, n: Self::Int) -> Self::Float {
        let biased = self.int_add(n, self.int(Self::Elem::int(i64::from(Self::Elem::BIAS))));
        self.float_of_bits(self.shl(biased, Self::Elem::FRACTION_BITS))
    }

    /// The nearest integer, ties to even, of `|x|` below 2^(FRACTION_BITS - 1). Beyond, some integer, the same everywhere.
    #[inline(always)]
    fn nearest_int(self, x: Self::Float) -> Self::Int {
        let magic = self.float(Self::Elem::MAGIC);
        self.int_sub(self.bits(self.add(x, magic)), self.int(Self::Elem::MAGIC.bits()))
    }

    /// The largest integer not above `log2 |x|`: -inf for 0, infinite or NaN with `x`.
    #[inline(always)]
    fn exponent(self, x: Self::Float) -> Self::Float {
        let size = self.abs(x);
        let (tiny, normal) = self.normal(size);
        let biased = self.float_of_int(self.shr(self.bits(normal), Self::Elem::FRACTION_BITS));
        let bias = Self::Elem::BIAS;
        let lifted = self.float(Self::Elem::number(bias + Self::Elem::FRACTION_BITS as i32));
        let exponent = self.sub(biased, self.select(tiny, lifted, self.float(Self::Elem::number(bias))));
        let infinity = self.float(Self::Elem::INFINITY);
        let exponent = self.select(self.lt(size, infinity), exponent, size);
        self.select(self.eq(size, self.float(Self::Elem::number(0))), self.neg(infinity), exponent)
    }

    /// `x` over a power of two, from 3/4 to below 3/2: 1 for zeros and infinity, NaN where `x` is negative or NaN.
    #[inline(always)]
    fn mantissa(self, x: Self::Float) -> Self::Float {
        let (_, normal) = self.normal(x);
        let begin = self.three_quarters();
        let one = self.int(Self::Elem::int(1));
        let fraction = self.int_sub(self.shl(one, Self::Elem::FRACTION_BITS), one);
        let offset = self.int_and(self.int_sub(self.bits(normal), begin), fraction);
        let mantissa = self.float_of_bits(self.int_add(offset, begin));
        let is_size = self.le(self.float(Self::Elem::number(0)), x);
        self.select(is_size, mantissa, self.float(Self::Elem::NAN))
    }

    /// The bits of 3/4.
    #[inline(always)]
    fn three_quarters(self) -> Self::Int {
        let one = self.int(Self::Elem::int(1));
        let half_exponent = self.int(Self::Elem::int(i64::from(Self::Elem::BIAS - 1)));
        let half = self.shl(half_exponent, Self::Elem::FRACTION_BITS);
        self.int_or(half, self.shl(one, Self::Elem::FRACTION_BITS - 1))
    }

    /// Whether `x` is below all normal numbers, and `x`, times 2^FRACTION_BITS if it is.
    #[inline(always)]
    fn normal(self, x: Self::Float) -> (Self::Mask, Self::Float) {
        let tiny = self.lt(x, self.float(Self::Elem::SMALLEST_NORMAL));
        let units =
            self.int(Self::Elem::int(i64::from(Self::Elem::BIAS) + i64::from(Self::Elem::FRACTION_BITS)));
        let units = self.float_of_bits(self.shl(units, Self::Elem::FRACTION_BITS));
        (tiny, self.select(tiny, self.mul(x, units), x))
    }

    /// The float of an integer below 2^(FRACTION_BITS - 1) in magnitude.
    #[inline(always)]
    fn float_of_int(self, n: Self::Int) -> Self::Float {
        let magic = self.int(Self::Elem::MAGIC.bits());
        self.sub(self.float_of_bits(self.int_add(n, magic)), self.float(Self::Elem::MAGIC))
    }

    /// Bits moved right by a constant, copies of the sign moved in.
    #[inline(always)]
    fn int_shift_right_arithmetic(self, x: Self::Int, count: u32) -> Self::Int {
        // ((x ^ min) >> count) - (min >> count), unsigned.
        let sign = self.shl(self.int(Self::Elem::int(1)), size_of::<Self::Elem>() as u32 * 8 - 1);
        let flipped = self.shr(self.int_xor(x, sign), count);
        self.int_sub(flipped, self.shr(sign, count))
    }

    /// The sign bit changed.
    #[inline(always)]
    fn neg(self, x: Self::Float) -> Self::Float {
        self.float_of_bits(self.int_xor(self.bits(x), self.sign_bit()))
    }

    /// The sign bit cleared.
    #[inline(always)]
    fn abs(self, x: Self::Float) -> Self::Float {
        self.float_of_bits(self.int_xor(self.bits(x), self.int_and(self.bits(x), self.sign_bit())))
    }

    /// The size of `x` with the sign of `y`.
    #[inline(always)]
    fn copysign(self, x: Self::Float, y: Self::Float) -> Self::Float {
        let sign = self.int_and(self.bits(y), self.sign_bit());
        self.float_of_bits(self.int_or(self.bits(self.abs(x)), sign))
    }

    /// An integer of which only the sign bit is set.
    #[inline(always)]
    fn sign_bit(self) -> Self::Int {
        self.bits(self.float(Self::Elem::NEG_ZERO))
    }

    /// `x > y`; false for NaN.
    #[inline(always)]
    fn gt(self, x: Self::Float, y: Self::Float) -> Self::Mask {
        self.lt(y, x)
    }

    /// `x >= y`; false for NaN.
    #[inline(always)]
    fn ge(self, x: Self::Float, y: Self::Float) -> Self::Mask {
        self.le(y, x)
    }

    /// Whether `x` is NaN.
    #[inline(always)]
    fn is_nan(self, x: Self::Float) -> Self::Mask {
        self.not(self.eq(x, x))
    }

    /// `c[0] + x * (c[1] + x * (c[2] + ...))`, each step rounded once.
    #[inline(always)]
    fn horner(self, x: Self::Float, coefficients: &[Self::Elem]) -> Self::Float {
        let Some((&last, rest)) = coefficients.split_last() else { return self.float(Self::Elem::NEG_ZERO) };
        let mut sum = self.float(last);
        for &coefficient in rest.iter().rev() {
            sum = self.fma(sum, x, self.float(coefficient));
        }
        sum
    }
}

/// One lane: the definition of each function.
#[derive(Clone, Copy, Debug)]
pub struct Scalar<T>(std::marker::PhantomData<T>);

impl<T> Scalar<T> {
    /// The context.
    pub const fn new() -> Scalar<T> {
        Scalar(std::marker::PhantomData)
    }
}

impl<T> Default for Scalar<T> {
    fn default() -> Scalar<T> {
        Scalar::new()
    }
}

macro_rules! scalar_lanes {
    ($($t:ident, $int:ident;)*) => {
        $(impl Lanes for Scalar<$t> {
            type Elem = $t;
            type Float = $t;
            type Int = $int;
            type Mask = bool;
            type Wide = Scalar<f64>;

            #[inline(always)]
            fn float(self, x: $t) -> $t { x }
            #[inline(always)]
            fn int(self, x: $int) -> $int { x }
            #[inline(always)]
            fn add(self, x: $t, y: $t) -> $t { x + y }
            #[inline(always)]
            fn sub(self, x: $t, y: $t) -> $t { x - y }
            #[inline(always)]
            fn mul(self, x: $t, y: $t) -> $t { x * y }
            #[inline(always)]
            fn div(self, x: $t, y: $t) -> $t { x / y }
            #[inline(always)]
            fn sqrt(self, x: $t) -> $t { x.sqrt() }
            #[inline(always)]
            fn fma(self, x: $t, y: $t, z: $t) -> $t { x.mul_add(y, z) }
            #[inline(always)]
            fn fnma(self, x: $t, y: $t, z: $t) -> $t { (-x).mul_add(y, z) }
            #[inline(always)]
            fn fms(self, x: $t, y: $t, z: $t) -> $t { x.mul_add(y, -z) }
            #[inline(always)]
            fn min(self, x: $t, y: $t) -> $t { if x < y { x } else { y } }
            #[inline(always)]
            fn max(self, x: $t, y: $t) -> $t { if x > y { x } else { y } }
            #[inline(always)]
            fn round(self, x: $t) -> $t { x.round_ties_even() }
            #[inline(always)]
            fn floor(self, x: $t) -> $t { x.floor() }
            #[inline(always)]
            fn lt(self, x: $t, y: $t) -> bool { x < y }
            #[inline(always)]
            fn le(self, x: $t, y: $t) -> bool { x <= y }
            #[inline(always)]
            fn eq(self, x: $t, y: $t) -> bool { x == y }
            #[inline(always)]
            fn and(self, a: bool, b: bool) -> bool { a & b }
            #[inline(always)]
            fn or(self, a: bool, b: bool) -> bool { a | b }
            #[inline(always)]
            fn not(self, a: bool) -> bool { !a }
            #[inline(always)]
            fn select(self, mask: bool, x: $t, y: $t) -> $t { if mask { x } else { y } }
            #[inline(always)]
            fn bits(self, x: $t) -> $int { x.to_bits().cast_signed() }
            #[inline(always)]
            fn float_of_bits(self, x: $int) -> $t { $t::from_bits(x.cast_unsigned()) }
            #[inline(always)]
            fn int_add(self, x: $int, y: $int) -> $int { x.wrapping_add(y) }
            #[inline(always)]
            fn int_sub(self, x: $int, y: $int) -> $int { x.wrapping_sub(y) }
            #[inline(always)]
            fn int_and(self, x: $int, y: $int) -> $int { x & y }
            #[inline(always)]
            fn int_or(self, x: $int, y: $int) -> $int { x | y }
            #[inline(always)]
            fn int_xor(self, x: $int, y: $int) -> $int { x ^ y }
            #[inline(always)]
            fn shl(self, x: $int, count: u32) -> $int { x << count }
            #[inline(always)]
            fn shr(self, x: $int, count: u32) -> $int { (x.cast_unsigned() >> count).cast_signed() }
            #[inline(always)]
            fn int_eq(self, x: $int, y: $int) -> bool { x == y }
            #[inline(always)]
            fn int_gt(self, x: $int, y: $int) -> bool { x > y }
            #[inline(always)]
            fn int_select(self, mask: bool, x: $int, y: $int) -> $int { if mask { x } else { y } }
            #[inline(always)]
            fn lookup(self, table: &'static <$t as Real>::Table, index: $int) -> $t {
                <$t as Real>::entry(table, index)
            }
            #[inline(always)]
            fn rare(self, rare: &'static Rare<$t>, mask: bool, value: $t, x: $t, y: $t) -> $t {
                if mask { (rare.function)(x, y) } else { value }
            }
            #[inline(always)]
            fn wide(self) -> Scalar<f64> { Scalar::new() }
            #[inline(always)]
            fn widen(self, x: $t) -> f64 { f64::from(x) }
            #[inline(always)]
            fn narrow(self, x: f64) -> $t { x as $t }
            #[inline(always)]
            fn narrow_mask(self, x: bool) -> bool { x }
            #[inline(always)]
            fn widen_mask(self, x: bool) -> bool { x }
        })*
    };
}
scalar_lanes! {
    f32, i32;
    f64, i64;
}
