//! How a value is read: the memory under a chain of views, an offset, and a stride per dimension.

use raptors_ir::{DimSlice, Graph, Layout, NodeId, Op, Part, Shape, Strides};

/// What stands at the end of a chain of views.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Root {
    /// A parameter's memory.
    Parameter(u32),
    /// A parameter passed by value.
    Scalar(u32),
    /// A constant node.
    Constant(NodeId),
    /// An iota: no memory, the element is its own index.
    Iota(NodeId),
    /// A node whose value is stored, row-major.
    Value(NodeId),
}

/// A strided look at a root. Offset and strides are in bytes; in elements for an iota.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    /// What is read.
    pub root: Root,
    /// Distance from the root's first element to the first element read.
    pub offset: isize,
    /// Distance between neighbours, per dimension of the value.
    pub strides: Strides,
}

/// How the value of `id` is read; `None` where a reshape cannot be expressed by strides.
pub fn access(graph: &Graph, id: NodeId) -> Option<Access> {
    let mut chain = Vec::new();
    let mut root = id;
    while graph.op(root).is_view() {
        chain.push(root);
        root = graph.operands(root)[0];
    }
    let mut access = root_access(graph, root);
    let mut shape = graph.shape(root);
    for &view in chain.iter().rev() {
        access.strides = match graph.op(view) {
            Op::Part(part) => {
                access.offset += part.offset(graph.node(graph.operands(view)[0]).ty.dtype) as isize;
                continue;
            }
            Op::Slice(dims) => slice(&mut access, dims),
            Op::Permute(axes) => axes.iter().map(|&axis| access.strides[axis]).collect(),
            Op::Broadcast(target) => broadcast_strides(shape, &access.strides, target),
            Op::Reshape(target) => reshape_strides(shape, &access.strides, target)?,
            op => unreachable!("{} is not a view", op.name()),
        };
        shape = graph.shape(view);
    }
    Some(access)
}

/// The node under the views of `id`.
pub fn root_of(graph: &Graph, mut id: NodeId) -> NodeId {
    while graph.op(id).is_view() {
        id = graph.operands(id)[0];
    }
    id
}

/// The part of complex numbers that the views of `id` leave, if one of them does.
pub fn part_of(graph: &Graph, mut id: NodeId) -> Option<Part> {
    while graph.op(id).is_view() {
        if let Op::Part(part) = *graph.op(id) {
            return Some(part);
        }
        id = graph.operands(id)[0];
    }
    None
}

fn root_access(graph: &Graph, root: NodeId) -> Access {
    let ty = &graph.node(root).ty;
    let row_major = || ty.shape.row_major_strides(ty.dtype.size());
    let (root, strides) = match graph.op(root) {
        Op::Parameter(n) => match &graph.parameters()[*n as usize].layout {
            Layout::Scalar => (Root::Scalar(*n), Strides::new()),
            Layout::RowMajor => (Root::Parameter(*n), row_major()),
            Layout::Strided { strides, .. } => (Root::Parameter(*n), strides.clone()),
        },
        Op::Constant(_) => (Root::Constant(root), Strides::new()),
        Op::Iota(_) => (Root::Iota(root), Strides::from_elem(1, 1)),
        _ => (Root::Value(root), row_major()),
    };
    Access { root, offset: 0, strides }
}

fn slice(access: &mut Access, dims: &[DimSlice]) -> Strides {
    let mut strides = access.strides.clone();
    let empty = dims.iter().any(|dim| dim.len == 0);
    for (stride, dim) in strides.iter_mut().zip(dims) {
        if !empty {
            access.offset += *stride * dim.start as isize;
        }
        // A step over a dimension of one element is never taken, and may be arbitrarily large.
        *stride = if dim.len > 1 { *stride * dim.step } else { 0 };
    }
    strides
}

/// The strides that read an array of `shape` as if repeated to `target`.
pub fn broadcast_strides(shape: &Shape, strides: &[isize], target: &[usize]) -> Strides {
    let lead = target.len() - shape.len();
    let mut result: Strides = Strides::from_elem(0, target.len());
    for (i, (&dim, &stride)) in shape.iter().zip(strides).enumerate() {
        if dim == target[lead + i] && dim != 1 {
            result[lead + i] = stride;
        }
    }
    result
}

/// The strides that read an array of `shape` as `target` in row-major order, where there are such.
///
/// Dimensions are matched in groups of equal element count; a group of the source must be evenly strided.
pub fn reshape_strides(shape: &Shape, strides: &[isize], target: &Shape) -> Option<Strides> {
    if shape.size() == 0 {
        return Some(target.row_major_strides(1));
    }
    let old: Vec<(usize, isize)> =
        shape.iter().copied().zip(strides.iter().copied()).filter(|&(dim, _)| dim != 1).collect();
    let mut result: Strides = Strides::from_elem(0, target.len());
    let (mut from, mut to) = (0, 0);
    while from < old.len() {
        let (mut old_end, mut new_end) = (from + 1, to);
        let mut old_size = old[from].0;
        let mut new_size = 1;
        while new_size != old_size {
            if new_size < old_size {
                new_size *= target[new_end];
                new_end += 1;
            } else {
                old_size *= old[old_end].0;
                old_end += 1;
            }
        }
        let evenly_strided =
            old[from..old_end].windows(2).all(|pair| pair[0].1 == pair[1].1 * pair[1].0 as isize);
        if !evenly_strided {
            return None;
        }
        let mut stride = old[old_end - 1].1;
        for i in (to..new_end).rev() {
            result[i] = stride;
            stride *= target[i] as isize;
        }
        (from, to) = (old_end, new_end);
    }
    Some(result)
}
