//! Nests that have no kernel: elements that are moved, and positions of the smallest and largest in rows.

use raptors_ir::ReduceOp;
use smallvec::SmallVec;

use super::{Addresses, Place};
use crate::codegen::lane::{LaneOp, ValueId};
use crate::codegen::tile::is_row_major;
use crate::kernels::copy::Moves;
use crate::kernels::reduce::{self, ArgKernels};
use crate::program::{LoopNest, Memory, Operand};
use crate::runtime::level::Level;

/// The operand that a value is loaded or copied from as it is, if it is.
fn loaded(nest: &LoopNest, value: ValueId) -> Option<&Operand> {
    let inst = &nest.body.insts[value.index()];
    match inst.op {
        LaneOp::Load(id) => Some(&nest.operands[id.index()]).filter(|operand| !operand.swapped),
        LaneOp::Copy => loaded(nest, inst.args[0]),
        _ => None,
    }
}

/// Elements that are moved.
#[derive(Debug)]
pub(super) struct Move {
    from: Place,
    moves: Moves,
    to: Place,
}

impl Move {
    /// The moves that a nest is, if it is nothing else: from any memory to buffers that it reads nothing of.
    pub(super) fn all_of(nest: &LoopNest) -> Option<SmallVec<[Move; 1]>> {
        if !nest.body.reductions.is_empty() || nest.body.insts.iter().any(|inst| inst.op.computes()) {
            return None;
        }
        let read = |memory: Memory| nest.loads().any(|operand| operand.memory == memory);
        let one = |&(value, target): &(ValueId, crate::codegen::lane::OperandId)| {
            let (from, to) = (loaded(nest, value)?, &nest.operands[target.index()]);
            let is_apart = matches!(to.memory, Memory::Buffer(_)) && !read(to.memory);
            if !is_apart || to.swapped || from.dtype.size() != to.dtype.size() {
                return None;
            }
            let moves = Moves::new(&from.strides, &to.strides, &nest.dims, to.dtype.size());
            Some(Move { from: Place::of(from)?, moves, to: Place::of(to)? })
        };
        nest.body.stores.iter().map(one).collect()
    }

    /// # Safety
    ///
    /// All elements of the nest are within each operand.
    #[inline]
    pub(super) unsafe fn run(&self, addresses: &Addresses<'_>) {
        // SAFETY: as for this function; what is read and what is written are apart.
        unsafe { self.moves.run(addresses.of(&self.from), addresses.of(&self.to)) };
    }
}

/// Where the smallest or the largest element of each row is.
#[derive(Debug)]
pub(super) struct PositionsCall {
    kernels: ArgKernels,
    from: Place,
    rows: usize,
    len: usize,
    /// Bytes of an element.
    item: usize,
    to: Place,
}

impl PositionsCall {
    /// The calls for a nest that finds positions in rows that are in memory, and does nothing else.
    pub(super) fn all_of(nest: &LoopNest) -> Option<SmallVec<[PositionsCall; 1]>> {
        let computes = nest.body.insts.iter().any(|inst| inst.op.computes());
        if computes || !nest.body.stores.is_empty() || nest.inner != 1 || nest.reduced == 0 {
            return None;
        }
        let one = |reduction: &crate::codegen::lane::Reduction| {
            let from = loaded(nest, reduction.value).filter(|operand| is_row_major(operand, &nest.dims))?;
            let (ReduceOp::Argmin | ReduceOp::Argmax) = reduction.op else { return None };
            let kernels = reduce::arg(reduction.op, from.dtype, Level::current())?;
            let (from, item) = (Place::of(from)?, from.dtype.size());
            let to = Place::of(&nest.operands[reduction.target.index()])?;
            Some(PositionsCall { kernels, from, rows: nest.outer, len: nest.reduced, item, to })
        };
        nest.body.reductions.iter().map(one).collect()
    }

    /// # Safety
    ///
    /// All elements of the nest are within each operand.
    pub(super) unsafe fn run(&self, addresses: &Addresses<'_>) {
        let (from, to) = (addresses.of(&self.from), addresses.of(&self.to));
        for row in 0..self.rows {
            let (mut best, mut index) = (0u128, -1i64);
            // SAFETY: the row's elements, and the element of its result. A state is an element of up to 8 bytes and an index.
            unsafe {
                let elements = from.add(row * self.len * self.item);
                (self.kernels.row)(elements, self.len, 0, (&raw mut best).cast(), &raw mut index);
                to.cast::<i64>().add(row).write_unaligned(index);
            }
        }
    }
}
