//! Random texts and random graphs: nothing panics, and nothing that should not changes a bit.
//!
//! A run takes a bounded sample of fixed seeds; `RAPTORS_FUZZ=n` (`make fuzz`) is the number of graphs instead, from seed
//! `RAPTORS_FUZZ_SEED` on.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::hash::Hasher;
use std::ops::Range;

use raptors::array::Array;
use raptors::eval::{Evaluated, OutMemory, eval_into};
use raptors::ir::{DType, Destination, Graph, Layout, Literal, NodeId, Op, Output, Type, parse, verify};
use raptors::jit::{self, Jit};
use raptors::runtime::team;
use raptors::{Options, random_inputs, run_graph};
use raptors_passes::{Ledger, PASSES, check_place};

use crate::eval::{arguments, arrays, elements};
use crate::support::{
    Random, corpus, mutate, random_graph, random_graph_of_rows, random_large_graph, same, this_binary,
};
use crate::text::{reads_back, scatter};

/// The seeds of the graphs to try: as many as are asked for, or this many.
fn seeds(usual: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().unwrap());
    let first = number("RAPTORS_FUZZ_SEED").unwrap_or(0);
    first..first + number("RAPTORS_FUZZ").unwrap_or(usual)
}

/// The texts of graphs of every kind.
fn texts() -> Vec<String> {
    let mut texts = corpus();
    let mut random = Random::new(2);
    for seed in 0..50 {
        let mut graph = random_graph(&mut Random::new(seed));
        texts.push(graph.to_string());
        let (placed, _) = raptors_passes::run(&graph, &Options::default(), &mut Ledger::default());
        texts.push(placed.to_string());
        scatter(&mut random, &mut graph);
        texts.push(format!("{graph:#}"));
    }
    texts
}

fn mutant(random: &mut Random, text: &str) -> String {
    let mut mutant: Vec<char> = text.chars().collect();
    for _ in 0..1 + random.below(3) {
        mutate(random, &mut mutant);
    }
    mutant.into_iter().collect()
}

/// Whether the text was a graph that verifies; such a one must read back, and what is wrong with another is somewhere in
/// the text.
fn survives(text: &str) -> bool {
    let graph = match parse(text) {
        Ok(graph) => graph,
        Err(error) => {
            let line = text.split('\n').nth(error.line - 1);
            let is_in_line = line.is_some_and(|line| error.column <= line.chars().count() + 1);
            assert!(is_in_line && error.column > 0 && !error.problem.is_empty(), "{error}\n{text}");
            return false;
        }
    };
    let _ = raptors::ir::dot(&graph);
    if verify(&graph).is_err() {
        return false;
    }
    reads_back(&graph);
    true
}

#[test]
fn every_beginning_of_a_text_is_read_or_refused() {
    let mut random = Random::new(3);
    for text in texts() {
        if random.one_in(4) {
            for (end, _) in text.char_indices() {
                survives(&text[..end]);
            }
        }
    }
}

#[test]
fn almost_graphs_are_refused_or_run() {
    let texts = texts();
    let mut random = Random::new(4);
    let mut ran = 0;
    for n in seeds(20_000) {
        let text = mutant(&mut random, &texts[n as usize % texts.len()]);
        if survives(&text) {
            ran += usize::from(runs(&parse(&text).unwrap(), n));
        }
    }
    assert!(ran > 0, "no mutant ran");
}

/// Graphs that no text says: the verifier, not the parser, must find what is wrong.
#[test]
fn almost_right_graphs_are_refused_or_run() {
    let (mut refused, mut ran) = (0, 0);
    for seed in seeds(5_000) {
        let mut random = Random::new(seed + 2_000_000);
        let right = random_graph(&mut random);
        let graph = miswritten(&mut random, &right);
        match verify(&graph) {
            Err(error) => {
                assert!(!error.problem.is_empty() && error.node.index() < graph.len(), "{error}\n{graph}");
                refused += 1;
            }
            Ok(()) => {
                // A text has parameters first.
                let mut first = graph.ids().take(graph.parameters().len());
                if first.all(|id| matches!(graph.op(id), Op::Parameter(_))) {
                    reads_back(&graph);
                }
                ran += usize::from(runs(&graph, seed));
            }
        }
    }
    assert!(refused > 100 && ran > 100, "{refused} refused, {ran} ran");
}

/// The graph, but for one node's op, type, operands or parameter, or an output.
fn miswritten(random: &mut Random, graph: &Graph) -> Graph {
    let any = |random: &mut Random| NodeId(random.below(graph.len()) as u32);
    let (at, other) = (any(random), any(random));
    let change = random.below(8);
    let mut new = Graph::new("miswritten");
    for id in graph.ids() {
        let (mut node, mut operands) = (graph.node(id).clone(), graph.operands(id));
        let lower = |random: &mut Random| NodeId(random.below(id.index().max(1)) as u32);
        if id == at {
            match change {
                0 => node.op = graph.op(other).clone(),
                1 => node.ty.dtype = graph.node(other).ty.dtype,
                2 => node.ty.shape = graph.shape(other).clone(),
                3 if !operands.is_empty() => drop(operands.pop()),
                4 if id.index() > 0 => operands.push(lower(random)),
                5 | 6 if !operands.is_empty() => {
                    let n = random.below(operands.len());
                    operands[n] = lower(random);
                }
                _ => {}
            }
        }
        match node.op {
            Op::Parameter(n) if id != at || change == 7 => {
                let mut parameter = graph.parameters()[n as usize].clone();
                if id == at {
                    parameter.layout =
                        graph.parameters()[random.below(graph.parameters().len())].layout.clone();
                }
                new.push_parameter(parameter, None);
            }
            _ => drop(new.push_node(node, &operands)),
        }
    }
    for output in graph.outputs() {
        let node = if random.one_in(8) { other } else { output.node };
        new.push_output(Output { node, ..*output });
    }
    new
}

/// Runs each pass on a graph that verifies, and all of it where it is small. Whether a result came out.
fn runs(graph: &Graph, seed: u64) -> bool {
    let mut current = graph.clone();
    for pass in PASSES {
        let new = (pass.run)(&current, &Options::default(), &mut Ledger::default());
        let checked = verify(&new).and_then(|()| check_place::check(&new));
        checked.unwrap_or_else(|error| panic!("{}: {error}\n{graph}\nbecame\n{new}", pass.name));
        current = new;
    }
    /// Larger graphs would take long, or more memory than there is.
    const MOST_BYTES: u128 = 1 << 20;
    let values = graph.ids().map(|id| graph.bytes(id) as u128);
    let memory = graph.parameters().iter().map(|parameter| match &parameter.layout {
        Layout::Strided { strides, .. } => {
            let spans = parameter.ty.shape.iter().zip(strides);
            spans.map(|(&dim, stride)| (dim.max(1) - 1) as u128 * stride.unsigned_abs() as u128).sum()
        }
        Layout::RowMajor | Layout::Scalar => 0,
    });
    if values.chain(memory).sum::<u128>() > MOST_BYTES {
        return false;
    }
    let inputs = random_inputs(graph, seed).unwrap();
    run_graph(graph, &inputs).is_ok()
}

#[test]
fn threads_fusion_and_memory_change_no_bit() {
    for seed in seeds(1200) {
        let (graph, arguments) = drawn(seed);
        let together = evaluated(&graph, &arguments);

        for (name, results) in variants(&graph, &arguments) {
            for (n, (found, expected)) in results.iter().zip(&together).enumerate() {
                assert_eq!(found.len(), expected.len(), "seed {seed}, {name}: result {n}\n{graph}");
                let differs = found.iter().zip(expected).position(|(&a, &b)| !same(a, b));
                let differs = differs.map(|i| (i, found[i], expected[i]));
                assert_eq!(differs, None, "seed {seed}, {name}: result {n}\n{graph}");
            }
        }
    }
}

/// The graph of a seed and its arguments; one in twenty is large enough to be shared out, four have rows of vectors.
fn drawn(seed: u64) -> (Graph, Vec<Vec<Literal>>) {
    let mut random = Random::new(seed + 1_000_000);
    let graph = match seed % 20 {
        7 => random_large_graph(&mut random),
        2 | 9 | 12 | 19 => random_graph_of_rows(&mut random),
        _ => random_graph(&mut random),
    };
    let arguments = arguments(&mut random, &graph);
    (graph, arguments)
}

/// The results, evaluated together.
fn evaluated(graph: &Graph, arguments: &[Vec<Literal>]) -> Vec<Vec<Literal>> {
    let arrays = arrays(graph, arguments).unwrap();
    let results: Vec<&Array> = graph.outputs().iter().map(|output| &arrays[output.node.index()]).collect();
    raptors::eval(&results).unwrap().iter().map(elements).collect()
}

/// Other ways to the same results.
fn variants(graph: &Graph, arguments: &[Vec<Literal>]) -> Vec<(String, Vec<Vec<Literal>>)> {
    let mut variants = vec![
        ("one op at a time".to_owned(), one_op_at_a_time(graph, arguments)),
        ("in memory of inputs and callers".to_owned(), in_given_memory(graph, arguments)),
    ];
    jit::set_mode(Jit::Off);
    variants.push(("interpreted".to_owned(), evaluated(graph, arguments)));
    jit::set_mode(Jit::Verify);
    variants.push(("both ways".to_owned(), evaluated(graph, arguments)));
    variants.push(("both ways, in given memory".to_owned(), in_given_memory(graph, arguments)));
    jit::set_mode(Jit::On);
    for threads in [1, 2, 8] {
        team::set_threads(threads);
        variants.push((format!("{threads} threads"), evaluated(graph, arguments)));
    }
    team::set_threads(0);
    variants
}

/// Without fusion, and without memory that is used again.
fn one_op_at_a_time(graph: &Graph, arguments: &[Vec<Literal>]) -> Vec<Vec<Literal>> {
    let arrays = arrays(graph, arguments).unwrap();
    arrays.iter().for_each(|array| array.cache().unwrap());
    let results = graph.outputs().iter().map(|output| &arrays[output.node.index()]);
    results.map(|result| elements(&result.eval().unwrap())).collect()
}

/// Donated inputs are overwritten, and results go where the graph says.
fn in_given_memory(graph: &Graph, arguments: &[Vec<Literal>]) -> Vec<Vec<Literal>> {
    let arrays = arrays(graph, arguments).unwrap();
    let parameter_memory = |n: u32| {
        let id = graph.ids().find(|&id| *graph.op(id) == Op::Parameter(n)).unwrap();
        arrays[id.index()].cached_leaf(&Options::default()).unwrap().memory.pointer()
    };
    let results: Vec<&Array> = graph.outputs().iter().map(|output| &arrays[output.node.index()]).collect();
    let mut owned: Vec<Vec<u128>> = Vec::new();
    let outs: Vec<Option<OutMemory>> = graph
        .outputs()
        .iter()
        .map(|output| {
            let Type { dtype, shape } = graph.node(output.node).ty.clone();
            let pointer = match output.destination {
                Destination::Fresh => return None,
                Destination::Provided => {
                    owned.push(vec![0; shape.size() + 1]);
                    owned.last_mut().unwrap().as_mut_ptr().cast()
                }
                Destination::Parameter(n) => parameter_memory(n),
            };
            let strides = shape.row_major_strides(dtype.size());
            Some(OutMemory { pointer, dtype, shape, strides, swapped: false, writable: true })
        })
        .collect();
    // SAFETY: the memory is that of `owned` or of a leaf, whose box is as large as its elements, and is used by this
    // call alone.
    let evaluated = unsafe { eval_into(&results, &outs, &Options::default()) }.unwrap();
    let read = |evaluated: &Evaluated, out: &Option<OutMemory>| match (evaluated, out) {
        (Evaluated::Tensor(tensor), _) => elements(tensor),
        (Evaluated::Donated(leaf, ty), _) => row_major(leaf.memory.pointer(), ty.dtype, ty.shape.size()),
        (Evaluated::Out, Some(out)) => row_major(out.pointer, out.dtype, out.shape.size()),
        (Evaluated::Out, None) => unreachable!("no memory was given"),
    };
    evaluated.iter().zip(&outs).map(|(evaluated, out)| read(evaluated, out)).collect()
}

fn row_major(pointer: *const u8, dtype: DType, len: usize) -> Vec<Literal> {
    let element = |n: usize| {
        let mut bytes = [0u8; 16];
        // SAFETY: the memory holds `len` elements, and lives in its leaf or `owned`.
        unsafe {
            pointer.add(n * dtype.size()).copy_to_nonoverlapping(bytes.as_mut_ptr(), dtype.size());
        }
        Literal::from_bits(dtype, u128::from_le_bytes(bytes))
    };
    (0..len).map(element).collect()
}

/// Each number of passes, each SIMD level, each way to run loops: settings of a process, which one of its own has.
#[test]
fn passes_levels_and_machine_code_change_no_bit() {
    let count = seeds(400).count();
    let digests = |name: &str, value: &str| -> Vec<String> {
        let mut child = this_binary();
        child.args(["fuzz::print_digests", "--exact", "--ignored", "--nocapture"]);
        let done = child.env("RAPTORS_FUZZ", count.to_string()).env(name, value).output().unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success(), "{name}={value}: {said}\n{}", String::from_utf8_lossy(&done.stderr));
        said.lines().filter(|line| line.starts_with("seed ")).map(str::to_owned).collect()
    };
    let expected = digests("RAPTORS_PASS_LIMIT", "99");
    assert_eq!(expected.len(), count);
    let optional = PASSES.iter().filter(|pass| !pass.required).count();
    let limits = (0..optional).map(|limit| ("RAPTORS_PASS_LIMIT", limit.to_string()));
    let levels = ["baseline", "avx2"].map(|level| ("RAPTORS_LEVEL", level.to_owned()));
    let engines = ["0", "verify"].map(|mode| ("RAPTORS_JIT", mode.to_owned()));
    for (name, value) in limits.chain(levels).chain(engines) {
        let found = digests(name, &value);
        let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert_eq!(differs, None, "{name}={value}");
        assert_eq!(found.len(), expected.len(), "{name}={value}");
    }
}

/// What [`passes_levels_and_machine_code_change_no_bit`] runs in processes of their own.
#[test]
#[ignore = "prints what another test compares"]
fn print_digests() {
    for seed in seeds(1) {
        let (graph, arguments) = drawn(seed);
        let mut hasher = rustc_hash::FxHasher::default();
        for element in evaluated(&graph, &arguments).into_iter().flatten() {
            for part in element.parts() {
                let is_nan = part.to_f64().is_some_and(f64::is_nan);
                hasher.write_u128(if is_nan { u128::MAX } else { part.bits() });
            }
        }
        println!("seed {seed}: {:x}", hasher.finish());
    }
}
