//! Kernel calls: over the rows of a nest, or over all of it as one tile.

use std::sync::Arc;

use raptors_ir::{Part, Strides};
use smallvec::SmallVec;

use super::{Addresses, Place};
use crate::accelerate::select::Accelerated;
use crate::codegen::compiled::{Machine, Rows};
use crate::codegen::kernel::{Kernel, KernelArgs, StreamArgs};
use crate::codegen::lane::ValueId;
use crate::codegen::select::{PoolEntry, StreamUse};
use crate::codegen::tile::{Fill, Place as TilePlace, TileOp};
use crate::error::Error;
use crate::kernels::copy::Moves;
use crate::kernels::reduce::block;
use crate::program::{LoopNest, Operand};
use crate::runtime::buffer::Buffer;

/// An entry of the pool.
#[derive(Clone, Copy, Debug)]
enum Scalar {
    Constant(u64),
    Parameter(u32),
    Part(u32, Part),
    /// The one element, of so many bytes, that is there.
    Element(Place, usize),
}

impl Scalar {
    fn of(nest: &LoopNest, entry: PoolEntry) -> Option<Scalar> {
        Some(match entry {
            PoolEntry::Constant(bits) => Scalar::Constant(bits),
            PoolEntry::Parameter(n) => Scalar::Parameter(n),
            PoolEntry::Part(n, part) => Scalar::Part(n, part),
            PoolEntry::Element(id) => {
                let operand = &nest.operands[id.index()];
                Scalar::Element(Place::of(operand)?, operand.dtype.size())
            }
        })
    }

    /// # Safety
    ///
    /// As for [`RowsCall::run`].
    #[inline]
    unsafe fn bits(&self, addresses: &Addresses<'_>) -> u64 {
        match *self {
            Scalar::Constant(bits) => bits,
            Scalar::Parameter(n) => addresses.scalar(n).bits() as u64,
            Scalar::Part(n, part) => addresses.scalar(n).part(part).bits() as u64,
            Scalar::Element(place, bytes) => {
                let mut word = [0; 8];
                // SAFETY: an operand that is the same everywhere has one element, of no more than 8 bytes.
                unsafe { addresses.of(&place).copy_to_nonoverlapping(word.as_mut_ptr(), bytes) };
                u64::from_le_bytes(word)
            }
        }
    }
}

/// Calls a kernel with these scalars and streams.
///
/// # Safety
///
/// As for [`Kernel::call`], with a pool and streams that are what the kernel was selected with.
#[inline]
unsafe fn call(
    kernel: &Kernel,
    [rows, lanes]: [usize; 2],
    scalars: &[Scalar],
    addresses: &Addresses<'_>,
    streams: &[StreamArgs],
) {
    // Pushed, since a collected list is moved to where it is.
    let mut pool: SmallVec<[u64; 8]> = SmallVec::new();
    // SAFETY: as for this function.
    scalars.iter().for_each(|scalar| pool.push(unsafe { scalar.bits(addresses) }));
    let args = KernelArgs { rows, lanes, position: 0, pool: pool.as_ptr(), streams: streams.as_ptr() };
    // SAFETY: as for this function.
    unsafe { kernel.call(&args) };
}

/// One call over the rows of a nest, which are evenly apart.
#[derive(Debug)]
pub(super) struct RowsCall {
    kernel: Arc<Kernel>,
    shape: [usize; 2],
    streams: Vec<Stream>,
    pool: Vec<Scalar>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    at: Place,
    row_stride: isize,
}

/// Whether a nest reduces nothing, or whole rows, of which none leaves partial results.
fn is_whole(nest: &LoopNest) -> bool {
    let mut dtypes = nest.body.reductions.iter().map(|one| nest.body.insts[one.value.index()].dtype);
    nest.body.reductions.is_empty()
        || nest.inner == 1 && nest.reduced > 0 && dtypes.all(|dtype| nest.reduced <= block(dtype))
}

impl RowsCall {
    /// The call for a nest; none where it has no elements.
    pub(super) fn of(nest: &LoopNest, rows: &Rows) -> Option<Option<RowsCall>> {
        if !is_whole(nest) {
            return None;
        }
        let count = match rows.outer[..] {
            [] => 1,
            [count] => count,
            _ => return None,
        };
        let selected = &rows.compiled.selected;
        let streams = selected.streams.iter().zip(&rows.strides).map(|(used, (over, _))| {
            let of_rows = over.last().copied().unwrap_or(0);
            match used {
                StreamUse::Operand(id) => {
                    Some(Stream { at: Place::of(&nest.operands[id.index()])?, row_stride: of_rows })
                }
                StreamUse::Result(n) => {
                    let target = &nest.operands[nest.body.reductions[usize::from(*n)].target.index()];
                    Some(Stream { at: Place::of(target)?, row_stride: target.dtype.size() as isize })
                }
                StreamUse::Pair(id, _) => {
                    let operand = &nest.operands[id.index()];
                    let at = Place::of(operand)?;
                    let at = Place { offset: at.offset - operand.part_offset(), ..at };
                    Some(Stream { at, row_stride: of_rows })
                }
                StreamUse::Value(_) | StreamUse::Best(_) => None,
            }
        });
        let streams = streams.collect::<Option<_>>()?;
        let pool = selected.pool.iter().map(|&entry| Scalar::of(nest, entry)).collect::<Option<_>>()?;
        let (kernel, shape) = (rows.compiled.kernel.clone(), [count, rows.lanes]);
        Some((nest.size() > 0).then_some(RowsCall { kernel, shape, streams, pool }))
    }

    /// # Safety
    ///
    /// All elements of the nest are within each operand. What is written is at the elements that are read, or elsewhere.
    #[inline]
    pub(super) unsafe fn run(&self, addresses: &Addresses<'_>) {
        let mut streams: SmallVec<[StreamArgs; 8]> = SmallVec::new();
        for Stream { at, row_stride } in &self.streams {
            streams.push(StreamArgs { base: addresses.of(at), row_stride: *row_stride });
        }
        // SAFETY: as for this function; the pool has what the program was selected with.
        unsafe { call(&self.kernel, self.shape, &self.pool, addresses, &streams) };
    }
}

/// All of a nest as one tile: what does not follow the elements is packed before the kernel is called, or unpacked after.
#[derive(Debug)]
pub(super) struct TileCall {
    kernel: Arc<Kernel>,
    len: usize,
    packs: Vec<(Place, Moves, usize)>,
    streams: Vec<Source>,
    pool: Vec<Scalar>,
    unpacks: Vec<(Source, Moves, Place)>,
    /// Bytes of scratch memory.
    scratch: usize,
}

/// Where the elements of a tile are, one beside the other.
#[derive(Clone, Copy, Debug)]
enum Source {
    Memory(Place),
    /// So many bytes from the begin of the scratch memory.
    Scratch(usize),
}

/// The most bytes of the scratch memory of a tile, beyond which a tile at a time is better for the caches.
const MOST_SCRATCH: usize = 32 << 10;

impl TileCall {
    /// The call for a nest; none where it has no elements.
    pub(super) fn of(nest: &LoopNest) -> Option<Option<TileCall>> {
        let (Accelerated::None | Accelerated::Declined { .. }, Machine::Tiles(tile)) =
            (&nest.accelerated, &nest.machine)
        else {
            return None;
        };
        let (compiled, len) = (tile.kernel.as_ref()?, nest.size());
        // Apart by more than the elements, so that equal offsets do not share a cache set.
        let bytes = (len * tile.item).next_multiple_of(64) + 64;
        let scratch = bytes * (tile.registers + tile.fills.len());
        if !nest.body.reductions.is_empty() || scratch > MOST_SCRATCH {
            return None;
        }
        let register = |value: ValueId| match tile.places[value.index()] {
            TilePlace::Register(register) => Some(usize::from(register) * bytes),
            TilePlace::Periodic(fill, _) => Some((tile.registers + usize::from(fill)) * bytes),
            TilePlace::Direct(_) | TilePlace::Fixed(_) | TilePlace::Inside => None,
        };
        let source = |value: ValueId| match tile.places[value.index()] {
            TilePlace::Direct(id) => Place::of(&nest.operands[id.index()]).map(Source::Memory),
            _ => register(value).map(Source::Scratch),
        };
        let side_by_side = |operand: &Operand| -> Strides {
            let mut step = operand.dtype.size() as isize;
            let mut strides = Strides::from_elem(0, nest.dims.len());
            for (stride, &dim) in strides.iter_mut().zip(&nest.dims).rev() {
                *stride = step;
                step *= dim as isize;
            }
            strides
        };
        let mut packs = Vec::new();
        let mut pack = |operand: &Operand, target: usize| {
            let item = operand.dtype.size();
            let moves = Moves::new(&operand.strides, &side_by_side(operand), &nest.dims, item);
            packs.push((Place::of(operand)?, moves, target));
            (!operand.swapped).then_some(())
        };
        for op in &tile.ops {
            let TileOp::Pack(value, id) = op else { return None };
            pack(&nest.operands[id.index()], register(*value)?)?;
        }
        for (n, fill) in tile.fills.iter().enumerate() {
            let Fill::Period(id, _) = fill else { return None };
            pack(&nest.operands[id.index()], (tile.registers + n) * bytes)?;
        }
        let mut unpacks = Vec::new();
        for &(value, id) in &tile.late_stores {
            let operand = &nest.operands[id.index()];
            let item = operand.dtype.size();
            let moves = Moves::new(&side_by_side(operand), &operand.strides, &nest.dims, item);
            unpacks.push((source(value)?, moves, Place::of(operand)?));
        }
        let streams = compiled.selected.streams.iter().map(|used| match *used {
            StreamUse::Operand(id) => Place::of(&nest.operands[id.index()]).map(Source::Memory),
            StreamUse::Value(value) => source(value),
            StreamUse::Pair(..) | StreamUse::Result(_) | StreamUse::Best(_) => None,
        });
        let streams = streams.collect::<Option<_>>()?;
        let entries = compiled.selected.pool.iter();
        let pool = entries.map(|&entry| Scalar::of(nest, entry)).collect::<Option<_>>()?;
        let kernel = compiled.kernel.clone();
        Some((len > 0).then_some(TileCall { kernel, len, packs, streams, pool, unpacks, scratch }))
    }

    /// # Errors
    ///
    /// No memory.
    ///
    /// # Safety
    ///
    /// As for [`RowsCall::run`].
    pub(super) unsafe fn run(&self, addresses: &Addresses<'_>) -> Result<(), Error> {
        let mut scratch = Buffer::allocate(self.scratch)?;
        let scratch = scratch.as_mut_ptr();
        let address = |source: &Source| match source {
            Source::Memory(place) => addresses.of(place),
            Source::Scratch(offset) => scratch.wrapping_add(*offset),
        };
        for (place, moves, target) in &self.packs {
            // SAFETY: as for this function; the scratch memory has room for the elements from `target` on.
            unsafe { moves.run(addresses.of(place), scratch.wrapping_add(*target)) };
        }
        let mut streams: SmallVec<[StreamArgs; 8]> = SmallVec::new();
        self.streams
            .iter()
            .for_each(|source| streams.push(StreamArgs { base: address(source), row_stride: 0 }));
        // SAFETY: each stream has `len` elements: an operand that is row-major, or scratch memory.
        unsafe { call(&self.kernel, [1, self.len], &self.pool, addresses, &streams) };
        for (source, moves, place) in &self.unpacks {
            // SAFETY: as for this function; the elements are in scratch memory, or in memory that is not written.
            unsafe { moves.run(address(source), addresses.of(place)) };
        }
        Ok(())
    }
}
