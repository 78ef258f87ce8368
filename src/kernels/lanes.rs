//! The lane algebra in vector registers: implementations of [`Lanes`] for AVX2, AVX-512 and NEON.
//!
//! Every operation is an instruction or a few, and has the bits of [`Scalar`]; [`Pair`] makes one context of two
//! vectors. Plain arrays would do, but the compiler makes code of them that is eight times slower. A context is a token:
//! it is made where the CPU has the instructions, which is what its constructor asks for, and so its methods are safe.
//!
//! Limits: x86-64 below AVX2, and other architectures, have [`Scalar`], one lane, and what the compiler makes of a loop
//! over it.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use raptors_ir::lanes::Rare;
use raptors_ir::lanes::{Lanes, Real, Scalar};

/// Declares methods of [`Lanes`] by expressions over intrinsics.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! instructions {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty = $value:expr;)*) => {
        $(#[inline(always)]
        fn $name(self, $($arg: $type),*) -> $result {
            // SAFETY: there is a context, so the CPU has the instructions.
            unsafe { $value }
        })*
    };
}

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pair;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use pair::Pair;

/// Lanes that are loaded from memory and stored to it.
pub trait Vector: Lanes {
    /// The number of lanes.
    const WIDTH: usize;

    /// The context.
    ///
    /// # Safety
    ///
    /// The CPU has the instructions of the level that the type is named after.
    unsafe fn assume() -> Self;

    /// The lanes of [`Vector::WIDTH`] elements.
    ///
    /// # Safety
    ///
    /// So many elements can be read from `from` on, at any alignment.
    unsafe fn load(self, from: *const Self::Elem) -> Self::Float;

    /// Writes the lanes as [`Vector::WIDTH`] elements.
    ///
    /// # Safety
    ///
    /// So many elements can be written from `to` on, at any alignment.
    unsafe fn store(self, x: Self::Float, to: *mut Self::Elem);
}

impl<T: Real> Vector for Scalar<T>
where
    Scalar<T>: Lanes<Elem = T, Float = T>,
{
    const WIDTH: usize = 1;

    #[inline(always)]
    unsafe fn assume() -> Scalar<T> {
        Scalar::new()
    }

    #[inline(always)]
    unsafe fn load(self, from: *const T) -> T {
        // SAFETY: as for this function.
        unsafe { from.read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, x: T, to: *mut T) {
        // SAFETY: as for this function.
        unsafe { to.write_unaligned(x) }
    }
}

/// A float, with what its kernels compute at a time at every level. Two vectors are 5 to 20 % faster than one (Ice
/// Lake, most functions).
pub(super) trait Vectors: Real {
    type Baseline: Vector<Elem = Self>;
    type Avx2: Vector<Elem = Self>;
    type Avx512: Vector<Elem = Self>;
}

macro_rules! vectors {
    ($($t:ty)*) => {
        $(impl Vectors for $t {
            #[cfg(target_arch = "aarch64")]
            type Baseline = Pair<Neon<$t>>;
            #[cfg(not(target_arch = "aarch64"))]
            type Baseline = Scalar<$t>;
            #[cfg(target_arch = "x86_64")]
            type Avx2 = Pair<Avx2<$t>>;
            #[cfg(target_arch = "x86_64")]
            type Avx512 = Pair<Avx512<$t>>;
            #[cfg(not(target_arch = "x86_64"))]
            type Avx2 = Scalar<$t>;
            #[cfg(not(target_arch = "x86_64"))]
            type Avx512 = Scalar<$t>;
        })*
    };
}
vectors!(f32 f64);

/// `rare.function` in the `N` lanes whose bit is set, else `value`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn rare<V: Vector, const N: usize>(
    lanes: V,
    rare: &'static Rare<V::Elem>,
    mask: u32,
    [value, x, y]: [V::Float; 3],
) -> V::Float {
    const { assert!(N == V::WIDTH, "the arrays have the lanes of a vector") }
    if mask == 0 {
        return value;
    }
    let mut elements = [[V::Elem::NEG_ZERO; N]; 3];
    let [values, xs, ys] = &mut elements;
    // SAFETY: each array has `N` elements, which are a vector's.
    unsafe {
        lanes.store(value, values.as_mut_ptr());
        lanes.store(x, xs.as_mut_ptr());
        lanes.store(y, ys.as_mut_ptr());
    }
    one_by_one(rare.function, mask, &mut elements);
    // SAFETY: as above.
    unsafe { lanes.load(elements[0].as_ptr()) }
}

/// The function in the lanes whose bit is set: values, then operands.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[cold]
#[inline(never)]
fn one_by_one<T: Real, const N: usize>(
    function: fn(T, T) -> T,
    mask: u32,
    [values, xs, ys]: &mut [[T; N]; 3],
) {
    for (i, value) in values.iter_mut().enumerate() {
        if mask >> i & 1 == 1 {
            *value = function(xs[i], ys[i]);
        }
    }
}
