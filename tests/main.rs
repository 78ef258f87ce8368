//! The integration tests of raptors, in one binary.

#[cfg(all(feature = "accelerate-shim", not(target_os = "macos")))]
mod accelerate;
mod api;
mod cancel;
mod codegen;
mod donation;
mod eval;
mod exhaustive;
mod explain;
mod function;
mod fuzz;
mod huge;
mod kernels;
mod launch;
mod model;
mod non_temporal;
mod passes;
mod placement;
mod rules;
mod run;
mod runtime;
mod scalar;
mod support;
mod text;
mod tidy;
#[cfg(feature = "tracing")]
mod trace;
mod ulp;
mod verify;
