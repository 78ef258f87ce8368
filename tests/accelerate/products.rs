//! Matrix products: the CBLAS routine for each shape, with and without an epilogue.

use raptors::FpMode;
use raptors::accelerate::Mode;
use raptors::ir::{DType, Graph, Literal};

use super::{evaluate, graph};
use crate::support::Random;

fn arguments(graph: &Graph) -> Vec<Vec<Literal>> {
    let mut random = Random::new(11);
    let draw = |random: &mut Random, dtype| {
        let unit = (random.bits() >> 40) as f64 / (1 << 23) as f64 - 1.0;
        Literal::from_f64(dtype, unit)
    };
    graph
        .parameters()
        .iter()
        .map(|parameter| {
            let ty = &parameter.ty;
            (0..ty.shape.size()).map(|_| draw(&mut random, ty.dtype)).collect()
        })
        .collect()
}

/// Products of matrices of these shapes, which call a routine, so many times.
const PRODUCTS: &[([usize; 3], &str, usize)] = &[
    ([70, 40, 50], "gemm", 1),
    ([300, 20, 30], "gemm", 2),
    ([20, 9, 1500], "gemm", 6),
    ([2, 500, 30], "gemm", 1),
    ([90, 80, 1], "gemv", 1),
    ([1, 80, 90], "gemv", 1),
    ([1, 5000, 1], "dot", 1),
    // Too small to be worth a call.
    ([15, 15, 15], "", 0),
];

#[test]
fn a_product_calls_the_routine_of_its_shape() {
    for &([m, k, n], routine, times) in PRODUCTS {
        for (letter, dtype) in [('s', DType::F32), ('d', DType::F64)] {
            let t = if dtype == DType::F32 { "f32" } else { "f64" };
            for transposed in [false, true] {
                let (shape, view, factor) = match transposed {
                    false => (format!("{m}, {k}"), "", "%a"),
                    true => (format!("{k}, {m}"), "%y = permute %a [1, 0]\n", "%y"),
                };
                let text = format!(
                    "graph @product(%a: {t}[{shape}], %b: {t}[{k}, {n}]) {{\n{view}%0 = matmul {factor}, %b\nreturn %0\n}}"
                );
                let graph = graph(&text);
                let arguments = arguments(&graph);
                let own = evaluate(&graph, &arguments, Mode::Off, FpMode::Strict);
                let found = evaluate(&graph, &arguments, Mode::Gemm, FpMode::Strict);
                let name = format!("cblas_{letter}{routine}");
                assert_eq!(found.names().iter().filter(|&&called| called == name).count(), times, "{text}");
                assert_eq!(found.calls.len(), times, "{text}: {:?}", found.calls);
                assert!(own.calls.is_empty());
                if times > 0 {
                    assert!(found.program.contains(&name), "{}", found.program);
                }
                for (x, y) in found.elements.iter().zip(&own.elements) {
                    let (x, y) = (x.to_f64().unwrap(), y.to_f64().unwrap());
                    assert!((x - y).abs() <= 1e-6 * k as f64, "{text}: {x}, not {y}");
                }
            }
        }
    }
}

#[test]
fn a_fused_product_has_the_bits_of_one_alone() {
    // More than one block in either direction.
    let (m, k, n) = (300, 17, 1100);
    let head = format!("(%a: f32[{m}, {k}], %b: f32[{k}, {n}]) {{\n%0 = matmul %a, %b\n");
    let alone = graph(&format!("graph @alone{head}return %0\n}}"));
    let fused = graph(&format!("graph @fused{head}%1 = negative %0\nreturn %1\n}}"));
    let arguments = arguments(&alone);
    let alone = evaluate(&alone, &arguments, Mode::Auto, FpMode::Strict);
    let fused = evaluate(&fused, &arguments, Mode::Auto, FpMode::Strict);
    assert!(
        fused.program.contains("on each block") && fused.program.contains("cblas_sgemm"),
        "{}",
        fused.program
    );
    assert_eq!(alone.calls.len(), 10);
    let bits = |literal: &Literal| literal.bits() as u32;
    assert!(alone.elements.iter().zip(&fused.elements).all(|(x, y)| bits(x) ^ bits(y) == 1 << 31));
}

#[test]
fn nan_that_was_in_the_memory_of_a_result_is_not_read() {
    let poison =
        graph("graph @nan(%a: f32[64, 64]) {\n%s = constant nan: f32\n%0 = multiply %a, %s\nreturn %0\n}");
    let clean = graph("graph @clean(%a: f32[64, 64]) {\n%0 = matmul %a, %a\nreturn %0\n}");
    let arguments = arguments(&clean);
    // Memory goes back to the pool, and comes back from it.
    let nan = evaluate(&poison, &arguments, Mode::Auto, FpMode::Strict);
    assert!(nan.elements.iter().all(|element| element.to_f64().unwrap().is_nan()));
    let found = evaluate(&clean, &arguments, Mode::Auto, FpMode::Strict);
    assert_eq!(found.names(), ["cblas_sgemm"]);
    assert!(found.elements.iter().all(|element| element.to_f64().unwrap().is_finite()));
}
