//! What the passes did, and what they refused to do.

use std::borrow::Cow;

use raptors_ir::{Graph, NodeId, Source};

/// Whether a rule was applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was.
    Applied,
    /// It was not; the record's detail says why.
    Refused,
}

/// One decision of a pass.
#[derive(Clone, Debug)]
pub struct Record {
    /// The pass.
    pub pass: &'static str,
    /// The rule, by name.
    pub rule: &'static str,
    /// Whether it was applied.
    pub outcome: Outcome,
    /// The node it was about: one of the graph that the pass read, or of the graph that it made.
    pub node: NodeId,
    /// The node's op.
    pub op: &'static str,
    /// Where the user wrote that op, when known.
    pub source: Option<Source>,
    /// What was done, or why it was not.
    pub detail: Cow<'static, str>,
}

/// The records of a compilation, in order.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The records.
    pub records: Vec<Record>,
}

impl Ledger {
    /// Notes that `rule` was applied to a node.
    pub fn applied(
        &mut self,
        pass: &'static str,
        rule: &'static str,
        graph: &Graph,
        node: NodeId,
        detail: impl Into<Cow<'static, str>>,
    ) {
        self.push(pass, rule, Outcome::Applied, graph, node, detail.into());
    }

    /// Notes that `rule` was refused for a node.
    pub fn refused(
        &mut self,
        pass: &'static str,
        rule: &'static str,
        graph: &Graph,
        node: NodeId,
        reason: impl Into<Cow<'static, str>>,
    ) {
        self.push(pass, rule, Outcome::Refused, graph, node, reason.into());
    }

    fn push(
        &mut self,
        pass: &'static str,
        rule: &'static str,
        outcome: Outcome,
        graph: &Graph,
        id: NodeId,
        detail: Cow<'static, str>,
    ) {
        let node = graph.node(id);
        let (op, source) = (node.op.name(), node.source);
        self.records.push(Record { pass, rule, outcome, node: id, op, source, detail });
    }
}
