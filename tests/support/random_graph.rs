//! Random graphs of ops whose results are exact: every backend must agree on them to the last bit.
//!
//! Drawn: parameters of every layout, constants, elementwise ops that promise 0 ULP, `where`, casts, reductions, views,
//! concats, copies, library ops, complex numbers and their parts, and matrix products of integers; shapes of up to three
//! dimensions with lengths 0, 1 and a few more;
//! values used once, often and never. New nodes like to build on those just made, so that views of views are common; and
//! some use a reduction beside what was reduced. Left out: float matrix products, transcendentals, and partitions, which
//! have more than one answer.

use raptors_ir::{
    DType, Destination, DimSlice, Dims, ElementwiseOp, Encoding, Graph, Layout, LibraryOp, Literal, NodeId,
    Op, Order, Output, Parameter, Part, ReduceOp, Shape, Side, Strides, Type, Write, arity,
};

/// Values of a small graph get no larger than this many elements, those of a large one than [`LARGEST`].
const MAX_SIZE: usize = 2048;

/// Enough for several tiles, blocks of a reduction, and chunks of parallel work.
const LARGEST: usize = 150_000;

const DTYPES: [DType; 15] = [
    DType::Bool,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::F16,
    DType::BF16,
    DType::F32,
    DType::F64,
    DType::C64,
    DType::C128,
];

/// Xorshift64* numbers: the same for the same seed, everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.bits();
        random
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number less than `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    pub(crate) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Returns a graph that verifies, of a few dozen nodes at most.
pub(crate) fn random_graph(random: &mut Random) -> Graph {
    let base: Vec<usize> = (0..random.below(4)).map(|_| random.pick(&[0, 1, 2, 3, 5, 8, 17])).collect();
    graph_over(random, &base, MAX_SIZE)
}

/// As [`random_graph`], with values too large for one thread.
pub(crate) fn random_large_graph(random: &mut Random) -> Graph {
    let base = random.pick(&[vec![40_000], vec![200, 230], vec![7, 5000], vec![3000, 13], vec![30, 31, 33]]);
    graph_over(random, &base, LARGEST)
}

/// As [`random_graph`], with rows of a few vectors, some of more than a block of a reduction.
pub(crate) fn random_graph_of_rows(random: &mut Random) -> Graph {
    let base =
        random.pick(&[vec![9, 70], vec![5, 130], vec![3, 4, 65], vec![40, 33], vec![2, 4200], vec![6000]]);
    graph_over(random, &base, 20_000)
}

fn graph_over(random: &mut Random, base: &[usize], largest: usize) -> Graph {
    let mut graph = Graph::new("random");
    for _ in 0..1 + random.below(4) {
        let parameter = parameter(random, base);
        graph.push_parameter(parameter, None);
    }
    let len = graph.len() + 1 + random.below(30);
    while graph.len() < len {
        let Some((op, mut operands)) = node(random, &graph, largest) else { continue };
        if matches!(op, Op::Elementwise(ElementwiseOp::Copysign | ElementwiseOp::Signbit)) {
            of_known_sign(&mut graph, operands.last_mut().unwrap());
        }
        if matches!(op, Op::Elementwise(op) if op == ElementwiseOp::Sqrt || op.ulp() > 0)
            && graph.node(operands[0]).ty.dtype.is_complex()
        {
            // Where a part is NaN, C99 leaves the sign of an infinite or zero result open.
            operands.iter_mut().for_each(|operand| of_known_sign(&mut graph, operand));
        }
        if matches!(op, Op::Reduce(ReduceOp::Min | ReduceOp::Max, _)) {
            of_one_zero(&mut graph, &mut operands[0]);
        }
        // What does not type adds nothing, and is drawn again.
        let _ = graph.push(op, &operands, None);
    }
    for _ in 0..1 + random.below(3) {
        let node = if random.one_in(4) { any(random, &graph) } else { NodeId(graph.len() as u32 - 1) };
        let destination = destination(random, &graph, node);
        graph.push_output(Output { node, destination });
    }
    graph
}

/// Puts a number where the value is NaN: the sign of a NaN that was computed is not the same everywhere.
fn of_known_sign(graph: &mut Graph, x: &mut NodeId) {
    let dtype = graph.node(*x).ty.dtype;
    if !dtype.is_float() && !dtype.is_complex() {
        return;
    }
    let mut push = |op, operands: &[NodeId]| graph.push(op, operands, None).unwrap();
    let number = push(Op::Elementwise(ElementwiseOp::Equal), &[*x, *x]);
    let other = push(Op::Constant(Literal::from_f64(dtype, -1.0)), &[]);
    *x = push(Op::Where, &[number, *x, other]);
}

/// Makes every zero positive: which of two zeros is the smallest depends on the order in which elements are combined.
fn of_one_zero(graph: &mut Graph, x: &mut NodeId) {
    let dtype = graph.node(*x).ty.dtype;
    if !dtype.is_float() {
        return;
    }
    let mut push = |op, operands: &[NodeId]| graph.push(op, operands, None).unwrap();
    let zero = push(Op::Constant(Literal::zero(dtype)), &[]);
    *x = push(Op::Elementwise(ElementwiseOp::Add), &[*x, zero]);
}

/// A parameter whose shape broadcasts with those of the other parameters.
fn parameter(random: &mut Random, base: &[usize]) -> Parameter {
    let dims: Vec<usize> = base[random.below(base.len() + 1)..]
        .iter()
        .map(|&dim| if random.one_in(4) { 1 } else { dim })
        .collect();
    let ty = Type { dtype: random.pick(&DTYPES), shape: Shape::new(&dims).unwrap() };
    let layout = match random.below(3) {
        0 if dims.is_empty() => Layout::Scalar,
        0 => {
            let encoding = random.pick(&[Encoding::Native, Encoding::Unaligned, Encoding::Swapped]);
            Layout::Strided { strides: strides(random, &ty), encoding }
        }
        _ => Layout::RowMajor,
    };
    let donated = layout == Layout::RowMajor && random.one_in(3);
    Parameter { ty, layout, donated }
}

/// Strides of elements that do not overlap: dimensions in any order, gaps, either direction; or of a repeated element.
fn strides(random: &mut Random, ty: &Type) -> Strides {
    let ndim = ty.shape.len();
    let mut strides = Strides::from_elem(0, ndim);
    let mut order: Vec<usize> = (0..ndim).collect();
    for i in 0..ndim {
        order.swap(i, random.below(i + 1));
    }
    let mut step = ty.dtype.size() as isize;
    for axis in order {
        step *= 1 + random.below(2) as isize;
        strides[axis] = match random.below(4) {
            0 => -step,
            1 if random.one_in(4) => 0,
            _ => step,
        };
        step *= ty.shape[axis].max(1) as isize;
    }
    strides
}

fn any(random: &mut Random, graph: &Graph) -> NodeId {
    NodeId(random.below(graph.len()) as u32)
}

/// An op with operands that may or may not fit it.
fn node(random: &mut Random, graph: &Graph, largest: usize) -> Option<(Op, Vec<NodeId>)> {
    let recent = graph.len() - random.below(graph.len().min(3)) - 1;
    let x = if random.one_in(3) { NodeId(recent as u32) } else { any(random, graph) };
    let shape = graph.shape(x);
    let axes = |random: &mut Random| -> Dims {
        let last = shape.len().saturating_sub(1);
        // Rows are as common as all other choices together.
        let rows = random.one_in(2);
        (0..shape.len()).filter(|&axis| if rows { axis == last } else { random.one_in(2) }).collect()
    };
    if random.one_in(6)
        && let Some(used) = reduction_used(random, graph)
    {
        return Some(used);
    }
    let op = match random.below(20) {
        18 if random.one_in(2) => return indexed(random, graph, x),
        18 => Op::Library(library(random, shape)?),
        0..6 => Op::Elementwise(random.pick(ElementwiseOp::ALL)),
        6 => Op::Where,
        7 => Op::Cast(random.pick(&DTYPES)),
        8 => Op::Reduce(random.pick(ReduceOp::ALL), axes(random)),
        9 => Op::Slice(shape.iter().map(|&len| dim_slice(random, len)).collect()),
        10 => Op::Reshape(reshaped(random, shape)),
        11 => {
            let mut axes: Dims = (0..shape.len()).collect();
            for i in 0..axes.len() {
                axes.swap(i, random.below(i + 1));
            }
            Op::Permute(axes)
        }
        12 => {
            let mut dims = vec![random.pick(&[1, 2, 3])];
            dims.extend(shape.iter().map(|&dim| if dim == 1 { random.pick(&[0, 1, 4]) } else { dim }));
            Op::Broadcast(Shape::new(&dims).unwrap())
        }
        13 => Op::Concat(random.below(shape.len().max(1))),
        14 => {
            let dtype = random.pick(&DTYPES);
            Op::Constant(random_literal(random, dtype))
        }
        15 => Op::Matmul,
        16 => Op::Complex,
        17 => Op::Part(random.pick(&Part::ALL)),
        _ if random.one_in(3) => Op::Iota(random.below(9)),
        _ => Op::Copy,
    };
    let dtype = graph.node(x).ty.dtype;
    if op == Op::Matmul && (dtype.is_float() || dtype.is_complex()) {
        return None;
    }
    // Operands of one dtype are what most ops need.
    let alike: Vec<NodeId> = graph.ids().filter(|&id| graph.node(id).ty.dtype == dtype).collect();
    let count = arity(&op).unwrap_or_else(|| 1 + random.below(3));
    let mut operands: Vec<NodeId> =
        (0..count).map(|i| if i == 0 { x } else { random.pick(&alike) }).collect();
    if op == Op::Where {
        operands[0] = any(random, graph);
        operands[1] = x;
    }
    if op == Op::Matmul {
        let columns = shape.last().copied();
        let fits = |id: &&NodeId| {
            let shape = graph.shape(**id);
            shape.len() > 1 && columns == Some(shape[shape.len() - 2])
        };
        let fitting: Vec<NodeId> = alike.iter().filter(fits).copied().collect();
        operands[1] = (!fitting.is_empty()).then(|| random.pick(&fitting))?;
    }
    let sizes = operands.iter().map(|&operand| graph.shape(operand).clone());
    let combined = sizes.reduce(|a, b| a.broadcast(&b).unwrap_or_default());
    (combined.map_or(0, |shape| shape.size()) * 3 <= largest).then_some((op, operands))
}

/// A reduction of rows, or work on what was reduced, or on another value of its shape, that uses a reduction: at its own
/// rows, or not.
fn reduction_used(random: &mut Random, graph: &Graph) -> Option<(Op, Vec<NodeId>)> {
    let reductions: Vec<NodeId> =
        graph.ids().filter(|&id| matches!(graph.op(id), Op::Reduce(_, axes) if !axes.is_empty())).collect();
    if reductions.is_empty() || random.one_in(4) {
        let x = any(random, graph);
        let last = graph.shape(x).len().checked_sub(1)?;
        let op = random.pick(&[ReduceOp::Sum, ReduceOp::Prod, ReduceOp::Min, ReduceOp::Max]);
        return (graph.shape(x)[last] > 1).then(|| (Op::Reduce(op, Dims::from_slice(&[last])), vec![x]));
    }
    let reduction = random.pick(&reductions);
    let reduced = graph.operands(reduction)[0];
    // The reduction, or what was made of it alone.
    let made: Vec<NodeId> =
        graph.ids().filter(|&id| graph.shape(id).is_alike(graph.shape(reduction))).collect();
    let row = if random.one_in(2) { reduction } else { random.pick(&made) };
    let dtype = graph.node(row).ty.dtype;
    let alike = |&id: &NodeId| {
        let ty = &graph.node(id).ty;
        ty.dtype == dtype && ty.shape == *graph.shape(reduced)
    };
    let wide: Vec<NodeId> = graph.ids().filter(alike).collect();
    if wide.is_empty() {
        let ty = &graph.node(reduced).ty;
        return (ty.dtype != dtype).then(|| (Op::Cast(dtype), vec![reduced]));
    }
    let exact: Vec<ElementwiseOp> =
        ElementwiseOp::ALL.iter().copied().filter(|op| op.arity() == 2 && op.ulp() == 0).collect();
    let mut operands = vec![random.pick(&wide), row];
    if random.one_in(3) {
        operands.reverse();
    }
    Some((Op::Elementwise(random.pick(&exact)), operands))
}

fn library(random: &mut Random, shape: &Shape) -> Option<LibraryOp> {
    let axis = (!shape.is_empty()).then(|| random.below(shape.len()))?;
    let order = random.pick(&[Order::Ascending, Order::Descending]);
    Some(match random.below(4) {
        0 => LibraryOp::CumulativeSum { axis },
        1 => LibraryOp::CumulativeProd { axis },
        2 => LibraryOp::Sort { axis, order },
        _ => LibraryOp::Argsort { axis, order },
    })
}

/// Elements of `x` at positions that an argsort gave, or values written there; or a search in what a sort gave.
fn indexed(random: &mut Random, graph: &Graph, x: NodeId) -> Option<(Op, Vec<NodeId>)> {
    let alike = |shape: &Shape, dtype: DType| -> Vec<NodeId> {
        graph.ids().filter(|&id| graph.shape(id) == shape && graph.node(id).ty.dtype == dtype).collect()
    };
    let mut found = Vec::new();
    for id in graph.ids() {
        match graph.op(id) {
            Op::Library(LibraryOp::Argsort { axis, .. }) if graph.shape(id) == graph.shape(x) => {
                let axes: Dims = [*axis].into_iter().collect();
                let dtype = graph.node(x).ty.dtype;
                let values = random.pick(&alike(graph.shape(x), dtype));
                found.push((LibraryOp::Gather { axes: axes.clone() }, vec![x, id]));
                for write in [Write::Set, Write::Add] {
                    found.push((LibraryOp::Scatter { axes: axes.clone(), write }, vec![x, id, values]));
                }
            }
            Op::Library(LibraryOp::Sort { order: Order::Ascending, .. }) => {
                let side = random.pick(&[Side::Left, Side::Right]);
                found.push((LibraryOp::Searchsorted { side }, vec![id, x]));
            }
            _ => {}
        }
    }
    let (op, operands) = (!found.is_empty()).then(|| random.pick(&found))?;
    Some((Op::Library(op), operands))
}

fn dim_slice(random: &mut Random, len: usize) -> DimSlice {
    let start = random.below(len.max(1));
    let step: isize = random.pick(&[1, 1, 2, 3, -1, -2]);
    let room = if step > 0 { len - start.min(len) } else { (start + 1).min(len) };
    let most = room.div_ceil(step.unsigned_abs());
    DimSlice { start, len: if random.one_in(3) { random.below(most + 1) } else { most }, step }
}

/// A shape of as many elements.
fn reshaped(random: &mut Random, shape: &Shape) -> Shape {
    let size = shape.size();
    let divisors: Vec<usize> = (1..=size.max(1)).filter(|divisor| size.is_multiple_of(*divisor)).collect();
    let first = random.pick(&divisors);
    let dims = match random.below(3) {
        0 => vec![size],
        1 => vec![first, size / first],
        _ => vec![1, size / first, first],
    };
    Shape::new(&dims).unwrap()
}

/// Elements for a parameter.
pub(crate) fn random_argument(random: &mut Random, ty: &Type) -> Vec<Literal> {
    (0..ty.shape.size()).map(|_| random_literal(random, ty.dtype)).collect()
}

/// Small, special or any bits.
fn random_literal(random: &mut Random, dtype: DType) -> Literal {
    if dtype.is_complex() {
        return Literal::of_parts([0, 1].map(|_| random_literal(random, dtype.part())));
    }
    let special = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 100.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324];
    match random.below(3) {
        0 if dtype != DType::Bool => Literal::from_bits(dtype, u128::from(random.bits())),
        _ => Literal::from_f64(dtype, random.pick(&special)),
    }
}

fn destination(random: &mut Random, graph: &Graph, node: NodeId) -> Destination {
    let parameters = graph.parameters();
    let mut fitting = (0..parameters.len()).filter(|&n| {
        let taken =
            graph.outputs().iter().any(|output| output.destination == Destination::Parameter(n as u32));
        !taken && parameters[n].layout == Layout::RowMajor && parameters[n].ty == graph.node(node).ty
    });
    match fitting.next() {
        Some(n) if random.one_in(3) => Destination::Parameter(n as u32),
        _ if random.one_in(5) => Destination::Provided,
        _ => Destination::Fresh,
    }
}
