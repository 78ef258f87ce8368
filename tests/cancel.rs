//! Runs that are told to stop: they do so soon, on every thread, and leave everything usable.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::cell::{Cell, RefCell};
use std::num::NonZeroUsize;
use std::ops::ControlFlow::{Break, Continue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use raptors::array::{Array, Donation, Leaf, Memory};
use raptors::eval::{OutMemory, eval_into};
use raptors::runtime::team;
use raptors::runtime::watch::{Watch, catch, checkpoint};
use raptors::{CancelToken, DType, Error, Options, Order, Shape, lazy};

use crate::support::within;

/// Work of several seconds and little memory, of one kernel.
fn long() -> Array {
    let column = lazy(vec![0.5f64; 20_000]).reshape(&[-1, 1]);
    let product = column * lazy(vec![0.25f64; 100_000]);
    product.tanh().sum(&[])
}

/// Cancels `token` after a moment, while `run` runs.
fn cancelling<T>(token: &CancelToken, run: impl FnOnce() -> T) -> (T, Duration) {
    thread::scope(|scope| {
        let canceller = scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            token.cancel();
            Instant::now()
        });
        let result = run();
        let ended = Instant::now();
        (result, ended.saturating_duration_since(canceller.join().unwrap()))
    })
}

#[test]
fn a_cancelled_evaluation_ends_with_an_error_and_the_next_is_right() {
    let y = long();
    let token = CancelToken::new();
    let (result, _) = cancelling(&token, || token.scope(|| y.eval()));
    assert!(matches!(result, Err(Error::Cancelled(_))), "{result:?}");
    // It stays cancelled, in its scopes alone.
    assert!(matches!(token.scope(|| (lazy(&[1.0f32]) + 1.0).eval()), Err(Error::Cancelled(_))));
    assert_eq!((lazy(&[1.0f32]) + 1.0).eval().unwrap().as_slice::<f32>(), Some(&[2.0][..]));
}

#[test]
fn a_sort_of_one_row_is_stopped_inside_it() {
    let mut state = 88_172_645_463_325_252u64;
    let random = (0..1 << 24).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as i64
    });
    let x = lazy(random.collect::<Vec<i64>>());
    let options = Options { threads: NonZeroUsize::new(1), ..Options::default() };
    for y in [x.sort(-1, Order::Ascending), x.argsort(-1, Order::Ascending)] {
        let fastest = (0..4).map(|_| {
            let token = CancelToken::new();
            let (result, time) = cancelling(&token, || token.scope(|| y.eval_with(&options)));
            assert!(result.is_err(), "it took less than the moment before it was cancelled");
            time
        });
        assert!(fastest.min().unwrap() < within(Duration::from_millis(100)));
    }
}

#[test]
fn cancellation_is_felt_within_a_tenth_of_a_second() {
    // The machine may be busy with something else for once.
    let fastest = (0..4).map(|_| {
        let (token, y) = (CancelToken::new(), long());
        let (result, time) = cancelling(&token, || token.scope(|| y.eval()));
        assert!(result.is_err());
        time
    });
    assert!(fastest.min().unwrap() < within(Duration::from_millis(100)));
}

#[test]
fn scopes_nest() {
    let (outer, inner) = (CancelToken::new(), CancelToken::new());
    let y = lazy(&[1.0f32, 2.0]) * 3.0;
    outer.scope(|| {
        inner.scope(|| y.eval()).unwrap();
        outer.cancel();
        assert!(matches!(inner.scope(|| y.eval()), Err(Error::Cancelled(_))));
    });
    y.eval().unwrap();
    assert!(!inner.is_cancelled());
}

#[test]
fn a_job_of_the_team_stops_on_every_thread_and_the_next_one_runs() {
    let token = CancelToken::new();
    let started = AtomicUsize::new(0);
    let (result, _) = cancelling(&token, || {
        token.scope(|| {
            catch(|| {
                team::run(1000, &|_| {
                    started.fetch_add(1, SeqCst);
                    // Longer than the test: only a checkpoint ends it.
                    for piece in 0..1_000_000 {
                        checkpoint(piece, 1_000_000);
                        thread::sleep(Duration::from_micros(100));
                    }
                });
            })
        })
    });
    assert!(result.is_err());
    assert!(started.load(SeqCst) <= team::threads(), "a chunk began after the cancellation");
    let ran = AtomicUsize::new(0);
    team::run(1000, &|_| {
        ran.fetch_add(1, SeqCst);
    });
    assert_eq!(ran.into_inner(), 1000);
}

#[test]
fn a_panic_in_a_watched_job_is_that_panic() {
    let token = CancelToken::new();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        token.scope(|| catch(|| team::run(50, &|chunk| assert!(chunk != 7, "chunk {chunk} fails"))))
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"chunk 7 fails".to_owned()));
}

#[test]
fn a_look_is_told_how_far_the_run_is_and_may_stop_it() {
    let told = RefCell::new(Vec::new());
    let look = |part: f64| {
        told.borrow_mut().push(part);
        if told.borrow().len() < 20 { Continue(()) } else { Break(()) }
    };
    let token = CancelToken::new();
    let y = long();
    let result = Watch::new(&token).looking(Duration::from_millis(5), &look).over(|| y.eval());
    assert!(matches!(result, Err(Error::Cancelled(_))));
    let told = told.into_inner();
    assert_eq!(told.len(), 20);
    assert!(told.windows(2).all(|pair| pair[0] <= pair[1]), "{told:?}");
    assert!(told[0] >= 0.0 && told[0] < told[19] && told[19] < 1.0, "{told:?}");
}

#[test]
fn the_part_that_is_done_ends_near_one() {
    // Kernels of several kinds, in several steps.
    let x = lazy(vec![0.001f64; 400 * 400]).reshape(&[400, 400]);
    let product = x.matmul(&x);
    let y = (product.tanh() - product.mean(&[])).exp();
    let y = y.matmul(&x).sum(&[]);
    let last = Cell::new(0.0);
    let look = |part: f64| {
        assert!((0.0..=1.0).contains(&part));
        last.set(part);
        Continue(())
    };
    let token = CancelToken::new();
    Watch::new(&token).looking(Duration::ZERO, &look).over(|| y.eval()).unwrap();
    assert!(last.get() > 0.8, "{}", last.get());
}

#[test]
fn a_look_may_evaluate() {
    let evaluated = Cell::new(0);
    let look = |_: f64| {
        let four = (lazy(vec![1.0f32; 100_000]) * 4.0).eval().unwrap();
        assert!(four.as_slice::<f32>().unwrap().iter().all(|&x| x == 4.0));
        evaluated.set(evaluated.get() + 1);
        if evaluated.get() < 3 { Continue(()) } else { Break(()) }
    };
    let token = CancelToken::new();
    let y = long();
    let result = Watch::new(&token).looking(Duration::from_millis(5), &look).over(|| y.eval());
    assert!(matches!(result, Err(Error::Cancelled(_))));
    assert_eq!(evaluated.get(), 3);
}

/// A donated array of as many ones.
fn donated(len: usize) -> Array {
    let mut elements = vec![1.0f64; len];
    let pointer = elements.as_mut_ptr().cast();
    let shape = Shape::new(&[len]).unwrap();
    let strides = shape.row_major_strides(8);
    // SAFETY: the vector is the owner, has these elements, and nobody else has it.
    let memory = unsafe { Memory::new(pointer, Box::new(elements)) };
    Array::from_leaf(Leaf::new(memory, strides, false, Donation::Yes), DType::F64, shape, None)
}

/// Evaluates into memory of the evaluation's choice.
fn eval_anywhere(array: &Array) -> Result<(), Error> {
    let no_outs: [Option<OutMemory>; 1] = [None];
    // SAFETY: no memory is given.
    unsafe { eval_into(&[array], &no_outs, &Options::default()) }.map(drop)
}

#[test]
fn what_was_donated_is_lost_only_if_the_run_would_write_it() {
    let token = CancelToken::new();
    token.cancel();
    let (x, weight) = (donated(1000), lazy(vec![2.0f64; 1000]));
    let overwriting = &x * &weight + 1.0;
    assert!(matches!(token.scope(|| eval_anywhere(&overwriting)), Err(Error::Cancelled(_))));
    assert!(matches!(eval_anywhere(&overwriting), Err(Error::Consumed { .. })));
    assert_eq!((&weight + 1.0).eval().unwrap().as_slice::<f64>().unwrap()[0], 3.0, "not donated");

    // A sum has no place in it for its result.
    let x = donated(1000);
    let reading = x.sum(&[]);
    assert!(matches!(token.scope(|| eval_anywhere(&reading)), Err(Error::Cancelled(_))));
    assert_eq!(reading.eval().unwrap().as_slice::<f64>(), Some(&[1000.0][..]));
}
