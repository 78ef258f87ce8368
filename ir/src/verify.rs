//! What must hold for every graph, checked.
//!
//! 1. Operands exist and come before their users.
//! 2. A node has the operands its op takes, and the type its op gives for them.
//! 3. Each declared parameter has one node, of the declared type, without operands.
//! 4. A parameter that is passed by value is 0-d; strides are one per dimension, and reach no further than half of
//!    what can be addressed.
//! 5. Results exist. A result that goes into a parameter's memory has that parameter's type, and the parameter is
//!    row-major.
//! 6. Once there are regions, every node except parameters, constants, iotas and views is in exactly one, and those
//!    are in none. No region is empty; its nodes ascend.
//! 7. A region is elementwise nodes and reductions over one iteration space: the shape of
//!    its elementwise nodes and of its reductions' operands. Its reductions have the same axes. Where these are the
//!    last ones, the region may have phases: elementwise nodes with one element per row, and uses of these and of the
//!    reductions, each at its own row. Instead of reductions there may be one matmul, whose result the others use
//!    element by element: directly, or reshaped to the space. Or it is a concat, and elementwise nodes and further
//!    concats that nothing else uses; what a concat uses of them, it uses directly or with other dimensions of length 1.
//!    A library op is alone in its region.
//! 8. Regions are in execution order: what a region uses from elsewhere, directly or through views, is computed by
//!    an earlier one.
//! 9. A value's slot exists and has room for the value. A parameter has none: its memory is the caller's.
//! 10. A parameter's memory is written only if the parameter is row-major, and donated or where a result goes.
//! 11. The memory of result `n` holds that result, or a value last used no later than in the region that computes
//!     the result.
//!
//! Whether values that share a slot disturb each other is not checked here: that is a proof about memory, and belongs
//! to who placed them. Linear in nodes and operands, except that 11 looks at all results for each value.

use crate::{
    Destination, Graph, Layout, NodeId, Op, RegionId, Rows, Shape, Slot, Type, VerifyError, arity, infer,
};

type Result = std::result::Result<(), VerifyError>;

/// Returns the first broken invariant.
pub fn verify(graph: &Graph) -> Result {
    for id in graph.ids() {
        check_node(graph, id)?;
    }
    check_parameters(graph)?;
    check_outputs(graph)?;
    if !graph.regions().is_empty() {
        check_membership(graph)?;
        let roots = Roots::new(graph);
        for region in (0..graph.regions().len() as u32).map(RegionId) {
            check_region(graph, region, &roots)?;
            check_order(graph, region, &roots)?;
        }
    }
    check_slots(graph)
}

fn require(holds: bool, node: NodeId, problem: impl FnOnce() -> String) -> Result {
    if holds { Ok(()) } else { Err(VerifyError { node, problem: problem() }) }
}

fn check_node(graph: &Graph, id: NodeId) -> Result {
    let node = graph.node(id);
    let operands = graph.operands(id);
    for &operand in &operands {
        require(operand < id, id, || format!("operand {operand} does not come before its user"))?;
    }
    let inferred = match node.op {
        Op::Parameter(n) => {
            require(operands.is_empty(), id, || format!("parameter {n} has operands"))?;
            return Ok(());
        }
        _ => {
            if let Some(needed) = arity(&node.op) {
                let given = operands.len();
                require(given == needed, id, || {
                    format!("{} has {given} operands, takes {needed}", node.op.name())
                })?;
            }
            let types: Vec<&Type> = operands.iter().map(|&operand| &graph.node(operand).ty).collect();
            infer(&node.op, &types).map_err(|error| VerifyError { node: id, problem: error.to_string() })?
        }
    };
    require(node.ty == inferred, id, || format!("stored as {}, but its operands give {inferred}", node.ty))
}

fn check_parameters(graph: &Graph) -> Result {
    let parameters = graph.parameters();
    let mut nodes = vec![None; parameters.len()];
    for id in graph.ids() {
        let Op::Parameter(n) = *graph.op(id) else { continue };
        let declared = parameters.len();
        require((n as usize) < declared, id, || format!("parameter {n} of a graph that has {declared}"))?;
        require(nodes[n as usize].is_none(), id, || format!("parameter {n} has two nodes"))?;
        nodes[n as usize] = Some(id);
    }
    for (n, parameter) in parameters.iter().enumerate() {
        let Some(id) = nodes[n] else {
            return Err(VerifyError {
                node: NodeId(n as u32),
                problem: format!("parameter {n} has no node"),
            });
        };
        let ty = &graph.node(id).ty;
        require(*ty == parameter.ty, id, || {
            format!("stored as {ty}, but parameter {n} is {}", parameter.ty)
        })?;
        let ndim = ty.shape.len();
        match &parameter.layout {
            Layout::RowMajor => {}
            Layout::Scalar => {
                require(ndim == 0, id, || format!("{ty} is passed by value, only 0-d parameters can be"))?;
            }
            Layout::Strided { strides, .. } => {
                let given = strides.len();
                require(given == ndim, id, || format!("{given} strides for {ndim} dimensions"))?;
                require(can_be_addressed(&ty.shape, strides), id, || {
                    format!("strides {:?} of {ty} reach further than can be addressed", strides.as_slice())
                })?;
            }
        }
    }
    Ok(())
}

/// Whether the distance between any two elements can be computed with.
fn can_be_addressed(shape: &Shape, strides: &[isize]) -> bool {
    let reach = |sum: usize, (&dim, &stride): (&usize, &isize)| {
        sum.checked_add(if dim > 1 { stride.unsigned_abs().checked_mul(dim)? } else { 0 })
    };
    let reach = shape.iter().zip(strides).try_fold(0, reach);
    reach.is_some_and(|bytes| bytes <= isize::MAX as usize / 2)
}

fn check_outputs(graph: &Graph) -> Result {
    for (n, output) in graph.outputs().iter().enumerate() {
        let id = output.node;
        require(id.index() < graph.len(), id, || format!("result {n} is not a node"))?;
        let Destination::Parameter(p) = output.destination else { continue };
        let ty = &graph.node(id).ty;
        let Some(parameter) = graph.parameters().get(p as usize) else {
            return Err(VerifyError {
                node: id,
                problem: format!("result {n} goes into parameter {p}, which does not exist"),
            });
        };
        require(*ty == parameter.ty, id, || {
            format!("result {n} is {ty}, but parameter {p}, which it goes into, is {}", parameter.ty)
        })?;
        require(parameter.layout == Layout::RowMajor, id, || {
            format!("result {n} goes into parameter {p}, which is not row-major")
        })?;
    }
    Ok(())
}

/// Whether the node runs: parameters, constants and iotas are there, views are looks at others.
fn runs(op: &Op) -> bool {
    !op.is_view() && !matches!(op, Op::Parameter(_) | Op::Constant(_) | Op::Iota(_))
}

fn check_membership(graph: &Graph) -> Result {
    let mut region_of = vec![None; graph.len()];
    for (nodes, region) in graph.regions().iter().zip((0..).map(RegionId)) {
        let Some(&first) = nodes.first() else {
            return Err(VerifyError { node: NodeId(0), problem: format!("region {region} is empty") });
        };
        require(nodes.is_sorted(), first, || format!("the nodes of region {region} do not ascend"))?;
        for &id in nodes {
            require(id.index() < graph.len(), id, || {
                format!("region {region} has a node that does not exist")
            })?;
            let op = graph.op(id);
            require(runs(op), id, || format!("{} is in region {region}, and does not run", op.name()))?;
            if let Some(other) = region_of[id.index()].replace(region) {
                return Err(VerifyError {
                    node: id,
                    problem: format!("in region {other} and in region {region}"),
                });
            }
        }
    }
    for id in graph.ids() {
        let op = graph.op(id);
        require(!runs(op) || region_of[id.index()].is_some(), id, || {
            format!("{} is in no region", op.name())
        })?;
    }
    Ok(())
}

fn check_region(graph: &Graph, region: RegionId, roots: &Roots) -> Result {
    let nodes = &graph.regions()[region.0 as usize];
    let mut space: Option<&Shape> = None;
    let mut reduced_axes = None;
    if let Some(&id) = nodes.iter().find(|&&id| matches!(graph.op(id), Op::Library(_))) {
        return require(nodes.len() == 1, id, || format!("{} shares region {region}", graph.op(id).name()));
    }
    if nodes.iter().any(|&id| matches!(graph.op(id), Op::Concat(_))) {
        return check_concat(graph, region, roots);
    }
    let product = nodes.iter().copied().find(|&id| *graph.op(id) == Op::Matmul);
    let rows = Rows::of(graph, nodes);
    let is_per_row = |id: NodeId| {
        let reduces = matches!(graph.op(id), Op::Reduce(..));
        reduces || rows.as_ref().is_some_and(|rows| rows.is_per_row(graph.shape(id)))
    };
    for &id in nodes {
        let op = graph.op(id);
        let over = match op {
            Op::Matmul => {
                require(product == Some(id), id, || format!("region {region} has two matrix products"))?;
                continue;
            }
            Op::Reduce(_, axes) => {
                require(product.is_none(), id, || {
                    format!("{} shares region {region} with a matmul", op.name())
                })?;
                let expected = *reduced_axes.get_or_insert(axes);
                require(axes == expected, id, || {
                    format!("reduces axes {axes:?}, others of region {region} reduce {expected:?}")
                })?;
                graph.shape(graph.operands(id)[0])
            }
            _ => graph.shape(id),
        };
        if matches!(op, Op::Reduce(..)) || !is_per_row(id) {
            let expected = *space.get_or_insert(over);
            require(over == expected, id, || {
                format!("runs over shape {over}, others of region {region} over {expected}")
            })?;
        }
        for operand in graph.operands(id) {
            let root = roots.root(operand);
            let inside = roots.region_of[root.index()] == Some(region);
            let Some(rows) = rows.as_ref().filter(|_| inside && is_per_row(root)) else { continue };
            require(rows.are_distinct() && rows.are_consecutive(), id, || {
                format!("uses {operand}, which is reduced in the same region {region}")
            })?;
            require(rows.reads_own_row(graph, operand, root, over), id, || {
                format!("uses {operand}, computed in the same region {region}, at other rows than its own")
            })?;
        }
    }
    Ok(())
}

/// Invariant 7 for the region of a concat, its last node.
fn check_concat(graph: &Graph, region: RegionId, roots: &Roots) -> Result {
    let nodes = &graph.regions()[region.0 as usize];
    let Some((&last, parts)) = nodes.split_last() else { return Ok(()) };
    let is_concat = |id: NodeId| matches!(graph.op(id), Op::Concat(_));
    require(is_concat(last), last, || {
        format!("{} uses no concat of region {region}", graph.op(last).name())
    })?;
    for &id in parts {
        let op = graph.op(id);
        require(is_concat(id) || op.is_elementwise(), id, || {
            format!("{} shares region {region} with a concat", op.name())
        })?;
        let outlives = graph.outputs().iter().any(|output| output.node == id);
        require(!outlives, id, || format!("shares region {region} with a concat, but is a result"))?;
    }
    for id in graph.ids() {
        let own = roots.region_of[id.index()] == Some(region);
        if graph.op(id).is_view() {
            continue;
        }
        for operand in graph.operands(id) {
            let root = roots.root(operand);
            let inside = roots.region_of[root.index()] == Some(region) && root != last;
            require(!inside || own, id, || {
                format!("uses {operand}, a part of the concat of region {region}")
            })?;
            let same_space = is_concat(id) || graph.shape(operand) == graph.shape(id);
            require(!inside || same_space, id, || {
                format!(
                    "runs over shape {}, {operand} of region {region} over {}",
                    graph.shape(id),
                    graph.shape(operand)
                )
            })?;
        }
    }
    Ok(())
}

fn check_order(graph: &Graph, region: RegionId, roots: &Roots) -> Result {
    let nodes = &graph.regions()[region.0 as usize];
    let rows = Rows::of(graph, nodes);
    for &id in nodes {
        for operand in graph.operands(id) {
            let Some(producer) = roots.region(operand) else { continue };
            let direct = roots.root(operand) == operand;
            let product = *graph.op(roots.root(operand)) == Op::Matmul;
            let in_order = match graph.op(id) {
                Op::Matmul => false,
                Op::Concat(_) => {
                    let root = roots.root(operand);
                    graph.is_reshape_of(operand, root) && graph.shape(operand).is_alike(graph.shape(root))
                }
                _ if product => {
                    graph.is_reshape_of(operand, roots.root(operand))
                        && graph.shape(operand) == graph.shape(id)
                }
                // At its own row, as checked with the region.
                _ => {
                    direct
                        || rows.as_ref().is_some_and(|rows| rows.is_per_row(graph.shape(roots.root(operand))))
                }
            };
            let earlier = producer < region || (in_order && producer == region);
            require(earlier, id, || {
                let how = if direct { "" } else { " through a view" };
                format!("region {region} uses {operand}{how}, which region {producer} computes")
            })?;
        }
    }
    Ok(())
}

fn check_slots(graph: &Graph) -> Result {
    let roots = Roots::new(graph);
    for id in graph.ids() {
        let Some(slot) = graph.slot(id) else { continue };
        let op = graph.op(id);
        require(!matches!(op, Op::Parameter(_)), id, || format!("a parameter is written to {slot}"))?;
        let room = match slot {
            Slot::Arena(offset) => Some(graph.arena().saturating_sub(offset)),
            Slot::Buffer(buffer) => graph.buffers().get(buffer.0 as usize).copied(),
            Slot::Parameter(n) => match graph.parameters().get(n as usize) {
                Some(parameter) => {
                    let into = Destination::Parameter(n);
                    let given =
                        parameter.donated || graph.outputs().iter().any(|output| output.destination == into);
                    require(given, id, || format!("{slot} is neither donated nor where a result goes"))?;
                    let row_major = parameter.layout == Layout::RowMajor;
                    require(row_major, id, || format!("{slot} is not row-major"))?;
                    Some(parameter.ty.shape.size() * parameter.ty.dtype.size())
                }
                None => None,
            },
            Slot::Output(n) => graph.outputs().get(n as usize).map(|output| graph.bytes(output.node)),
        };
        let Some(room) = room else {
            return Err(VerifyError { node: id, problem: format!("{slot} does not exist") });
        };
        let needed = graph.bytes(id);
        require(needed <= room, id, || format!("{needed} bytes do not fit {slot}, which has {room}"))?;
        if let Slot::Output(n) = slot {
            check_output_slot(graph, id, n, &roots)?;
        }
    }
    Ok(())
}

/// Invariant 11 for the value `id`, written to the memory of result `n`.
fn check_output_slot(graph: &Graph, id: NodeId, n: u32, roots: &Roots) -> Result {
    let result = graph.outputs()[n as usize].node;
    if id == result || id == roots.root(result) {
        return Ok(());
    }
    let outlives = graph.outputs().iter().any(|output| roots.root(output.node) == roots.root(id));
    require(!outlives, id, || format!("written to out{n}, but is another result"))?;
    let Some(written) = roots.region(result) else { return Ok(()) };
    match roots.last_use(graph, id) {
        Some(last) if last > written => Err(VerifyError {
            node: id,
            problem: format!(
                "written to out{n}, which region {written} overwrites, but region {last} uses it"
            ),
        }),
        _ => Ok(()),
    }
}

/// For each node, the node whose elements it looks at: itself, unless it is a view.
struct Roots {
    roots: Vec<NodeId>,
    region_of: Vec<Option<RegionId>>,
}

impl Roots {
    fn new(graph: &Graph) -> Roots {
        let mut roots: Vec<NodeId> = graph.ids().collect();
        for id in graph.ids().filter(|&id| graph.op(id).is_view()) {
            roots[id.index()] = roots[graph.operands(id)[0].index()];
        }
        Roots { roots, region_of: graph.region_of() }
    }

    fn root(&self, id: NodeId) -> NodeId {
        self.roots[id.index()]
    }

    /// The region that computes the elements of `id`.
    fn region(&self, id: NodeId) -> Option<RegionId> {
        self.region_of[self.root(id).index()]
    }

    /// The last region that uses `id`, directly or through views.
    fn last_use(&self, graph: &Graph, id: NodeId) -> Option<RegionId> {
        let mut last = None;
        let mut pending = vec![id];
        while let Some(value) = pending.pop() {
            for user in graph.users(value) {
                if graph.op(user).is_view() {
                    pending.push(user);
                }
                last = last.max(self.region_of[user.index()]);
            }
        }
        last
    }
}

/// Broken graphs that the text form cannot express; the others are in `tests/verify/`.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, ElementwiseOp, Node, Output, Parameter};

    fn vector(len: usize) -> Type {
        Type { dtype: DType::F32, shape: Shape::new(&[len]).unwrap() }
    }

    fn graph() -> (Graph, NodeId) {
        let mut graph = Graph::new("broken");
        let parameter = Parameter { ty: vector(4), layout: Layout::RowMajor, donated: false };
        let x = graph.push_parameter(parameter, None);
        (graph, x)
    }

    fn negative(ty: Type) -> Node {
        Node { op: Op::Elementwise(ElementwiseOp::Negative), ty, source: None }
    }

    #[track_caller]
    fn refused(graph: &Graph, problem: &str) {
        let error = verify(graph).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }

    #[test]
    fn a_stored_type_is_the_inferred_one() {
        let (mut graph, x) = graph();
        graph.push_node(negative(vector(5)), &[x]);
        refused(&graph, "%1: stored as f32[5], but its operands give f32[4]");
    }

    #[test]
    fn a_node_has_the_operands_its_op_takes() {
        let (mut graph, x) = graph();
        graph.push_node(negative(vector(4)), &[x, x]);
        refused(&graph, "%1: negative has 2 operands, takes 1");
    }

    #[test]
    fn a_node_is_not_its_own_operand() {
        let (mut graph, x) = graph();
        graph.push_node(negative(vector(4)), &[NodeId(x.0 + 1)]);
        refused(&graph, "%1: operand %1 does not come before its user");
    }

    #[test]
    fn a_parameter_has_one_node_of_its_type() {
        let parameter = |n, ty| Node { op: Op::Parameter(n), ty, source: None };
        let (mut twice, _) = graph();
        twice.push_node(parameter(0, vector(4)), &[]);
        refused(&twice, "%1: parameter 0 has two nodes");
        let (mut undeclared, _) = graph();
        undeclared.push_node(parameter(1, vector(4)), &[]);
        refused(&undeclared, "%1: parameter 1 of a graph that has 1");
    }

    #[test]
    fn results_exist() {
        let (mut graph, _) = graph();
        graph.push_output(Output { node: NodeId(7), destination: Destination::Fresh });
        refused(&graph, "%7: result 0 is not a node");
    }

    #[test]
    fn a_result_goes_into_a_declared_parameter() {
        let (mut graph, x) = graph();
        graph.push_output(Output { node: x, destination: Destination::Parameter(3) });
        refused(&graph, "%0: result 0 goes into parameter 3, which does not exist");
    }

    #[test]
    fn a_region_has_nodes_of_the_graph_ascending() {
        let (mut graph, x) = graph();
        let y = graph.push_node(negative(vector(4)), &[x]);
        let z = graph.push_node(negative(vector(4)), &[y]);
        graph.set_regions(vec![vec![z, y]]);
        refused(&graph, "the nodes of region r0 do not ascend");
        graph.set_regions(vec![vec![y, z], vec![z]]);
        refused(&graph, "%2: in region r0 and in region r1");
        graph.set_regions(vec![vec![y, z, NodeId(9)]]);
        refused(&graph, "%9: region r0 has a node that does not exist");
    }
}
