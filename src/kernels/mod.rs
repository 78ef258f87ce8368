//! The loops over memory: what runs where no machine code was emitted for a region.
//!
//! - [`elementwise`]: one op, cast or select over contiguous elements, in place where pointers are equal;
//! - [`lanes`]: the lane algebra in vector registers, of which the functions of mathematics are made;
//! - [`reduce`]: the reduction tree whose bits depend on the length alone, and argmin/argmax;
//! - [`copy`]: boxes with any strides, gathered, scattered and filled;
//! - [`matmul`]: matrix products;
//! - [`cumulative`], [`sort`], [`gather`], [`scatter`], [`mask`], [`search`]: the executor's `library` steps;
//! - [`roof`]: what this machine does at most.
//!
//! Everything is a raw-pointer function behind a table keyed by op, dtype and [`Level`](crate::runtime::level::Level):
//! the caller has checked shapes and planned memory. A loop is written once, generic over the element type, and compiled
//! once a level; the meaning of an op comes from [`raptors_ir::scalar`], and its bits do not
//! depend on the level. Limits: real dtypes only (copies move elements of any size), native byte order.

#[macro_use]
mod level;
mod arg;
mod columns;
mod convert;
pub mod copy;
pub(crate) mod cumulative;
pub mod elementwise;
mod fill;
pub(crate) mod gather;
mod gemv;
mod integer_matmul;
pub mod lanes;
pub(crate) mod mask;
mod math;
pub mod matmul;
mod non_temporal;
pub(crate) mod product;
pub mod reduce;
pub(crate) mod radix;
mod reduction;
mod ring;
pub mod roof;
pub(crate) mod scatter;
pub(crate) mod search;
mod small_matmul;
pub(crate) mod sort;
pub(crate) mod sort_key;
mod transpose;
#[cfg(target_arch = "x86_64")]
mod vector_sort;

pub use elementwise::Kernel;
