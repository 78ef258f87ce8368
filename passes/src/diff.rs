//! What a pass changed: nodes that keep their names from graph to graph, and unified diffs.
//!
//! A pass builds a new graph, in which ids start again. [`Names::follow`] finds the nodes that stayed: first those with
//! the op, type, source line and operands of one before, then those whose operands alone changed, then those that replaced
//! a node of the same line and type. They keep their names; other nodes get new ones, so a name never means two things.
//! Linear in the nodes. The match is by likeness: it can call a node new that a pass only moved.

use std::collections::VecDeque;
use std::hash::Hash;

use raptors_ir::{Graph, NodeId, NodeLine, Op, Operands, Source, Type};
use rustc_hash::FxHashMap;

/// What the nodes of a graph are called.
#[derive(Clone, Debug)]
pub struct Names {
    names: Vec<NodeId>,
    next: u32,
}

impl Names {
    /// Every node under its own id.
    pub fn of(graph: &Graph) -> Names {
        Names { names: graph.ids().collect(), next: graph.len() as u32 }
    }

    /// The name of each node.
    pub fn names(&self) -> &[NodeId] {
        &self.names
    }

    /// The names of `after`, where these are the names of `before`.
    pub fn follow(&self, before: &Graph, after: &Graph) -> Names {
        let mut known = Known::new(before, self);
        let mut left_over: Vec<NodeId> = Vec::new();
        let mut names: Vec<NodeId> = Vec::with_capacity(after.len());
        let mut next = self.next;
        for id in after.ids() {
            let operands: Operands =
                after.operands(id).iter().map(|operand| names[operand.index()]).collect();
            names.push(match known.take_unchanged(after, id, operands) {
                Some(old) => self.names[old.index()],
                None => {
                    left_over.push(id);
                    next += 1;
                    NodeId(next - 1)
                }
            });
        }
        // What is left over on both sides, of one line and one type, is a node that was rewritten.
        for id in left_over {
            if let Some(old) = known.take_replaced(after, id) {
                names[id.index()] = self.names[old.index()];
            }
        }
        Names { names, next }
    }
}

type Likeness<'a> = (&'a Op, &'a Type, Option<Source>);
type Bucket<K> = FxHashMap<K, VecDeque<NodeId>>;

/// The nodes of a graph, to be found by likeness, each once.
struct Known<'a> {
    equal: Bucket<(Likeness<'a>, Operands)>,
    alike: Bucket<Likeness<'a>>,
    replaceable: Bucket<(&'a Type, Source)>,
    taken: Vec<bool>,
}

impl<'a> Known<'a> {
    fn new(graph: &'a Graph, names: &Names) -> Known<'a> {
        let mut known = Known {
            equal: Bucket::default(),
            alike: Bucket::default(),
            replaceable: Bucket::default(),
            taken: vec![false; graph.len()],
        };
        for id in graph.ids() {
            let node = graph.node(id);
            let likeness = (&node.op, &node.ty, node.source);
            let operands = graph.operands(id).iter().map(|operand| names.names[operand.index()]).collect();
            known.equal.entry((likeness, operands)).or_default().push_back(id);
            known.alike.entry(likeness).or_default().push_back(id);
            if let (Some(source), false) = (node.source, matches!(node.op, Op::Parameter(_))) {
                known.replaceable.entry((&node.ty, source)).or_default().push_back(id);
            }
        }
        known
    }

    fn take_unchanged(&mut self, graph: &'a Graph, id: NodeId, operands: Operands) -> Option<NodeId> {
        let node = graph.node(id);
        let likeness = (&node.op, &node.ty, node.source);
        take(&mut self.equal, &(likeness, operands), &mut self.taken)
            .or_else(|| take(&mut self.alike, &likeness, &mut self.taken))
    }

    fn take_replaced(&mut self, graph: &'a Graph, id: NodeId) -> Option<NodeId> {
        let node = graph.node(id);
        take(&mut self.replaceable, &(&node.ty, node.source?), &mut self.taken)
    }
}

fn take<K: Hash + Eq>(bucket: &mut Bucket<K>, key: &K, taken: &mut [bool]) -> Option<NodeId> {
    let ids = bucket.get_mut(key)?;
    while let Some(id) = ids.pop_front() {
        if !std::mem::replace(&mut taken[id.index()], true) {
            return Some(id);
        }
    }
    None
}

/// A line of a diff, without its sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// In both graphs.
    Same(String),
    /// Only in the first.
    Removed(String),
    /// Only in the second.
    Added(String),
}

/// The lines of two graphs, merged. Regions and slots are not compared.
pub fn changes(before: (&Graph, &Names), after: (&Graph, &Names)) -> Vec<Change> {
    let (old, new) = (lines(before), lines(after));
    let kept: FxHashMap<Option<NodeId>, &str> =
        old.iter().map(|(name, line)| (*name, line.as_str())).collect();
    let stays: FxHashMap<Option<NodeId>, ()> = new.iter().map(|(name, _)| (*name, ())).collect();
    let position: FxHashMap<Option<NodeId>, usize> =
        old.iter().enumerate().map(|(position, (name, _))| (*name, position)).collect();
    let mut changes = Vec::with_capacity(new.len());
    let mut shown = 0;
    for (name, line) in &new {
        match kept.get(name) {
            None => changes.push(Change::Added(line.clone())),
            Some(&old_line) => {
                let here = position[name];
                let gone = old[shown.min(here)..here].iter().filter(|(name, _)| !stays.contains_key(name));
                changes.extend(gone.map(|(_, line)| Change::Removed(line.clone())));
                shown = shown.max(here + 1);
                if old_line == line {
                    changes.push(Change::Same(line.clone()));
                } else {
                    changes.push(Change::Removed(old_line.to_owned()));
                    changes.push(Change::Added(line.clone()));
                }
            }
        }
    }
    changes
}

/// The graph's lines by the names of their nodes; the last, without a name, is what is returned.
fn lines((graph, names): (&Graph, &Names)) -> Vec<(Option<NodeId>, String)> {
    let names = names.names();
    let line = |id: NodeId| (Some(names[id.index()]), NodeLine { graph, id, names }.to_string());
    let mut lines: Vec<(Option<NodeId>, String)> = graph.ids().map(line).collect();
    let results: Vec<String> =
        graph.outputs().iter().map(|output| names[output.node.index()].to_string()).collect();
    lines.push((None, format!("return {}", results.join(", "))));
    lines
}

/// The changes as a unified diff with this many lines around each; empty where there are none.
pub fn unified(changes: &[Change], context: usize) -> String {
    let mut text = String::new();
    let mut last = None;
    for (n, change) in changes.iter().enumerate() {
        let near = &changes[n.saturating_sub(context)..changes.len().min(n + context + 1)];
        if near.iter().all(|change| matches!(change, Change::Same(_))) {
            continue;
        }
        if n != last.map_or(0, |last| last + 1) {
            text.push_str("  ...\n");
        }
        last = Some(n);
        let (sign, line) = match change {
            Change::Same(line) => (' ', line),
            Change::Removed(line) => ('-', line),
            Change::Added(line) => ('+', line),
        };
        text.push_str(&format!("{sign} {line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Names, changes, unified};

    fn diff(before: &str, after: &str) -> String {
        let (before, after) = (raptors_ir::parse(before).unwrap(), raptors_ir::parse(after).unwrap());
        let names = Names::of(&before);
        let followed = names.follow(&before, &after);
        unified(&changes((&before, &names), (&after, &followed)), 1)
    }

    #[test]
    fn a_node_that_goes_takes_only_its_line_and_its_users() {
        let text = diff(
            "graph @g(%a: f32[4]) { %k = constant 1.0: f32  %k4 = broadcast %k [4]  %m = multiply %a, %k4
               %s = sqrt %m  %e = exp %s  return %e }",
            "graph @g(%a: f32[4]) { %k = constant 1.0: f32  %k4 = broadcast %k [4]  %s = sqrt %a  %e = exp %s
               return %e }",
        );
        assert_eq!(
            text,
            "  ...\n  %2 = broadcast %1 [4]\n- %3 = multiply %0, %2\n- %4 = sqrt %3\n+ %4 = sqrt %0\n  %5 = exp %4\n"
        );
    }

    #[test]
    fn a_new_node_gets_a_name_that_was_never_used() {
        let text = diff(
            "graph @g(%a: f32[4]) { %s = sqrt %a  return %s }",
            "graph @g(%a: f32[4]) { %e = exp %a  %s = sqrt %e  return %s }",
        );
        assert_eq!(text, "  %0: f32[4]\n+ %2 = exp %0\n- %1 = sqrt %0\n+ %1 = sqrt %2\n  return %1\n");
    }

    #[test]
    fn equal_graphs_have_no_diff() {
        let graph = "graph @g(%a: f32[4]) { %e = exp %a  %s = sqrt %e  return %s }";
        assert_eq!(diff(graph, graph), "");
    }
}
