//! What library ops compute, row by row.

use std::cmp::Ordering;

use raptors_ir::{DType, ElementwiseOp, LibraryOp, Literal, Order, Shape, Side, Write, scalar};

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
        LibraryOp::Gather { axes } => {
            let element = |flat| x.elements[place(x, axes, &operands[1..], &unravel(flat, shape))];
            (0..shape.size()).map(element).collect()
        }
        LibraryOp::Scatter { axes, write } => scatter(axes, *write, operands),
        LibraryOp::Compress { .. } => {
            selected(&operands[1]).into_iter().map(|i| operands[0].elements[i]).collect()
        }
        LibraryOp::Positions { .. } => selected(x).into_iter().map(|i| Literal::new(i as i64)).collect(),
        LibraryOp::Searchsorted { side } => {
            let is_before = |x: &&Literal, value| match side {
                Side::Left => compare(**x, value) == Ordering::Less,
                Side::Right => compare(**x, value) != Ordering::Greater,
            };
            let position = |&value| x.elements.iter().filter(|x| is_before(x, value)).count();
            operands[1].elements.iter().map(|value| Literal::new(position(value) as i64)).collect()
        }
        LibraryOp::Bincount { length } => (0..*length as i64)
            .map(|number| x.elements.iter().filter(|&&x| integer(x) == number).count())
            .map(|count| Literal::new(count as i64))
            .collect(),
        LibraryOp::Partition { .. } | LibraryOp::Argpartition { .. } => {
            panic!("{} of {shape} has more than one answer", op.name())
        }
    }
}

fn integer(x: Literal) -> i64 {
    scalar::cast(x, DType::I64).and_then(|x| x.get::<i64>()).unwrap()
}

/// Where a mask is true.
fn selected(mask: &Operand<'_>) -> Vec<usize> {
    (0..mask.elements.len()).filter(|&i| mask.elements[i].bits() != 0).collect()
}

/// The element of `x` that indices for the axes name at an index.
fn place(x: &Operand<'_>, axes: &[usize], indices: &[Operand<'_>], index: &[usize]) -> usize {
    let mut place: Vec<usize> =
        index.iter().zip(x.shape().iter()).map(|(&i, &len)| if len == 1 { 0 } else { i }).collect();
    for (&axis, positions) in axes.iter().zip(indices) {
        let (position, len) = (integer(positions.at(index)), x.shape()[axis] as i64);
        let from_start = if position < 0 { position + len } else { position };
        assert!((0..len).contains(&from_start), "{position} is out of bounds for {len}");
        place[axis] = from_start as usize;
    }
    ravel(&place, x.shape())
}

fn scatter(axes: &[usize], write: Write, operands: &[Operand<'_>]) -> Array {
    let [x, indices @ .., values] = operands else { panic!("a scatter has elements and values") };
    let shape = indices
        .iter()
        .fold(x.shape().with_reduced(axes), |shape, index| shape.broadcast(index.shape()).unwrap());
    let mut result = x.elements.to_vec();
    for flat in 0..shape.size() {
        let index = unravel(flat, &shape);
        let element = &mut result[place(x, axes, indices, &index)];
        let value = values.at(&index);
        *element = match write {
            Write::Set => value,
            Write::Add => apply(ElementwiseOp::Add, &[*element, value]),
        };
    }
    result
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
