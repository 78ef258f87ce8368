//! Graphs applied to inputs: `raptors::run_graph`, and the inputs it draws.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::ir::{DType, Graph, Layout, load, parse};
use raptors::{Error, Options, lazy, random_inputs, run_graph, source};

use crate::eval::elements;
use crate::support::{Random, evaluate, random_graph, same};

fn double() -> Graph {
    parse("graph @double(%x: f32[2]) { %y = add %x, %x  return %y }").unwrap()
}

#[test]
fn random_graphs_run_on_random_inputs_to_the_reference() {
    for seed in 0..500 {
        let graph = random_graph(&mut Random::new(seed + 5_000_000));
        let inputs = random_inputs(&graph, seed).unwrap();
        let arguments: Vec<_> = inputs.iter().map(|input| elements(&input.eval().unwrap())).collect();
        let results = run_graph(&graph, &inputs).unwrap();
        for (n, (result, expected)) in results.iter().zip(evaluate(&graph, &arguments)).enumerate() {
            if crate::eval::order_matters(&graph, graph.outputs()[n].node) {
                continue;
            }
            let differs = elements(result).into_iter().zip(expected).find(|&(a, b)| !same(a, b));
            assert_eq!(differs, None, "seed {seed}: result {n}\n{graph}");
        }
    }
}

#[test]
fn random_inputs_lie_as_the_parameters_say() {
    let text = "graph @f(%0: i16[3, 2] strides [-4, 2] swapped, %1: f64[2] strides [9] unaligned, %2: u8[] scalar, \
                %3: bool[2, 0]) { return %0 }";
    let inputs = random_inputs(&parse(text).unwrap(), 1).unwrap();
    let types: Vec<DType> = inputs.iter().map(|input| input.dtype()).collect();
    assert_eq!(types, [DType::I16, DType::F64, DType::U8, DType::Bool]);
    let leaf = inputs[0].cached_leaf(&Options::default()).unwrap();
    assert_eq!((leaf.strides.as_slice(), leaf.swapped), (&[-4isize, 2][..], true));
    assert!(
        !(inputs[1].cached_leaf(&Options::default()).unwrap().memory.pointer() as usize).is_multiple_of(8)
    );
    for value in elements(&inputs[0].eval().unwrap()) {
        assert!((-8..=8).contains(&value.get::<i16>().unwrap()), "{value:?}");
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let error = run_graph(&double(), &[]).unwrap_err();
    assert!(matches!(error, Error::InputCount { given: 0, needed: 1 }), "{error}");
    let error = run_graph(&double(), &[lazy(&[1.0f32, 2.0, 3.0])]).unwrap_err();
    let message = "run: input 0 is f32[3], the parameter is f32[2]: give an array of that dtype and shape";
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_graph_that_does_not_verify_is_refused() {
    let graph = parse("graph @f(%x: f32[2] scalar) { return %x }").unwrap();
    assert!(matches!(run_graph(&graph, &[lazy(&[1.0f32, 2.0])]), Err(Error::Graph(_))));
    assert!(matches!(random_inputs(&graph, 0), Err(Error::Graph(_))));
}

#[test]
fn the_nodes_of_a_text_know_their_lines() {
    let text = "graph @f(%0: f32[2],\n    %1: f32[2]) {\n  // a comment\n  %2 = add %0, %1\n  %3 = sqrt %2  %4 = abs %3\n  return %4\n}\n";
    let graph = load(text, source::of_text("lines.rir")).unwrap();
    let lines: Vec<String> =
        graph.ids().map(|id| source::resolve(graph.node(id).source.unwrap()).unwrap().to_string()).collect();
    assert_eq!(lines, ["lines.rir:1", "lines.rir:2", "lines.rir:4", "lines.rir:5", "lines.rir:5"]);
    assert_eq!(load(text, None).unwrap().node(graph.outputs()[0].node).source, None);
}

#[test]
fn texts_are_told_apart_by_name() {
    let name = |n: usize| format!("generated/{n}.rir");
    let files: Vec<u32> = (0..100).map(|n| source::of_text(&name(n)).unwrap()).collect();
    for (n, &file) in files.iter().enumerate() {
        assert_eq!(source::of_text(&name(n)), Some(file));
        let line = source::resolve(raptors::ir::Source { file, position: 7 }).unwrap();
        assert_eq!(line.to_string(), format!("{}:7", name(n)));
    }
}

#[test]
fn a_scalar_parameter_is_passed_by_value() {
    let graph = parse("graph @f(%0: f64[] scalar) { return %0 }").unwrap();
    assert_eq!(graph.parameters()[0].layout, Layout::Scalar);
    let results =
        run_graph(&graph, &[raptors::Array::scalar(raptors::ir::Literal::new(2.5f64), None)]).unwrap();
    assert_eq!(results[0].as_slice::<f64>(), Some(&[2.5][..]));
}
