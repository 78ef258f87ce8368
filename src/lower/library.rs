//! Library ops: a step each.

use raptors_ir::{Graph, LibraryOp, NodeId};

use super::{access_of, memory_of, stored};
use crate::program::{LibraryCall, Operand, Spread};

/// The call of the library op `op`, which is node `id`.
pub(super) fn library_call(graph: &Graph, id: NodeId, op: &LibraryOp) -> LibraryCall {
    let operand = |operand: NodeId| {
        let access = access_of(graph, operand);
        let Some((memory, start, swapped)) = memory_of(graph, access.root) else {
            unreachable!("the copies pass gives a library op memory to read")
        };
        let ty = &graph.node(operand).ty;
        let offset = start + access.offset;
        let operand =
            Operand { memory, dtype: ty.dtype, offset, strides: access.strides, swapped, part: None };
        Spread { operand, dims: ty.shape.iter().copied().collect() }
    };
    LibraryCall {
        op: op.clone(),
        operands: graph.operands(id).into_iter().map(operand).collect(),
        result: Spread { operand: stored(graph, id), dims: graph.shape(id).iter().copied().collect() },
    }
}
