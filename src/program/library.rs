//! A step that runs a library op.

use std::fmt;

use raptors_ir::{Dims, LibraryOp};

use super::{Access, Operand, Program, Step, spelled};
use crate::runtime::team;

/// Strided elements over dimensions of their own.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    pub(crate) operand: Operand,
    pub(crate) dims: Dims,
}

impl Spread {
    /// The number of elements.
    pub(crate) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    pub(super) fn access(&self) -> Access {
        self.operand.access(&self.dims)
    }

    /// Whether the elements are the same, in the same memory.
    pub(crate) fn is_at(&self, other: &Spread) -> bool {
        let strides = self.operand.strides.iter().zip(&other.operand.strides);
        // Nothing is a step away along a dimension of length 1.
        let alike = self.dims.iter().zip(strides).all(|(&dim, (a, b))| dim <= 1 || a == b);
        let (a, b) = (&self.operand, &other.operand);
        self.dims == other.dims && alike && a.memory == b.memory && a.offset == b.offset
    }
}

/// One library op on operands in memory.
#[derive(Clone, Debug)]
pub(crate) struct LibraryCall {
    pub(crate) op: LibraryOp,
    pub(crate) operands: Vec<Spread>,
    /// Row-major.
    pub(crate) result: Spread,
}

/// What is around an axis: the number of indices before it, its length, and the number of those after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    pub(crate) outer: usize,
    pub(crate) len: usize,
    pub(crate) inner: usize,
}

impl Around {
    pub(crate) fn axis(dims: &[usize], axis: usize) -> Around {
        Around {
            outer: dims[..axis].iter().product(),
            len: dims[axis],
            inner: dims[axis + 1..].iter().product(),
        }
    }

    /// Columns whose elements of `item` bytes are gathered together, where a row does not lie side by side.
    pub(crate) fn columns(self, item: usize) -> usize {
        /// Bytes of a line of the cache, which columns share.
        const LINE: usize = 64;
        /// Bytes of gathered rows that stay in the second-level cache.
        const GATHERED: usize = 256 << 10;
        (GATHERED / (self.len * item).max(1)).clamp(1, LINE / item).min(self.inner)
    }
}

impl LibraryCall {
    /// Nanoseconds of an element on one thread, roughly.
    pub(crate) fn element_ns(&self) -> f64 {
        /// A comparison and what follows from it.
        const STEP_NS: f64 = 0.6;
        let levels = |axis: usize| (self.operands[0].dims[axis].max(2) as f64).log2();
        match &self.op {
            LibraryOp::CumulativeSum { .. } | LibraryOp::CumulativeProd { .. } => 1.2,
            LibraryOp::Sort { axis, .. } => STEP_NS * levels(*axis),
            LibraryOp::Argsort { axis, .. } => 1.5 * STEP_NS * levels(*axis),
            LibraryOp::Partition { .. } => 4.0,
            LibraryOp::Argpartition { .. } => 8.0,
            LibraryOp::Gather { .. } | LibraryOp::Scatter { .. } => 1.0,
            LibraryOp::Compress { .. } | LibraryOp::Positions { .. } => 0.5,
            LibraryOp::Searchsorted { .. } => STEP_NS * 3.0 * (self.operands[0].len().max(2) as f64).log2(),
            LibraryOp::Bincount { .. } => 0.8,
        }
    }

    /// The most parts that it can be cut to.
    pub(crate) fn most_parts(&self) -> usize {
        match &self.op {
            LibraryOp::CumulativeSum { axis } | LibraryOp::CumulativeProd { axis }
                if self.result.operand.dtype.is_float() =>
            {
                self.result.len() / self.result.dims[*axis].max(1)
            }
            LibraryOp::CumulativeSum { .. }
            | LibraryOp::CumulativeProd { .. }
            | LibraryOp::Sort { .. }
            | LibraryOp::Argsort { .. }
            | LibraryOp::Partition { .. }
            | LibraryOp::Argpartition { .. }
            | LibraryOp::Gather { .. }
            | LibraryOp::Compress { .. }
            | LibraryOp::Positions { .. }
            | LibraryOp::Searchsorted { .. }
            | LibraryOp::Bincount { .. } => usize::MAX,
            LibraryOp::Scatter { axes, .. } if axes[0] > 0 => self.result.dims[0],
            LibraryOp::Scatter { .. } => 1,
        }
    }

    /// Whether threads share each row along `axis` of a result, rather than the rows: there are fewer of these.
    pub(crate) fn shares_rows(&self, axis: usize) -> bool {
        let Around { outer, len, inner } = Around::axis(&self.result.dims, axis);
        outer * inner < team::threads() && team::worth_sharing(len as f64 * self.element_ns())
    }

    /// Bytes of scratch memory that all threads together take at most, beside the result.
    pub(crate) fn scratch_bytes(&self) -> usize {
        let (axis, item) = match &self.op {
            LibraryOp::Sort { axis, .. }
            | LibraryOp::Partition { axis, .. }
            | LibraryOp::Argsort { axis, .. }
            | LibraryOp::Argpartition { axis, .. } => (*axis, self.operands[0].operand.dtype.size()),
            LibraryOp::CumulativeSum { .. }
            | LibraryOp::CumulativeProd { .. }
            | LibraryOp::Gather { .. }
            | LibraryOp::Scatter { .. }
            | LibraryOp::Compress { .. }
            | LibraryOp::Positions { .. }
            | LibraryOp::Searchsorted { .. }
            | LibraryOp::Bincount { .. } => return 0,
        };
        let around = Around::axis(&self.result.dims, axis);
        let Around { outer, len, inner } = around;
        let each = match &self.op {
            LibraryOp::Argsort { .. } | LibraryOp::Argpartition { .. } => {
                let position = size_of::<u64>();
                let is_gathered = self.operands[0].operand.strides[axis] != item as isize && len > 1;
                2 * position + usize::from(is_gathered) * item + usize::from(inner > 1) * position
            }
            _ if inner > 1 => (around.columns(item) + 1) * item,
            _ => item,
        };
        let threads = if self.shares_rows(axis) { 1 } else { team::threads().min(outer * inner) };
        threads.saturating_mul(len).saturating_mul(each)
    }

    /// Nanoseconds on one thread, roughly.
    pub(crate) fn one_thread_ns(&self) -> f64 {
        let elements = match &self.op {
            LibraryOp::Compress { .. } | LibraryOp::Positions { .. } | LibraryOp::Bincount { .. } => {
                self.operands[0].len()
            }
            LibraryOp::Scatter { .. } => self.operands.iter().map(Spread::len).max().unwrap_or(0),
            LibraryOp::CumulativeSum { .. }
            | LibraryOp::CumulativeProd { .. }
            | LibraryOp::Sort { .. }
            | LibraryOp::Argsort { .. }
            | LibraryOp::Partition { .. }
            | LibraryOp::Argpartition { .. }
            | LibraryOp::Gather { .. }
            | LibraryOp::Searchsorted { .. } => self.result.len(),
        };
        elements as f64 * self.element_ns()
    }
}

impl Program {
    /// Bytes that a run allocates at most: arena, buffers and the scratch memory of library ops.
    pub(crate) fn most_bytes(&self) -> usize {
        let scratch = self.steps.iter().map(|step| match step {
            Step::Library(call) => call.scratch_bytes(),
            Step::Loop(_) | Step::Blocks(_) | Step::Matmul(_) => 0,
        });
        self.peak_bytes().saturating_add(scratch.max().unwrap_or(0))
    }
}

impl fmt::Display for LibraryCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}{} of {}", self.op.name(), self.op, spelled(&self.operands[0].dims))?;
        let spreads = self.operands.iter().chain([&self.result]);
        spreads.enumerate().try_for_each(|(m, spread)| writeln!(f, "    m{m} = {}", spread.operand))
    }
}
