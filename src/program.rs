//! Programs: steps over buffers, what an executor runs.
//!
//! A program is made once for a structure, and holds no data: memory is named by [`Memory`] and bound at each run.

mod library;
mod operand;

use std::fmt;
use std::ops::Range;

use raptors_ir::{BufferId, DType, Dims, Shape, Slot, Type};
use smallvec::SmallVec;

use crate::accelerate::blas::Provider;
use crate::accelerate::select::{Accelerated, Call};
use crate::codegen::compiled::{Machine, Rows};
use crate::codegen::lane::{LaneOp, LaneProgram, OperandId};
use crate::codegen::tile::TileProgram;
use crate::executor::Engine;
use crate::kernels::matmul::{is_divided, product_ns};
use crate::kernels::product::grid;
use crate::runtime::team;

pub(crate) use library::{Around, LibraryCall, Spread};
pub(crate) use operand::Operand;

/// Memory a step touches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Memory {
    /// The one block that values which are no results share.
    Arena,
    /// A buffer of the run.
    Buffer(BufferId),
    /// The n-th parameter's.
    Parameter(u32),
    /// What the caller gave for the n-th result.
    Output(u32),
    /// The matrix product of the step, of which a block is there at a time.
    Product,
    /// The n-th value between the nests of the step, of which a block of rows is there at a time.
    Scratch(u32),
}

impl Memory {
    /// Whether the values in it live as long as a block of the step alone.
    pub(crate) fn is_of_step(self) -> bool {
        match self {
            Memory::Product | Memory::Scratch(_) => true,
            Memory::Arena | Memory::Buffer(_) | Memory::Parameter(_) | Memory::Output(_) => false,
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Memory::Arena => f.write_str("arena"),
            Memory::Buffer(id) => write!(f, "{id}"),
            Memory::Parameter(n) => write!(f, "p{n}"),
            Memory::Output(n) => write!(f, "out{n}"),
            Memory::Product => f.write_str("product"),
            Memory::Scratch(n) => write!(f, "scratch{n}"),
        }
    }
}

/// One fused loop nest.
///
/// The iteration space is ordered: kept dimensions, reduced ones, and kept ones again; either end may be missing. All
/// work is done on linear ranges of it.
#[derive(Clone, Debug)]
pub(crate) struct LoopNest {
    /// Lengths of the collapsed iteration space.
    pub(crate) dims: Dims,
    /// Product of the kept dimensions before the reduced ones.
    pub(crate) outer: usize,
    /// Product of the reduced dimensions.
    pub(crate) reduced: usize,
    /// Product of the kept dimensions after the reduced ones.
    pub(crate) inner: usize,
    pub(crate) operands: Vec<Operand>,
    pub(crate) body: LaneProgram,
    /// How the tile interpreter runs it.
    pub(crate) tile: TileProgram,
    /// What runs it otherwise.
    pub(crate) machine: Machine,
    /// What of it is left to Accelerate, in place of both.
    pub(crate) accelerated: Accelerated,
    /// What is stored past the caches.
    pub(crate) non_temporal: SmallVec<[OperandId; 1]>,
    /// Nanoseconds an element takes on one thread, roughly.
    pub(crate) element_ns: f64,
}

impl LoopNest {
    /// How `engine` cuts it to tiles.
    pub(crate) fn tile(&self, engine: Engine) -> &TileProgram {
        match (engine, &self.accelerated, &self.machine) {
            (Engine::Interpreter, ..) => &self.tile,
            (Engine::Accelerated | Engine::Machine, Accelerated::Tiles { tile, .. }, _) => tile,
            (Engine::Machine, _, Machine::Tiles(tile)) => tile,
            (Engine::Accelerated, ..) | (Engine::Machine, _, Machine::Rows(_) | Machine::Interpreter(_)) => {
                &self.tile
            }
        }
    }

    /// The call of Accelerate that `engine` makes of it, if it does.
    pub(crate) fn call(&self, engine: Engine) -> Option<&Call> {
        match (engine, &self.accelerated) {
            (Engine::Accelerated | Engine::Machine, Accelerated::Call(call)) => Some(call),
            (Engine::Accelerated | Engine::Machine, _) | (Engine::Interpreter, _) => None,
        }
    }

    /// The kernel that `engine` runs over rows, if it does.
    pub(crate) fn rows(&self, engine: Engine) -> Option<&Rows> {
        match (engine, &self.accelerated, &self.machine) {
            (Engine::Interpreter | Engine::Accelerated, ..)
            | (Engine::Machine, Accelerated::Tiles { .. }, _) => None,
            (Engine::Machine, _, Machine::Rows(rows)) => Some(rows),
            (Engine::Machine, _, Machine::Tiles(_) | Machine::Interpreter(_)) => None,
        }
    }

    /// Elements of one chunk of parallel work; all of them when sharing does not pay.
    pub(crate) fn chunk_elements(&self) -> usize {
        chunk(self.size(), self.element_ns)
    }

    /// Elements of the iteration space.
    pub(crate) fn size(&self) -> usize {
        self.dims.iter().product()
    }

    /// What is read, each operand once.
    pub(crate) fn loads(&self) -> impl Iterator<Item = &Operand> {
        let mut loaded: Vec<usize> =
            self.body.insts.iter().filter_map(|inst| inst.op.loads()).map(OperandId::index).collect();
        loaded.sort_unstable();
        loaded.dedup();
        loaded.into_iter().map(|n| &self.operands[n])
    }

    /// What is written.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Operand> {
        let stores = self.body.stores.iter().map(|store| store.1);
        let reductions = self.body.reductions.iter().map(|reduction| reduction.target);
        stores.chain(reductions).map(|operand| &self.operands[operand.index()])
    }

    /// What is read, but not what is only there for a block of the step, and never leaves the cache.
    fn loaded(&self) -> impl Iterator<Item = Access> {
        let operands = self.loads().filter(|operand| !operand.memory.is_of_step());
        operands.map(|operand| operand.access(&self.dims))
    }

    /// What is written, likewise.
    fn stored(&self) -> impl Iterator<Item = Access> {
        let stores =
            self.body.stores.iter().map(|&(_, operand)| self.operands[operand.index()].access(&self.dims));
        let reductions = self.body.reductions.iter().map(|reduction| {
            let operand = &self.operands[reduction.target.index()];
            let bytes = self.outer * self.inner * operand.dtype.size();
            Access { memory: operand.memory, bytes, span: 0..bytes as isize }
        });
        stores.chain(reductions).filter(|access| !access.memory.is_of_step())
    }

    /// Elementwise ops, conversions and combining steps of reductions, over all elements.
    fn lane_ops(&self) -> usize {
        let computing = self.body.insts.iter().filter(|inst| inst.op.computes()).count();
        (computing + self.body.reductions.len()) * self.size()
    }
}

/// Elements of one chunk of parallel work, of `size` that take `element_ns` each; all when sharing does not pay and they
/// take a moment.
fn chunk(size: usize, element_ns: f64) -> usize {
    /// Nanoseconds that a chunk may take: long against claiming it, short against waiting for the last one.
    const CHUNK_NS: std::ops::RangeInclusive<f64> = 8e3..=50e3;
    /// Nanoseconds that one may take on a thread that works alone.
    const LONGEST_NS: f64 = 1e6;
    let size = size.max(1);
    let total = size as f64 * element_ns;
    if !team::worth_sharing(total) {
        // Between chunks a run can stop.
        let pieces = (total / LONGEST_NS) as usize;
        return if pieces > 1 { size.div_ceil(pieces) } else { size };
    }
    let fair = total / (4 * team::threads()) as f64;
    ((fair.clamp(*CHUNK_NS.start(), *CHUNK_NS.end()) / element_ns) as usize).clamp(1, size)
}

/// Loop nests that run in turn on a block of rows at a time, which stays in the cache of a core meanwhile.
///
/// A nest is over the elements of the rows, or over the rows; its space is all of it, its rows are the outer
/// dimensions, and it is run on a range of these. Blocks may be cut anywhere: no bit depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    /// Rows of all nests.
    pub(crate) rows: usize,
    /// The most rows that stay in cache with all that is computed from them.
    pub(crate) rows_per_block: usize,
    pub(crate) nests: Vec<LoopNest>,
    /// Bytes of a row of each value between the nests, as [`Memory::Scratch`] numbers them.
    pub(crate) scratch: Vec<usize>,
}

impl Blocks {
    /// Rows of one chunk of parallel work; all of them when sharing does not pay.
    pub(crate) fn chunk_rows(&self) -> usize {
        let total: f64 = self.nests.iter().map(|nest| nest.size() as f64 * nest.element_ns).sum();
        chunk(self.rows, (total / self.rows.max(1) as f64).max(0.01))
    }

    /// What is read that no earlier nest has written: a later read of it finds it in cache.
    fn loaded(&self) -> impl Iterator<Item = Access> {
        self.nests.iter().enumerate().flat_map(move |(n, nest)| {
            let known = move |operand: &Operand| {
                let before = &self.nests[..n];
                let mut operands = before.iter().flat_map(|nest| nest.loads().chain(nest.targets()));
                operand.memory.is_of_step() || operands.any(|other| other.is_at(operand))
            };
            nest.loads().filter(move |operand| !known(operand)).map(|operand| operand.access(&nest.dims))
        })
    }
}

/// A matrix product, repeated over leading dimensions.
#[derive(Clone, Debug)]
pub(crate) struct MatrixProduct {
    pub(crate) dtype: DType,
    /// Rows, inner length, columns.
    pub(crate) dims: [usize; 3],
    pub(crate) batch: Dims,
    pub(crate) lhs: Operand,
    pub(crate) rhs: Operand,
    /// Where the product is stored; `None` when only the epilogue needs it.
    pub(crate) result: Option<Operand>,
    /// Elementwise work over the product's elements, in their row-major order.
    pub(crate) epilogue: Option<LoopNest>,
    /// What computes the product.
    pub(crate) provider: Provider,
}

/// One unit of a program, run to its end before the next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A fused region.
    Loop(Box<LoopNest>),
    /// A fused region that uses its own reductions.
    Blocks(Box<Blocks>),
    /// A matrix product.
    Matmul(Box<MatrixProduct>),
    /// An algorithm over whole rows.
    Library(Box<LibraryCall>),
}

impl Step {
    /// Its loop nests, in the order they run.
    pub(crate) fn nests(&self) -> &[LoopNest] {
        match self {
            Step::Loop(nest) => std::slice::from_ref(nest),
            Step::Blocks(blocks) => &blocks.nests,
            Step::Matmul(product) => product.epilogue.as_slice(),
            Step::Library(_) => &[],
        }
    }

    /// The memory that the step reads, with the bytes of it: an element that is read twice is counted once.
    pub(crate) fn reads(&self) -> Vec<(Memory, usize)> {
        match self {
            Step::Loop(nest) => merged(nest.loaded().collect()),
            Step::Blocks(blocks) => merged(blocks.loaded().collect()),
            Step::Library(call) => merged(call.operands.iter().map(Spread::access).collect()),
            Step::Matmul(product) => {
                let [rows, inner, columns] = product.dims;
                let lhs = product.lhs.access(&product.over(rows, inner));
                let rhs = product.rhs.access(&product.over(inner, columns));
                merged(
                    [lhs, rhs]
                        .into_iter()
                        .chain(product.epilogue.iter().flat_map(LoopNest::loaded))
                        .collect(),
                )
            }
        }
    }

    /// The memory that the step writes, with the bytes of it.
    pub(crate) fn writes(&self) -> Vec<(Memory, usize)> {
        match self {
            Step::Loop(nest) => merged(nest.stored().collect()),
            Step::Blocks(blocks) => merged(blocks.nests.iter().flat_map(LoopNest::stored).collect()),
            Step::Library(call) => merged(vec![call.result.access()]),
            Step::Matmul(product) => {
                let [rows, _, columns] = product.dims;
                let result = product.result.iter().map(|result| result.access(&product.over(rows, columns)));
                merged(result.chain(product.epilogue.iter().flat_map(LoopNest::stored)).collect())
            }
        }
    }

    /// Nanoseconds that it takes on one thread, roughly.
    fn one_thread_ns(&self) -> f64 {
        /// Nanoseconds of a multiplication with its addition where matrices are small.
        const MULTIPLICATION_NS: f64 = 0.5;
        let nests = self.nests().iter().map(|nest| nest.size() as f64 * nest.element_ns).sum::<f64>();
        match self {
            Step::Loop(_) | Step::Blocks(_) => nests,
            Step::Library(call) => call.one_thread_ns(),
            Step::Matmul(_) => nests + self.lane_ops() as f64 * MULTIPLICATION_NS,
        }
    }

    /// How much of a long run the step is, in nanoseconds that it takes on one thread, roughly.
    pub(crate) fn share_ns(&self) -> f64 {
        match self {
            Step::Loop(_) | Step::Blocks(_) | Step::Library(_) => self.one_thread_ns(),
            Step::Matmul(product) => {
                let nests: f64 = self.nests().iter().map(|nest| nest.size() as f64 * nest.element_ns).sum();
                let count: usize = product.batch.iter().product();
                nests + count as f64 * product_ns(product.dtype, product.dims)
            }
        }
    }

    /// How many jobs of the thread team it takes, one after the other.
    pub(crate) fn jobs(&self) -> usize {
        match self {
            Step::Loop(_) | Step::Blocks(_) | Step::Library(_) => 1,
            Step::Matmul(product) => {
                let count: usize = product.batch.iter().product();
                let each = match product.epilogue {
                    Some(_) => grid(product.dims) != [1, 1],
                    None => is_divided(product.dims, count),
                };
                if each { count } else { 1 }
            }
        }
    }

    /// Bytes that the step reads.
    pub(crate) fn bytes_read(&self) -> usize {
        self.reads().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Bytes that the step writes.
    pub(crate) fn bytes_written(&self) -> usize {
        self.writes().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Elementwise ops, conversions and combining steps of reductions, each counted once per element; for a matrix
    /// product, multiplications and additions; for a library op, the elements of its result.
    pub(crate) fn lane_ops(&self) -> usize {
        match self {
            Step::Loop(nest) => nest.lane_ops(),
            Step::Blocks(blocks) => blocks.nests.iter().map(LoopNest::lane_ops).sum(),
            Step::Library(call) => call.result.len(),
            Step::Matmul(product) => {
                2 * product.dims.iter().product::<usize>() * product.batch.iter().product::<usize>()
                    + product.epilogue.as_ref().map_or(0, LoopNest::lane_ops)
            }
        }
    }
}

impl MatrixProduct {
    /// The batch and two more dimensions.
    fn over(&self, rows: usize, columns: usize) -> Dims {
        self.batch.iter().copied().chain([rows, columns]).collect()
    }
}

/// Bytes of some memory that a step touches, and where they lie.
struct Access {
    memory: Memory,
    bytes: usize,
    span: Range<isize>,
}

/// Each memory once: the bytes of its accesses together, but no more than lie between the first and the last address.
fn merged(accesses: Vec<Access>) -> Vec<(Memory, usize)> {
    let mut merged: Vec<Access> = Vec::new();
    for access in accesses.into_iter().filter(|access| access.bytes > 0) {
        match merged.iter_mut().find(|known| known.memory == access.memory) {
            Some(known) => {
                known.bytes += access.bytes;
                known.span = known.span.start.min(access.span.start)..known.span.end.max(access.span.end);
            }
            None => merged.push(access),
        }
    }
    merged.into_iter().map(|access| (access.memory, access.bytes.min(access.span.len()))).collect()
}

/// A result of a program.
#[derive(Clone, Debug)]
pub(crate) struct ProgramResult {
    pub(crate) slot: Slot,
    pub(crate) ty: Type,
}

/// Steps over buffers.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) steps: Vec<Step>,
    /// Bytes of the arena, which a run allocates.
    pub(crate) arena: usize,
    /// For each region of the graph, in order, the number of steps up to its end.
    pub(crate) region_ends: Vec<usize>,
    /// Bytes of each buffer that a run allocates.
    pub(crate) buffers: Vec<usize>,
    pub(crate) results: Vec<ProgramResult>,
    /// Parameters whose memory the program writes.
    pub(crate) overwritten: Vec<u32>,
}

impl Program {
    /// Bytes that a run allocates before its first step: arena and buffers.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.buffers.iter().fold(self.arena, |sum, &bytes| sum.saturating_add(bytes))
    }

    /// Whether a run takes a few microseconds, in which no step is shared and no new page is asked for.
    pub(crate) fn is_brief(&self) -> bool {
        const BRIEF_NS: f64 = 5e3;
        const FEW_BYTES: usize = 256 << 10;
        self.steps.iter().map(Step::one_thread_ns).sum::<f64>() <= BRIEF_NS && self.peak_bytes() <= FEW_BYTES
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program {{")?;
        if self.arena > 0 {
            writeln!(f, "  arena: {} bytes", self.arena)?;
        }
        for (n, bytes) in self.buffers.iter().enumerate() {
            writeln!(f, "  buffer b{n}: {bytes} bytes")?;
        }
        for (n, step) in self.steps.iter().enumerate() {
            write!(f, "  step {n}: {step}")?;
        }
        for (n, result) in self.results.iter().enumerate() {
            writeln!(f, "  result {n}: {} {} in {}", result.ty.dtype, result.ty.shape, result.slot)?;
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let product = match self {
            Step::Loop(nest) => return nest.fmt(f),
            Step::Blocks(blocks) => {
                writeln!(f, "{} rows, blocks of {}", blocks.rows, blocks.rows_per_block)?;
                return blocks.nests.iter().try_for_each(|nest| write!(f, "  on each block: {nest}"));
            }
            Step::Library(call) => return call.fmt(f),
            Step::Matmul(product) => product,
        };
        let [m, k, n] = product.dims;
        writeln!(f, "matmul {m} x {k} x {n}, batch {}", spelled(&product.batch))?;
        writeln!(f, "    m0 = {}\n    m1 = {}", product.lhs, product.rhs)?;
        if let Some(result) = &product.result {
            writeln!(f, "    m2 = {result}")?;
        }
        if let Some(line) = product.provider.line(product.dtype, product.dims) {
            writeln!(f, "    {line}")?;
        }
        if let Some(epilogue) = &product.epilogue {
            write!(f, "  on each block: {epilogue}")?;
        }
        Ok(())
    }
}

/// The stores over what the same element was computed from: `multiply m0, p1 -> m0 in place`.
struct InPlace<'a>(&'a LoopNest);

impl fmt::Display for InPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoopNest { operands, body, .. } = self.0;
        let loaded = |target: &Operand| {
            body.insts.iter().find_map(|inst| match inst.op {
                LaneOp::Load(id) if operands[id.index()].is_at(target) => Some(id),
                _ => None,
            })
        };
        for (value, target) in &body.stores {
            let Some(source) = loaded(&operands[target.index()]) else { continue };
            let inst = &body.insts[value.index()];
            write!(f, "    {}", inst.op.name())?;
            for (i, arg) in inst.args.iter().enumerate() {
                f.write_str(if i == 0 { " " } else { ", " })?;
                match &body.insts[arg.index()].op {
                    LaneOp::Load(operand) => write!(f, "{operand}")?,
                    LaneOp::Splat(scalar) => write!(f, "{scalar}")?,
                    LaneOp::Index { .. }
                    | LaneOp::Elementwise(..)
                    | LaneOp::Where
                    | LaneOp::Cast(_)
                    | LaneOp::Copy => write!(f, "{arg}")?,
                }
            }
            writeln!(f, " -> {source} in place")?;
        }
        Ok(())
    }
}

impl fmt::Display for LoopNest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loop {}", spelled(&self.dims))?;
        if !self.body.reductions.is_empty() {
            write!(f, " reducing {} of {} x {} x {}", self.reduced, self.outer, self.reduced, self.inner)?;
        }
        writeln!(f, ", tile {}", self.tile.len)?;
        for (m, operand) in self.operands.iter().enumerate() {
            let is_past = self.non_temporal.contains(&OperandId(m as u16));
            writeln!(f, "    m{m} = {operand}{}", if is_past { " past the caches" } else { "" })?;
        }
        write!(f, "{}{}", self.body, InPlace(self))?;
        if let Some(line) = self.accelerated.line(self) {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "    {}", self.machine)
    }
}

fn spelled(dims: &[usize]) -> String {
    Shape::new(dims).map_or_else(|_| format!("{dims:?}"), |shape| shape.to_string())
}
