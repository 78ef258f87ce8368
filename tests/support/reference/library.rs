//! What library ops compute, row by row.

use std::cmp::Ordering;

use raptors_ir::{ElementwiseOp, LibraryOp, Literal, Order, Shape};

use super::{Array, Operand, apply, is_nan, ravel, unravel};

pub(super) fn library(op: &LibraryOp, shape: &Shape, operands: &[Operand<'_>]) -> Array {
    let x = &operands[0];
    match op {
        LibraryOp::CumulativeSum { axis } => rows(x, *axis, |row| cumulative(ElementwiseOp::Add, row)),
        LibraryOp::CumulativeProd { axis } => rows(x, *axis, |row| cumulative(ElementwiseOp::Multiply, row)),
        LibraryOp::Sort { axis, order } => {
            rows(x, *axis, |row| sorted(row, *order).into_iter().map(|i| row[i]).collect())
        }
        LibraryOp::Argsort { axis, order } => {
            rows(x, *axis, |row| sorted(row, *order).into_iter().map(|i| Literal::new(i as i64)).collect())
        }
        LibraryOp::Partition { .. } | LibraryOp::Argpartition { .. } => {
            panic!("{} of {shape} has more than one answer", op.name())
        }
    }
}

/// The elements with each row along an axis replaced.
fn rows(x: &Operand<'_>, axis: usize, new: impl Fn(&[Literal]) -> Vec<Literal>) -> Array {
    let shape = x.shape();
    let mut result: Array = x.elements.to_vec();
    for flat in (0..shape.size()).filter(|&flat| unravel(flat, shape)[axis] == 0) {
        let mut index = unravel(flat, shape);
        let places: Vec<usize> = (0..shape[axis])
            .map(|i| {
                index[axis] = i;
                ravel(&index, shape)
            })
            .collect();
        let row: Vec<Literal> = places.iter().map(|&place| x.elements[place]).collect();
        for (&place, value) in places.iter().zip(new(&row)) {
            result[place] = value;
        }
    }
    result
}

fn cumulative(op: ElementwiseOp, row: &[Literal]) -> Vec<Literal> {
    let mut sum = row[0];
    let rest = row[1..].iter().map(|&x| {
        sum = apply(op, &[sum, x]);
        sum
    });
    std::iter::once(row[0]).chain(rest.collect::<Vec<_>>()).collect()
}

/// NumPy's order.
pub(super) fn compare(a: Literal, b: Literal) -> Ordering {
    let less = |a, b| apply(ElementwiseOp::Less, &[a, b]).bits() != 0;
    match (is_nan(a), is_nan(b)) {
        (false, false) if less(a, b) => Ordering::Less,
        (false, false) if less(b, a) => Ordering::Greater,
        (a, b) => a.cmp(&b),
    }
}

fn sorted(row: &[Literal], order: Order) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..row.len()).collect();
    positions.sort_by(|&i, &j| match order {
        Order::Ascending => compare(row[i], row[j]),
        Order::Descending => compare(row[j], row[i]),
    });
    positions
}
