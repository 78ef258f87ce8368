//! What each kernel of a plan does: its nodes, its steps, and the memory that it moves.

use raptors_ir::{DType, NodeId};

use crate::codegen::lane::OperandId;
use crate::compile::Compiled;
use crate::plan::{machine, text};
use crate::program::{LoopNest, Memory, Step};
use crate::runtime::team;

/// A region of the graph with the steps that it became.
pub(super) struct Kernel<'a> {
    pub(super) number: usize,
    pub(super) nodes: &'a [NodeId],
    pub(super) steps: &'a [Step],
}

/// The kernels, in the order they run.
pub(super) fn kernels(compiled: &Compiled) -> Vec<Kernel<'_>> {
    let mut first_step = 0;
    let regions = compiled.optimized.regions().iter().zip(&compiled.program.region_ends).enumerate();
    regions
        .map(|(number, (nodes, &end))| {
            let steps = &compiled.program.steps[first_step..end];
            let kernel = Kernel { number, nodes, steps };
            first_step = end;
            kernel
        })
        .collect()
}

impl Kernel<'_> {
    pub(super) fn bytes_read(&self) -> usize {
        self.steps.iter().map(Step::bytes_read).sum()
    }

    pub(super) fn bytes_written(&self) -> usize {
        self.steps.iter().map(Step::bytes_written).sum()
    }

    pub(super) fn lane_ops(&self) -> usize {
        self.steps.iter().map(Step::lane_ops).sum()
    }

    /// The most threads that find work.
    pub(super) fn threads(&self) -> usize {
        let chunks = |step: &Step| match step {
            Step::Loop(nest) => nest.size().div_ceil(nest.chunk_elements().max(1)),
            Step::Blocks(blocks) => blocks.rows.div_ceil(blocks.chunk_rows()),
            Step::Matmul(_) => usize::MAX,
            Step::Library(call) if team::worth_sharing(call.one_thread_ns()) => call.most_parts(),
            Step::Library(_) => 1,
        };
        let most = self.steps.iter().map(chunks).max().unwrap_or(1);
        most.clamp(1, team::threads())
    }

    /// Memory that is read, with the bytes of it: `p0 4.0 MB`.
    pub(super) fn reads(&self) -> Vec<String> {
        named(self.steps.iter().flat_map(Step::reads))
    }

    /// Memory that is written, likewise.
    pub(super) fn writes(&self) -> Vec<String> {
        named(self.steps.iter().flat_map(Step::writes))
    }

    /// Memory that is stored past the caches.
    pub(super) fn non_temporal(&self) -> Vec<String> {
        let nests = self.steps.iter().flat_map(Step::nests);
        let memory = |nest: &LoopNest, id: &OperandId| nest.operands[id.index()].memory.to_string();
        let mut names: Vec<String> =
            nests.flat_map(|nest| nest.non_temporal.iter().map(|id| memory(nest, id))).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether it computes with 64-bit floats.
    pub(super) fn is_wide(&self) -> bool {
        let is_wide = |nest: &LoopNest| nest.body.insts.iter().any(|inst| inst.dtype == DType::F64);
        self.steps.iter().any(|step| match step {
            Step::Loop(nest) => is_wide(nest),
            Step::Blocks(blocks) => blocks.nests.iter().any(is_wide),
            Step::Library(call) => call.result.operand.dtype == DType::F64,
            Step::Matmul(product) => {
                product.dtype == DType::F64 || product.epilogue.as_ref().is_some_and(is_wide)
            }
        })
    }

    /// The steps, as [`Plan::program`](crate::Plan::program) prints them.
    pub(super) fn program(&self) -> String {
        self.steps.iter().map(|step| step.to_string()).collect()
    }

    /// What is left to Accelerate, or could be, and why.
    pub(super) fn accelerated_lines(&self) -> Vec<String> {
        let of_product = self.steps.iter().filter_map(|step| match step {
            Step::Matmul(product) => product.provider.line(product.dtype, product.dims),
            Step::Loop(_) | Step::Blocks(_) | Step::Library(_) => None,
        });
        let of_nests = self.steps.iter().flat_map(Step::nests).filter_map(|nest| nest.accelerated.line(nest));
        of_product.chain(of_nests).collect()
    }

    /// What is compiled for the loop nests, and what runs them.
    pub(super) fn vector_programs(&self) -> String {
        machine::vector_programs(self.steps)
    }

    /// The code of the loop nests that were compiled.
    pub(super) fn machine_code(&self) -> String {
        machine::machine_code(self.steps)
    }

    /// The lane programs of the loop nests, and the dimensions of matrix products.
    pub(super) fn lane_program(&self) -> String {
        let text = |step: &Step| match step {
            Step::Loop(nest) => nest.body.to_string(),
            Step::Blocks(blocks) => blocks.nests.iter().map(|nest| nest.body.to_string()).collect(),
            Step::Library(call) => format!("    {}{}\n", call.op.name(), call.op),
            Step::Matmul(product) => {
                let [rows, inner, columns] = product.dims;
                format!("    matmul {rows} x {inner} x {columns}\n")
            }
        };
        self.steps.iter().map(text).collect()
    }
}

/// Each memory once, with the bytes that all steps touch of it.
fn named(accesses: impl Iterator<Item = (Memory, usize)>) -> Vec<String> {
    let mut found: Vec<(Memory, usize)> = Vec::new();
    for (memory, bytes) in accesses {
        match found.iter_mut().find(|(known, _)| *known == memory) {
            Some((_, sum)) => *sum += bytes,
            None => found.push((memory, bytes)),
        }
    }
    found.into_iter().map(|(memory, bytes)| format!("{memory} {}", text::bytes(bytes))).collect()
}
