//! One generic loop, compiled once for each [`Level`].

use crate::runtime::level::Level;

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

/// A [`Level`] as a type, for functions that call leveled ones and are nothing but calls themselves.
pub(super) trait AtLevel {
    const LEVEL: Level;
}

pub(super) struct Baseline;
impl AtLevel for Baseline {
    const LEVEL: Level = Level::Baseline;
}
pub(super) struct Avx2;
impl AtLevel for Avx2 {
    const LEVEL: Level = Level::Avx2;
}
pub(super) struct Avx512;
impl AtLevel for Avx512 {
    const LEVEL: Level = Level::Avx512;
}
