//! Evaluation against the reference: random graphs, whatever their fusion, threads and layouts.
//!
//! Float sums and products depend on their order, which the reference does not share; graphs that reduce floats so
//! are checked against other ways of evaluating them instead.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::array::{Array, Donation, Leaf, Memory};
use raptors::eval::Prepared;
use raptors::ir::{DType, Encoding, Graph, Layout, Literal, NodeId, Op, Parameter, ReduceOp};
use raptors::runtime::team;
use raptors::{Error, Options, Tensor};

use crate::support::{Random, evaluate, random_argument, random_graph, same};

/// A leaf with these elements, in the parameter's layout.
pub(crate) fn leaf(parameter: &Parameter, elements: &[Literal]) -> Array {
    let ty = &parameter.ty;
    let item = ty.dtype.size();
    let (strides, swapped) = match &parameter.layout {
        Layout::Scalar => return Array::scalar(elements[0], None),
        Layout::RowMajor => (ty.shape.row_major_strides(item), false),
        Layout::Strided { strides, encoding } => (strides.clone(), *encoding == Encoding::Swapped),
    };
    let reach = |sign: isize| -> usize {
        let spans = ty.shape.iter().zip(&strides).map(|(&dim, &stride)| (dim.max(1) - 1) as isize * stride);
        spans.filter(|span| span * sign > 0).map(isize::unsigned_abs).sum()
    };
    let (below, above) = (reach(-1), reach(1));
    let mut memory = vec![0xa5u8; below + above + item].into_boxed_slice();
    for (flat, element) in elements.iter().enumerate() {
        let mut rest = flat;
        let mut at = below as isize;
        for (&dim, &stride) in ty.shape.iter().zip(&strides).rev() {
            at += (rest % dim) as isize * stride;
            rest /= dim;
        }
        let mut bytes = element.bits().to_le_bytes()[..item].to_vec();
        if swapped {
            let part = ty.dtype.part().size();
            bytes.chunks_mut(part).for_each(<[u8]>::reverse);
        }
        memory[at as usize..][..item].copy_from_slice(&bytes);
    }
    let pointer = memory.as_mut_ptr().wrapping_add(below);
    // SAFETY: the box is the owner, and the strides reach only into it.
    let memory = unsafe { Memory::new(pointer, Box::new(memory)) };
    let donation = if parameter.donated { Donation::Yes } else { Donation::No };
    Array::from_leaf(Leaf::new(memory, strides, swapped, donation), ty.dtype, ty.shape.clone(), None)
}

/// Elements that a strided layout can hold: a repeated element has one value.
pub(crate) fn arguments(random: &mut Random, graph: &Graph) -> Vec<Vec<Literal>> {
    let draw = |parameter: &Parameter, random: &mut Random| {
        let elements = random_argument(random, &parameter.ty);
        let Layout::Strided { strides, .. } = &parameter.layout else { return elements };
        let shape = &parameter.ty.shape;
        let first = |flat: usize| {
            let (mut rest, mut step, mut index) = (flat, 1, 0);
            for (&dim, &stride) in shape.iter().zip(strides).rev() {
                index += if stride == 0 { 0 } else { rest % dim } * step;
                rest /= dim;
                step *= dim;
            }
            index
        };
        (0..elements.len()).map(|flat| elements[first(flat)]).collect()
    };
    graph.parameters().iter().map(|parameter| draw(parameter, random)).collect()
}

/// The graph's nodes as lazy arrays over these arguments.
pub(crate) fn arrays(graph: &Graph, arguments: &[Vec<Literal>]) -> Result<Vec<Array>, Error> {
    let mut arrays: Vec<Array> = Vec::new();
    for id in graph.ids() {
        let operands: Vec<&Array> =
            graph.operands(id).iter().map(|operand| &arrays[operand.index()]).collect();
        let array = match graph.op(id) {
            Op::Parameter(n) => leaf(&graph.parameters()[*n as usize], &arguments[*n as usize]),
            Op::Constant(literal) => Array::scalar(*literal, None),
            op => Array::apply(op.clone(), &operands, None)?,
        };
        arrays.push(array);
    }
    Ok(arrays)
}

/// The elements of a tensor.
pub(crate) fn elements(tensor: &Tensor) -> Vec<Literal> {
    fn of<T: raptors::Element>(tensor: &Tensor) -> Vec<Literal> {
        tensor.as_slice::<T>().unwrap().iter().map(|&value| Literal::new(value)).collect()
    }
    fn of_parts<T: raptors::Element>(tensor: &Tensor) -> Vec<Literal> {
        let parts = tensor.as_parts::<T>().unwrap();
        parts.iter().map(|&parts| Literal::of_parts(parts.map(Literal::new))).collect()
    }
    raptors::ir::dispatch_dtype!(tensor.dtype(), T => of::<T>(tensor), complex => match tensor.dtype() {
        DType::C64 => of_parts::<f32>(tensor),
        _ => of_parts::<f64>(tensor),
    })
}

/// Whether a node's bits depend on the order in which elements are combined.
pub(crate) fn order_matters(graph: &Graph, id: NodeId) -> bool {
    let own = matches!(graph.op(id), Op::Reduce(ReduceOp::Sum | ReduceOp::Prod, _))
        && !graph.node(id).ty.dtype.is_integer();
    own || graph.operands(id).iter().any(|&operand| order_matters(graph, operand))
}

fn assert_same(found: &[Literal], expected: &[Literal], seed: u64, graph: &Graph) {
    assert_eq!(found.len(), expected.len(), "seed {seed}: lengths differ\n{graph}");
    for (n, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!(same(found, expected), "seed {seed}: element {n} is {found:?}, not {expected:?}\n{graph}");
    }
}

#[test]
fn random_graphs_evaluate_to_the_reference() {
    for seed in 0..4000 {
        let mut random = Random::new(seed);
        let graph = random_graph(&mut random);
        let arguments = arguments(&mut random, &graph);
        let arrays = arrays(&graph, &arguments).unwrap();
        let expected = evaluate(&graph, &arguments);
        let results: Vec<&Array> =
            graph.outputs().iter().map(|output| &arrays[output.node.index()]).collect();
        let tensors = raptors::eval(&results).unwrap();
        for (n, tensor) in tensors.iter().enumerate() {
            if !order_matters(&graph, graph.outputs()[n].node) {
                assert_same(&elements(tensor), &expected[n], seed, &graph);
            }
        }
    }
}

/// Large reductions: bits depend on the length alone, not on the axis, the fusion or the threads.
#[test]
fn large_reductions_follow_one_tree() {
    for (rows, columns) in [(5000, 7), (9000, 130), (3, 70_000), (4100, 1100), (1, 200_001)] {
        let mut random = Random::new(7);
        let values: Vec<f32> =
            (0..rows * columns).map(|_| random.below(1 << 24) as f32 / 3e5 - 20.0).collect();
        let x = raptors::lazy(&values).reshape(&[rows as isize, columns as isize]);
        let turned = x.transpose().eval().unwrap().into_lazy();
        for threads in [1, 2, 8] {
            team::set_threads(threads);
            let by_row = x.sum(&[1]).eval().unwrap();
            let by_column = turned.sum(&[0]).eval().unwrap();
            assert_eq!(
                by_row.as_slice::<f32>(),
                by_column.as_slice::<f32>(),
                "{rows} x {columns}, {threads} threads"
            );
            let by_row = (&x * 1.0f32).cast(DType::F64).sum(&[0]).eval().unwrap();
            let by_column = turned.cast(DType::F64).sum(&[1]).eval().unwrap();
            assert_eq!(
                by_row.as_slice::<f64>(),
                by_column.as_slice::<f64>(),
                "{rows} x {columns}, {threads} threads"
            );
            for exact in [ReduceOp::Argmax, ReduceOp::Max] {
                let axis = |array: &Array, axis: isize| match exact {
                    ReduceOp::Argmax => array.argmax(Some(axis)).cast(DType::F32),
                    _ => array.max(&[axis]),
                };
                let (by_row, by_column) = (axis(&x, 1).eval().unwrap(), axis(&turned, 0).eval().unwrap());
                assert_eq!(by_row.as_slice::<f32>(), by_column.as_slice::<f32>());
            }
        }
        team::set_threads(0);
        let exact: f64 = values.iter().map(|&value| f64::from(value)).sum();
        let sum = f64::from(x.sum(&[]).eval().unwrap().as_slice::<f32>().unwrap()[0]);
        let scale: f64 = values.iter().map(|&value| f64::from(value).abs()).sum();
        assert!((sum - exact).abs() < 1e-6 * scale, "{sum} is far from {exact}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn results_do_not_depend_on_the_callers_control_word() {
    use std::arch::asm;
    fn word() -> u32 {
        let mut word = 0u32;
        // SAFETY: stores the control word to `word`.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word) };
        word
    }
    fn set_word(word: u32) {
        // SAFETY: loads the control word; the callers below set bits that exist.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word) };
    }
    /// Another shape is another plan, in which 2^-128 is folded anew.
    fn results(x: &[f32], shape: &[isize]) -> Vec<u32> {
        let x = raptors::lazy(x).reshape(shape);
        let half = Array::scalar(Literal::new(0.5f32), None);
        let folded = (0..7).fold(half, |x, _| x.square());
        let y = &x * 0.3f32 + folded;
        let tensors = raptors::eval(&[&y, &y.sum(&[])]).unwrap();
        let bits = |tensor: &Tensor| -> Vec<u32> {
            tensor.as_slice::<f32>().unwrap().iter().map(|x| x.to_bits()).collect()
        };
        tensors.iter().flat_map(bits).collect()
    }
    for n in [5, 1_000_003] {
        let x: Vec<f32> = (0..n).map(|i| f32::MIN_POSITIVE * (i % 101) as f32 / 37.0).collect();
        let expected = results(&x, &[-1]);
        let before = word();
        // Flush to zero, denormals as zeros, towards zero.
        let theirs = before & !0x3f | 0x8040 | 0x6000;
        set_word(theirs);
        let got = results(&x, &[1, -1]);
        let after = word() & !0x3f;
        set_word(before);
        assert_eq!(after, theirs & !0x3f);
        assert!(got == expected, "{n} elements");
        assert_eq!(expected[0], f32::powi(0.5, 128).to_bits());
    }
}

#[test]
fn a_known_evaluation_of_little_work_is_brief() {
    let options = Options::default();
    let is_brief = |array: &Array| {
        let (arrays, outs) = ([array], [None]);
        Prepared::new(&arrays, &outs, &options).unwrap().is_brief()
    };
    for (len, ops, expected) in [(1009, 1, true), (1009, 40, false), (1 << 20, 1, false)] {
        let array = (0..ops).fold(raptors::lazy(vec![1.25f32; len]), |x, _| x * 1.625);
        assert!(!is_brief(&array), "{len} {ops}");
        array.eval().unwrap();
        assert_eq!(is_brief(&array), expected, "{len} {ops}");
    }
}
