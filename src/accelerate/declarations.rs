//! The C declarations of vDSP, vForce and CBLAS, for systems that have them.
//!
//! One place for all of them: those of vDSP and vForce follow from the [table](super::table) by their shape,
//! those of CBLAS are written out. `accelerate-src` links the framework, the shim stands for it elsewhere. Of
//! BLAS these are the names whose integers are an `int` ("LP64"): they are there on every macOS, and a binary
//! that names the newer ones does not start before 13.3.

use std::ffi::c_int;

use super::shape::{Length, Stride};
use super::table::{for_each_conversion, for_each_entry};

// What is linked has to be named.
#[cfg(all(feature = "accelerate-shim", not(target_os = "macos")))]
use accelerate_shim as _;
#[cfg(target_os = "macos")]
use accelerate_src as _;

/// Declares an entry of a shape for elements of a type.
macro_rules! declare {
    (Vector $name:ident $t:ty) => { declare! { $name(*const $t, Stride, *mut $t, Stride, Length) } };
    (VectorVector $name:ident $t:ty) => {
        declare! { $name(*const $t, Stride, *const $t, Stride, *mut $t, Stride, Length) }
    };
    (VectorVectorSwapped $name:ident $t:ty) => { declare! { VectorVector $name $t } };
    (VectorScalar $name:ident $t:ty) => {
        declare! { $name(*const $t, Stride, *const $t, *mut $t, Stride, Length) }
    };
    (ScalarVector $name:ident $t:ty) => {
        declare! { $name(*const $t, *const $t, Stride, *mut $t, Stride, Length) }
    };
    (VectorScalarScalar $name:ident $t:ty) => {
        declare! { $name(*const $t, Stride, *const $t, *const $t, *mut $t, Stride, Length) }
    };
    (ThreeVectors $name:ident $t:ty) => {
        declare! { $name(*const $t, Stride, *const $t, Stride, *const $t, Stride, *mut $t, Stride, Length) }
    };
    (VectorVectorScalar $name:ident $t:ty) => {
        declare! { $name(*const $t, Stride, *const $t, Stride, *const $t, *mut $t, Stride, Length) }
    };
    (VectorScalarVector $name:ident $t:ty) => {
        declare! { $name(*const $t, Stride, *const $t, *const $t, Stride, *mut $t, Stride, Length) }
    };
    (VectorScalarVectorScalar $name:ident $t:ty) => {
        declare! { $name(*const $t, Stride, *const $t, *const $t, Stride, *const $t, *mut $t, Stride, Length) }
    };
    (FourVectors $name:ident $t:ty) => {
        declare! {
            $name(
                *const $t, Stride, *const $t, Stride, *const $t, Stride, *const $t, Stride,
                *mut $t, Stride, Length
            )
        }
    };
    (Reduce $name:ident $t:ty) => { declare! { $name(*const $t, Stride, *mut $t, Length) } };
    (ReduceTwo $name:ident $t:ty) => { declare! { $name(*const $t, Stride, *const $t, Stride, *mut $t, Length) } };
    (Force $name:ident $t:ty) => { declare! { $name(*mut $t, *const $t, *const c_int) } };
    (ForceTwo $name:ident $t:ty) => { declare! { $name(*mut $t, *const $t, *const $t, *const c_int) } };
    (ForceTwoSwapped $name:ident $t:ty) => { declare! { ForceTwo $name $t } };
    ($name:ident($($parameter:ty),*)) => {
        unsafe extern "C" {
            #[allow(non_snake_case, reason = "the name in C")]
            pub(super) fn $name($(_: $parameter),*);
        }
    };
}

macro_rules! declare_entries {
    ($($(#[doc = $doc:literal])* $single:ident, $double:ident: $shape:ident, $rank:ident,
        [$($contract:ident $formula:literal $(=> $scalars:literal)?),*];)*) => {
        $(declare! { $shape $single f32 } declare! { $shape $double f64 })*
    };
}
for_each_entry!(declare_entries);

macro_rules! declare_conversions {
    ($($name:ident: $from:ty => $to:ty, $rank:ident;)*) => {
        $(declare! { $name(*const $from, Stride, *mut $to, Stride, Length) })*
    };
    ($($name:ident: $from:ident -> $to:ident, $rank:ident;)*) => {
        declare_conversions! { $($name: $from => $to, $rank;)* }
    };
}
for_each_conversion!(declare_conversions);

unsafe extern "C" {
    pub(super) fn cblas_sgemm(
        order: c_int,
        trans_a: c_int,
        trans_b: c_int,
        m: c_int,
        n: c_int,
        k: c_int,
        alpha: f32,
        a: *const f32,
        lda: c_int,
        b: *const f32,
        ldb: c_int,
        beta: f32,
        c: *mut f32,
        ldc: c_int,
    );
    pub(super) fn cblas_dgemm(
        order: c_int,
        trans_a: c_int,
        trans_b: c_int,
        m: c_int,
        n: c_int,
        k: c_int,
        alpha: f64,
        a: *const f64,
        lda: c_int,
        b: *const f64,
        ldb: c_int,
        beta: f64,
        c: *mut f64,
        ldc: c_int,
    );
    pub(super) fn cblas_sgemv(
        order: c_int,
        trans_a: c_int,
        m: c_int,
        n: c_int,
        alpha: f32,
        a: *const f32,
        lda: c_int,
        x: *const f32,
        inc_x: c_int,
        beta: f32,
        y: *mut f32,
        inc_y: c_int,
    );
    pub(super) fn cblas_dgemv(
        order: c_int,
        trans_a: c_int,
        m: c_int,
        n: c_int,
        alpha: f64,
        a: *const f64,
        lda: c_int,
        x: *const f64,
        inc_x: c_int,
        beta: f64,
        y: *mut f64,
        inc_y: c_int,
    );
    pub(super) fn cblas_sdot(n: c_int, x: *const f32, inc_x: c_int, y: *const f32, inc_y: c_int) -> f32;
    pub(super) fn cblas_ddot(n: c_int, x: *const f64, inc_x: c_int, y: *const f64, inc_y: c_int) -> f64;
    pub(super) fn cblas_sscal(n: c_int, alpha: f32, x: *mut f32, inc_x: c_int);
    pub(super) fn cblas_dscal(n: c_int, alpha: f64, x: *mut f64, inc_x: c_int);
}
