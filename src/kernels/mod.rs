//! The loops over memory: what runs where no machine code was emitted for a region.
//!
//! - [`elementwise`]: one op, cast or select over contiguous elements, in place where pointers are equal;
//! - [`reduce`]: the reduction tree whose bits depend on the length alone, and argmin/argmax;
//! - [`copy`]: boxes with any strides, gathered, scattered and filled;
//! - [`matmul`]: matrix products.
//!
//! Everything is a raw-pointer function behind a table keyed by op, dtype and [`Level`](crate::runtime::level::Level):
//! the caller has checked shapes and planned memory. A loop is written once, generic over the element type, and compiled
//! once a level by [`leveled!`]; the meaning of an op comes from [`raptors_ir::scalar`], and its bits do not
//! depend on the level. Limits: real dtypes only (copies move elements of any size), native byte order.

/// Declares `fn name<G>(level) -> unsafe fn(arguments)`: the generic `body`, compiled once for each level.
///
/// The body must be `#[inline(always)]`: it is compiled with the features of the function it is inlined to.
macro_rules! leveled {
    ($(#[$doc:meta])* $vis:vis fn $name:ident<$($g:ident: $bound:path),*>($($arg:ident: $type:ty),* $(,)?) = $body:ident) => {
        $(#[$doc])*
        $vis fn $name<$($g: $bound),*>(level: $crate::runtime::level::Level) -> unsafe fn($($type),*) {
            use $crate::runtime::level::Level;
            unsafe fn baseline<$($g: $bound),*>($($arg: $type),*) {
                // SAFETY: the caller keeps the body's contract.
                unsafe { $body::<$($g),*>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2<$($g: $bound),*>($($arg: $type),*) {
                // SAFETY: the caller keeps the body's contract.
                unsafe { $body::<$($g),*>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma")]
            unsafe fn avx512<$($g: $bound),*>($($arg: $type),*) {
                // SAFETY: the caller keeps the body's contract.
                unsafe { $body::<$($g),*>($($arg),*) }
            }
            match level {
                Level::Baseline => baseline::<$($g),*>,
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => avx2::<$($g),*>,
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => avx512::<$($g),*>,
                #[cfg(not(target_arch = "x86_64"))]
                Level::Avx2 | Level::Avx512 => baseline::<$($g),*>,
            }
        }
    };
}

mod convert;
pub mod copy;
pub mod elementwise;
mod fill;
mod transpose;

pub use elementwise::Kernel;
