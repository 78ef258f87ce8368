//! What a trace says about a step: its ops, the elements and bytes that it goes over, and what runs it.

use std::borrow::Cow;

use super::Engine;
use crate::accelerate::blas::Provider;
use crate::codegen::compiled::Machine;
use crate::program::{LoopNest, Step};
use crate::runtime::trace::{About, Kind};

/// Ops that are named; of more, the number is said.
const NAMED: usize = 6;

/// The step, run by `engine`.
pub(super) fn about(step: &Step, engine: Engine) -> About {
    let (n, provider) = match step {
        Step::Loop(nest) => (nest.size(), provider(nest, engine)),
        Step::Blocks(blocks) => {
            let largest = blocks.nests.iter().max_by_key(|nest| nest.size());
            largest.map_or((0, "".into()), |nest| (nest.size(), provider(nest, engine)))
        }
        Step::Matmul(product) => {
            let [rows, _, columns] = product.dims;
            let provider = match product.provider {
                Provider::Blas(_) => "cblas",
                Provider::Own | Provider::Declined(_) => "gemm",
            };
            (product.batch.iter().product::<usize>() * rows * columns, provider.into())
        }
        Step::Library(call) => (call.result.len(), "library".into()),
    };
    let bytes = step.bytes_read() + step.bytes_written();
    About { kind: Kind::Kernel, op: ops(step).into(), n, bytes, provider }
}

/// What runs a nest.
fn provider(nest: &LoopNest, engine: Engine) -> Cow<'static, str> {
    if let Some(call) = nest.call(engine) {
        return call.name().into();
    }
    match (engine, &nest.machine) {
        (Engine::Machine, Machine::Rows(_) | Machine::Tiles(_)) => "machine code".into(),
        (Engine::Machine | Engine::Accelerated | Engine::Interpreter, _) => "interpreter".into(),
    }
}

/// The ops that compute, in order.
fn ops(step: &Step) -> String {
    let first = match step {
        Step::Matmul(_) => Some("matmul"),
        Step::Library(call) => Some(call.op.name()),
        Step::Loop(_) | Step::Blocks(_) => None,
    };
    let bodies = step.nests().iter().map(|nest| &nest.body);
    let computed = bodies.flat_map(|body| {
        let insts = body.insts.iter().filter(|inst| inst.op.computes()).map(|inst| inst.op.name());
        insts.chain(body.reductions.iter().map(|reduction| reduction.op.name()))
    });
    let names: Vec<&str> = first.into_iter().chain(computed).collect();
    match names.len() {
        0 => "copy".to_owned(),
        len if len > NAMED => format!("{} and {} more", names[..NAMED].join(", "), len - NAMED),
        _ => names.join(", "),
    }
}
