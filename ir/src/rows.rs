//! Rows: how values lie to the rows that the reductions of a region combine.
//!
//! A region that uses its own reductions runs in phases, a block of rows at a time. Its nodes are over the whole space,
//! or have one element per row. What is used of a row must be computed from that row: [`Rows::reads_own_row`] is the
//! proof, from the views between a value and its user.

use smallvec::SmallVec;

use crate::{Dims, Graph, NodeId, Op, Shape};

/// An iteration space, and the axes of it that reductions combine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rows {
    space: Shape,
    axes: Dims,
    /// The space with the reduced axes at length 1.
    kept: Shape,
    are_distinct: bool,
}

impl Rows {
    /// The rows along `axes` of `space`.
    pub fn new(space: Shape, axes: Dims) -> Rows {
        let kept = space.with_reduced(&axes);
        let are_distinct = !kept.is_alike(&space);
        Rows { space, axes, kept, are_distinct }
    }

    /// The rows of the reductions among `nodes`; `None` where there are none.
    pub fn of(graph: &Graph, nodes: &[NodeId]) -> Option<Rows> {
        nodes.iter().find_map(|&node| match graph.op(node) {
            Op::Reduce(_, axes) => {
                Some(Rows::new(graph.shape(graph.operands(node)[0]).clone(), axes.clone()))
            }
            _ => None,
        })
    }

    /// The whole space.
    pub fn space(&self) -> &Shape {
        &self.space
    }

    /// The reduced axes.
    pub fn axes(&self) -> &Dims {
        &self.axes
    }

    /// The shape of one element per row: reduced axes have length 1.
    pub fn kept(&self) -> &Shape {
        &self.kept
    }

    /// Elements of a row.
    pub fn len(&self) -> usize {
        self.axes.iter().map(|&axis| self.space[axis]).product()
    }

    /// Whether rows have no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether rows are told from their elements by shape: not where each has one element.
    pub fn are_distinct(&self) -> bool {
        self.are_distinct
    }

    /// Whether each row is a run of consecutive elements in row-major order.
    pub fn are_consecutive(&self) -> bool {
        let long = (0..self.space.len()).filter(|&dim| self.space[dim] != 1);
        long.map(|dim| self.axes.contains(&dim)).is_sorted()
    }

    /// Whether a value of this shape has one element per row.
    pub fn is_per_row(&self, shape: &Shape) -> bool {
        self.are_distinct() && shape.is_alike(&self.kept)
    }

    /// Whether `operand`, a look at the value `root` with one element per row, is read by a node over `over` so that each
    /// element meets the value of its own row. `over` is the space or has itself one element per row.
    pub fn reads_own_row(&self, graph: &Graph, operand: NodeId, root: NodeId, over: &Shape) -> bool {
        let own: Option<Axes> = match *over == self.space {
            true => Some((0..over.len()).map(Some).collect()),
            false => over.longer_axes_in(&self.kept),
        };
        let (Some(own), Some(axes)) = (own, self.axes_of(graph, operand, root)) else { return false };
        let shape = graph.shape(operand);
        let Some(lead) = own.len().checked_sub(axes.len()) else { return false };
        shape.iter().zip(&axes).zip(&own[lead..]).all(|((&dim, &axis), &own)| match axis {
            _ if dim == 1 => true,
            Some(axis) => own == Some(axis),
            // Repeated: along the row it may be.
            None => own.is_some_and(|own| self.axes.contains(&own)),
        })
    }

    /// For each dimension of `operand` the axis of the space that it runs along; `None` for those of length 1 and those
    /// that repeat elements. `None` for a look that leaves out or reorders elements within an axis.
    fn axes_of(&self, graph: &Graph, operand: NodeId, root: NodeId) -> Option<Axes> {
        let mut views = Vec::new();
        let mut inner = operand;
        while inner != root {
            views.push(inner);
            inner = *graph.operands(inner).first()?;
        }
        let mut axes = graph.shape(root).longer_axes_in(&self.kept)?;
        for &view in views.iter().rev() {
            let shape = graph.shape(inner);
            axes = match graph.op(view) {
                Op::Reshape(target) => {
                    let repeats = shape.iter().zip(&axes).any(|(&dim, axis)| dim != 1 && axis.is_none());
                    let places = target.longer_axes_in(shape).filter(|_| !repeats)?;
                    places.iter().map(|place| place.and_then(|place| axes[place])).collect()
                }
                Op::Broadcast(target) => {
                    let lead = target.len() - shape.len();
                    let own = shape.iter().zip(&target[lead..]).zip(&axes);
                    let own = own.map(|((&dim, &full), &axis)| if dim == full { axis } else { None });
                    std::iter::repeat_n(None, lead).chain(own).collect()
                }
                Op::Permute(order) => order.iter().map(|&axis| axes[axis]).collect(),
                _ => return None,
            };
            inner = view;
        }
        Some(axes)
    }
}

type Axes = SmallVec<[Option<usize>; 4]>;
