//! From lazy arrays to a plan's key, its graph, and its run-time arguments.
//!
//! [`Captured`] walks the nodes under some results once, and numbers them: operands first, each node once. The key is
//! everything that a plan depends on: ops, dtypes, shapes, strides, sharing, which inputs may be overwritten, where
//! results go, and the options. It holds no data and no scalar value, but for the few values that rules look for.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use raptors_ir::{
    Destination, ElementwiseOp, Encoding, Graph, Layout, Literal, NodeId, Op, Output, Parameter, Source, Type,
};
use raptors_passes::Options;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::array::{Array, Donation, Kind, Leaf, Node};
use crate::error::Error;
use crate::executor::Argument;
use crate::{recomputed, source};

/// What a parameter of the plan is at this evaluation.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Leaf(Arc<Leaf>),
    Scalar(Literal),
}

/// How a parameter of the plan is read.
#[derive(Hash)]
pub(crate) struct Binding<'a> {
    pub(crate) ty: &'a Type,
    pub(crate) layout: Layout,
    /// Whether its memory may be overwritten.
    pub(crate) donated: bool,
}

/// A numbered node: how it is computed, from which numbers.
struct Step<'a> {
    node: &'a Node,
    operands: SmallVec<[u32; 3]>,
    /// The parameter that stands for the node, if it is an input.
    parameter: Option<u32>,
}

impl Step<'_> {
    /// The op, unless the node is an input.
    fn op(&self) -> Option<&Op> {
        match (self.parameter, &self.node.kind) {
            (None, Kind::Op(op)) => Some(op),
            (Some(_), _) | (None, Kind::Leaf(_) | Kind::Scalar(_) | Kind::Invalid(_)) => None,
        }
    }
}

/// The nodes under some results, numbered.
pub(crate) struct Captured<'a> {
    steps: SmallVec<[Step<'a>; 6]>,
    results: SmallVec<[u32; 2]>,
    pub(crate) inputs: SmallVec<[Input; 4]>,
    parameters: SmallVec<[Binding<'a>; 4]>,
    destinations: SmallVec<[Destination; 2]>,
    /// Each node's number, once there are [`LOOK_THROUGH`] of them.
    numbers: FxHashMap<*const Node, u32>,
}

/// Fewer nodes than this are found faster by looking at each.
const LOOK_THROUGH: usize = 24;

/// The values that rules look for: these are part of the graph, any other scalar is a parameter.
///
/// A division by a power of two is none, which is worth a plan for each, and so is a product of 64-bit integers.
fn is_rule_value(literal: Literal, user: Option<&Node>) -> bool {
    let dtype = literal.dtype();
    let small = [0.0, 1.0, -1.0, 2.0, 0.5];
    let is_power_of_two = || match dtype.is_float() {
        true => literal.to_f64().is_some_and(|value| value.is_normal() && value.to_bits() << 12 == 0),
        false => literal.bits().is_power_of_two(),
    };
    let saves_work = || match user.map(|user| &user.kind) {
        Some(Kind::Op(Op::Elementwise(op))) => match op {
            ElementwiseOp::FloorDivide | ElementwiseOp::Remainder => dtype.is_integer(),
            ElementwiseOp::Divide => dtype.is_float(),
            ElementwiseOp::Multiply => dtype.is_integer() && dtype.size() == 8,
            _ => false,
        },
        _ => false,
    };
    dtype.is_complex()
        || literal
            .to_f64()
            .is_some_and(|value| small.contains(&value) && !(dtype.is_integer() && value == 0.5))
        || (saves_work() && is_power_of_two())
}

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

    /// Nothing yet.
    pub(crate) fn empty() -> Captured<'a> {
        Captured {
            steps: SmallVec::new(),
            results: SmallVec::new(),
            inputs: SmallVec::new(),
            parameters: SmallVec::new(),
            destinations: SmallVec::new(),
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
        let mut stack: SmallVec<[(&'a Node, usize); 16]> = SmallVec::new();
        for result in results {
            stack.push((&result.node, 0));
            while let Some((node, next)) = stack.pop() {
                // A node whose operands are under way has no number yet.
                if next == 0 && self.find(node).is_some() {
                    continue;
                }
                if self.steps.len() + stack.len() >= most {
                    return Ok(false);
                }
                let is_input = next == 0 && node.leaf().is_some();
                match node.operands.get(next) {
                    Some(operand) if !is_input => {
                        stack.push((node, next + 1));
                        stack.push((&operand.node, 0));
                    }
                    _ => self.number(node, stack.last().map(|&(user, _)| user))?,
                }
            }
            let number = self.number_of(&result.node);
            self.results.push(number);
            self.destinations.push(Destination::Fresh);
        }
        Ok(true)
    }

    /// The number of a node, if it has one. A few are looked through, more are looked up.
    fn find(&self, node: &Node) -> Option<u32> {
        if self.numbers.is_empty() {
            let position = self.steps.iter().position(|step| std::ptr::eq(step.node, node));
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
        let mut operands = SmallVec::new();
        let mut parameter = None;
        match (node.leaf(), &node.kind) {
            (Some(leaf), _) => {
                let Some(leaf) = Leaf::hold(leaf) else {
                    return Err(Error::Consumed { shape: node.ty.shape.clone() });
                };
                let (layout, donated) = (layout(&leaf, &node.ty), leaf.donation == Donation::Yes);
                parameter = Some(self.input(Input::Leaf(leaf), layout, &node.ty, donated));
            }
            (None, Kind::Scalar(literal)) if !is_rule_value(*literal, user) => {
                parameter = Some(self.input(Input::Scalar(*literal), Layout::Scalar, &node.ty, false));
            }
            (None, Kind::Invalid(error)) => return Err(Error::clone(error)),
            (None, Kind::Scalar(_) | Kind::Op(_) | Kind::Leaf(_)) => {
                operands = node.operands.iter().map(|operand| self.number_of(&operand.node)).collect();
            }
        }
        self.steps.push(Step { node, operands, parameter });
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

    fn input(&mut self, input: Input, layout: Layout, ty: &'a Type, donated: bool) -> u32 {
        self.inputs.push(input);
        self.parameters.push(Binding { ty, layout, donated });
        self.parameters.len() as u32 - 1
    }

    /// The dtype and shape of the n-th result.
    pub(crate) fn result_type(&self, n: usize) -> &Type {
        &self.steps[self.results[n] as usize].node.ty
    }

    /// The parameters, in the order of the inputs.
    pub(crate) fn parameters(&self) -> &[Binding<'a>] {
        &self.parameters
    }

    /// Where the user made a parameter, when known.
    pub(crate) fn source(&self, parameter: usize) -> Option<Source> {
        let number = Some(parameter as u32);
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

    /// Makes `key` everything that the plan depends on.
    pub(crate) fn write_key(&self, options: &Options, key: &mut Key) {
        key.0.clear();
        for step in &self.steps {
            match (step.parameter, &step.node.kind) {
                (Some(parameter), _) => self.parameters[parameter as usize].hash(key),
                (None, Kind::Op(op)) => op.hash(key),
                (None, Kind::Scalar(literal)) => literal.hash(key),
                (None, Kind::Leaf(_) | Kind::Invalid(_)) => unreachable!("inputs are parameters"),
            }
            step.parameter.is_some().hash(key);
            step.operands.as_slice().hash(key);
        }
        self.results.as_slice().hash(key);
        self.destinations.as_slice().hash(key);
        options.hash(key);
        crate::accelerate::mode::current().hash(key);
    }

    /// The graph, as captured.
    pub(crate) fn graph(&self) -> Graph {
        let mut graph = Graph::new("eval");
        // Parameters come first, so that their numbers in the text are those of the plan.
        let sources = self.steps.iter().filter(|step| step.parameter.is_some()).map(|step| step.node.source);
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
            let id = match (step.parameter, &node.kind) {
                (Some(parameter), _) => parameters[parameter as usize],
                (None, kind) => {
                    let op = match kind {
                        Kind::Op(op) => op.clone(),
                        Kind::Scalar(literal) => Op::Constant(*literal),
                        Kind::Leaf(_) | Kind::Invalid(_) => unreachable!("inputs are parameters"),
                    };
                    let operands: SmallVec<[NodeId; 3]> =
                        step.operands.iter().map(|&operand| ids[operand as usize]).collect();
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
            for &operand in &step.operands {
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
                Input::Scalar(literal) => Argument::Scalar(*literal),
            })
            .collect()
    }
}

/// How a leaf's elements lie in memory.
fn layout(leaf: &Leaf, ty: &Type) -> Layout {
    let item = ty.dtype.size();
    // A power of two, so one set bit below it is one too many anywhere.
    let below = alignment(ty) - 1;
    let strides = leaf.strides.iter().fold(0, |bits, stride| bits | stride.unsigned_abs());
    let aligned = (leaf.memory.pointer() as usize | strides) & below == 0;
    let row_major = || {
        let mut expected = item as isize;
        let mut dims = ty.shape.iter().zip(&leaf.strides).rev();
        let in_order = dims.all(|(&dim, &stride)| {
            let fits = dim == 1 || stride == expected;
            expected = expected.wrapping_mul(dim as isize);
            fits
        });
        in_order || ty.shape.size() == 0
    };
    if aligned && !leaf.swapped && row_major() {
        return Layout::RowMajor;
    }
    let encoding = match (leaf.swapped, aligned) {
        (true, _) => Encoding::Swapped,
        (false, true) => Encoding::Native,
        (false, false) => Encoding::Unaligned,
    };
    Layout::Strided { strides: leaf.strides.clone(), encoding }
}

fn alignment(ty: &Type) -> usize {
    let parts = if ty.dtype.is_complex() { 2 } else { 1 };
    ty.dtype.size() / parts
}

/// Everything that a plan depends on, as bytes: two keys are equal exactly when a plan for one serves the other.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    pub(crate) const fn new() -> Key {
        Key(Vec::new())
    }

    /// Its bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Bytes are kept, not mixed: the hash of the whole key is taken once.
impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        let mut hasher = rustc_hash::FxHasher::default();
        hasher.write(&self.0);
        hasher.finish()
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}
