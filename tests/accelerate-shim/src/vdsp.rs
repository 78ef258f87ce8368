//! vDSP: elementwise entries, compound forms, and reductions.

use crate::hostile;
use crate::memory::{Float, Vector, enter};

type Stride = isize;
type Length = usize;

/// `target[i] = f(sources[i], scalars)`.
///
/// # Safety
///
/// The vectors have `n` elements; each scalar is one.
unsafe fn map<T: Float, const V: usize, const S: usize>(
    name: &'static str,
    sources: [Vector<T>; V],
    scalars: [*const T; S],
    target: Vector<T>,
    n: Length,
    f: impl Fn([T; V], [T; S]) -> T,
) {
    // SAFETY: each points to a scalar.
    let scalars = scalars.map(|scalar| unsafe { scalar.read() });
    enter(name, &sources, &scalars, target, [n, n]);
    let hostile = hostile::is_on();
    for i in 0..n {
        // SAFETY: `i` is below `n`.
        unsafe {
            let result = f(sources.map(|source| source.get(i)), scalars);
            target.set(i, if hostile { result.flushed() } else { result });
        }
    }
}

/// `*result = f` over all elements, from the last to the first.
///
/// # Safety
///
/// The vectors have `n` elements; `result` is one.
unsafe fn fold<T: Float, const V: usize>(
    name: &'static str,
    sources: [Vector<T>; V],
    result: *mut T,
    n: Length,
    first: T,
    f: impl Fn(T, [T; V]) -> T,
) {
    enter(name, &sources, &[], Vector { at: result, stride: 1 }, [1, n]);
    let mut sum = first;
    for i in (0..n).rev() {
        // SAFETY: `i` is below `n`.
        sum = unsafe { f(sum, sources.map(|source| source.get(i))) };
    }
    // SAFETY: `result` is an element.
    unsafe { result.write(sum) };
}

/// Defines the entries of one signature for both floats: in the order of C, with the letters of the
/// documentation.
macro_rules! entries {
    ($shape:ident: $($single:ident $double:ident = $f:expr;)*) => {
        $(entries! { @$shape $single f32 $f } entries! { @$shape $double f64 $f })*
    };
    (@entry $name:ident $t:ident ($($parameter:ident: $ty:ty),*) [$($vector:ident $stride:ident),*] $vectors:literal
        [$($scalar:ident),*] $scalars:literal $target:ident $target_stride:ident $f:expr) => {
        #[unsafe(no_mangle)]
        #[allow(clippy::too_many_arguments, reason = "the signature is the framework's")]
        pub unsafe extern "C" fn $name($($parameter: $ty),*, n: Length) {
            let f: fn([$t; $vectors], [$t; $scalars]) -> $t = $f;
            // SAFETY: the caller's vectors have `n` elements.
            unsafe {
                map(stringify!($name), [$(Vector::new($vector, $stride)),*], [$($scalar),*],
                    Vector::new($target, $target_stride), n, f);
            }
        }
    };
    (@V $name:ident $t:ident $f:expr) => {
        entries! { @entry $name $t (a: *const $t, ia: Stride, c: *mut $t, ic: Stride) [a ia] 1 [] 0 c ic $f }
    };
    (@VV $name:ident $t:ident $f:expr) => {
        entries! { @entry $name $t (a: *const $t, ia: Stride, b: *const $t, ib: Stride, c: *mut $t, ic: Stride)
            [a ia, b ib] 2 [] 0 c ic $f }
    };
    (@VS $name:ident $t:ident $f:expr) => {
        entries! { @entry $name $t (a: *const $t, ia: Stride, b: *const $t, c: *mut $t, ic: Stride)
            [a ia] 1 [b] 1 c ic $f }
    };
    (@SV $name:ident $t:ident $f:expr) => {
        entries! { @entry $name $t (a: *const $t, b: *const $t, ib: Stride, c: *mut $t, ic: Stride)
            [b ib] 1 [a] 1 c ic $f }
    };
    (@VSS $name:ident $t:ident $f:expr) => {
        entries! { @entry $name $t (a: *const $t, ia: Stride, b: *const $t, c: *const $t, d: *mut $t, id: Stride)
            [a ia] 1 [b, c] 2 d id $f }
    };
    (@VVV $name:ident $t:ident $f:expr) => {
        entries! { @entry $name $t (a: *const $t, ia: Stride, b: *const $t, ib: Stride, c: *const $t, ic: Stride,
            d: *mut $t, id: Stride) [a ia, b ib, c ic] 3 [] 0 d id $f }
    };
    (@VVS $name:ident $t:ident $f:expr) => {
        entries! { @entry $name $t (a: *const $t, ia: Stride, b: *const $t, ib: Stride, c: *const $t,
            d: *mut $t, id: Stride) [a ia, b ib] 2 [c] 1 d id $f }
    };
    (@VSV $name:ident $t:ident $f:expr) => {
        entries! { @entry $name $t (a: *const $t, ia: Stride, b: *const $t, c: *const $t, ic: Stride,
            d: *mut $t, id: Stride) [a ia, c ic] 2 [b] 1 d id $f }
    };
    (@VSVS $name:ident $t:ident $f:expr) => {
        entries! { @entry $name $t (a: *const $t, ia: Stride, b: *const $t, c: *const $t, ic: Stride, d: *const $t,
            e: *mut $t, ie: Stride) [a ia, c ic] 2 [b, d] 2 e ie $f }
    };
    (@VVVV $name:ident $t:ident $f:expr) => {
        entries! { @entry $name $t (a: *const $t, ia: Stride, b: *const $t, ib: Stride, c: *const $t, ic: Stride,
            d: *const $t, id: Stride, e: *mut $t, ie: Stride) [a ia, b ib, c ic, d id] 4 [] 0 e ie $f }
    };
}

entries! { V:
    vDSP_vneg vDSP_vnegD = |[a], []| if hostile::is_on() { 0.0 - a } else { -a };
    vDSP_vabs vDSP_vabsD = |[a], []| a.abs();
    vDSP_vnabs vDSP_vnabsD = |[a], []| -a.abs();
    vDSP_vsq vDSP_vsqD = |[a], []| a * a;
    vDSP_vssq vDSP_vssqD = |[a], []| a * a.abs();
}

// C = A op B; of a difference and a quotient the second operand is the first argument.
entries! { VV:
    vDSP_vadd vDSP_vaddD = |[a, b], []| a + b;
    vDSP_vsub vDSP_vsubD = |[b, a], []| a - b;
    vDSP_vmul vDSP_vmulD = |[a, b], []| a * b;
    vDSP_vdiv vDSP_vdivD = |[b, a], []| a * (1.0 / b);
    vDSP_vmax vDSP_vmaxD = |[a, b], []| if b <= a { a } else { b };
    vDSP_vmin vDSP_vminD = |[a, b], []| if a <= b { a } else { b };
    vDSP_vdist vDSP_vdistD = |[a, b], []| (a * a + b * b).sqrt();
}

entries! { VS:
    vDSP_vsadd vDSP_vsaddD = |[a], [b]| a + b;
    vDSP_vsmul vDSP_vsmulD = |[a], [b]| a * b;
    vDSP_vsdiv vDSP_vsdivD = |[a], [b]| a * (1.0 / b);
    vDSP_vthr vDSP_vthrD = |[a], [b]| if b <= a { a } else { b };
    vDSP_vthres vDSP_vthresD = |[a], [b]| if b <= a { a } else { 0.0 };
}

entries! { SV:
    vDSP_svdiv vDSP_svdivD = |[b], [a]| a * (1.0 / b);
}

entries! { VSS:
    vDSP_vsmsa vDSP_vsmsaD = |[a], [b, c]| a.mul_add(b, c);
    vDSP_vclip vDSP_vclipD = |[a], [b, c]| if a < b { b } else if a <= c { a } else { c };
}

entries! { VVV:
    vDSP_vma vDSP_vmaD = |[a, b, c], []| a.mul_add(b, c);
    vDSP_vmsb vDSP_vmsbD = |[a, b, c], []| a.mul_add(b, -c);
    vDSP_vam vDSP_vamD = |[a, b, c], []| (a + b) * c;
    vDSP_vsbm vDSP_vsbmD = |[a, b, c], []| (a - b) * c;
}

entries! { VVS:
    vDSP_vasm vDSP_vasmD = |[a, b], [c]| (a + b) * c;
    vDSP_vsbsm vDSP_vsbsmD = |[a, b], [c]| (a - b) * c;
    vDSP_vmsa vDSP_vmsaD = |[a, b], [c]| a.mul_add(b, c);
}

entries! { VSV:
    vDSP_vsma vDSP_vsmaD = |[a, c], [b]| a.mul_add(b, c);
    vDSP_vsmsb vDSP_vsmsbD = |[a, c], [b]| a.mul_add(b, -c);
}

entries! { VSVS:
    vDSP_vsmsma vDSP_vsmsmaD = |[a, c], [b, d]| a.mul_add(b, c * d);
}

entries! { VVVV:
    vDSP_vaam vDSP_vaamD = |[a, b, c, d], []| (a + b) * (c + d);
    vDSP_vsbsbm vDSP_vsbsbmD = |[a, b, c, d], []| (a - b) * (c - d);
    vDSP_vasbm vDSP_vasbmD = |[a, b, c, d], []| (a + b) * (c - d);
    vDSP_vmma vDSP_vmmaD = |[a, b, c, d], []| a.mul_add(b, c * d);
    vDSP_vmmsb vDSP_vmmsbD = |[a, b, c, d], []| a.mul_add(b, -(c * d));
}

macro_rules! reductions {
    ($($single:ident $double:ident = $first:expr, $f:expr;)*) => {
        $(reductions! { @ $single f32 $first, $f } reductions! { @ $double f64 $first, $f })*
    };
    (@ $name:ident $t:ident $first:expr, $f:expr) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(a: *const $t, ia: Stride, c: *mut $t, n: Length) {
            let f: fn($t, [$t; 1]) -> $t = $f;
            let first = <$t>::from($first);
            // SAFETY: the caller's vector has `n` elements.
            unsafe { fold(stringify!($name), [Vector::new(a, ia)], c, n, first, f) };
        }
    };
}

reductions! {
    vDSP_sve vDSP_sveD = 0.0f32, |sum, [a]| sum + a;
    vDSP_svemg vDSP_svemgD = 0.0f32, |sum, [a]| sum + a.abs();
    vDSP_svesq vDSP_svesqD = 0.0f32, |sum, [a]| a.mul_add(a, sum);
    vDSP_maxv vDSP_maxvD = f32::NEG_INFINITY, |max, [a]| if a <= max { max } else { a };
    vDSP_minv vDSP_minvD = f32::INFINITY, |min, [a]| if min <= a { min } else { a };
}

macro_rules! products {
    ($($single:ident $double:ident = $f:expr;)*) => {
        $(products! { @ $single f32 $f } products! { @ $double f64 $f })*
    };
    (@ $name:ident $t:ident $f:expr) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            a: *const $t,
            ia: Stride,
            b: *const $t,
            ib: Stride,
            c: *mut $t,
            n: Length,
        ) {
            let f: fn($t, [$t; 2]) -> $t = $f;
            // SAFETY: the caller's vectors have `n` elements.
            unsafe {
                fold(stringify!($name), [Vector::new(a, ia), Vector::new(b, ib)], c, n, <$t as Float>::ZERO, f);
            }
        }
    };
}

products! {
    vDSP_dotpr vDSP_dotprD = |sum, [a, b]| a.mul_add(b, sum);
    vDSP_distancesq vDSP_distancesqD = |sum, [a, b]| (a - b).mul_add(a - b, sum);
}
