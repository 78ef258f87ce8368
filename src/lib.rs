//! raptors: a lazy expression-graph array compiler.
//!
//! Operations on an [`Array`] build a graph and compute nothing. [`Array::eval`] rewrites the graph (simplify, share,
//! fuse, place results in memory that dies) and runs what is left as fused loops over all cores.
//!
//! ```
//! use raptors::lazy;
//! let a: Vec<f32> = (0..1000).map(|n| n as f32).collect();
//! let b = vec![1.0f32; 1000];
//! let y = (lazy(&a) * 2.0 + &b).sqrt();
//! let out = y.eval()?;
//! assert_eq!(out.as_slice::<f32>().map(|s| s[4]), Some(3.0));
//! assert_eq!(y.plan()?.kernels(), 1);
//! # Ok::<(), raptors::Error>(())
//! ```
//!
//! Start reading at [`compile`]: it names every stage. Values are NumPy's, bit for bit where IEEE 754 or integer
//! arithmetic defines them, and within 1 ULP for transcendental functions (2 for `logaddexp`; 4 with [`FpMode::Fast`]); they do not depend on the number of threads, the
//! SIMD level, or what was fused with what.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/compile.md")]
struct CompiledFunctions;

pub mod array;
pub mod shared;
pub mod ops;
pub mod views;
pub mod creation;
pub mod pad;
pub mod sorting;
pub mod indexing;
pub mod searching;
mod operators;
mod into_array;
pub mod source;
mod capture;
pub mod compile;
mod cache;
pub mod eval;
pub mod function;
mod aliasing;
mod peak;
pub mod recomputed;
mod run;
mod lower;
mod program;
pub mod jit;
pub mod accelerate;
mod codegen;
mod executor;
pub mod kernels;
pub mod runtime;
mod tensor;
pub mod plan;
mod error;

pub use array::Array;
pub use cache::{CacheInfo, clear as clear_plan_cache, info as cache_info};
pub use error::{Difference, Error, OperandNote};
pub use eval::{eval, eval_with};
pub use function::Function;
pub use into_array::{IntoArray, lazy};
pub use operators::Term;
pub use plan::Plan;
pub use raptors_ir as ir;
pub use raptors_ir::{BF16, DType, Element, F16, Order, Shape, Side, Type, Write};
pub use raptors_passes::{FpMode, Options};
pub use run::{apply_graph, random_inputs, run_graph};
pub use runtime::watch::CancelToken;
pub use tensor::Tensor;
pub use views::Index;
