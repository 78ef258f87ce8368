//! From a placed graph to a program; nothing else translates one into the other.
//!
//! A region becomes a loop nest ([`nest`]): nodes become a lane program, views under its operands become offsets and
//! strides. A region that uses its own reductions becomes several, which run in turn on each block of rows
//! ([`blocks`]); a concat a nest per part ([`concat`]). A matrix product takes the elementwise work of its region
//! as its epilogue ([`product`]); a library op is a step by itself ([`library`]).
//! Results that no cache holds are stored past them ([`non_temporal`]).

mod blocks;
mod concat;
mod library;
mod nest;
mod non_temporal;
mod product;

use raptors_ir::{Encoding, Graph, Layout, NodeId, Op, Slot};
use raptors_passes::access::{Access, Root, access};
use raptors_passes::phases::Phases;

use self::nest::NestBuilder;
pub(crate) use self::non_temporal::choose as choose_non_temporal;
use crate::error::Error;
use crate::program::{Memory, Operand, Program, ProgramResult, Step};
use crate::runtime::level::Level;

/// The program that computes `graph`, which has been through the passes.
pub(crate) fn lower(graph: &Graph, level: Level) -> Result<Program, Error> {
    let mut steps = Vec::with_capacity(graph.regions().len());
    let mut region_ends = Vec::with_capacity(graph.regions().len());
    for nodes in graph.regions() {
        lower_region(graph, nodes, level, &mut steps)?;
        region_ends.push(steps.len());
    }
    let results = graph
        .outputs()
        .iter()
        .map(|output| ProgramResult {
            slot: slot_of(graph, output.node),
            ty: graph.node(output.node).ty.clone(),
        })
        .collect();
    let mut overwritten: Vec<u32> = graph
        .ids()
        .filter_map(|id| match graph.slot(id) {
            Some(Slot::Parameter(n)) => Some(n),
            _ => None,
        })
        .collect();
    overwritten.sort_unstable();
    overwritten.dedup();
    let (arena, buffers) = (graph.arena(), graph.buffers().to_vec());
    Ok(Program { steps, region_ends, arena, buffers, results, overwritten })
}

/// Adds the steps of the region of these nodes.
fn lower_region(graph: &Graph, nodes: &[NodeId], level: Level, steps: &mut Vec<Step>) -> Result<(), Error> {
    let is_stored = |node: NodeId| graph.slot(node).is_some();
    // Without `dce` there is work for nobody, which has no memory to go to.
    if !nodes.iter().any(|&node| is_stored(node)) {
        return Ok(());
    }
    if let Some(&product) = nodes.iter().find(|&&node| *graph.op(node) == Op::Matmul) {
        steps.push(Step::Matmul(Box::new(product::matrix_product(graph, product, nodes, level)?)));
    } else if let [id] = *nodes
        && let Op::Library(op) = graph.op(id)
    {
        steps.push(Step::Library(Box::new(library::library_call(graph, id, op))));
    } else if let Some(&last) = nodes.last().filter(|&&last| matches!(graph.op(last), Op::Concat(_))) {
        let nests = concat::concat(graph, last, nodes, level)?;
        steps.extend(nests.into_iter().map(|nest| Step::Loop(Box::new(nest))));
    } else if let Some(phases) = Phases::of(graph, nodes, is_stored) {
        steps.push(Step::Blocks(Box::new(blocks::blocks(graph, &phases, level)?)));
    } else {
        steps.push(Step::Loop(Box::new(NestBuilder::of(graph, nodes).lower(nodes, level)?)));
    }
    Ok(())
}

fn slot_of(graph: &Graph, id: NodeId) -> Slot {
    match graph.slot(id) {
        Some(slot) => slot,
        None => unreachable!("placement gives every stored value a slot"),
    }
}

fn access_of(graph: &Graph, id: NodeId) -> Access {
    match access(graph, id) {
        Some(access) => access,
        None => unreachable!("the copies pass leaves no view that strides cannot express"),
    }
}

/// The memory at the end of an access, the byte where the root begins in it, and whether elements have the other byte
/// order; `None` for what is not in memory.
fn memory_of(graph: &Graph, root: Root) -> Option<(Memory, isize, bool)> {
    match root {
        Root::Parameter(n) => {
            let layout = &graph.parameters()[n as usize].layout;
            let swapped = matches!(layout, Layout::Strided { encoding: Encoding::Swapped, .. });
            Some((Memory::Parameter(n), 0, swapped))
        }
        Root::Value(id) => {
            let (memory, start) = memory_in(slot_of(graph, id));
            Some((memory, start, false))
        }
        Root::Scalar(_) | Root::Constant(_) | Root::Iota(_) => None,
    }
}

/// The memory of a slot, and the byte where the slot begins in it.
fn memory_in(slot: Slot) -> (Memory, isize) {
    match slot {
        Slot::Arena(offset) => (Memory::Arena, offset as isize),
        Slot::Buffer(id) => (Memory::Buffer(id), 0),
        Slot::Parameter(n) => (Memory::Parameter(n), 0),
        Slot::Output(n) => (Memory::Output(n), 0),
    }
}

fn stored(graph: &Graph, id: NodeId) -> Operand {
    let ty = &graph.node(id).ty;
    let (memory, offset) = memory_in(slot_of(graph, id));
    Operand {
        memory,
        dtype: ty.dtype,
        offset,
        strides: ty.shape.row_major_strides(ty.dtype.size()),
        swapped: false,
        part: None,
    }
}
