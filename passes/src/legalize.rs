//! Legalization: ops on dtypes that no kernel computes with become ops on dtypes that kernels do compute with.
//!
//! A family of dtypes has a file, which rewrites the whole graph, and a row in [`FAMILIES`]. After this pass such dtypes
//! are only moved: read from parameters, stored as results, copied, joined, chosen between, put in order, or converted as a
//! kernel can.
//! A graph without them is left as it is, and costs a look at each node. It runs after `views`, for which an op is one
//! node, and before `simplify`, which then sees what is really computed; equal conversions are merged by `cse`.

mod complex;
mod half;

use std::borrow::Cow;

use raptors_ir::{DType, Graph};

use crate::{Ledger, Options};

/// Dtypes that are rewritten together.
struct Family {
    /// Whether a dtype belongs to it.
    includes: fn(DType) -> bool,
    /// Rewrites a graph that has some.
    rewrite: fn(&Graph, &mut Ledger) -> Graph,
}

/// The families, in the order they are rewritten.
const FAMILIES: &[Family] = &[
    Family { includes: DType::is_complex, rewrite: complex::rewrite },
    Family { includes: DType::is_half, rewrite: half::rewrite },
];

/// Returns `graph` with ops on dtypes that have kernels.
pub fn run(graph: &Graph, _options: &Options, ledger: &mut Ledger) -> Graph {
    let mut graph = Cow::Borrowed(graph);
    for family in FAMILIES {
        if graph.ids().any(|id| (family.includes)(graph.node(id).ty.dtype)) {
            graph = Cow::Owned((family.rewrite)(&graph, ledger));
        }
    }
    graph.into_owned()
}
