//! Programs: steps over buffers, what an executor runs.
//!
//! A program is made once for a structure, and holds no data: memory is named by [`Memory`] and bound at each run.

use std::fmt;
use std::ops::Range;

use raptors_ir::{BufferId, DType, Dims, Shape, Slot, Strides, Type};

use crate::codegen::lane::{LaneOp, LaneProgram};
use crate::codegen::tile::TileProgram;
use crate::runtime::team;

/// Memory a step touches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Memory::Arena => f.write_str("arena"),
            Memory::Buffer(id) => write!(f, "{id}"),
            Memory::Parameter(n) => write!(f, "p{n}"),
            Memory::Output(n) => write!(f, "out{n}"),
            Memory::Product => f.write_str("product"),
        }
    }
}

/// Strided elements in memory, as a step reads or writes them.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Operand {
    pub(crate) memory: Memory,
    pub(crate) dtype: DType,
    /// Bytes from the memory's first element.
    pub(crate) offset: isize,
    /// Bytes between neighbours, per dimension of the step.
    pub(crate) strides: Strides,
    /// Whether the elements have the other byte order.
    pub(crate) swapped: bool,
}

impl Operand {
    /// Whether both may reach a common byte, within a step of these dimensions.
    pub(crate) fn overlaps(&self, other: &Operand, dims: &[usize]) -> bool {
        let (a, b) = (self.reach(dims), other.reach(dims));
        self.memory == other.memory && a.start < b.end && b.start < a.end
    }

    /// Whether both are the same elements of the same memory.
    fn is_at(&self, other: &Operand) -> bool {
        self.memory == other.memory && self.offset == other.offset && self.strides == other.strides
    }

    /// The bytes from the first to the last that is reached.
    fn reach(&self, dims: &[usize]) -> Range<isize> {
        let (mut start, mut end) = (self.offset, self.offset + self.dtype.size() as isize);
        for (&dim, &stride) in dims.iter().zip(&self.strides) {
            let span = stride * (dim as isize - 1);
            start += span.min(0);
            end += span.max(0);
        }
        start..end
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
    pub(crate) tile: TileProgram,
    /// Nanoseconds an element takes on one thread, roughly.
    pub(crate) element_ns: f64,
}

impl LoopNest {
    /// Elements of one chunk of parallel work; all of them when sharing does not pay.
    pub(crate) fn chunk_elements(&self) -> usize {
        /// Nanoseconds that a chunk may take: long against claiming it, short against waiting for the last one.
        const CHUNK_NS: std::ops::RangeInclusive<f64> = 8e3..=50e3;
        let size = self.size().max(1);
        let total = size as f64 * self.element_ns;
        if !team::worth_sharing(total) {
            return size;
        }
        let fair = total / (4 * team::threads()) as f64;
        ((fair.clamp(*CHUNK_NS.start(), *CHUNK_NS.end()) / self.element_ns) as usize).clamp(1, size)
    }

    /// Elements of the iteration space.
    pub(crate) fn size(&self) -> usize {
        self.dims.iter().product()
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
}

/// One unit of a program, run to its end before the next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A fused region.
    Loop(Box<LoopNest>),
    /// A matrix product.
    Matmul(Box<MatrixProduct>),
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
            match step {
                Step::Loop(nest) => write!(f, "  step {n}: {nest}")?,
                Step::Matmul(product) => {
                    let [m, k, n_columns] = product.dims;
                    writeln!(
                        f,
                        "  step {n}: matmul {m} x {k} x {n_columns}, batch {}",
                        spelled(&product.batch)
                    )?;
                    writeln!(f, "    m0 = {}\n    m1 = {}", product.lhs, product.rhs)?;
                    if let Some(result) = &product.result {
                        writeln!(f, "    m2 = {result}")?;
                    }
                    if let Some(epilogue) = &product.epilogue {
                        write!(f, "  step {n}, on each block: {epilogue}")?;
                    }
                }
            }
        }
        for (n, result) in self.results.iter().enumerate() {
            writeln!(f, "  result {n}: {} {} in {}", result.ty.dtype, result.ty.shape, result.slot)?;
        }
        writeln!(f, "}}")
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
            writeln!(f, "    m{m} = {operand}")?;
        }
        write!(f, "{}{}", self.body, InPlace(self))
    }
}

fn spelled(dims: &[usize]) -> String {
    Shape::new(dims).map_or_else(|_| format!("{dims:?}"), |shape| shape.to_string())
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} + {} strides {:?}", self.memory, self.dtype, self.offset, self.strides.as_slice())?;
        f.write_str(if self.swapped { " swapped" } else { "" })
    }
}
