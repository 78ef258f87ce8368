//! What can be wrong with an op's operands, a graph, or its text.

use thiserror::Error;

use crate::{DType, NodeId, Shape};

/// A mistake in how an op was applied. The message names the op, gives both facts, and says what would work.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum IrError {
    /// Operand shapes do not broadcast.
    #[error(
        "{op}: shapes {lhs} and {rhs} do not broadcast: each pair of trailing lengths must be equal or contain 1"
    )]
    Broadcast {
        /// The op.
        op: &'static str,
        /// Left operand's shape.
        lhs: Shape,
        /// Right operand's shape.
        rhs: Shape,
    },
    /// An operand cannot be repeated to the asked shape.
    #[error("{op}: an array of shape {shape} does not broadcast to {target}")]
    BroadcastTo {
        /// The op.
        op: &'static str,
        /// The operand's shape.
        shape: Shape,
        /// The shape asked for.
        target: Shape,
    },
    /// The op is not defined for the dtype.
    #[error("{op}: not defined for {dtype}, needs {needed}", dtype = dtype.numpy_name())]
    DType {
        /// The op.
        op: &'static str,
        /// What was given.
        dtype: DType,
        /// What would work.
        needed: &'static str,
    },
    /// Operands that must have one dtype have two.
    #[error("{op}: operands have dtypes {lhs} and {rhs}, needs one dtype: cast one of them")]
    DTypeMismatch {
        /// The op.
        op: &'static str,
        /// Left operand's dtype.
        lhs: DType,
        /// Right operand's dtype.
        rhs: DType,
    },
    /// The wrong number of operands.
    #[error("{op}: takes {needed} operands, not {given}")]
    Arity {
        /// The op.
        op: &'static str,
        /// Number of operands given.
        given: usize,
        /// Number of operands taken.
        needed: usize,
    },
    /// An axis that the operand does not have.
    #[error("{op}: axis {axis} is out of bounds for an array with {ndim} dimensions")]
    AxisOutOfRange {
        /// The op.
        op: &'static str,
        /// The axis given.
        axis: isize,
        /// The operand's dimension count.
        ndim: usize,
    },
    /// An axis named twice.
    #[error("{op}: axis {axis} is given twice")]
    RepeatedAxis {
        /// The op.
        op: &'static str,
        /// The axis.
        axis: usize,
    },
    /// A permutation that is not one.
    #[error("{op}: axes {axes:?} are not a permutation of the {ndim} dimensions")]
    Permutation {
        /// The op.
        op: &'static str,
        /// The axes given.
        axes: Vec<usize>,
        /// The operand's dimension count.
        ndim: usize,
    },
    /// A reshape that changes the element count.
    #[error("{op}: an array of {} elements, shape {shape}, does not fit shape {target}", shape.size())]
    Reshape {
        /// The op.
        op: &'static str,
        /// The operand's shape.
        shape: Shape,
        /// The shape asked for.
        target: Shape,
    },
    /// An index outside a dimension.
    #[error("{op}: index {index} is out of bounds for axis {axis} with length {len}")]
    IndexOutOfRange {
        /// The op.
        op: &'static str,
        /// The index given.
        index: isize,
        /// The axis.
        axis: usize,
        /// The axis' length.
        len: usize,
    },
    /// More indices than dimensions.
    #[error("{op}: {given} indices for an array with {ndim} dimensions")]
    TooManyIndices {
        /// The op.
        op: &'static str,
        /// Number of indices given.
        given: usize,
        /// The operand's dimension count.
        ndim: usize,
    },
    /// An index that has no meaning.
    #[error("{op}: {problem}")]
    Index {
        /// The op.
        op: &'static str,
        /// What is wrong, and what would work.
        problem: String,
    },
    /// A reduction of no elements that has no value.
    #[error("{op}: no elements to reduce in an array of shape {shape}, and {op} has no identity")]
    EmptyReduction {
        /// The op.
        op: &'static str,
        /// The operand's shape.
        shape: Shape,
    },
    /// Matrix shapes that do not chain.
    #[error(
        "{op}: shapes {lhs} and {rhs} do not match: {inner_lhs} columns on the left, {inner_rhs} rows on the right"
    )]
    Matmul {
        /// The op.
        op: &'static str,
        /// Left operand's shape.
        lhs: Shape,
        /// Right operand's shape.
        rhs: Shape,
        /// Length of the left operand's last dimension.
        inner_lhs: usize,
        /// Length of the right operand's last but one dimension.
        inner_rhs: usize,
    },
    /// A dimension count that the op does not take.
    #[error("{op}: needs at least {needed} dimensions, not shape {shape}")]
    TooFewDims {
        /// The op.
        op: &'static str,
        /// The operand's shape.
        shape: Shape,
        /// The fewest dimensions that work.
        needed: usize,
    },
    /// Arrays that cannot be joined.
    #[error("{op}: shapes {lhs} and {rhs} differ outside axis {axis}")]
    Concat {
        /// The op.
        op: &'static str,
        /// First operand's shape.
        lhs: Shape,
        /// The operand's shape that differs.
        rhs: Shape,
        /// The joining axis.
        axis: usize,
    },
    /// More dimensions than supported.
    #[error("shape: {ndim} dimensions, at most {} are supported", crate::MAX_DIMS)]
    TooManyDims {
        /// Number of dimensions given.
        ndim: usize,
    },
    /// A shape whose bytes could not be addressed.
    #[error("shape: {shape:?} has more bytes than can be addressed")]
    TooLarge {
        /// The lengths given.
        shape: Vec<usize>,
    },
    /// An attribute with a value that the op does not take.
    #[error("{op}: {problem}")]
    Attribute {
        /// The op.
        op: &'static str,
        /// What is wrong, and what would work.
        problem: String,
    },
}

/// A broken invariant, found by [`verify`](crate::verify).
#[derive(Clone, PartialEq, Debug, Error)]
#[error("{node}: {problem}")]
pub struct VerifyError {
    /// Where.
    pub node: NodeId,
    /// What is wrong.
    pub problem: String,
}

/// A place where graph text could not be read.
#[derive(Clone, PartialEq, Debug, Error)]
#[error("{line}:{column}: {problem}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What was found, and what was expected.
    pub problem: String,
}
