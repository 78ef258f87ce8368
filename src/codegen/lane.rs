//! Lane programs: what a region does to one element, as straight-line code over values.
//!
//! A lane program is in SSA form: an instruction's value is its position. It reads operands of the loop nest, computes,
//! and names the values that are stored or reduced. It says nothing of loops, tiles, registers or machines; those
//! are the business of what executes it.

use std::fmt;

use raptors_ir::{DType, ElementwiseOp, Literal, Part, ReduceOp, Strides};
use smallvec::SmallVec;

/// A value of a lane program: the position of its instruction. Prints as `v3`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ValueId(pub(crate) u16);

impl ValueId {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// An operand of the loop nest, by position. Prints as `m1`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct OperandId(pub(crate) u16);

impl OperandId {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for OperandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// A scalar that every lane sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scalar {
    /// Known when the program was compiled.
    Constant(Literal),
    /// A parameter passed by value at each run.
    Parameter(u32),
    /// A part of a complex one.
    Part(u32, Part),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Constant(literal) => write!(f, "{literal}"),
            Scalar::Parameter(n) => write!(f, "p{n}"),
            Scalar::Part(n, part) => write!(f, "p{n}.{}", part.name()),
        }
    }
}

/// What an instruction does.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum LaneOp {
    /// Reads an operand.
    Load(OperandId),
    /// Repeats a scalar.
    Splat(Scalar),
    /// The number `offset + sum(index[d] * strides[d])`, an `i64`.
    Index { offset: i64, strides: Strides },
    /// An elementwise op; the dtype is the arguments'.
    Elementwise(ElementwiseOp, DType),
    /// `where(condition, x, y)`.
    Where,
    /// Conversion from a dtype.
    Cast(DType),
    /// The argument.
    Copy,
}

impl LaneOp {
    /// The op's name, as programs print it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            LaneOp::Load(_) => "load",
            LaneOp::Splat(_) => "splat",
            LaneOp::Index { .. } => "index",
            LaneOp::Elementwise(op, _) => op.name(),
            LaneOp::Where => "where",
            LaneOp::Cast(_) => "cast",
            LaneOp::Copy => "copy",
        }
    }

    /// The operand that is read, if one is.
    pub(crate) fn loads(&self) -> Option<OperandId> {
        match self {
            LaneOp::Load(operand) => Some(*operand),
            LaneOp::Splat(_)
            | LaneOp::Index { .. }
            | LaneOp::Elementwise(..)
            | LaneOp::Where
            | LaneOp::Cast(_)
            | LaneOp::Copy => None,
        }
    }

    /// Whether it makes a new number, rather than move or repeat one.
    pub(crate) fn computes(&self) -> bool {
        match self {
            LaneOp::Elementwise(..) | LaneOp::Where | LaneOp::Cast(_) => true,
            LaneOp::Load(_) | LaneOp::Splat(_) | LaneOp::Index { .. } | LaneOp::Copy => false,
        }
    }
}

/// An instruction: an op, its arguments, and its value's dtype.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Inst {
    pub(crate) op: LaneOp,
    pub(crate) args: SmallVec<[ValueId; 3]>,
    pub(crate) dtype: DType,
}

/// A value combined over the reduced dimensions, and the operand the result is stored in.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Reduction {
    pub(crate) op: ReduceOp,
    pub(crate) value: ValueId,
    pub(crate) target: OperandId,
}

/// Straight-line code for one element.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct LaneProgram {
    pub(crate) insts: Vec<Inst>,
    /// Values stored at each element, and where.
    pub(crate) stores: Vec<(ValueId, OperandId)>,
    pub(crate) reductions: Vec<Reduction>,
}

impl LaneProgram {
    pub(crate) fn push(&mut self, op: LaneOp, args: &[ValueId], dtype: DType) -> ValueId {
        self.insts.push(Inst { op, args: SmallVec::from_slice(args), dtype });
        ValueId(self.insts.len() as u16 - 1)
    }
}

impl fmt::Display for LaneProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, inst) in self.insts.iter().enumerate() {
            write!(f, "    v{n} = ")?;
            match &inst.op {
                LaneOp::Load(operand) => write!(f, "load {operand}")?,
                LaneOp::Splat(scalar) => write!(f, "splat {scalar}")?,
                LaneOp::Index { offset, strides } => write!(f, "index {offset} + {strides:?}")?,
                LaneOp::Elementwise(..) | LaneOp::Where | LaneOp::Cast(_) | LaneOp::Copy => {
                    f.write_str(inst.op.name())?;
                }
            }
            for (i, arg) in inst.args.iter().enumerate() {
                write!(f, "{} {arg}", if i == 0 { "" } else { "," })?;
            }
            writeln!(f, ": {}", inst.dtype)?;
        }
        for (value, operand) in &self.stores {
            writeln!(f, "    store {value}, {operand}")?;
        }
        for reduction in &self.reductions {
            writeln!(f, "    {} {}, {}", reduction.op.name(), reduction.value, reduction.target)?;
        }
        Ok(())
    }
}
