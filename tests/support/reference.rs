//! What a graph's results are: each op done element by element, by the scalar definitions.
//!
//! Slow and simple. Reductions take elements in row-major order, so float sums agree with other implementations only
//! where those are exact. Regions and slots are not looked at.

mod library;

use raptors_ir::{DType, DimSlice, ElementwiseOp, Graph, Literal, Op, ReduceOp, Shape, Type, scalar};

/// Elements in row-major order.
pub(crate) type Array = Vec<Literal>;

/// Returns the results for these arguments, one for each parameter.
pub(crate) fn evaluate(graph: &Graph, arguments: &[Array]) -> Vec<Array> {
    let mut values: Vec<Array> = Vec::with_capacity(graph.len());
    for id in graph.ids() {
        let operands: Vec<Operand<'_>> = graph
            .operands(id)
            .iter()
            .map(|operand| Operand { elements: &values[operand.index()], ty: &graph.node(*operand).ty })
            .collect();
        let value = node(graph.op(id), graph.shape(id), &operands, arguments);
        values.push(value);
    }
    graph.outputs().iter().map(|output| values[output.node.index()].clone()).collect()
}

/// Equal bits, or both NaN; of complex numbers in both parts.
pub(crate) fn same(a: Literal, b: Literal) -> bool {
    if a.dtype().is_complex() && a.dtype() == b.dtype() {
        return a.parts().into_iter().zip(b.parts()).all(|(a, b)| same(a, b));
    }
    a == b || (a.dtype() == b.dtype() && is_nan(a) && is_nan(b))
}

fn is_nan(x: Literal) -> bool {
    x.to_f64().is_some_and(f64::is_nan)
}

struct Operand<'a> {
    elements: &'a [Literal],
    ty: &'a Type,
}

impl Operand<'_> {
    fn shape(&self) -> &Shape {
        &self.ty.shape
    }

    /// The element at `index` of a larger shape that this operand broadcasts to.
    fn at(&self, index: &[usize]) -> Literal {
        let index = &index[index.len() - self.shape().len()..];
        let clipped: Vec<usize> =
            index.iter().zip(self.shape().iter()).map(|(&i, &len)| if len == 1 { 0 } else { i }).collect();
        self.elements[ravel(&clipped, self.shape())]
    }
}

fn node(op: &Op, shape: &Shape, operands: &[Operand<'_>], arguments: &[Array]) -> Array {
    let each = |element: &dyn Fn(&[usize]) -> Literal| -> Array {
        (0..shape.size()).map(|flat| element(&unravel(flat, shape))).collect()
    };
    match op {
        Op::Parameter(n) => arguments[*n as usize].clone(),
        Op::Constant(literal) => vec![*literal],
        Op::Iota(len) => (0..*len as i64).map(Literal::new).collect(),
        Op::Elementwise(op) => each(&|index| {
            let elements: Vec<Literal> = operands.iter().map(|operand| operand.at(index)).collect();
            apply(*op, &elements)
        }),
        Op::Where => each(&|index| operands[if operands[0].at(index).bits() != 0 { 1 } else { 2 }].at(index)),
        Op::Cast(dtype) => operands[0].elements.iter().map(|&x| scalar::cast(x, *dtype).unwrap()).collect(),
        Op::Complex => each(&|index| Literal::of_parts([operands[0].at(index), operands[1].at(index)])),
        Op::Part(part) => operands[0].elements.iter().map(|x| x.part(*part)).collect(),
        Op::Reduce(op, axes) => reduce(*op, axes, shape, &operands[0]),
        Op::Slice(dims) => each(&|index| {
            let place = |(dim, &i): (&DimSlice, &usize)| dim.start as isize + i as isize * dim.step;
            let index: Vec<usize> = dims.iter().zip(index).map(|pair| place(pair) as usize).collect();
            operands[0].at(&index)
        }),
        Op::Reshape(_) | Op::Copy => operands[0].elements.to_vec(),
        Op::Permute(axes) => each(&|index| {
            let mut original = vec![0; axes.len()];
            for (&axis, &i) in axes.iter().zip(index) {
                original[axis] = i;
            }
            operands[0].at(&original)
        }),
        Op::Broadcast(_) => each(&|index| operands[0].at(index)),
        Op::Matmul => each(&|index| {
            let (batch, row, column) =
                (&index[..index.len() - 2], index[index.len() - 2], index[index.len() - 1]);
            let [x, y] = operands else { unreachable!("a product has two operands") };
            let inner = x.shape()[x.shape().len() - 1];
            let products = (0..inner).map(|k| {
                let pair = [x.at(&[batch, &[row, k]].concat()), y.at(&[batch, &[k, column]].concat())];
                apply(ElementwiseOp::Multiply, &pair)
            });
            products
                .fold(Literal::zero(x.ty.dtype), |sum, product| apply(ElementwiseOp::Add, &[sum, product]))
        }),
        Op::Library(op) => library::library(op, shape, operands),
        Op::Concat(axis) => each(&|index| {
            let mut index = index.to_vec();
            for operand in operands {
                if index[*axis] < operand.shape()[*axis] {
                    return operand.at(&index);
                }
                index[*axis] -= operand.shape()[*axis];
            }
            unreachable!("the lengths of the operands add up")
        }),
    }
}

fn apply(op: ElementwiseOp, operands: &[Literal]) -> Literal {
    scalar::evaluate(op, operands).unwrap_or_else(|| panic!("{} of {operands:?}", op.name()))
}

/// Halves are combined as `f32`, and the result is rounded.
fn reduce(op: ReduceOp, axes: &[usize], shape: &Shape, x: &Operand<'_>) -> Array {
    let half = x.ty.dtype;
    if half.is_half() {
        let elements: Array = x.elements.iter().map(|&x| scalar::cast(x, DType::F32).unwrap()).collect();
        let ty = Type { dtype: DType::F32, shape: x.shape().clone() };
        let reduced = reduce(op, axes, shape, &Operand { elements: &elements, ty: &ty });
        let result = op.result_dtype(half);
        return reduced.into_iter().map(|value| scalar::cast(value, result).unwrap()).collect();
    }
    let mut groups: Vec<Vec<Literal>> = vec![Vec::new(); shape.size()];
    for (flat, &element) in x.elements.iter().enumerate() {
        let mut index = unravel(flat, x.shape());
        for &axis in axes {
            index[axis] = 0;
        }
        groups[ravel(&index, shape)].push(element);
    }
    // NumPy's sum begins with 0.0: the sum of -0.0 alone is 0.0.
    let (zero, one) = (Literal::zero(x.ty.dtype), Literal::one(x.ty.dtype));
    let fold = |group: &[Literal], first, op| group.iter().fold(first, |a, &b| apply(op, &[a, b]));
    let value = |group: &Vec<Literal>| match op {
        ReduceOp::Sum => fold(group, zero, ElementwiseOp::Add),
        ReduceOp::Prod => fold(group, one, ElementwiseOp::Multiply),
        ReduceOp::Any => fold(group, zero, ElementwiseOp::LogicalOr),
        ReduceOp::All => fold(group, one, ElementwiseOp::LogicalAnd),
        ReduceOp::Min => fold(group, group[0], ElementwiseOp::Minimum),
        ReduceOp::Max => fold(group, group[0], ElementwiseOp::Maximum),
        ReduceOp::Argmin => position(group, fold(group, group[0], ElementwiseOp::Minimum)),
        ReduceOp::Argmax => position(group, fold(group, group[0], ElementwiseOp::Maximum)),
    };
    groups.iter().map(value).collect()
}

/// Where the extreme value first is; zeros of either sign are equal.
fn position(group: &[Literal], extreme: Literal) -> Literal {
    let found = |&x: &Literal| is_nan(x) || apply(ElementwiseOp::Equal, &[x, extreme]).bits() != 0;
    Literal::new(group.iter().position(found).unwrap() as i64)
}

fn unravel(mut flat: usize, shape: &Shape) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &len) in index.iter_mut().zip(shape.iter()).rev() {
        (*i, flat) = (flat % len, flat / len);
    }
    index
}

fn ravel(index: &[usize], shape: &Shape) -> usize {
    index.iter().zip(shape.iter()).fold(0, |flat, (&i, &len)| flat * len + i)
}
