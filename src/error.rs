//! What a user of raptors can meet.

use raptors_ir::{DType, IrError, Literal, Shape, Source, Type, VerifyError};
use thiserror::Error;

use crate::runtime::buffer::OutOfMemory;
use crate::runtime::watch::Stopped;
use crate::source;

/// A mistake in how arrays were combined or evaluated, or a limit that was hit.
///
/// The message names the op, gives both facts and says what would work.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An op does not take its operands. Lists where each operand comes from, when known.
    #[error("{error}{}", notes(operands))]
    Op {
        /// What is wrong.
        error: Box<IrError>,
        /// The operands, in order.
        operands: Vec<OperandNote>,
    },
    /// A Python or literal integer outside the range of the dtype it takes.
    #[error("{op}: the integer {value} is out of bounds for {}, whose values are {min} to {max}", dtype.numpy_name())]
    IntegerOutOfBounds {
        /// The op.
        op: &'static str,
        /// The integer.
        value: i128,
        /// The dtype it would take.
        dtype: DType,
        /// The smallest value of that dtype.
        min: i128,
        /// The largest.
        max: i128,
    },
    /// An integer array to the power of a negative integer.
    #[error(
        "pow: integers to negative integer powers are not integers: cast the base to a float dtype first"
    )]
    NegativeIntegerPower,
    /// The system has no memory for a result or an intermediate.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// The evaluation was told to stop, by a [`CancelToken`](crate::CancelToken).
    #[error("eval: {0}: what it would have given is not there, and donated inputs that it writes are lost")]
    Cancelled(#[from] Stopped),
    /// The evaluation needs more memory than it may take.
    #[error(
        "eval: needs {needed} bytes for results and values between, and max_memory is {most}: evaluate fewer results \
         together, or a part of the elements at a time{}",
        alive_table(alive)
    )]
    MemoryLimit {
        /// Bytes that it would allocate.
        needed: usize,
        /// Bytes that it may.
        most: usize,
        /// What is in memory when most is, largest first.
        alive: Vec<AliveValue>,
    },
    /// A dtype that no kernel computes with.
    #[error("eval: no kernel computes with {}", dtype.numpy_name())]
    Unsupported {
        /// The dtype.
        dtype: DType,
    },
    /// Under `RAPTORS_JIT=verify`, machine code and the interpreter gave different results.
    #[error(
        "eval: step {} gives {} by machine code and {} by the interpreter, at element {} of {}: report this, and set \
         RAPTORS_JIT=0 meanwhile\n{}",
        .0.step, .0.found, .0.expected, .0.element, .0.memory, .0.text
    )]
    MachineCodeDiffers(Box<Difference>),
    /// A donated input that an earlier evaluation has overwritten.
    #[error(
        "eval: a donated input of shape {shape} was overwritten by an earlier eval: make a new lazy array of the memory"
    )]
    Consumed {
        /// The input's shape.
        shape: Shape,
    },
    /// Memory given for a result does not fit it.
    #[error("eval: out has {what} {given}, the result has {needed}")]
    OutMismatch {
        /// What differs: shape or dtype.
        what: &'static str,
        /// Of the memory given.
        given: String,
        /// Of the result.
        needed: String,
    },
    /// Memory given for a result must not be written.
    #[error("eval: out is read-only: give writable memory")]
    OutReadOnly,
    /// Memory given for a result shares some, but not all, elements with something that is read.
    #[error(
        "eval: out partially overlaps {with}: give memory that is exactly an input, or shares nothing with one"
    )]
    OutOverlap {
        /// What it overlaps.
        with: &'static str,
    },
    /// The wrong number of memories for the results.
    #[error("eval: {given} out arrays for {needed} results")]
    OutCount {
        /// Number given.
        given: usize,
        /// Number of results.
        needed: usize,
    },
    /// A graph that breaks an invariant.
    #[error("run: the graph does not verify: {0}")]
    Graph(#[from] VerifyError),
    /// The wrong number of inputs for a graph's parameters.
    #[error("run: {given} inputs for a graph of {needed} parameters")]
    InputCount {
        /// Number given.
        given: usize,
        /// Number of parameters.
        needed: usize,
    },
    /// An input of another type than the graph's parameter.
    #[error(
        "run: input {number} is {given}, the parameter is {needed}: give an array of that dtype and shape"
    )]
    InputMismatch {
        /// The input, from 0.
        number: usize,
        /// Its type.
        given: Box<Type>,
        /// The parameter's type.
        needed: Box<Type>,
    },
    /// The value of an array was asked for that depends on arguments of a function that is being traced.
    #[error(
        "{op}: there is no value here: it depends on an argument of a compiled function, {} {}, and the function is run \
         once for all values of it. Choose elements by a condition with where, steer the function by Python numbers, or \
         compute the value outside and pass it in", ty.dtype.numpy_name(), ty.shape
    )]
    NoValue {
        /// What asked for it.
        op: &'static str,
        /// The argument's type.
        ty: Box<Type>,
    },
    /// A function was called with another number of arguments than it was traced with.
    #[error("call: {given} arguments for a function of {needed}")]
    ArgumentCount {
        /// Number given.
        given: usize,
        /// Number needed.
        needed: usize,
    },
    /// An argument of another dtype or shape than the function was traced with.
    #[error(
        "call: argument {number} is {given}, the function was traced for {needed}: trace it for that type too"
    )]
    ArgumentMismatch {
        /// The argument, from 0.
        number: usize,
        /// Its type.
        given: Box<Type>,
        /// The type that was traced.
        needed: Box<Type>,
    },
    /// An array that is no single value was asked for one.
    #[error("{op}: an array of shape {shape} is not a single value: only arrays of one element are")]
    NotAScalar {
        /// The conversion.
        op: &'static str,
        /// The array's shape.
        shape: Shape,
    },
}

/// A value that takes memory.
#[derive(Clone, Debug)]
pub struct AliveValue {
    /// The op that makes it.
    pub op: &'static str,
    /// Its dtype and shape.
    pub ty: Type,
    /// Its bytes.
    pub bytes: usize,
    /// Whether it is a result; otherwise it is needed for one.
    pub is_result: bool,
    /// Where that op was written.
    pub source: Option<Source>,
}

/// An operand of a failed op.
#[derive(Clone, Debug)]
pub struct OperandNote {
    /// Its dtype.
    pub dtype: DType,
    /// Its shape.
    pub shape: Shape,
    /// The op that made it.
    pub op: &'static str,
    /// Where that op was written.
    pub source: Option<Source>,
}

fn alive_table(alive: &[AliveValue]) -> String {
    const MOST_LISTED: usize = 12;
    let mut text = String::from("\nalive when most is:");
    for value in alive.iter().take(MOST_LISTED) {
        let AliveValue { op, ty, bytes, is_result, source } = value;
        let role = if *is_result { "result" } else { "between" };
        let place = source.and_then(source::resolve).map_or(String::new(), |line| format!(" at {line}"));
        let (dtype, shape) = (ty.dtype.numpy_name(), &ty.shape);
        text.push_str(&format!("\n  {bytes:>14} bytes  {role:<7}  {dtype} {shape} made by {op}{place}"));
    }
    if alive.len() > MOST_LISTED {
        text.push_str(&format!("\n  and {} smaller ones", alive.len() - MOST_LISTED));
    }
    text
}

fn notes(operands: &[OperandNote]) -> String {
    let mut text = String::new();
    for operand in operands {
        if let Some(line) = operand.source.and_then(source::resolve) {
            let OperandNote { dtype, shape, op, .. } = operand;
            text.push_str(&format!("\n  {} {shape} made by {op} at {line}", dtype.numpy_name()));
        }
    }
    text
}

/// Where machine code and the interpreter differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The step's number in the program.
    pub step: usize,
    /// The memory whose contents differ, as the program names it.
    pub memory: String,
    /// The element, in row-major order of the step.
    pub element: usize,
    /// Of machine code.
    pub found: Literal,
    /// Of the interpreter.
    pub expected: Literal,
    /// The step, as the program prints it.
    pub text: String,
}
