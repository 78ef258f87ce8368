//! The op table and the definitions agree, and the declared facts hold.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors_ir::math::Function;
use raptors_ir::scalar::{self, Binary, Ternary, Unary, Visitor};
use raptors_ir::{DType, Element, ElementwiseOp, Fact, Literal};

use crate::support::{Random, same};

fn real_dtypes() -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|dtype| !dtype.is_complex())
}

/// Zeros, ones, extremes, subnormals, infinities, NaNs; then random bits and small numbers.
fn values(dtype: DType) -> Vec<Literal> {
    let of = |value| Literal::from_f64(dtype, value);
    if dtype == DType::Bool {
        return vec![of(0.0), of(1.0)];
    }
    let mut random = Random::new(3);
    let mut values =
        vec![of(0.0), of(1.0), of(2.0), of(3.0), of(7.0), of(-1.0), of(-2.0), of(0.5), of(-0.0), of(-2.5)];
    if dtype.is_float() {
        values.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN].map(of));
        // The smallest subnormals, and the largest.
        let sign = 1u128 << (8 * dtype.size() - 1);
        let smallest_normal = 1u128 << (digits(dtype) - 1);
        values.extend([1, sign | 1, smallest_normal - 1].map(|bits| Literal::from_bits(dtype, bits)));
    } else {
        let bits = 8 * dtype.size();
        values.extend(
            [u128::MAX, 1 << (bits - 1), (1 << (bits - 1)) - 1].map(|bits| Literal::from_bits(dtype, bits)),
        );
    }
    values.extend((0..12).map(|_| Literal::from_bits(dtype, random.bits().into())));
    values.extend((0..6).map(|_| of(random.below(200) as f64 - 100.0)));
    values
}

/// The digits of a float.
fn digits(dtype: DType) -> usize {
    match dtype {
        DType::F16 => 11,
        DType::BF16 => 8,
        DType::F32 => 24,
        _ => 53,
    }
}

fn evaluate(op: ElementwiseOp, operands: &[Literal]) -> Literal {
    scalar::evaluate(op, operands).unwrap_or_else(|| panic!("{} of {operands:?}", op.name()))
}

/// The dtype the definition computes in and the one it gives, with the number of operands.
struct Signature;

impl Visitor for Signature {
    type Output = (DType, DType, usize);
    fn unary<K: Unary<T>, T: Element>(self) -> Self::Output {
        (T::DTYPE, <K::Out as Element>::DTYPE, 1)
    }
    fn binary<K: Binary<T>, T: Element>(self) -> Self::Output {
        (T::DTYPE, <K::Out as Element>::DTYPE, 2)
    }
    fn ternary<K: Ternary<T>, T: Element>(self) -> Self::Output {
        (T::DTYPE, <K::Out as Element>::DTYPE, 3)
    }
    fn f32_function<F: Function<f32, N>, const N: usize>(self) -> Self::Output {
        (DType::F32, DType::F32, N)
    }
    fn f64_function<F: Function<f64, N>, const N: usize>(self) -> Self::Output {
        (DType::F64, DType::F64, N)
    }
}

#[test]
fn an_op_is_defined_for_the_dtypes_its_row_accepts() {
    for &op in ElementwiseOp::ALL {
        for dtype in real_dtypes() {
            let expected = op.accepts(dtype).then(|| (dtype, op.result_dtype(dtype), op.arity()));
            if dtype.is_half() {
                // Defined by `f32`, where there is a definition to visit.
                let one = vec![Literal::one(dtype); op.arity()];
                let found = scalar::evaluate(op, &one).map(|value| value.dtype());
                assert_eq!(found, expected.map(|(_, result, _)| result), "{} of {dtype}", op.name());
                continue;
            }
            assert_eq!(scalar::visit(op, dtype, Signature), expected, "{} of {dtype}", op.name());
        }
    }
}

#[test]
fn an_op_computes_in_a_dtype_that_it_accepts() {
    for &op in ElementwiseOp::ALL {
        for dtype in real_dtypes() {
            if let Some(computed) = op.compute_dtype(dtype) {
                assert!(op.accepts(computed), "{} of {dtype} computes in {computed}", op.name());
            }
        }
    }
}

#[test]
fn names_are_found_again() {
    for &op in ElementwiseOp::ALL {
        assert_eq!(ElementwiseOp::from_name(op.name()), Some(op));
    }
    for dtype in DType::ALL {
        assert_eq!(DType::from_name(dtype.name()), Some(dtype));
        assert_eq!(DType::from_name(dtype.numpy_name()), Some(dtype));
    }
}

#[test]
fn declared_facts_hold_bit_for_bit() {
    for &op in ElementwiseOp::ALL {
        for dtype in real_dtypes().filter(|&dtype| op.accepts(dtype)) {
            let values = values(dtype);
            for &fact in op.facts() {
                let counterexample = match (fact, op.arity()) {
                    (Fact::Commutative, 2) => commutes(op, &values),
                    (Fact::Associative, 2) => associates(op, &values),
                    (Fact::Idempotent, 1) => repeats(op, &values),
                    (Fact::Idempotent, 2) => keeps_equals(op, &values),
                    (fact, arity) => panic!("{fact:?} means nothing for {arity} operands"),
                };
                assert_eq!(counterexample, None, "{} of {dtype} is declared {fact:?}", op.name());
            }
        }
    }
}

fn commutes(op: ElementwiseOp, values: &[Literal]) -> Option<Vec<Literal>> {
    pairs(values).find(|&[x, y]| !same(evaluate(op, &[x, y]), evaluate(op, &[y, x]))).map(Vec::from)
}

fn associates(op: ElementwiseOp, values: &[Literal]) -> Option<Vec<Literal>> {
    pairs(values).find_map(|[x, y]| {
        let differs = |&&z: &&Literal| {
            let left = evaluate(op, &[evaluate(op, &[x, y]), z]);
            !same(left, evaluate(op, &[x, evaluate(op, &[y, z])]))
        };
        values.iter().find(differs).map(|&z| vec![x, y, z])
    })
}

fn repeats(op: ElementwiseOp, values: &[Literal]) -> Option<Vec<Literal>> {
    let once = |&x: &Literal| evaluate(op, &[x]);
    values.iter().find(|x| !same(evaluate(op, &[once(x)]), once(x))).map(|&x| vec![x])
}

fn keeps_equals(op: ElementwiseOp, values: &[Literal]) -> Option<Vec<Literal>> {
    values.iter().find(|&&x| !same(evaluate(op, &[x, x]), x)).map(|&x| vec![x])
}

fn pairs(values: &[Literal]) -> impl Iterator<Item = [Literal; 2]> + '_ {
    values.iter().flat_map(move |&x| values.iter().map(move |&y| [x, y]))
}

#[test]
fn promotion_is_a_least_upper_bound() {
    for a in DType::ALL {
        assert_eq!(a.promote(a), a);
        for b in DType::ALL {
            assert_eq!(a.promote(b), b.promote(a), "{a}, {b}");
            let both = a.promote(b);
            assert_eq!(both.promote(a), both, "{a}, {b}");
        }
    }
}

#[test]
fn casts_to_a_dtype_that_holds_all_values_go_back() {
    for from in real_dtypes() {
        for to in real_dtypes() {
            // NumPy promotes to the smallest dtype that holds both, except that 64-bit integers go to f64.
            let integer_digits = if from.is_integer() { 8 * from.size() } else { 1 };
            let holds =
                from.promote(to) == to && (!to.is_float() || from.is_float() || integer_digits <= digits(to));
            if !holds {
                continue;
            }
            for value in values(from) {
                let there = scalar::cast(value, to).unwrap();
                assert_eq!(there.dtype(), to);
                let back = scalar::cast(there, from).unwrap();
                assert!(same(back, value), "{value:?} to {there:?} and back to {back:?}");
            }
        }
    }
}

/// NumPy's results on x86-64, element by element (its vector loops differ from them for `uint32`).
#[test]
fn casts_of_floats_to_integers_give_numpys_results() {
    const I32: i128 = i32::MIN as i128;
    const I64: i128 = i64::MIN as i128;
    const TOP: i128 = 1 << 63;
    let inf = f64::INFINITY;
    let dtypes =
        [DType::I8, DType::I16, DType::I32, DType::I64, DType::U8, DType::U16, DType::U32, DType::U64];
    #[rustfmt::skip]
    let table: [(f64, [i128; 8]); 14] = [
        (f64::NAN,  [0, 0, I32, I64, 0, 0, 0, TOP]),
        (inf,       [0, 0, I32, I64, 0, 0, 0, 0]),
        (-inf,      [0, 0, I32, I64, 0, 0, 0, TOP]),
        (1e10,      [0, 0, I32, 10_000_000_000, 0, 0, 1_410_065_408, 10_000_000_000]),
        (-1e10,     [0, 0, I32, -10_000_000_000, 0, 0, 2_884_901_888, 18_446_744_063_709_551_616]),
        (3e9,       [0, 0, I32, 3_000_000_000, 0, 0, 3_000_000_000, 3_000_000_000]),
        (300.5,     [44, 300, 300, 300, 44, 300, 300, 300]),
        (-1.5,      [-1, -1, -1, -1, 255, 65535, 4_294_967_295, 18_446_744_073_709_551_615]),
        (-300.5,    [-44, -300, -300, -300, 212, 65236, 4_294_966_996, 18_446_744_073_709_551_316]),
        (2147483648.0, [0, 0, I32, 2_147_483_648, 0, 0, 2_147_483_648, 2_147_483_648]),
        (4294967296.0, [0, 0, I32, 4_294_967_296, 0, 0, 0, 4_294_967_296]),
        (9223372036854775808.0,   [0, 0, I32, I64, 0, 0, 0, TOP]),
        (18446744073709551616.0,  [0, 0, I32, I64, 0, 0, 0, 0]),
        (-9223372036854775808.0,  [0, 0, I32, I64, 0, 0, 0, TOP]),
    ];
    for (value, expected) in table {
        for from in [DType::F32, DType::F64] {
            for (to, expected) in dtypes.into_iter().zip(expected) {
                let result = scalar::cast(Literal::from_f64(from, value), to).unwrap();
                assert_eq!(result, Literal::from_bits(to, expected as u128), "{value} as {from} to {to}");
            }
        }
    }
}

/// `f64` holds the exact result of most of these, and rounds the others where it makes no difference to a half.
#[test]
fn arithmetic_of_halves_is_the_exact_result_rounded_once() {
    use ElementwiseOp::{Add, Divide, Multiply, Remainder, Sqrt, Subtract};
    let exact = |op, x: f64, y: f64| match op {
        Add => x + y,
        Subtract => x - y,
        Multiply => x * y,
        Divide => x / y,
        _ => x.sqrt(),
    };
    let mut random = Random::new(17);
    let draw: Vec<Literal> = (0..700)
        .map(|_| Literal::from_bits(DType::F16, random.bits().into()))
        .chain(values(DType::F16))
        .collect();
    let of = |value: Literal| value.to_f64().unwrap();
    for [x, y] in pairs(&draw) {
        for op in [Add, Subtract, Multiply, Divide] {
            let expected = Literal::new(raptors_ir::F16::from_f64(exact(op, of(x), of(y))));
            let found = evaluate(op, &[x, y]);
            assert!(same(found, expected), "{} of {x:?}, {y:?}: {found:?}, not {expected:?}", op.name());
        }
        let found = of(evaluate(Remainder, &[x, y]));
        assert!(found.is_nan() || found == 0.0 || (found < 0.0) == (of(y) < 0.0), "{x:?} % {y:?}: {found}");
    }
    for bits in 0..1 << 16 {
        let x = Literal::from_bits(DType::F16, bits);
        let expected = Literal::new(raptors_ir::F16::from_f64(exact(Sqrt, of(x), 0.0)));
        assert!(same(evaluate(Sqrt, &[x]), expected), "sqrt of {x:?}");
    }
}

/// `legalize` writes it in `f32`; here it is the neighbour in the order of the bits.
#[test]
fn nextafter_of_halves_is_the_neighbour() {
    for (dtype, infinity) in [(DType::F16, 0x7c00), (DType::BF16, 0x7f80)] {
        let of = |bits: u128| Literal::from_bits(dtype, bits);
        let next = |x, y| evaluate(ElementwiseOp::Nextafter, &[of(x), of(y)]).bits();
        for bits in 1..infinity {
            assert_eq!(next(bits, infinity), bits + 1);
            assert_eq!(next(bits, 0x8000 | bits), bits - 1);
            assert_eq!(next(0x8000 | bits, 0x8000 | infinity), 0x8000 | (bits + 1));
            assert_eq!(next(0x8000 | bits, 0), 0x8000 | (bits - 1));
        }
        assert_eq!([next(0, 0x8005), next(0x8000, 5), next(infinity, 0)], [0x8001, 1, infinity - 1]);
        assert_eq!(next(0, 0x8000), if dtype == DType::F16 { 0 } else { 0x8000 });
        assert!(
            of(next(0x7fff, 0)).to_f64().unwrap().is_nan() && of(next(0, 0x7fff)).to_f64().unwrap().is_nan()
        );
    }
}

#[test]
fn casts_of_halves_go_through_f32_but_that_of_f64_to_f16() {
    let cast = |value: f64, to| scalar::cast(Literal::new(value), to).unwrap().bits();
    // Just above the middle of 1 and the next number: f32 has no room for the difference.
    assert_eq!(cast(1.0 + 2f64.powi(-11) + 2f64.powi(-40), DType::F16), 0x3c01);
    assert_eq!(cast(1.0 + 2f64.powi(-8) + 2f64.powi(-40), DType::BF16), 0x3f80);
    let integer = |value: i64, to| scalar::cast(Literal::new(value), to).unwrap().bits();
    assert_eq!([integer(65519, DType::F16), integer(65520, DType::F16)], [0x7bff, 0x7c00]);
    assert_eq!([integer(0x0101_0001, DType::BF16), integer(-3, DType::BF16)], [0x4b80, 0xc040]);
}

#[test]
fn casts_between_integers_wrap() {
    let cast = |value: i64, to| scalar::cast(Literal::new(value), to).unwrap().to_string();
    assert_eq!(cast(300, DType::I8), "44");
    assert_eq!(cast(-1, DType::U16), "65535");
    assert_eq!(cast(1 << 40, DType::I32), "0");
    assert_eq!(cast(256, DType::Bool), "true");
}

#[test]
fn any_float_but_zero_is_true() {
    for value in [f64::NAN, f64::INFINITY, 5e-324, -1.0] {
        assert_eq!(
            scalar::cast(Literal::new(value), DType::Bool),
            Some(Literal::one(DType::Bool)),
            "{value}"
        );
    }
    assert_eq!(scalar::cast(Literal::new(-0.0), DType::Bool), Some(Literal::zero(DType::Bool)));
}
