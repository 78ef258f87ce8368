//! One elementwise op, cast or select over contiguous elements.
//!
//! A kernel is a loop around the op's definition in [`raptors_ir::scalar`]. It computes a fixed number of elements
//! into a local array before it writes any of them, so the compiler vectorises it without asking whether `out`
//! overlaps an operand, and an `out` that *is* an operand runs at the same speed as any other.
//!
//! Functions of mathematics are loops of another kind ([`math`]).
//!
//! Limits: `pow`, division and remainder of integers, and the float remainder have no vector form here; they run one
//! element at a time at every level.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use raptors_ir::math::Function;
use raptors_ir::scalar::{self, Binary, Ternary, Unary, Visitor};
use raptors_ir::{BF16, DType, Element, ElementwiseOp, F16, dispatch_dtype};

use super::convert::Convert;
use super::reduce::unsigned;
use super::{level, math};
use crate::runtime::level::Level;

/// Computes `n` elements of `out` from `n` elements of each operand; operands beyond the op's arity are not read.
///
/// # Safety
///
/// Each operand in use points to `n` contiguous elements, `out` to room for `n` of the result's type, at any
/// alignment. `out` either equals an operand pointer whose elements have the size of the result's, or does not
/// overlap any operand; where it equals one, the others equal it too or do not overlap it. The CPU has the features of the
/// level the kernel was asked for.
pub type Kernel = unsafe fn(args: &[*const u8; 3], out: *mut u8, n: usize);

/// The kernel of `op` for operands of `dtype`; `None` where the op is not defined for it.
pub fn elementwise(op: ElementwiseOp, dtype: DType, level: Level) -> Option<Kernel> {
    struct Select(ElementwiseOp, Level);
    impl Visitor for Select {
        type Output = Kernel;
        #[inline(always)]
        fn unary<K: Unary<T>, T: Element>(self) -> Kernel {
            kernel::<UnaryMap<K, T>>(cost(self.0), self.1)
        }
        #[inline(always)]
        fn binary<K: Binary<T>, T: Element>(self) -> Kernel {
            kernel::<BinaryMap<K, T>>(cost(self.0), self.1)
        }
        #[inline(always)]
        fn ternary<K: Ternary<T>, T: Element>(self) -> Kernel {
            kernel::<TernaryMap<K, T>>(cost(self.0), self.1)
        }
        #[inline(always)]
        fn f32_function<F: Function<f32, N>, const N: usize>(self) -> Kernel {
            math::kernel::<F, f32, N>(self.1)
        }
        #[inline(always)]
        fn f64_function<F: Function<f64, N>, const N: usize>(self) -> Kernel {
            math::kernel::<F, f64, N>(self.1)
        }
    }
    scalar::visit(op, dtype, Select(op, level))
}

/// The kernel converting `from` to `to`; `None` where either is complex, and for conversions of half-precision floats
/// that are two ([`scalar::is_direct_cast`]).
pub fn cast(from: DType, to: DType, level: Level) -> Option<Kernel> {
    if from.is_half() || to.is_half() {
        return half_cast(from, to, level);
    }
    let (from, to) = same_conversion(from, to);
    dispatch_dtype!(
        from,
        T => dispatch_dtype!(
            to,
            U => Some(kernel::<CastMap<T, U>>(Cost::Low, level)),
            half => None,
            complex => None
        ),
        half => None,
        complex => None
    )
}

fn half_cast(from: DType, to: DType, level: Level) -> Option<Kernel> {
    match (from, to) {
        (DType::F16, DType::F32) => Some(kernel::<CastMap<F16, f32>>(Cost::Low, level)),
        (DType::BF16, DType::F32) => Some(kernel::<CastMap<BF16, f32>>(Cost::Low, level)),
        (DType::F32, DType::F16) => Some(kernel::<CastMap<f32, F16>>(Cost::Low, level)),
        (DType::F32, DType::BF16) => Some(kernel::<CastMap<f32, BF16>>(Cost::Low, level)),
        (DType::F64, DType::F16) => Some(kernel::<CastMap<f64, F16>>(Cost::Low, level)),
        (from, to) if from == to => Some(kernel::<CastMap<u16, u16>>(Cost::Low, level)),
        _ => None,
    }
}

/// The kernel choosing between its second and third operand by the `bool` elements of the first, for elements of the
/// size of `dtype`.
pub fn select(dtype: DType, level: Level) -> Option<Kernel> {
    Some(match dtype.size() {
        1 => kernel::<SelectMap<u8>>(Cost::Low, level),
        2 => kernel::<SelectMap<u16>>(Cost::Low, level),
        4 => kernel::<SelectMap<u32>>(Cost::Low, level),
        8 => kernel::<SelectMap<u64>>(Cost::Low, level),
        _ => kernel::<SelectMap<[u64; 2]>>(Cost::Low, level),
    })
}

/// The unsigned types that convert by the same bits: truncation ignores the sign, widening that of the result.
fn same_conversion(from: DType, to: DType) -> (DType, DType) {
    if !(from.is_integer() && to.is_integer()) {
        return (from, to);
    }
    (if to.size() <= from.size() { unsigned(from) } else { from }, unsigned(to))
}

/// What a kernel computes for the element at one index.
trait Map {
    /// The result's type.
    type Out: Copy;
    /// Bytes of its operands' and result's elements.
    const SIZES: Sizes;
    /// The result for element `index` of the operands.
    ///
    /// # Safety
    ///
    /// The operands in use have an element `index`.
    unsafe fn at(args: &[*const u8; 3], index: usize) -> Self::Out;
}

struct UnaryMap<K, T>(PhantomData<(K, T)>);
struct BinaryMap<K, T>(PhantomData<(K, T)>);
struct TernaryMap<K, T>(PhantomData<(K, T)>);
struct CastMap<T, U>(PhantomData<(T, U)>);
struct SelectMap<T>(PhantomData<T>);

impl<K: Unary<T>, T: Element> Map for UnaryMap<K, T> {
    type Out = K::Out;
    const SIZES: Sizes = Sizes::of_step([size_of::<T>(), 0, 0], size_of::<K::Out>());
    #[inline(always)]
    unsafe fn at(args: &[*const u8; 3], index: usize) -> K::Out {
        // SAFETY: the operand has an element `index`.
        K::apply(unsafe { load(args[0], index) })
    }
}

impl<K: Binary<T>, T: Element> Map for BinaryMap<K, T> {
    type Out = K::Out;
    const SIZES: Sizes = Sizes::of_step([size_of::<T>(), size_of::<T>(), 0], size_of::<K::Out>());
    #[inline(always)]
    unsafe fn at(args: &[*const u8; 3], index: usize) -> K::Out {
        // SAFETY: both operands have an element `index`.
        unsafe { K::apply(load(args[0], index), load(args[1], index)) }
    }
}

impl<K: Ternary<T>, T: Element> Map for TernaryMap<K, T> {
    type Out = K::Out;
    const SIZES: Sizes = Sizes::of_step([size_of::<T>(); 3], size_of::<K::Out>());
    #[inline(always)]
    unsafe fn at(args: &[*const u8; 3], index: usize) -> K::Out {
        // SAFETY: the three operands have an element `index`.
        unsafe { K::apply(load(args[0], index), load(args[1], index), load(args[2], index)) }
    }
}

impl<T: Convert<U>, U: Element> Map for CastMap<T, U> {
    type Out = U;
    const SIZES: Sizes = Sizes::of_step([size_of::<T>(), 0, 0], size_of::<U>());
    #[inline(always)]
    unsafe fn at(args: &[*const u8; 3], index: usize) -> U {
        // SAFETY: the operand has an element `index`.
        unsafe { load::<T>(args[0], index) }.convert()
    }
}

/// Bits that can be blended.
trait Blend: Copy {
    /// `x` where `choice` is true, else `y`.
    fn blend(choice: bool, x: Self, y: Self) -> Self;
}

macro_rules! blend {
    ($($t:ty)*) => {
        $(impl Blend for $t {
            #[inline(always)]
            fn blend(choice: bool, x: $t, y: $t) -> $t {
                let mask = <$t>::from(choice).wrapping_neg();
                (x & mask) | (y & !mask)
            }
        })*
    };
}
blend!(u8 u16 u32 u64);

impl Blend for [u64; 2] {
    #[inline(always)]
    fn blend(choice: bool, [x0, x1]: [u64; 2], [y0, y1]: [u64; 2]) -> [u64; 2] {
        [u64::blend(choice, x0, y0), u64::blend(choice, x1, y1)]
    }
}

impl<T: Blend> Map for SelectMap<T> {
    type Out = T;
    const SIZES: Sizes = Sizes::of_step([1, size_of::<T>(), size_of::<T>()], size_of::<T>());
    // A blend of bits: the compiler does not make the two loads of a choice unconditional by itself.
    #[inline(always)]
    unsafe fn at(args: &[*const u8; 3], index: usize) -> T {
        // SAFETY: the three operands have an element `index`.
        unsafe {
            let condition: u8 = load(args[0], index);
            T::blend(condition != 0, load(args[1], index), load(args[2], index))
        }
    }
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Element `index` from `base`.
///
/// # Safety
///
/// `base` points to more than `index` elements of `T`, at any alignment.
#[inline(always)]
pub(super) unsafe fn load<T>(base: *const u8, index: usize) -> T {
    // SAFETY: the element is in bounds, and the read assumes no alignment.
    unsafe { base.cast::<T>().add(index).read_unaligned() }
}

/// Bytes of the widest element that one step computes: eight AVX registers, which leaves as many for the operands.
const STEP_BYTES: usize = 256;

/// The kernel of `M`: [`steps`] itself, or with its remainder computed as one more whole step.
fn kernel<M: Map>(cost: Cost, level: Level) -> Kernel {
    match (cost, level) {
        (Cost::High, _) => steps::<M>(Level::Baseline),
        (Cost::Low, Level::Baseline) => overlapped::<M, level::Baseline>,
        (Cost::Low, Level::Avx2) => overlapped::<M, level::Avx2>,
        (Cost::Low, Level::Avx512) => overlapped::<M, level::Avx512>,
    }
}

/// Whether an element takes so long that the vector form, or a wasted element, is not worth having.
#[derive(Clone, Copy)]
enum Cost {
    Low,
    High,
}

#[inline(always)]
fn cost(op: ElementwiseOp) -> Cost {
    use ElementwiseOp::{FloorDivide, Pow, Remainder};
    if matches!(op, FloorDivide | Pow | Remainder) { Cost::High } else { Cost::Low }
}

/// # Safety
///
/// That of [`Kernel`].
unsafe fn overlapped<M: Map, L: level::AtLevel>(args: &[*const u8; 3], out: *mut u8, n: usize) {
    // SAFETY: the contract is the caller's; `steps` is the kernel of a map of these sizes.
    unsafe { overlap(steps::<M>(L::LEVEL), &M::SIZES, args, out, n) }
}

/// What [`overlap`] knows of a kernel that computes whole steps.
pub(super) struct Sizes {
    /// Bytes of one element of each operand, 0 for none.
    pub(super) args: [usize; 3],
    /// Bytes of one element of the result.
    pub(super) out: usize,
    /// Elements of one step; at most [`STEP_BYTES`] of each operand and of the result.
    pub(super) width: usize,
    /// Up to this many elements alone are left to the kernel, which computes them one by one.
    pub(super) few: usize,
}

impl Sizes {
    /// For kernels of [`steps`].
    const fn of_step(args: [usize; 3], out: usize) -> Sizes {
        let [a, b, c] = args;
        Sizes { args, out, width: STEP_BYTES / max(max(a, b), max(c, out)), few: 8 }
    }
}

/// Runs whole steps, and one that ends with the last element for what they leave over. That step is computed first,
/// while no operand is overwritten, and its results written last.
///
/// # Safety
///
/// That of [`Kernel`], for operands of these sizes and `steps` the kernel.
#[inline(never)]
pub(super) unsafe fn overlap(steps: Kernel, sizes: &Sizes, args: &[*const u8; 3], out: *mut u8, n: usize) {
    let width = sizes.width;
    let rest = n % width;
    if rest == 0 || n <= sizes.few {
        // SAFETY: the contract is the caller's.
        return unsafe { steps(args, out, n) };
    }
    let mut last = [MaybeUninit::<u8>::uninit(); STEP_BYTES];
    let last = last.as_mut_ptr().cast::<u8>();
    // SAFETY: where there is a whole step, the last `width` elements exist in every operand, and `last` has room for
    // `width` results, the last `rest` of which are those of the elements after `whole`. Otherwise the `n` elements
    // of each operand fit the step's bytes, the remaining ones are zero, and the first `rest = n` results count.
    unsafe {
        let whole = n - rest;
        let skipped = if whole > 0 {
            let ends = std::array::from_fn(|i| args[i].wrapping_add((n - width) * sizes.args[i]));
            steps(&ends, last, width);
            steps(args, out, whole);
            width - rest
        } else {
            let mut padded = [[0u8; STEP_BYTES]; 3];
            for ((padded, arg), size) in padded.iter_mut().zip(args).zip(sizes.args) {
                padded.as_mut_ptr().copy_from_nonoverlapping(*arg, n * size);
            }
            steps(&padded.each_ref().map(|bytes| bytes.as_ptr()), last, width);
            0
        };
        let results = last.add(skipped * sizes.out);
        out.add(whole * sizes.out).copy_from_nonoverlapping(results, rest * sizes.out);
    }
}

leveled! {
    fn steps<M: Map>(args: &[*const u8; 3], out: *mut u8, n: usize) = steps_body
}

/// # Safety
///
/// That of [`Kernel`].
#[inline(always)]
unsafe fn steps_body<M: Map>(args: &[*const u8; 3], out: *mut u8, n: usize) {
    let width = M::SIZES.width;
    let mut done = 0;
    // SAFETY: each step computes elements from `done` on, up to `n` at most.
    unsafe {
        while n - done >= width {
            // Opaque to the compiler: with AVX-512 it would vectorise across steps, by scatters.
            step::<M>(args, out, std::hint::black_box(done), width);
            done += width;
        }
        while done < n {
            // Opaque likewise: vectorised, this loop would be four times the code.
            step::<M>(args, out, std::hint::black_box(done), 1);
            done += 1;
        }
    }
}

/// Computes `width` elements from `start` on, all of them before any is written.
///
/// # Safety
///
/// That of [`Kernel`], for `start + width` elements; `width` is at most that of the map's sizes.
#[inline(always)]
unsafe fn step<M: Map>(args: &[*const u8; 3], out: *mut u8, start: usize, width: usize) {
    let mut results = [const { MaybeUninit::<M::Out>::uninit() }; STEP_BYTES];
    for (i, result) in results[..width].iter_mut().enumerate() {
        // SAFETY: `start + i` is below `start + width`.
        result.write(unsafe { M::at(args, start + i) });
    }
    // SAFETY: the first `width` results are written, and `out` has room for them; the array is not part of it.
    unsafe {
        let out = out.cast::<M::Out>().add(start).cast::<u8>();
        out.copy_from_nonoverlapping(results.as_ptr().cast(), width * size_of::<M::Out>());
    }
}
