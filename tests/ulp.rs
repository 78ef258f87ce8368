//! How far the functions of mathematics are from exact results: measured, and held to what the op table promises.
//!
//! The oracle is pxfm's `f64` function. It is exact enough for `f32`, whose errors are fractions of a unit; for `f64` it is
//! itself within 0.51 ULP, so that an error is 0, or 1 for a neighbour of the correctly rounded number. Every level must
//! give the same bits. `docs/accuracy.md` has the tables; `RAPTORS_BLESS=1` writes them.
//!
//! Relaxed twins are measured on more operands: every 4099th `f32`, or every one
//! (`exhaustive`), and random `f64`.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::fmt::Write;
use std::sync::Mutex;

use raptors::kernels::elementwise::elementwise;
use raptors::runtime::level::Level;
use raptors_ir::math::Function;
use raptors_ir::scalar::{self, Binary, Ternary, Unary, Visitor};
use raptors_ir::{DType, Element, ElementwiseOp, Relaxed};

use crate::support::{Random, blessing, diff, root};

/// What a function is compared with.
pub(crate) enum Oracle {
    Unary(fn(f64) -> f64),
    Binary(fn(f64, f64) -> f64),
}

pub(crate) fn oracle(op: ElementwiseOp) -> Oracle {
    use ElementwiseOp as Op;
    use Oracle::{Binary, Unary};
    match op.strict() {
        Op::Pow => Binary(pow),
        Op::Hypot => Binary(pxfm::f_hypot),
        // pxfm's loses the sign of what underflows.
        Op::Atan2 => Binary(|y, x| pxfm::f_atan2(y, x).copysign(y)),
        Op::Logaddexp => Binary(logaddexp),
        Op::Exp => Unary(pxfm::f_exp),
        Op::Exp2 => Unary(pxfm::f_exp2),
        Op::Expm1 => Unary(pxfm::f_expm1),
        Op::Log => Unary(pxfm::f_log),
        Op::Log1p => Unary(pxfm::f_log1p),
        Op::Log2 => Unary(pxfm::f_log2),
        Op::Log10 => Unary(pxfm::f_log10),
        Op::Sin => Unary(pxfm::f_sin),
        Op::Cos => Unary(pxfm::f_cos),
        Op::Tan => Unary(pxfm::f_tan),
        Op::Asin => Unary(pxfm::f_asin),
        Op::Acos => Unary(pxfm::f_acos),
        Op::Atan => Unary(pxfm::f_atan),
        // pxfm's loses the sign of zero.
        Op::Sinh => Unary(|x| if x == 0.0 { x } else { pxfm::f_sinh(x) }),
        Op::Cosh => Unary(pxfm::f_cosh),
        Op::Tanh => Unary(pxfm::f_tanh),
        Op::Asinh => Unary(pxfm::f_asinh),
        Op::Acosh => Unary(pxfm::f_acosh),
        Op::Atanh => Unary(pxfm::f_atanh),
        // pxfm's is wrong below -709.
        Op::Sigmoid => Unary(|x| if x < -700.0 { pxfm::f_exp(x) } else { pxfm::f_logistic(x) }),
        Op::Cbrt => Unary(pxfm::f_cbrt),
        Op::Erf => Unary(pxfm::f_erf),
        Op::Erfc => Unary(pxfm::f_erfc),
        Op::Gamma => Unary(gamma),
        // pxfm's is NaN for such numbers.
        Op::Lgamma => Unary(|x| if x > 1e300 { x * (pxfm::f_log(x) - 1.0) } else { pxfm::f_lgamma(x) }),
        op => panic!("{} is a function of mathematics without an oracle", op.name()),
    }
}

/// C99's where an operand is NaN. Beyond 2^53 all numbers are even, which pxfm does not see on every architecture.
fn pow(x: f64, y: f64) -> f64 {
    let base = if y.abs() > 9_007_199_254_740_992.0 && y.is_finite() { x.abs() } else { x };
    if y == 0.0 || x == 1.0 { 1.0 } else { pxfm::f_pow(base, y) }
}

fn logaddexp(x: f64, y: f64) -> f64 {
    let (larger, smaller) = if x < y { (y, x) } else { (x, y) };
    if larger == smaller {
        return larger + std::f64::consts::LN_2;
    }
    let difference = smaller - larger;
    // What rounding took from the difference (Knuth's two-sum).
    let part = difference - smaller;
    let lost = (smaller - (difference - part)) - (larger + part);
    let lost = if lost.is_finite() { lost } else { 0.0 };
    larger + pxfm::f_log1p(pxfm::f_exp(difference) * (1.0 + lost))
}

/// pxfm's, which loses the sign of the pole at zero and of what underflows.
fn gamma(x: f64) -> f64 {
    let value = pxfm::f_tgamma(x);
    if x == 0.0 {
        1.0 / x
    } else if value == 0.0 {
        if x.floor() % 2.0 == 0.0 { 0.0 } else { -0.0 }
    } else {
        value
    }
}

/// Whether an op is a function of mathematics for a dtype.
pub(crate) struct IsFunction;

impl Visitor for IsFunction {
    type Output = bool;
    fn unary<K: Unary<T>, T: Element>(self) -> bool {
        false
    }
    fn binary<K: Binary<T>, T: Element>(self) -> bool {
        false
    }
    fn ternary<K: Ternary<T>, T: Element>(self) -> bool {
        false
    }
    fn f32_function<F: Function<f32, N>, const N: usize>(self) -> bool {
        true
    }
    fn f64_function<F: Function<f64, N>, const N: usize>(self) -> bool {
        true
    }
}

pub(crate) trait Real: Element + Default {
    const FRACTION_BITS: i32;
    const LOWEST_EXPONENT: i32;
    fn of(x: f64) -> Self;
    fn of_bits(bits: u64) -> Self;
    fn wide(self) -> f64;
    fn bits(self) -> u64;
    /// 2 to the power of the exponent after the largest, where that is an `f64`.
    const BEYOND: Option<f64>;
}

macro_rules! real {
    ($($t:ident $int:ident $fraction:literal $lowest:literal $beyond:expr;)*) => {
        $(impl Real for $t {
            const FRACTION_BITS: i32 = $fraction;
            const LOWEST_EXPONENT: i32 = $lowest;
            const BEYOND: Option<f64> = $beyond;
            fn of(x: f64) -> $t { x as $t }
            fn of_bits(bits: u64) -> $t { $t::from_bits((bits >> (64 - $int::BITS)) as $int) }
            fn wide(self) -> f64 { self.into() }
            fn bits(self) -> u64 { self.to_bits().into() }
        })*
    };
}
real! {
    f32 u32 23 -126 Some(340_282_366_920_938_463_463_374_607_431_768_211_456.0);
    f64 u64 52 -1022 None;
}

/// The error in units in the last place of the exact result, or of `scale` where that is larger; infinite where a special
/// value or the sign of a zero is wrong.
pub(crate) fn error<T: Real>(got: T, exact: f64, scale: f64) -> f64 {
    let rounded = T::of(exact);
    if got.bits() == rounded.bits() && T::BEYOND.is_none_or(|_| exact == 0.0 || !exact.is_finite()) {
        return 0.0;
    }
    let value = got.wide();
    if value.is_nan() || exact.is_nan() {
        return if value.is_nan() && exact.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if value.is_infinite() && rounded.wide().is_infinite() && value == rounded.wide() {
        return 0.0;
    }
    if value == 0.0 && exact == 0.0 {
        return f64::INFINITY;
    }
    if value.is_infinite() || exact.is_infinite() {
        let Some(beyond) = T::BEYOND else { return got.bits().abs_diff(rounded.bits()) as f64 };
        return if exact.is_infinite() {
            f64::INFINITY
        } else {
            error_in_units::<T>(beyond.copysign(value), exact, scale)
        };
    }
    error_in_units::<T>(value, exact, scale)
}

fn error_in_units<T: Real>(value: f64, exact: f64, scale: f64) -> f64 {
    let size = exact.abs().max(scale);
    let exponent = ((size.to_bits() >> 52) as i32 - 1023).max(T::LOWEST_EXPONENT);
    // In two steps: the inverse of the smallest unit is no number.
    let half = (T::FRACTION_BITS - exponent) / 2;
    (value - exact).abs() * 2f64.powi(half) * 2f64.powi(T::FRACTION_BITS - exponent - half)
}

/// Where functions change their mind: ends of domains, overflow, underflow, reduction, roots.
#[rustfmt::skip]
const BOUNDARIES: [f64; 62] = [
    0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 0.5, 0.25, 0.125, 1.5, 2.5, 1e-5, 1e-9, 1e-17,
    1.4616321449683623, 0.35, 0.347, 0.693, 0.6667, 1.3334, std::f64::consts::FRAC_1_SQRT_2,
    std::f64::consts::SQRT_2, 0.4142, 0.2929, 0.618, 0.9375, 0.98, std::f64::consts::FRAC_PI_4,
    std::f64::consts::FRAC_PI_2, std::f64::consts::PI, 11.0, 1e5, 131_072.0, 6.5e6, 1e22, 88.722_84,
    87.336_54, 89.415, 103.972, 709.782_712_893_384, 708.396, 710.475_86, 745.133_2, 126.0, 128.0, 149.0,
    150.0, 1022.0, 1024.0, 1075.0, 9.01, 18.2, 19.06, 3.92, 5.92, 10.05, 26.54, 35.04, 171.5, f64::INFINITY,
];

/// Columns of operands: every exponent and sign, the ordinary domain, neighbours of boundaries, and in two columns all
/// pairs of special numbers.
fn inputs<T: Real>(op: ElementwiseOp) -> Vec<Vec<T>> {
    let mut random = Random::new(11);
    let (low, high) = op.domain();
    let specials: Vec<T> = [0.0, 0.5, 1.0, 2.0, 3.0, 1e-40, 1e-310, 1e30, 1e300, f64::INFINITY, f64::NAN]
        .into_iter()
        .flat_map(|x| [T::of(x), T::of(-x)])
        .chain([T::of_bits(0), T::of_bits(1 << 40)])
        .collect();
    let mut columns = vec![Vec::new(); op.arity()];
    let pairs = specials.len() * specials.len();
    for (n, column) in columns.iter_mut().enumerate() {
        column.extend(
            (0..pairs).map(|i| specials[if n == 0 { i % specials.len() } else { i / specials.len() }]),
        );
        column.extend((0..15_000).map(|_| T::of_bits(random.bits())));
        column.extend((0..15_000).map(|_| T::of(low + (high - low) * unit(&mut random))));
        for boundary in BOUNDARIES.into_iter().flat_map(|x| [x, -x]) {
            let shift = 64 - 8 * size_of::<T>() as u32;
            let bits = T::of(boundary).bits();
            column.extend((-30i64..=30).map(|step| T::of_bits(bits.wrapping_add_signed(step) << shift)));
        }
    }
    columns
}

/// The results of a kernel.
fn results<T: Real>(op: ElementwiseOp, columns: &[Vec<T>], level: Level) -> Vec<T> {
    let mut results = vec![T::default(); columns[0].len()];
    let kernel = elementwise(op, T::DTYPE, level).unwrap();
    let mut args = [std::ptr::null(); 3];
    for (arg, column) in args.iter_mut().zip(columns) {
        *arg = column.as_ptr().cast();
    }
    // SAFETY: operands and results have this many elements, and the level is available.
    unsafe { kernel(&args, results.as_mut_ptr().cast(), results.len()) };
    results
}

/// The largest error, and the share of correctly rounded results, of ordinary operands and special ones.
fn measure<T: Real>(op: ElementwiseOp) -> (f64, f64) {
    measure_at(op, &inputs::<T>(op))
}

/// The same for these operands.
fn measure_at<T: Real>(op: ElementwiseOp, columns: &[Vec<T>]) -> (f64, f64) {
    let operands = |i: usize| columns.iter().map(|column| column[i].wide()).collect::<Vec<f64>>();
    let got = results(op, columns, Level::Baseline);
    for level in Level::available().filter(|&level| level != Level::Baseline) {
        for (i, (x, y)) in results(op, columns, level).into_iter().zip(&got).enumerate() {
            let same = x.bits() == y.bits() || x.wide().is_nan() && y.wide().is_nan();
            assert!(same, "{} of {:?} is {x:?} with {level}, {y:?} without", op.name(), operands(i));
        }
    }
    let (mut worst, mut rounded) = (0.0f64, 0);
    for (i, &got) in got.iter().enumerate() {
        let x = operands(i);
        let exact = match oracle(op) {
            Oracle::Unary(f) => f(x[0]),
            Oracle::Binary(f) => f(x[0], x[1]),
        };
        // Where the logarithm and the larger operand cancel, the error is that of the operand.
        let scale = if op.strict() == ElementwiseOp::Logaddexp && exact.is_finite() {
            x[0].max(x[1]).abs()
        } else {
            0.0
        };
        let error = error(got, exact, scale);
        let promised = f64::from(op.ulp());
        assert!(error <= promised, "{} of {x:?} is {got:?}, {error} ULP from {exact:?}", op.name());
        worst = worst.max(error);
        rounded += usize::from(got.bits() == T::of(exact).bits() || got.wide().is_nan());
    }
    (worst, rounded as f64 / got.len() as f64)
}

const HEADER: &str = "\
| function | promised | `float32`: largest error | correctly rounded | `float64`: largest error | correctly rounded |
|---|---|---|---|---|---|
";

const RELAXED_HEADER: &str = "\
| function, with `fp=\"fast\"` | promised | `float32`: largest error | `float64`: largest error |
|---|---|---|---|
";

#[test]
fn functions_are_within_their_promised_error_at_every_level() {
    let mut table = HEADER.to_owned();
    for &op in ElementwiseOp::ALL.iter().filter(|op| op.strict() == **op) {
        if scalar::visit(op, DType::F32, IsFunction) != Some(true) {
            continue;
        }
        let ((single, single_share), (double, double_share)) = (measure::<f32>(op), measure::<f64>(op));
        let percent = |share: f64| (share * 1000.0).floor() / 10.0;
        writeln!(
            table,
            "| `{}` | {} | {single:.2} | {:.1} % | {double} | {:.1} % |",
            op.name(),
            op.ulp(),
            percent(single_share),
            percent(double_share)
        )
        .unwrap();
    }
    documented(HEADER, &table);
}

/// The twins and the dtypes that they are for.
fn twins() -> impl Iterator<Item = (Relaxed, &'static [DType])> {
    ElementwiseOp::ALL.iter().filter_map(|op| match op {
        ElementwiseOp::Relaxed(twin) => Some((*twin, twin.dtypes())),
        _ => None,
    })
}

#[test]
fn relaxed_twins_are_within_their_promised_error_at_every_level() {
    let mut table = RELAXED_HEADER.to_owned();
    for (twin, dtypes) in twins() {
        let op = ElementwiseOp::Relaxed(twin);
        let single = measure::<f32>(op).0.max(measure_at(op, &many::<f32>(op, 4099)).0);
        let double = measure::<f64>(op).0.max(measure_at(op, &many::<f64>(op, 4099)).0);
        let shown =
            |dtype: DType, text: String| if dtypes.contains(&dtype) { text } else { "as strict".to_owned() };
        let (single, double) =
            (shown(DType::F32, format!("{single:.2}")), shown(DType::F64, format!("{double}")));
        writeln!(table, "| `{}` | {} | {single} | {double} |", twin.strict().name(), twin.ulp()).unwrap();
    }
    documented(RELAXED_HEADER, &table);
}

/// More operands: of one, numbers of all sizes in equal steps; of two, random ones, among them powers of all sizes.
fn many<T: Real>(op: ElementwiseOp, step: u64) -> Vec<Vec<T>> {
    let mut random = Random::new(29);
    let (low, high) = op.domain();
    if op.arity() == 1 {
        let all = (0..(1u64 << 32) / step).map(|n| T::of_bits(((n * step) << 32) | (random.bits() >> 32)));
        let mut column: Vec<T> = all.collect();
        column.extend((0..200_000).map(|_| T::of(low + (high - low) * unit(&mut random))));
        return vec![column];
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for n in 0..500_000 {
        let (x, y) = if op.strict() == ElementwiseOp::Pow && n % 2 == 0 {
            // The result is within the range of normal numbers, evenly.
            let x = 0.7 + 0.8 * unit(&mut random);
            let size = if size_of::<T>() == 4 { 87.0 } else { 708.0 };
            (x, size * (2.0 * unit(&mut random) - 1.0) / T::of(x).wide().ln().abs().max(1e-12))
        } else {
            let mut draw = || low + (high - low) * unit(&mut random);
            (draw(), draw())
        };
        first.push(T::of(x));
        second.push(T::of(y));
    }
    vec![first, second]
}

/// A number from 0 to 1.
fn unit(random: &mut Random) -> f64 {
    (random.bits() >> 11) as f64 / (1u64 << 53) as f64
}

/// Compares a table with that of `docs/accuracy.md`, or writes it there.
fn documented(header: &str, table: &str) {
    static LOCK: Mutex<()> = Mutex::new(());
    let _one_at_a_time = LOCK.lock().unwrap();
    let path = root().join("docs/accuracy.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(header).unwrap();
    let end = rest.find("\n\n").map_or(rest.len(), |end| end + 1);
    if blessing() {
        std::fs::write(&path, format!("{before}{table}{}", &rest[end..])).unwrap();
        return;
    }
    // Functions and promises; what was measured depends on the sample.
    let promises = |table: &str| -> String {
        table.lines().map(|row| row.split('|').take(3).collect::<Vec<_>>().join("|") + "\n").collect()
    };
    let (stated, expected) = (promises(&rest[..end]), promises(&table[header.len()..]));
    assert!(stated == expected, "docs/accuracy.md: RAPTORS_BLESS=1 writes it\n{}", diff(&stated, &expected));
}
