//! Slices moved before other views, and before joins.

use raptors_ir::{DimSlice, Dims, NodeId, Op, Operands, Shape};

use super::Builder;

/// One element, the first.
const FIRST: DimSlice = DimSlice { start: 0, len: 1, step: 1 };

impl Builder<'_> {
    /// A slice of the view `x`, as that view of a slice. Both cost nothing; what is under the view may be computed in
    /// part then.
    pub(super) fn slice_before_view(&mut self, dims: &[DimSlice], x: NodeId, depth: usize) -> Option<NodeId> {
        let view = self.new.op(x).clone();
        let (outer, inner) = (self.new.shape(x).clone(), *self.new.operands(x).first()?);
        let shape = self.new.shape(inner).clone();
        let (moved, view) = match view {
            Op::Permute(axes) => {
                let mut moved = dims.to_vec();
                for (dim, &axis) in dims.iter().zip(&axes) {
                    moved[axis] = *dim;
                }
                (moved, Op::Permute(axes))
            }
            Op::Broadcast(_) => {
                let lead = outer.len() - shape.len();
                let each = shape.iter().zip(&dims[lead..]).zip(&outer[lead..]);
                let moved = each.map(|((&len, dim), &full)| if len == full { *dim } else { FIRST }).collect();
                (moved, Op::Broadcast(sliced(dims)?))
            }
            Op::Reshape(_) => {
                let places = outer.longer_axes_in(&shape)?;
                let mut moved = vec![FIRST; shape.len()];
                for (dim, place) in dims.iter().zip(places) {
                    match place {
                        Some(axis) => moved[axis] = *dim,
                        None if dim.len == 1 => {}
                        None => return None,
                    }
                }
                (moved, Op::Reshape(sliced(dims)?))
            }
            _ => return None,
        };
        if self.is_pinned(x) {
            self.pin(inner);
        }
        let slice = self.view(&Op::Slice(moved), inner, depth);
        Some(self.view(&view, slice, depth))
    }

    /// A slice of joined operands, as a join of slices of those that it reads; `None` where it reads all elements.
    pub(super) fn slice_before_concat(
        &mut self,
        dims: &[DimSlice],
        axis: usize,
        x: NodeId,
        depth: usize,
    ) -> Option<NodeId> {
        let read: usize = dims.iter().map(|dim| dim.len).product();
        if read == 0 || read == self.new.shape(x).size() {
            return None;
        }
        let (operands, source) = (self.new.operands(x), self.new.node(x).source);
        let lengths: Vec<usize> = operands.iter().map(|&operand| self.new.shape(operand)[axis]).collect();
        self.ledger.applied("views", "slice-before-concat", self.new, x, "only what is read is joined");
        let slices: Operands = parts(dims[axis], &lengths)
            .into_iter()
            .map(|(n, part)| {
                let mut dims = dims.to_vec();
                dims[axis] = part;
                self.view(&Op::Slice(dims), operands[n], depth)
            })
            .collect();
        Some(match slices.as_slice() {
            [single] => *single,
            several => self.push(Op::Concat(axis), several, source),
        })
    }
}

/// The shape of a slice.
fn sliced(dims: &[DimSlice]) -> Option<Shape> {
    Shape::from_dims(dims.iter().map(|dim| dim.len).collect::<Dims>()).ok()
}

/// Which of some joined lengths a slice reads, in its order, and the slice of each.
fn parts(dim: DimSlice, lengths: &[usize]) -> Vec<(usize, DimSlice)> {
    let (start, step, len) = (dim.start as isize, dim.step, dim.len as isize);
    // How many elements the slice reads before it reaches a position, or passes it.
    let before = |position: isize| {
        let steps = match step > 0 {
            true => (position - start + step - 1).div_euclid(step),
            false => (start - position).div_euclid(-step) + 1,
        };
        steps.clamp(0, len)
    };
    let mut parts = Vec::with_capacity(lengths.len());
    let mut low = 0;
    for (n, &length) in lengths.iter().enumerate() {
        let high = low + length as isize;
        let (first, last) = (before(low).min(before(high)), before(low).max(before(high)));
        if first < last {
            let len = (last - first) as usize;
            let start = (start + first * step - low) as usize;
            parts.push((n, DimSlice { start, len, step: if len == 1 { 1 } else { step } }));
        }
        low = high;
    }
    if step < 0 {
        parts.reverse();
    }
    parts
}
