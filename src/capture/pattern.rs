//! Patterns: what graphs of a few nodes look like that a plan at hand serves.
//!
//! A graph that matches has the key of the plan, so a match saves to number nodes and to write a key: the arguments of the
//! run are found on the way. Nodes are looked at from the results down, each at the number that it had when the pattern was
//! made.
//!
//! Limits: results in memory of their own, usual options, inputs that are row-major and not donated. Any other evaluation, and
//! one that computes ops again, which is recorded, takes the way over the key.

use std::sync::atomic::Ordering::Relaxed;

use raptors_ir::{DType, Destination, Dims, Layout, Literal, Op};
use raptors_passes::Options;
use smallvec::SmallVec;

use super::{Captured, Input, NO_PARAMETER, RuleValues, layout};
use crate::accelerate::mode::{self, Mode};
use crate::array::{Array, Donation, Kind, Node};
use crate::executor::Argument;
use crate::source;

/// The most nodes of a pattern.
const MOST: usize = 12;

/// What a graph looks like.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// Operands first, as they were numbered.
    steps: Vec<Step>,
    /// The operands of all steps, in their order.
    operands: Vec<u32>,
    results: SmallVec<[u32; 2]>,
    parameters: usize,
    mode: Mode,
}

#[derive(Debug)]
struct Step {
    is: Is,
    first: u32,
    count: u32,
}

/// What a node is.
#[derive(Debug)]
enum Is {
    /// The parameter of this number, row-major.
    Memory(u32, DType, Dims),
    /// The parameter of this number, a scalar that is none of these values.
    Scalar(u32, DType, RuleValues),
    Literal(Literal),
    Op(Op),
}

/// A graph that matches. It is large, so it is filled where it is to be.
#[derive(Default)]
pub(crate) struct Matched<'a> {
    pub(crate) arguments: SmallVec<[Argument; 6]>,
    ops: SmallVec<[&'a Node; MOST]>,
}

impl Matched<'_> {
    /// Notes that the ops have been computed.
    pub(crate) fn note_computed(&self) {
        if source::is_recording() {
            self.ops.iter().for_each(|node| node.computed.store(true, Relaxed));
        }
    }
}

impl Captured<'_> {
    /// The pattern of graphs that have the key of this one under these options.
    pub(crate) fn pattern(&self, options: &Options) -> Option<Pattern> {
        let is_plain = *options == Options::default()
            && self.steps.len() <= MOST
            && self.destinations.iter().all(|&destination| destination == Destination::Fresh);
        if !is_plain {
            return None;
        }
        let step = |step: &super::Step<'_>| {
            let is = match (step.parameter, &step.node.kind) {
                (NO_PARAMETER, Kind::Op(op)) => Is::Op(op.clone()),
                (NO_PARAMETER, kind) => Is::Literal(kind.constant()),
                (number, _) => {
                    let parameter = &self.parameters[number as usize];
                    let dtype = parameter.ty.dtype;
                    match (&self.inputs[number as usize], &parameter.layout, parameter.donated) {
                        (Input::Leaf(_) | Input::Argument(_), Layout::RowMajor, false) => {
                            Is::Memory(number, dtype, Dims::from_slice(&parameter.ty.shape))
                        }
                        (Input::Scalar(_, values) | Input::ScalarArgument(_, values), Layout::Scalar, _) => {
                            Is::Scalar(number, dtype, *values)
                        }
                        _ => return None,
                    }
                }
            };
            Some(Step { is, first: step.first, count: step.count })
        };
        Some(Pattern {
            steps: self.steps.iter().map(step).collect::<Option<_>>()?,
            operands: self.operands.to_vec(),
            results: self.results.clone(),
            parameters: self.parameters.len(),
            mode: mode::current(),
        })
    }
}

/// The nodes that have been found, by number. No two are the same.
type Found<'a> = [Option<&'a Node>; MOST];

/// Puts the node of a number in its place; `None` where another one is there, or it has another number too.
#[inline]
fn place<'a>(found: &mut Found<'a>, count: usize, number: u32, node: &'a Node) -> Option<()> {
    match found[number as usize] {
        Some(other) => std::ptr::eq(other, node).then_some(()),
        None => {
            let is_other = |other: &Option<&Node>| !other.is_some_and(|other| std::ptr::eq(other, node));
            if !found[..count].iter().all(is_other) {
                return None;
            }
            found[number as usize] = Some(node);
            Some(())
        }
    }
}

impl Pattern {
    /// Finds the arguments of a run, where `arrays`, which are evaluated under the usual options, match; else it is `None`,
    /// and `matched` to be filled again.
    pub(crate) fn matches<'a>(&self, arrays: &[&'a Array], matched: &mut Matched<'a>) -> Option<()> {
        if arrays.len() != self.results.len() || self.mode != mode::current() {
            return None;
        }
        let (count, is_recording) = (self.steps.len(), source::is_recording());
        let mut found: Found<'a> = [None; MOST];
        for (array, &number) in arrays.iter().zip(&self.results) {
            place(&mut found, count, number, &array.node)?;
        }
        matched.ops.clear();
        matched.arguments.resize(self.parameters, Argument::Memory(std::ptr::null_mut()));
        // Users have higher numbers than their operands.
        for (number, step) in self.steps.iter().enumerate().rev() {
            let node = found[number]?;
            match (&step.is, &node.kind, node.leaf()) {
                (Is::Op(op), Kind::Op(other), None)
                    if op == other && node.operands.len() == step.count as usize =>
                {
                    if is_recording && node.computed.load(Relaxed) {
                        return None;
                    }
                    let numbers = &self.operands[step.first as usize..][..step.count as usize];
                    for (operand, &number) in node.operands.iter().zip(numbers) {
                        place(&mut found, count, number, &operand.node)?;
                    }
                    matched.ops.push(node);
                }
                (Is::Memory(parameter, dtype, dims), _, Some(leaf)) => {
                    let ty = &node.ty;
                    let fits = ty.dtype == *dtype
                        && ty.shape[..] == dims[..]
                        && leaf.donation == Donation::No
                        && layout(leaf, ty) == Layout::RowMajor;
                    if !fits {
                        return None;
                    }
                    matched.arguments[*parameter as usize] = Argument::Memory(leaf.memory.pointer());
                }
                (Is::Scalar(parameter, dtype, values), Kind::Scalar(literal), None) => {
                    if literal.dtype() != *dtype || values.contain(*literal) {
                        return None;
                    }
                    matched.arguments[*parameter as usize] = Argument::Scalar(*literal);
                }
                (Is::Literal(literal), Kind::Scalar(other), None) if literal == other => {}
                _ => return None,
            }
        }
        Some(())
    }
}
