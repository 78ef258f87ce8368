//! Runs a program as machine code and by definition, and compares.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};
use raptors_ir::Part;

use super::guarded::Guarded;
use super::programs::{Rng, element};
use crate::codegen::exec_memory::{self, Code};
use crate::codegen::kernel::{Function, KernelArgs, StreamArgs, has_code};
use crate::codegen::machine::{MachineCode, Unsupported};
use crate::codegen::vector::evaluate::evaluate;
use crate::codegen::vector::{
    Combine, Outcome, Predicate, Step, StreamId, Type, VectorId, VectorOp, VectorProgram,
};
use crate::codegen::{neon, x86};
use crate::kernels::reduce::lanes_of_size;
use crate::runtime::level::Level;

/// What code is generated for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    X86(x86::Target),
    Neon,
}

impl Target {
    pub(super) const ALL: [Target; 4] = [
        Target::X86(x86::Target::Avx2),
        Target::X86(x86::Target::Avx512At256),
        Target::X86(x86::Target::Avx512),
        Target::Neon,
    ];

    /// The code of a program, with so many copies of its body.
    pub(super) fn compile(
        self,
        program: &VectorProgram,
        forced: Option<usize>,
    ) -> Result<MachineCode, Unsupported> {
        match self {
            Target::X86(target) => x86::compile_copies(program, target, forced),
            Target::Neon => neon::compile_copies(program, forced),
        }
    }
}

/// The targets that this machine runs.
pub(super) fn available() -> Vec<Target> {
    Level::available()
        .flat_map(|level| match level {
            Level::Baseline if has_code(level) => vec![Target::Neon],
            Level::Baseline => vec![],
            Level::Avx2 => vec![Target::X86(x86::Target::Avx2)],
            Level::Avx512 => {
                vec![Target::X86(x86::Target::Avx512At256), Target::X86(x86::Target::Avx512)]
            }
        })
        .collect()
}

/// Where a stream's elements are, in the memory of another stream if it is in place.
struct Placed {
    memory: usize,
    first: usize,
    stride: isize,
    row_bytes: usize,
}

/// Runs a program with random arguments; false if it is not supported.
pub(super) fn check(program: &VectorProgram, target: Target, rng: &mut Rng, seed: u64) -> bool {
    let forced = rng.pick(&[None, None, None, Some(1), Some(2), Some(3), Some(4), Some(8)]);
    let code = match target.compile(program, forced) {
        Ok(code) => code,
        Err(Unsupported { .. }) => return false,
    };
    if let Target::X86(_) = target {
        decode(&code);
    }
    let Some(installed) = exec_memory::install(&code.bytes) else { panic!("no executable memory") };
    for _ in 0..3 {
        let what = format!("seed {seed}, {target:?}, copies {forced:?}");
        if let Err(difference) = run(program, &installed, rng) {
            panic!("{what}: {difference}\n{program}{}", disassembly(&code, target));
        }
    }
    true
}

fn decode(code: &MachineCode) {
    let mut decoder = Decoder::with_ip(64, &code.bytes[..code.instructions], 0, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        assert!(!instruction.is_invalid(), "invalid at {:#x}", instruction.ip());
    }
}

/// The instructions as text.
fn disassembly(code: &MachineCode, target: Target) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    if let Target::Neon = target {
        // As an assembler takes them: llvm-mc -triple=aarch64 -disassemble.
        for word in code.bytes[..code.instructions].chunks(4) {
            let bytes: Vec<String> = word.iter().map(|byte| format!("{byte:#04x}")).collect();
            let _ = writeln!(text, "    {}", bytes.join(" "));
        }
        return text;
    }
    let mut formatter = IntelFormatter::new();
    for instruction in Decoder::with_ip(64, &code.bytes[..code.instructions], 0, DecoderOptions::NONE) {
        let mut line = String::new();
        formatter.format(&instruction, &mut line);
        let _ = writeln!(text, "    {:4x} {line}", instruction.ip());
    }
    text
}

/// Runs a program once; what differs is an error.
fn run(program: &VectorProgram, code: &Code, rng: &mut Rng) -> Result<(), String> {
    let lanes = match rng.below(10) {
        0..3 => rng.below(20),
        3..6 => rng.below(80),
        6..9 => rng.below(301),
        _ => rng.below(1200),
    };
    let rows = if rng.one_in(2) { 1 } else { rng.below(5) };
    let position = if rng.one_in(2) { 0 } else { rng.next() as i32 as i64 };
    let pool: Vec<u64> = (0..program.pool)
        .map(|entry| {
            let user = program.insts.iter().find(|inst| inst.op == VectorOp::Splat(entry));
            user.map_or(0, |inst| element(rng, inst.ty))
        })
        .collect();
    let (mut memories, placed) = place(program, rows, lanes, rng);
    let before: Vec<Vec<u8>> = memories.iter_mut().map(|memory| memory.slice().to_vec()).collect();
    let mut expected = before.clone();
    for row in 0..rows {
        by_definition(program, &before, &mut expected, &placed, row, lanes, position, &pool);
    }
    let streams: Vec<StreamArgs> = placed
        .iter()
        .map(|stream| StreamArgs {
            base: memories[stream.memory].address().wrapping_add(stream.first),
            row_stride: stream.stride,
        })
        .collect();
    let args = KernelArgs { rows, lanes, position, pool: pool.as_ptr(), streams: streams.as_ptr() };
    // SAFETY: the code is a kernel for a level that this machine has, and the streams have rows and lanes as
    // it needs.
    unsafe {
        let function: Function = std::mem::transmute(code.address());
        function(&args);
    }
    for (n, stream) in placed.iter().enumerate().filter(|&(n, _)| is_written(program, n)) {
        let ty = program.streams[n].ty;
        let actual = memories[stream.memory].slice();
        for row in 0..rows {
            let start = stream.first.wrapping_add_signed(row as isize * stream.stride);
            for at in (start..start + stream.row_bytes).step_by(ty.size()) {
                let (expected, actual) = (read(&expected[stream.memory], at, ty), read(actual, at, ty));
                let are_zeros = is_best(program, n) && is_zero(ty, expected) && is_zero(ty, actual);
                if !are_zeros && !same(ty, expected, actual) {
                    return Err(format!(
                        "stream {n}, row {row}, lane {}: expected {expected:x}, got {actual:x}; rows {rows}, \
                         lanes {lanes}, position {position}, pool {pool:x?}",
                        (at - start) / ty.size(),
                    ));
                }
            }
        }
    }
    compare_all(program, &mut memories, &mut expected, &placed, rows)
}

/// Whether a program writes a stream.
fn is_written(program: &VectorProgram, stream: usize) -> bool {
    program.directions()[stream].1 || is_target(program, stream)
}

/// Whether a reduction writes a stream.
fn is_target(program: &VectorProgram, stream: usize) -> bool {
    let is_result = program.accumulations.iter().any(|one| one.target.index() == stream);
    is_result || is_best(program, stream)
}

/// Whether a stream has what places are of: of zeros either.
fn is_best(program: &VectorProgram, stream: usize) -> bool {
    program.accumulations.iter().any(|one| match one.outcome {
        Outcome::Place(Some(best)) => best.index() == stream,
        Outcome::Place(None) | Outcome::Value => false,
    })
}

fn is_zero(ty: Type, bits: u64) -> bool {
    let sign = if ty.is_float() { 1 << (8 * ty.size() - 1) } else { 0 };
    bits & !sign == 0
}

/// Bytes beside the elements are as they were.
fn compare_all(
    program: &VectorProgram,
    memories: &mut [Guarded],
    expected: &mut [Vec<u8>],
    placed: &[Placed],
    rows: usize,
) -> Result<(), String> {
    for (n, stream) in placed.iter().enumerate().filter(|&(n, _)| is_written(program, n)) {
        let actual = memories[stream.memory].slice();
        for row in 0..rows {
            let start = stream.first.wrapping_add_signed(row as isize * stream.stride);
            let range = start..start + stream.row_bytes;
            if program.streams[n].ty.is_float() {
                expected[stream.memory][range.clone()].copy_from_slice(&actual[range]);
            }
        }
    }
    for (memory, expected) in memories.iter_mut().zip(expected) {
        if memory.slice() != expected.as_slice() {
            return Err("bytes that the program does not write changed".to_owned());
        }
    }
    Ok(())
}

fn same(ty: Type, x: u64, y: u64) -> bool {
    let is_nan = |bits: u64| match ty {
        Type::F32 => f32::from_bits(bits as u32).is_nan(),
        Type::F64 => f64::from_bits(bits).is_nan(),
        _ => false,
    };
    x == y || is_nan(x) && is_nan(y)
}

fn read(memory: &[u8], at: usize, ty: Type) -> u64 {
    let mut bytes = [0; 8];
    bytes[..ty.size()].copy_from_slice(&memory[at..at + ty.size()]);
    u64::from_le_bytes(bytes)
}

fn write(memory: &mut [u8], at: usize, ty: Type, bits: u64) {
    memory[at..at + ty.size()].copy_from_slice(&bits.to_le_bytes()[..ty.size()]);
}

/// Memory for the streams, each at one of its ends or near it.
fn place(program: &VectorProgram, rows: usize, lanes: usize, rng: &mut Rng) -> (Vec<Guarded>, Vec<Placed>) {
    let mut memories: Vec<Guarded> = Vec::new();
    let mut placed: Vec<Placed> = Vec::new();
    let directions = program.directions();
    let is_written = |n: usize| directions[n].1;
    let mut is_taken = vec![false; program.streams.len()];
    for (n, stream) in program.streams.iter().enumerate() {
        let size = stream.ty.size();
        // A result may be written over an operand with lanes of its size, once.
        let partner = (0..n).find(|&other| {
            is_written(n)
                && !is_written(other)
                && !is_taken[other]
                && stream.step != Step::Row
                && program.streams[other].step != Step::Row
                && program.streams[other].lane_bytes() == stream.lane_bytes()
        });
        if let Some(other) = partner
            && rng.one_in(2)
        {
            is_taken[other] = true;
            let Placed { memory, first, stride, row_bytes } = placed[other];
            placed.push(Placed { memory, first, stride, row_bytes });
            continue;
        }
        let row_bytes = if stream.step == Step::Row { size } else { lanes * stream.lane_bytes() };
        let gap = if rng.one_in(2) { 0 } else { rng.below(70) };
        let is_fixed = stream.step == Step::Row && !is_target(program, n) && rng.one_in(2);
        let distance = if is_fixed { 0 } else { row_bytes + gap };
        let total = distance * rows.saturating_sub(1) + row_bytes;
        let mut memory = Guarded::new(total + 64);
        memory.slice().fill(rng.next() as u8);
        let room = memory.bytes() - total;
        let first = match rng.below(5) {
            0 => 0,
            1 => size * rng.below(room.min(64) / size + 1),
            2 => rng.below(room.min(64) + 1),
            3 => room - rng.below(room.min(64) + 1),
            _ => room,
        };
        let is_backward = !is_fixed && rng.one_in(6);
        let rows_end = first + distance * rows.saturating_sub(1);
        let (first, stride) =
            if is_backward { (rows_end, -(distance as isize)) } else { (first, distance as isize) };
        for row in 0..rows {
            let start = first.wrapping_add_signed(row as isize * stride);
            for at in (start..start + row_bytes).step_by(size) {
                let bits = element(rng, stream.ty);
                write(memory.slice(), at, stream.ty, bits);
            }
        }
        memories.push(memory);
        placed.push(Placed { memory: memories.len() - 1, first, stride, row_bytes });
    }
    (memories, placed)
}

#[expect(clippy::too_many_arguments, reason = "what a row is computed from")]
fn by_definition(
    program: &VectorProgram,
    before: &[Vec<u8>],
    after: &mut [Vec<u8>],
    placed: &[Placed],
    row: usize,
    lanes: usize,
    position: i64,
    pool: &[u64],
) {
    let start =
        |stream: usize| placed[stream].first.wrapping_add_signed(row as isize * placed[stream].stride);
    let mut sequences = vec![Vec::new(); program.accumulations.len()];
    let mut values = vec![0u64; program.insts.len()];
    for lane in 0..lanes {
        for (n, inst) in program.insts.iter().enumerate() {
            let mask =
                |bits: u64| if inst.ty.size() == 8 { bits } else { bits & ((1 << (8 * inst.ty.size())) - 1) };
            values[n] = match inst.op {
                VectorOp::Load(stream) | VectorOp::LoadPart(stream, _) => {
                    let stream = stream.index();
                    let part = match inst.op {
                        VectorOp::LoadPart(_, Part::Imag) => inst.ty.size(),
                        _ => 0,
                    };
                    let offset = match program.streams[stream].step {
                        Step::Unit | Step::Pair => lane * program.streams[stream].lane_bytes() + part,
                        Step::Row => 0,
                    };
                    read(&before[placed[stream].memory], start(stream) + offset, inst.ty)
                }
                VectorOp::Splat(entry) => mask(pool[usize::from(entry)]),
                VectorOp::Position => position.wrapping_add(lane as i64).cast_unsigned(),
                op => {
                    let args: Vec<u64> = inst.args.iter().map(|arg| values[arg.index()]).collect();
                    let from = inst.args.last().map_or(inst.ty, |&arg: &VectorId| program.ty(arg));
                    evaluate(op, from, inst.ty, &args, program)
                }
            };
        }
        for (value, stream) in &program.stores {
            let ty = program.ty(*value);
            let at = start(stream.index()) + lane * ty.size();
            write(&mut after[placed[stream.index()].memory], at, ty, values[value.index()]);
        }
        for ([re, im], stream) in &program.pairs {
            let ty = program.ty(*re);
            let at = start(stream.index()) + 2 * lane * ty.size();
            let memory = &mut after[placed[stream.index()].memory];
            write(memory, at, ty, values[re.index()]);
            write(memory, at + ty.size(), ty, values[im.index()]);
        }
        for (sequence, accumulation) in sequences.iter_mut().zip(&program.accumulations) {
            sequence.push(values[accumulation.value.index()]);
        }
    }
    for (sequence, accumulation) in sequences.iter().zip(&program.accumulations) {
        let ty = program.ty(accumulation.value);
        let mut store = |stream: StreamId, ty: Type, bits: u64| {
            let stream = stream.index();
            write(&mut after[placed[stream].memory], start(stream), ty, bits);
        };
        match accumulation.outcome {
            Outcome::Value => store(accumulation.target, ty, tree(accumulation.combine, ty, sequence)),
            Outcome::Place(best) => {
                let place = first_place(accumulation.combine, ty, sequence);
                store(accumulation.target, Type::I64, place as u64);
                if let Some(best) = best {
                    let element = sequence.get(place).copied();
                    store(best, ty, element.unwrap_or_else(|| accumulation.combine.identity(ty)));
                }
            }
        }
    }
}

/// Where the first minimum or maximum is, or the first NaN; 0 of none.
fn first_place(combine: Combine, ty: Type, sequence: &[u64]) -> usize {
    let holds = |predicate, x: u64, y: u64| {
        let compare = VectorOp::Compare(predicate);
        evaluate(compare, ty, Type::Mask, &[x, y], &VectorProgram::default()) == 1
    };
    let mut best = 0;
    for (place, &x) in sequence.iter().enumerate() {
        let old = sequence[best];
        let is_better = match combine {
            Combine::Min | Combine::MinSigned => holds(Predicate::Lt, x, old),
            Combine::Max | Combine::MaxSigned => holds(Predicate::Lt, old, x),
            Combine::MinUnsigned => holds(Predicate::LtUnsigned, x, old),
            Combine::MaxUnsigned => holds(Predicate::LtUnsigned, old, x),
            Combine::Add | Combine::Mul => unreachable!("sums and products have no place"),
        };
        let is_nan = |x: u64| ty.is_float() && holds(Predicate::Unordered, x, x);
        if is_better || is_nan(x) && !is_nan(old) {
            best = place;
        }
    }
    best
}

/// The reduction tree of one block, from its description.
fn tree(combine: Combine, ty: Type, sequence: &[u64]) -> u64 {
    let bits = 8 * ty.size() as u32;
    let is_single = ty == Type::F32;
    let float = |x: f64| if is_single { u64::from((x as f32).to_bits()) } else { x.to_bits() };
    let identity = match combine {
        Combine::Add => 0,
        Combine::Mul if ty.is_float() => float(1.0),
        Combine::Mul => 1,
        Combine::Min => float(f64::INFINITY),
        Combine::Max => float(f64::NEG_INFINITY),
        Combine::MinSigned => (1 << (bits - 1)) - 1,
        Combine::MaxSigned => 1 << (bits - 1),
        Combine::MinUnsigned => u64::MAX >> (64 - bits),
        Combine::MaxUnsigned => 0,
    };
    let op = match combine {
        Combine::Add => VectorOp::Add,
        Combine::Mul => VectorOp::Mul,
        Combine::Min => VectorOp::Min,
        Combine::Max => VectorOp::Max,
        Combine::MinSigned => VectorOp::MinSigned,
        Combine::MaxSigned => VectorOp::MaxSigned,
        Combine::MinUnsigned => VectorOp::MinUnsigned,
        Combine::MaxUnsigned => VectorOp::MaxUnsigned,
    };
    let is_nan =
        |x: u64| if is_single { f32::from_bits(x as u32).is_nan() } else { f64::from_bits(x).is_nan() };
    let combine = |x: u64, y: u64| {
        if matches!(combine, Combine::Min | Combine::Max) && is_nan(x) {
            x
        } else {
            evaluate(op, ty, ty, &[x, y], &VectorProgram::default())
        }
    };
    let count = lanes_of_size(ty.size());
    let mut lanes = vec![identity; count];
    for (n, &x) in sequence.iter().enumerate() {
        lanes[n % count] = combine(lanes[n % count], x);
    }
    let mut half = count / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = combine(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}
