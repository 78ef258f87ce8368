//! Complex values become pairs of real ones.
//!
//! A value that is only moved (a parameter, a copy, a concat, a view of these) is a *whole* in memory. Its two *parts*, where
//! something computes with them, are views of every other number there ([`Op::Part`]). A computed value is its parts,
//! real nodes that [`raptors_ir::complex`] defines; where something moves it, or it is a result, [`Op::Complex`] makes it whole:
//! both parts are stored in the loop that computes them.
//!
//! Sums are those of the parts. A product over an axis multiplies the halves of it, and so on: a tree that
//! depends on the length alone. A matrix product is four real ones.
//!
//! Linear in nodes; an op becomes as many as its definition has, some 5 for a product and 100 for an inverse function.

mod reductions;

use std::cell::RefCell;

use raptors_ir::complex::{self, Algebra, Parts};
use raptors_ir::{
    DType, ElementwiseOp, Graph, Literal, NodeId, Op, Operands, Output, Part, Shape, Source, Type,
};
use smallvec::SmallVec;

use crate::Ledger;
use crate::rewrite::WORTH_A_STEP;

/// Returns `graph` with the complex ops done on real parts.
pub(super) fn rewrite(graph: &Graph, ledger: &mut Ledger) -> Graph {
    let mut builder = Builder { new: Graph::like(graph), source: None };
    let mut values: Vec<Value> = Vec::with_capacity(graph.len());
    for id in graph.ids() {
        let node = graph.node(id);
        builder.source = node.source;
        let is_computed = match node.op {
            Op::Parameter(n) => {
                let parameter =
                    builder.new.push_parameter(graph.parameters()[n as usize].clone(), node.source);
                values.push(builder.value(parameter));
                continue;
            }
            Op::Elementwise(_) | Op::Where | Op::Cast(_) | Op::Reduce(..) | Op::Matmul => true,
            Op::Constant(_)
            | Op::Iota(_)
            | Op::Complex
            | Op::Part(_)
            | Op::Slice(_)
            | Op::Reshape(_)
            | Op::Permute(_)
            | Op::Broadcast(_)
            | Op::Concat(_)
            | Op::Library(_)
            | Op::Copy => false,
        };
        let mut operands: SmallVec<[Value; 3]> = SmallVec::new();
        for operand in graph.operands(id) {
            let value = &mut values[operand.index()];
            // Here and not of a copy, so that an operand that is there twice is taken apart once.
            if let (true, Value::Complex(pair)) = (is_computed, &mut *value) {
                builder.parts(pair);
            }
            operands.push(*value);
        }
        if is_computed && (node.ty.dtype.is_complex() || operands.iter().any(Value::is_complex)) {
            let detail = "computed as real and imaginary parts";
            ledger.applied("legalize", "complex", graph, id, detail);
        }
        let value = builder.node(&node.op, &node.ty, &mut operands);
        // What was made of the operands is there for other users.
        for (operand, value) in graph.operands(id).iter().zip(&operands) {
            values[operand.index()] = *value;
        }
        values.push(value);
    }
    for output in graph.outputs() {
        let mut value = values[output.node.index()];
        let node = builder.whole(&mut value);
        values[output.node.index()] = value;
        builder.new.push_output(Output { node, ..*output });
    }
    builder.new
}

/// What stands for a node of the old graph.
#[derive(Clone, Copy, Debug)]
enum Value {
    Real(NodeId),
    Complex(Pair),
}

/// A complex value: as parts, whole, or both.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    parts: Option<[NodeId; 2]>,
    whole: Option<NodeId>,
}

/// The graph that is built.
struct Builder {
    new: Graph,
    /// Where the user wrote what is being rewritten.
    source: Option<Source>,
}

impl Builder {
    fn push(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        match self.new.push(op, operands, self.source) {
            Ok(id) => id,
            Err(error) => unreachable!("parts have the types their whole has: {error}"),
        }
    }

    /// What a node of the new graph is.
    fn value(&self, node: NodeId) -> Value {
        match self.new.node(node).ty.dtype.is_complex() {
            true => Value::Complex(Pair { whole: Some(node), parts: None }),
            false => Value::Real(node),
        }
    }

    /// The real and the imaginary part.
    fn parts(&mut self, pair: &mut Pair) -> [NodeId; 2] {
        match (pair.parts, pair.whole) {
            (Some(parts), _) => parts,
            (None, Some(whole)) => {
                let parts = match *self.new.op(whole) {
                    Op::Constant(literal) => literal.parts().map(|part| self.push(Op::Constant(part), &[])),
                    _ => Part::ALL.map(|part| self.push(Op::Part(part), &[whole])),
                };
                *pair.parts.insert(parts)
            }
            (None, None) => unreachable!("a value is there in some form"),
        }
    }

    /// The value in memory.
    fn whole(&mut self, value: &mut Value) -> NodeId {
        match value {
            Value::Real(node) => *node,
            Value::Complex(Pair { whole: Some(whole), .. }) => *whole,
            Value::Complex(pair) => {
                let parts = self.parts(pair);
                *pair.whole.insert(self.push(Op::Complex, &parts))
            }
        }
    }

    fn node(&mut self, op: &Op, ty: &Type, operands: &mut [Value]) -> Value {
        match (op, &mut *operands) {
            (Op::Complex, &mut [Value::Real(re), Value::Real(im)]) => {
                computed([re, im].map(|part| self.broadcast(part, &ty.shape)))
            }
            (Op::Part(part), [Value::Complex(x)]) => Value::Real(self.parts(x)[*part as usize]),
            (Op::Elementwise(op), operands) if operands.iter().any(Value::is_complex) => {
                self.elementwise(*op, ty, operands)
            }
            (Op::Where, [Value::Real(condition), Value::Complex(x), Value::Complex(y)]) => {
                let (x, y) = (self.parts(x), self.parts(y));
                let choose = |n: usize| self.push(Op::Where, &[*condition, x[n], y[n]]);
                computed([0, 1].map(choose))
            }
            (Op::Cast(dtype), [Value::Complex(x)]) => {
                let parts = self.parts(x);
                self.cast(*dtype, parts)
            }
            (Op::Cast(dtype), &mut [Value::Real(x)]) if dtype.is_complex() => self.cast_real(*dtype, x),
            (Op::Reduce(op, axes), [Value::Complex(x)]) => {
                let parts = self.parts(x);
                self.reduce(*op, axes, parts)
            }
            (Op::Matmul, [Value::Complex(x), Value::Complex(y)]) => {
                let (x, y) = (self.parts(x), self.parts(y));
                self.matmul(x, y)
            }
            (op, &mut [Value::Complex(Pair { parts: Some(parts), whole: None })]) if op.is_view() => {
                computed(parts.map(|part| self.push(op.clone(), &[part])))
            }
            (op, operands) => {
                let operands: Operands = operands.iter_mut().map(|operand| self.whole(operand)).collect();
                let node = self.push(op.clone(), &operands);
                self.value(node)
            }
        }
    }

    fn elementwise(&mut self, op: ElementwiseOp, ty: &Type, operands: &mut [Value]) -> Value {
        let mut parts: SmallVec<[[NodeId; 2]; 2]> = SmallVec::new();
        let mut dtype = ty.dtype;
        for operand in operands {
            let Value::Complex(pair) = operand else { unreachable!("operands have one dtype") };
            let pair = self.parts(pair);
            dtype = self.dtype(pair);
            parts.push(pair.map(|part| self.spread(part, &ty.shape)));
        }
        let nodes = RefCell::new(Nodes(&mut *self));
        let Some(result) = complex::elementwise(&nodes, op, dtype, &parts) else {
            unreachable!("{} takes {dtype}, as inference says", op.name())
        };
        match result {
            Parts::Real(value) => Value::Real(self.broadcast(value, &ty.shape)),
            Parts::Complex(parts) => computed(parts.map(|part| self.broadcast(part, &ty.shape))),
        }
    }

    /// An operand of an elementwise op over `shape`. What is done for it alone is done once where that saves more than
    /// the step it takes, otherwise for each element.
    fn spread(&mut self, part: NodeId, shape: &Shape) -> NodeId {
        match self.new.op(part) {
            Op::Constant(_) => part,
            _ if shape.size() >= WORTH_A_STEP => part,
            _ => self.broadcast(part, shape),
        }
    }

    fn broadcast(&mut self, x: NodeId, shape: &Shape) -> NodeId {
        if self.new.shape(x) == shape { x } else { self.push(Op::Broadcast(shape.clone()), &[x]) }
    }

    /// The dtype of the complex numbers of these parts.
    fn dtype(&self, parts: [NodeId; 2]) -> DType {
        self.new.node(parts[0]).ty.dtype.to_complex()
    }

    fn cast(&mut self, dtype: DType, parts: [NodeId; 2]) -> Value {
        let from = self.dtype(parts);
        match complex::cast_parts(&RefCell::new(Nodes(&mut *self)), from, parts, dtype) {
            Parts::Real(value) => Value::Real(value),
            Parts::Complex(parts) => computed(parts),
        }
    }

    fn cast_real(&mut self, dtype: DType, x: NodeId) -> Value {
        let re = Nodes(&mut *self).cast(x, dtype.part());
        let zero = self.push(Op::Constant(Literal::zero(dtype.part())), &[]);
        let shape = self.new.shape(x).clone();
        computed([re, self.broadcast(zero, &shape)])
    }
}

impl Value {
    fn is_complex(&self) -> bool {
        matches!(self, Value::Complex(_))
    }
}

fn computed(parts: [NodeId; 2]) -> Value {
    Value::Complex(Pair { parts: Some(parts), whole: None })
}

/// The real values that definitions compute with: nodes.
struct Nodes<'a>(&'a mut Builder);

impl Algebra for Nodes<'_> {
    type Value = NodeId;

    fn constant(&mut self, literal: Literal) -> NodeId {
        self.0.push(Op::Constant(literal), &[])
    }

    fn elementwise(&mut self, op: ElementwiseOp, operands: &[NodeId]) -> NodeId {
        self.0.push(Op::Elementwise(op), operands)
    }

    fn choose(&mut self, condition: NodeId, x: NodeId, y: NodeId) -> NodeId {
        self.0.push(Op::Where, &[condition, x, y])
    }

    fn cast(&mut self, x: NodeId, dtype: DType) -> NodeId {
        if self.0.new.node(x).ty.dtype == dtype { x } else { self.0.push(Op::Cast(dtype), &[x]) }
    }
}
