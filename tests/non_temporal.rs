//! Stores past the caches: what is stored so, and that no bit changes by it.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::Options;
use raptors::array::Array;
use raptors::eval::{OutMemory, eval_into};
use raptors::ir::{Graph, Literal, Type, parse};
use raptors::jit::{self, Jit};
use raptors::runtime::level::{Level, with_last_level_cache_bytes};

use crate::eval::{arguments, arrays, elements, order_matters};
use crate::support::{Random, evaluate, random_argument, random_graph, same};

/// Whether machine code stores anything so here.
fn has_stores() -> bool {
    cfg!(target_arch = "x86_64") && Level::current() != Level::Baseline && jit::mode() != Jit::Off
}

fn results<'a>(graph: &Graph, arrays: &'a [Array]) -> Vec<&'a Array> {
    graph.outputs().iter().map(|output| &arrays[output.node.index()]).collect()
}

/// The lines of the graph's program that say what is stored past the caches, with a cache of so many bytes: memory alone.
fn past_the_caches(text: &str, cache_bytes: usize) -> Vec<String> {
    let graph = parse(text).unwrap();
    let mut random = Random::new(5);
    let arguments = arguments(&mut random, &graph);
    let arrays = arrays(&graph, &arguments).unwrap();
    let plan = with_last_level_cache_bytes(cache_bytes, || raptors::Plan::new(&results(&graph, &arrays)));
    let program = plan.unwrap().program();
    let lines = program.lines().filter(|line| line.ends_with("past the caches"));
    lines.map(|line| line.trim().split([' ', ':']).nth(2).unwrap().to_owned()).collect()
}

/// Graphs, with the memory that they store past caches of a page.
const GRAPHS: &[(&str, &[&str])] = &[
    ("graph @scale(%x: f32[4160], %y: f32[]) {\n  %0 = multiply %x, %y\n  return %0\n}", &["b0"]),
    ("graph @two(%x: f64[4160]) {\n  %0 = sqrt %x\n  %1 = negative %x\n  return %0, %1\n}", &["b0", "b1"]),
    // Of truth values there are a few bytes for each vector of numbers.
    ("graph @truth(%x: f64[4160]) {\n  %0 = negative %x\n  %1 = less %x, %0\n  return %0, %1\n}", &["b0"]),
    ("graph @half(%x: f64[4160]) {\n  %0 = cast %x f32\n  return %0\n}", &["b0"]),
    ("graph @pairs(%x: c64[4160]) {\n  %0 = multiply %x, %x\n  return %0\n}", &["b0", "b0"]),
    ("graph @rows(%x: f32[5, 1000], %y: f32[5, 1]) {\n  %0 = add %x, %y\n  return %0\n}", &["b0"]),
    // Rows of a few lines.
    ("graph @short(%x: f32[500, 100], %y: f32[500, 1]) {\n  %0 = add %x, %y\n  return %0\n}", &[]),
    // A later kernel reads the one result.
    ("graph @read(%x: f32[64, 64]) {\n  %0 = sqrt %x\n  %1 = matmul %0, %x\n  return %0, %1\n}", &[]),
    ("graph @donated(%x: f32[4160] donated) {\n  %0 = sqrt %x\n  return %0\n}", &[]),
    (
        "graph @softmax(%x: f32[8, 1024]) {\n  %0 = max %x axes [1]\n  %1 = subtract %x, %0\n  %2 = exp %1\n  %3 = sum %2 axes [1]\n  %4 = divide %2, %3\n  return %4\n}",
        &[],
    ),
    (
        "graph @centred(%x: f32[8, 1024]) {\n  %0 = max %x axes [1]\n  %1 = subtract %x, %0\n  return %1\n}",
        &["b0"],
    ),
    (
        "graph @sum_too(%x: f32[8, 4160]) {\n  %0 = sqrt %x\n  %1 = sum %0 axes [1]\n  return %0, %1\n}",
        &["b0"],
    ),
    (
        "graph @concat(%x: f32[4160], %y: f32[1000]) {\n  %0 = concat %x, %y axis 0\n  return %0\n}",
        &["b0", "b0"],
    ),
    (
        "graph @columns(%x: f32[5, 1024], %y: f32[5, 600]) {\n  %0 = concat %x, %y axis 1\n  return %0\n}",
        &["b0", "b0"],
    ),
    ("graph @transposed(%x: f32[128, 192]) {\n  %0 = permute %x [1, 0]\n  return %0\n}", &["b0"]),
    (
        "graph @sum_of_transposed(%x: f64[64, 128], %y: f64[128, 64]) {\n  %0 = permute %x [1, 0]\n  %1 = add %0, %y\n  return %1\n}",
        &["b0"],
    ),
    // Rows do not begin with a line.
    (
        "graph @odd_rows(%x: f32[128, 129]) {\n  %0 = permute %x [1, 0]\n  %1 = slice %0 [0:129:1, 0:127:1]\n  return %1\n}",
        &[],
    ),
    ("graph @filled(%y: f32[]) {\n  %0 = broadcast %y [4160]\n  return %0\n}", &["b0"]),
];

#[test]
fn results_that_no_cache_holds_are_stored_past_them() {
    // Without machine code, elements that are only moved are still stored so.
    if cfg!(target_arch = "x86_64") && !has_stores() {
        return;
    }
    for &(text, expected) in GRAPHS {
        let expected = if has_stores() { expected } else { &[] };
        assert_eq!(past_the_caches(text, 4096), expected, "{text}");
    }
}

/// All of the results count, and half as much as the cache beside it.
#[test]
fn results_count_together() {
    let both = if has_stores() { 2 } else { 0 };
    // Another length, since a plan that is known is not made again.
    for (n, more, expected) in [(4224, 0, both), (4288, 1, 0)] {
        let text = format!(
            "graph @two(%x: f32[{n}], %y: f64[{n}]) {{\n  %0 = sqrt %x\n  %1 = exp %y\n  return %0, %1\n}}"
        );
        let bytes = 12 * n;
        assert_eq!(past_the_caches(&text, bytes * 2 / 3 - 1 + more).len(), expected);
    }
}

fn assert_same(found: &[Literal], expected: &[Literal], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (n, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!(same(found, expected), "{what}: element {n} is {found:?}, not {expected:?}");
    }
}

#[test]
fn stores_past_the_caches_change_no_bit() {
    for &(text, _) in GRAPHS {
        let graph = parse(text).unwrap();
        let mut random = Random::new(6);
        let arguments: Vec<Vec<Literal>> =
            graph.parameters().iter().map(|parameter| random_argument(&mut random, &parameter.ty)).collect();
        let expected = evaluate(&graph, &arguments);
        let arrays = arrays(&graph, &arguments).unwrap();
        let tensors = with_last_level_cache_bytes(4096, || raptors::eval(&results(&graph, &arrays))).unwrap();
        for (n, tensor) in tensors.iter().enumerate() {
            // The reference combines floats in another order, and has another accuracy of products.
            let is_exact = !order_matters(&graph, graph.outputs()[n].node) && !text.contains("matmul");
            if is_exact {
                assert_same(&elements(tensor), &expected[n], text);
            }
        }
    }
}

#[test]
fn random_graphs_with_stores_past_the_caches_evaluate_to_the_reference() {
    let mut past = 0;
    for seed in 0..1500 {
        let mut random = Random::new(seed + 11_000_000);
        let graph = random_graph(&mut random);
        let arguments = arguments(&mut random, &graph);
        let arrays = arrays(&graph, &arguments).unwrap();
        let expected = evaluate(&graph, &arguments);
        let results = results(&graph, &arrays);
        let (plan, tensors) = with_last_level_cache_bytes(0, || {
            (raptors::Plan::new(&results).unwrap(), raptors::eval(&results).unwrap())
        });
        past += usize::from(plan.program().contains("past the caches"));
        for (n, tensor) in tensors.iter().enumerate() {
            if !order_matters(&graph, graph.outputs()[n].node) {
                assert_same(&elements(tensor), &expected[n], &format!("seed {seed}\n{graph}"));
            }
        }
    }
    assert!(past > 300 || !has_stores(), "{past}");
}

/// Memory that a caller gives begins anywhere, and nothing beside it is written.
#[test]
fn given_memory_begins_anywhere() {
    const UNTOUCHED: u8 = 0xa5;
    let graphs = [
        "graph @one(%x: f32[N]) {\n  %0 = negative %x\n  return %0 into out\n}",
        "graph @two(%x: f64[N]) {\n  %0 = negative %x\n  %1 = cast %x f32\n  return %0 into out, %1 into out\n}",
        "graph @pairs(%x: c64[N]) {\n  %0 = negative %x\n  return %0 into out\n}",
        "graph @bytes(%x: i8[N]) {\n  %0 = bitwise_invert %x\n  return %0 into out\n}",
        "graph @moved(%x: i16[N], %y: i16[37]) {\n  %0 = concat %x, %y, %x axis 0\n  return %0 into out\n}",
        "graph @rows(%x: f32[3, N], %y: f32[3, 1]) {\n  %0 = multiply %x, %y\n  return %0 into out\n}",
        "graph @turned(%x: f32[N, 64]) {\n  %0 = permute %x [1, 0]\n  return %0 into out\n}",
    ];
    for text in graphs {
        for n in [1, 7, 16, 63, 64, 65, 130, 200, 256, 511, 700] {
            let graph = parse(&text.replace('N', &n.to_string())).unwrap();
            let mut random = Random::new(n as u64);
            let arguments = arguments(&mut random, &graph);
            let arrays = arrays(&graph, &arguments).unwrap();
            let expected = evaluate(&graph, &arguments);
            for start in [0, 8, 16, 24, 32, 48, 56, 4, 2, 1] {
                let types: Vec<Type> =
                    graph.outputs().iter().map(|output| graph.node(output.node).ty.clone()).collect();
                let bytes = |ty: &Type| ty.shape.size() * ty.dtype.size();
                let mut memories: Vec<Vec<[u8; 64]>> =
                    types.iter().map(|ty| vec![[UNTOUCHED; 64]; bytes(ty) / 64 + 4]).collect();
                let first = |memory: &Vec<[u8; 64]>| {
                    let begin = memory.as_ptr().cast::<u8>();
                    begin.align_offset(64) + start
                };
                let outs: Vec<Option<OutMemory>> = types
                    .iter()
                    .zip(&mut memories)
                    .map(|(ty, memory)| {
                        let first = first(memory);
                        let pointer = memory.as_mut_ptr().cast::<u8>().wrapping_add(first);
                        let strides = ty.shape.row_major_strides(ty.dtype.size());
                        let Type { dtype, shape } = ty.clone();
                        Some(OutMemory { pointer, dtype, shape, strides, swapped: false, writable: true })
                    })
                    .collect();
                let results = results(&graph, &arrays);
                let options = Options::default();
                // SAFETY: the memories given are alive, of these shapes, and nothing else uses them.
                with_last_level_cache_bytes(0, || unsafe { eval_into(&results, &outs, &options) }).unwrap();
                for ((ty, memory), expected) in types.iter().zip(&memories).zip(&expected) {
                    let (first, item) = (first(memory), ty.dtype.size());
                    let memory = memory.concat();
                    let (before, rest) = memory.split_at(first);
                    let (found, after) = rest.split_at(bytes(ty));
                    assert!(before.iter().chain(after).all(|&byte| byte == UNTOUCHED), "{start}: {graph}");
                    let literal = |bytes: &[u8]| {
                        let mut word = [0; 16];
                        word[..item].copy_from_slice(bytes);
                        Literal::from_bits(ty.dtype, u128::from_le_bytes(word))
                    };
                    let found: Vec<Literal> = found.chunks(item).map(literal).collect();
                    assert_same(&found, expected, &format!("{start}: {graph}"));
                }
            }
        }
    }
}
