//! Graph to graph: the rewriting, fusing and placing passes of raptors.
//!
//! A pass reads one graph and builds another; it cannot see another pass. [`PASSES`] is the pipeline, in order;
//! [`run`](run()) runs it, verifying and dumping between passes. Every rule that applied and every rule that was
//! refused leaves a [`Record`] in the [`Ledger`], with its reason; `explain` prints them.

#![forbid(unsafe_code)]

pub mod access;
pub mod check_place;
pub mod copies;
pub mod cost;
pub mod cse;
pub mod dce;
mod dependence;
pub mod diff;
pub mod fuse;
mod ledger;
pub mod legalize;
mod manager;
mod options;
pub mod phases;
pub mod place;
mod rewrite;
pub mod simplify;
mod values;
pub mod views;

use raptors_ir::Graph;

pub use ledger::{Ledger, Outcome, Record};
pub use manager::{PassRun, replay, run};
pub use options::{FpMode, Options};

/// A row of the pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// The name, as dumps and tests use it.
    pub name: &'static str,
    /// What the pass does, a few words.
    pub about: &'static str,
    /// Whether lowering needs what the pass adds; other passes may be skipped.
    pub required: bool,
    /// The pass.
    pub run: fn(&Graph, &Options, &mut Ledger) -> Graph,
}

/// The pipeline, in the order it runs.
pub const PASSES: &[Pass] = &[
    Pass {
        name: "views",
        about: "move views towards inputs, and join them",
        required: false,
        run: views::run,
    },
    Pass {
        name: "legalize",
        about: "compute in dtypes that kernels have",
        required: true,
        run: legalize::run,
    },
    Pass {
        name: "simplify",
        about: "exact algebraic identities and folding",
        required: false,
        run: simplify::run,
    },
    Pass { name: "cse", about: "merge equal subexpressions", required: false, run: cse::run },
    Pass { name: "dce", about: "drop nodes no output needs", required: false, run: dce::run },
    Pass {
        name: "copies",
        about: "copy what cannot be read or returned in place",
        required: true,
        run: copies::run,
    },
    Pass { name: "fuse", about: "group work into regions", required: true, run: fuse::run },
    Pass {
        name: "place",
        about: "put results into memory, reusing what dies",
        required: true,
        run: place::run,
    },
];
