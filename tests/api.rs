//! The Rust API: operators, mistakes, caching, donation, plans, deep graphs.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::array::{Array, Donation, Leaf, Memory};
use raptors::eval::{Evaluated, OutMemory, eval_into};
use raptors::indexing::{self, Key};
use raptors::ir::Literal;
use raptors::{BF16, DType, Error, F16, Index, Options, Order, Plan, Shape, Side, lazy};

fn floats(array: &Array) -> Vec<f32> {
    array.eval().unwrap().to_vec().unwrap()
}

#[test]
fn halves_are_elements_like_others() {
    let half = |value: f32| F16::from_f32(value);
    let x = lazy(&[1.0, 2.0, 300.0].map(half));
    let y = (&x * &x + 0.5).eval().unwrap();
    assert_eq!(y.as_slice::<F16>(), Some(&[1.5, 4.5, f32::INFINITY].map(half)[..]));
    let y = lazy(&[BF16::from_f32(3.0)]) / 7.0;
    assert_eq!(y.eval().unwrap().as_slice::<BF16>(), Some(&[BF16::from_f32(3.0 / 7.0)][..]));
    assert_eq!(lazy(&[1i8]).sqrt().dtype(), DType::F16);
}

#[test]
fn operators_broadcast_and_promote() {
    let x = lazy(&[1.0f32, 2.0, 3.0]);
    assert_eq!(floats(&(1.0f32 - &x * 2.0f32)), [-1.0, -3.0, -5.0]);
    let table = x.reshape(&[3, 1]) + lazy(&[10.0f32, 20.0]);
    assert_eq!(table.shape().dims(), [3, 2]);
    assert_eq!(floats(&table), [11.0, 21.0, 12.0, 22.0, 13.0, 23.0]);
    assert_eq!((lazy(&[1i32]) + lazy(&[1.0f32])).dtype(), DType::F64);
    assert_eq!((lazy(&[1i8]) + 1i32).dtype(), DType::I8);
    assert_eq!(floats(&-&x), [-1.0, -2.0, -3.0]);
}

#[test]
fn a_mistake_is_returned_by_eval_and_names_the_line() {
    let (x, y) = (lazy(&[1.0f32, 2.0]), lazy(&[1.0f32, 2.0, 3.0]));
    let made = &x * 2.0f32;
    let line = line!() - 1;
    let wrong = (made + &y).sqrt() * 2.0f32;
    let message = wrong.eval().unwrap_err().to_string();
    assert!(message.starts_with("add: shapes (2,) and (3,) do not broadcast"), "{message}");
    assert!(message.contains(&format!("multiply at {}:{line}", file!())), "{message}");
    assert!(matches!(Plan::new(&[&wrong]), Err(Error::Op { .. })));
}

#[test]
fn integers_that_do_not_fit_are_refused_and_compared_exactly() {
    let bytes = lazy(&[1u8, 200]);
    assert!(matches!((&bytes + 300i32).eval(), Err(Error::IntegerOutOfBounds { value: 300, .. })));
    let below = bytes.less(300i32).eval().unwrap();
    assert_eq!(below.as_slice::<raptors::ir::Bool>().unwrap().iter().filter(|b| b.get()).count(), 2);
    let mixed = lazy(&[-1i64]).less(lazy(&[u64::MAX]));
    assert_eq!(mixed.item("bool", &Options::default()).unwrap(), Literal::new(raptors::ir::Bool::from(true)));
}

/// What rules look for is part of a plan; what they do not is an argument of it.
#[test]
fn division_by_a_power_of_two_is_none() {
    let program = |array: Array| array.plan().unwrap().program();
    let (x, n) = (lazy(&[3.0f32, -0.0]), lazy(&[3i64, -5]));
    let quarter = program(&x / 4.0f32);
    assert!(quarter.contains("multiply") && !quarter.contains("divide"), "{quarter}");
    assert!(program(&x / 3.0f32).contains("divide"));
    assert!(program(&n * 4i64).contains("bitwise_left_shift"));
    assert_eq!(program(&x / 3.0f32), program(&x / 5.0f32));
    assert_eq!(floats(&(&x / -0.25f32)), [-12.0, 0.0]);
}

#[test]
fn a_chain_is_one_kernel_and_a_cached_value_is_a_leaf() {
    let x = lazy(vec![0.25f32; 1000]);
    let mut y = &x + 1.0f32;
    for _ in 0..9 {
        y = y.sqrt() + &x;
    }
    let plan = y.plan().unwrap();
    assert_eq!((plan.kernels(), plan.buffers(), plan.peak_bytes()), (1, 1, 4000));
    y.cache().unwrap();
    assert_eq!(y.op_count(), 0);
    assert_eq!((&y * 2.0f32).plan().unwrap().kernels(), 1);
    assert_eq!((&y * 2.0f32).op_count(), 1);
}

#[test]
fn shared_work_is_done_once() {
    let x = lazy(vec![2.0f32; 64]);
    let shared = (&x * 3.0f32).sqrt();
    let plan = Plan::new(&[&(&shared + 1.0f32), &(&shared - 1.0f32)]).unwrap();
    assert_eq!((plan.kernels(), plan.buffers()), (1, 2));
    assert!(plan.json().contains("\"version\": 2"));
    assert!(plan.explain().contains("simplify") && plan.dot().starts_with("digraph"));
}

#[test]
fn dying_intermediates_are_written_over() {
    let x = lazy(vec![1.0f32; 4096]).reshape(&[64, 64]);
    // Each mean ends a region, so there are intermediates; each is last read by the kernel that writes the next.
    let centered = &x * 2.0f32 - x.mean(&[1]).reshape(&[64, 1]);
    let y = &centered * 3.0f32 - centered.mean(&[0]);
    let plan = y.plan().unwrap();
    assert!(!plan.reuses().is_empty(), "{plan}");
    assert_eq!(floats(&y), vec![2.0; 4096]);
}

/// A donated array over `values`, which outlive it.
fn donated(values: &mut [f32]) -> Array {
    // SAFETY: the callers keep `values` alive, and use them only after evaluation.
    let memory = unsafe { Memory::new(values.as_mut_ptr().cast(), Box::new(())) };
    let leaf = Leaf::new(memory, [4isize].into_iter().collect(), false, Donation::Yes);
    Array::from_leaf(leaf, DType::F32, Shape::new(&[values.len()]).unwrap(), None)
}

#[test]
fn a_donated_input_is_overwritten_once() {
    let mut values = vec![1.0f32; 1000];
    let x = donated(&mut values);
    let y = &x * 2.0f32;
    assert_eq!((y.plan().unwrap().buffers(), y.plan().unwrap().reuses().len()), (0, 1));
    // SAFETY: no memory is given for results.
    let results = unsafe { eval_into(&[&y], &[None], &Options::default()) }.unwrap();
    assert!(matches!(results[0], Evaluated::Donated(..)));
    assert!(matches!(y.eval(), Err(Error::Consumed { .. })));
    drop((x, y, results));
    assert_eq!(values, vec![2.0; 1000]);
}

#[test]
fn memory_that_two_inputs_share_is_not_overwritten() {
    let mut values = vec![3.0f32; 100];
    let (x, other) = (donated(&mut values), donated(&mut values));
    let y = &x * 2.0f32 + &other;
    // SAFETY: no memory is given for results.
    let results = unsafe { eval_into(&[&y], &[None], &Options::default()) }.unwrap();
    assert!(matches!(results[0], Evaluated::Tensor(_)));
    drop((x, other, y, results));
    assert_eq!(values, vec![3.0; 100]);
}

#[test]
fn a_result_may_go_where_an_input_is_read_backwards() {
    let mut values: Vec<f32> = (0..5000).map(|n| n as f32).collect();
    let pointer: *mut u8 = values.as_mut_ptr().cast();
    let x = donated(&mut values);
    let reversed = x.index(&[Index::Slice { start: None, stop: None, step: Some(-1) }]);
    let y = &x * 2.0f32 + &reversed;
    let out = OutMemory {
        pointer,
        dtype: DType::F32,
        shape: Shape::new(&[5000]).unwrap(),
        strides: [4isize].into_iter().collect(),
        swapped: false,
        writable: true,
    };
    // SAFETY: `values` is alive, and nothing else uses it.
    let results = unsafe { eval_into(&[&y], &[Some(out.clone())], &Options::default()) }.unwrap();
    assert!(matches!(results[0], Evaluated::Out));
    let shifted = OutMemory { pointer: pointer.wrapping_add(4), shape: Shape::new(&[4999]).unwrap(), ..out };
    let part = lazy(vec![1.0f32; 4999])
        + donated(&mut values).index(&[Index::Slice { start: None, stop: Some(4999), step: None }]);
    // SAFETY: as above.
    let overlap = unsafe { eval_into(&[&part], &[Some(shifted)], &Options::default()) };
    assert!(matches!(overlap, Err(Error::OutOverlap { .. })));
    drop((x, y, reversed, results, part));
    let expected: Vec<f32> = (0..5000).map(|n| (2 * n + (4999 - n)) as f32).collect();
    assert_eq!(values, expected);
}

#[test]
fn deep_graphs_neither_overflow_the_stack_nor_stall() {
    let mut y = lazy(vec![0.5f32; 8]);
    for _ in 0..20_000 {
        y = y + 1.0f32;
    }
    assert_eq!(floats(&y), vec![20_000.5; 8]);
    let mut never = lazy(vec![0.5f32; 8]);
    for _ in 0..1_000_000 {
        never = never * 3.0f32;
    }
    drop(never);
    let mut doubled = lazy(vec![0.5f32; 8]);
    for _ in 0..1_000_000 {
        doubled = &doubled + &doubled;
    }
    drop(doubled);
}

#[test]
fn more_memory_than_there_is_is_an_error() {
    let huge = lazy(&[1.0f32]).broadcast_to(&[1 << 45]) + 1.0f32;
    assert!(matches!(huge.eval(), Err(Error::OutOfMemory(_))));
    assert!(matches!(lazy(&[1.0f32]).broadcast_to(&[1 << 62, 8]).eval(), Err(Error::Op { .. })));
}

#[cfg(feature = "ndarray")]
#[test]
fn ndarray_arrays_come_and_go() {
    let x = ndarray::arr2(&[[1.0f64, 2.0], [3.0, 4.0]]);
    let doubled = (lazy(x.t().to_owned()) * 2.0).eval().unwrap().to_ndarray::<f64>().unwrap();
    assert_eq!(doubled, ndarray::arr2(&[[2.0, 6.0], [4.0, 8.0]]).into_dyn());
}

#[test]
fn rows_are_sorted_accumulated_selected_and_searched() {
    let x = lazy(&[3.0f32, 1.0, f32::NAN, 2.0]);
    let sorted = x.sort(0, Order::Ascending).eval().unwrap();
    assert_eq!(sorted.as_slice::<f32>().unwrap()[..3], [1.0, 2.0, 3.0]);
    assert!(sorted.as_slice::<f32>().unwrap()[3].is_nan());
    let order = x.argsort(0, Order::Descending);
    assert_eq!(order.eval().unwrap().as_slice::<i64>(), Some(&[2, 0, 3, 1][..]));
    assert_eq!(x.take(&order, 0).cumulative_sum(None).shape().dims(), [4]);
    let sums = lazy(&[1i32, 2, 3]).cumulative_sum(0).eval().unwrap();
    assert_eq!(sums.as_slice::<i64>(), Some(&[1, 3, 6][..]));
    let found = lazy(&[1.0f64, 2.0, 2.0]).searchsorted(2.0, Side::Right).eval().unwrap();
    assert_eq!(found.as_slice::<i64>(), Some(&[3][..]));
    let positive = indexing::select(&x, &[Key::Array(x.greater(1.5))], &Options::default(), None).unwrap();
    assert_eq!(positive.eval().unwrap().as_slice::<f32>(), Some(&[3.0, 2.0][..]));
}

#[test]
fn positions_out_of_bounds_are_an_error_of_the_evaluation() {
    let y = lazy(&[1.0f32, 2.0]).take(&lazy(&[0i64, -3]), 0) * 2.0;
    let message = y.eval().unwrap_err().to_string();
    assert_eq!(message, "gather: index -3 is out of bounds for axis 0 with length 2");
}
