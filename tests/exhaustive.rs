//! Every `f32` as the operand of each function of mathematics: minutes, so not run by default (`make exhaustive`).
//!
//! Machine code computes the functions and their relaxed twins; vector kernels of every level must give its bits. A result is
//! right that is the rounded result of the strict function for `f64`, which `ulp` holds to its oracle. Any other, and every 16th, is compared with
//! the oracle.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use raptors::kernels::elementwise::elementwise;
use raptors::runtime::level::Level;
use raptors::{Options, lazy};
use raptors_ir::{DType, ElementwiseOp, Op, scalar};

use crate::ulp::{IsFunction, Oracle, error, oracle};

/// Numbers of one evaluation: results stay in the second-level cache.
const CHUNK: u32 = 1 << 17;
/// How many there are.
const CHUNKS: u32 = ((1u64 << 32) / CHUNK as u64) as u32;
const ORACLE_STRIDE: usize = 16;

/// What was found of a part of the numbers.
#[derive(Clone, Copy, Default)]
struct Found {
    /// The largest error among results that are not correctly rounded, and its operand.
    worst: (f64, f32),
    /// How many those are.
    misrounded: u64,
}

impl Found {
    fn and(self, other: Found) -> Found {
        let worst = if other.worst.0 > self.worst.0 { other.worst } else { self.worst };
        Found { worst, misrounded: self.misrounded + other.misrounded }
    }
}

fn chunk(op: ElementwiseOp, f: fn(f64) -> f64, number: u32) -> Found {
    let first = number * CHUNK;
    let operands: Vec<f32> = (0..CHUNK).map(|i| f32::from_bits(first + i)).collect();
    let x = lazy(operands.clone());
    let options = Options { threads: NonZeroUsize::new(1), ..Options::default() };
    let results = [(op, x.clone()), (op.strict(), x.cast(DType::F64))].map(|(op, x)| {
        let y = raptors::array::Array::apply(Op::Elementwise(op), &[&x], None).unwrap();
        y.eval_with(&options).unwrap()
    });
    let (got, wide) = (results[0].as_slice::<f32>().unwrap(), results[1].as_slice::<f64>().unwrap());
    for level in Level::available().filter(|&level| level != Level::Baseline) {
        let kernel = elementwise(op, DType::F32, level).unwrap();
        let mut others = vec![0f32; operands.len()];
        let pointer = operands.as_ptr().cast();
        // SAFETY: operands and results have this many elements, and the level is available.
        unsafe { kernel(&[pointer; 3], others.as_mut_ptr().cast(), others.len()) };
        for (i, (x, y)) in others.iter().zip(got).enumerate() {
            let same = x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
            assert!(same, "{} of {:?}: {x:?} by a kernel for {level}, not {y:?}", op.name(), operands[i]);
        }
    }
    let mut found = Found::default();
    for (i, (&got, &wide)) in got.iter().zip(wide).enumerate() {
        let rounded = wide as f32;
        let right = got.to_bits() == rounded.to_bits() || got.is_nan() && rounded.is_nan();
        if right && i % ORACLE_STRIDE != 0 {
            continue;
        }
        let exact = f(f64::from(operands[i]));
        let misrounded = got.to_bits() != (exact as f32).to_bits() && !(got.is_nan() && exact.is_nan());
        if misrounded {
            found = found.and(Found { worst: (error(got, exact, 0.0), operands[i]), misrounded: 1 });
        }
    }
    found
}

#[test]
#[ignore = "minutes, for all float32 numbers"]
fn functions_of_every_float32_are_within_their_promised_error() {
    let named = std::env::var("RAPTORS_FUNCTIONS").unwrap_or_default();
    for &op in ElementwiseOp::ALL {
        let wanted = named.is_empty() || named.split(',').any(|name| name == op.name());
        if !wanted || scalar::visit(op, DType::F32, IsFunction) != Some(true) {
            continue;
        }
        let Oracle::Unary(f) = oracle(op) else { continue };
        let next = AtomicU32::new(0);
        let work = || {
            let mut found = Found::default();
            loop {
                match next.fetch_add(1, Relaxed) {
                    number @ 0..CHUNKS => found = found.and(chunk(op, f, number)),
                    _ => return found,
                }
            }
        };
        let found = thread::scope(|scope| {
            let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).fold(Found::default(), Found::and)
        });
        let (worst, operand) = found.worst;
        let share = found.misrounded as f64 / 2f64.powi(32);
        println!(
            "{:16} {worst:.4} ULP at {operand:e}, {:.4} % not correctly rounded",
            op.name(),
            100.0 * share
        );
        assert!(worst <= f64::from(op.ulp()), "{} of {operand:e} is {worst} ULP from exact", op.name());
    }
}
