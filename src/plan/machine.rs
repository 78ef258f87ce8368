//! The lower forms of a plan's loops: lane programs and vector programs, and machine code.
//!
//! With the feature `disassembly` machine code of x86-64 is shown as instructions, otherwise as bytes.

use std::fmt::Write;

use crate::codegen::compiled::Compiled;
use crate::codegen::select::{PoolEntry, StreamUse};
use crate::program::{LoopNest, Step};

/// The vector program of each loop nest of some steps that was compiled, and what its streams and scalars stand for.
pub(super) fn vector_programs(steps: &[Step]) -> String {
    nests(steps, |compiled, nest, text| {
        let _ = write!(text, "{}", compiled.selected.program);
        for (n, used) in compiled.selected.streams.iter().enumerate() {
            let _ = match *used {
                StreamUse::Operand(operand) => writeln!(text, "    s{n} is {operand}"),
                StreamUse::Pair(operand, part) => {
                    writeln!(text, "    s{n} is what has {operand} as its {} part", part.name())
                }
                StreamUse::Value(value) => writeln!(text, "    s{n} is {value}, in scratch memory"),
                StreamUse::Result(result) => {
                    let target = nest.body.reductions[usize::from(result)].target;
                    writeln!(text, "    s{n} is {target}")
                }
                StreamUse::Best(result) => {
                    let target = nest.body.reductions[usize::from(result)].target;
                    writeln!(text, "    s{n} is what {target} has the place of")
                }
            };
        }
        for (n, entry) in compiled.selected.pool.iter().enumerate() {
            let _ = match *entry {
                PoolEntry::Constant(bits) => writeln!(text, "    c{n} is {bits:#x}"),
                PoolEntry::Parameter(parameter) => writeln!(text, "    c{n} is p{parameter}"),
                PoolEntry::Part(parameter, part) => {
                    writeln!(text, "    c{n} is p{parameter}.{}", part.name())
                }
                PoolEntry::Element(operand) => writeln!(text, "    c{n} is the element of {operand}"),
            };
        }
    })
}

/// The machine code of each loop nest of some steps that was compiled.
pub(super) fn machine_code(steps: &[Step]) -> String {
    nests(steps, |compiled, _, text| disassemble(compiled.kernel.code(), text))
}

/// A text per loop nest, under a line that says what runs it.
fn nests(steps: &[Step], write: impl Fn(&Compiled, &LoopNest, &mut String)) -> String {
    let mut text = String::new();
    for nest in steps.iter().flat_map(Step::nests) {
        let _ = writeln!(text, "  {}", nest.machine);
        if let Some(compiled) = nest.machine.compiled() {
            write(compiled, nest, &mut text);
        }
    }
    text
}

/// An instruction a line, with its offset and its bytes.
#[cfg(all(feature = "disassembly", target_arch = "x86_64"))]
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
#[cfg(not(all(feature = "disassembly", target_arch = "x86_64")))]
fn disassemble(code: &[u8], text: &mut String) {
    for (n, line) in code.chunks(16).enumerate() {
        let bytes: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, "  {:6x}  {}", 16 * n, bytes.join(" "));
    }
}
