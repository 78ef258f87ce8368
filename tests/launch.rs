//! Brief programs that are made ready with their plans give the bits of runs that bind each step: those that are watched.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::array::Array;
use raptors::{CancelToken, Index, Order, Tensor, apply_graph, eval, lazy};

use crate::eval::{arguments, elements, leaf};
use crate::support::{Random, random_graph, same};

#[track_caller]
fn same_bits(ours: &[Tensor], others: &[Tensor], what: &dyn std::fmt::Display) {
    assert_eq!(ours.len(), others.len());
    for (a, b) in ours.iter().zip(others) {
        assert_eq!((a.dtype(), a.shape()), (b.dtype(), b.shape()), "{what}");
        assert!(elements(a).into_iter().zip(elements(b)).all(|(a, b)| same(a, b)), "{what}");
    }
}

/// Evaluates in both ways, the first one with a plan that is new and twice with the one that is known.
#[track_caller]
fn both(arrays: &[&Array], what: &dyn std::fmt::Display) {
    let token = CancelToken::new();
    for _ in 0..3 {
        let watched = token.scope(|| eval(arrays)).unwrap();
        same_bits(&eval(arrays).unwrap(), &watched, what);
    }
}

#[test]
fn random_graphs_have_the_bits_of_watched_runs() {
    for seed in 0..1500 {
        let mut random = Random::new(seed);
        let graph = random_graph(&mut random);
        let arguments = arguments(&mut random, &graph);
        let parameters = graph.parameters().iter().zip(&arguments);
        let leaves: Vec<Array> = parameters.map(|(parameter, elements)| leaf(parameter, elements)).collect();
        let results = apply_graph(&graph, &leaves).unwrap();
        both(&results.iter().collect::<Vec<_>>(), &format_args!("seed {seed}\n{graph}"));
    }
}

#[test]
fn each_kind_of_call_has_the_bits_of_a_watched_run() {
    for [rows, columns] in [[1, 1], [2, 5], [5, 2], [25, 40], [33, 31], [0, 4], [4, 0]] {
        let size = rows * columns;
        let shape = [rows as isize, columns as isize];
        let numbers = |step: f64| (0..size).map(|n| (n as f64 * step).sin() * 8.0).collect::<Vec<f64>>();
        let (x, y) = (lazy(numbers(1.1)).reshape(&shape), lazy(numbers(0.7)).reshape(&shape));
        let (t, row) =
            (lazy(numbers(0.3)).reshape(&[shape[1], shape[0]]).transpose(), lazy(vec![0.5; columns]));
        let every_other = Index::Slice { start: None, stop: None, step: Some(2) };
        let backwards = Index::Slice { start: None, stop: None, step: Some(-1) };
        let flat = x.reshape(&[-1]);
        let at = lazy((0..size as i64).map(|n| if n % 3 == 0 { -1 - n } else { n }).collect::<Vec<i64>>());
        let cases = [
            // Moves.
            &x + 0.0,
            x.transpose(),
            t.index(&[every_other, backwards]),
            row.broadcast_to(&[rows, columns]),
            // One tile: what is packed, repeated, and unpacked.
            &x + &t,
            x.index(&[every_other]) * 2.5,
            (&x * &row).index(&[backwards, every_other]),
            x.cast(raptors::DType::C128).index(&[backwards]) * 3.5,
            // Rows, reductions, and several steps.
            &x * 2.5 + &y,
            x.sum(&[1]) + 1.0,
            x.sum(&[0]) * 2.0,
            (x.cumulative_sum(Some(1)) + &t).sort(Some(0), Order::Ascending),
            flat.take(&at, Some(0)),
            flat.take(&at, Some(0)) * 2.0 + flat.take(&at, Some(0)),
            x.matmul(&t.transpose()),
        ];
        for (n, case) in cases.iter().enumerate() {
            both(&[case], &format_args!("case {n} of {rows} x {columns}"));
        }
        both(&[&cases[0], &cases[4], &cases[9], &cases[12]], &format_args!("{rows} x {columns} together"));
        if size > 0 {
            both(
                &[&x.argmax(None), &x.argmin(Some(1)), &x.argmax(Some(0))],
                &format_args!("{rows} x {columns}"),
            );
            both(&[&(&x - &y).argmin(Some(1)), &flat.argmax(Some(0))], &format_args!("{rows} x {columns}"));
        }
    }
}

#[test]
fn a_position_out_of_bounds_is_an_error_each_time() {
    let (x, at) = (lazy(vec![1.0, 2.0, 3.0]), lazy(vec![0i64, 3]));
    for _ in 0..3 {
        let error = x.take(&at, Some(0)).eval().unwrap_err().to_string();
        assert!(error.contains('3'), "{error}");
        assert_eq!(x.take(&lazy(vec![2i64, -3]), Some(0)).eval().unwrap().as_slice(), Some(&[3.0, 1.0][..]));
    }
}
