//! The lower forms of a plan's loops: lane programs and vector programs, and machine code.
//!
//! With the feature `disassembly` machine code is shown as instructions, otherwise as bytes.

use std::fmt::Write;

use crate::codegen::select::{PoolEntry, StreamUse};
use crate::plan::Plan;
use crate::program::LoopNest;

/// Each loop nest's lane program, and the vector program that was selected for it.
pub(super) fn lane_text(plan: &Plan) -> String {
    nests(plan, |nest, text| {
        let _ = write!(text, "  lane program\n{}", nest.body);
        let Some(compiled) = nest.machine.compiled() else { return };
        let _ = write!(text, "  vector program\n{}", compiled.selected.program);
        for (n, used) in compiled.selected.streams.iter().enumerate() {
            let _ = match *used {
                StreamUse::Operand(operand) => writeln!(text, "    s{n} is {operand}"),
                StreamUse::Value(value) => writeln!(text, "    s{n} is {value}, in scratch memory"),
                StreamUse::Result(result) => {
                    let target = nest.body.reductions[usize::from(result)].target;
                    writeln!(text, "    s{n} is {target}")
                }
            };
        }
        for (n, entry) in compiled.selected.pool.iter().enumerate() {
            let _ = match *entry {
                PoolEntry::Constant(bits) => writeln!(text, "    c{n} is {bits:#x}"),
                PoolEntry::Parameter(parameter) => writeln!(text, "    c{n} is p{parameter}"),
                PoolEntry::Element(operand) => writeln!(text, "    c{n} is the element of {operand}"),
            };
        }
    })
}

/// Each loop nest's machine code.
pub(super) fn asm_text(plan: &Plan) -> String {
    nests(plan, |nest, text| {
        if let Some(compiled) = nest.machine.compiled() {
            disassemble(compiled.kernel.code(), text);
        }
    })
}

/// A text per loop nest, under a line that says what runs it.
fn nests(plan: &Plan, write: impl Fn(&LoopNest, &mut String)) -> String {
    let mut text = String::new();
    for (n, step) in plan.compiled.program.steps.iter().enumerate() {
        for nest in step.nests() {
            let _ = writeln!(text, "step {n}: {}", nest.machine);
            write(nest, &mut text);
        }
    }
    text
}

/// An instruction a line, with its offset and its bytes.
#[cfg(feature = "disassembly")]
fn disassemble(code: &[u8], text: &mut String) {
    use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    while decoder.can_decode() {
        let inst = decoder.decode();
        let mut spelled = String::new();
        formatter.format(&inst, &mut spelled);
        let start = inst.ip() as usize;
        let bytes: String =
            code[start..start + inst.len()].iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, "  {start:6x}  {bytes:<24} {spelled}");
    }
}

/// Sixteen bytes a line, with their offset.
#[cfg(not(feature = "disassembly"))]
fn disassemble(code: &[u8], text: &mut String) {
    for (n, line) in code.chunks(16).enumerate() {
        let bytes: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, "  {:6x}  {}", 16 * n, bytes.join(" "));
    }
}
