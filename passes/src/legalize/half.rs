//! Half-precision floats: computed with as `f32`, and `fma` of `f16` as `f64`, rounded after each op.
//!
//! A reduction is one of `f32`, whose result is rounded, as NumPy's are; so is a matrix product. A conversion that no
//! kernel has is two: through `f32`, as in NumPy and `ml_dtypes`.
//!
//! What an op becomes has the bits that [`scalar`] defines for it, payloads of NaN aside.

use raptors_ir::{DType, ElementwiseOp, Graph, Literal, Node, NodeId, Op, Operands, Source, scalar};

use crate::Ledger;
use crate::rewrite::rewrite as rebuild;

/// The graph in which halves are moved and converted alone.
pub(super) fn rewrite(graph: &Graph, ledger: &mut Ledger) -> Graph {
    rebuild(graph, |new, id, node, operands| {
        if is_legal(graph, id) {
            return new.push_node(node.clone(), operands);
        }
        ledger.applied("legalize", "half", graph, id, "computed in a wider float, and rounded");
        legalized(&mut Legal { graph: new, source: node.source }, node, operands)
    })
}

/// Adds nodes that stand for one node, and are written where it was.
struct Legal<'a> {
    graph: &'a mut Graph,
    source: Option<Source>,
}

impl Legal<'_> {
    fn push(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        match self.graph.push(op, operands, self.source) {
            Ok(node) => node,
            Err(error) => unreachable!("an op of f32 takes what the op of halves took: {error}"),
        }
    }

    fn elementwise(&mut self, op: ElementwiseOp, operands: &[NodeId]) -> NodeId {
        self.push(Op::Elementwise(op), operands)
    }

    fn constant(&mut self, literal: Literal) -> NodeId {
        self.push(Op::Constant(literal), &[])
    }
}

/// Whether an op only moves halves, or converts them as a kernel can, or has nothing to do with them.
fn is_legal(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    let operand_dtype = |n: usize| graph.node(graph.operands(id)[n]).ty.dtype;
    match &node.op {
        // The operands of an op have one dtype, which is that of the result unless it is a truth value or an index.
        Op::Elementwise(_) | Op::Reduce(..) | Op::Matmul => !operand_dtype(0).is_half(),
        Op::Cast(to) => scalar::is_direct_cast(operand_dtype(0), *to),
        Op::Parameter(_)
        | Op::Constant(_)
        | Op::Iota(_)
        | Op::Where
        | Op::Slice(_)
        | Op::Reshape(_)
        | Op::Permute(_)
        | Op::Broadcast(_)
        | Op::Concat(_)
        | Op::Complex
        | Op::Part(_)
        // Their kernels put halves in order, and round each sum, as NumPy does.
        | Op::Library(_)
        | Op::Copy => true,
    }
}

/// What stands for a node that is not legal.
fn legalized(legal: &mut Legal<'_>, node: &Node, operands: &Operands) -> NodeId {
    let half = legal.graph.node(operands[0]).ty.dtype;
    let mut singles: Operands = operands.iter().map(|&operand| single(legal, node, operand)).collect();
    match node.op {
        Op::Cast(to) => return legal.push(Op::Cast(to), &singles),
        Op::Elementwise(ElementwiseOp::Nextafter) => {
            return next_after(legal, half, [operands[0], operands[1]], [singles[0], singles[1]]);
        }
        Op::Elementwise(op) if scalar::prefers_first_of_equals(op, half) => singles.reverse(),
        Op::Elementwise(op) if scalar::half_computed_in(op, half) == DType::F64 => {
            singles.iter_mut().for_each(|single| *single = legal.push(Op::Cast(DType::F64), &[*single]));
        }
        _ => {}
    }
    let value = legal.push(node.op.clone(), &singles);
    if node.ty.dtype.is_half() { legal.push(Op::Cast(node.ty.dtype), &[value]) } else { value }
}

/// An operand as `f32`. A number that is passed by value is converted where it is used, rather than in a step of its own.
fn single(legal: &mut Legal<'_>, user: &Node, operand: NodeId) -> NodeId {
    if let Some(exact) = unrounded(legal.graph, operand) {
        return exact;
    }
    let is_scalar = legal.graph.shape(operand).is_empty();
    let operand = match (legal.graph.op(operand), &user.op) {
        (Op::Constant(literal), _) => {
            if let Some(single) = scalar::cast(*literal, DType::F32) {
                return legal.constant(single);
            }
            operand
        }
        (Op::Parameter(_), Op::Elementwise(_)) if is_scalar && !user.ty.shape.is_empty() => {
            legal.push(Op::Broadcast(user.ty.shape.clone()), &[operand])
        }
        _ => operand,
    };
    legal.push(Op::Cast(DType::F32), &[operand])
}

/// The `f32` that became this half, if nothing was rounded: a truth value or an integer of 8 bits.
fn unrounded(graph: &Graph, half: NodeId) -> Option<NodeId> {
    let converted = |node: NodeId| matches!(graph.op(node), Op::Cast(_)).then(|| graph.operands(node)[0]);
    let single = converted(half)?;
    let source = converted(single)?;
    let dtype = |node: NodeId| graph.node(node).ty.dtype;
    (dtype(single) == DType::F32 && dtype(source).size() == 1).then_some(single)
}

/// The next half after `x` towards `y`: the sum of `x` and 5/8 to 5/4 of the distance to the next one, rounded. That
/// distance is 2^-10 (2^-7 for `bf16`) of the power of two below `x`; below the smallest normal number it no longer
/// changes. Of infinity, a number beyond the largest half is the one to begin with.
fn next_after(legal: &mut Legal<'_>, half: DType, halves: [NodeId; 2], [x, y]: [NodeId; 2]) -> NodeId {
    use ElementwiseOp::{Abs, Add, Copysign, Equal, Maximum, Minimum, Multiply, Sign, Subtract};
    let (digits, smallest_normal, beyond, of_equals) = match half {
        DType::F16 => (10, -14, 65536.0, halves[0]),
        _ => (7, -126, f32::MAX, halves[1]),
    };
    let number = |legal: &mut Legal<'_>, value: f32| legal.constant(Literal::new(value));
    let (beyond, smallest_normal) = (number(legal, beyond), number(legal, 2f32.powi(smallest_normal)));
    let part = number(legal, 0.625 * 2f32.powi(-digits));
    let size = legal.elementwise(Abs, &[x]);
    let size = legal.elementwise(Minimum, &[size, beyond]);
    let scale = legal.elementwise(Maximum, &[size, smallest_normal]);
    let distance = legal.elementwise(Multiply, &[scale, part]);
    let way = legal.elementwise(Subtract, &[y, x]);
    let way = legal.elementwise(Sign, &[way]);
    let step = legal.elementwise(Multiply, &[way, distance]);
    let start = legal.elementwise(Copysign, &[size, x]);
    let sum = legal.elementwise(Add, &[start, step]);
    let next = legal.push(Op::Cast(half), &[sum]);
    let equal = legal.elementwise(Equal, &[x, y]);
    legal.push(Op::Where, &[equal, of_equals, next])
}
