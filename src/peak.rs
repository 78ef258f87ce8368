//! What is in memory when most is: the table of a run that would need more than it may.

use std::cmp::Reverse;

use raptors_ir::{Graph, NodeId, Slot};
use raptors_passes::access::root_of;

use crate::compile::Compiled;
use crate::error::{AliveValue, Error};

/// Refuses a program that allocates more than `most` bytes.
pub(crate) fn check(compiled: &Compiled, most: Option<usize>) -> Result<(), Error> {
    let Some(most) = most else { return Ok(()) };
    let needed = compiled.program.most_bytes();
    if needed <= most {
        return Ok(());
    }
    Err(Error::MemoryLimit { needed, most, alive: alive_at_peak(&compiled.optimized) })
}

/// The values in memory of the run when those have most bytes together, largest first. Memory of results is there from
/// the beginning, and lent to values between, which do not count then.
fn alive_at_peak(graph: &Graph) -> Vec<AliveValue> {
    let regions = graph.regions().len();
    let mut first = vec![0; graph.len()];
    let mut end = vec![0; graph.len()];
    for (region, nodes) in graph.regions().iter().enumerate() {
        let written: Vec<Slot> = nodes.iter().filter_map(|&node| graph.slot(node)).collect();
        for &node in nodes {
            (first[node.index()], end[node.index()]) = (region, region + 1);
            for operand in graph.operands(node) {
                let root = root_of(graph, operand);
                let overwritten = graph.slot(root).is_some_and(|slot| written.contains(&slot));
                end[root.index()] = region + usize::from(!overwritten || nodes.contains(&root));
            }
        }
    }
    let mut is_result = vec![false; graph.len()];
    for output in graph.outputs() {
        let node = output.node.index();
        (first[node], end[node], is_result[node]) = (0, regions, true);
    }
    let alive: Vec<NodeId> = graph
        .ids()
        .filter(|&id| match graph.slot(id) {
            Some(Slot::Arena(_)) => true,
            Some(Slot::Buffer(_)) => is_result[id.index()],
            Some(Slot::Parameter(_) | Slot::Output(_)) | None => false,
        })
        .collect();
    let mut growth = vec![0i128; regions + 1];
    for &id in &alive {
        growth[first[id.index()]] += graph.bytes(id) as i128;
        growth[end[id.index()]] -= graph.bytes(id) as i128;
    }
    let (mut bytes, mut most, mut peak) = (0, -1, 0);
    for (region, growth) in growth.iter().enumerate() {
        bytes += growth;
        if bytes > most {
            (most, peak) = (bytes, region);
        }
    }
    let mut values: Vec<AliveValue> = alive
        .into_iter()
        .filter(|id| (first[id.index()]..end[id.index()]).contains(&peak))
        .map(|id| AliveValue {
            op: graph.op(id).name(),
            ty: graph.node(id).ty.clone(),
            bytes: graph.bytes(id),
            is_result: is_result[id.index()],
            source: graph.node(id).source,
        })
        .collect();
    values.sort_by_key(|value| Reverse(value.bytes));
    values
}
