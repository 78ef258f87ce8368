//! Which memories of one evaluation are the same, and which of them may be written.
//!
//! A donated input is overwritten only if nothing else reads it:
//!
//! - no other input of the evaluation overlaps it, and nothing but the expression holds the leaf: no ndarray over it, no
//!   other evaluation. Otherwise it is kept as it is ([`withdraw_donations`]);
//! - the number of holders is looked at again when the leaf is marked as overwritten ([`claim`]), in an order that
//!   leaves no gap to evaluations of other threads.
//!
//! What cannot be seen is left to who donates: other objects over the same memory, such as views of the ndarray, and
//! lazy arrays made of them.

use std::ops::Range;

use raptors_ir::{Destination, Layout, NodeId, Shape, Type};
use raptors_passes::{Outcome, Record};
use smallvec::SmallVec;

use crate::array::{Claim, Donation, Leaf};
use crate::capture::{Captured, Input};
use crate::error::Error;
use crate::eval::OutMemory;

/// Takes back donations that cannot be used, and says why.
pub(crate) fn withdraw_donations(captured: &mut Captured<'_>) -> Vec<Record> {
    let mut withdrawn = Vec::new();
    let mut extents = None;
    for parameter in 0..captured.parameters().len() {
        let Input::Leaf(leaf) = &captured.inputs[parameter] else { continue };
        let reason = match leaf.donation {
            Donation::No => continue,
            Donation::ReadOnly => "the memory is read-only",
            Donation::Yes if !captured.parameters()[parameter].donated => continue,
            Donation::Yes if Leaf::is_held_beside_captures(leaf, 1) => {
                "an ndarray or another evaluation holds the memory too"
            }
            Donation::Yes
                if extents.get_or_insert_with(|| Extents::of_inputs(captured)).is_shared(parameter) =>
            {
                "another input shares the memory"
            }
            Donation::Yes => continue,
        };
        captured.keep(parameter);
        withdrawn.push(Record {
            pass: "capture",
            rule: "donate",
            outcome: Outcome::Refused,
            // Parameters are the first nodes of a graph.
            node: NodeId(parameter as u32),
            op: "lazy",
            source: captured.source(parameter),
            detail: reason.into(),
        });
    }
    withdrawn
}

/// The memory of inputs, by address, so that each is compared with its neighbours alone.
struct Extents {
    /// Ascending by the first byte, with the number of the input.
    sorted: Vec<(Extent, usize)>,
    /// Past the highest byte of each and those before.
    reach: Vec<usize>,
    /// Where each input is in `sorted`; `None` for a scalar.
    places: Vec<Option<usize>>,
}

impl Extents {
    fn of_inputs(captured: &Captured<'_>) -> Extents {
        Extents::new((0..captured.inputs.len()).map(|input| input_extent(captured, input)))
    }

    fn new(extents: impl ExactSizeIterator<Item = Option<Extent>>) -> Extents {
        let count = extents.len();
        let mut sorted: Vec<(Extent, usize)> =
            extents.enumerate().filter_map(|(input, extent)| Some((extent?, input))).collect();
        sorted.sort_unstable_by_key(|(extent, _)| extent.bytes.start);
        let mut places = vec![None; count];
        let mut reach = Vec::with_capacity(sorted.len());
        for (place, (extent, input)) in sorted.iter().enumerate() {
            places[*input] = Some(place);
            reach.push(extent.bytes.end.max(reach.last().copied().unwrap_or(0)));
        }
        Extents { sorted, reach, places }
    }

    /// Whether another input may share a byte with this one.
    fn is_shared(&self, input: usize) -> bool {
        let Some(place) = self.places[input] else { return false };
        let (memory, _) = &self.sorted[place];
        let before = (0..place).rev().take_while(|&other| self.reach[other] > memory.bytes.start);
        let after = (place + 1..self.sorted.len())
            .take_while(|&other| self.sorted[other].0.bytes.start < memory.bytes.end);
        before.chain(after).any(|other| overlaps(memory, &self.sorted[other].0))
    }
}

/// Marks the donated inputs that a program overwrites, so that nothing reads them again. If something else has come to
/// hold one, none is marked, and its number is returned.
///
/// # Errors
///
/// An input that another evaluation has marked.
pub(crate) fn claim(captured: &Captured<'_>, overwritten: &[u32]) -> Result<Option<usize>, Error> {
    let mut claimed: SmallVec<[&Leaf; 4]> = SmallVec::new();
    for &parameter in overwritten {
        let n = parameter as usize;
        let Input::Leaf(leaf) = &captured.inputs[n] else { continue };
        if !captured.parameters()[n].donated {
            continue;
        }
        let refused = match Leaf::claim(leaf, 1) {
            Claim::Made => {
                claimed.push(leaf);
                continue;
            }
            Claim::Held => Ok(Some(n)),
            Claim::TooLate => Err(Error::Consumed { shape: captured.parameters()[n].ty.shape.clone() }),
        };
        claimed.into_iter().for_each(Leaf::release);
        return refused;
    }
    Ok(None)
}

/// Whether memory may be given for a result of this type.
pub(crate) fn check_out(out: &OutMemory, ty: &Type) -> Result<(), Error> {
    if out.shape != ty.shape {
        let (given, needed) = (out.shape.to_string(), ty.shape.to_string());
        return Err(Error::OutMismatch { what: "shape", given, needed });
    }
    if out.dtype != ty.dtype {
        let (given, needed) = (out.dtype.numpy_name().to_owned(), ty.dtype.numpy_name().to_owned());
        return Err(Error::OutMismatch { what: "dtype", given, needed });
    }
    if !out.writable {
        return Err(Error::OutReadOnly);
    }
    if overlaps_itself(out) {
        return Err(Error::OutOverlap { with: "itself" });
    }
    Ok(())
}

/// Whether two elements of `out` may share memory: a dimension steps by less than all that is inside it.
fn overlaps_itself(out: &OutMemory) -> bool {
    let mut steps: SmallVec<[(usize, usize); 4]> = out
        .shape
        .iter()
        .zip(&out.strides)
        .filter(|&(&dim, _)| dim > 1)
        .map(|(&dim, &stride)| (stride.unsigned_abs(), dim))
        .collect();
    steps.sort_unstable();
    let mut inside = out.dtype.size();
    out.shape.size() > 0
        && steps.iter().any(|&(step, dim)| {
            let overlap = step < inside;
            inside += step * (dim - 1);
            overlap
        })
}

/// Where a result for this memory is computed.
///
/// Memory that is not row-major, or that several inputs read, gets a copy of a result computed elsewhere.
pub(crate) fn destination(captured: &Captured<'_>, out: &OutMemory) -> Result<Destination, Error> {
    let memory = extent_of(out);
    let mut exact = None;
    let mut sharing = 0;
    for (n, input) in captured.inputs.iter().enumerate() {
        let Input::Leaf(leaf) = input else { continue };
        if !input_extent(captured, n).is_some_and(|extent| overlaps(&memory, &extent)) {
            continue;
        }
        let ty = &captured.parameters()[n].ty;
        let same = leaf.memory.pointer() == out.pointer
            && ty.dtype == out.dtype
            && ty.shape == out.shape
            && leaf.swapped == out.swapped
            && same_strides(&out.shape, &leaf.strides, &out.strides);
        if !same {
            return Err(Error::OutOverlap { with: "an input" });
        }
        sharing += 1;
        exact = Some(n);
    }
    let row_major = !out.swapped
        && (out.pointer as usize).is_multiple_of(out.dtype.size())
        && same_strides(&out.shape, &out.strides, &out.shape.row_major_strides(out.dtype.size()));
    Ok(match (exact, sharing) {
        _ if !row_major => Destination::Fresh,
        (None, _) => Destination::Provided,
        (Some(n), 1) if captured.parameters()[n].layout == Layout::RowMajor => {
            Destination::Parameter(n as u32)
        }
        (Some(_), _) => Destination::Fresh,
    })
}

/// Whether two memories given for results may share a byte.
pub(crate) fn outs_overlap(a: &OutMemory, b: &OutMemory) -> bool {
    overlaps(&extent_of(a), &extent_of(b))
}

fn same_strides(shape: &Shape, a: &[isize], b: &[isize]) -> bool {
    shape.size() == 0 || shape.iter().zip(a).zip(b).all(|((&dim, a), b)| dim == 1 || a == b)
}

/// The addresses that an array reaches: from the lowest byte to past the highest, elements a multiple of `step` apart.
#[derive(Clone, Debug)]
pub struct Extent {
    bytes: Range<usize>,
    step: usize,
    item: usize,
}

impl Extent {
    /// What an array of elements of `item` bytes reaches from `pointer`, its first element; strides are in bytes.
    pub fn new(pointer: *mut u8, dims: &[usize], strides: &[isize], item: usize) -> Extent {
        let address = pointer as usize;
        if dims.contains(&0) {
            return Extent { bytes: address..address, step: 0, item };
        }
        let (mut low, mut high, mut step) = (0isize, 0isize, 0);
        for (&dim, &stride) in dims.iter().zip(strides) {
            let reach = stride * (dim as isize - 1);
            low += reach.min(0);
            high += reach.max(0);
            if dim > 1 {
                step = gcd(step, stride.unsigned_abs());
            }
        }
        let bytes = address.wrapping_add_signed(low)..address.wrapping_add_signed(high) + item;
        Extent { bytes, step, item }
    }

    /// Whether both may share a byte.
    pub fn overlaps(&self, other: &Extent) -> bool {
        overlaps(self, other)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn extent_of(out: &OutMemory) -> Extent {
    Extent::new(out.pointer, &out.shape, &out.strides, out.dtype.size())
}

fn input_extent(captured: &Captured<'_>, n: usize) -> Option<Extent> {
    let ty = &captured.parameters()[n].ty;
    match &captured.inputs[n] {
        Input::Leaf(leaf) => {
            Some(Extent::new(leaf.memory.pointer(), &ty.shape, &leaf.strides, ty.dtype.size()))
        }
        // A function looks at the memory of its arguments itself.
        Input::Scalar(..) | Input::Argument(_) | Input::ScalarArgument(..) => None,
    }
}

/// Whether two arrays may share a byte. Arrays that interleave, such as two channels of one image, do not.
pub(crate) fn overlaps(a: &Extent, b: &Extent) -> bool {
    if a.bytes.start >= b.bytes.end || b.bytes.start >= a.bytes.end {
        return false;
    }
    let step = gcd(a.step, b.step);
    if step == 0 {
        return true;
    }
    let phase = (b.bytes.start as isize - a.bytes.start as isize).rem_euclid(step as isize) as usize;
    phase < a.item || phase + b.item > step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_all_that_may_overlap() {
        let mut state = 3u64;
        let mut random = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let (mut shared, mut apart) = (0, 0);
        for _ in 0..2_000 {
            let mut extents: Vec<Option<Extent>> = Vec::new();
            for _ in 0..1 + random(8) {
                let (start, len, step) = (random(200), random(12), [1, 2, 8][random(3)]);
                let bytes = start..start + if len == 0 { 0 } else { (len - 1) * step + 1 };
                extents.push((random(6) > 0).then_some(Extent {
                    bytes,
                    step: if len > 1 { step } else { 0 },
                    item: 1,
                }));
            }
            let all = Extents::new(extents.iter().cloned());
            for (n, extent) in extents.iter().enumerate() {
                let others = extents.iter().enumerate().filter(|&(other, _)| other != n);
                let is_shared = extent.as_ref().is_some_and(|extent| {
                    others.filter_map(|(_, other)| other.as_ref()).any(|other| overlaps(extent, other))
                });
                assert_eq!(all.is_shared(n), is_shared);
                *if is_shared { &mut shared } else { &mut apart } += 1;
            }
        }
        assert!(shared > 500 && apart > 500, "{shared} {apart}");
    }
}
