//! Matrix products, and the elementwise work that is done on their blocks.

use raptors_ir::{Dims, Graph, NodeId, Shape};
use raptors_passes::access::broadcast_strides;

use super::nest::NestBuilder;
use super::{access_of, memory_of, stored};
use crate::accelerate::blas::Provider;
use crate::error::Error;
use crate::program::{LoopNest, MatrixProduct, Memory, Operand};
use crate::runtime::level::Level;

/// The product `id`, and the other `nodes` of its region as its epilogue.
pub(super) fn matrix_product(
    graph: &Graph,
    id: NodeId,
    nodes: &[NodeId],
    level: Level,
) -> Result<MatrixProduct, Error> {
    let result_shape = graph.shape(id);
    let (batch, _) = result_shape.split_at(result_shape.len() - 2);
    let operands = graph.operands(id);
    let operand = |operand: NodeId| {
        let shape = graph.shape(operand);
        let access = access_of(graph, operand);
        let Some((memory, start, swapped)) = memory_of(graph, access.root) else {
            unreachable!("the copies pass gives a matrix product memory to read")
        };
        let mut full = Dims::from_slice(batch);
        full.extend_from_slice(&shape[shape.len() - 2..]);
        let strides = broadcast_strides(shape, &access.strides, &full);
        Operand {
            memory,
            dtype: graph.node(operand).ty.dtype,
            offset: start + access.offset,
            strides,
            swapped,
            part: None,
        }
    };
    let [rows, inner] = *last_two(graph.shape(operands[0]));
    Ok(MatrixProduct {
        dtype: graph.node(id).ty.dtype,
        dims: [rows, inner, result_shape[result_shape.len() - 1]],
        batch: Dims::from_slice(batch),
        lhs: operand(operands[0]),
        rhs: operand(operands[1]),
        result: graph.slot(id).map(|_| stored(graph, id)),
        epilogue: (nodes.len() > 1).then(|| epilogue(graph, id, nodes, level)).transpose()?,
        provider: Provider::Own,
    })
}

/// The nest of what uses the product `id`, element by element.
fn epilogue(graph: &Graph, id: NodeId, nodes: &[NodeId], level: Level) -> Result<LoopNest, Error> {
    let nodes: Vec<NodeId> = nodes.iter().copied().filter(|&node| node != id).collect();
    let mut builder = NestBuilder::of(graph, &nodes);
    builder.place(id, (Memory::Product, 0));
    builder.lower(&nodes, level)
}

fn last_two(shape: &Shape) -> &[usize; 2] {
    match shape.last_chunk() {
        Some(dims) => dims,
        None => unreachable!("a matrix product's operands are at least 2-d"),
    }
}
