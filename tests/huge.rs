//! Graphs of tens of thousands of nodes: captured, planned, run and dropped, on a small stack.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::{Array, lazy};

/// What a thread of a server may have; a stack frame per node would need more than ten times as much.
const STACK_BYTES: usize = 512 << 10;

/// Nodes of the chains, and of the graph that shares.
const CHAIN: usize = 100_000;
const FIBONACCI: usize = 50_000;

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap();
}

/// The sum of the elements, and the array dropped as its last user would.
fn computed(array: Array) -> f32 {
    assert!(format!("{array:?}").contains("lazy"));
    let tensor = array.eval().unwrap();
    tensor.as_slice::<f32>().unwrap().iter().sum()
}

#[test]
fn a_chain_is_computed() {
    on_a_small_stack(|| {
        let mut x = lazy(&[1.0f32, 2.0]);
        for n in 0..CHAIN {
            x = if n % 2 == 0 { x + 1.5f32 } else { x - 1.5f32 };
        }
        assert_eq!(computed(x), 3.0);
    });
}

#[test]
fn a_graph_that_shares_like_fibonacci_is_computed() {
    on_a_small_stack(|| {
        let mut previous = lazy(&[1.0f32, 0.0]);
        let mut x = lazy(&[1.0f32, 0.0]);
        for _ in 0..FIBONACCI {
            (previous, x) = (x.clone(), (x + previous).minimum(1.0f32));
        }
        assert_eq!(computed(x), 1.0);
    });
}

#[test]
fn a_chain_of_views_is_computed() {
    on_a_small_stack(|| {
        let mut x = lazy(&[1.0f32, 2.0, 3.0, 4.0]).reshape(&[2, 2]);
        for _ in 0..CHAIN / 2 {
            x = x.reshape(&[2, 1, 2]).transpose();
            x = x.transpose().reshape(&[2, 2]);
        }
        assert_eq!(computed(x.sum(&[0])), 10.0);
    });
}

/// An array that is never computed is dropped without a frame per node, too.
#[test]
fn a_chain_is_dropped() {
    on_a_small_stack(|| {
        let mut x = lazy(&[1.0f32]);
        for _ in 0..1_000_000 {
            x = -x;
        }
        drop(x);
    });
}
