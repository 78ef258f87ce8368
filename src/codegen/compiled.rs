//! Loop nests as machine code.
//!
//! A nest whose operands follow the last dimension element by element, as the parts of complex numbers do, or
//! not at all, is run as *rows*: a kernel call goes over many rows of the whole nest. Any other is run tile by
//! tile: what is strided is packed into scratch memory, as the tile interpreter does, and one kernel computes
//! the tile. A nest for which there is no kernel is interpreted, and knows why.

use std::fmt;
use std::sync::{Arc, Once};

use raptors_ir::{Dims, Part, Strides};

use super::kernel::{self, Kernel, NoKernel};
use super::lane::{LaneOp, LaneProgram, OperandId, Reduction, ValueId};
use super::select::{NoVectorForm, Outputs, Reduced, Selected, Source, StreamUse, select};
use super::tile::TileProgram;
use super::vector::{StreamId, VectorOp};
use crate::jit;
use crate::kernels::reduce::block;
use crate::program::Operand;
use crate::runtime::level::Level;

/// Lanes below which a row costs more than its elements: shorter ones are gathered into tiles.
const FEWEST_LANES: usize = 32;
/// The same of rows in which only places are wanted: the kernel of tiles takes long for each row, 50 ns of 24 elements where
/// this one takes 20 to 40 (Zen 1, 4 and 8 bytes).
const FEWEST_LANES_OF_PLACES: usize = 16;

/// What runs a nest.
#[derive(Clone, Debug)]
pub(crate) enum Machine {
    /// A kernel over rows of the nest.
    Rows(Rows),
    /// A kernel over each tile.
    Tiles(TileProgram),
    /// The tile interpreter.
    Interpreter(Reason),
}

impl Machine {
    /// The kernel, where there is one.
    pub(crate) fn compiled(&self) -> Option<&Compiled> {
        match self {
            Machine::Rows(rows) => Some(&rows.compiled),
            Machine::Tiles(tiles) => tiles.kernel.as_ref(),
            Machine::Interpreter(_) => None,
        }
    }
}

/// How the nest runs, in a line.
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.compiled()) {
            (Machine::Rows(rows), Some(compiled)) => write!(f, "{compiled}, rows of {}", rows.lanes),
            (Machine::Tiles(tiles), Some(compiled)) => write!(f, "{compiled}, tiles of {}", tiles.len),
            (Machine::Interpreter(reason), _) => write!(f, "interpreted: {reason}"),
            (Machine::Rows(_) | Machine::Tiles(_), None) => f.write_str("interpreted"),
        }
    }
}

/// Why a nest is interpreted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// Machine code is not wanted.
    SwitchedOff,
    /// There is nothing to compute.
    Moves,
    /// Only places are wanted, in rows of memory that are longer than a block.
    Searches,
    /// Instruction selection gave up.
    NoVectorForm(NoVectorForm),
    /// The code generator gave up.
    NoKernel(NoKernel),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::SwitchedOff => f.write_str("RAPTORS_JIT=0"),
            Reason::Moves => f.write_str("it moves elements and computes none"),
            Reason::Searches => f.write_str("it searches long rows of memory"),
            Reason::NoVectorForm(why) => write!(f, "{why}"),
            Reason::NoKernel(why) => write!(f, "{why}"),
        }
    }
}

/// A vector program with its kernel.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) selected: Selected,
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) level: Level,
}

impl Compiled {
    /// Nanoseconds that an element's instructions take on one thread, roughly.
    pub(crate) fn element_ns(&self) -> f64 {
        /// Nanoseconds of an instruction on so many bytes of a register, two of which are computed at once.
        const BYTE_NS: f64 = 0.006;
        /// Units that divide take as long as many others.
        const SLOW: f64 = 8.0;
        let program = &self.selected.program;
        let widest = program.insts.iter().map(|inst| inst.ty.size()).max().unwrap_or(1);
        let cost = program.insts.iter().map(|inst| match inst.op {
            VectorOp::Div | VectorOp::Sqrt => SLOW,
            VectorOp::Load(_) | VectorOp::LoadPart(..) | VectorOp::Splat(_) => 0.0,
            _ => 1.0,
        });
        let register = match self.level {
            Level::Baseline => 2.0,
            Level::Avx2 => 1.0,
            Level::Avx512 => 0.5,
        };
        cost.sum::<f64>() * widest as f64 * BYTE_NS * register
    }
}

impl fmt::Display for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Compiled { selected, kernel, level } = self;
        let bytes = kernel.code().len();
        // Only aarch64 has code for its baseline.
        let level = if *level == Level::Baseline { "neon" } else { level.name() };
        write!(f, "{level} code: {} vector instructions in {bytes} bytes", selected.program.insts.len())
    }
}

impl Compiled {
    /// Compiles a lane program for operands that are where `source` says.
    pub(super) fn new(
        body: &LaneProgram,
        source: impl Fn(ValueId) -> Source,
        outputs: &Outputs,
        level: Level,
    ) -> Result<Compiled, Reason> {
        let selected = select(body, source, outputs).map_err(Reason::NoVectorForm)?;
        let kernel = kernel::kernel(&selected.program, level).map_err(|why| {
            if why == NoKernel::Refused {
                static SAID: Once = Once::new();
                SAID.call_once(|| eprintln!("raptors: {why}; loops are interpreted, which is slower"));
            }
            Reason::NoKernel(why)
        })?;
        Ok(Compiled { selected, kernel, level })
    }

    /// Has these streams stored past the caches, where there is a kernel for that.
    pub(crate) fn store_past_caches(&mut self, streams: Vec<StreamId>) {
        self.selected.program.non_temporal = streams;
        match kernel::kernel(&self.selected.program, self.level) {
            Ok(kernel) => self.kernel = kernel,
            Err(_) => self.selected.program.non_temporal.clear(),
        }
    }
}

/// A nest as rows of lanes.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) compiled: Compiled,
    /// The dimensions of the rows: the last one is gone through inside a kernel, the others outside.
    pub(crate) outer: Dims,
    /// Lanes of a row.
    pub(crate) lanes: usize,
    /// For each stream, bytes between neighbours in each of `outer`, and along a row; none for results of
    /// reductions.
    pub(crate) strides: Vec<(Strides, isize)>,
    /// Whether instructions see the position in the row.
    pub(crate) sees_position: bool,
}

impl Machine {
    /// What runs `body` over `dims`, of which the reduction, if there is one, combines `reduced` consecutive
    /// elements, or elements that are `inner` apart.
    pub(crate) fn new(
        body: &LaneProgram,
        operands: &[Operand],
        dims: &Dims,
        [reduced, inner]: [usize; 2],
        level: Level,
    ) -> Machine {
        if !jit::is_wanted() {
            return Machine::Interpreter(Reason::SwitchedOff);
        }
        if !kernel::has_code(level) {
            return Machine::Interpreter(Reason::NoKernel(NoKernel::Level(level)));
        }
        let computes = body.insts.iter().any(|inst| inst.op.computes());
        if body.reductions.is_empty() && !computes {
            return Machine::Interpreter(Reason::Moves);
        }
        if !computes && inner == 1 && searches_long_rows(body, reduced) {
            return Machine::Interpreter(Reason::Searches);
        }
        let rows = match Space::of_rows(body, dims, [reduced, inner]) {
            Some(space) if space.holds(body, operands) => space.compile(body, operands, level),
            _ => None,
        };
        match rows {
            Some(Ok(rows)) => Machine::Rows(rows),
            Some(Err(reason)) => Machine::Interpreter(reason),
            None if !computes => Machine::Interpreter(Reason::Moves),
            None => match TileProgram::compiled(body, operands, dims, level) {
                Ok(tiles) => Machine::Tiles(tiles),
                Err(reason) => Machine::Interpreter(reason),
            },
        }
    }
}

/// The iteration space as rows.
struct Space {
    outer: Dims,
    lanes: usize,
}

impl Space {
    /// The space whose rows are reduced, or are the last dimension; `None` where rows are none of its
    /// dimensions, or short.
    fn of_rows(body: &LaneProgram, dims: &Dims, [reduced, inner]: [usize; 2]) -> Option<Space> {
        let last = dims.last().copied().unwrap_or(1);
        let mut outer = Dims::from_slice(dims);
        outer.pop();
        let lanes = if body.reductions.is_empty() {
            last
        } else {
            // Neighbouring dimensions are one where all operands allow, also rows and what they consist of.
            if inner != 1 || reduced == 0 || !last.is_multiple_of(reduced) || !is_accumulated(body, reduced) {
                return None;
            }
            if last > reduced {
                outer.push(last / reduced);
            }
            reduced
        };
        let fewest = if finds_places(body) { FEWEST_LANES_OF_PLACES } else { FEWEST_LANES };
        let worth_it = outer.iter().product::<usize>() <= 1 || lanes >= fewest;
        worth_it.then_some(Space { outer, lanes })
    }

    /// Strides over `outer` and along a row, from those over `dims`.
    fn strides(&self, strides: &Strides) -> (Strides, isize) {
        let mut outer = Strides::from_slice(strides);
        let along = outer.pop().unwrap_or(0);
        if outer.len() < self.outer.len() {
            outer.push(along * self.lanes as isize);
        }
        (outer, along)
    }

    /// Whether all operands follow a row element by element, or not at all.
    fn holds(&self, body: &LaneProgram, operands: &[Operand]) -> bool {
        let follows = |operand: &Operand| {
            let along = self.strides(&operand.strides).1;
            let unit = along == operand.dtype.size() as isize || self.lanes == 1;
            !operand.swapped && (unit || along == 0 || self.part(operand).is_some())
        };
        self.outputs(body, operands).is_some()
            && body.insts.iter().all(|inst| match &inst.op {
                LaneOp::Load(operand) => follows(&operands[operand.index()]),
                LaneOp::Index { strides, .. } => self.strides(strides).0.iter().all(|&stride| stride == 0),
                LaneOp::Splat(_)
                | LaneOp::Elementwise(..)
                | LaneOp::Where
                | LaneOp::Cast(_)
                | LaneOp::Copy => true,
            })
    }

    /// The part of the complex number of each lane that an operand is.
    fn part(&self, operand: &Operand) -> Option<Part> {
        let along = self.strides(&operand.strides).1;
        let is_pair = self.lanes > 1 && !operand.swapped && along == 2 * operand.dtype.size() as isize;
        operand.part.filter(|_| is_pair)
    }

    /// What is written; `None` where that is not element by element.
    fn outputs(&self, body: &LaneProgram, operands: &[Operand]) -> Option<Outputs> {
        let reduced = if self.lanes <= shortest_block(body) { Reduced::Rows } else { Reduced::Blocks };
        let mut outputs = Outputs { reduced, ..Outputs::default() };
        let mut stores = body.stores.iter();
        while let Some(&(value, id)) = stores.next() {
            let operand = &operands[id.index()];
            let along = self.strides(&operand.strides).1;
            match self.part(operand) {
                _ if operand.swapped => return None,
                Some(Part::Real) => {
                    let &(imag, other) = stores.next()?;
                    if other == id || !operand.is_paired_with(&operands[other.index()]) {
                        return None;
                    }
                    outputs.pairs.push(([value, imag], StreamUse::Pair(id, Part::Real)));
                }
                None if along == operand.dtype.size() as isize || self.lanes == 1 => {
                    outputs.stores.push((value, StreamUse::Operand(id)));
                }
                Some(Part::Imag) | None => return None,
            }
        }
        Some(outputs)
    }

    /// The complex numbers of which a loaded operand is a part, the same for both parts.
    fn pair(&self, id: OperandId, body: &LaneProgram, operands: &[Operand]) -> Option<StreamUse> {
        let operand = &operands[id.index()];
        self.part(operand)?;
        body.insts.iter().find_map(|inst| match inst.op {
            LaneOp::Load(other) if operand.is_paired_with(&operands[other.index()]) => {
                Some(StreamUse::Pair(other, operands[other.index()].part?))
            }
            _ => None,
        })
    }

    /// The kernel over these rows; `None` where a reduction has to be left to others.
    fn compile(self, body: &LaneProgram, operands: &[Operand], level: Level) -> Option<Result<Rows, Reason>> {
        let source = |value: ValueId| match &body.insts[value.index()].op {
            LaneOp::Load(id) => {
                let operand = &operands[id.index()];
                let (outer, along) = self.strides(&operand.strides);
                let used = StreamUse::Operand(*id);
                if let (Some(pair), Some(part)) = (self.pair(*id, body, operands), operand.part) {
                    Source::Part(pair, part)
                } else if along != 0 || self.lanes == 1 {
                    Source::Lanes(used)
                } else if outer.iter().all(|&stride| stride == 0) {
                    Source::Pool(*id)
                } else {
                    Source::Rows(used)
                }
            }
            LaneOp::Index { offset, strides } => {
                Source::Position { offset: *offset, step: self.strides(strides).1 as i64 }
            }
            op => unreachable!("{} has no source", op.name()),
        };
        let outputs = self.outputs(body, operands)?;
        let compiled = match Compiled::new(body, source, &outputs, level) {
            Ok(compiled) => compiled,
            Err(Reason::NoVectorForm(NoVectorForm::Reduction(_))) => return None,
            Err(reason) => return Some(Err(reason)),
        };
        let strides = compiled.selected.streams.iter().map(|used| match used {
            StreamUse::Operand(id) | StreamUse::Pair(id, _) => self.strides(&operands[id.index()].strides),
            StreamUse::Value(_) => unreachable!("rows have no scratch memory"),
            StreamUse::Result(_) | StreamUse::Best(_) => (Strides::new(), 0),
        });
        let strides = strides.collect();
        let sees_position = body.insts.iter().any(|inst| matches!(inst.op, LaneOp::Index { .. }));
        Some(Ok(Rows { compiled, outer: self.outer, lanes: self.lanes, strides, sees_position }))
    }
}

/// Whether places in long rows are all that is wanted. Where nothing is computed, rows are searched a block at a time for what
/// replaces the best so far, which takes a third less than to keep the best of each lane (100,000 `f32`, Zen 1); of rows of
/// 40 to 2000 elements it takes 1.1 to 2.5 times as long, since where a search ends cannot be foreseen.
fn searches_long_rows(body: &LaneProgram, reduced: usize) -> bool {
    finds_places(body) && reduced > shortest_block(body)
}

/// Whether places are all that is wanted.
fn finds_places(body: &LaneProgram) -> bool {
    let is_place = |reduction: &Reduction| reduction.op.finds_place();
    !body.reductions.is_empty() && body.stores.is_empty() && body.reductions.iter().all(is_place)
}

/// Whether a kernel can accumulate the reductions of rows of `reduced` elements: no longer than a block, or
/// cut to blocks of one length.
fn is_accumulated(body: &LaneProgram, reduced: usize) -> bool {
    let shortest = shortest_block(body);
    !body.reductions.is_empty() && (reduced <= shortest || blocks(body).all(|block| block == shortest))
}

/// Elements of the blocks of each reduction.
fn blocks(body: &LaneProgram) -> impl Iterator<Item = usize> {
    body.reductions.iter().map(|reduction| block(body.insts[reduction.value.index()].dtype))
}

fn shortest_block(body: &LaneProgram) -> usize {
    blocks(body).min().unwrap_or(usize::MAX)
}
