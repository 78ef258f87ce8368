//! Patterns: what graphs of a few nodes look like that a plan at hand serves.
//!
//! A graph that matches has the key of the plan, so a match saves to number nodes and to write a key: the arguments of the
//! run are found on the way. Nodes are looked at from the results down, each at the number that it had when the pattern was
//! made.
//!
//! Limits: results in memory of their own, usual options, inputs that are not donated. Any other evaluation, and one that
//! computes ops again, which is recorded, takes the way over the key.

use std::sync::atomic::Ordering::Relaxed;

use raptors_ir::{DType, Destination, Dims, Layout, Literal, Op, Type};
use raptors_passes::Options;
use smallvec::SmallVec;

use super::{Binding, Captured, Input, NO_PARAMETER, RuleValues, encoding, is_row_major};
use crate::accelerate::mode::{self, Mode};
use crate::array::{Array, Donation, Kind, Node};
use crate::executor::Argument;
use crate::source;

/// The most nodes of a pattern.
const MOST: usize = 32;

/// What a graph looks like. Nodes are known by their numbers.
#[derive(Debug)]
pub(crate) struct Pattern {
    results: SmallVec<[u32; 2]>,
    /// The dtype and shape of the last result.
    last: Type,
    /// Users first.
    ops: Vec<OpNode>,
    /// The operands of all ops, in their order.
    operands: Vec<u32>,
    constants: Vec<(u32, Literal)>,
    /// In the order of the parameters.
    parameters: Vec<ParameterNode>,
    /// Pairs of nodes that look alike, and are two.
    alike: Vec<(u32, u32)>,
    mode: Mode,
}

#[derive(Debug)]
struct OpNode {
    number: u32,
    op: Op,
    first: u32,
    count: u32,
}

#[derive(Debug)]
struct ParameterNode {
    number: u32,
    is: Is,
}

/// What a parameter is.
#[derive(PartialEq, Debug)]
enum Is {
    /// Elements in memory.
    Memory(DType, Dims, Layout),
    /// A scalar that is none of these values.
    Scalar(DType, RuleValues),
}

/// A graph that matches. It is large, so it is filled where it is to be.
#[derive(Default)]
pub(crate) struct Matched<'a> {
    pub(crate) arguments: SmallVec<[Argument; 8]>,
    ops: SmallVec<[&'a Node; MOST]>,
}

impl Matched<'_> {
    /// Notes that the ops have been computed.
    #[inline]
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
        let mut pattern = Pattern {
            results: self.results.clone(),
            last: self.result_type(self.results.len().checked_sub(1)?).clone(),
            ops: Vec::new(),
            operands: self.operands.to_vec(),
            constants: Vec::new(),
            parameters: Vec::new(),
            alike: Vec::new(),
            mode: mode::current(),
        };
        for (number, step) in self.steps.iter().enumerate() {
            let number = number as u32;
            match (step.parameter, &step.node.kind) {
                (NO_PARAMETER, Kind::Op(op)) => {
                    let (first, count) = (step.first, step.count);
                    pattern.ops.push(OpNode { number, op: op.clone(), first, count });
                }
                (NO_PARAMETER, kind) => pattern.constants.push((number, kind.constant())),
                // Parameters are numbered with the nodes that they stand for.
                (parameter, _) => {
                    let is = self.parameter_is(parameter as usize)?;
                    pattern.parameters.push(ParameterNode { number, is });
                }
            }
        }
        pattern.ops.reverse();
        pattern.alike = pattern.pairs();
        Some(pattern)
    }

    fn parameter_is(&self, parameter: usize) -> Option<Is> {
        let Binding { ty, layout, donated } = &self.parameters[parameter];
        match (&self.inputs[parameter], layout, donated) {
            (Input::Leaf(_) | Input::Argument(_), Layout::RowMajor | Layout::Strided { .. }, false) => {
                Some(Is::Memory(ty.dtype, Dims::from_slice(&ty.shape), layout.clone()))
            }
            (Input::Scalar(_, values) | Input::ScalarArgument(_, values), Layout::Scalar, _) => {
                Some(Is::Scalar(ty.dtype, *values))
            }
            _ => None,
        }
    }
}

/// Whether the lengths are equal. There are a few: a call of a comparison of bytes takes longer.
#[inline]
fn are_equal(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

/// Whether the ops are equal; most are elementwise.
#[inline]
fn are_same(a: &Op, b: &Op) -> bool {
    match (a, b) {
        (Op::Elementwise(a), Op::Elementwise(b)) => a == b,
        (a, b) => a == b,
    }
}

/// The nodes that have been found, by number.
type Found<'a> = [Option<&'a Node>; MOST];

/// Puts the node of a number in its place; `None` where another one is there.
#[inline]
fn place<'a>(found: &mut Found<'a>, number: u32, node: &'a Node) -> Option<()> {
    match found[number as usize % MOST] {
        Some(other) => std::ptr::eq(other, node).then_some(()),
        None => {
            found[number as usize % MOST] = Some(node);
            Some(())
        }
    }
}

impl Pattern {
    fn pairs(&self) -> Vec<(u32, u32)> {
        let mut pairs = Vec::new();
        for (n, a) in self.ops.iter().enumerate() {
            let alike = self.ops[..n].iter().filter(|b| a.op == b.op && a.count == b.count);
            pairs.extend(alike.map(|b| (a.number, b.number)));
        }
        for (n, (a, literal)) in self.constants.iter().enumerate() {
            let alike = self.constants[..n].iter().filter(|(_, other)| literal == other);
            pairs.extend(alike.map(|(b, _)| (*a, *b)));
        }
        for (n, a) in self.parameters.iter().enumerate() {
            let alike = self.parameters[..n].iter().filter(|b| match (&a.is, &b.is) {
                (Is::Scalar(dtype, _), Is::Scalar(other, _)) => dtype == other,
                (a, b) => a == b,
            });
            pairs.extend(alike.map(|b| (a.number, b.number)));
        }
        pairs
    }

    /// Whether `arrays` may match. Most that do not are told by it, in less time than a call takes.
    #[inline]
    pub(crate) fn may_match(&self, arrays: &[&Array]) -> bool {
        arrays.len() == self.results.len()
            && arrays.last().is_some_and(|last| {
                let ty = last.ty();
                ty.dtype == self.last.dtype && are_equal(&ty.shape, &self.last.shape)
            })
    }

    /// Finds the arguments of a run, where `arrays`, which are evaluated under the usual options, match; else it is `None`,
    /// and `matched` to be filled again.
    pub(crate) fn matches<'a>(&self, arrays: &[&'a Array], matched: &mut Matched<'a>) -> Option<()> {
        if arrays.len() != self.results.len() || self.mode != mode::current() {
            return None;
        }
        let is_recording = source::is_recording();
        let mut found: Found<'a> = [None; MOST];
        for (array, &number) in arrays.iter().zip(&self.results) {
            place(&mut found, number, &array.node)?;
        }
        matched.ops.clear();
        matched.arguments.clear();
        for OpNode { number, op, first, count } in &self.ops {
            let node = found[*number as usize % MOST]?;
            let Kind::Op(other) = &node.kind else { return None };
            let fits = are_same(op, other)
                && node.operands.len() == *count as usize
                && node.value.get().is_none()
                && !(is_recording && node.computed.load(Relaxed));
            if !fits {
                return None;
            }
            let numbers = &self.operands[*first as usize..][..*count as usize];
            for (operand, &number) in node.operands.iter().zip(numbers) {
                place(&mut found, number, &operand.node)?;
            }
            matched.ops.push(node);
        }
        for (number, literal) in &self.constants {
            match &found[*number as usize % MOST]?.kind {
                Kind::Scalar(other) if literal == other => {}
                _ => return None,
            }
        }
        for ParameterNode { number, is } in &self.parameters {
            let node = found[*number as usize % MOST]?;
            matched.arguments.push(is.argument(node)?);
        }
        let is_one = |&(a, b): &(u32, u32)| match (found[a as usize % MOST], found[b as usize % MOST]) {
            (Some(a), Some(b)) => std::ptr::eq(a, b),
            _ => false,
        };
        (!self.alike.iter().any(is_one)).then_some(())
    }
}

impl Is {
    /// What the parameter is given, if the node is one that it stands for.
    #[inline]
    fn argument(&self, node: &Node) -> Option<Argument> {
        match (self, &node.kind, node.leaf()) {
            (Is::Memory(dtype, dims, layout), _, Some(leaf)) => {
                let ty = &node.ty;
                let fits = ty.dtype == *dtype
                    && are_equal(&ty.shape, dims)
                    && leaf.donation == Donation::No
                    && match layout {
                        Layout::RowMajor => is_row_major(leaf, ty),
                        // Of the same shape, strides and encoding, none is row-major where one was not.
                        Layout::Strided { strides, encoding: of_plan } => {
                            leaf.strides == *strides && encoding(leaf, ty) == *of_plan
                        }
                        Layout::Scalar => false,
                    };
                fits.then(|| Argument::Memory(leaf.memory.pointer()))
            }
            (Is::Scalar(dtype, values), Kind::Scalar(literal), None) => {
                (literal.dtype() == *dtype && !values.contain(*literal)).then_some(Argument::Scalar(*literal))
            }
            _ => None,
        }
    }
}
