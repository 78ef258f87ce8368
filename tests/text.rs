//! The text form: what is printed reads back as the same graph.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors_ir::{
    BufferId, DType, Graph, GraphBuilder, Literal, Node, NodeId, Op, Output, Parameter, Placement, Slot,
    Type, parse, verify,
};

use crate::support::{Random, corpus, random_graph};

/// What a graph is, for comparison.
type Parts = (
    String,
    Vec<(Op, Type, Vec<NodeId>, Option<Slot>)>,
    Vec<Parameter>,
    Vec<Output>,
    Vec<Vec<NodeId>>,
    (Vec<usize>, usize),
);

fn parts(graph: &Graph) -> Parts {
    let node = |id| {
        let Node { op, ty, .. } = graph.node(id).clone();
        (op, ty, graph.operands(id).to_vec(), graph.slot(id))
    };
    (
        graph.name().to_owned(),
        graph.ids().map(node).collect(),
        graph.parameters().to_vec(),
        graph.outputs().to_vec(),
        graph.regions().to_vec(),
        (graph.buffers().to_vec(), graph.arena()),
    )
}

#[track_caller]
pub(crate) fn reads_back(graph: &Graph) {
    let is_parameter = |&id: &NodeId| matches!(graph.op(id), Op::Parameter(_));
    let parameters_first = graph.ids().take(graph.parameters().len()).all(|id| is_parameter(&id));
    for text in [graph.to_string(), format!("{graph:#}")] {
        let read = parse(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
        if parameters_first {
            assert_eq!(parts(&read), parts(graph), "{text}");
            assert_eq!(read.to_string(), graph.to_string());
        } else {
            // Text has the parameters first: what is read is numbered so, and then reads back.
            assert_eq!((read.len(), verify(&read)), (graph.len(), verify(graph)), "{text}");
            reads_back(&read);
        }
    }
}

#[test]
fn the_corpus_reads_back() {
    for text in corpus() {
        // Some of the corpus is there to be refused.
        if let Ok(graph) = parse(&text) {
            reads_back(&graph);
        }
    }
}

#[test]
fn random_graphs_verify_and_read_back() {
    for seed in 0..500 {
        let mut random = Random::new(seed);
        let mut graph = random_graph(&mut random);
        verify(&graph).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{graph}"));
        reads_back(&graph);
        scatter(&mut random, &mut graph);
        reads_back(&graph);
    }
}

/// Regions and slots, drawn without regard to what they mean.
pub(crate) fn scatter(random: &mut Random, graph: &mut Graph) {
    let placed: Vec<NodeId> = graph.ids().filter(|&id| !matches!(graph.op(id), Op::Parameter(_))).collect();
    let mut regions = vec![Vec::new(); 1 + random.below(3)];
    let mut slots = vec![None; graph.len()];
    for &id in &placed {
        let region = random.below(regions.len() + 1);
        if let Some(region) = regions.get_mut(region) {
            region.push(id);
        }
        let n = random.below(10) as u32;
        slots[id.index()] = random.pick(&[
            None,
            Some(Slot::Arena(64 * n as usize)),
            Some(Slot::Buffer(BufferId(n))),
            Some(Slot::Parameter(n)),
            Some(Slot::Output(n)),
        ]);
    }
    regions.retain(|region| !region.is_empty());
    graph.set_regions(regions);
    let buffers = (0..random.below(4)).map(|n| 64 * n).collect();
    graph.set_placement(Placement { slots, buffers, arena: 64 * random.below(3) });
}

#[test]
fn constants_read_back_bit_for_bit() {
    let mut random = Random::new(1);
    for dtype in DType::ALL {
        let specials =
            [0.0, -0.0, 1.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, 1e-45, f64::MAX];
        let mut literals: Vec<Literal> =
            specials.iter().map(|&value| Literal::from_f64(dtype, value)).collect();
        if dtype != DType::Bool {
            let mut bits = || u128::from(random.bits()) | u128::from(random.bits()) << 64;
            literals.extend((0..2000).map(|_| Literal::from_bits(dtype, bits())));
            // Exponents of all ones are rare among random bits, and are NaNs and infinities.
            literals.extend(
                (0..200)
                    .map(|_| Literal::from_bits(dtype, bits() | (0x7ff8 << 112 | 0x7ff << 52 | 0xff << 23))),
            );
        }
        for literal in literals {
            let text = format!("graph @c() {{\n  %0 = constant {literal}: {dtype}\n  return %0\n}}\n");
            let graph = parse(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
            assert_eq!(graph.op(NodeId(0)), &Op::Constant(literal), "{text}");
            assert_eq!(graph.to_string(), text);
        }
    }
}

#[test]
fn any_text_may_name_a_graph() {
    for name in ["f", "f_2", "", "<lambda>", "a \"b\" \\ c\nd", "π", "trailing\\"] {
        let mut builder = GraphBuilder::new(name);
        let x = builder.parameter(DType::F32, &[2]).unwrap();
        reads_back(&builder.finish(&[x]));
    }
}
