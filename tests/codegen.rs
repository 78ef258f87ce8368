//! Machine code: what has it, and that it does what the interpreter does.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::ir::{
    DType, Destination, ElementwiseOp, Graph, Layout, Literal, Op, Output, Parameter, ReduceOp, Shape, Type,
};
use raptors::jit::{self, Jit};
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
    Level::current() != Level::Baseline && jit::mode() != Jit::Off
}

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
    println!("{}", reasons.join("\n"));
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
    println!("{}", reasons.join("\n"));
}
