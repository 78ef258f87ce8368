//! What drawings show of a graph: boxes, frames round the nodes of a kernel, and edges.
//!
//! Scalars stand in the label of the op that takes them. A large graph is drawn as its kernels, one box each.

use raptors_ir::{Graph, Layout, NodeId, Op};
use raptors_passes::access::root_of;

/// What a box is, which decides its look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    Input,
    Op,
    /// Reads other memory with other strides, and computes nothing.
    View,
    Kernel,
}

impl Look {
    pub(super) fn name(self) -> &'static str {
        match self {
            Look::Input => "input",
            Look::Op => "op",
            Look::View => "view",
            Look::Kernel => "kernel",
        }
    }
}

/// A box.
#[derive(Debug)]
pub(super) struct Card {
    /// The node's name, `%3`, or the kernel's, `k1`.
    pub(super) name: String,
    pub(super) title: String,
    pub(super) detail: String,
    pub(super) look: Look,
    pub(super) is_result: bool,
    pub(super) frame: Option<usize>,
}

/// Boxes, the titles of frames, and edges between boxes.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) cards: Vec<Card>,
    pub(super) frames: Vec<String>,
    pub(super) edges: Vec<(usize, usize)>,
}

impl Picture {
    /// Every node, under its name.
    pub(super) fn of(graph: &Graph, names: &[NodeId]) -> Picture {
        let mut picture = Picture {
            frames: (0..graph.regions().len()).map(|n| format!("kernel {n}")).collect(),
            ..Picture::default()
        };
        let region_of = graph.region_of();
        let scalars = scalars(graph);
        let mut card_of: Vec<Option<usize>> = vec![None; graph.len()];
        for id in graph.ids().filter(|id| scalars[id.index()].is_none()) {
            let node = graph.node(id);
            let operands = graph.operands(id);
            let slot = graph.slot(id).map(|slot| format!(" in {slot}")).unwrap_or_default();
            card_of[id.index()] = Some(picture.cards.len());
            picture.cards.push(Card {
                name: names[id.index()].to_string(),
                title: title(graph, id, &scalars),
                detail: format!("{}{slot}", node.ty),
                look: look(&node.op),
                is_result: graph.outputs().iter().any(|output| output.node == id),
                frame: region_of[id.index()].map(|region| region.0 as usize),
            });
            let card = picture.cards.len() - 1;
            let mut from: Vec<usize> =
                operands.iter().filter_map(|operand| card_of[operand.index()]).collect();
            from.dedup();
            picture.edges.extend(from.into_iter().map(|operand| (operand, card)));
        }
        picture
    }

    /// One box for each kernel and for each input that kernels read; at most `most`, and how many are left out.
    pub(super) fn of_kernels(graph: &Graph, most: usize) -> (Picture, usize) {
        let mut picture = Picture::default();
        let region_of = graph.region_of();
        let mut card_of: Vec<Option<usize>> = vec![None; graph.len()];
        for (number, nodes) in graph.regions().iter().take(most).enumerate() {
            let mut from = Vec::new();
            for &node in nodes {
                for operand in graph.operands(node) {
                    let root = root_of(graph, operand);
                    if region_of[root.index()].is_some_and(|region| region.0 as usize == number) {
                        continue;
                    }
                    let is_memory = matches!(graph.op(root), Op::Parameter(n)
                        if graph.parameters()[*n as usize].layout != Layout::Scalar);
                    if is_memory && card_of[root.index()].is_none() {
                        card_of[root.index()] = Some(picture.cards.len());
                        picture.cards.push(Card {
                            name: root.to_string(),
                            title: title(graph, root, &[]),
                            detail: graph.node(root).ty.to_string(),
                            look: Look::Input,
                            is_result: false,
                            frame: None,
                        });
                    }
                    from.extend(card_of[root.index()]);
                }
            }
            from.sort_unstable();
            from.dedup();
            let card = picture.cards.len();
            let mut stored: Vec<String> = Vec::new();
            for &node in nodes {
                card_of[node.index()] = Some(card);
                stored.extend(graph.slot(node).map(|slot| format!("{} in {slot}", graph.node(node).ty)));
            }
            let more =
                if stored.len() > 1 { format!(" and {} more", stored.len() - 1) } else { String::new() };
            picture.cards.push(Card {
                name: format!("k{number}"),
                title: format!("kernel {number}: {}", ops(graph, nodes, 4)),
                detail: stored.first().map(|first| format!("{first}{more}")).unwrap_or_default(),
                look: Look::Kernel,
                is_result: nodes.iter().any(|&node| graph.outputs().iter().any(|output| output.node == node)),
                frame: None,
            });
            picture.edges.extend(from.into_iter().map(|operand| (operand, card)));
        }
        (picture, graph.regions().len().saturating_sub(most))
    }
}

/// Op names of a kernel in order, the middle of more than `most` left out.
pub(super) fn ops(graph: &Graph, nodes: &[NodeId], most: usize) -> String {
    let ops: Vec<&str> = nodes.iter().map(|&node| graph.op(node).name()).collect();
    if ops.len() <= most {
        return ops.join(", ");
    }
    let (head, tail) = (most.div_ceil(2), most / 2);
    let rest = ops.len() - head - tail;
    format!("{}, ... {rest} more ..., {}", ops[..head].join(", "), ops[ops.len() - tail..].join(", "))
}

/// The text of each scalar that is drawn in its users' labels.
fn scalars(graph: &Graph) -> Vec<Option<String>> {
    let mut scalars: Vec<Option<String>> = vec![None; graph.len()];
    for id in graph.ids() {
        if graph.outputs().iter().any(|output| output.node == id) || graph.slot(id).is_some() {
            continue;
        }
        scalars[id.index()] = match graph.op(id) {
            Op::Constant(literal) => Some(literal.to_string()),
            Op::Parameter(n) if graph.parameters()[*n as usize].layout == Layout::Scalar => {
                Some(format!("p{n}"))
            }
            Op::Broadcast(_) | Op::Reshape(_) => scalars[graph.operands(id)[0].index()].clone(),
            _ => None,
        };
    }
    scalars
}

fn title(graph: &Graph, id: NodeId, scalars: &[Option<String>]) -> String {
    let op = graph.op(id);
    match op {
        Op::Parameter(n) => {
            let donated = if graph.parameters()[*n as usize].donated { ", donated" } else { "" };
            return format!("input {n}{donated}");
        }
        Op::Reduce(op, axes) => return format!("{} over {axes:?}", op.name()),
        Op::Permute(axes) => return format!("permute {axes:?}"),
        _ => {}
    }
    let operands = graph.operands(id);
    let scalar = |operand: &NodeId| scalars.get(operand.index()).and_then(Option::as_deref);
    if operands.iter().all(|operand| scalar(operand).is_none()) {
        return op.name().to_owned();
    }
    let arguments: Vec<&str> = operands.iter().map(|operand| scalar(operand).unwrap_or("·")).collect();
    format!("{}({})", op.name(), arguments.join(", "))
}

fn look(op: &Op) -> Look {
    match op {
        Op::Parameter(_) => Look::Input,
        Op::Slice(_) | Op::Reshape(_) | Op::Broadcast(_) | Op::Permute(_) => Look::View,
        _ => Look::Op,
    }
}
