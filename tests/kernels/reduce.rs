//! Reductions against the tree as it is written down, argmin and argmax against a naive search.

use raptors::kernels::reduce::{COLUMN_LANES, arg, block, lanes, leaf_order, reduce};
use raptors::runtime::level::Level;
use raptors_ir::{DType, ElementwiseOp, Literal, ReduceOp, scalar};

use super::{Guarded, Random, assert_same, bytes, combine, element, elements, literals, real_dtypes};

const REDUCTIONS: [(ReduceOp, ElementwiseOp); 6] = [
    (ReduceOp::Sum, ElementwiseOp::Add),
    (ReduceOp::Prod, ElementwiseOp::Multiply),
    (ReduceOp::Min, ElementwiseOp::Minimum),
    (ReduceOp::Max, ElementwiseOp::Maximum),
    (ReduceOp::Any, ElementwiseOp::LogicalOr),
    (ReduceOp::All, ElementwiseOp::LogicalAnd),
];

/// The tree as `reduce.rs` describes it, word for word.
fn tree(step: ElementwiseOp, identity: Literal, x: &[Literal]) -> Literal {
    let lanes = lanes(identity.dtype());
    let mut stack: Vec<(u32, Literal)> = Vec::new();
    for block in x.chunks(block(identity.dtype())) {
        let mut lane = vec![identity; lanes];
        for (i, &x) in block.iter().enumerate() {
            lane[i % lanes] = combine(step, lane[i % lanes], x);
        }
        let mut half = lanes / 2;
        while half > 0 {
            (0..half).for_each(|l| lane[l] = combine(step, lane[l], lane[l + half]));
            half /= 2;
        }
        let mut partial = (0, lane[0]);
        while let Some(&(rank, earlier)) = stack.last().filter(|(rank, _)| *rank == partial.0) {
            stack.pop();
            partial = (rank + 1, combine(step, earlier, partial.1));
        }
        stack.push(partial);
    }
    let last = stack.pop().map_or(identity, |(_, last)| last);
    stack.into_iter().rev().fold(last, |later, (_, earlier)| combine(step, earlier, later))
}

/// Elements whose sums and products neither overflow nor are exact, with a NaN now and then.
fn summands(dtype: DType, n: usize, nan: bool, random: &mut Random) -> Vec<Literal> {
    let mut value = || Literal::from_f64(dtype, 0.5 + (random.next() >> 40) as f64 / (1 << 24) as f64);
    let mut x: Vec<_> = (0..n)
        .map(|_| if dtype.is_float() { value() } else { element(dtype, &mut Random(value().bits() as u64)) })
        .collect();
    if nan && n > 0 {
        let at = random.below(n);
        x[at] = element(dtype, random);
    }
    x
}

#[test]
fn reductions_follow_the_one_tree_whichever_way_they_are_cut() {
    let mut random = Random(6);
    for (op, step) in REDUCTIONS {
        for dtype in real_dtypes() {
            let (lanes, block) = (lanes(dtype), block(dtype));
            let short = [0, 1, 2, 3, 5, 8, 9, 32, 33, lanes - 1, lanes, lanes + 1, 300];
            let long = [block - 1, block, block + 1, 3 * block + 77, 7 * block + 1];
            for (round, n) in short.into_iter().chain(long).enumerate() {
                let x = summands(dtype, n, round % 2 == 1, &mut random);
                let mut memory = Guarded::new(&bytes(&x), round % 2);
                for level in Level::available() {
                    let kernels = reduce(op, dtype, level);
                    let defined = match op {
                        ReduceOp::Any | ReduceOp::All => dtype == DType::Bool,
                        ReduceOp::Sum | ReduceOp::Prod => dtype != DType::Bool,
                        _ => true,
                    };
                    assert_eq!(kernels.is_some(), defined, "{} of {dtype}", op.name());
                    let Some(kernels) = kernels else { continue };
                    let what = |_| format!("{} {dtype} {level} of {n}", op.name());
                    let expected = [tree(step, kernels.identity, &x)];
                    let mut result = Guarded::new(&vec![0; dtype.size()], 1);
                    // SAFETY: n elements and room for one.
                    unsafe { (kernels.row)(memory.ptr(), n, result.ptr()) };
                    assert_same(&literals(dtype, &result.content()), &expected, &what);

                    let mut partials = Vec::new();
                    for start in (0..n).step_by(block) {
                        let mut acc = Guarded::new(&bytes(&vec![kernels.identity; lanes]), 1);
                        let mut tile = start;
                        while tile < n.min(start + block) {
                            let len = (lanes * (1 + random.below(6))).min(n.min(start + block) - tile);
                            // SAFETY: accumulators for all lanes; `len` elements from `tile` on.
                            unsafe { (kernels.fold)(acc.ptr(), memory.ptr().add(tile * dtype.size()), len) };
                            tile += len;
                        }
                        // SAFETY: as above.
                        unsafe { (kernels.halve)(acc.ptr()) };
                        partials.extend_from_slice(&acc.content()[..dtype.size()]);
                    }
                    let count = partials.len() / dtype.size();
                    // SAFETY: `count` partials and room for one result.
                    unsafe { (kernels.combine)(partials.as_ptr(), count, result.ptr()) };
                    assert_same(&literals(dtype, &result.content()), &expected, &what);
                }
            }
        }
    }
}

#[test]
fn a_stack_of_lanes_in_leaf_order_is_the_halving_tree() {
    let mut random = Random(7);
    for (dtype, width) in [(DType::F32, 37), (DType::F64, 5), (DType::I8, 3)] {
        let lanes = lanes(dtype);
        let columns: Vec<Vec<Literal>> =
            (0..width).map(|_| summands(dtype, lanes, false, &mut random)).collect();
        for level in Level::available() {
            let Some(kernels) = reduce(ReduceOp::Sum, dtype, level) else { panic!("no sum of {dtype}") };
            let mut stack: Vec<(u32, Vec<u8>)> = Vec::new();
            for lane in leaf_order(lanes) {
                let row: Vec<Literal> = columns.iter().map(|column| column[lane]).collect();
                let mut top = (0, bytes(&row));
                while stack.last().is_some_and(|(rank, _)| *rank == top.0) {
                    let Some((rank, mut earlier)) = stack.pop() else { break };
                    let args = [earlier.as_ptr(), top.1.as_ptr(), std::ptr::null()];
                    // SAFETY: vectors of `width` elements, the result in place of the first.
                    unsafe { (kernels.accumulate)(&args, earlier.as_mut_ptr(), width) };
                    top = (rank + 1, earlier);
                }
                stack.push(top);
            }
            assert_eq!(stack.len(), 1);
            for (column, got) in columns.iter().zip(literals(dtype, &stack[0].1)) {
                let mut acc = bytes(column);
                // SAFETY: as many elements as there are lanes.
                unsafe { (kernels.halve)(acc.as_mut_ptr()) };
                assert_eq!(got, literals(dtype, &acc)[0]);
            }
        }
    }
}

#[test]
fn columns_are_reduced_by_the_tree_of_few_lanes() {
    let mut random = Random(10);
    for (op, step) in REDUCTIONS {
        for dtype in real_dtypes() {
            for width in [1, 2, 7, 15, 16, 31, 32, 33, 65, 130, 257] {
                let rows = [0, 1, 2, 7, 8, 9, 16, 31][random.below(8)];
                // Elements between the rows now and then, NaN where there may be.
                let pitch = width + random.below(2);
                let x = summands(dtype, rows * pitch, true, &mut random);
                let mut memory = Guarded::new(&bytes(&x), width % 2);
                for level in Level::available() {
                    let Some(kernels) = reduce(op, dtype, level) else { continue };
                    for (lanes, cut) in [(1, 0), (COLUMN_LANES, 0), (1, random.below(rows + 1))] {
                        let mut out = Guarded::new(&bytes(&vec![kernels.identity; width]), 1);
                        let expected: Vec<Literal> = (0..width)
                            .map(|column| {
                                let mut lane = vec![kernels.identity; lanes];
                                for row in 0..rows {
                                    lane[row % lanes] =
                                        combine(step, lane[row % lanes], x[row * pitch + column]);
                                }
                                let mut half = lanes / 2;
                                while half > 0 {
                                    (0..half).for_each(|l| lane[l] = combine(step, lane[l], lane[l + half]));
                                    half /= 2;
                                }
                                lane[0]
                            })
                            .collect();
                        let stride = (pitch * dtype.size()) as isize;
                        // SAFETY: `width` elements in each row, and room for as many.
                        unsafe {
                            if cut > 0 {
                                (kernels.columns)(memory.ptr(), stride, cut, 1, width, out.ptr(), false);
                            }
                            let x = memory.ptr().add(cut * pitch * dtype.size());
                            (kernels.columns)(x, stride, rows - cut, lanes, width, out.ptr(), cut > 0);
                        }
                        assert_same(&literals(dtype, &out.content()), &expected, &|column| {
                            format!(
                                "{} {dtype} {level}, {lanes} lanes of {rows} x {width}, {column}",
                                op.name()
                            )
                        });
                    }
                }
            }
        }
    }
}

/// The first position NumPy would name.
fn position(op: ReduceOp, x: &[Literal]) -> Option<usize> {
    let better = if op == ReduceOp::Argmin { ElementwiseOp::Less } else { ElementwiseOp::Greater };
    let holds = |op, args: &[Literal]| scalar::evaluate(op, args).is_some_and(|truth| truth.bits() == 1);
    if let Some(nan) = x.iter().position(|&x| holds(ElementwiseOp::Isnan, &[x])) {
        return Some(nan);
    }
    (0..x.len()).reduce(|best, i| if holds(better, &[x[i], x[best]]) { i } else { best })
}

#[test]
fn argmin_and_argmax_name_the_first_place() {
    let mut random = Random(8);
    for op in [ReduceOp::Argmin, ReduceOp::Argmax] {
        for dtype in real_dtypes() {
            for (round, n) in [0, 1, 3, 63, 64, 65, 1000, 1024, 2500].into_iter().cycle().take(27).enumerate()
            {
                // Few different values, so that there are ties; specials, NaN among them, one time in three.
                let x: Vec<Literal> = match round % 3 {
                    0 => elements(dtype, n, &mut random),
                    1 => (0..n).map(|_| Literal::from_f64(dtype, random.below(900) as f64 / 8.0)).collect(),
                    _ => (0..n).map(|i| Literal::from_f64(dtype, i as f64 / 20.0)).collect(),
                };
                let memory = bytes(&x);
                let expected = position(op, &x).map_or(-1, |i| i as i64);
                for level in Level::available() {
                    let Some(kernels) = arg(op, dtype, level) else { panic!("no {} of {dtype}", op.name()) };
                    let what = || format!("{} {dtype} {level} of {n}, round {round}", op.name());
                    let cut = random.below(n + 1);
                    let mut states = [([0u8; 8], -1i64); 4];
                    for (i, range) in [0..cut, cut..n, 0..cut, cut..n].into_iter().enumerate() {
                        let state = if i == 1 { 0 } else { i };
                        let (best, index) = &mut states[state];
                        let base = range.start as i64;
                        // SAFETY: the range is within the elements; one state.
                        unsafe {
                            let x = memory.as_ptr().add(range.start * dtype.size());
                            (kernels.row)(x, range.len(), base, best.as_mut_ptr(), index);
                        }
                    }
                    let [row, _, mut first, second] = states;
                    // SAFETY: one state each.
                    unsafe {
                        (kernels.merge)(first.0.as_mut_ptr(), &mut first.1, second.0.as_ptr(), &second.1, 1)
                    };
                    for (best, index) in [row, first] {
                        assert_eq!(index, expected, "{}", what());
                        if index >= 0 {
                            assert_eq!(
                                &best[..dtype.size()],
                                &bytes(&x[index as usize..][..1]),
                                "{}",
                                what()
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn argmin_and_argmax_of_columns_name_the_first_row() {
    let mut random = Random(9);
    for op in [ReduceOp::Argmin, ReduceOp::Argmax] {
        for dtype in real_dtypes() {
            for (round, width) in [1, 2, 3, 7, 8, 9, 31, 32, 33, 127, 129, 300].into_iter().enumerate() {
                // Around the rows that are counted at once, with elements between the rows now and then.
                let rows = [1, 2, 15, 16, 17, 33, 300][random.below(7)];
                let pitch = width + round % 2;
                let x: Vec<Literal> = match round % 3 {
                    0 => elements(dtype, rows * pitch, &mut random),
                    1 => (0..rows * pitch)
                        .map(|_| Literal::from_f64(dtype, random.below(20) as f64 / 8.0))
                        .collect(),
                    _ => (0..rows * pitch).map(|i| Literal::from_f64(dtype, (i / pitch) as f64)).collect(),
                };
                let mut memory = Guarded::new(&bytes(&x), round % 2);
                for level in Level::available() {
                    let Some(kernels) = arg(op, dtype, level) else { panic!("no {} of {dtype}", op.name()) };
                    let mut best = Guarded::new(&vec![0; width * dtype.size()], 1);
                    let mut places = vec![-1; width + 1];
                    let cut = random.below(rows + 1);
                    for range in [0..cut, cut..rows] {
                        let stride = (pitch * dtype.size()) as isize;
                        // SAFETY: `width` elements in each row, and as many states.
                        unsafe {
                            let x = memory.ptr().add(range.start * pitch * dtype.size());
                            let (base, places) = (range.start as i64, places.as_mut_ptr());
                            (kernels.columns)(x, stride, range.len(), width, base, best.ptr(), places);
                        }
                    }
                    assert_eq!(places.pop(), Some(-1));
                    for (j, (best, place)) in
                        literals(dtype, &best.content()).into_iter().zip(places).enumerate()
                    {
                        let what = format!("{} {dtype} {level} of {rows} x {width}, column {j}", op.name());
                        let column: Vec<_> = (0..rows).map(|row| x[row * pitch + j]).collect();
                        assert_eq!(Some(place as usize), position(op, &column), "{what}");
                        assert_eq!(best, column[place as usize], "{what}");
                    }
                }
            }
        }
    }
}
