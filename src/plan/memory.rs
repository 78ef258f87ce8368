//! Which value is in which memory, and for how long.

use raptors_ir::{Graph, Layout, NodeId, Op, Slot};
use raptors_passes::access::root_of;

/// A value's stay in some memory, in kernels, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    pub(super) node: NodeId,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// What the memory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// The caller's, which is only read.
    Input,
    /// The caller's, who lets it be overwritten.
    Donated,
    /// Holds the n-th result at the end.
    Result(usize),
    /// Given by the caller for the n-th result.
    Out(usize),
    /// Needed between kernels only.
    Intermediate,
}

/// A piece of memory, and the values that live in it, in order.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) slot: Slot,
    pub(super) bytes: usize,
    pub(super) role: Role,
    pub(super) stays: Vec<Stay>,
}

/// Every memory of a placed graph: inputs in memory, then the places of the arena, buffers, and what
/// was given for results.
pub(super) fn places(graph: &Graph) -> Vec<Place> {
    let region_of = graph.region_of();
    let end = graph.regions().len().saturating_sub(1);
    let mut last_read: Vec<Option<usize>> = vec![None; graph.len()];
    for (region, nodes) in graph.regions().iter().enumerate() {
        for operand in nodes.iter().flat_map(|&node| graph.operands(node)) {
            last_read[root_of(graph, operand).index()] = Some(region);
        }
    }
    for output in graph.outputs() {
        last_read[output.node.index()] = Some(end);
    }
    let mut places: Vec<Place> = Vec::new();
    for id in graph.ids() {
        let (slot, from) = match (graph.op(id), graph.slot(id), region_of[id.index()]) {
            (Op::Parameter(n), ..) if graph.parameters()[*n as usize].layout != Layout::Scalar => {
                (Slot::Parameter(*n), 0)
            }
            (_, Some(slot), Some(region)) => (slot, region.0 as usize),
            _ => continue,
        };
        let stay = Stay { node: id, from, to: last_read[id.index()].unwrap_or(from) };
        match places.iter_mut().find(|place| place.slot == slot) {
            Some(place) => {
                place.stays.push(stay);
                place.bytes = place.bytes.max(graph.bytes(id));
            }
            None => places.push(Place {
                slot,
                bytes: match slot {
                    Slot::Buffer(buffer) => {
                        graph.buffers().get(buffer.0 as usize).copied().unwrap_or_default()
                    }
                    Slot::Arena(_) | Slot::Parameter(_) | Slot::Output(_) => graph.bytes(id),
                },
                role: role(graph, slot),
                stays: vec![stay],
            }),
        }
    }
    for place in &mut places {
        place.stays.sort_by_key(|stay| stay.from);
    }
    places.sort_by_key(|place| match place.slot {
        Slot::Parameter(n) => (0, n as usize),
        Slot::Arena(offset) => (1, offset),
        Slot::Buffer(buffer) => (2, buffer.0 as usize),
        Slot::Output(n) => (3, n as usize),
    });
    places
}

fn role(graph: &Graph, slot: Slot) -> Role {
    let result = graph.outputs().iter().position(|output| graph.slot(output.node) == Some(slot));
    match (slot, result) {
        (Slot::Output(n), _) => Role::Out(n as usize),
        (Slot::Buffer(_), Some(n)) => Role::Result(n),
        (Slot::Arena(_), _) | (Slot::Buffer(_), None) => Role::Intermediate,
        (Slot::Parameter(n), _) if graph.parameters()[n as usize].donated => Role::Donated,
        (Slot::Parameter(_), Some(n)) => Role::Out(n),
        (Slot::Parameter(_), None) => Role::Input,
    }
}

impl Place {
    /// A column a kernel, at most `most` of them: the letter of the value that lives there, `.` where none does.
    pub(super) fn bar(&self, kernels: usize, most: usize) -> String {
        let columns = kernels.clamp(1, most);
        let column_of = |kernel: usize| kernel * columns / kernels.max(1);
        let mut bar = vec!['.'; columns];
        for (n, stay) in self.stays.iter().enumerate() {
            let letter = char::from(b'a' + (n % 26) as u8);
            bar[column_of(stay.from)..=column_of(stay.to).min(columns - 1)].fill(letter);
        }
        bar.into_iter().collect()
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Role::Input => f.write_str("input"),
            Role::Donated => f.write_str("donated"),
            Role::Result(n) => write!(f, "result {n}"),
            Role::Out(n) => write!(f, "out {n}"),
            Role::Intermediate => f.write_str("intermediate"),
        }
    }
}
