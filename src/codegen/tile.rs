//! Tile programs: a lane program arranged for the tile interpreter.
//!
//! The interpreter runs one kernel call per instruction over a tile of elements that fits the first-level cache. Here
//! it is decided, once, how long a tile is, where each value lives while a tile is computed, and which kernel each
//! instruction calls:
//!
//! - an operand that is row-major over the whole space is read and written in place, without a copy;
//! - a scalar, or an operand that is the same everywhere, is repeated into a tile before the first one is run;
//! - an operand that repeats with a short period is repeated likewise, and read from the right phase;
//! - any other operand is packed into a register, or unpacked from one;
//! - a register is used again when its value dies, by the same instruction where element sizes allow: this is
//!   where work is done in place.
//!
//! A program for a kernel ([`compiled`]) has but one call, and of the values only those in memory that it does not find there.
//!
//! When an operand runs along another dimension than the last (a transpose), tiles are boxes instead of ranges, so that
//! both sides of the transpose are read in whole cache lines.

mod compiled;

use raptors_ir::{DType, Dims};

use crate::accelerate::entry::Entry;
use crate::codegen::compiled::Compiled;
use crate::codegen::lane::{Inst, LaneOp, LaneProgram, OperandId, ValueId};
use crate::kernels::{self, Kernel};
use crate::program::{Memory, Operand};
use crate::runtime::level::Level;

/// Bytes that the tiles of a program may take together: half of a small first-level cache.
const TILE_BUDGET: usize = 24 * 1024;
/// Tile lengths in elements: powers of two, so that they divide a reduction's blocks.
const TILE_LENGTHS: std::ops::RangeInclusive<usize> = 256..=4096;
/// The longest period that is worth repeating into a tile.
const MAX_PERIOD: usize = 1024;
/// Edge of a box tile.
const BOX_EDGE: usize = 64;

/// Where a value lives while a tile is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// In the operand's memory, at the tile's own position.
    Direct(OperandId),
    /// In a register of scratch memory.
    Register(u16),
    /// In scratch memory that is filled before the first tile.
    Fixed(u16),
    /// Likewise, from the phase of the tile's start.
    Periodic(u16, usize),
    /// Inside a kernel.
    Inside,
}

/// What a fixed tile is filled with.
#[derive(Clone, Debug)]
pub(crate) enum Fill {
    /// The instruction's scalar.
    Scalar(ValueId),
    /// The one element of an operand.
    Uniform(OperandId),
    /// One period of an operand, again and again, for a tile and one period more.
    Period(OperandId, usize),
}

/// What is done for each tile.
#[derive(Clone, Debug)]
pub(crate) enum TileOp {
    /// Copies an operand's elements into a value's register.
    Pack(ValueId, OperandId),
    /// Writes an `Index` instruction's numbers into its register.
    Index(ValueId),
    /// Calls a kernel.
    Call(ValueId, Kernel),
    /// Calls an entry of vForce, or the kernel where memory is not aligned or elements are few.
    Force(ValueId, &'static Entry, Kernel),
}

/// A lane program with places and kernels.
#[derive(Clone, Debug)]
pub(crate) struct TileProgram {
    /// Elements of a tile.
    pub(crate) len: usize,
    /// The two dimensions of a box tile, when tiles are boxes: (the one that an operand runs along, the last).
    pub(crate) box_dims: Option<(usize, usize)>,
    /// Where each instruction's value is.
    pub(crate) places: Vec<Place>,
    pub(crate) ops: Vec<TileOp>,
    pub(crate) fills: Vec<Fill>,
    pub(crate) registers: usize,
    /// Values stored after a tile is computed and reduced, because their memory is still read, or is strided.
    pub(crate) late_stores: Vec<(ValueId, OperandId)>,
    /// Bytes of the widest element.
    pub(crate) item: usize,
    /// What computes a tile after the other ops, if they leave it something.
    pub(crate) kernel: Option<Compiled>,
}

impl TileProgram {
    /// Arranges `body` over `dims`; `None` where an instruction has no kernel.
    pub(crate) fn new(
        body: &LaneProgram,
        operands: &[Operand],
        dims: &Dims,
        level: Level,
    ) -> Option<TileProgram> {
        // Reductions and the blocks of a matrix product run over ranges.
        let in_boxes =
            body.reductions.is_empty() && operands.iter().all(|operand| operand.memory != Memory::Product);
        let box_dims = if in_boxes { transposed_dims(body, operands, dims) } else { None };
        let mut program = TileProgram {
            len: 0,
            box_dims,
            places: Vec::with_capacity(body.insts.len()),
            ops: Vec::new(),
            fills: Vec::new(),
            registers: 0,
            late_stores: Vec::new(),
            item: body.insts.iter().map(|inst| inst.dtype.size()).max().unwrap_or(1),
            kernel: None,
        };
        Arranger {
            body,
            operands,
            dims,
            level,
            program: &mut program,
            last_use: last_uses(body),
            free: Vec::new(),
        }
        .arrange()?;
        program.len = program.tile_len(dims);
        Some(program)
    }

    /// Whether what `value` is a copy of is still there when all of a tile has been computed.
    pub(crate) fn can_store_late(&self, value: ValueId, of: ValueId) -> bool {
        match self.places[of.index()] {
            place @ Place::Register(_) => !self.places[value.index() + 1..].contains(&place),
            Place::Direct(_) | Place::Fixed(_) | Place::Periodic(..) => true,
            Place::Inside => false,
        }
    }

    /// Stores in `operand`, in place of `value`, what it is a copy of, which [can be](TileProgram::can_store_late) stored late.
    pub(crate) fn store_late(&mut self, value: ValueId, of: ValueId, operand: OperandId) {
        self.ops.retain(|op| !matches!(op, TileOp::Call(called, _) if *called == value));
        self.late_stores.retain(|&(_, target)| target != operand);
        self.late_stores.push((of, operand));
    }

    fn tile_len(&self, dims: &Dims) -> usize {
        if self.box_dims.is_some() {
            return BOX_EDGE * BOX_EDGE;
        }
        let tiles = self.registers + self.fills.len() + 1;
        let fitting = TILE_BUDGET / (tiles * self.item).max(1);
        let len = fitting.clamp(*TILE_LENGTHS.start(), *TILE_LENGTHS.end());
        let len = if len.is_power_of_two() { len } else { len.next_power_of_two() / 2 };
        len.min(dims.iter().product::<usize>().next_power_of_two().max(*TILE_LENGTHS.start()))
    }
}

/// For each value, the position of its last reader; stores and reductions read at the end.
fn last_uses(body: &LaneProgram) -> Vec<usize> {
    let end = body.insts.len();
    let mut last: Vec<usize> = (0..end).collect();
    for (position, inst) in body.insts.iter().enumerate() {
        for arg in &inst.args {
            last[arg.index()] = position;
        }
    }
    for value in body.stores.iter().map(|store| store.0).chain(body.reductions.iter().map(|r| r.value)) {
        last[value.index()] = end;
    }
    last
}

/// The dimension that some operand runs along, and the last one, when a box tile serves it better.
fn transposed_dims(body: &LaneProgram, operands: &[Operand], dims: &Dims) -> Option<(usize, usize)> {
    let last = dims.len().checked_sub(1)?;
    let loads = body.insts.iter().filter_map(|inst| match inst.op {
        LaneOp::Load(operand) => Some(&operands[operand.index()]),
        _ => None,
    });
    for operand in loads {
        // Every other element is close by too: parts of complex numbers.
        let near = 2 * operand.dtype.size() as isize;
        let unit = |dim: usize| (1..=near).contains(&operand.strides[dim].abs()) && dims[dim] >= 16;
        let strided = dims[last] >= 16 && operand.strides[last].abs() > near;
        if strided && let Some(dim) = (0..last).find(|&dim| unit(dim)) {
            return Some((dim, last));
        }
    }
    None
}

/// How an operand relates to the whole iteration space.
enum Pattern {
    RowMajor,
    Uniform,
    Periodic(usize),
    Strided,
}

/// Whether an operand has its elements side by side, in the order of the whole space.
pub(crate) fn is_row_major(operand: &Operand, dims: &Dims) -> bool {
    matches!(pattern(operand, dims), Pattern::RowMajor)
}

fn pattern(operand: &Operand, dims: &Dims) -> Pattern {
    let item = operand.dtype.size() as isize;
    if operand.strides.iter().all(|&stride| stride == 0) && !operand.swapped {
        // One element is row-major too, and written directly.
        return if dims.iter().product::<usize>() <= 1 { Pattern::RowMajor } else { Pattern::Uniform };
    }
    let mut expected = item;
    let mut period = 1;
    let mut dim = dims.len();
    while dim > 0 && (operand.strides[dim - 1] == expected || dims[dim - 1] == 1) {
        dim -= 1;
        expected *= dims[dim] as isize;
        period *= dims[dim];
    }
    if operand.swapped {
        Pattern::Strided
    } else if dim == 0 {
        Pattern::RowMajor
    } else if period <= MAX_PERIOD && operand.strides[..dim].iter().all(|&stride| stride == 0) {
        Pattern::Periodic(period)
    } else {
        Pattern::Strided
    }
}

struct Arranger<'a> {
    body: &'a LaneProgram,
    operands: &'a [Operand],
    dims: &'a Dims,
    level: Level,
    program: &'a mut TileProgram,
    last_use: Vec<usize>,
    free: Vec<u16>,
}

impl Arranger<'_> {
    fn arrange(&mut self) -> Option<()> {
        for (position, inst) in self.body.insts.iter().enumerate() {
            let value = ValueId(position as u16);
            let place = match &inst.op {
                LaneOp::Load(operand) => self.load(value, *operand),
                LaneOp::Splat(_) => self.fill(Fill::Scalar(value)),
                LaneOp::Index { .. } => {
                    self.program.ops.push(TileOp::Index(value));
                    self.register()
                }
                LaneOp::Elementwise(..) | LaneOp::Where | LaneOp::Cast(_) | LaneOp::Copy => {
                    self.program.ops.push(TileOp::Call(value, kernel(inst, self.level)?));
                    self.result(value, inst)
                }
            };
            self.program.places.push(place);
            self.release(position, inst);
        }
        for &(value, operand) in &self.body.stores {
            if self.program.places[value.index()] != Place::Direct(operand) {
                self.program.late_stores.push((value, operand));
            }
        }
        Some(())
    }

    fn load(&mut self, value: ValueId, id: OperandId) -> Place {
        let operand = &self.operands[id.index()];
        match pattern(operand, self.dims) {
            Pattern::Uniform => self.fill(Fill::Uniform(id)),
            Pattern::RowMajor if self.program.box_dims.is_none() => Place::Direct(id),
            Pattern::Periodic(period) if self.program.box_dims.is_none() => {
                match self.fill(Fill::Period(id, period)) {
                    Place::Fixed(fill) => Place::Periodic(fill, period),
                    place => place,
                }
            }
            Pattern::RowMajor | Pattern::Periodic(_) | Pattern::Strided => {
                self.program.ops.push(TileOp::Pack(value, id));
                self.register()
            }
        }
    }

    fn fill(&mut self, fill: Fill) -> Place {
        self.program.fills.push(fill);
        Place::Fixed(self.program.fills.len() as u16 - 1)
    }

    fn register(&mut self) -> Place {
        Place::Register(self.free.pop().unwrap_or_else(|| {
            self.program.registers += 1;
            self.program.registers as u16 - 1
        }))
    }

    /// Where a computed value goes: its store's memory, a dying argument's register, or another one.
    fn result(&mut self, value: ValueId, inst: &Inst) -> Place {
        if let Some(operand) = self.direct_store(value) {
            return Place::Direct(operand);
        }
        for arg in &inst.args {
            let dies = self.last_use[arg.index()] == value.index();
            let same_size = self.body.insts[arg.index()].dtype.size() == inst.dtype.size();
            if let (true, true, Place::Register(register)) =
                (dies, same_size, self.program.places[arg.index()])
            {
                return Place::Register(register);
            }
        }
        self.register()
    }

    /// The operand that `value` can be computed into, if it is stored once, row-major, and nothing reads that memory
    /// later in the tile.
    fn direct_store(&self, value: ValueId) -> Option<OperandId> {
        if self.program.box_dims.is_some() {
            return None;
        }
        let mut stores = self.body.stores.iter().filter(|store| store.0 == value);
        let (Some(&(_, id)), None) = (stores.next(), stores.next()) else { return None };
        let operand = &self.operands[id.index()];
        if !matches!(pattern(operand, self.dims), Pattern::RowMajor) {
            return None;
        }
        let read_later = self.body.insts.iter().enumerate().any(|(position, inst)| match inst.op {
            LaneOp::Load(load) => {
                self.operands[load.index()].overlaps(operand, self.dims)
                    && self.last_use[position] > value.index()
            }
            _ => false,
        });
        (!read_later).then_some(id)
    }

    /// Frees the registers of arguments that die at `position`, and of a value that nothing reads.
    fn release(&mut self, position: usize, inst: &Inst) {
        let own = self.program.places[position];
        for (i, arg) in inst.args.iter().enumerate() {
            let repeated = inst.args[..i].contains(arg);
            let place = self.program.places[arg.index()];
            if let Place::Register(register) = place
                && self.last_use[arg.index()] == position
                && !repeated
                && place != own
            {
                self.free.push(register);
            }
        }
        if let Place::Register(register) = own
            && self.last_use[position] == position
        {
            self.free.push(register);
        }
    }
}

fn kernel(inst: &Inst, level: Level) -> Option<Kernel> {
    match inst.op {
        LaneOp::Elementwise(op, dtype) => kernels::elementwise::elementwise(op, dtype, level),
        LaneOp::Where => kernels::elementwise::select(inst.dtype, level),
        LaneOp::Cast(from) => kernels::elementwise::cast(from, inst.dtype, level),
        LaneOp::Copy => Some(copy_kernel(inst.dtype)),
        LaneOp::Load(_) | LaneOp::Splat(_) | LaneOp::Index { .. } => None,
    }
}

fn copy_kernel(dtype: DType) -> Kernel {
    unsafe fn copy<const ITEM: usize>(args: &[*const u8; 3], out: *mut u8, n: usize) {
        // SAFETY: by the kernel contract args[0] and out point to n elements of ITEM bytes, disjoint or equal.
        unsafe { std::ptr::copy(args[0], out, n * ITEM) }
    }
    match dtype.size() {
        1 => copy::<1>,
        2 => copy::<2>,
        4 => copy::<4>,
        8 => copy::<8>,
        _ => copy::<16>,
    }
}
