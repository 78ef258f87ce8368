//! Elements read at, and written to, positions that are themselves elements.
//!
//! A [`Places`] is a box of places in row-major order. Each has an address in an array of any strides: that of its own
//! index, but for some axes, where index arrays say which position. Positions count from the end if negative, and are
//! checked. Where no index array changes along the last dimensions, these are moved as a whole.

use smallvec::SmallVec;

use super::copy;

/// An index array: the position along one axis, for each place.
#[derive(Clone, Debug)]
pub(crate) struct Positions {
    /// The first position; `i64`, aligned.
    pub(crate) base: *const u8,
    /// Bytes to the next one, per dimension of the places.
    pub(crate) strides: SmallVec<[isize; 6]>,
    /// The axis of the array.
    pub(crate) axis: usize,
    /// The array's length along it.
    pub(crate) len: usize,
    /// Bytes between the array's elements along it.
    pub(crate) step: isize,
}

/// A box of places of an array.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) dims: SmallVec<[usize; 6]>,
    /// Bytes between the array's elements per dimension; 0 along axes that index arrays are for.
    pub(crate) strides: SmallVec<[isize; 6]>,
    pub(crate) positions: SmallVec<[Positions; 2]>,
    /// How many of the first dimensions index arrays change along; the others are moved as a whole.
    pub(crate) lead: usize,
}

// SAFETY: the addresses are only numbers here; whoever reads them argues why.
unsafe impl Send for Places {}
// SAFETY: as above.
unsafe impl Sync for Places {}

/// A position that the array does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OutOfBounds {
    pub(crate) position: i64,
    pub(crate) axis: usize,
    pub(crate) len: usize,
}

impl Places {
    pub(crate) fn new(
        dims: SmallVec<[usize; 6]>,
        strides: SmallVec<[isize; 6]>,
        positions: SmallVec<[Positions; 2]>,
    ) -> Places {
        let changes = |&n: &usize| dims[n] > 1 && positions.iter().any(|index| index.strides[n] != 0);
        let lead = (0..dims.len()).rev().find(changes).map_or(0, |last| last + 1);
        Places { dims, strides, positions, lead }
    }

    /// The places that have an address of their own to look up.
    pub(crate) fn lookups(&self) -> usize {
        // Without places there may be no position to look up either.
        if self.dims.contains(&0) { 0 } else { self.dims[..self.lead].iter().product() }
    }

    /// The dimensions that are moved as a whole, and their strides in the array.
    pub(crate) fn whole(&self) -> (&[usize], &[isize]) {
        (&self.dims[self.lead..], &self.strides[self.lead..])
    }

    /// Calls `f` with the number of each of these lookups, and the bytes from the array's first element to its place.
    ///
    /// # Safety
    ///
    /// The positions can be read.
    #[inline(always)]
    pub(crate) unsafe fn each(
        &self,
        lookups: std::ops::Range<usize>,
        mut f: impl FnMut(usize, isize),
    ) -> Result<(), OutOfBounds> {
        let Some(last) = self.lead.checked_sub(1) else {
            if lookups.is_empty() {
                return Ok(());
            }
            // SAFETY: as for this function.
            let offset = unsafe { self.offset(&[], 0, 0)? };
            f(0, offset);
            return Ok(());
        };
        let len = self.dims[last];
        let mut number = lookups.start;
        let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, last);
        while number < lookups.end {
            let (mut rest, first) = (number / len, number % len);
            for (i, &dim) in index.iter_mut().zip(&self.dims[..last]).rev() {
                *i = rest % dim;
                rest /= dim;
            }
            let count = (len - first).min(lookups.end - number);
            // SAFETY: as for this function.
            unsafe { self.line(&index, last, first..first + count, |i, offset| f(number + i, offset))? };
            number += count;
        }
        Ok(())
    }

    /// The lookups of one line along dimension `last`.
    ///
    /// # Safety
    ///
    /// The positions can be read.
    #[inline(always)]
    unsafe fn line(
        &self,
        index: &[usize],
        last: usize,
        range: std::ops::Range<usize>,
        mut f: impl FnMut(usize, isize),
    ) -> Result<(), OutOfBounds> {
        let own: isize = index.iter().zip(&self.strides).map(|(&i, &stride)| i as isize * stride).sum();
        if let [positions] = self.positions.as_slice() {
            let before: isize =
                index.iter().zip(&positions.strides).map(|(&i, &stride)| i as isize * stride).sum();
            let (stride, step, along) = (positions.strides[last], positions.step, self.strides[last]);
            let base = positions.base.wrapping_offset(before);
            if along == 0 && stride == size_of::<i64>() as isize {
                // SAFETY: as for this function; they are aligned, and one follows the other.
                let list =
                    unsafe { std::slice::from_raw_parts(base.cast::<i64>().add(range.start), range.len()) };
                for (n, &position) in list.iter().enumerate() {
                    f(n, own + positions.checked(position)? * step);
                }
                return Ok(());
            }
            for (n, i) in range.enumerate() {
                let address = base.wrapping_offset(i as isize * stride);
                // SAFETY: as for this function.
                let position = unsafe { address.cast::<i64>().read() };
                f(n, own + i as isize * along + positions.checked(position)? * step);
            }
            return Ok(());
        }
        for (n, i) in range.enumerate() {
            // SAFETY: as for this function.
            f(n, unsafe { self.offset(index, last, i)? });
        }
        Ok(())
    }

    /// Bytes to the place of an index, whose last entry is `i` along dimension `last`.
    ///
    /// # Safety
    ///
    /// The positions can be read.
    #[inline(always)]
    unsafe fn offset(&self, index: &[usize], last: usize, i: usize) -> Result<isize, OutOfBounds> {
        let at = |strides: &[isize]| {
            let before: isize = index.iter().zip(strides).map(|(&i, &stride)| i as isize * stride).sum();
            before + if i > 0 { i as isize * strides[last] } else { 0 }
        };
        let mut offset = at(&self.strides);
        for positions in &self.positions {
            // SAFETY: as for this function.
            let position =
                unsafe { positions.base.wrapping_offset(at(&positions.strides)).cast::<i64>().read() };
            offset += positions.checked(position)? * positions.step;
        }
        Ok(offset)
    }
}

impl Positions {
    /// The position from the start.
    #[inline(always)]
    fn checked(&self, position: i64) -> Result<isize, OutOfBounds> {
        let len = self.len as i64;
        let from_start = if position < 0 { position.wrapping_add(len) } else { position };
        if (from_start as u64) < len as u64 {
            Ok(from_start as isize)
        } else {
            Err(OutOfBounds { position, axis: self.axis, len: self.len })
        }
    }
}

/// Reads the places of these lookups of the array at `x` into row-major memory.
///
/// # Safety
///
/// The array is there wherever the places are, its positions can be read, and `out` has room for all places; it does not
/// overlap any of these.
pub(crate) unsafe fn gather(
    places: &Places,
    lookups: std::ops::Range<usize>,
    x: *const u8,
    item: usize,
    out: *mut u8,
) -> Result<(), OutOfBounds> {
    let (dims, strides) = places.whole();
    let bytes = dims.iter().product::<usize>() * item;
    let side_by_side = {
        let mut step = item as isize;
        dims.iter().zip(strides).rev().all(|(&dim, &stride)| {
            let fits = dim == 1 || stride == step;
            step *= dim as isize;
            fits
        })
    };
    // SAFETY: each lookup moves its places from the array to their room.
    unsafe {
        match bytes {
            0 => Ok(()),
            1 => typed::<u8>(places, lookups, x, out),
            2 if side_by_side => typed::<u16>(places, lookups, x, out),
            4 if side_by_side => typed::<u32>(places, lookups, x, out),
            8 if side_by_side => typed::<u64>(places, lookups, x, out),
            16 if side_by_side => typed::<u128>(places, lookups, x, out),
            _ if side_by_side => places.each(lookups, |n, offset| {
                copy::copy_run(x.wrapping_offset(offset), out.add(n * bytes), bytes);
            }),
            _ => places.each(lookups, |n, offset| {
                copy::pack(x.wrapping_offset(offset), strides, dims, item, out.add(n * bytes));
            }),
        }
    }
}

/// # Safety
///
/// As for [`gather`], for places of the size of `T`.
unsafe fn typed<T>(
    places: &Places,
    lookups: std::ops::Range<usize>,
    x: *const u8,
    out: *mut u8,
) -> Result<(), OutOfBounds> {
    // SAFETY: as for this function.
    unsafe {
        places.each(lookups, |n, offset| {
            let element = x.wrapping_offset(offset).cast::<T>().read_unaligned();
            out.cast::<T>().add(n).write_unaligned(element);
        })
    }
}
