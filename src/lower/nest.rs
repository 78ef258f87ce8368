//! Loop nests: nodes become a lane program, views under their operands become offsets and strides.
//!
//! The iteration space is ordered (kept, reduced, kept), dimensions of length 1 are dropped, and neighbours that every
//! operand strides through evenly are collapsed into one.

use raptors_ir::{DType, Dims, ElementwiseOp, Graph, NodeId, Op, Part, Rows, Shape, Strides};
use raptors_passes::access::{Root, broadcast_strides, part_of, reshape_strides, root_of};
use raptors_passes::cost;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{access_of, memory_of, stored};
use crate::accelerate::select::Accelerated;
use crate::codegen::compiled::Machine;
use crate::codegen::lane::{Inst, LaneOp, LaneProgram, OperandId, Reduction, Scalar, ValueId};
use crate::codegen::tile::TileProgram;
use crate::error::Error;
use crate::program::{LoopNest, Memory, Operand};
use crate::runtime::level::Level;

/// Builds one loop nest.
pub(super) struct NestBuilder<'a> {
    graph: &'a Graph,
    space: Shape,
    axes: Dims,
    operands: Vec<Operand>,
    body: LaneProgram,
    /// Values of the nodes that the nest computes, and of what it reads.
    computed: FxHashMap<NodeId, ValueId>,
    loaded: FxHashMap<NodeId, ValueId>,
    /// Values of the parts of complex nodes that the nest computes.
    pairs: FxHashMap<NodeId, [ValueId; 2]>,
    /// Memory of values, and the byte where they begin in it, where that is not their slot.
    places: FxHashMap<NodeId, (Memory, isize)>,
}

impl<'a> NestBuilder<'a> {
    /// A nest over `space`, of which reductions combine `axes`.
    pub(super) fn over(graph: &'a Graph, space: Shape, axes: Dims) -> NestBuilder<'a> {
        NestBuilder {
            graph,
            space,
            axes,
            operands: Vec::new(),
            body: LaneProgram::default(),
            computed: FxHashMap::default(),
            loaded: FxHashMap::default(),
            pairs: FxHashMap::default(),
            places: FxHashMap::default(),
        }
    }

    /// A nest over the space that `nodes` have in common.
    pub(super) fn of(graph: &'a Graph, nodes: &[NodeId]) -> NestBuilder<'a> {
        match (Rows::of(graph, nodes), nodes.last()) {
            (Some(rows), _) => NestBuilder::over(graph, rows.space().clone(), rows.axes().clone()),
            (None, Some(&last)) => NestBuilder::over(graph, graph.shape(last).clone(), Dims::new()),
            (None, None) => NestBuilder::over(graph, Shape::scalar(), Dims::new()),
        }
    }

    /// Says where a value is that the nest reads or writes and that is not in its slot.
    pub(super) fn place(&mut self, id: NodeId, place: (Memory, isize)) {
        self.places.insert(id, place);
    }

    /// The nest that computes `nodes`, and stores each in its slot.
    pub(super) fn lower(mut self, nodes: &[NodeId], level: Level) -> Result<LoopNest, Error> {
        self.computed.reserve(nodes.len());
        self.body.insts.reserve(2 * nodes.len());
        for &id in nodes {
            let stored = self.graph.slot(id).is_some();
            if matches!(self.graph.op(id), Op::Reduce(..)) {
                // Without `dce` there are reductions for nobody.
                if stored {
                    self.reduce(id);
                }
                continue;
            }
            self.compute(id);
            if stored {
                self.keep(id);
            }
        }
        self.finish(level)
    }

    /// Adds an elementwise node to the lane program.
    pub(super) fn compute(&mut self, id: NodeId) {
        let graph = self.graph;
        let operands = graph.operands(id);
        match graph.op(id) {
            Op::Complex => {
                let parts = [0, 1].map(|n| self.value(operands[n], graph.shape(id)));
                self.pairs.insert(id, parts);
                return;
            }
            Op::Copy => {
                if let Some(&parts) = self.pairs.get(&root_of(graph, operands[0])) {
                    self.pairs.insert(id, parts);
                    return;
                }
            }
            _ => {}
        }
        let args: SmallVec<[ValueId; 3]> =
            operands.iter().map(|&operand| self.value(operand, graph.shape(id))).collect();
        let dtype = graph.node(id).ty.dtype;
        let operand_dtype = graph.node(operands[0]).ty.dtype;
        let op = match graph.op(id) {
            Op::Elementwise(op) => LaneOp::Elementwise(*op, operand_dtype),
            Op::Where => LaneOp::Where,
            Op::Cast(_) if operand_dtype == dtype => LaneOp::Copy,
            Op::Cast(_) => LaneOp::Cast(operand_dtype),
            Op::Copy => LaneOp::Copy,
            op => unreachable!("{} is not computed element by element", op.name()),
        };
        let value = self.body.push(op, &args, dtype);
        self.computed.insert(id, value);
    }

    /// Reduces the operand of `id` into its memory.
    pub(super) fn reduce(&mut self, id: NodeId) {
        let Op::Reduce(op, _) = *self.graph.op(id) else {
            unreachable!("{} is no reduction", self.graph.op(id).name())
        };
        let operand = self.graph.operands(id)[0];
        let value = self.value(operand, self.graph.shape(operand));
        let strides = Strides::from_elem(0, self.space.len());
        let target = self.operand(Operand { strides, ..self.target(id) });
        self.body.reductions.push(Reduction { op, value, target });
    }

    /// Stores what was computed for `id` in its memory.
    pub(super) fn keep(&mut self, id: NodeId) {
        let target = self.target(id);
        let strides = self.in_space(self.graph.shape(id), target.strides.clone());
        self.store(id, Operand { strides, ..target });
    }

    /// Stores what was computed for `id`: of a complex number each part in its half of the element.
    pub(super) fn store(&mut self, id: NodeId, target: Operand) {
        let Some(&parts) = self.pairs.get(&id) else {
            let target = self.operand(target);
            self.body.stores.push((self.computed[&id], target));
            return;
        };
        for (part, value) in Part::ALL.into_iter().zip(parts) {
            let offset = target.offset + part.offset(target.dtype) as isize;
            let dtype = target.dtype.part();
            // What is only read must be read before the other part is written, perhaps over it.
            let value = match self.body.insts[value.index()].op {
                LaneOp::Load(_) => self.body.push(LaneOp::Copy, &[value], dtype),
                _ => value,
            };
            let half = self.operand(Operand { dtype, offset, part: Some(part), ..target.clone() });
            self.body.stores.push((value, half));
        }
    }

    /// Reads `id`, and stores it.
    pub(super) fn copy(&mut self, id: NodeId, target: Operand) {
        let value = self.value(id, self.graph.shape(id));
        let value = self.body.push(LaneOp::Copy, &[value], target.dtype);
        let target = self.operand(target);
        self.body.stores.push((value, target));
    }

    /// The memory of a value, row-major in its shape.
    fn target(&self, id: NodeId) -> Operand {
        let Some(&(memory, offset)) = self.places.get(&id) else { return stored(self.graph, id) };
        let ty = &self.graph.node(id).ty;
        let strides = ty.shape.row_major_strides(ty.dtype.size());
        Operand { memory, dtype: ty.dtype, offset, strides, swapped: false, part: None }
    }

    /// The value of an operand of a node over `over`: computed in the nest, or read.
    fn value(&mut self, id: NodeId, over: &Shape) -> ValueId {
        let root = root_of(self.graph, id);
        // What is computed here is used element by element, whatever the views.
        if let Some(&value) = self.computed.get(&root).or_else(|| self.loaded.get(&id)) {
            return value;
        }
        let ty = &self.graph.node(id).ty;
        let access = access_of(self.graph, id);
        let strides = self.in_space(over, broadcast_strides(&ty.shape, &access.strides, over));
        let op = match access.root {
            Root::Constant(constant) => match (self.graph.op(constant), part_of(self.graph, id)) {
                (Op::Constant(literal), None) => LaneOp::Splat(Scalar::Constant(*literal)),
                (Op::Constant(literal), Some(part)) => LaneOp::Splat(Scalar::Constant(literal.part(part))),
                (op, _) => unreachable!("{} is not a constant", op.name()),
            },
            Root::Scalar(n) => LaneOp::Splat(match part_of(self.graph, id) {
                None => Scalar::Parameter(n),
                Some(part) => Scalar::Part(n, part),
            }),
            Root::Iota(_) => LaneOp::Index { offset: access.offset as i64, strides },
            Root::Parameter(_) | Root::Value(_) => {
                let place = self.places.get(&root).map(|&(memory, start)| (memory, start, false));
                let Some((memory, start, swapped)) = place.or_else(|| memory_of(self.graph, access.root))
                else {
                    unreachable!("parameters and values are in memory")
                };
                let offset = start + access.offset;
                let part = part_of(self.graph, id);
                LaneOp::Load(self.operand(Operand {
                    memory,
                    dtype: ty.dtype,
                    offset,
                    strides,
                    swapped,
                    part,
                }))
            }
        };
        let value = self.body.push(op, &[], ty.dtype);
        self.loaded.insert(id, value);
        value
    }

    /// The strides of the nest's space for those of `shape`, which is the space but for dimensions of length 1.
    fn in_space(&self, shape: &Shape, strides: Strides) -> Strides {
        if *shape == self.space {
            return strides;
        }
        match reshape_strides(shape, &strides, &self.space) {
            Some(strides) => strides,
            None => unreachable!("{shape} is {} but for dimensions of length 1", self.space),
        }
    }

    fn operand(&mut self, operand: Operand) -> OperandId {
        self.operands.push(operand);
        OperandId(self.operands.len() as u16 - 1)
    }

    /// Orders and collapses the space, and arranges the tiles.
    pub(super) fn finish(mut self, level: Level) -> Result<LoopNest, Error> {
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
        let shape = [reduced_size, inner_size];
        let machine = Machine::new(&self.body, &self.operands, &dims, shape, level);
        let element_ns = element_ns(&self.body, &machine, self.space.size(), level);
        Ok(LoopNest {
            dims,
            outer: outer_size,
            reduced: reduced_size,
            inner: inner_size,
            operands: self.operands,
            body: self.body,
            tile,
            machine,
            accelerated: Accelerated::None,
            non_temporal: SmallVec::new(),
            element_ns,
        })
    }

    fn unsupported(&self) -> Error {
        let without_kernels = |dtype: DType| dtype.is_complex() || dtype.is_half();
        let inst = self.body.insts.iter().find(|inst| without_kernels(inst.dtype));
        Error::Unsupported { dtype: inst.map_or(DType::C128, |inst| inst.dtype) }
    }
}

/// What a core has for itself on the machines of today.
const SECOND_LEVEL_CACHE_BYTES: usize = 1 << 20;

/// Nanoseconds an element takes on one thread, by a coarse count of instructions and bytes.
fn element_ns(body: &LaneProgram, machine: &Machine, size: usize, level: Level) -> f64 {
    let loads = body.insts.iter().filter(|inst| matches!(inst.op, LaneOp::Load(_)));
    let stores = body.stores.iter().map(|store| &body.insts[store.0.index()]);
    let bytes: usize = loads.chain(stores).map(|inst| inst.dtype.size()).sum();
    let in_cache = bytes.saturating_mul(size) <= SECOND_LEVEL_CACHE_BYTES;
    let moving = bytes as f64 * if in_cache { cost::BYTE_NS } else { 0.03 };
    let computing = match machine.compiled() {
        Some(compiled) => compiled.element_ns(),
        None => body.insts.iter().map(|inst| interpreted_ns(inst, level)).sum(),
    };
    (moving + computing).max(0.01)
}

/// Nanoseconds an instruction takes of the interpreter.
fn interpreted_ns(inst: &Inst, level: Level) -> f64 {
    match inst.op {
        LaneOp::Load(_) | LaneOp::Splat(_) => 0.0,
        LaneOp::Elementwise(op, dtype) if op.ulp() > 0 && dtype.is_float() => function_ns(op, dtype, level),
        LaneOp::Elementwise(op, dtype) => cost::elementwise_ns(op, dtype, inst.dtype.size()),
        LaneOp::Index { .. } | LaneOp::Where | LaneOp::Cast(_) | LaneOp::Copy => {
            cost::BYTE_NS * inst.dtype.size() as f64
        }
    }
}

/// Nanoseconds of a function of mathematics, which runs in vectors, of which the baseline of x86-64 has none.
fn function_ns(op: ElementwiseOp, dtype: DType, level: Level) -> f64 {
    let elaborate = if matches!(op, ElementwiseOp::Gamma | ElementwiseOp::Lgamma) { 4.0 } else { 1.0 };
    elaborate
        * match (level, dtype) {
            (Level::Avx512, DType::F32) => 0.8,
            (Level::Avx512, _) => 2.0,
            (Level::Avx2, DType::F32) => 1.6,
            (Level::Avx2, _) => 4.0,
            (Level::Baseline, DType::F32) if cfg!(target_arch = "aarch64") => 3.2,
            (Level::Baseline, _) if cfg!(target_arch = "aarch64") => 8.0,
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
