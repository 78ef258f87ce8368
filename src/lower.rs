//! From a placed graph to a program; the only file that translates one into the other.
//!
//! A region becomes a loop nest: nodes become a lane program, views under its operands become offsets and strides. The
//! iteration space is ordered (kept, reduced, kept), dimensions of length 1 are dropped, and neighbours that every
//! operand strides through evenly are collapsed into one. A concat becomes a nest per
//! part, which computes the part where the concat has it; parts with common work are one. A matrix product takes the elementwise work of its region as its epilogue, a nest over the elements of the product.

use std::collections::BTreeSet;

use raptors_ir::{DType, Dims, ElementwiseOp, Encoding, Graph, Layout, NodeId, Op, Shape, Slot, Strides};
use raptors_passes::access::{Access, Root, access, broadcast_strides, reshape_strides, root_of};
use rustc_hash::FxHashMap;

use crate::codegen::lane::{LaneOp, LaneProgram, OperandId, Reduction, Scalar, ValueId};
use crate::codegen::tile::TileProgram;
use crate::error::Error;
use crate::program::{LoopNest, MatrixProduct, Memory, Operand, Program, ProgramResult, Step};
use crate::runtime::level::Level;

/// The program that computes `graph`, which has been through the passes.
pub(crate) fn lower(graph: &Graph, level: Level) -> Result<Program, Error> {
    let mut steps = Vec::with_capacity(graph.regions().len());
    let mut region_ends = Vec::with_capacity(graph.regions().len());
    for nodes in graph.regions() {
        // Without `dce` there is work for nobody, which has no memory to go to.
        if nodes.iter().all(|&node| graph.slot(node).is_none()) {
            continue;
        }
        if let Some(&product) = nodes.iter().find(|&&node| *graph.op(node) == Op::Matmul) {
            steps.push(Step::Matmul(Box::new(matrix_product(graph, product, nodes, level)?)));
            continue;
        }
        match nodes.last() {
            Some(&last) if matches!(graph.op(last), Op::Concat(_)) => {
                for nest in concat(graph, last, nodes, level)? {
                    steps.push(Step::Loop(Box::new(nest)));
                }
            }
            _ => steps.push(Step::Loop(Box::new(NestBuilder::new(graph, nodes).lower(level)?))),
        }
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
    }
}

/// The product `id`, and the other `nodes` of its region as its epilogue.
fn matrix_product(graph: &Graph, id: NodeId, nodes: &[NodeId], level: Level) -> Result<MatrixProduct, Error> {
    let result_shape = graph.shape(id);
    let (batch, _) = result_shape.split_at(result_shape.len() - 2);
    let operands = graph.operands(id);
    let operand = |operand: NodeId| {
        let shape = graph.shape(operand);
        let access = access_of(graph, operand);
        let Some((memory, start, swapped)) = memory_of(graph, access.root) else {
            unreachable!("the copies pass gives a matrix product memory to read")
        };
        let mut full = Dims::from_slice(batch);
        full.extend_from_slice(&shape[shape.len() - 2..]);
        let strides = broadcast_strides(shape, &access.strides, &full);
        Operand {
            memory,
            dtype: graph.node(operand).ty.dtype,
            offset: start + access.offset,
            strides,
            swapped,
        }
    };
    let [rows, inner] = *last_two(graph.shape(operands[0]));
    Ok(MatrixProduct {
        dtype: graph.node(id).ty.dtype,
        dims: [rows, inner, result_shape[result_shape.len() - 1]],
        batch: Dims::from_slice(batch),
        lhs: operand(operands[0]),
        rhs: operand(operands[1]),
        result: graph.slot(id).map(|_| stored(graph, id)),
        epilogue: (nodes.len() > 1).then(|| NestBuilder::new(graph, nodes).lower(level)).transpose()?,
    })
}

fn last_two(shape: &Shape) -> &[usize; 2] {
    match shape.last_chunk() {
        Some(dims) => dims,
        None => unreachable!("a matrix product's operands are at least 2-d"),
    }
}

/// The nests that write the parts of the concat `id`, the last of the `nodes` of its region.
fn concat(graph: &Graph, id: NodeId, nodes: &[NodeId], level: Level) -> Result<Vec<LoopNest>, Error> {
    let mut parts = Vec::new();
    add_parts(graph, nodes, id, stored(graph, id), &mut parts);
    parts.into_iter().map(|part| part.lower(graph, level)).collect()
}

/// What one nest of a concat computes.
struct Part {
    nodes: BTreeSet<NodeId>,
    /// What of it is stored, and where.
    stores: Vec<(NodeId, Operand)>,
}

/// Adds the parts of the concat `id`, whose value is `target`.
fn add_parts(graph: &Graph, nodes: &[NodeId], id: NodeId, target: Operand, parts: &mut Vec<Part>) {
    let Op::Concat(axis) = *graph.op(id) else { unreachable!("{} is not a concat", graph.op(id).name()) };
    let mut offset = target.offset;
    for operand in graph.operands(id) {
        let slot = Operand { offset, ..target.clone() };
        offset += target.strides[axis] * graph.shape(operand)[axis] as isize;
        let root = root_of(graph, operand);
        if nodes.binary_search(&root).is_err() {
            parts.push(Part { nodes: BTreeSet::new(), stores: vec![(operand, slot)] });
            continue;
        }
        // The same but for dimensions of length 1.
        let strides = reshape_strides(graph.shape(operand), &slot.strides, graph.shape(root));
        let Some(strides) = strides else { unreachable!("{operand} is a part of {id}") };
        let slot = Operand { strides, ..slot };
        if matches!(graph.op(root), Op::Concat(_)) {
            add_parts(graph, nodes, root, slot, parts);
            continue;
        }
        let mut part = Part { nodes: BTreeSet::new(), stores: vec![(root, slot)] };
        let mut pending = vec![root];
        while let Some(node) = pending.pop() {
            if nodes.binary_search(&node).is_ok() && part.nodes.insert(node) {
                pending.extend(graph.operands(node));
            }
        }
        // Parts with common work are computed together.
        let (common, others) =
            parts.drain(..).partition(|other: &Part| !other.nodes.is_disjoint(&part.nodes));
        *parts = others;
        for other in common {
            part.nodes.extend(other.nodes);
            part.stores.extend(other.stores);
        }
        parts.push(part);
    }
}

impl Part {
    fn lower(self, graph: &Graph, level: Level) -> Result<LoopNest, Error> {
        let nodes: Vec<NodeId> = self.nodes.into_iter().collect();
        let mut builder = NestBuilder::new(graph, &nodes);
        builder.space = graph.shape(self.stores[0].0).clone();
        builder.compute();
        for (node, slot) in self.stores {
            let mut value = builder.value(node);
            if nodes.is_empty() {
                value = builder.body.push(LaneOp::Copy, &[value], slot.dtype);
            }
            let slot = builder.operand(slot);
            builder.body.stores.push((value, slot));
        }
        builder.finish(level)
    }
}

struct NestBuilder<'a> {
    graph: &'a Graph,
    nodes: &'a [NodeId],
    space: Shape,
    axes: Dims,
    operands: Vec<Operand>,
    body: LaneProgram,
    values: FxHashMap<NodeId, ValueId>,
}

impl<'a> NestBuilder<'a> {
    fn new(graph: &'a Graph, nodes: &'a [NodeId]) -> NestBuilder<'a> {
        let mut space = Shape::scalar();
        let mut axes = Dims::new();
        for &node in nodes {
            match graph.op(node) {
                Op::Reduce(_, reduced) => {
                    space = graph.shape(graph.operands(node)[0]).clone();
                    axes = reduced.clone();
                }
                _ => space = graph.shape(node).clone(),
            }
        }
        NestBuilder {
            graph,
            nodes,
            space,
            axes,
            operands: Vec::new(),
            body: LaneProgram::default(),
            values: FxHashMap::default(),
        }
    }

    fn lower(mut self, level: Level) -> Result<LoopNest, Error> {
        self.compute();
        self.finish(level)
    }

    /// Adds the nodes to the lane program, and their stores.
    fn compute(&mut self) {
        for &id in self.nodes.iter().filter(|&&id| *self.graph.op(id) != Op::Matmul) {
            let args: Vec<ValueId> =
                self.graph.operands(id).iter().map(|&operand| self.value(operand)).collect();
            let dtype = self.graph.node(id).ty.dtype;
            let operand_dtype = self.graph.node(self.graph.operands(id)[0]).ty.dtype;
            let op = match self.graph.op(id) {
                Op::Elementwise(op) => LaneOp::Elementwise(*op, operand_dtype),
                Op::Where => LaneOp::Where,
                Op::Cast(_) if operand_dtype == dtype => LaneOp::Copy,
                Op::Cast(_) => LaneOp::Cast(operand_dtype),
                Op::Copy => LaneOp::Copy,
                Op::Reduce(..) if self.graph.slot(id).is_none() => continue,
                Op::Reduce(op, _) => {
                    let target = self.operand(Operand {
                        strides: Strides::from_elem(0, self.space.len()),
                        ..stored(self.graph, id)
                    });
                    self.body.reductions.push(Reduction { op: *op, value: args[0], target });
                    continue;
                }
                op => unreachable!("{} is not part of a loop nest", op.name()),
            };
            let value = self.body.push(op, &args, dtype);
            self.values.insert(id, value);
            if self.graph.slot(id).is_some() {
                let target = self.operand(stored(self.graph, id));
                self.body.stores.push((value, target));
            }
        }
    }

    /// The value of a node: computed in the nest, or read.
    fn value(&mut self, id: NodeId) -> ValueId {
        if let Some(&value) = self.values.get(&id) {
            return value;
        }
        let ty = &self.graph.node(id).ty;
        let access = access_of(self.graph, id);
        let strides = broadcast_strides(&ty.shape, &access.strides, &self.space);
        let op = match access.root {
            Root::Constant(constant) => match self.graph.op(constant) {
                Op::Constant(literal) => LaneOp::Splat(Scalar::Constant(*literal)),
                op => unreachable!("{} is not a constant", op.name()),
            },
            Root::Scalar(n) => LaneOp::Splat(Scalar::Parameter(n)),
            Root::Iota(_) => LaneOp::Index { offset: access.offset as i64, strides },
            Root::Value(root) if *self.graph.op(root) == Op::Matmul && self.nodes.contains(&root) => {
                let memory = Memory::Product;
                let operand = Operand { memory, dtype: ty.dtype, offset: 0, strides, swapped: false };
                LaneOp::Load(self.operand(operand))
            }
            Root::Parameter(_) | Root::Value(_) => {
                let Some((memory, start, swapped)) = memory_of(self.graph, access.root) else {
                    unreachable!("parameters and values are in memory")
                };
                let operand =
                    Operand { memory, dtype: ty.dtype, offset: start + access.offset, strides, swapped };
                LaneOp::Load(self.operand(operand))
            }
        };
        let value = self.body.push(op, &[], ty.dtype);
        self.values.insert(id, value);
        value
    }

    fn operand(&mut self, operand: Operand) -> OperandId {
        self.operands.push(operand);
        OperandId(self.operands.len() as u16 - 1)
    }

    /// Orders and collapses the space, and arranges the tiles.
    fn finish(mut self, level: Level) -> Result<LoopNest, Error> {
        let is_reduced = |dim: usize| self.axes.contains(&dim);
        let dims: Vec<usize> = (0..self.space.len()).filter(|&dim| self.space[dim] != 1).collect();
        let first_inner = match dims.iter().rposition(|&dim| is_reduced(dim)) {
            Some(last_reduced) if !self.axes.is_empty() => last_reduced + 1,
            _ => dims.len(),
        };
        let (before, inner) = dims.split_at(first_inner);
        let outer: Vec<usize> = before.iter().copied().filter(|&dim| !is_reduced(dim)).collect();
        let reduced: Vec<usize> = before.iter().copied().filter(|&dim| is_reduced(dim)).collect();
        let size = |dims: &[usize]| dims.iter().map(|&dim| self.space[dim]).product::<usize>();
        let (outer_size, reduced_size, inner_size) = (size(&outer), size(&reduced), size(inner));

        let order: Vec<usize> = [&outer[..], &reduced, inner].concat();
        let space = self.space.clone();
        let mut lists: Vec<&mut Strides> =
            self.operands.iter_mut().map(|operand| &mut operand.strides).collect();
        lists.extend(self.body.insts.iter_mut().filter_map(|inst| match &mut inst.op {
            LaneOp::Index { strides, .. } => Some(strides),
            _ => None,
        }));
        let dims = collapse(&space, &order, &mut lists);

        let Some(tile) = TileProgram::new(&self.body, &self.operands, &dims, level) else {
            return Err(self.unsupported());
        };
        let element_ns = element_ns(&self.body, self.space.size(), level);
        Ok(LoopNest {
            dims,
            outer: outer_size,
            reduced: reduced_size,
            inner: inner_size,
            operands: self.operands,
            body: self.body,
            tile,
            element_ns,
        })
    }

    fn unsupported(&self) -> Error {
        let complex = self.body.insts.iter().find(|inst| inst.dtype.is_complex());
        Error::Unsupported { dtype: complex.map_or(DType::C128, |inst| inst.dtype) }
    }
}

/// What a core has for itself on the machines of today.
const SECOND_LEVEL_CACHE_BYTES: usize = 1 << 20;

/// Nanoseconds an element takes on one thread, by a coarse count of instructions and bytes.
fn element_ns(body: &LaneProgram, size: usize, level: Level) -> f64 {
    let loads = body.insts.iter().filter(|inst| matches!(inst.op, LaneOp::Load(_)));
    let stores = body.stores.iter().map(|store| &body.insts[store.0.index()]);
    let bytes: usize = loads.chain(stores).map(|inst| inst.dtype.size()).sum();
    let in_cache = bytes.saturating_mul(size) <= SECOND_LEVEL_CACHE_BYTES;
    let moving = bytes as f64 * if in_cache { 0.012 } else { 0.03 };
    let computing = body.insts.iter().map(|inst| match inst.op {
        LaneOp::Load(_) | LaneOp::Splat(_) => 0.0,
        LaneOp::Elementwise(op, dtype) if is_slow(op, dtype) => slow_ns(op, dtype, level),
        LaneOp::Index { .. } | LaneOp::Elementwise(..) | LaneOp::Where | LaneOp::Cast(_) | LaneOp::Copy => {
            0.012 * inst.dtype.size() as f64
        }
    });
    (moving + computing.sum::<f64>()).max(0.01)
}

/// Whether an op takes nanoseconds an element: a function, or a division of integers.
fn is_slow(op: ElementwiseOp, dtype: DType) -> bool {
    let divides =
        matches!(op, ElementwiseOp::FloorDivide | ElementwiseOp::Remainder | ElementwiseOp::Nextafter);
    op.ulp() > 0 || divides && !matches!(dtype, DType::Bool)
}

/// Nanoseconds of such an op: functions of mathematics run in vectors, of which the baseline has none.
fn slow_ns(op: ElementwiseOp, dtype: DType, level: Level) -> f64 {
    if op.ulp() == 0 || !dtype.is_float() {
        return 6.0;
    }
    let elaborate = if matches!(op, ElementwiseOp::Gamma | ElementwiseOp::Lgamma) { 4.0 } else { 1.0 };
    elaborate
        * match (level, dtype) {
            (Level::Avx512, DType::F32) => 0.8,
            (Level::Avx512, _) => 2.0,
            (Level::Avx2, DType::F32) => 1.6,
            (Level::Avx2, _) => 4.0,
            (Level::Baseline, _) => 40.0,
        }
}

/// Reorders every list of strides to `order`, and merges neighbouring dimensions that all lists step through evenly.
/// Returns the lengths that are left.
fn collapse(space: &Shape, order: &[usize], lists: &mut [&mut Strides]) -> Dims {
    let mut dims: Dims = Dims::new();
    let old: Vec<Strides> = lists.iter().map(|list| order.iter().map(|&dim| list[dim]).collect()).collect();
    for list in lists.iter_mut() {
        list.clear();
    }
    for (position, &dim) in order.iter().enumerate() {
        let len = space[dim];
        let merges = !dims.is_empty()
            && lists.iter().zip(&old).all(|(list, old)| list.last() == Some(&(old[position] * len as isize)));
        if merges {
            if let Some(last) = dims.last_mut() {
                *last *= len;
            }
            for (list, old) in lists.iter_mut().zip(&old) {
                if let Some(last) = list.last_mut() {
                    *last = old[position];
                }
            }
        } else {
            dims.push(len);
            for (list, old) in lists.iter_mut().zip(&old) {
                list.push(old[position]);
            }
        }
    }
    dims
}
