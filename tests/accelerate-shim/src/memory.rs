//! Vectors as the entries get them: an address and a stride; and the floats in them.

use crate::log::{self, Call};

/// A float that entries are for.
pub(crate) trait Float: Copy + PartialOrd + std::ops::Neg<Output = Self> {
    const ZERO: Self;
    fn to_f64(self) -> f64;
    /// The next float of a greater magnitude.
    fn next(self) -> Self;
    /// The next float of a smaller magnitude.
    fn previous(self) -> Self;
    /// The number itself, or a zero of its sign for a subnormal one.
    fn flushed(self) -> Self;
    /// Whether it is a number other than zero.
    fn is_ordinary(self) -> bool;
}

macro_rules! floats {
    ($($t:ident)*) => { $(
        impl Float for $t {
            const ZERO: $t = 0.0;
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn next(self) -> $t {
                $t::from_bits(self.to_bits() + 1)
            }
            fn previous(self) -> $t {
                $t::from_bits(self.to_bits() - 1)
            }
            fn flushed(self) -> $t {
                if self.is_subnormal() { (0.0 as $t).copysign(self) } else { self }
            }
            fn is_ordinary(self) -> bool {
                self.is_normal()
            }
        }
    )* };
}
floats! { f32 f64 }

/// Elements at an address, so many apart.
#[derive(Clone, Copy)]
pub(crate) struct Vector<T> {
    pub(crate) at: *mut T,
    pub(crate) stride: isize,
}

impl<T: Copy> Vector<T> {
    pub(crate) fn new(at: *const T, stride: isize) -> Vector<T> {
        Vector { at: at.cast_mut(), stride }
    }

    /// # Safety
    ///
    /// There is an element `n`.
    pub(crate) unsafe fn get(self, n: usize) -> T {
        // SAFETY: as for this function.
        unsafe { self.at.offset(n as isize * self.stride).read() }
    }

    /// # Safety
    ///
    /// There is an element `n`.
    pub(crate) unsafe fn set(self, n: usize, value: T) {
        // SAFETY: as for this function.
        unsafe { self.at.offset(n as isize * self.stride).write(value) }
    }

    /// The bytes from the first to the last of `len` elements.
    fn reach(self, len: usize) -> std::ops::Range<usize> {
        let span = (len.saturating_sub(1) as isize * self.stride) * size_of::<T>() as isize;
        let (low, high) = (span.min(0), span.max(0) + size_of::<T>() as isize);
        self.at.addr().wrapping_add_signed(low)..self.at.addr().wrapping_add_signed(high)
    }
}

/// Notes a call, and refuses memory that the framework does not promise to work on.
#[track_caller]
pub(crate) fn enter<T: Float>(
    name: &'static str,
    sources: &[Vector<T>],
    scalars: &[T],
    target: Vector<T>,
    [written, read]: [usize; 2],
) {
    log::add(|| Call {
        name,
        target: target.at.addr(),
        sources: sources.iter().map(|source| source.at.addr()).collect(),
        scalars: scalars.iter().map(|scalar| scalar.to_f64()).collect(),
        len: read,
    });
    for vector in sources.iter().chain([&target]) {
        assert!(vector.at.addr().is_multiple_of(align_of::<T>()), "{name}: memory that is not aligned");
    }
    let to = target.reach(written);
    for source in sources {
        let from = source.reach(read);
        let same = source.at == target.at && source.stride == target.stride && written == read;
        let apart = from.end <= to.start || to.end <= from.start || read == 0;
        assert!(same || apart, "{name}: memory that overlaps in part");
    }
}
