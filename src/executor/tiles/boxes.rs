//! Boxes of the space: tiles of some rows, and some elements of each, where an operand runs along another dimension than the
//! last.
//!
//! What runs along that dimension is packed, which transposes it. The kernel reads and writes other operands where they are,
//! row by row.

use smallvec::SmallVec;

use super::{TileRunner, index_range};
use crate::codegen::kernel::{KernelArgs, StreamArgs};
use crate::codegen::lane::{LaneOp, OperandId, ValueId};
use crate::codegen::select::StreamUse;
use crate::codegen::tile::{TileOp, TileProgram};
use crate::kernels::copy;
use crate::program::{LoopNest, Operand};

/// The values that a kernel finds in the rows of an operand, or leaves there.
pub(super) fn in_memory(nest: &LoopNest, tile: &TileProgram) -> SmallVec<[(ValueId, OperandId); 4]> {
    let mut values = SmallVec::new();
    if tile.box_dims.is_none() || tile.kernel.is_none() {
        return values;
    }
    let is_in_rows = |id: OperandId| {
        let operand = &nest.operands[id.index()];
        operand.strides.last() == Some(&(operand.dtype.size() as isize)) && !operand.swapped
    };
    let stored = |value: ValueId| tile.late_stores.iter().filter(move |late| late.0 == value).count();
    for op in &tile.ops {
        if let TileOp::Pack(value, id) = *op
            && is_in_rows(id)
            && stored(value) == 0
        {
            values.push((value, id));
        }
    }
    for &(value, id) in &tile.late_stores {
        let is_loaded = matches!(nest.body.insts[value.index()].op, LaneOp::Load(_));
        if is_in_rows(id) && stored(value) == 1 && !is_loaded && !nest.non_temporal.contains(&id) {
            values.push((value, id));
        }
    }
    values
}

impl TileRunner<'_> {
    /// Computes and stores the box of `extent` elements per dimension at `index`.
    ///
    /// # Safety
    ///
    /// The box is within the space and has at most `longest` elements; no other thread computes any of it.
    pub(crate) unsafe fn run_box(&mut self, index: &[usize], extent: &[usize]) {
        let nest = self.nest;
        let len = extent.iter().product();
        for op in &self.tile.ops {
            match op {
                TileOp::Pack(value, _) if self.place_in_memory(*value).is_some() => {}
                TileOp::Pack(value, id) => {
                    let operand = &nest.operands[id.index()];
                    let target = self.values[value.index()].cast_mut();
                    let source = self.box_address(*id, index);
                    // SAFETY: the box is within the operand, and the register has room for it.
                    unsafe { copy::pack(source, &operand.strides, extent, operand.dtype.size(), target) };
                    self.restore_byte_order(operand, target, len);
                }
                TileOp::Index(value) => {
                    let LaneOp::Index { offset, strides } = &nest.body.insts[value.index()].op else {
                        unreachable!("{value} is an index")
                    };
                    let shift: i64 =
                        index.iter().zip(strides).map(|(&i, &stride)| i as i64 * stride as i64).sum();
                    let target = self.values[value.index()].cast_mut();
                    // SAFETY: the register has room for a tile of i64.
                    unsafe { index_range(offset + shift, strides, extent, 0, len, target) };
                }
                // SAFETY: every argument is in a register or fixed tile, and so is the result.
                TileOp::Call(value, kernel) => unsafe { self.call(*value, *kernel, len) },
                // SAFETY: as above.
                TileOp::Force(value, entry, kernel) => unsafe { self.force(*value, entry, *kernel, len) },
            }
        }
        // SAFETY: what a kernel of boxes reads or writes is in scratch memory, or a row of an operand.
        unsafe { self.call_kernel_for_box(index, extent) };
        for &(value, id) in &self.tile.late_stores {
            if self.place_in_memory(value).is_some() {
                continue;
            }
            let operand = &nest.operands[id.index()];
            let target = self.box_address(id, index);
            // SAFETY: the box is within the operand, which is writable, and the value has `len` elements.
            unsafe {
                self.unpack(id)(
                    self.values[value.index()],
                    target,
                    &operand.strides,
                    extent,
                    operand.dtype.size(),
                )
            };
        }
    }

    /// The operand in whose rows a value is.
    fn place_in_memory(&self, value: ValueId) -> Option<OperandId> {
        self.in_memory.iter().find(|(other, _)| *other == value).map(|&(_, id)| id)
    }

    /// The address of an operand's element at `index`.
    fn box_address(&self, id: OperandId, index: &[usize]) -> *mut u8 {
        let operand: &Operand = &self.nest.operands[id.index()];
        let offset: isize = index.iter().zip(&operand.strides).map(|(&i, &stride)| i as isize * stride).sum();
        self.bases[id.index()].wrapping_offset(offset)
    }

    /// Calls the kernel, if there is one, for a box; its rows are those of the dimension that has more than one index, beside
    /// the last.
    ///
    /// # Safety
    ///
    /// As for [`TileRunner::run_box`]; what is packed is in its registers.
    unsafe fn call_kernel_for_box(&self, index: &[usize], extent: &[usize]) {
        let (Some(kernel), Some((along, last))) = (&self.tile.kernel, self.tile.box_dims) else { return };
        let (rows, lanes) = match self.in_memory.is_empty() {
            // Scratch memory has the rows side by side.
            true => (1, extent[along] * extent[last]),
            false => (extent[along], extent[last]),
        };
        let streams = kernel.selected.streams.iter().map(|used| match *used {
            StreamUse::Value(value) => match self.place_in_memory(value) {
                Some(id) => {
                    let row_stride = self.nest.operands[id.index()].strides[along];
                    StreamArgs { base: self.box_address(id, index), row_stride }
                }
                None => {
                    let item = self.nest.body.insts[value.index()].dtype.size();
                    let base = self.values[value.index()].cast_mut();
                    StreamArgs { base, row_stride: (lanes * item) as isize }
                }
            },
            StreamUse::Operand(_) | StreamUse::Pair(..) | StreamUse::Result(_) | StreamUse::Best(_) => {
                unreachable!("a kernel of boxes finds values alone")
            }
        });
        let streams: SmallVec<[StreamArgs; 8]> = streams.collect();
        let args =
            KernelArgs { rows, lanes, position: 0, pool: self.pool.as_ptr(), streams: streams.as_ptr() };
        // SAFETY: each stream has the elements of the box: rows of an operand, or scratch memory. What is written overlaps
        // what is read at the same elements at most.
        unsafe { kernel.kernel.call(&args) };
    }
}
