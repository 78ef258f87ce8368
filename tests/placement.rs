//! `check_place` against a naive replay: what it accepts, the replay accepts, however a placement is corrupted.
//!
//! The replay knows for every byte which byte of which value it holds, and for every element which elements it is
//! computed from.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::collections::HashMap;

use raptors_ir::{
    BufferId, DType, Destination, Graph, Layout, NodeId, Op, Output, Parameter, Placement, Shape, Slot, Type,
    parse, verify,
};
use raptors_passes::access::{part_of, root_of};
use raptors_passes::{Ledger, Options, check_place, place};

use crate::support::{Random, random_graph};

/// A byte of the arena, a buffer, a parameter or a result's memory.
type Address = (u8, u32, usize);

fn address(slot: Slot, byte: usize) -> Address {
    match slot {
        Slot::Arena(offset) => (0, 0, offset + byte),
        Slot::Buffer(id) => (1, id.0, byte),
        Slot::Parameter(n) => (2, n, byte),
        Slot::Output(n) => (3, n, byte),
    }
}

fn index_of(shape: &Shape, mut flat: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &dim) in index.iter_mut().zip(shape.iter()).rev() {
        (*i, flat) = (flat % dim, flat / dim);
    }
    index
}

fn flat_of(shape: &Shape, index: &[usize]) -> usize {
    index.iter().zip(shape.iter()).fold(0, |flat, (&i, &dim)| flat * dim + i)
}

/// The value under the views of `id`, and the number of its element that element `flat` of `id` is.
fn source(graph: &Graph, id: NodeId, flat: usize) -> (NodeId, usize) {
    let index = index_of(graph.shape(id), flat);
    let Some(&operand) = graph.operands(id).first() else { return (id, flat) };
    let shape = graph.shape(operand);
    let flat = match graph.op(id) {
        Op::Slice(dims) => {
            let at = |(&i, dim): (&usize, &raptors_ir::DimSlice)| {
                (dim.start as isize + i as isize * dim.step) as usize
            };
            flat_of(shape, &index.iter().zip(dims).map(at).collect::<Vec<_>>())
        }
        Op::Permute(axes) => {
            let mut from = vec![0; index.len()];
            for (&axis, &i) in axes.iter().zip(&index) {
                from[axis] = i;
            }
            flat_of(shape, &from)
        }
        Op::Broadcast(_) => {
            let lead = index.len() - shape.len();
            let at = |(&i, &dim): (&usize, &usize)| if dim == 1 { 0 } else { i };
            flat_of(shape, &index[lead..].iter().zip(shape.iter()).map(at).collect::<Vec<_>>())
        }
        Op::Reshape(_) | Op::Part(_) => flat,
        _ => return (id, flat),
    };
    source(graph, operand, flat)
}

/// How many passes over a row a region makes before it computes each of its nodes: one for each reduction on the way.
fn passes(graph: &Graph, nodes: &[NodeId]) -> HashMap<NodeId, usize> {
    let mut passes = HashMap::new();
    let mut ordered = nodes.to_vec();
    ordered.sort_unstable();
    for &node in &ordered {
        let before = |operand: NodeId| {
            let root = root_of(graph, operand);
            passes.get(&root).map_or(0, |n| n + usize::from(matches!(graph.op(root), Op::Reduce(..))))
        };
        let most = graph.operands(node).into_iter().map(before).max().unwrap_or(0);
        passes.insert(node, most);
    }
    passes
}

/// Whether running the regions in order, elements of a region in any order, gives every result.
fn is_sound(graph: &Graph) -> bool {
    let mut memory: HashMap<Address, (NodeId, usize)> = HashMap::new();
    let bytes_of = |id: NodeId, flat: usize| {
        let item = graph.node(id).ty.dtype.size();
        flat * item..(flat + 1) * item
    };
    for id in graph.ids() {
        if let Op::Parameter(n) = *graph.op(id)
            && graph.parameters()[n as usize].layout == Layout::RowMajor
        {
            memory.extend((0..graph.bytes(id)).map(|byte| (address(Slot::Parameter(n), byte), (id, byte))));
        }
    }
    for nodes in graph.regions() {
        // For each byte that is read, the elements it is read for: `None` where that is not one element.
        let mut read_for: HashMap<Address, Vec<Option<usize>>> = HashMap::new();
        for &node in nodes {
            for (n, operand) in graph.operands(node).into_iter().enumerate() {
                let elements = graph.shape(operand).size();
                for flat in 0..elements {
                    let (root, element) = source(graph, operand, flat);
                    let slot = match *graph.op(root) {
                        _ if nodes.contains(&root) => continue,
                        Op::Constant(_) | Op::Iota(_) => continue,
                        Op::Parameter(n) if graph.parameters()[n as usize].layout == Layout::RowMajor => {
                            Slot::Parameter(n)
                        }
                        Op::Parameter(_) => continue,
                        _ => graph.slot(root).unwrap(),
                    };
                    let same_space = match graph.op(node) {
                        Op::Reduce(..) => true,
                        // Of a library op's operands, the first is what it works on in place.
                        Op::Library(_) if n > 0 => false,
                        op => op.runs_in_place() && graph.shape(operand) == graph.shape(node),
                    };
                    let mut bytes = bytes_of(root, element);
                    if let Some(part) = part_of(graph, operand) {
                        let dtype = graph.node(root).ty.dtype;
                        let start = bytes.start + part.offset(dtype);
                        bytes = start..start + dtype.part().size();
                    }
                    for byte in bytes {
                        let address = address(slot, byte);
                        if memory.get(&address) != Some(&(root, byte)) {
                            return false;
                        }
                        read_for.entry(address).or_default().push(same_space.then_some(flat));
                    }
                }
            }
        }
        let passes = passes(graph, nodes);
        let last = passes.values().max();
        let mut written: HashMap<Address, NodeId> = HashMap::new();
        for &node in nodes {
            let Some(slot) = graph.slot(node) else { continue };
            let ty = &graph.node(node).ty;
            if matches!(slot, Slot::Arena(offset) if offset % ty.dtype.size() != 0) {
                return false;
            }
            for flat in 0..ty.shape.size() {
                for byte in bytes_of(node, flat) {
                    let address = address(slot, byte);
                    let own = graph.op(node).runs_in_place().then_some(flat);
                    let readers = read_for.get(&address);
                    let disturbs = |readers: &Vec<Option<usize>>| {
                        readers.iter().any(|&reader| reader.is_none() || reader != own)
                            || last > passes.get(&node)
                    };
                    if readers.is_some_and(disturbs) || written.insert(address, node).is_some() {
                        return false;
                    }
                    memory.insert(address, (node, byte));
                }
            }
        }
    }
    graph.outputs().iter().all(|output| {
        let slot = graph.slot(output.node).unwrap();
        (0..graph.bytes(output.node))
            .all(|byte| memory.get(&address(slot, byte)) == Some(&(output.node, byte)))
    })
}

fn placement(graph: &Graph) -> Placement {
    let slots = graph.ids().map(|id| graph.slot(id)).collect();
    Placement { slots, buffers: graph.buffers().to_vec(), arena: graph.arena() }
}

/// The graph with another slot for a value, two values' slots exchanged, or two regions that do not need each other.
fn corrupt(random: &mut Random, graph: &Graph) -> Graph {
    let mut new = graph.clone();
    let mut placement = placement(graph);
    let stored: Vec<usize> = (0..graph.len()).filter(|&i| placement.slots[i].is_some()).collect();
    let (a, b) = (random.pick(&stored), random.pick(&stored));
    match random.below(4) {
        0 => placement.slots.swap(a, b),
        1 => placement.slots[a] = placement.slots[b],
        2 if graph.arena() > 0 => {
            placement.slots[a] = Some(Slot::Arena(random.below(graph.arena())));
        }
        2 | 3 => {
            let mut regions = graph.regions().to_vec();
            let region = random.below(regions.len());
            let moved = regions.remove(region);
            regions.insert(random.below(regions.len() + 1), moved);
            new.set_regions(regions);
        }
        _ => unreachable!("one of four"),
    }
    new.set_placement(placement);
    new
}

#[test]
fn a_corrupted_placement_is_refused() {
    let (mut refused, mut sound) = (0, 0);
    for seed in 0..1500 {
        let mut random = Random::new(seed);
        let graph = random_graph(&mut random);
        let (placed, _) = raptors_passes::run(&graph, &Options::default(), &mut Ledger::default());
        assert!(is_sound(&placed), "seed {seed}\n{placed}");
        if placed.regions().is_empty() {
            continue;
        }
        for _ in 0..4 {
            let corrupted = corrupt(&mut random, &placed);
            if verify(&corrupted).is_err() {
                continue;
            }
            let objection = check_place::check(&corrupted).err();
            assert!(
                objection.is_some() || is_sound(&corrupted),
                "seed {seed}: accepted\n{placed}{corrupted}"
            );
            match objection {
                Some(_) => refused += 1,
                None => sound += 1,
            }
        }
    }
    assert!(refused > 400 && sound > 400, "{refused} refused, {sound} sound");
}

/// What the checker says of a placed graph.
#[track_caller]
fn objection(text: &str) -> String {
    let graph = parse(text).unwrap_or_else(|error| panic!("{error}"));
    verify(&graph).unwrap_or_else(|error| panic!("{error}"));
    check_place::check(&graph).map_or_else(|error| error.to_string(), |()| "none".to_owned())
}

const HALVES: &str = "graph @halves(%0: f32[4, 4]) {
  %1 = matmul %0, %0 in r0 -> a0
  %2 = slice %1 [0:2:1, 0:4:1]
  %3 = slice %1 [2:2:1, 0:4:1]
  %4 = sqrt %2 in r1 -> a0
  %5 = exp %3 in r2 -> a32
  %6 = matmul %4, %0 in r3 -> b0
  %7 = matmul %5, %0 in r4 -> b1
  buffers [32, 32]
  arena 64
  return %6, %7
}";

#[test]
fn bytes_are_told_apart() {
    assert_eq!(objection(HALVES), "none");
    let over = HALVES.replace("r2 -> a32", "r2 -> a0");
    assert!(
        objection(&over).contains("%6: reads %4 from a0, which no longer holds it"),
        "{}",
        objection(&over)
    );
    let under = HALVES.replace("r1 -> a0", "r1 -> a32");
    assert!(objection(&under).contains("%5: reads %1 from a0"), "{}", objection(&under));
    let unaligned = HALVES.replace("r1 -> a0", "r1 -> a2");
    assert!(objection(&unaligned).contains("between two of its elements"), "{}", objection(&unaligned));
}

#[test]
fn a_dropped_ordering_is_found() {
    let ordered = "graph @moved(%0: f32[4, 4], %1: f32[4, 4]) {
  %2 = sqrt %0 in r2 -> p0
  %3 = matmul %1, %1 in r0 -> a0
  %4 = matmul %0, %3 in r1 -> b0
  buffers [64]
  arena 64
  return %2 into %0, %4
}";
    assert_eq!(objection(ordered), "none");
    let dropped = ordered.replace("in r1", "in rx").replace("in r2", "in r1").replace("in rx", "in r2");
    assert!(objection(&dropped).contains("reads %0 from p0"), "{}", objection(&dropped));
}

/// Twenty thousand values, of which two are alive at a time; in a time that is linear.
#[test]
fn a_long_chain_needs_two_values() {
    let ty = Type { dtype: DType::F32, shape: Shape::new(&[4, 4]).unwrap() };
    let mut graph = Graph::new("chain");
    let parameter = Parameter { ty, layout: Layout::RowMajor, donated: false };
    let x = graph.push_parameter(parameter, None);
    let mut y = x;
    let mut regions = Vec::new();
    for _ in 0..20_000 {
        y = graph.push(Op::Matmul, &[y, x], None).unwrap();
        regions.push(vec![y]);
    }
    graph.push_output(Output { node: y, destination: Destination::Fresh });
    graph.set_regions(regions);
    for max_memory in [None, Some(0)] {
        let options = Options { max_memory, ..Options::default() };
        let placed = place::run(&graph, &options, &mut Ledger::default());
        assert_eq!((placed.buffers(), placed.arena()), ([64].as_slice(), 64));
        check_place::check(&placed).unwrap();
    }
}

/// Placement decides on memory alone: with every value in memory of its own, the checker has nothing to find either.
#[test]
fn memory_without_reuse_is_accepted() {
    for seed in 0..500 {
        let graph = random_graph(&mut Random::new(seed));
        let (mut placed, _) = raptors_passes::run(&graph, &Options::default(), &mut Ledger::default());
        let mut buffers = Vec::new();
        let slots = placed.ids().map(|id| {
            let given = placed
                .outputs()
                .iter()
                .any(|output| output.node == id && matches!(output.destination, Destination::Parameter(_)));
            match placed.slot(id)? {
                slot if given => Some(slot),
                _ => {
                    buffers.push(placed.bytes(id));
                    Some(Slot::Buffer(BufferId(buffers.len() as u32 - 1)))
                }
            }
        });
        let slots = slots.collect();
        placed.set_placement(Placement { slots, buffers, arena: 0 });
        check_place::check(&placed).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{placed}"));
    }
}
