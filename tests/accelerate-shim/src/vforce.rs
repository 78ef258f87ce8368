//! vForce: functions of mathematics, the result first, the length by address.
//!
//! Subnormals are flushed, in and out, and every odd lane is off by one ULP, up or down in turn; what is
//! exact by its definition, as rounding to an integer is, is only flushed.

use std::ffi::c_int;

use crate::memory::{Float, Vector, enter};

/// How far a function may be off.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Exact,
    Rounded,
}

/// # Safety
///
/// The vectors have `n` elements.
unsafe fn map<T: Float, const V: usize>(
    name: &'static str,
    target: *mut T,
    sources: [*const T; V],
    n: *const c_int,
    kind: Kind,
    f: impl Fn([T; V]) -> T,
) {
    // SAFETY: the length is at the address.
    let n = unsafe { n.read() };
    assert!(n >= 0, "{name}: a negative length");
    let n = n as usize;
    let sources = sources.map(|source| Vector::new(source, 1));
    let target = Vector { at: target, stride: 1 };
    enter(name, &sources, &[], target, [n, n]);
    for i in 0..n {
        // SAFETY: `i` is below `n`.
        unsafe {
            let result = f(sources.map(|source| source.get(i).flushed())).flushed();
            let off = match i % 4 {
                1 if kind == Kind::Rounded && result.is_ordinary() => result.next(),
                3 if kind == Kind::Rounded && result.is_ordinary() => result.previous(),
                _ => result,
            };
            target.set(i, off);
        }
    }
}

macro_rules! unary {
    ($($kind:ident $single:ident $double:ident = $f:expr;)*) => {
        $(unary! { @ $kind $single f32 $f } unary! { @ $kind $double f64 $f })*
    };
    (@ $kind:ident $name:ident $t:ident $f:expr) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(y: *mut $t, x: *const $t, n: *const c_int) {
            // In the wider float, so that what is added on purpose is all that is wrong.
            let f: fn(f64) -> f64 = $f;
            // SAFETY: the caller's vectors have `n` elements.
            unsafe { map(stringify!($name), y, [x], n, Kind::$kind, |[x]| f(x.into()) as $t) };
        }
    };
}

unary! {
    Rounded vvexpf vvexp = f64::exp;
    Rounded vvexp2f vvexp2 = f64::exp2;
    Rounded vvexpm1f vvexpm1 = f64::exp_m1;
    Rounded vvlogf vvlog = f64::ln;
    Rounded vvlog2f vvlog2 = f64::log2;
    Rounded vvlog10f vvlog10 = f64::log10;
    Rounded vvlog1pf vvlog1p = f64::ln_1p;
    Rounded vvcbrtf vvcbrt = f64::cbrt;
    Rounded vvsinf vvsin = f64::sin;
    Rounded vvcosf vvcos = f64::cos;
    Rounded vvtanf vvtan = f64::tan;
    Rounded vvsinhf vvsinh = f64::sinh;
    Rounded vvcoshf vvcosh = f64::cosh;
    Rounded vvtanhf vvtanh = f64::tanh;
    Rounded vvasinf vvasin = f64::asin;
    Rounded vvacosf vvacos = f64::acos;
    Rounded vvatanf vvatan = f64::atan;
    Rounded vvasinhf vvasinh = f64::asinh;
    Rounded vvacoshf vvacosh = f64::acosh;
    Rounded vvatanhf vvatanh = f64::atanh;
    Rounded vvsqrtf vvsqrt = f64::sqrt;
    Rounded vvrecf vvrec = |x| 1.0 / x;
    Exact vvfabsf vvfabs = f64::abs;
    Exact vvfloorf vvfloor = f64::floor;
    Exact vvceilf vvceil = f64::ceil;
    Exact vvintf vvint = f64::trunc;
    Exact vvnintf vvnint = f64::round_ties_even;
}

macro_rules! binary {
    ($($kind:ident $name:ident $t:ident($y:ident, $x:ident) = $f:expr;)*) => { $(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(z: *mut $t, $y: *const $t, $x: *const $t, n: *const c_int) {
            let f: fn($t, $t) -> $t = $f;
            // SAFETY: the caller's vectors have `n` elements.
            unsafe { map(stringify!($name), z, [$y, $x], n, Kind::$kind, |[$y, $x]| f($y, $x)) };
        }
    )* };
}

binary! {
    Rounded vvatan2f f32(y, x) = |y, x| f64::from(y).atan2(x.into()) as f32;
    Rounded vvatan2 f64(y, x) = f64::atan2;
    // The exponent comes first.
    Rounded vvpowf f32(y, x) = |y, x| f64::from(x).powf(y.into()) as f32;
    Rounded vvpow f64(y, x) = |y, x| x.powf(y);
    Rounded vvdivf f32(y, x) = |y, x| y / x;
    Rounded vvdiv f64(y, x) = |y, x| y / x;
    Exact vvcopysignf f32(y, x) = f32::copysign;
    Exact vvcopysign f64(y, x) = f64::copysign;
    Exact vvnextafterf f32(y, x) = |y, x| match () {
        _ if y.is_nan() || x.is_nan() => y + x,
        _ if y == x => x,
        _ if x > y => y.next_up(),
        _ => y.next_down(),
    };
    Exact vvnextafter f64(y, x) = |y, x| match () {
        _ if y.is_nan() || x.is_nan() => y + x,
        _ if y == x => x,
        _ if x > y => y.next_up(),
        _ => y.next_down(),
    };
}
