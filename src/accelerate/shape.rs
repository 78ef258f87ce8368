//! Shapes: the C signatures of the entries, each with one way to call it.
//!
//! A call takes the destination, sources, scalars and the length, in the order of the formula's letters. What
//! a signature has otherwise is hidden here: scalars behind pointers, strides, swapped operands, the exponent
//! before the base, an `int` length. Sources and destination are contiguous.

use std::ffi::c_int;

/// `vDSP_Stride`, in elements.
pub(crate) type Stride = isize;
/// `vDSP_Length`.
pub(crate) type Length = usize;

/// The most elements of a vForce call, whose length is an `int`.
const LONGEST_FORCE: usize = 1 << 30;

/// The most vectors and scalars of a signature.
pub(crate) const MOST_SOURCES: usize = 4;
pub(crate) const MOST_SCALARS: usize = 2;

/// What one call works on, in elements of `T`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments<T> {
    pub(crate) target: *mut T,
    /// As many as the shape has; the others are not used.
    pub(crate) sources: [*const T; MOST_SOURCES],
    pub(crate) scalars: [T; MOST_SCALARS],
    /// Elements of each source, and of the target unless it is one sum.
    pub(crate) len: usize,
}

macro_rules! shapes {
    ($($(#[doc = $doc:literal])* $shape:ident($sources:literal, $scalars:literal, $spelled:literal):
        fn($($parameter:ty),*);)*) => {
        /// A signature, by what it is passed.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Shape {
            $($(#[doc = $doc])* $shape,)*
        }

        /// An entry of a signature, for elements of `T`.
        #[cfg_attr(
            not(any(target_os = "macos", feature = "accelerate-shim")),
            allow(dead_code, reason = "there is no function to be called")
        )]
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Function<T> {
            $($shape(unsafe extern "C" fn($($parameter),*)),)*
        }

        impl Shape {
            /// The number of vectors that are read.
            pub(crate) fn sources(self) -> usize {
                match self { $(Shape::$shape => $sources,)* }
            }

            /// The number of scalars.
            pub(crate) fn scalars(self) -> usize {
                match self { $(Shape::$shape => $scalars,)* }
            }

            /// The arguments as C has them: letters as in formulas, `o` the destination, `n` the length.
            pub(crate) fn spelled(self) -> &'static str {
                match self { $(Shape::$shape => $spelled,)* }
            }
        }
    };
}

shapes! {
    /// A vector.
    Vector(1, 0, "a 1 o 1 n"): fn(*const T, Stride, *mut T, Stride, Length);
    /// Two vectors.
    VectorVector(2, 0, "a 1 b 1 o 1 n"): fn(*const T, Stride, *const T, Stride, *mut T, Stride, Length);
    /// Two vectors, the second first.
    VectorVectorSwapped(2, 0, "b 1 a 1 o 1 n"): fn(*const T, Stride, *const T, Stride, *mut T, Stride, Length);
    /// A vector and a scalar.
    VectorScalar(1, 1, "a 1 &s o 1 n"): fn(*const T, Stride, *const T, *mut T, Stride, Length);
    /// A scalar and a vector.
    ScalarVector(1, 1, "&s a 1 o 1 n"): fn(*const T, *const T, Stride, *mut T, Stride, Length);
    /// A vector and two scalars.
    VectorScalarScalar(1, 2, "a 1 &s &t o 1 n"):
        fn(*const T, Stride, *const T, *const T, *mut T, Stride, Length);
    /// Three vectors.
    ThreeVectors(3, 0, "a 1 b 1 c 1 o 1 n"):
        fn(*const T, Stride, *const T, Stride, *const T, Stride, *mut T, Stride, Length);
    /// Two vectors and a scalar.
    VectorVectorScalar(2, 1, "a 1 b 1 &s o 1 n"):
        fn(*const T, Stride, *const T, Stride, *const T, *mut T, Stride, Length);
    /// A vector, a scalar, and a vector.
    VectorScalarVector(2, 1, "a 1 &s b 1 o 1 n"):
        fn(*const T, Stride, *const T, *const T, Stride, *mut T, Stride, Length);
    /// Two vectors, each with a scalar.
    VectorScalarVectorScalar(2, 2, "a 1 &s b 1 &t o 1 n"):
        fn(*const T, Stride, *const T, *const T, Stride, *const T, *mut T, Stride, Length);
    /// Four vectors.
    FourVectors(4, 0, "a 1 b 1 c 1 d 1 o 1 n"):
        fn(*const T, Stride, *const T, Stride, *const T, Stride, *const T, Stride, *mut T, Stride, Length);
    /// A sum of one vector's elements.
    Reduce(1, 0, "a 1 &o n"): fn(*const T, Stride, *mut T, Length);
    /// A sum of two vectors' elements.
    ReduceTwo(2, 0, "a 1 b 1 &o n"): fn(*const T, Stride, *const T, Stride, *mut T, Length);
    /// vForce, of one vector.
    Force(1, 0, "o a &n"): fn(*mut T, *const T, *const c_int);
    /// vForce, of two.
    ForceTwo(2, 0, "o a b &n"): fn(*mut T, *const T, *const T, *const c_int);
    /// vForce, of two, the second first.
    ForceTwoSwapped(2, 0, "o b a &n"): fn(*mut T, *const T, *const T, *const c_int);
}

impl Shape {
    /// Whether an entry combines elements to one.
    pub(crate) fn reduces(self) -> bool {
        matches!(self, Shape::Reduce | Shape::ReduceTwo)
    }

    /// Whether the signature is one of vForce.
    pub(crate) fn is_force(self) -> bool {
        matches!(self, Shape::Force | Shape::ForceTwo | Shape::ForceTwoSwapped)
    }
}

impl<T: Copy> Function<T> {
    /// Calls the entry.
    ///
    /// # Safety
    ///
    /// The sources of the shape have `len` elements each; the target has room for them, or for one if the
    /// entry reduces. All are aligned. The target is a source, from its first element on, or overlaps none.
    pub(crate) unsafe fn call(self, arguments: &Arguments<T>) {
        let Arguments { target: o, sources: [a, b, c, d], scalars: [ref s, ref t], len: n } = *arguments;
        // SAFETY: each signature is passed what its shape says, which the caller vouches for; scalars are on
        // this frame.
        unsafe {
            match self {
                Function::Vector(f) => f(a, 1, o, 1, n),
                Function::VectorVector(f) => f(a, 1, b, 1, o, 1, n),
                Function::VectorVectorSwapped(f) => f(b, 1, a, 1, o, 1, n),
                Function::VectorScalar(f) => f(a, 1, s, o, 1, n),
                Function::ScalarVector(f) => f(s, a, 1, o, 1, n),
                Function::VectorScalarScalar(f) => f(a, 1, s, t, o, 1, n),
                Function::ThreeVectors(f) => f(a, 1, b, 1, c, 1, o, 1, n),
                Function::VectorVectorScalar(f) => f(a, 1, b, 1, s, o, 1, n),
                Function::VectorScalarVector(f) => f(a, 1, s, b, 1, o, 1, n),
                Function::VectorScalarVectorScalar(f) => f(a, 1, s, b, 1, t, o, 1, n),
                Function::FourVectors(f) => f(a, 1, b, 1, c, 1, d, 1, o, 1, n),
                Function::Reduce(f) => f(a, 1, o, n),
                Function::ReduceTwo(f) => f(a, 1, b, 1, o, n),
                Function::Force(f) => in_parts(n, |i, n| f(o.add(i), a.add(i), n)),
                Function::ForceTwo(f) => in_parts(n, |i, n| f(o.add(i), a.add(i), b.add(i), n)),
                Function::ForceTwoSwapped(f) => in_parts(n, |i, n| f(o.add(i), b.add(i), a.add(i), n)),
            }
        }
    }
}

/// Calls `part` with the first element and the length of parts that an `int` can count.
fn in_parts(len: usize, part: impl Fn(usize, &c_int)) {
    let mut done = 0;
    while done < len {
        let count = (len - done).min(LONGEST_FORCE);
        part(done, &(count as c_int));
        done += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn long_vectors_are_cut_to_what_an_int_counts() {
        let parts = RefCell::new(Vec::new());
        in_parts((5 << 30) + 7, |start, &len| parts.borrow_mut().push((start, len)));
        let parts = parts.into_inner();
        assert_eq!(parts.len(), 6);
        assert_eq!(parts.last(), Some(&(5 << 30, 7)));
        assert!(parts.windows(2).all(|pair| pair[0].0 + pair[0].1 as usize == pair[1].0));
    }
}
