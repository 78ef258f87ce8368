//! raptors: a lazy expression-graph array compiler.

pub mod runtime;
