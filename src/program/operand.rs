//! Operands: strided elements in memory, as steps read and write them.

use std::fmt;
use std::ops::Range;

use raptors_ir::{DType, Part, Strides};

use super::{Access, Memory};

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
    /// The part of complex numbers that the elements are, if they are in memory beside the other.
    pub(crate) part: Option<Part>,
}

impl Operand {
    /// The bytes from the complex numbers of which the elements are a part to that part.
    pub(crate) fn part_offset(&self) -> isize {
        match self.part {
            None | Some(Part::Real) => 0,
            Some(Part::Imag) => self.dtype.size() as isize,
        }
    }

    /// Whether both are parts of the same complex numbers.
    pub(crate) fn is_paired_with(&self, other: &Operand) -> bool {
        let begin = |operand: &Operand| operand.offset - operand.part_offset();
        self.part.is_some()
            && other.part.is_some()
            && (self.memory, self.dtype, begin(self)) == (other.memory, other.dtype, begin(other))
            && self.strides == other.strides
            && self.swapped == other.swapped
    }

    /// Whether both may reach a common byte, within a step of these dimensions.
    pub(crate) fn overlaps(&self, other: &Operand, dims: &[usize]) -> bool {
        let (a, b) = (self.reach(dims), other.reach(dims));
        self.memory == other.memory && a.start < b.end && b.start < a.end
    }

    /// Whether this and `other` are the real and the imaginary parts of row-major complex numbers.
    pub(crate) fn begins_pairs_with(&self, other: &Operand, dims: &[usize]) -> bool {
        let item = self.dtype.size() as isize;
        let mut expected = 2 * item;
        let mut dims = dims.iter().zip(&self.strides).rev();
        self.memory == other.memory
            && self.dtype == other.dtype
            && self.offset + item == other.offset
            && self.strides == other.strides
            && dims.all(|(&dim, &stride)| {
                let fits = dim == 1 || stride == expected;
                expected *= dim as isize;
                fits
            })
    }

    /// Whether both are the same elements of the same memory.
    pub(crate) fn is_at(&self, other: &Operand) -> bool {
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

    /// The elements that a step over `dims` touches.
    pub(super) fn access(&self, dims: &[usize]) -> Access {
        let spread = dims.iter().zip(&self.strides).filter(|&(&dim, &stride)| dim == 0 || stride != 0);
        let bytes = spread.map(|(dim, _)| dim).product::<usize>() * self.dtype.size();
        Access { memory: self.memory, bytes, span: self.reach(dims) }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} + {} strides {:?}", self.memory, self.dtype, self.offset, self.strides.as_slice())?;
        f.write_str(if self.swapped { " swapped" } else { "" })
    }
}
