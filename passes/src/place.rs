//! Placement: every stored value gets memory, and memory that dies is used again.
//!
//! 1. A value is written over an operand where that is safe ([`overwrite`]); regions that read what would be
//!    overwritten are moved before ([`order`]). A result for memory that something else still reads is computed
//!    elsewhere, and copied by a last region.
//! 2. Values written over each other share a block. A block that ends in a result is that result's memory: a buffer of
//!    its own, memory the caller gave, or a donated parameter's.
//! 3. The other blocks live from their first region to their last. They are packed into the memory of results that
//!    are not written yet, and into one arena ([`layout`], [`pack`]): what a run allocates is known before it.
//!
//! Above [`Options::max_memory`], other orders of the regions are tried, and the one that needs least is taken.
//!
//! Refusals of donated parameters and of `into` memory are in the ledger. `check_place` proves the outcome again.
//! O(n log n) in nodes and operands.

mod layout;
mod order;
mod overwrite;
mod pack;
mod reads;

use raptors_ir::{Destination, Graph, Node, NodeId, Op, Output, Placement};

use self::layout::Direction;
use self::order::Order;
use self::reads::Reads;
use crate::{Ledger, Options};

/// Returns `graph` with a slot for each stored value, and its regions in the order they run.
pub fn run(graph: &Graph, options: &Options, ledger: &mut Ledger) -> Graph {
    let mut new = graph.clone();
    let mut reads = Reads::new(graph);
    let mut order = Order::new(&reads);
    let late = late_results(graph, &reads, &mut order, ledger);
    if !late.is_empty() {
        copy_late_results(&mut new, &late);
        reads = Reads::new(&new);
        order.extend(&reads);
        for (n, late) in late.iter().enumerate() {
            order.put_last((graph.regions().len() + n) as u32, reads.readers(late.parameter));
        }
    }
    let blocks = overwrite::assign(&new, &reads, &mut order, ledger);
    let regions = layout::regions_of_blocks(&new, &reads, &blocks);
    let mut placement = layout::lay_out(&new, &order, &blocks, &regions);
    if options.max_memory.is_some_and(|most| bytes(&placement) > most) {
        let mut best = order.regions().to_vec();
        for direction in Direction::ALL {
            order.set(layout::least_memory(&order, &blocks.blocks, &regions, direction));
            let other = layout::lay_out(&new, &order, &blocks, &regions);
            if bytes(&other) < bytes(&placement) {
                (placement, best) = (other, order.regions().to_vec());
            }
        }
        order.set(best);
    }
    let ordered = order.regions().iter().map(|&region| new.regions()[region as usize].clone()).collect();
    new.set_regions(ordered);
    new.set_placement(placement);
    new
}

/// Bytes that a run allocates.
fn bytes(placement: &Placement) -> usize {
    placement.buffers.iter().fold(placement.arena, |sum, &bytes| sum.saturating_add(bytes))
}

/// A result that must go to a parameter's memory, and is computed before all of that has been read.
struct Late {
    /// Its number.
    output: usize,
    parameter: NodeId,
}

fn late_results(graph: &Graph, reads: &Reads, order: &mut Order, ledger: &mut Ledger) -> Vec<Late> {
    let mut late = Vec::new();
    for (n, output) in graph.outputs().iter().enumerate() {
        let Destination::Parameter(parameter) = output.destination else { continue };
        let Some(region) = reads.region_of[output.node.index()] else { continue };
        let Some(root) = graph.ids().find(|&id| *graph.op(id) == Op::Parameter(parameter)) else { continue };
        let memory = (root, &(0..graph.bytes(output.node)));
        let Err(problem) = overwrite::make_way(graph, reads, order, memory, (output.node, region)) else {
            continue;
        };
        ledger.refused("place", "into-input", graph, output.node, problem);
        let detail = "the memory given is still read when it is computed";
        ledger.applied("copies", "output", graph, output.node, detail);
        late.push(Late { output: n, parameter: root });
    }
    late
}

/// Appends a copying region for each of these results.
fn copy_late_results(graph: &mut Graph, late: &[Late]) {
    let mut outputs = graph.outputs().to_vec();
    let mut regions = graph.regions().to_vec();
    for &Late { output, .. } in late {
        let output = &mut outputs[output];
        let Node { ty, source, .. } = graph.node(output.node).clone();
        let copy = graph.push_node(Node { op: Op::Copy, ty, source }, &[output.node]);
        regions.push(vec![copy]);
        *output = Output { node: copy, ..*output };
    }
    graph.set_outputs(outputs);
    graph.set_regions(regions);
}
