//! Relaxed twins at the arguments that the strict functions find hard, and their special values.

use super::circular_and_special_tests::hard_cases;
use super::exp_log_hard_cases::{POW, UNARY};
use super::{f32_function, f64_function};
use crate::ElementwiseOp;
use crate::lanes::Scalar;

/// The result of the twin of this name, where there is one, and how far from the exact result it may be.
fn twin(name: &str, operands: &[f64]) -> Option<(f64, f64)> {
    let op = ElementwiseOp::from_name(name)?.relaxed(crate::DType::F64)?;
    Some((f64_function(op, Scalar::<f64>::new(), operands)?, f64::from(op.ulp())))
}

#[test]
fn hard_cases_are_within_the_promised_error() {
    let sums = UNARY.iter().map(|&(name, x, exact)| (name, vec![x], exact));
    let powers = POW.iter().map(|&(x, y, exact)| ("pow", vec![x, y], exact));
    let mut count = 0;
    for (name, operands, [high, low]) in sums.chain(powers) {
        let Some((result, promised)) = twin(name, &operands) else { continue };
        let unit = high.abs().next_up() - high.abs();
        let error = ((result - high) - low).abs() / unit;
        assert!(error <= promised, "{name}({operands:?}) = {result:e}, {error} ULP from {high:e}");
        count += 1;
    }
    for (name, operands, rounded, rest) in hard_cases() {
        let Some((result, promised)) = twin(name, &operands) else { continue };
        let distance = (result.abs().to_bits().cast_signed() - rounded.abs().to_bits().cast_signed()) as f64;
        let error = (distance - rest * rounded.signum()).abs();
        assert!(error <= promised, "{name}({operands:?}) = {result:e}, {error} ULP from {rounded:e}");
        assert_eq!(result.is_sign_negative(), rounded.is_sign_negative(), "{name}({operands:?})");
        count += 1;
    }
    assert!(count > 900, "only {count} cases");
}

/// Special values are the strict function's, bit for bit, NaN aside.
#[test]
fn special_values_are_those_of_the_strict_functions() {
    let special = [0.0, 1.0, f64::INFINITY, f64::NAN, f64::MAX, 2e-323, 1e-310, 1e-44, 3.4e38, 2.0, 3.0, 0.5];
    let values: Vec<f64> = special.into_iter().flat_map(|x| [x, -x]).collect();
    let is_special = |x: f64| x == 0.0 || x.is_nan() || x.is_infinite() || x.abs() == 1.0;
    let same = |x: f64, y: f64| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
    for &twin in ElementwiseOp::ALL.iter().filter(|op| op.strict() != **op) {
        for &x in &values {
            for &y in &values {
                let operands = &[x, y][..twin.arity()];
                let of = |op| f64_function(op, Scalar::<f64>::new(), operands).unwrap();
                let (strict, relaxed) = (of(twin.strict()), of(twin));
                let agree = same(strict, relaxed) || !is_special(strict) && !is_special(relaxed);
                assert!(agree, "{} of {operands:?}: {relaxed:?}, not {strict:?}", twin.name());
                let narrow: Vec<f32> = operands.iter().map(|&x| x as f32).collect();
                let of = |op| f64::from(f32_function(op, Scalar::<f32>::new(), &narrow).unwrap());
                let (strict, relaxed) = (of(twin.strict()), of(twin));
                let agree = same(strict, relaxed) || !is_special(strict) && !is_special(relaxed);
                assert!(agree, "{} of {narrow:?}: {relaxed:?}, not {strict:?}", twin.name());
            }
        }
    }
}
