//! Errors of the trigonometric functions, their inverses, roots, error functions and gamma, measured.
//!
//! The `f32` functions are compared with `f64` ones, whose own error is nothing beside a unit of `f32`. For `f64` the
//! file `hard_cases_f64.txt` has exact values from interval arithmetic (Arb), for arguments where the error is
//! largest among tens of thousands and for some of every region; pxfm's functions, within 0.51 ULP, are beside the
//! rest.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::lanes::Scalar;
use crate::math::{error_function, gamma, gamma_f64, inverse_trigonometric, root, trigonometric};

/// The functions of one operand, their references, and arguments whose neighbours are tried.
struct Case {
    name: &'static str,
    f32: fn(f32) -> f32,
    f64: fn(f64) -> f64,
    reference: fn(f64) -> f64,
    boundaries: &'static [f64],
}

macro_rules! cases {
    ($($name:ident: $module32:ident::$f32:ident, $module64:ident::$f64:ident, $reference:ident, $boundaries:expr;)*) => {
        &[$(Case {
            name: stringify!($name),
            f32: |x| $module32::$f32(Scalar::<f32>::new(), x),
            f64: |x| $module64::$f64(Scalar::<f64>::new(), x),
            reference: pxfm::$reference,
            boundaries: $boundaries,
        }),*]
    };
}

/// Multiples of pi/4, also large ones, and where angles become huge.
const ANGLES: &[f64] = &[
    PI / 4.0,
    FRAC_PI_2,
    0.75 * PI,
    PI,
    2.0 * PI,
    1e3 * PI,
    12_345.5 * PI,
    131_072.0,
    1e6 * PI,
    6_500_000.0,
    1e22,
    3e38,
    1e300,
];

const CASES: &[Case] = cases! {
    sin: trigonometric::sin_f32, trigonometric::sin_f64, f_sin, ANGLES;
    cos: trigonometric::cos_f32, trigonometric::cos_f64, f_cos, ANGLES;
    tan: trigonometric::tan_f32, trigonometric::tan_f64, f_tan, ANGLES;
    asin: inverse_trigonometric::asin_f32, inverse_trigonometric::asin_f64, f_asin, &[0.5];
    acos: inverse_trigonometric::acos_f32, inverse_trigonometric::acos_f64, f_acos, &[0.5];
    atan: inverse_trigonometric::atan_f32, inverse_trigonometric::atan_f64, f_atan, &[0.414_213_562_373_095, 2.414_213_562_373_095, 1e20, 1e40];
    cbrt: root::cbrt_f32, root::cbrt_f64, f_cbrt, &[2.0, 4.0, 8.0, 27.0];
    erf: error_function::erf_f32, error_function::erf_f64, f_erf, &[0.5, 1.023_437_5, 3.95, 5.9, 6.0];
    erfc: error_function::erfc_f32, error_function::erfc_f64, f_erfc, &[0.5, 3.0, 4.0, 10.05, 11.0, 26.54, 27.22, 28.0];
    tgamma: gamma::tgamma_f32, gamma_f64::tgamma_f64, f_tgamma, &[0.5, 2.0, 3.0, 4.0, 35.04, 150.0, 171.624_376_956_302];
    lgamma: gamma::lgamma_f32, gamma_f64::lgamma_f64, f_lgamma, &[0.5, 2.0, 3.0, 4.0, 20.0, 1e15, 1e300, 2.55e305];
};

/// The unit in the last place of an exact result.
fn ulp_f32(exact: f64) -> f64 {
    let exponent = (exact.abs().to_bits() >> 52) as i32 - 1023;
    2f64.powi(exponent.clamp(-126, 127) - 23)
}

/// The distance in units of the last place of the exact result; infinite where a special value is wrong.
fn error_f32(result: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if result.to_bits() == rounded.to_bits() || result.is_nan() && exact.is_nan() {
        return 0.0;
    }
    let wrong = result.is_nan() || exact.is_nan() || !exact.is_finite() || exact == 0.0;
    if wrong || result.is_sign_negative() != exact.is_sign_negative() {
        return f64::INFINITY;
    }
    // Infinity stands for the number that would be next.
    let result = if result.is_infinite() { 2f64.powi(128).copysign(exact) } else { f64::from(result) };
    (result - exact).abs() / ulp_f32(exact)
}

/// How many numbers a result is from the reference; infinitely many where a special value or a sign is wrong.
fn steps_f64(result: f64, reference: f64) -> u64 {
    if result.to_bits() == reference.to_bits() || result.is_nan() && reference.is_nan() {
        return 0;
    }
    if result.is_nan() || reference.is_nan() || result.is_sign_negative() != reference.is_sign_negative() {
        return u64::MAX;
    }
    result.to_bits().abs_diff(reference.to_bits())
}

fn neighbourhoods(boundaries: &[f64]) -> impl Iterator<Item = (f64, i32)> {
    let special = [0.0, 1.0, f64::from(f32::MIN_POSITIVE), f64::MIN_POSITIVE];
    let all: Vec<f64> = special.into_iter().chain(boundaries.iter().copied()).collect();
    all.into_iter().flat_map(|x| [x, -x]).flat_map(|x| (-100..=100).map(move |step| (x, step)))
}

/// Numbers of every exponent and sign, and the neighbours of special numbers.
fn inputs_f32(boundaries: &[f64]) -> impl Iterator<Item = f32> {
    let strided = (0..=u32::MAX).step_by(20_011).map(f32::from_bits);
    let near = neighbourhoods(boundaries).map(|(x, step)| {
        let x = x as f32;
        f32::from_bits(x.to_bits().wrapping_add_signed(step))
    });
    strided.chain(near)
}

fn inputs_f64(boundaries: &[f64]) -> impl Iterator<Item = f64> {
    let strided = (0..50_000u64).map(|i| f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let ordinary = (0..50_000u64).map(|i| {
        let fraction = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64 / u64::MAX as f64;
        (fraction - 0.5) * [2.0, 10.0, 60.0, 360.0][i as usize % 4]
    });
    let near = neighbourhoods(boundaries)
        .map(|(x, step)| f64::from_bits(x.to_bits().wrapping_add_signed(i64::from(step))));
    strided.chain(ordinary).chain(near)
}

#[test]
fn f32_functions_are_within_one_ulp() {
    for case in CASES {
        for x in inputs_f32(case.boundaries) {
            let (result, exact) = ((case.f32)(x), (case.reference)(f64::from(x)));
            if case.name == "tgamma" && (x == 0.0 || result == 0.0) {
                continue; // pxfm's sign is another.
            }
            let error = error_f32(result, exact);
            assert!(error <= 1.0, "{}({x:e}) = {result:e}, {error} ULP from {exact:e}", case.name);
        }
    }
}

#[test]
fn f64_functions_are_beside_the_reference() {
    for case in CASES {
        for x in inputs_f64(case.boundaries) {
            let (result, reference) = ((case.f64)(x), (case.reference)(x));
            // pxfm's gamma has another sign at 0 and is infinite early, its logarithm is NaN for huge numbers.
            let wrong = match case.name {
                "tgamma" => x == 0.0 || result == 0.0 || 171.624_37 < x && x < 171.624_377,
                "lgamma" => x > 1e300,
                _ => false,
            };
            let steps = steps_f64(result, reference);
            assert!(wrong || steps <= 1, "{}({x:e}) = {result:e}, {steps} from {reference:e}", case.name);
        }
    }
}

/// The lines of `hard_cases_f64.txt`: a function, its operands, the exact result rounded, and what rounding left, in ULP.
pub(super) fn hard_cases() -> impl Iterator<Item = (&'static str, Vec<f64>, f64, f64)> {
    include_str!("hard_cases_f64.txt").lines().map(|line| {
        let (name, numbers) = line.split_once(' ').unwrap();
        let mut numbers: Vec<f64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        let rest = numbers.pop().unwrap();
        let rounded = numbers.pop().unwrap();
        (name, numbers, rounded, rest)
    })
}

#[test]
fn f64_functions_are_within_one_ulp_of_exact_values() {
    let mut count = 0;
    for (name, operands, rounded, rest) in hard_cases() {
        let result = match (name, operands.as_slice()) {
            ("atan2", &[y, x]) => inverse_trigonometric::atan2_f64(Scalar::<f64>::new(), y, x),
            ("hypot", &[x, y]) => root::hypot_f64(Scalar::<f64>::new(), x, y),
            (_, &[x]) => (CASES.iter().find(|case| case.name == name).unwrap().f64)(x),
            _ => unreachable!("{name} has another number of operands"),
        };
        // The distance of neighbours, counted, less the rest.
        let distance = (result.abs().to_bits().cast_signed() - rounded.abs().to_bits().cast_signed()) as f64;
        let error = (distance - rest * rounded.signum()).abs();
        assert!(error <= 1.0, "{name}({operands:?}) = {result:e}, {error} ULP from {rounded:e}");
        assert_eq!(result.is_sign_negative(), rounded.is_sign_negative(), "{name}({operands:?})");
        count += 1;
    }
    assert!(count > 1500, "only {count} cases");
}

const INFINITY: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

#[test]
fn functions_of_one_operand_have_the_special_values_of_c99() {
    let cases: &[(&str, f64, f64)] = &[
        ("sin", -0.0, -0.0),
        ("sin", INFINITY, NAN),
        ("cos", -0.0, 1.0),
        ("cos", -INFINITY, NAN),
        ("tan", -0.0, -0.0),
        ("tan", INFINITY, NAN),
        ("asin", -0.0, -0.0),
        ("asin", 1.5, NAN),
        ("asin", -INFINITY, NAN),
        ("acos", 1.0, 0.0),
        ("acos", -1.5, NAN),
        ("acos", INFINITY, NAN),
        ("atan", -0.0, -0.0),
        ("atan", INFINITY, FRAC_PI_2),
        ("atan", -INFINITY, -FRAC_PI_2),
        ("cbrt", -0.0, -0.0),
        ("cbrt", -27.0, -3.0),
        ("cbrt", -INFINITY, -INFINITY),
        ("erf", -0.0, -0.0),
        ("erf", INFINITY, 1.0),
        ("erf", -INFINITY, -1.0),
        ("erfc", -0.0, 1.0),
        ("erfc", INFINITY, 0.0),
        ("erfc", -INFINITY, 2.0),
        ("tgamma", 0.0, INFINITY),
        ("tgamma", -0.0, -INFINITY),
        ("tgamma", 1.0, 1.0),
        ("tgamma", 5.0, 24.0),
        ("tgamma", -1.0, NAN),
        ("tgamma", -1e30, NAN),
        ("tgamma", -1000.5, -0.0),
        ("tgamma", INFINITY, INFINITY),
        ("tgamma", -INFINITY, NAN),
        ("lgamma", 1.0, 0.0),
        ("lgamma", 2.0, 0.0),
        ("lgamma", 0.0, INFINITY),
        ("lgamma", -0.0, INFINITY),
        ("lgamma", -3.0, INFINITY),
        ("lgamma", -1e30, INFINITY),
        ("lgamma", INFINITY, INFINITY),
        ("lgamma", 1e306, INFINITY),
        ("lgamma", -INFINITY, INFINITY),
    ];
    let nan = CASES.iter().map(|case| (case.name, NAN, NAN));
    let negative_nan = CASES.iter().map(|case| (case.name, -NAN, NAN));
    for (name, x, expected) in cases.iter().copied().chain(nan).chain(negative_nan) {
        let case = CASES.iter().find(|case| case.name == name).unwrap();
        let result = (case.f64)(x);
        assert_eq!(steps_f64(result, expected), 0, "{name}({x}) = {result}");
        let result = (case.f32)(x as f32);
        assert_eq!(
            steps_f64(f64::from(result), f64::from(expected as f32)),
            0,
            "{name}({x}) = {result} in f32"
        );
    }
}

#[test]
fn atan2_has_the_special_values_of_c99() {
    let cases = [
        (0.0, 0.0, 0.0),
        (0.0, -0.0, PI),
        (0.0, 1.0, 0.0),
        (0.0, -1.0, PI),
        (1.0, 0.0, FRAC_PI_2),
        (1.0, -0.0, FRAC_PI_2),
        (0.0, INFINITY, 0.0),
        (0.0, -INFINITY, PI),
        (1.0, INFINITY, 0.0),
        (1.0, -INFINITY, PI),
        (INFINITY, 0.0, FRAC_PI_2),
        (INFINITY, 1.0, FRAC_PI_2),
        (INFINITY, -1.0, FRAC_PI_2),
        (INFINITY, INFINITY, PI / 4.0),
        (INFINITY, -INFINITY, 0.75 * PI),
        (NAN, 1.0, NAN),
        (1.0, NAN, NAN),
        (NAN, INFINITY, NAN),
        (INFINITY, NAN, NAN),
        (NAN, 0.0, NAN),
        (0.0, NAN, NAN),
        (NAN, NAN, NAN),
    ];
    for (y, x, expected) in cases.into_iter().flat_map(|(y, x, angle)| [(y, x, angle), (-y, x, -angle)]) {
        let result = inverse_trigonometric::atan2_f64(Scalar::<f64>::new(), y, x);
        assert_eq!(steps_f64(result, expected), 0, "atan2({y}, {x}) = {result}");
        let result = inverse_trigonometric::atan2_f32(Scalar::<f32>::new(), y as f32, x as f32);
        assert_eq!(
            steps_f64(f64::from(result), f64::from(expected as f32)),
            0,
            "atan2({y}, {x}) = {result} in f32"
        );
    }
}

#[test]
fn hypot_has_the_special_values_of_c99() {
    let cases = [
        (0.0, 0.0, 0.0),
        (0.0, 3.0, 3.0),
        (3.0, 4.0, 5.0),
        (INFINITY, NAN, INFINITY),
        (INFINITY, 1.0, INFINITY),
        (INFINITY, INFINITY, INFINITY),
        (NAN, 1.0, NAN),
        (NAN, 0.0, NAN),
        (3e-320, 4e-320, 5e-320),
        (3e307, 4e307, 5e307),
        (1.7e308, 1.7e308, INFINITY),
    ];
    for (x, y, expected) in cases {
        for (x, y) in [(x, y), (y, x), (-x, y), (x, -y)] {
            let result = root::hypot_f64(Scalar::<f64>::new(), x, y);
            assert_eq!(steps_f64(result, expected), 0, "hypot({x}, {y}) = {result}");
            let narrow = root::hypot_f32(Scalar::<f32>::new(), x as f32, y as f32);
            let exact = if x.is_infinite() || y.is_infinite() {
                INFINITY
            } else {
                pxfm::f_hypot(f64::from(x as f32), f64::from(y as f32))
            };
            assert_eq!(error_f32(narrow, exact), 0.0, "hypot({x}, {y}) = {narrow} in f32");
        }
    }
}

#[test]
fn functions_of_two_operands_are_within_one_ulp() {
    let bits = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for i in 1..60_000u64 {
        let (a, b) = (bits(2 * i), bits(2 * i + 1));
        // Any two numbers, two of like size, and two that are subnormal or nearly.
        let mask = [u64::MAX, 0x800f_ffff_ffff_ffff, 0x803f_ffff_ffff_ffff][i as usize % 3];
        let exponent = [0, 1000 << 52, 0][i as usize % 3];
        let (y, x) = (f64::from_bits(a & mask | exponent), f64::from_bits(b & mask | exponent));
        let angle = inverse_trigonometric::atan2_f64(Scalar::<f64>::new(), y, x);
        let reference = pxfm::f_atan2(y, x);
        assert!(steps_f64(angle, reference) <= 1, "atan2({y:e}, {x:e}) = {angle:e}, not {reference:e}");
        let length = root::hypot_f64(Scalar::<f64>::new(), x, y);
        let reference = pxfm::f_hypot(x, y);
        assert!(steps_f64(length, reference) <= 1, "hypot({x:e}, {y:e}) = {length:e}, not {reference:e}");

        let mask = [u32::MAX, 0x807f_ffff, 0x81ff_ffff][i as usize % 3];
        let exponent = [0, 120 << 23, 0][i as usize % 3];
        let (y, x) = (f32::from_bits(a as u32 & mask | exponent), f32::from_bits(b as u32 & mask | exponent));
        let angle = inverse_trigonometric::atan2_f32(Scalar::<f32>::new(), y, x);
        let error = error_f32(angle, pxfm::f_atan2(f64::from(y), f64::from(x)));
        assert!(error <= 1.0, "atan2({y:e}, {x:e}) = {angle:e}, {error} ULP away");
        let length = root::hypot_f32(Scalar::<f32>::new(), x, y);
        let error = error_f32(length, pxfm::f_hypot(f64::from(x), f64::from(y)));
        assert!(error <= 1.0, "hypot({x:e}, {y:e}) = {length:e}, {error} ULP away");
    }
}
