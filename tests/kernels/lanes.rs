//! Every operation of the lane algebra, in every implementation, against one lane at a time.

use raptors::kernels::lanes::{Pair, Vector};
use raptors::runtime::level::Level;
use raptors_ir::lanes::{Lanes, Rare, Real, Scalar};

use super::Random;

/// A use of the algebra that ends in a number.
trait Probe {
    /// Whether any NaN stands for any other: not where the result is an integer's bits.
    const FLOAT: bool;
    fn apply<L: Lanes<Elem: Sample>>(lanes: L, x: [L::Float; 3]) -> L::Float;
}

/// The numbers that probes need.
trait Sample: Real {
    const NAME: &'static str;
    const RARE: Rare<Self>;
    const TABLE: &'static <Self as Real>::Table;
    /// One half, twice.
    const HALF_TABLE: &'static <Self as Real>::Table;
    fn of(x: f64) -> Self;
    fn any_bits(bits: u64) -> Self;
    fn is_nan(self) -> bool;
    fn specials() -> Vec<Self>;
}

macro_rules! sample {
    ($($t:ident, $int:ident, $entries:literal;)*) => {
        $(impl Sample for $t {
            const NAME: &'static str = stringify!($t);
            const RARE: Rare<$t> = Rare { name: "difference", function: |x, y| x - 2.0 * y };
            const TABLE: &'static [$t; $entries] = &{
                let mut table = [-3.5; $entries];
                let mut i = 1;
                while i < $entries {
                    table[i] = table[i - 1] * 0.75 + 1.0;
                    i += 1;
                }
                table
            };
            const HALF_TABLE: &'static [$t; $entries] = &{
                let mut table = *Self::TABLE;
                let mut i = $entries / 2;
                while i < $entries {
                    table[i] = table[i - $entries / 2];
                    i += 1;
                }
                table
            };
            fn of(x: f64) -> $t { x as $t }
            fn any_bits(bits: u64) -> $t { $t::from_bits(bits as $int) }
            fn is_nan(self) -> bool { $t::is_nan(self) }
            fn specials() -> Vec<$t> {
                let magic = <$t as Real>::MAGIC;
                let positive = [
                    0.0, 0.5, 0.75, 1.0, 1.5, 2.5, 3.0, 127.0, 4096.5, magic, magic / 4.0 - 0.5, magic / 2.0 + 1.0,
                    $t::MIN_POSITIVE, $t::MIN_POSITIVE / 3.0, $t::from_bits(1), $t::MAX, $t::INFINITY, $t::NAN,
                    $t::EPSILON, 1.0 + $t::EPSILON, 1.0 - $t::EPSILON / 2.0,
                ];
                positive.into_iter().chain(positive.map(|x| -x)).collect()
            }
        })*
    };
}
sample! {
    f32, u32, 16;
    f64, u64, 8;
}

/// All ones where the mask holds.
fn ones<L: Lanes>(lanes: L, mask: L::Mask) -> L::Float {
    lanes.float_of_bits(lanes.int_select(mask, lanes.int(L::Elem::int(-1)), lanes.int(L::Elem::int(0))))
}

/// Bits from operands that are bits.
fn of_bits<L: Lanes>(lanes: L, x: [L::Float; 3], f: impl Fn([L::Int; 3]) -> L::Int) -> L::Float {
    lanes.float_of_bits(f(x.map(|x| lanes.bits(x))))
}

/// Declares probes, and `each`, which hands them to a check.
macro_rules! probes {
    ($($name:ident $float:literal |$lanes:ident, $x:ident, $y:ident, $z:ident| $value:expr;)*) => {
        $(#[allow(non_camel_case_types, reason = "named as what it probes")]
        struct $name;
        impl Probe for $name {
            const FLOAT: bool = $float;
            fn apply<L: Lanes<Elem: Sample>>($lanes: L, [$x, $y, $z]: [L::Float; 3]) -> L::Float {
                let _ = ($y, $z);
                $value
            }
        })*

        fn check_all<V: Vector<Elem: Sample>>(vector: V, what: &str)
        where
            Scalar<V::Elem>: Lanes<Elem = V::Elem, Float = V::Elem>,
        {
            $(check::<$name, V>(vector, &format!("{} {what}", stringify!($name)));)*
        }
    };
}
probes! {
    float true |l, x, y, z| l.add(l.float(Sample::of(0.75)), x);
    int false |l, x, y, z| of_bits(l, [x, y, z], |[x, _, _]| l.int_xor(l.int(L::Elem::int(-77)), x));
    add true |l, x, y, z| l.add(x, y);
    sub true |l, x, y, z| l.sub(x, y);
    mul true |l, x, y, z| l.mul(x, y);
    div true |l, x, y, z| l.div(x, y);
    sqrt true |l, x, y, z| l.sqrt(x);
    fma true |l, x, y, z| l.fma(x, y, z);
    fnma true |l, x, y, z| l.fnma(x, y, z);
    fms true |l, x, y, z| l.fms(x, y, z);
    min true |l, x, y, z| l.min(x, y);
    max true |l, x, y, z| l.max(x, y);
    round true |l, x, y, z| l.round(x);
    floor true |l, x, y, z| l.floor(x);
    lt false |l, x, y, z| ones(l, l.lt(x, y));
    le false |l, x, y, z| ones(l, l.le(x, y));
    eq false |l, x, y, z| ones(l, l.eq(x, y));
    gt false |l, x, y, z| ones(l, l.gt(x, y));
    ge false |l, x, y, z| ones(l, l.ge(x, y));
    is_nan false |l, x, y, z| ones(l, l.is_nan(x));
    and false |l, x, y, z| ones(l, l.and(l.lt(x, y), l.lt(z, x)));
    or false |l, x, y, z| ones(l, l.or(l.lt(x, y), l.lt(z, x)));
    not false |l, x, y, z| ones(l, l.not(l.lt(x, y)));
    select false |l, x, y, z| l.select(l.lt(x, y), z, x);
    int_select false |l, x, y, z| of_bits(l, [x, y, z], |[a, b, c]| l.int_select(l.lt(x, y), l.int_add(a, b), c));
    int_add false |l, x, y, z| of_bits(l, [x, y, z], |[x, y, _]| l.int_add(x, y));
    int_sub false |l, x, y, z| of_bits(l, [x, y, z], |[x, y, _]| l.int_sub(x, y));
    int_and false |l, x, y, z| of_bits(l, [x, y, z], |[x, y, _]| l.int_and(x, y));
    int_or false |l, x, y, z| of_bits(l, [x, y, z], |[x, y, _]| l.int_or(x, y));
    int_xor false |l, x, y, z| of_bits(l, [x, y, z], |[x, y, _]| l.int_xor(x, y));
    int_eq false |l, x, y, z| ones(l, l.int_eq(l.bits(x), l.bits(y)));
    int_gt false |l, x, y, z| ones(l, l.int_gt(l.bits(x), l.bits(y)));
    shl_1 false |l, x, y, z| of_bits(l, [x, y, z], |[x, _, _]| l.shl(x, 1));
    shl_31 false |l, x, y, z| of_bits(l, [x, y, z], |[x, _, _]| l.shl(x, 31));
    shr_1 false |l, x, y, z| of_bits(l, [x, y, z], |[x, _, _]| l.shr(x, 1));
    shr_23 false |l, x, y, z| of_bits(l, [x, y, z], |[x, _, _]| l.shr(x, 23));
    shr_all_but_one false |l, x, y, z| of_bits(l, [x, y, z], |[x, _, _]| l.shr(x, 8 * size_of::<L::Elem>() as u32 - 1));
    arithmetic_1 false |l, x, y, z| of_bits(l, [x, y, z], |[x, _, _]| l.int_shift_right_arithmetic(x, 1));
    arithmetic_23 false |l, x, y, z| of_bits(l, [x, y, z], |[x, _, _]| l.int_shift_right_arithmetic(x, 23));
    rare true |l, x, y, z| l.rare(&const { L::Elem::RARE }, l.lt(x, y), z, x, y);
    never_rare true |l, x, y, z| l.rare(&const { L::Elem::RARE }, l.lt(x, x), z, x, y);
    wide true |l, x, y, z| l.narrow(l.wide().fma(l.widen(x), l.widen(y), l.widen(z)));
    wide_scale true |l, x, y, z| l.narrow(scaled(l.wide(), [l.widen(x), l.widen(y)]));
    narrow_mask false |l, x, y, z| ones(l, l.narrow_mask(l.wide().lt(l.widen(x), l.widen(y))));
    widen_mask true |l, x, y, z| l.narrow(l.wide().select(l.widen_mask(l.lt(x, y)), l.widen(z), l.widen(x)));
    scale true |l, x, y, z| scaled(l, [x, y]);
    power_of_two true |l, x, y, z| {
        let bias = L::Elem::BIAS.into();
        let limited = l.max(l.min(x, l.float(Sample::of(bias))), l.float(Sample::of(1.0 - bias)));
        l.power_of_two(l.nearest_int(limited))
    };
    nearest_int false |l, x, y, z| l.float_of_bits(l.nearest_int(x));
    float_of_int true |l, x, y, z| l.float_of_int(l.bits(x));
    float_of_nearest_int true |l, x, y, z| l.float_of_int(l.nearest_int(x));
    exponent true |l, x, y, z| l.exponent(x);
    mantissa true |l, x, y, z| l.mantissa(x);
    lookup true |l, x, y, z| l.lookup(L::Elem::TABLE, l.bits(x));
    lookup_half true |l, x, y, z| l.lookup_half(L::Elem::HALF_TABLE, l.bits(x));
    neg true |l, x, y, z| l.neg(x);
    abs true |l, x, y, z| l.abs(x);
    copysign true |l, x, y, z| l.copysign(x, y);
    horner true |l, x, y, z| l.horner(x, &[0.5, -2.0, 1.5, 3.25].map(Sample::of));
}

/// `scale` within its range: another number for what is beyond.
fn scaled<L: Lanes<Elem: Sample>>(l: L, [x, y]: [L::Float; 2]) -> L::Float {
    let number = |x: f64| l.float(L::Elem::of(x));
    let size = l.abs(x);
    let ordinary = l.and(l.ge(size, number(0.5f64.powi(64))), l.le(size, number(2f64.powi(64))));
    let finite = l.and(l.gt(size, number(0.0)), l.lt(size, number(f64::INFINITY)));
    let x = l.select(l.or(ordinary, l.not(finite)), x, l.fma(size, number(0.0), number(1.375)));
    let most = if L::Elem::BIAS == 127 { 250.0 } else { 2040.0 };
    l.scale(x, l.round(l.max(l.min(l.mul(y, number(40.0)), number(most)), number(-most))))
}

/// Compares the lanes of a vector with one lane at a time.
fn check<P: Probe, V: Vector<Elem: Sample>>(vector: V, what: &str)
where
    Scalar<V::Elem>: Lanes<Elem = V::Elem, Float = V::Elem>,
{
    for operands in operands::<V::Elem>().chunks_exact(V::WIDTH) {
        let column = |i: usize| -> Vec<V::Elem> { operands.iter().map(|x| x[i]).collect() };
        let mut results = column(0);
        // SAFETY: each column has a vector's elements.
        unsafe {
            let args = [0, 1, 2].map(|i| vector.load(column(i).as_ptr()));
            vector.store(P::apply(vector, args), results.as_mut_ptr());
        }
        for (result, &operands) in results.into_iter().zip(operands) {
            let expected = P::apply(Scalar::new(), operands);
            let nan = P::FLOAT && result.is_nan() && expected.is_nan();
            assert!(
                nan || result.bits() == expected.bits(),
                "{what} of {operands:?}: {result:?}, expected {expected:?}"
            );
        }
    }
}

/// All pairs of special numbers with a third, then random bits, and numbers of ordinary size.
fn operands<T: Sample>() -> Vec<[T; 3]> {
    let mut random = Random(6);
    let specials = T::specials();
    let mut operands = Vec::new();
    for &x in &specials {
        operands.extend(specials.iter().map(|&y| [x, y, specials[random.below(specials.len())]]));
    }
    operands.extend((0..1000).map(|_| [0; 3].map(|_| T::any_bits(random.next()))));
    operands.extend((0..1000).map(|_| [0; 3].map(|_| T::of((random.next() as i32).into()))));
    operands.extend((0..1000).map(|_| [0; 3].map(|_| T::of(f64::from(random.next() as i32) / 1e8))));
    operands
}

#[test]
fn every_operation_has_the_bits_of_one_lane() {
    for level in Level::available() {
        let name = |element: &str| format!("{element} {level}");
        match level {
            Level::Baseline => {
                check_all(Pair(Scalar::<f32>::new()), &name(f32::NAME));
                check_all(Pair(Scalar::<f64>::new()), &name(f64::NAME));
                #[cfg(target_arch = "aarch64")]
                {
                    use raptors::kernels::lanes::Neon;
                    // SAFETY: every aarch64 CPU has the instructions.
                    let (single, double) = unsafe { (Neon::<f32>::assume(), Neon::<f64>::assume()) };
                    check_all(single, "f32 neon");
                    check_all(double, "f64 neon");
                    check_all(Pair(single), "f32 neon twice");
                    check_all(Pair(double), "f64 neon twice");
                }
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => {
                use raptors::kernels::lanes::Avx2;
                // SAFETY: the level is available.
                let (single, double) = unsafe { (Avx2::<f32>::assume(), Avx2::<f64>::assume()) };
                check_all(single, &name(f32::NAME));
                check_all(double, &name(f64::NAME));
                check_all(Pair(single), &name("f32 twice"));
                check_all(Pair(double), &name("f64 twice"));
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                use raptors::kernels::lanes::Avx512;
                // SAFETY: the level is available.
                let (single, double) = unsafe { (Avx512::<f32>::assume(), Avx512::<f64>::assume()) };
                check_all(single, &name(f32::NAME));
                check_all(double, &name(f64::NAME));
                check_all(Pair(single), &name("f32 twice"));
                check_all(Pair(double), &name("f64 twice"));
            }
            #[cfg(not(target_arch = "x86_64"))]
            Level::Avx2 | Level::Avx512 => unreachable!("another architecture has the baseline alone"),
        }
    }
}
