//! Graphs of tens of thousands of nodes: captured, planned, run and dropped, on a small stack.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::{Array, lazy};

/// What a thread of a server may have; a stack frame per node would need more than ten times as much.
const STACK_BYTES: usize = 512 << 10;

/// Nodes of the chains, and of the graph that shares.
const CHAIN: usize = 100_000;
const FIBONACCI: usize = 50_000;

/// Kernels, operands and results of those that have many.
const KERNELS: usize = 5_000;

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

/// As many kernels as nodes: each waits for the one before.
#[test]
fn a_chain_of_kernels_is_computed() {
    on_a_small_stack(|| {
        let ones = lazy(vec![1.0f32; 4]).reshape(&[2, 2]);
        let half = lazy(vec![0.5f32; 4]).reshape(&[2, 2]);
        let mut x = ones;
        for _ in 0..KERNELS {
            x = x.matmul(&half);
        }
        assert_eq!(x.plan().unwrap().kernels(), KERNELS);
        assert_eq!(computed(x), 4.0);
    });
}

/// One kernel that reads many values, and many results of few kernels.
#[test]
fn a_wide_graph_is_computed() {
    on_a_small_stack(|| {
        let parts: Vec<Array> = (0..KERNELS).map(|n| lazy(&[n as f32]).sqrt()).collect();
        let together: Vec<&Array> = parts.iter().collect();
        let joined = raptors::ops::concat(&together, None, None).unwrap();
        let expected: f32 = (0..KERNELS).map(|n| (n as f32).sqrt()).sum();
        let found = computed(joined);
        assert!((found - expected).abs() < 1e-3 * expected, "{found} {expected}");

        let x = lazy(&[1.0f32, 2.0]);
        let many: Vec<Array> = (0..KERNELS).map(|n| &x + n as f32).collect();
        let many: Vec<&Array> = many.iter().collect();
        let plan = raptors::Plan::new(&many).unwrap();
        assert!(plan.kernels() <= KERNELS / 64, "{}", plan.kernels());
        let results = raptors::eval(&many).unwrap();
        let last = results.last().unwrap().as_slice::<f32>().unwrap();
        assert_eq!(last, [KERNELS as f32, KERNELS as f32 + 1.0]);
    });
}

/// What explains a plan walks it too.
#[test]
fn a_plan_of_many_nodes_is_explained() {
    on_a_small_stack(|| {
        let mut x = lazy(&[1.0f32, 2.0]);
        for _ in 0..KERNELS {
            x = (&x + 1.0f32) * x;
        }
        let plan = x.plan().unwrap();
        assert!(plan.explain().contains("more nodes"));
        assert!(plan.text().contains("kernel 0"));
        assert!(plan.svg().contains("<svg"));
    });
}
