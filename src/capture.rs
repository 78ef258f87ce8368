//! From lazy arrays to a plan's key, its graph, and its run-time arguments.
//!
//! [`Captured`] walks the nodes under some results once, and numbers them: operands first, each node once. The key is
//! everything that a plan depends on: ops, dtypes, shapes, strides, sharing, which inputs may be overwritten, where
//! results go, and the options. It holds no data and no scalar value, but for the few values that rules look for. The
//! arguments of a traced function are inputs as leaves and scalars are, so that its plan is the one `eval` would find.

mod key;
mod pattern;

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

use raptors_ir::{
    DType, Destination, ElementwiseOp, Encoding, Graph, Layout, Literal, NodeId, Op, Output, Parameter,
    Source, Type,
};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::array::{Array, Donation, Kind, Leaf, Node, Placeholder};
use crate::error::Error;
use crate::executor::Argument;
use crate::shared::Shared;
use crate::{recomputed, source};

pub(crate) use key::Key;
pub(crate) use pattern::{Matched, Pattern};

/// What a parameter of the plan is at this evaluation.
#[derive(Clone, Debug)]
pub(crate) enum Input<'a> {
    /// Held where its memory may be overwritten, so that its holders can be counted; else the node holds it.
    Leaf(Cow<'a, Shared<Leaf>>),
    /// One that is none of the values that rules look for where it is used.
    Scalar(Literal, RuleValues),
    /// The argument of this number of a function.
    Argument(u32),
    /// The scalar argument of this number of a function.
    ScalarArgument(u32, RuleValues),
}

/// Which scalars are part of the graph where they are used: those that rules look for.
///
/// A division by a power of two is none, which is worth a plan for each, and so is a product of 64-bit integers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RuleValues {
    /// 0, 1, -1, 2 and 0.5.
    Small,
    /// Also powers of two.
    PowersOfTwo,
    /// All: the exponent of complex numbers decides how their power is computed.
    Any,
}

impl RuleValues {
    /// Those of a scalar that `user` has as an operand.
    fn of(dtype: DType, user: Option<&Node>) -> RuleValues {
        let saves_work = match user.map(|user| &user.kind) {
            Some(Kind::Op(Op::Elementwise(op))) => match op {
                ElementwiseOp::Pow if dtype.is_complex() => return RuleValues::Any,
                ElementwiseOp::FloorDivide | ElementwiseOp::Remainder => dtype.is_integer(),
                ElementwiseOp::Divide => dtype.is_float(),
                ElementwiseOp::Multiply => dtype.is_integer() && dtype.size() == 8,
                _ => false,
            },
            _ => false,
        };
        if saves_work { RuleValues::PowersOfTwo } else { RuleValues::Small }
    }

    /// Whether this is one of them.
    pub(crate) fn contain(self, literal: Literal) -> bool {
        let dtype = literal.dtype();
        if let (RuleValues::Small, Some(value)) = (self, literal.get::<f64>()) {
            return [0.0, 1.0, -1.0, 2.0, 0.5].contains(&value);
        }
        if dtype.is_complex() {
            return self == RuleValues::Any
                || literal.parts().into_iter().all(|part| RuleValues::Small.contain(part));
        }
        let small = [0.0, 1.0, -1.0, 2.0, 0.5];
        let is_power_of_two = || match dtype.is_float() {
            true => literal.to_f64().is_some_and(|value| value.is_normal() && value.to_bits() << 12 == 0),
            false => literal.bits().is_power_of_two(),
        };
        literal.to_f64().is_some_and(|value| small.contains(&value) && !(dtype.is_integer() && value == 0.5))
            || (self == RuleValues::PowersOfTwo && is_power_of_two())
    }
}

/// How a parameter of the plan is read.
pub(crate) struct Binding<'a> {
    pub(crate) ty: &'a Type,
    pub(crate) layout: Layout,
    /// Whether its memory may be overwritten.
    pub(crate) donated: bool,
}

/// A numbered node: how it is computed, from which numbers.
struct Step<'a> {
    node: &'a Node,
    /// The first of its operands in [`Captured::operands`].
    first: u32,
    /// How many it has.
    count: u32,
    /// The parameter that stands for the node, or [`NO_PARAMETER`] where it is no input.
    parameter: u32,
}

const NO_PARAMETER: u32 = u32::MAX;

impl Step<'_> {
    /// The parameter that stands for the node, if it is an input.
    fn parameter(&self) -> Option<u32> {
        (self.parameter != NO_PARAMETER).then_some(self.parameter)
    }

    /// The op, unless the node is an input.
    fn op(&self) -> Option<&Op> {
        match (self.parameter(), &self.node.kind) {
            (None, Kind::Op(op)) => Some(op),
            (Some(_), _)
            | (None, Kind::Leaf(_) | Kind::Scalar(_) | Kind::Placeholder(_) | Kind::Invalid(_)) => None,
        }
    }
}

/// The nodes under some results, numbered.
pub(crate) struct Captured<'a> {
    steps: SmallVec<[Step<'a>; 8]>,
    /// The operands of all steps, in their order.
    operands: SmallVec<[u32; 16]>,
    results: SmallVec<[u32; 2]>,
    pub(crate) inputs: SmallVec<[Input<'a>; 4]>,
    parameters: SmallVec<[Binding<'a>; 4]>,
    destinations: SmallVec<[Destination; 2]>,
    /// The scalar arguments of a function that are part of its graph, with the values they have there.
    pub(crate) baked: Vec<(u32, Literal)>,
    arguments: Arguments,
    /// Each node's number, once there are [`LOOK_THROUGH`] of them.
    numbers: FxHashMap<*const Node, u32>,
}

/// What becomes of a function's arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arguments {
    /// They are refused: without a call they have no value.
    Refused,
    /// They are inputs.
    Taken,
}

/// Fewer nodes than this are found faster by looking at each.
const LOOK_THROUGH: usize = 24;

impl<'a> Captured<'a> {
    /// Numbers the nodes under `results`.
    ///
    /// # Errors
    ///
    /// The mistake that an operator kept in an array; an input that was donated and has been overwritten.
    pub(crate) fn new(results: &[&'a Array]) -> Result<Captured<'a>, Error> {
        let mut captured = Captured::empty();
        captured.fill(results, usize::MAX)?;
        Ok(captured)
    }

    /// Numbers the nodes under the results of a function, whose arguments are inputs.
    ///
    /// # Errors
    ///
    /// As [`Captured::new`].
    pub(crate) fn of_function(results: &[&'a Array]) -> Result<Captured<'a>, Error> {
        let mut captured = Captured { arguments: Arguments::Taken, ..Captured::empty() };
        captured.fill(results, usize::MAX)?;
        Ok(captured)
    }

    /// Nothing yet.
    #[inline]
    pub(crate) fn empty() -> Captured<'a> {
        Captured {
            steps: SmallVec::new(),
            operands: SmallVec::new(),
            results: SmallVec::new(),
            inputs: SmallVec::new(),
            parameters: SmallVec::new(),
            destinations: SmallVec::new(),
            baked: Vec::new(),
            arguments: Arguments::Refused,
            numbers: FxHashMap::default(),
        }
    }

    /// Numbers the nodes under `results`, in a capture that is empty; gives up where there are more than `most`, and
    /// says so by `false`.
    ///
    /// # Errors
    ///
    /// As [`Captured::new`].
    pub(crate) fn fill(&mut self, results: &[&'a Array], most: usize) -> Result<bool, Error> {
        // Nodes with operands that are under way: a node, and the operand to look at when its turn comes again.
        let mut stack: SmallVec<[(&'a Node, usize); 16]> = SmallVec::new();
        for result in results {
            let root: &'a Node = &result.node;
            if self.find(root).is_none() {
                if self.steps.len() >= most {
                    return Ok(false);
                }
                let (mut node, mut next) = (root, 0);
                loop {
                    match node.operands.get(next) {
                        Some(operand) if next > 0 || node.leaf().is_none() => {
                            let operand: &'a Node = &operand.node;
                            next += 1;
                            // A node whose operands are under way has no number yet.
                            if self.find(operand).is_some() {
                                continue;
                            }
                            if self.steps.len() + stack.len() + 1 >= most {
                                return Ok(false);
                            }
                            if operand.operands.is_empty() {
                                self.number(operand, Some(node))?;
                            } else {
                                stack.push((node, next));
                                (node, next) = (operand, 0);
                            }
                        }
                        _ => {
                            self.number(node, stack.last().map(|&(user, _)| user))?;
                            match stack.pop() {
                                Some(user) => (node, next) = user,
                                None => break,
                            }
                        }
                    }
                }
            }
            let number = self.number_of(root);
            self.results.push(number);
            self.destinations.push(Destination::Fresh);
        }
        Ok(true)
    }

    /// The numbers of a step's operands.
    fn operands(&self, step: &Step<'_>) -> &[u32] {
        &self.operands[step.first as usize..][..step.count as usize]
    }

    /// The number of a node, if it has one. A few are looked through, more are looked up.
    fn find(&self, node: &Node) -> Option<u32> {
        if self.numbers.is_empty() {
            let position = self.steps.iter().rposition(|step| std::ptr::eq(step.node, node));
            return position.map(|position| position as u32);
        }
        self.numbers.get(&(node as *const Node)).copied()
    }

    fn number_of(&self, node: &Node) -> u32 {
        match self.find(node) {
            Some(number) => number,
            None => unreachable!("operands are numbered before their users"),
        }
    }

    /// Numbers a node whose operands have numbers; `user` is the node that led here.
    fn number(&mut self, node: &'a Node, user: Option<&Node>) -> Result<(), Error> {
        let mut parameter = NO_PARAMETER;
        let first = self.operands.len();
        match (node.leaf(), &node.kind) {
            (Some(leaf), _) => {
                let (layout, donated) = (layout(leaf, &node.ty), leaf.donation == Donation::Yes);
                let leaf = match donated {
                    true => match Leaf::hold(leaf) {
                        Some(leaf) => Cow::Owned(leaf),
                        None => return Err(Error::Consumed { shape: node.ty.shape.clone() }),
                    },
                    // It is never overwritten.
                    false => Cow::Borrowed(leaf),
                };
                parameter = self.input(Input::Leaf(leaf), layout, &node.ty, donated);
            }
            (None, Kind::Scalar(literal)) => {
                let values = RuleValues::of(node.ty.dtype, user);
                if !values.contain(*literal) {
                    let input = Input::Scalar(*literal, values);
                    parameter = self.input(input, Layout::Scalar, &node.ty, false);
                }
            }
            (None, Kind::Invalid(error)) => return Err(Error::clone(error)),
            (None, Kind::Placeholder(_)) if self.arguments == Arguments::Refused => {
                return Err(Error::NoValue { op: "eval", ty: Box::new(node.ty.clone()) });
            }
            (None, Kind::Placeholder(placeholder)) => match &**placeholder {
                Placeholder::Memory { number, layout, donated } => {
                    let input = Input::Argument(*number);
                    parameter = self.input(input, layout.clone(), &node.ty, *donated);
                }
                Placeholder::Scalar { number, literal } => {
                    let values = RuleValues::of(node.ty.dtype, user);
                    if values.contain(*literal) {
                        self.baked.push((*number, *literal));
                    } else {
                        let input = Input::ScalarArgument(*number, values);
                        parameter = self.input(input, Layout::Scalar, &node.ty, false);
                    }
                }
            },
            (None, Kind::Op(_) | Kind::Leaf(_)) => {
                for operand in &node.operands {
                    let number = self.number_of(&operand.node);
                    self.operands.push(number);
                }
            }
        }
        let count = (self.operands.len() - first) as u32;
        self.steps.push(Step { node, first: first as u32, count, parameter });
        match self.steps.len() {
            ..LOOK_THROUGH => {}
            LOOK_THROUGH => {
                let pairs = self
                    .steps
                    .iter()
                    .enumerate()
                    .map(|(number, step)| (step.node as *const Node, number as u32));
                self.numbers = pairs.collect();
            }
            more => {
                self.numbers.insert(node, more as u32 - 1);
            }
        }
        Ok(())
    }

    fn input(&mut self, input: Input<'a>, layout: Layout, ty: &'a Type, donated: bool) -> u32 {
        self.inputs.push(input);
        self.parameters.push(Binding { ty, layout, donated });
        self.parameters.len() as u32 - 1
    }

    /// The dtype and shape of the n-th result.
    pub(crate) fn result_type(&self, n: usize) -> &Type {
        &self.steps[self.results[n] as usize].node.ty
    }

    /// How many nodes there are.
    pub(crate) fn nodes(&self) -> usize {
        self.steps.len()
    }

    /// The parameters, in the order of the inputs.
    pub(crate) fn parameters(&self) -> &[Binding<'a>] {
        &self.parameters
    }

    /// Where the user made a parameter, when known.
    pub(crate) fn source(&self, parameter: usize) -> Option<Source> {
        let number = parameter as u32;
        self.steps.iter().find(|step| step.parameter == number).and_then(|step| step.node.source)
    }

    /// Takes back the permission to overwrite a parameter.
    pub(crate) fn keep(&mut self, parameter: usize) {
        self.parameters[parameter].donated = false;
    }

    /// Says where the n-th result goes.
    pub(crate) fn set_destination(&mut self, n: usize, destination: Destination) {
        self.destinations[n] = destination;
    }

    /// The graph, as captured.
    pub(crate) fn graph(&self) -> Graph {
        let mut graph = Graph::with_capacity("eval", self.steps.len(), self.operands.len());
        // Parameters come first, so that their numbers in the text are those of the plan.
        let sources =
            self.steps.iter().filter(|step| step.parameter().is_some()).map(|step| step.node.source);
        let parameters: Vec<NodeId> = self
            .parameters
            .iter()
            .zip(sources)
            .map(|(Binding { ty, layout, donated }, source)| {
                let (ty, layout, donated) = ((*ty).clone(), layout.clone(), *donated);
                graph.push_parameter(Parameter { ty, layout, donated }, source)
            })
            .collect();
        let mut ids: Vec<NodeId> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let node = step.node;
            let id = match (step.parameter(), &node.kind) {
                (Some(parameter), _) => parameters[parameter as usize],
                (None, kind) => {
                    let op = match kind {
                        Kind::Op(op) => op.clone(),
                        kind => Op::Constant(kind.constant()),
                    };
                    let operands: SmallVec<[NodeId; 3]> =
                        self.operands(step).iter().map(|&operand| ids[operand as usize]).collect();
                    graph.push_node(
                        raptors_ir::Node { op, ty: node.ty.clone(), source: node.source },
                        &operands,
                    )
                }
            };
            ids.push(id);
        }
        for (&result, &destination) in self.results.iter().zip(&self.destinations) {
            graph.push_output(Output { node: ids[result as usize], destination });
        }
        graph
    }

    /// Notes that the ops have been computed, and records those that had been before.
    pub(crate) fn note_computed(&self) {
        if !source::is_recording() {
            return;
        }
        let ops = || self.steps.iter().filter(|step| step.op().is_some());
        if !ops().any(|step| step.node.computed.load(Relaxed)) {
            ops().for_each(|step| step.node.computed.store(true, Relaxed));
            return;
        }
        // The topmost op that had been computed, above each op that had been.
        let mut tops: SmallVec<[Option<u32>; 32]> = SmallVec::from_elem(None, self.steps.len());
        let mut counts: SmallVec<[u32; 32]> = SmallVec::from_elem(0, self.steps.len());
        for (number, step) in self.steps.iter().enumerate().rev() {
            let Some(op) = step.op().filter(|_| step.node.computed.swap(true, Relaxed)) else { continue };
            let top = *tops[number].get_or_insert(number as u32);
            if recomputed::computes(op) {
                counts[top as usize] += 1;
            }
            for &operand in self.operands(step) {
                tops[operand as usize].get_or_insert(top);
            }
        }
        for (step, &ops) in self.steps.iter().zip(&counts).filter(|(_, ops)| **ops > 0) {
            recomputed::record(step.node.op_name(), step.node.source, u64::from(ops));
        }
    }

    /// The run-time arguments, one per parameter.
    pub(crate) fn arguments(&self) -> SmallVec<[Argument; 8]> {
        self.inputs
            .iter()
            .map(|input| match input {
                Input::Leaf(leaf) => Argument::Memory(leaf.memory.pointer()),
                Input::Scalar(literal, _) => Argument::Scalar(*literal),
                Input::Argument(_) | Input::ScalarArgument(..) => {
                    unreachable!("a function binds its arguments itself")
                }
            })
            .collect()
    }
}

/// How a leaf's elements lie in memory.
pub(crate) fn layout(leaf: &Leaf, ty: &Type) -> Layout {
    if is_row_major(leaf, ty) {
        return Layout::RowMajor;
    }
    Layout::Strided { strides: leaf.strides.clone(), encoding: encoding(leaf, ty) }
}

/// How a leaf's elements are written down.
fn encoding(leaf: &Leaf, ty: &Type) -> Encoding {
    match (leaf.swapped, is_aligned(leaf, ty)) {
        (true, _) => Encoding::Swapped,
        (false, true) => Encoding::Native,
        (false, false) => Encoding::Unaligned,
    }
}

/// Whether a leaf's layout is [`Layout::RowMajor`].
#[inline(always)]
pub(crate) fn is_row_major(leaf: &Leaf, ty: &Type) -> bool {
    // Most have one dimension.
    if let ([dim], [stride]) = (ty.shape.dims(), &leaf.strides[..])
        && *dim > 1
        && *stride == ty.dtype.size() as isize
        && !leaf.swapped
    {
        return (leaf.memory.pointer() as usize) & (alignment(ty) - 1) == 0;
    }
    is_row_major_of_any(leaf, ty)
}

fn is_row_major_of_any(leaf: &Leaf, ty: &Type) -> bool {
    if leaf.swapped || !is_aligned(leaf, ty) {
        return false;
    }
    let mut expected = ty.dtype.size() as isize;
    for (&dim, &stride) in ty.shape.iter().zip(&leaf.strides).rev() {
        if stride != expected && dim != 1 {
            return ty.shape.size() == 0;
        }
        expected = expected.wrapping_mul(dim as isize);
    }
    true
}

#[inline]
fn is_aligned(leaf: &Leaf, ty: &Type) -> bool {
    // A power of two, so one set bit below it is one too many anywhere.
    let below = alignment(ty) - 1;
    let strides = leaf.strides.iter().fold(0, |bits, stride| bits | stride.unsigned_abs());
    (leaf.memory.pointer() as usize | strides) & below == 0
}

fn alignment(ty: &Type) -> usize {
    let parts = if ty.dtype.is_complex() { 2 } else { 1 };
    ty.dtype.size() / parts
}
