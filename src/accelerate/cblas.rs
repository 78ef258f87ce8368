//! The routines of CBLAS that are called, and the libraries that have them.
//!
//! Accelerate is one. `RAPTORS_BLAS=openblas`, read once, has matrix products computed by the system's OpenBLAS instead, which is
//! loaded when the first one is planned (feature `openblas`); `RAPTORS_BLAS=gemm` by our loops and the `gemm` crate,
//! whatever `RAPTORS_ACCELERATE` says. Integers are an `int` in both libraries ("LP64").

use std::ffi::{OsStr, c_int};
use std::sync::OnceLock;

type Gemm<T> = unsafe extern "C" fn(
    order: c_int,
    trans_a: c_int,
    trans_b: c_int,
    m: c_int,
    n: c_int,
    k: c_int,
    alpha: T,
    a: *const T,
    lda: c_int,
    b: *const T,
    ldb: c_int,
    beta: T,
    c: *mut T,
    ldc: c_int,
);
type Gemv<T> = unsafe extern "C" fn(
    order: c_int,
    trans_a: c_int,
    m: c_int,
    n: c_int,
    alpha: T,
    a: *const T,
    lda: c_int,
    x: *const T,
    inc_x: c_int,
    beta: T,
    y: *mut T,
    inc_y: c_int,
);
type Dot<T> = unsafe extern "C" fn(n: c_int, x: *const T, inc_x: c_int, y: *const T, inc_y: c_int) -> T;
type Scal<T> = unsafe extern "C" fn(n: c_int, alpha: T, x: *mut T, inc_x: c_int);

/// `CblasRowMajor`.
pub(super) const ROW_MAJOR: c_int = 101;
/// `CblasNoTrans`.
pub(super) const AS_IT_IS: c_int = 111;
/// `CblasTrans`.
pub(super) const TRANSPOSED: c_int = 112;

/// The routines for a float.
#[derive(Clone, Copy)]
pub(crate) struct Table<T> {
    pub(super) gemm: Gemm<T>,
    pub(super) gemv: Gemv<T>,
    pub(super) dot: Dot<T>,
    pub(super) scal: Scal<T>,
}

/// A library's routines.
#[derive(Clone, Copy)]
pub(crate) struct Library {
    pub(crate) singles: Table<f32>,
    pub(super) doubles: Table<f64>,
}

/// Accelerate, where the build has it.
pub(super) fn accelerate() -> Option<&'static Library> {
    #[cfg(any(target_os = "macos", feature = "accelerate-shim"))]
    {
        use super::declarations::*;
        static ACCELERATE: Library = Library {
            singles: Table { gemm: cblas_sgemm, gemv: cblas_sgemv, dot: cblas_sdot, scal: cblas_sscal },
            doubles: Table { gemm: cblas_dgemm, gemv: cblas_dgemv, dot: cblas_ddot, scal: cblas_dscal },
        };
        Some(&ACCELERATE)
    }
    #[cfg(not(any(target_os = "macos", feature = "accelerate-shim")))]
    None
}

/// What `RAPTORS_BLAS` wants matrix products computed by.
pub(super) enum Choice {
    /// It says nothing.
    Usual,
    /// Our loops and the `gemm` crate.
    Gemm,
    /// OpenBLAS.
    OpenBlas(Library),
}

/// What `RAPTORS_BLAS` says; what cannot be had is said on stderr, and is the usual.
pub(super) fn choice() -> &'static Choice {
    static CHOICE: OnceLock<Choice> = OnceLock::new();
    CHOICE.get_or_init(|| {
        let value = std::env::var_os("RAPTORS_BLAS").unwrap_or_default();
        read(&value).unwrap_or_else(|error| {
            eprintln!("raptors: RAPTORS_BLAS={}: {error}; using the usual", value.display());
            Choice::Usual
        })
    })
}

fn read(value: &OsStr) -> Result<Choice, String> {
    match value.to_str() {
        Some("") => Ok(Choice::Usual),
        Some("gemm") => Ok(Choice::Gemm),
        Some("openblas") => open_blas().map(Choice::OpenBlas),
        _ => Err("not one of gemm, openblas".to_owned()),
    }
}

#[cfg(not(all(unix, feature = "openblas")))]
fn open_blas() -> Result<Library, String> {
    Err("this build has no OpenBLAS (feature openblas, not on Windows)".to_owned())
}

/// Loads OpenBLAS, for the rest of the process.
#[cfg(all(unix, feature = "openblas"))]
fn open_blas() -> Result<Library, String> {
    use std::ffi::{CStr, c_void};

    const NAMES: &[&CStr] = if cfg!(target_os = "macos") {
        &[
            c"libopenblas.dylib",
            c"/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
            c"/usr/local/opt/openblas/lib/libopenblas.dylib",
        ]
    } else {
        &[c"libopenblas.so.0", c"libopenblas.so"]
    };
    // SAFETY: a library is loaded that the user asked for by name; what it does then is its own.
    let open = |name: &&CStr| unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    let handle = NAMES.iter().map(open).find(|handle| !handle.is_null());
    let handle = handle.ok_or_else(|| {
        format!("there is no {} (on Debian the package libopenblas0)", NAMES[0].to_string_lossy())
    })?;
    let symbol = |name: &CStr| -> Result<*mut c_void, String> {
        // SAFETY: the handle is open, and never closed.
        let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
        if found.is_null() { Err(format!("it has no {}", name.to_string_lossy())) } else { Ok(found) }
    };
    macro_rules! function {
        ($name:literal, $type:ty) => {
            // SAFETY: CBLAS defines what a function of this name takes and gives, which is the type.
            unsafe { std::mem::transmute::<*mut c_void, $type>(symbol($name)?) }
        };
    }
    Ok(Library {
        singles: Table {
            gemm: function!(c"cblas_sgemm", Gemm<f32>),
            gemv: function!(c"cblas_sgemv", Gemv<f32>),
            dot: function!(c"cblas_sdot", Dot<f32>),
            scal: function!(c"cblas_sscal", Scal<f32>),
        },
        doubles: Table {
            gemm: function!(c"cblas_dgemm", Gemm<f64>),
            gemv: function!(c"cblas_dgemv", Gemv<f64>),
            dot: function!(c"cblas_ddot", Dot<f64>),
            scal: function!(c"cblas_dscal", Scal<f64>),
        },
    })
}

/// The library that computes matrix products, where one does.
pub(super) fn of_products() -> Option<&'static Library> {
    match choice() {
        Choice::OpenBlas(library) => Some(library),
        Choice::Usual | Choice::Gemm => accelerate(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_read_or_refused() {
        assert!(matches!(read(OsStr::new("")), Ok(Choice::Usual)));
        assert!(matches!(read(OsStr::new("gemm")), Ok(Choice::Gemm)));
        assert!(read(OsStr::new("mkl")).is_err_and(|error| error.contains("openblas")));
    }
}
