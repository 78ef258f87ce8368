//! The tile interpreter: runs a tile program over linear ranges, or boxes, of the iteration space.
//!
//! A runner belongs to one thread. It owns the scratch memory of that thread's registers and fixed tiles, and keeps the
//! address of every value of the tile it last computed. Computing a tile and storing what could not be computed in
//! place are two calls, because a reduction may read in between what the stores overwrite.

mod boxes;
mod non_temporal;
mod rows;

use raptors_ir::{Dims, Strides};
use smallvec::SmallVec;

use non_temporal::Unpack;

use crate::accelerate::entry::Entry;
use crate::accelerate::select::FEWEST_OF_FORCE;
use crate::codegen::kernel::{KernelArgs, StreamArgs};
use crate::codegen::lane::{LaneOp, OperandId, Scalar, ValueId};
use crate::codegen::select::StreamUse;
use crate::codegen::tile::{Fill, Place, TileOp, TileProgram};
use crate::error::Error;
use crate::executor::Bound;
use crate::executor::accelerate;
use crate::executor::compiled::{self, Pool};
use crate::kernels::copy;
use crate::program::{LoopNest, Memory, Operand};
use crate::runtime::buffer::Buffer;

/// Bytes between a register and the next beyond its elements, so that equal offsets do not share a cache set.
const REGISTER_GAP: usize = 64;

/// Runs tiles of one loop nest on one thread.
pub(crate) struct TileRunner<'a> {
    nest: &'a LoopNest,
    tile: &'a TileProgram,
    /// The kernel's, when there is one.
    pool: Pool,
    /// Address of each operand's first element.
    bases: SmallVec<[*mut u8; 8]>,
    /// Address of each value in the tile last computed.
    values: SmallVec<[*const u8; 16]>,
    /// Address of each fixed tile.
    fixed: SmallVec<[*mut u8; 4]>,
    _scratch: Buffer,
    registers: *mut u8,
    register_bytes: usize,
    /// The most elements of a tile.
    longest: usize,
    /// Values of boxes that the kernel finds, or leaves, where the operand has them.
    in_memory: SmallVec<[(ValueId, OperandId); 4]>,
}

impl<'a> TileRunner<'a> {
    /// A runner for tiles of at most `longest` elements; fills the fixed tiles.
    ///
    /// # Safety
    ///
    /// As for [`super::run`], until the runner is dropped.
    pub(crate) unsafe fn new(
        nest: &'a LoopNest,
        bound: &Bound<'_>,
        longest: usize,
    ) -> Result<TileRunner<'a>, Error> {
        let tile = nest.tile(bound.engine());
        let register_bytes = (longest * tile.item).next_multiple_of(64) + REGISTER_GAP;
        let fill_bytes = |fill: &Fill| match fill {
            Fill::Scalar(_) | Fill::Uniform(_) => register_bytes,
            Fill::Period(operand, period) => {
                ((longest + period) * nest.operands[operand.index()].dtype.size()).next_multiple_of(64)
                    + REGISTER_GAP
            }
        };
        let bytes = tile.registers * register_bytes + tile.fills.iter().map(fill_bytes).sum::<usize>();
        let mut scratch = Buffer::allocate(bytes)?;
        let registers = scratch.as_mut_ptr();
        let mut runner = TileRunner {
            nest,
            tile,
            pool: Pool::new(),
            bases: nest.operands.iter().map(|operand| bound.base(operand)).collect(),
            values: SmallVec::from_elem(std::ptr::null(), nest.body.insts.len()),
            fixed: SmallVec::new(),
            _scratch: scratch,
            registers,
            register_bytes,
            longest,
            in_memory: boxes::in_memory(nest, tile),
        };
        let mut next = registers.wrapping_add(tile.registers * register_bytes);
        for fill in &tile.fills {
            // What only a block has is filled in when there is one.
            if !runner.filled_from(fill).is_some_and(Memory::is_of_step) {
                // SAFETY: `next` starts a part of the scratch memory of `fill_bytes(fill)` bytes.
                unsafe { runner.fill(fill, next, bound) };
            }
            runner.fixed.push(next);
            next = next.wrapping_add(fill_bytes(fill));
        }
        for (value, place) in tile.places.iter().enumerate() {
            runner.values[value] = match *place {
                Place::Register(register) => runner.register(register),
                Place::Fixed(fill) => runner.fixed[usize::from(fill)],
                Place::Direct(_) | Place::Periodic(..) | Place::Inside => std::ptr::null(),
            };
        }
        // SAFETY: as for this function.
        unsafe { runner.fill_pool(bound) };
        Ok(runner)
    }

    /// # Safety
    ///
    /// As for [`TileRunner::new`]; `target` has room for the fill.
    unsafe fn fill(&self, fill: &Fill, target: *mut u8, bound: &Bound<'_>) {
        let (nest, longest) = (self.nest, self.longest);
        match *fill {
            Fill::Scalar(value) => {
                let inst = &nest.body.insts[value.index()];
                let literal = match inst.op {
                    LaneOp::Splat(Scalar::Constant(literal)) => literal,
                    LaneOp::Splat(Scalar::Parameter(n)) => bound.scalar(n),
                    LaneOp::Splat(Scalar::Part(n, part)) => bound.scalar(n).part(part),
                    _ => unreachable!("{value} is a splat"),
                };
                let bytes = literal.bits().to_le_bytes();
                // SAFETY: the literal has `size` bytes, and `target` room for `longest` elements.
                unsafe { copy::splat(bytes.as_ptr(), inst.dtype.size(), target, longest) }
            }
            Fill::Uniform(id) => {
                let operand = &nest.operands[id.index()];
                // SAFETY: the operand has one element, at its base; `target` room for `longest`.
                unsafe { copy::splat(self.bases[id.index()], operand.dtype.size(), target, longest) }
            }
            Fill::Period(id, period) => {
                let operand = &nest.operands[id.index()];
                let item = operand.dtype.size();
                let mut done = 0;
                while done < longest + period {
                    let count = period.min(longest + period - done);
                    // SAFETY: the operand has `period` consecutive elements at its base; `target` has room for
                    // `longest + period` elements, of which `done` are written.
                    unsafe {
                        let source = self.bases[id.index()];
                        std::ptr::copy_nonoverlapping(source, target.add(done * item), count * item);
                    }
                    done += count;
                }
            }
        }
    }

    fn register(&self, register: u16) -> *mut u8 {
        self.registers.wrapping_add(usize::from(register) * self.register_bytes)
    }

    /// Elements of a tile, as they are best for the cache.
    pub(crate) fn tile_len(&self) -> usize {
        self.tile.len
    }

    /// The most elements of a tile.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// The address of a value in the tile last computed.
    pub(crate) fn value(&self, value: ValueId) -> *const u8 {
        self.values[value.index()]
    }

    /// Finds a value that is there a block at a time at `origin`, where its first element would be if all of it were there.
    pub(crate) fn rebase(&mut self, memory: Memory, origin: *mut u8) {
        for (base, operand) in self.bases.iter_mut().zip(&self.nest.operands) {
            if operand.memory == memory {
                *base = origin;
            }
        }
    }

    /// Fills again the fixed tiles of operands in memory that `has_changed`.
    ///
    /// # Safety
    ///
    /// As for [`TileRunner::new`]; values that are there a block at a time have been found.
    pub(crate) unsafe fn refill(&mut self, bound: &Bound<'_>, has_changed: impl Fn(Memory) -> bool) {
        for (fill, &target) in self.tile.fills.iter().zip(&self.fixed) {
            if self.filled_from(fill).is_some_and(&has_changed) {
                // SAFETY: the tile has room for what it was made for.
                unsafe { self.fill(fill, target, bound) };
            }
        }
        // SAFETY: as for this function.
        unsafe { self.fill_pool(bound) };
    }

    /// Reads what the kernel finds in its pool.
    ///
    /// # Safety
    ///
    /// As for [`TileRunner::new`].
    unsafe fn fill_pool(&mut self, bound: &Bound<'_>) {
        if let Some(kernel) = &self.tile.kernel {
            // SAFETY: operands that are the same everywhere have an element at their base.
            self.pool = unsafe { compiled::pool(&kernel.selected.pool, self.nest, &self.bases, bound) };
        }
    }

    /// Calls the kernel, if there is one, for the tile of `len` elements at `start`.
    ///
    /// # Safety
    ///
    /// As for [`TileRunner::compute`]; packed values are in their registers.
    unsafe fn call_kernel(&self, start: usize, len: usize) {
        // SAFETY: as for this function.
        unsafe { self.call_kernel_for_rows(start, 1, 0, len) }
    }

    /// Calls the kernel, if there is one, for `rows` tiles, `step` elements from one to the next, the values of each beside
    /// those of the one before.
    ///
    /// # Safety
    ///
    /// As for [`TileRunner::call_kernel`], for each of the tiles; with more than one, [`TileRunner::can_compute_rows`].
    unsafe fn call_kernel_for_rows(&self, start: usize, rows: usize, step: usize, len: usize) {
        let Some(kernel) = &self.tile.kernel else { return };
        let streams = kernel.selected.streams.iter().map(|used| match *used {
            StreamUse::Operand(id) => {
                let item = self.nest.operands[id.index()].dtype.size();
                let base = self.bases[id.index()].wrapping_add(start * item);
                StreamArgs { base, row_stride: (step * item) as isize }
            }
            StreamUse::Value(value) => {
                let base = self.values[value.index()].cast_mut();
                StreamArgs { base, row_stride: self.row_stride(value, step, len) }
            }
            StreamUse::Pair(..) => unreachable!("the parts of complex numbers are packed"),
            StreamUse::Result(_) | StreamUse::Best(_) => {
                unreachable!("tiles are reduced by kernels of their own")
            }
        });
        let streams: SmallVec<[StreamArgs; 8]> = streams.collect();
        let args = KernelArgs {
            rows,
            lanes: len,
            position: start as i64,
            pool: self.pool.as_ptr(),
            streams: streams.as_ptr(),
        };
        // SAFETY: each stream has `len` elements: an operand that is row-major, from `start` on, or scratch memory of a
        // tile. What is written overlaps what is read at the same elements at most.
        unsafe { kernel.kernel.call(&args) };
    }

    /// The memory that a fixed tile is filled from; `None` for a scalar.
    fn filled_from(&self, fill: &Fill) -> Option<Memory> {
        match *fill {
            Fill::Scalar(_) => None,
            Fill::Uniform(id) | Fill::Period(id, _) => Some(self.nest.operands[id.index()].memory),
        }
    }

    /// The address of an operand's first element.
    pub(crate) fn base(&self, operand: OperandId) -> *mut u8 {
        self.bases[operand.index()]
    }

    /// Computes the elements `start..start + len` of the iteration space, `len` at most `longest`.
    ///
    /// # Safety
    ///
    /// The range is within the space, and no other thread computes any of it.
    pub(crate) unsafe fn compute(&mut self, start: usize, len: usize) {
        self.locate(start, 0);
        // SAFETY: as for this function.
        unsafe {
            self.run_ops(start, len);
            self.call_kernel(start, len);
        }
    }

    /// Finds the values of the tile at `start` whose registers are so many bytes further on than those of another.
    fn locate(&mut self, start: usize, bytes: usize) {
        let nest = self.nest;
        for (value, place) in self.tile.places.iter().enumerate() {
            match *place {
                Place::Direct(id) => {
                    let offset = start * nest.operands[id.index()].dtype.size();
                    self.values[value] = self.bases[id.index()].wrapping_add(offset);
                }
                Place::Periodic(fill, period) => {
                    let offset = (start % period) * nest.body.insts[value].dtype.size();
                    self.values[value] = self.fixed[usize::from(fill)].wrapping_add(offset);
                }
                Place::Register(register) => {
                    self.values[value] = self.register(register).wrapping_add(bytes);
                }
                Place::Fixed(_) | Place::Inside => {}
            }
        }
    }

    /// All of a tile that is left to the kernel, if there is one, aside.
    ///
    /// # Safety
    ///
    /// As for [`TileRunner::compute`]; the values have been located.
    unsafe fn run_ops(&mut self, start: usize, len: usize) {
        let nest = self.nest;
        for op in &self.tile.ops {
            match op {
                TileOp::Pack(value, id) => {
                    let operand = &nest.operands[id.index()];
                    let target = self.values[value.index()].cast_mut();
                    // SAFETY: the operand is readable over the whole space, and the register has room for a tile.
                    unsafe { pack_range(self.bases[id.index()], operand, &nest.dims, start, len, target) };
                    self.restore_byte_order(operand, target, len);
                }
                TileOp::Index(value) => {
                    let LaneOp::Index { offset, strides } = &nest.body.insts[value.index()].op else {
                        unreachable!("{value} is an index")
                    };
                    // SAFETY: the register has room for a tile of i64.
                    unsafe {
                        index_range(
                            *offset,
                            strides,
                            &nest.dims,
                            start,
                            len,
                            self.values[value.index()].cast_mut(),
                        )
                    };
                }
                // SAFETY: by the arrangement, every argument is readable for `len` elements and the result writable.
                TileOp::Call(value, kernel) => unsafe { self.call(*value, *kernel, len) },
                // SAFETY: as above.
                TileOp::Force(value, entry, kernel) => unsafe { self.force(*value, entry, *kernel, len) },
            }
        }
    }

    /// Stores what `compute` left in registers.
    ///
    /// # Safety
    ///
    /// As for [`TileRunner::compute`], which was last called with the same range.
    pub(crate) unsafe fn store(&mut self, start: usize, len: usize) {
        let nest = self.nest;
        let mut stores = self.tile.late_stores.as_slice();
        while let [(value, id), rest @ ..] = stores {
            stores = rest;
            let operand = &nest.operands[id.index()];
            if let [(imag, other), rest @ ..] = rest
                && operand.begins_pairs_with(&nest.operands[other.index()], &nest.dims)
            {
                stores = rest;
                let item = operand.dtype.size();
                let target = self.bases[id.index()].wrapping_add(2 * start * item);
                // SAFETY: the pairs are writable over the whole space, and both values have `len` elements.
                unsafe { copy::interleave([value, imag].map(|part| self.value(*part)), target, item, len) };
                continue;
            }
            // SAFETY: the operand is writable over the whole space, and the value has `len` elements.
            unsafe {
                unpack_range(
                    self.unpack(*id),
                    self.values[value.index()],
                    self.bases[id.index()],
                    operand,
                    &nest.dims,
                    start,
                    len,
                )
            };
        }
    }

    /// # Safety
    ///
    /// Each argument of `value` is readable, and `value` itself writable, for `len` elements.
    unsafe fn call(&self, value: ValueId, kernel: crate::kernels::Kernel, len: usize) {
        let mut args = [std::ptr::null(); 3];
        for (slot, arg) in args.iter_mut().zip(&self.nest.body.insts[value.index()].args) {
            *slot = self.values[arg.index()];
        }
        // SAFETY: readable and writable by this function's contract; a result overlaps an argument only by being
        // the same register or the same place in memory, with elements of one size.
        unsafe { kernel(&args, self.values[value.index()].cast_mut(), len) }
    }

    /// # Safety
    ///
    /// As for [`TileRunner::call`]; the entry computes what the kernel does.
    unsafe fn force(&self, value: ValueId, entry: &Entry, kernel: crate::kernels::Kernel, len: usize) {
        let args = &self.nest.body.insts[value.index()].args;
        let target = self.values[value.index()].cast_mut();
        let mut sources = [std::ptr::null(); 2];
        for (source, arg) in sources.iter_mut().zip(args) {
            *source = self.values[arg.index()];
        }
        let dtype = self.nest.body.insts[value.index()].dtype;
        // SAFETY: as for this function.
        unsafe {
            if len < FEWEST_OF_FORCE || !accelerate::is_aligned(dtype, &sources[..args.len()], target) {
                return self.call(value, kernel, len);
            }
            accelerate::call_entry(entry, dtype, target, &sources, [0; 2], len);
        }
    }

    fn restore_byte_order(&self, operand: &Operand, tile: *mut u8, len: usize) {
        if operand.swapped {
            let parts = if operand.dtype.is_complex() { 2 } else { 1 };
            // SAFETY: the tile has `len` elements of this dtype, just packed.
            unsafe { copy::swap_bytes(tile, operand.dtype.size() / parts, len * parts) };
        }
    }
}

/// Calls `on_box(offset, depth, rows, done)` for the boxes that make up a linear range of a row-major space: `rows`
/// whole steps of dimension `depth` and everything inside it, at `offset` bytes, after `done` elements.
fn for_each_box(
    dims: &[usize],
    strides: &[isize],
    mut start: usize,
    len: usize,
    on_box: &mut dyn FnMut(isize, usize, usize, usize),
) {
    let end = start + len;
    let first = start;
    while start < end {
        // The outermost dimension whose steps fit between here and the end, counted from the inside.
        let mut depth = dims.len().saturating_sub(1);
        let mut step = 1;
        while depth > 0 {
            let wider = step * dims[depth];
            if !start.is_multiple_of(wider) || start + wider > end {
                break;
            }
            step = wider;
            depth -= 1;
        }
        let mut offset = 0;
        let mut rest = start / step;
        let position = if dims.is_empty() { 0 } else { rest % dims[depth] };
        for dim in (0..dims.len().min(depth + 1)).rev() {
            offset += (rest % dims[dim]) as isize * strides[dim];
            rest /= dims[dim];
        }
        let left = if dims.is_empty() { 1 } else { dims[depth] - position };
        let rows = ((end - start) / step).min(left);
        on_box(offset, depth, rows, start - first);
        start += rows * step;
    }
}

/// # Safety
///
/// `operand` is readable at `base` over all of `dims`; `target` has room for `len` elements.
unsafe fn pack_range(
    base: *const u8,
    operand: &Operand,
    dims: &[usize],
    start: usize,
    len: usize,
    target: *mut u8,
) {
    let item = operand.dtype.size();
    for_each_box(dims, &operand.strides, start, len, &mut |offset, depth, rows, done| {
        let extent = box_extent(dims, depth, rows);
        let strides = operand.strides.get(depth..).unwrap_or_default();
        // SAFETY: the box is part of the operand; the boxes of a range follow each other in the target.
        unsafe { copy::pack(base.wrapping_offset(offset), strides, &extent, item, target.add(done * item)) }
    });
}

/// # Safety
///
/// `operand` is writable at `base` over all of `dims`; `source` has `len` elements.
unsafe fn unpack_range(
    unpack: Unpack,
    source: *const u8,
    base: *mut u8,
    operand: &Operand,
    dims: &[usize],
    start: usize,
    len: usize,
) {
    let item = operand.dtype.size();
    for_each_box(dims, &operand.strides, start, len, &mut |offset, depth, rows, done| {
        let extent = box_extent(dims, depth, rows);
        let strides = operand.strides.get(depth..).unwrap_or_default();
        // SAFETY: the box is part of the operand; the boxes of a range follow each other in the source.
        unsafe { unpack(source.add(done * item), base.wrapping_offset(offset), strides, &extent, item) }
    });
}

/// # Safety
///
/// `target` has room for `len` i64.
unsafe fn index_range(
    offset: i64,
    strides: &Strides,
    dims: &[usize],
    start: usize,
    len: usize,
    target: *mut u8,
) {
    for_each_box(dims, strides, start, len, &mut |shift, depth, rows, done| {
        let extent = box_extent(dims, depth, rows);
        let (inner, outer) = match extent.split_last() {
            Some((&inner, outer)) => (inner, outer),
            None => (1, &[][..]),
        };
        let step = strides.last().copied().unwrap_or(0) as i64;
        let lines: usize = outer.iter().product();
        for line in 0..lines {
            let mut rest = line;
            let mut value = offset + shift as i64;
            for (dim, &outer_len) in outer.iter().enumerate().rev() {
                value += (rest % outer_len) as i64 * strides[depth + dim] as i64;
                rest /= outer_len;
            }
            // SAFETY: the lines of a range follow each other in the target.
            unsafe { copy::iota(value, step, target.add((done + line * inner) * 8), inner) }
        }
    });
}

fn box_extent(dims: &[usize], depth: usize, rows: usize) -> Dims {
    let mut extent = Dims::from_slice(dims.get(depth..).unwrap_or_default());
    if let Some(first) = extent.first_mut() {
        *first = rows;
    }
    extent
}
