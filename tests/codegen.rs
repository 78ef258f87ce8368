//! Machine code: what has it, and that it does what the interpreter does.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::ir::{
    DType, Destination, ElementwiseOp, Graph, Layout, Literal, Op, Output, Parameter, ReduceOp, Shape, Type,
};
use raptors::jit::{self, Jit};
use raptors::lazy;
use raptors::runtime::level::Level;

use crate::eval::{arrays, elements};
use crate::support::{Random, random_argument, same};

/// A graph that applies `op` to parameters of these types.
fn graph_of(op: Op, operands: &[Type]) -> Graph {
    let mut graph = Graph::new("op");
    let parameters: Vec<_> = operands
        .iter()
        .map(|ty| {
            let parameter = Parameter { ty: ty.clone(), layout: Layout::RowMajor, donated: false };
            graph.push_parameter(parameter, None)
        })
        .collect();
    let node = graph.push(op, &parameters, None).unwrap();
    graph.push_output(Output { node, destination: Destination::Fresh });
    graph
}

/// Why the graph is interpreted; nothing if all of it is compiled. Whatever it is, the results have the same bits.
fn reason(graph: &Graph, random: &mut Random) -> Option<String> {
    let arguments: Vec<Vec<Literal>> =
        graph.parameters().iter().map(|parameter| random_argument(random, &parameter.ty)).collect();
    let result = arrays(graph, &arguments).unwrap().pop().unwrap();
    let program = result.plan().unwrap().program();
    let line =
        program.lines().find(|line| line.contains(" code: ") || line.contains("interpreted: ")).unwrap();
    let by = |mode: Jit| {
        jit::set_mode(mode);
        let found = elements(&result.eval().unwrap());
        jit::set_mode(Jit::On);
        found
    };
    let (compiled, interpreted) = (by(Jit::On), by(Jit::Off));
    by(Jit::Verify);
    for (i, (&found, &expected)) in compiled.iter().zip(&interpreted).enumerate() {
        let operands: Vec<Option<&Literal>> = arguments.iter().map(|argument| argument.get(i)).collect();
        assert!(
            same(found, expected),
            "element {i}: {found:?}, not {expected:?}, of {operands:?}\n{program}"
        );
    }
    line.trim().strip_prefix("interpreted: ").map(str::to_owned)
}

fn real_dtypes() -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|dtype| !dtype.is_complex())
}

fn vector(dtype: DType, len: usize) -> Type {
    Type { dtype, shape: Shape::new(&[len]).unwrap() }
}

/// Whether the process runs machine code at all.
fn has_machine_code() -> bool {
    (Level::current() != Level::Baseline || cfg!(target_arch = "aarch64")) && jit::mode() != Jit::Off
}

/// What is interpreted: there is no division of 64-bit integers.
const WITHOUT_VECTOR_FORM: [(&str, &[DType]); 2] =
    [("floor_divide", &[DType::I64, DType::U64]), ("remainder", &[DType::I64, DType::U64])];

#[test]
fn every_op_has_machine_code_or_a_reason() {
    let mut random = Random::new(71);
    let mut reasons = Vec::new();
    for &op in ElementwiseOp::ALL {
        for dtype in real_dtypes().filter(|&dtype| op.compute_dtype(dtype) == Some(dtype)) {
            let graph = graph_of(Op::Elementwise(op), &vec![vector(dtype, 1003); op.arity()]);
            reasons
                .extend(reason(&graph, &mut random).map(|reason| format!("{} {dtype}: {reason}", op.name())));
        }
    }
    for from in real_dtypes() {
        for to in real_dtypes().filter(|&to| to != from) {
            let graph = graph_of(Op::Cast(to), &[vector(from, 1003)]);
            reasons.extend(reason(&graph, &mut random).map(|reason| format!("cast {from} {to}: {reason}")));
        }
        let types = [vector(DType::Bool, 1003), vector(from, 1003), vector(from, 1003)];
        reasons.extend(
            reason(&graph_of(Op::Where, &types), &mut random).map(|reason| format!("where {from}: {reason}")),
        );
    }
    // Constants need no code of their own, nor does a cast that keeps the bits.
    reasons.retain(|reason| !reason.ends_with("it moves elements and computes none"));
    if has_machine_code() {
        let mut expected: Vec<String> = Vec::new();
        for (op, dtypes) in WITHOUT_VECTOR_FORM {
            expected.extend(
                dtypes.iter().map(|dtype| format!("{op} {dtype}: {op} of {dtype} has no vector form")),
            );
        }
        assert_eq!(reasons, expected);
    }
}

/// Operands and results of complex numbers are taken apart and put together in registers, not in tiles.
#[test]
fn complex_numbers_are_rows_of_pairs() {
    let mut random = Random::new(74);
    let ops = [
        ElementwiseOp::Add,
        ElementwiseOp::Multiply,
        ElementwiseOp::Divide,
        ElementwiseOp::Conj,
        ElementwiseOp::Negative,
        ElementwiseOp::Square,
        ElementwiseOp::Abs,
    ];
    for dtype in [DType::C64, DType::C128] {
        let mut graphs: Vec<Graph> = Vec::new();
        for len in [2, 3, 17, 1003] {
            graphs.extend(ops.map(|op| graph_of(Op::Elementwise(op), &vec![vector(dtype, len); op.arity()])));
            let sum = Op::Reduce(ReduceOp::Sum, [0].into_iter().collect());
            graphs.push(graph_of(sum, &[vector(dtype, len)]));
            let other = if dtype == DType::C64 { DType::C128 } else { DType::C64 };
            graphs.push(graph_of(Op::Cast(other), &[vector(dtype, len)]));
        }
        for graph in graphs {
            assert_eq!(reason(&graph, &mut random), None, "{graph}");
            if has_machine_code() {
                let arguments: Vec<Vec<Literal>> = graph
                    .parameters()
                    .iter()
                    .map(|parameter| random_argument(&mut random, &parameter.ty))
                    .collect();
                let result = arrays(&graph, &arguments).unwrap().pop().unwrap();
                let program = result.plan().unwrap().program();
                assert!(program.contains(" code: ") && program.contains(", rows of "), "{program}");
            }
        }
    }
}

#[test]
fn reductions_of_rows_have_machine_code_or_a_reason() {
    let mut random = Random::new(72);
    let mut reasons = Vec::new();
    for &op in ReduceOp::ALL {
        for dtype in real_dtypes() {
            for [rows, len] in [[1, 40], [1, 9000], [5, 129], [3, 5000], [300, 33]] {
                let ty = Type { dtype, shape: Shape::new(&[rows, len]).unwrap() };
                let Ok(graph) =
                    std::panic::catch_unwind(|| graph_of(Op::Reduce(op, [1].into_iter().collect()), &[ty]))
                else {
                    continue;
                };
                reasons.extend(
                    reason(&graph, &mut random).map(|reason| format!("{} {dtype}: {reason}", op.name())),
                );
            }
        }
    }
    reasons
        .retain(|reason| !reason.starts_with("arg") || !reason.ends_with("it searches long rows of memory"));
    if has_machine_code() {
        assert!(reasons.is_empty(), "{reasons:?}");
    }
}

/// Of what is computed, the place of the best is found in the same loop: rows of one block, of some, and of a part of one.
#[test]
fn places_in_computed_rows_have_machine_code() {
    let mut random = Random::new(75);
    for op in [ReduceOp::Argmin, ReduceOp::Argmax] {
        for dtype in real_dtypes() {
            for [rows, len] in [[1, 2], [1, 40], [1, 9000], [5, 129], [3, 5000], [2, 70_001], [300, 33]] {
                let ty = Type { dtype, shape: Shape::new(&[rows, len]).unwrap() };
                let mut graph = graph_of(Op::Elementwise(ElementwiseOp::Maximum), &[ty.clone(), ty]);
                let computed = graph.outputs()[0].node;
                let reduction = Op::Reduce(op, [1].into_iter().collect());
                let node = graph.push(reduction, &[computed], None).unwrap();
                graph.set_outputs(vec![Output { node, destination: Destination::Fresh }]);
                let reason = reason(&graph, &mut random);
                assert!(reason.is_none() || !has_machine_code(), "{reason:?}: {graph}");
            }
        }
    }
}

#[test]
fn programs_that_differ_in_scalars_and_shapes_share_code() {
    let code = |len: usize, factor: f32| {
        let x = lazy(vec![1.0f32; len]);
        let plan = (x * factor + 7.25f32).plan().unwrap();
        (plan.machine_code(), plan.explain_at(raptors::plan::Level::Lane))
    };
    let (asm, lanes) = code(1000, 3.0);
    let other = code(77, 5.0).0;
    // The first line has the length of a row.
    assert!(asm.lines().skip(1).eq(other.lines().skip(1)), "{asm}{other}");
    if has_machine_code() {
        assert!(asm.lines().count() > 3 && asm.contains(" code: "), "{asm}");
        assert!(lanes.contains("f32 each lane") && lanes.contains("is p"), "{lanes}");
    }
}
