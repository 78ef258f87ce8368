//! Whether an entry has the bits of our definition on this machine.
//!
//! Apple promises no rounding, and no care for subnormals, NaN or signs of zeros. An entry that strict mode
//! would use is called once per process on values that show each of these, at several lengths and offsets,
//! out of place and in place, and compared with our own kernels; one that differs is not used, and plans say
//! why. A probe takes some tens of microseconds. It shows what an entry does with a thousand values, not with
//! all.

use std::sync::OnceLock;

use raptors_ir::{DType, Literal};

use super::blas::Routines;
use super::entry::{Conversion, Entry, Float, Form};
use super::formula::Pattern;
use super::shape::{Arguments, MOST_SCALARS, MOST_SOURCES};
use crate::kernels::elementwise::{cast, elementwise};
use crate::runtime::level::Level;

/// Lengths that are tried apart from all elements: every remainder of a vector.
const SHORT: std::ops::RangeInclusive<usize> = 1..=35;

/// Whether `entry` computes this form exactly, and where not.
pub(crate) fn entry(entry: &Entry, form: &'static Form, dtype: DType) -> Result<(), String> {
    match dtype {
        DType::F32 => form.probed[0].get_or_init(|| probe::<f32>(entry, form)).clone(),
        DType::F64 => form.probed[1].get_or_init(|| probe::<f64>(entry, form)).clone(),
        dtype => unreachable!("entries are of floats, not of {dtype}"),
    }
}

/// Whether a conversion is ours, and where not.
pub(crate) fn conversion(conversion: &Conversion) -> Result<(), String> {
    conversion.probed.get_or_init(|| probe_conversion(conversion)).clone()
}

/// Whether BLAS scales a vector as we do, but by zero, and where not.
pub(crate) fn scale(dtype: DType) -> Result<(), String> {
    static PROBED: [OnceLock<Result<(), String>>; 2] = [const { OnceLock::new() }; 2];
    match dtype {
        DType::F32 => PROBED[0].get_or_init(probe_scale::<f32>).clone(),
        DType::F64 => PROBED[1].get_or_init(probe_scale::<f64>).clone(),
        dtype => unreachable!("BLAS is of floats, not of {dtype}"),
    }
}

fn probe_scale<T: Float + Tricky + Routines>() -> Result<(), String> {
    let vectors: [Vec<T>; MOST_SOURCES] = std::array::from_fn(vector);
    let pattern = Pattern::parse("a * s");
    for &alpha in T::TRICKY.iter().filter(|&&alpha| alpha != T::default()) {
        let expected = evaluate(&pattern, &vectors, &[alpha; MOST_SCALARS]);
        let mut found = vectors[0].clone();
        // SAFETY: the vector has as many elements.
        unsafe { T::scale(alpha, found.as_mut_ptr(), found.len()) };
        compare(&found, &expected).map_err(|(at, why)| {
            format!("on this machine it scales {:?} by {alpha:?} to {why}", vectors[0][at])
        })?;
    }
    Ok(())
}

/// As [`entry`], but looks now.
pub(crate) fn probe<T: Float + Tricky>(entry: &Entry, form: &Form) -> Result<(), String> {
    let vectors: [Vec<T>; MOST_SOURCES] = std::array::from_fn(vector);
    let tries = if entry.shape.scalars() == 0 { 1 } else { T::TRICKY.len() };
    for n in 0..tries {
        let found = [T::TRICKY[n], T::TRICKY[(n * 7 + 3) % T::TRICKY.len()]];
        let expected = evaluate(&form.pattern, &vectors, &found);
        let scalars = form.passed(found);
        let lengths = SHORT.map(|len| (len % 7, len)).chain([(0, expected.len())]);
        for (start, len) in if n == 0 { lengths.collect() } else { vec![(0, expected.len())] } {
            for in_place in [false, true] {
                let mut first = vectors[0][start..start + len].to_vec();
                let mut apart = vec![T::default(); len];
                let target = if in_place { first.as_mut_ptr() } else { apart.as_mut_ptr() };
                let mut sources = vectors.each_ref().map(|vector| vector[start..].as_ptr());
                sources[0] = if in_place { target.cast_const() } else { sources[0] };
                // SAFETY: sources and target have `len` elements, and the target is the first source or
                // apart.
                unsafe { entry.call(&Arguments { target, sources, scalars, len }) };
                let result = if in_place { &first } else { &apart };
                compare(result, &expected[start..start + len])
                    .map_err(|(at, why)| wrong(entry, form, &vectors, &found, start + at, &why))?;
            }
        }
    }
    Ok(())
}

/// Floats with values that calls get wrong.
pub(crate) trait Tricky: Sized {
    /// Zeros, subnormals, the largest, infinities, NaN, and those between which products are halfway cases.
    const TRICKY: [Self; 18];
}

macro_rules! tricky {
    ($($t:ident)*) => { $(
        impl Tricky for $t {
            const TRICKY: [$t; 18] = [
                0.5,
                0.0,
                -0.0,
                1.0,
                -1.0,
                $t::from_bits(1),
                -$t::from_bits(0x1_2345),
                $t::MIN_POSITIVE,
                -$t::MIN_POSITIVE * 1.5,
                $t::MAX,
                -$t::MAX,
                $t::INFINITY,
                $t::NEG_INFINITY,
                $t::NAN,
                1.0 + $t::EPSILON,
                1.0 - $t::EPSILON / 2.0,
                -0.1,
                3.0,
            ];
        }
    )* };
}
tricky! { f32 f64 }

/// The n-th source: pairs of tricky values with each other, and numbers of all sizes.
fn vector<T: Float + Tricky>(n: usize) -> Vec<T> {
    let count = T::TRICKY.len();
    let pair = |i: usize| match n {
        0 => T::TRICKY[i / count],
        1 => T::TRICKY[i % count],
        2 => T::TRICKY[(i * 5 + i / count) % count],
        _ => T::TRICKY[(i * 11 + 7 * (i / count)) % count],
    };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n as u64 + 1);
    let random = |i: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Of any size, or of one size: bits that are lost in a sum or a product.
        let near_one = T::DTYPE == DType::F64;
        match (i % 2, near_one) {
            (0, _) => T::from_bits64(state >> if near_one { 0 } else { 32 }),
            (_, true) => T::from_bits64(0x3ff0 << 48 | state >> 12 | (state & 1) << 63),
            (_, false) => T::from_bits64(0x3f80 << 16 | state >> 41 | (state & 1) << 31),
        }
    };
    (0..count * count).map(pair).chain((0..count * count).map(random)).collect()
}

/// What our kernels make of a formula.
fn evaluate<T: Float>(pattern: &Pattern, vectors: &[Vec<T>], scalars: &[T; MOST_SCALARS]) -> Vec<T> {
    match pattern {
        Pattern::Vector(n) => vectors[*n].clone(),
        Pattern::Scalar(n) => vec![scalars[*n]; vectors[0].len()],
        Pattern::Op(op, operands) => {
            let operands: Vec<Vec<T>> =
                operands.iter().map(|operand| evaluate(operand, vectors, scalars)).collect();
            let mut result = vec![T::default(); vectors[0].len()];
            let mut args = [std::ptr::null(); 3];
            for (arg, operand) in args.iter_mut().zip(&operands) {
                *arg = operand.as_ptr().cast();
            }
            match elementwise(*op, T::DTYPE, Level::current()) {
                // SAFETY: operands and result have as many elements, and the CPU has the current level.
                Some(kernel) => unsafe { kernel(&args, result.as_mut_ptr().cast(), result.len()) },
                None => unreachable!("{} is an op of floats", op.name()),
            }
            result
        }
        Pattern::Sum(_) => unreachable!("a sum is not probed"),
    }
}

/// The first element that differs, NaN payloads aside, and how.
fn compare<T: Float>(found: &[T], expected: &[T]) -> Result<(), (usize, String)> {
    let bits = |x: T| {
        let mut word = [0; 8];
        // SAFETY: a float has no more than 8 bytes.
        unsafe { (&raw const x).cast::<u8>().copy_to_nonoverlapping(word.as_mut_ptr(), size_of::<T>()) };
        u64::from_le_bytes(word)
    };
    #[allow(clippy::eq_op, reason = "NaN is what is not itself")]
    let same = |x: T, y: T| bits(x) == bits(y) || x != x && y != y;
    match found.iter().zip(expected).position(|(&x, &y)| !same(x, y)) {
        Some(at) => Err((at, format!("{:?}, not {:?}", found[at], expected[at]))),
        None => Ok(()),
    }
}

fn wrong<T: Float>(
    entry: &Entry,
    form: &Form,
    vectors: &[Vec<T>; MOST_SOURCES],
    scalars: &[T; MOST_SCALARS],
    at: usize,
    why: &str,
) -> String {
    let vectors = vectors[..entry.shape.sources()].iter().map(|vector| format!("{:?}", vector[at]));
    let scalars = scalars[..entry.shape.scalars()].iter().map(|scalar| format!("{scalar:?}"));
    let values: Vec<String> = vectors.chain(scalars).collect();
    format!("on this machine its {} of {} is {why}", form.formula, values.join(", "))
}

fn probe_conversion(conversion: &Conversion) -> Result<(), String> {
    let Conversion { name, from, to, .. } = *conversion;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    // Tricky floats, all powers of two with what is beside them, and words.
    let floats: Vec<u64> = match from {
        DType::F32 => f32::TRICKY.iter().map(|x| u64::from(x.to_bits())).collect(),
        DType::F64 => {
            let wide = f64::TRICKY.iter().map(|x| x.to_bits());
            wide.chain(f32::TRICKY.iter().map(|&x| f64::from(x).to_bits())).collect()
        }
        _ => (0..64).flat_map(|n| [(1_u64 << n) - 1, 1 << n, (1 << n) + 1]).collect(),
    };
    let words: Vec<u64> = floats.into_iter().chain((0..512).map(random)).collect();
    let pack = |size: usize| words.iter().flat_map(|word| word.to_le_bytes()[..size].to_vec()).collect();
    let packed: Vec<u8> = pack(from.size());
    // Words of 8 bytes are aligned for every dtype.
    let mut source = vec![0_u64; packed.len().div_ceil(8)];
    let (mut expected, mut found) = (vec![0_u64; words.len()], vec![0_u64; words.len()]);
    let Some(kernel) = cast(from, to, Level::current()) else { unreachable!("{from} converts to {to}") };
    let source = source.as_mut_ptr().cast::<u8>();
    // SAFETY: the source has room for its bytes, and the others for 8 bytes an element; the CPU has the
    // level.
    unsafe {
        source.copy_from_nonoverlapping(packed.as_ptr(), packed.len());
        kernel(&[source, std::ptr::null(), std::ptr::null()], expected.as_mut_ptr().cast(), words.len());
        conversion.call(source, found.as_mut_ptr().cast(), words.len());
    }
    let bytes = |words: Vec<u64>| -> Vec<u8> { words.into_iter().flat_map(u64::to_le_bytes).collect() };
    let (found, expected) = (bytes(found), bytes(expected));
    let element = |of: &[u8], n: usize| {
        let mut word = [0; 16];
        word[..to.size()].copy_from_slice(&of[n * to.size()..(n + 1) * to.size()]);
        Literal::from_bits(to, u128::from_le_bytes(word))
    };
    let is_nan = |x: Literal| x.to_f64().is_some_and(f64::is_nan);
    for n in 0..words.len() {
        let (found, expected) = (element(&found, n), element(&expected, n));
        if found != expected && !(is_nan(found) && is_nan(expected)) {
            return Err(format!("on this machine {name} gives {found:?}, not {expected:?}"));
        }
    }
    Ok(())
}
