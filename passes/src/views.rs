//! Views: joined, dropped where they change nothing, and moved towards inputs.
//!
//! A slice of elementwise work computes elements that nobody reads; `slice(f(x))` becomes `f(slice(x))` when the slice
//! is the only user. Where all users are joins, as in padding, a small slice moves too: what it reads is computed twice, so
//! that nothing is stored for it (`joins`). A permutation moves the same way, so that it costs a stride instead of a pass over memory, and a
//! reshape does where the operands can be reshaped without a copy. A slice also moves before other views and before
//! joins. A broadcast moves the other way: work on operands that are all repeated is done once, and its result
//! repeated, where that saves more than the step it takes. All of it is exact: an elementwise op gives the same value
//! wherever its element stands.

mod joins;
mod slice;

use raptors_ir::{DimSlice, Dims, Graph, Node, NodeId, Op, Operands, Shape, Source};

use joins::Repeats;

use crate::access::access;
use crate::rewrite::{WORTH_A_STEP, rewrite};
use crate::{Ledger, Options};

/// How many elementwise levels one view is moved across. Bounds the recursion, not what is right.
const MAX_DEPTH: usize = 64;

/// Returns `graph` with its views simplified.
pub fn run(graph: &Graph, _options: &Options, ledger: &mut Ledger) -> Graph {
    if !graph.ids().any(|id| graph.op(id).is_view()) {
        return graph.unplaced();
    }
    let mut shared = vec![false; graph.len()];
    for id in graph.ids() {
        shared[id.index()] = graph.users(id).nth(1).is_some();
    }
    for output in graph.outputs() {
        shared[output.node.index()] = true;
    }
    // Whether a node of the new graph has users other than the one being built.
    let mut pinned: Vec<bool> = Vec::with_capacity(graph.len());
    let joined = joins::joined(graph);
    let mut repeats = Repeats::default();
    rewrite(graph, |new, id, node, operands| {
        pinned.resize(new.len(), false);
        repeats.grow(new);
        for (old, &mapped) in graph.operands(id).iter().zip(operands) {
            pinned[mapped.index()] |= shared[old.index()];
            repeats.note_user(mapped, joined[old.index()]);
        }
        repeats.is_for_join = joined[id.index()];
        let mut builder =
            Builder { new, pinned: &mut pinned, repeats: &mut repeats, ledger, source: node.source };
        if node.op.is_view() {
            builder.view(&node.op, operands[0], MAX_DEPTH)
        } else if node.op.is_elementwise() {
            builder.elementwise(node, operands)
        } else {
            new.push_node(node.clone(), operands)
        }
    })
}

struct Builder<'a> {
    new: &'a mut Graph,
    pinned: &'a mut Vec<bool>,
    repeats: &'a mut Repeats,
    ledger: &'a mut Ledger,
    source: Option<Source>,
}

impl Builder<'_> {
    /// The node for `op`, a view, of `x`.
    fn view(&mut self, op: &Op, x: NodeId, depth: usize) -> NodeId {
        if changes_nothing(op, self.new.shape(x)) {
            return x;
        }
        if let Some((joined, inner)) = self.join(op, x) {
            self.ledger.applied("views", "join-views", self.new, x, "two views became one");
            return self.view(&joined, inner, depth);
        }
        if depth > 0
            && let Op::Slice(dims) = op
            && let Some(moved) = self.slice_before_view(dims, x, depth - 1)
        {
            return moved;
        }
        if depth > 0
            && (!self.is_pinned(x) || self.may_repeat(op, x))
            && let Some(moved) = self.move_up(op, x, depth - 1)
        {
            return moved;
        }
        self.push(op.clone(), &[x], self.source)
    }

    fn is_pinned(&self, x: NodeId) -> bool {
        self.pinned.get(x.index()).copied().unwrap_or(false)
    }

    fn pin(&mut self, x: NodeId) {
        self.pinned.resize(self.new.len(), false);
        self.pinned[x.index()] = true;
    }

    fn push(&mut self, op: Op, operands: &[NodeId], source: Option<Source>) -> NodeId {
        match self.new.push(op, operands, source) {
            Ok(id) => id,
            Err(error) => unreachable!("moving a view keeps types right: {error}"),
        }
    }

    /// `op` and the view `x` as one view of `x`'s operand.
    fn join(&self, op: &Op, x: NodeId) -> Option<(Op, NodeId)> {
        let joined = match (op, self.new.op(x)) {
            (Op::Slice(outer), Op::Slice(inner)) => Op::Slice(
                outer.iter().zip(inner).map(|(outer, inner)| slice_of_slice(*outer, *inner)).collect(),
            ),
            (Op::Permute(outer), Op::Permute(inner)) => {
                Op::Permute(outer.iter().map(|&axis| inner[axis]).collect())
            }
            (Op::Reshape(shape), Op::Reshape(_)) => Op::Reshape(shape.clone()),
            (Op::Broadcast(shape), Op::Broadcast(_)) => Op::Broadcast(shape.clone()),
            _ => return None,
        };
        Some((joined, self.new.operands(x)[0]))
    }

    /// The view `op` applied to the operands of `x` instead of to `x`.
    fn move_up(&mut self, op: &Op, x: NodeId, depth: usize) -> Option<NodeId> {
        let node = self.new.node(x).clone();
        let operands = self.new.operands(x);
        match (&node.op, op) {
            (elementwise, Op::Slice(_) | Op::Permute(_)) if elementwise.is_elementwise() => {}
            // Scalars alone would not carry the new shape.
            (elementwise, Op::Reshape(_)) if elementwise.is_elementwise() && !node.ty.shape.is_empty() => {
                let free = operands.iter().all(|&operand| {
                    let shape = self.new.shape(operand);
                    shape.is_empty() || (*shape == node.ty.shape && self.reshapes_freely(operand, op))
                });
                if !free {
                    return None;
                }
            }
            (Op::Reduce(_, axes), Op::Slice(dims)) if keeps_whole(dims, axes, &node.ty.shape) => {
                let inner = whole_axes(dims, axes, self.new.shape(operands[0]));
                self.ledger.applied(
                    "views",
                    "slice-before-reduce",
                    self.new,
                    x,
                    "only what is read is reduced",
                );
                let operand = self.view(&Op::Slice(inner), operands[0], depth);
                return Some(self.push(node.op, &[operand], node.source));
            }
            (&Op::Concat(axis), Op::Slice(dims)) => return self.slice_before_concat(dims, axis, x, depth),
            _ => return None,
        }
        self.ledger.applied("views", "view-before-elementwise", self.new, x, format!("{} moved", op.name()));
        let moved: Operands =
            operands.iter().map(|&operand| self.view_operand(op, operand, &node, depth)).collect();
        Some(self.push(node.op, &moved, node.source))
    }

    /// The part of a view of an elementwise `node` that falls on one operand, which may have been broadcast.
    fn view_operand(&mut self, op: &Op, operand: NodeId, node: &Node, depth: usize) -> NodeId {
        let shape = self.new.shape(operand).clone();
        if shape.is_empty() {
            return operand;
        }
        let lead = node.ty.shape.len() - shape.len();
        match op {
            Op::Slice(dims) => {
                let dims = shape.iter().zip(&dims[lead..]).zip(&node.ty.shape[lead..]);
                let dims = dims
                    .map(
                        |((&len, dim), &full)| {
                            if len == full { *dim } else { DimSlice { start: 0, len: 1, step: 1 } }
                        },
                    )
                    .collect();
                self.view(&Op::Slice(dims), operand, depth)
            }
            Op::Permute(_) => {
                let mut full: Dims = Dims::from_elem(1, lead);
                full.extend_from_slice(&shape);
                let full = match Shape::from_dims(full) {
                    Ok(full) => full,
                    Err(error) => unreachable!("leading ones keep a shape valid: {error}"),
                };
                let operand = self.view(&Op::Reshape(full), operand, 0);
                self.view(op, operand, depth)
            }
            _ => self.view(op, operand, depth),
        }
    }

    fn reshapes_freely(&self, operand: NodeId, reshape: &Op) -> bool {
        let Op::Reshape(target) = reshape else { return false };
        access(self.new, operand).is_some_and(|access| {
            crate::access::reshape_strides(self.new.shape(operand), &access.strides, target).is_some()
        })
    }

    /// The elementwise `node` of these operands: without broadcasts that it would do itself, and before those that
    /// repeat its result.
    fn elementwise(&mut self, node: &Node, operands: &Operands) -> NodeId {
        let operands = self.without_implied_broadcasts(&node.ty.shape, operands);
        let once: Operands = operands
            .iter()
            .map(|&operand| match self.new.op(operand) {
                Op::Broadcast(_) => self.new.operands(operand)[0],
                _ => operand,
            })
            .collect();
        // A copy is there for the memory that it fills.
        if once == operands
            || node.op == Op::Copy
            || node.ty.shape.size() < self.size_of(&once).saturating_add(WORTH_A_STEP)
        {
            return self.new.push_node(node.clone(), &operands);
        }
        let value = self.push(node.op.clone(), &once, node.source);
        self.ledger.applied(
            "views",
            "broadcast-after-elementwise",
            self.new,
            value,
            "computed once for all repeats",
        );
        self.view(&Op::Broadcast(node.ty.shape.clone()), value, 0)
    }

    /// The elements of an elementwise result of these operands.
    fn size_of(&self, operands: &Operands) -> usize {
        let shape = operands
            .iter()
            .try_fold(Shape::scalar(), |shape, &operand| shape.broadcast(self.new.shape(operand)));
        shape.map_or(usize::MAX, |shape| shape.size())
    }

    /// The operands without broadcasts that the elementwise op would do itself.
    fn without_implied_broadcasts(&mut self, shape: &Shape, operands: &Operands) -> Operands {
        let mut result = operands.clone();
        for i in 0..result.len() {
            if !matches!(self.new.op(result[i]), Op::Broadcast(_)) {
                continue;
            }
            let mut candidate = result.clone();
            candidate[i] = self.new.operands(result[i])[0];
            let broadcast = candidate
                .iter()
                .try_fold(Shape::scalar(), |shape, &operand| shape.broadcast(self.new.shape(operand)));
            if broadcast.as_ref() == Some(shape) {
                result = candidate;
            }
        }
        result
    }
}

fn changes_nothing(op: &Op, shape: &Shape) -> bool {
    match op {
        Op::Slice(dims) => dims
            .iter()
            .zip(shape.iter())
            .all(|(dim, &len)| dim.start == 0 && dim.len == len && (dim.step == 1 || len <= 1)),
        Op::Reshape(target) | Op::Broadcast(target) => target == shape,
        Op::Permute(axes) => axes.iter().enumerate().all(|(i, &axis)| i == axis),
        _ => false,
    }
}

fn slice_of_slice(outer: DimSlice, inner: DimSlice) -> DimSlice {
    if outer.len == 0 {
        return DimSlice { start: 0, len: 0, step: 1 };
    }
    let start = inner.start as isize + outer.start as isize * inner.step;
    // A single element needs no step, and the product of two large ones might overflow.
    let step = if outer.len == 1 { 1 } else { outer.step * inner.step };
    DimSlice { start: start as usize, len: outer.len, step }
}

/// Whether the slice leaves the reduced axes, of length 1, alone.
fn keeps_whole(dims: &[DimSlice], axes: &[usize], reduced: &Shape) -> bool {
    axes.iter().all(|&axis| dims[axis].len == reduced[axis])
}

fn whole_axes(dims: &[DimSlice], axes: &[usize], shape: &Shape) -> Vec<DimSlice> {
    let mut dims = dims.to_vec();
    for &axis in axes {
        dims[axis] = DimSlice { start: 0, len: shape[axis], step: 1 };
    }
    dims
}
