//! Why a plan was not known: the known one that is most like it, and what differs.
//!
//! Plans are compared by what their keys are made of: options, inputs, ops in the order of capture, and where results go.

use std::num::NonZeroUsize;
use std::sync::Arc;

use raptors_ir::{Graph, Layout, NodeId, NodeLine, Parameter};
use raptors_passes::Options;

use crate::compile::Compiled;

/// Known plans that are looked at, the newest.
const MOST_PLANS: usize = 128;
/// Differences that are named.
const MOST_NAMED: usize = 3;

/// What differs between two structures: how much, and the first differences in words.
#[derive(Default)]
struct Differences {
    weight: usize,
    named: Vec<String>,
}

impl Differences {
    fn add(&mut self, weight: usize, text: impl FnOnce() -> String) {
        self.weight += weight;
        if self.named.len() < MOST_NAMED {
            self.named.push(text());
        }
    }
}

/// What `compiled` has that the nearest of `known`, given oldest first, has not; `None` when nothing is known.
pub(super) fn difference_to_nearest(compiled: &Compiled, known: &[Arc<Compiled>]) -> Option<String> {
    let others = known.iter().rev().filter(|other| !std::ptr::eq(&raw const ***other, compiled));
    let nearest = others.take(MOST_PLANS).map(|other| differences(other, compiled));
    let nearest = nearest.min_by_key(|differences| differences.weight)?;
    match nearest.named.as_slice() {
        [] => Some("its nodes came in another order".to_owned()),
        named => Some(named.join("; ")),
    }
}

/// What differs between what two plans were made for; empty when nothing does.
pub(super) fn what_differs(old: &Compiled, new: &Compiled) -> Vec<String> {
    differences(old, new).named
}

fn differences(old: &Compiled, new: &Compiled) -> Differences {
    let mut found = Differences::default();
    options(&mut found, &old.options, &new.options);
    let (old, new) = (&old.captured, &new.captured);
    let (before, after) = (ops(old), ops(new));
    if before.len() != after.len() {
        let distance = before.len().abs_diff(after.len());
        found.add(1000 * distance, || format!("{} ops here, {} there", after.len(), before.len()));
    }
    let pairs = || before.iter().zip(&after);
    let unlike = pairs().filter(|&(&a, &b)| old.op(a).name() != new.op(b).name()).count();
    if let Some((a, b)) = pairs().find(|&(&a, &b)| old.op(a).name() != new.op(b).name()) {
        found.add(100 * unlike, || {
            format!("op {b} is {} here, {a} {} there", new.op(*b).name(), old.op(*a).name())
        });
        return found;
    }
    inputs(&mut found, old, new);
    if found.weight == 0 {
        // The inputs are the same, so what follows from them is: what is left was written differently.
        let names = |graph: &Graph| graph.ids().collect::<Vec<NodeId>>();
        let (old_names, new_names) = (names(old), names(new));
        let old_line = |id| NodeLine { graph: old, id, names: &old_names }.to_string();
        let new_line = |id| NodeLine { graph: new, id, names: &new_names }.to_string();
        for (a, b) in pairs().map(|(&a, &b)| (old_line(a), new_line(b))).filter(|(a, b)| a != b) {
            found.add(1, || format!("`{b}` here, `{a}` there"));
        }
    }
    for (n, (a, b)) in old.outputs().iter().zip(new.outputs()).enumerate().filter(|(_, (a, b))| a != b) {
        found.add(1, || match a.destination == b.destination {
            true => format!("result {n} is {} here, {} there", b.node, a.node),
            false => format!("result {n} goes to other memory"),
        });
    }
    found
}

/// Nodes that are no inputs.
fn ops(graph: &Graph) -> Vec<NodeId> {
    graph.ids().filter(|&id| !matches!(graph.op(id), raptors_ir::Op::Parameter(_))).collect()
}

fn options(found: &mut Differences, old: &Options, new: &Options) {
    let Options { fp, max_memory, threads } = *new;
    if fp != old.fp {
        found.add(10, || format!("option fp is {:?} here, {:?} there", fp.name(), old.fp.name()));
    }
    if max_memory != old.max_memory {
        let text =
            |bytes: Option<usize>| bytes.map_or("no limit".to_owned(), |bytes| format!("{bytes} bytes"));
        let (here, there) = (text(max_memory), text(old.max_memory));
        found.add(10, || format!("option max_memory is {here} here, {there} there"));
    }
    if threads != old.threads {
        let text = |most: Option<NonZeroUsize>| most.map_or("no limit".to_owned(), |most| most.to_string());
        let (here, there) = (text(threads), text(old.threads));
        found.add(1, || format!("option threads is {here} here, {there} there"));
    }
}

fn inputs(found: &mut Differences, old: &Graph, new: &Graph) {
    let (before, after) = (old.parameters(), new.parameters());
    if before.len() != after.len() {
        let distance = before.len().abs_diff(after.len());
        found.add(100 * distance, || format!("{} inputs here, {} there", after.len(), before.len()));
    }
    for (n, (a, b)) in before.iter().zip(after).enumerate() {
        input(found, n, a, b);
    }
}

fn input(found: &mut Differences, n: usize, old: &Parameter, new: &Parameter) {
    let Parameter { ty, layout, donated } = new;
    if ty.dtype != old.ty.dtype {
        let (here, there) = (ty.dtype.numpy_name(), old.ty.dtype.numpy_name());
        found.add(20, || format!("dtype of input {n} is {here} here, {there} there"));
    }
    if ty.shape != old.ty.shape {
        found.add(10, || format!("shape of input {n} is {} here, {} there", ty.shape, old.ty.shape));
    } else if *layout != old.layout {
        let (here, there) = (spelled(layout), spelled(&old.layout));
        found.add(5, || format!("layout of input {n} is {here} here, {there} there"));
    }
    if *donated != old.donated {
        let not = if *donated { "" } else { "not " };
        found.add(5, || format!("input {n} is {not}donated here"));
    }
}

fn spelled(layout: &Layout) -> String {
    match layout {
        Layout::RowMajor => "row-major".to_owned(),
        Layout::Scalar => "a scalar".to_owned(),
        Layout::Strided { strides, encoding } => {
            let encoding = match encoding {
                raptors_ir::Encoding::Native => "",
                raptors_ir::Encoding::Unaligned => ", unaligned",
                raptors_ir::Encoding::Swapped => ", in the other byte order",
            };
            format!("strides {:?}{encoding}", strides.as_slice())
        }
    }
}
