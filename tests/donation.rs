//! Memory that is donated or given: the same bits as in memory of their own, and nothing else is written.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::array::Array;
use raptors::eval::{Evaluated, OutMemory, eval_into};
use raptors::ir::{Destination, Graph, Literal, Op, Type};
use raptors::{Error, Options};

use crate::eval::{arguments, arrays, elements};
use crate::support::{Random, random_graph, same};

/// The elements of a type that lie row-major at `pointer`.
///
/// # Safety
///
/// They do.
unsafe fn read(pointer: *const u8, ty: &Type) -> Vec<Literal> {
    let item = ty.dtype.size();
    let element = |n: usize| {
        let mut bytes = [0; 16];
        // SAFETY: as for this function.
        unsafe { std::ptr::copy_nonoverlapping(pointer.add(n * item), bytes.as_mut_ptr(), item) };
        Literal::from_bits(ty.dtype, u128::from_le_bytes(bytes))
    };
    (0..ty.shape.size()).map(element).collect()
}

#[track_caller]
fn assert_same(found: &[Literal], expected: &[Literal], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (&found, &expected) in found.iter().zip(expected) {
        assert!(same(found, expected), "{what}: {found:?}, not {expected:?}");
    }
}

/// The address of a parameter's row-major memory.
fn parameter_memory(graph: &Graph, arrays: &[Array], n: u32) -> *mut u8 {
    let id = graph.ids().find(|&id| *graph.op(id) == Op::Parameter(n)).unwrap();
    arrays[id.index()].cached_leaf(&Options::default()).unwrap().memory.pointer()
}

#[test]
fn donated_and_given_memory_change_no_bit() {
    let (mut donated, mut refused) = (0, 0);
    for seed in 0..3000 {
        let mut random = Random::new(seed + 7_000_000);
        let graph = random_graph(&mut random);
        let arguments = arguments(&mut random, &graph);
        let outputs = graph.outputs();
        let plain = arrays(&graph, &arguments).unwrap();
        let plain: Vec<&Array> = outputs.iter().map(|output| &plain[output.node.index()]).collect();
        let expected: Vec<Vec<Literal>> = raptors::eval(&plain).unwrap().iter().map(elements).collect();

        let arrays = arrays(&graph, &arguments).unwrap();
        let results: Vec<&Array> = outputs.iter().map(|output| &arrays[output.node.index()]).collect();
        let mut given: Vec<Vec<u128>> = Vec::new();
        let outs: Vec<Option<OutMemory>> = outputs
            .iter()
            .map(|output| {
                let ty = graph.node(output.node).ty.clone();
                let pointer = match output.destination {
                    Destination::Fresh => return None,
                    Destination::Parameter(n) => parameter_memory(&graph, &arrays, n),
                    Destination::Provided => {
                        given.push(vec![0; graph.bytes(output.node) / 16 + 1]);
                        given.last_mut().unwrap().as_mut_ptr().cast()
                    }
                };
                let strides = ty.shape.row_major_strides(ty.dtype.size());
                let Type { dtype, shape } = ty;
                Some(OutMemory { pointer, dtype, shape, strides, swapped: false, writable: true })
            })
            .collect();

        // The first run may take no memory, the second just what the first would have needed.
        let mut options = Options { max_memory: Some(0), ..Options::default() };
        // SAFETY: the memories given are alive, of these shapes, and nothing else uses them.
        let mut evaluated = unsafe { eval_into(&results, &outs, &options) };
        if let Err(Error::MemoryLimit { needed, alive, .. }) = &evaluated {
            assert!(
                alive.iter().map(|value| value.bytes).sum::<usize>() <= *needed,
                "seed {seed}: {alive:?}"
            );
            options.max_memory = Some(*needed);
            refused += 1;
            // SAFETY: as above.
            evaluated = unsafe { eval_into(&results, &outs, &options) };
        }
        for (n, evaluated) in evaluated.unwrap().iter().enumerate() {
            let found = match evaluated {
                Evaluated::Tensor(tensor) => elements(tensor),
                Evaluated::Donated(leaf, ty) => {
                    donated += 1;
                    // SAFETY: the leaf's memory holds a row-major result of this type.
                    unsafe { read(leaf.memory.pointer(), ty) }
                }
                // SAFETY: the result was written there.
                Evaluated::Out => unsafe {
                    read(outs[n].as_ref().unwrap().pointer, &graph.node(outputs[n].node).ty)
                },
            };
            assert_same(&found, &expected[n], &format!("seed {seed}, result {n}\n{graph}"));
        }
        for id in graph.ids() {
            let Op::Parameter(n) = *graph.op(id) else { continue };
            let given = outputs.iter().any(|output| output.destination == Destination::Parameter(n));
            match arrays[id.index()].eval() {
                Ok(tensor) if !given => {
                    assert_same(
                        &elements(&tensor),
                        &arguments[n as usize],
                        &format!("seed {seed}: {id}\n{graph}"),
                    );
                }
                Ok(_) => {}
                Err(error) => {
                    assert!(matches!(error, Error::Consumed { .. }), "seed {seed}: {error}");
                    assert!(
                        graph.parameters()[n as usize].donated,
                        "seed {seed}: {id} was not donated\n{graph}"
                    );
                }
            }
        }
    }
    assert!(donated > 100 && refused > 500, "{donated} donated, {refused} refused");
}
