//! Stores past the caches: which lanes they store. What all lanes are is for the random programs.

use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use raptors_ir::Part;

use super::guarded::Guarded;
use super::run::{Target, available};
use super::stream;
use crate::codegen::exec_memory;
use crate::codegen::kernel::{Function, KernelArgs, StreamArgs};
use crate::codegen::machine::MachineCode;
use crate::codegen::vector::{
    Accumulation, Combine, Conversion, Outcome, Step, StreamId, Type, VectorOp, VectorProgram,
};
use crate::codegen::x86;

/// A program that doubles what is in its first stream, and stores that in others.
struct Case {
    program: VectorProgram,
    target: x86::Target,
    copies: usize,
}

/// The sum of a lane of `from` with itself, in a stream of each of these types, all of them past the caches.
fn doubling(from: Type, to: &[Type]) -> VectorProgram {
    let mut program = VectorProgram::default();
    let source = stream(&mut program, from, Step::Unit);
    let x = program.push(VectorOp::Load(source), &[], from);
    let sum = program.push(VectorOp::Add, &[x, x], from);
    for &ty in to {
        let value = match ty == from {
            true => sum,
            false => program.push(VectorOp::Convert(Conversion::FloatToFloat), &[sum], ty),
        };
        let target = stream(&mut program, ty, Step::Unit);
        program.stores.push((value, target));
        program.non_temporal.push(target);
    }
    program
}

/// The sums of both parts of complex numbers with themselves.
fn doubling_pairs(ty: Type) -> VectorProgram {
    let mut program = VectorProgram::default();
    let source = stream(&mut program, ty, Step::Pair);
    let parts = Part::ALL.map(|part| {
        let x = program.push(VectorOp::LoadPart(source, part), &[], ty);
        program.push(VectorOp::Add, &[x, x], ty)
    });
    let target = stream(&mut program, ty, Step::Pair);
    program.pairs.push((parts, target));
    program.non_temporal.push(target);
    program
}

fn targets() -> impl Iterator<Item = x86::Target> {
    available().into_iter().filter_map(|target| match target {
        Target::X86(target) => Some(target),
        Target::Neon => None,
    })
}

impl Case {
    fn code(&self) -> MachineCode {
        match x86::compile_copies(&self.program, self.target, Some(self.copies)) {
            Ok(code) => code,
            Err(why) => panic!("{why}"),
        }
    }

    /// Lanes of a vector.
    fn lanes(&self) -> usize {
        let widest = self.program.insts.iter().map(|inst| inst.ty.size()).max().unwrap_or(1);
        let bytes = if self.target == x86::Target::Avx512 { 64 } else { 32 };
        bytes / widest
    }

    /// The streams that are stored past the caches.
    fn non_temporal(&self) -> &[StreamId] {
        &self.program.non_temporal
    }

    /// Lanes before the first line, where streams begin so many bytes behind one; `None` where no line begins with a lane
    /// of all.
    fn head(&self, starts: &[usize]) -> Option<usize> {
        let mut heads = self.non_temporal().iter().zip(starts);
        let lane_bytes = |stream: StreamId| self.program.streams[stream.index()].lane_bytes();
        let (&first, &start) = heads.next()?;
        let lane = lane_bytes(first);
        let head = (64 - start % 64) % 64 / lane;
        let fits = |stream: StreamId, start: usize| {
            let store = self.lanes() * self.program.streams[stream.index()].ty.size();
            (start + head * lane_bytes(stream)).is_multiple_of(store)
        };
        (fits(first, start) && heads.all(|(&stream, &start)| fits(stream, start))).then_some(head)
    }

    /// Runs the code on one row, with each target stream's first element so many bytes behind the begin of a page or, with
    /// `at_end`, its last one so many before the end. Says for each of them which lanes were stored.
    fn stored(&self, code: &[u8], n: usize, starts: &[usize]) -> Vec<Vec<bool>> {
        const UNTOUCHED: u8 = 0xa5;
        let Some(installed) = exec_memory::install(code) else { panic!("no executable memory") };
        let bytes = |stream: usize| n * self.program.streams[stream].lane_bytes();
        let mut memories: Vec<Guarded> = (0..self.program.streams.len())
            .map(|stream| {
                let mut memory = Guarded::new(bytes(stream) + 128);
                // Ones; their sums have no byte like that.
                let ones = match self.program.streams[0].ty {
                    Type::F64 => 1f64.to_le_bytes().to_vec(),
                    _ => 1f32.to_le_bytes().to_vec(),
                };
                match stream {
                    0 => memory.slice().chunks_mut(ones.len()).for_each(|one| one.copy_from_slice(&ones)),
                    _ => memory.slice().fill(UNTOUCHED),
                }
                memory
            })
            .collect();
        let starts: Vec<usize> = [0].iter().chain(starts).copied().collect();
        let streams: Vec<StreamArgs> = memories
            .iter()
            .zip(&starts)
            .map(|(memory, start)| StreamArgs { base: memory.address().wrapping_add(*start), row_stride: 0 })
            .collect();
        let pool = std::ptr::null();
        let args = KernelArgs { rows: 1, lanes: n, position: 0, pool, streams: streams.as_ptr() };
        // SAFETY: the code is a kernel of the program, or the same with stores that became loads, for a level that this machine
        // has, and each stream has `n` lanes.
        unsafe {
            let function: Function = std::mem::transmute(installed.address());
            function(&args);
        }
        let found = |stream: usize, memory: &mut Guarded| {
            let lane = self.program.streams[stream].lane_bytes();
            let row = &memory.slice()[starts[stream]..][..n * lane];
            row.chunks(lane).map(|lane| lane.iter().any(|&byte| byte != UNTOUCHED)).collect()
        };
        memories.iter_mut().enumerate().skip(1).map(|(n, memory)| found(n, memory)).collect()
    }
}

/// The code with each non-temporal store made a load from the same place, which leaves memory as it is.
fn without_non_temporal(code: &MachineCode) -> Vec<u8> {
    let mut bytes = code.bytes.clone();
    for inst in Decoder::with_ip(64, &code.bytes[..code.instructions], 0, DecoderOptions::NONE) {
        if inst.mnemonic() == Mnemonic::Vmovntps {
            let start = inst.ip() as usize;
            let opcode = start
                + match bytes[start] {
                    0xc5 => 2,
                    0xc4 => 3,
                    _ => 4,
                };
            assert_eq!(bytes[opcode], 0x2b);
            bytes[opcode] = 0x28;
        }
    }
    bytes
}

fn cases() -> Vec<Case> {
    let programs = || {
        vec![
            doubling(Type::F32, &[Type::F32]),
            doubling(Type::F64, &[Type::F64]),
            doubling(Type::F64, &[Type::F32]),
            doubling(Type::F32, &[Type::F32, Type::F32]),
            doubling(Type::F64, &[Type::F64, Type::F32]),
            doubling_pairs(Type::F32),
            doubling_pairs(Type::F64),
        ]
    };
    let of_target = |target| {
        let of_program = move |program: VectorProgram| {
            [1, 2, 4].map(|copies| Case { program: program.clone(), target, copies })
        };
        programs().into_iter().flat_map(of_program)
    };
    targets().flat_map(of_target).collect()
}

#[test]
fn whole_lines_of_long_rows_are_stored_past_the_caches() {
    let mut long = 0;
    for case in cases() {
        let code = case.code();
        let rest = without_non_temporal(&code);
        let block = case.lanes() * case.copies;
        for n in (0..150).chain([255, 256, 257, 300]) {
            for start in [0, 4, 8, 16, 24, 32, 48, 60, 3] {
                // The second stream with its lines at the same lanes as the first, or not.
                for starts in [[start, start], [start, start / 2], [start, 16]] {
                    let starts = &starts[..case.non_temporal().len()];
                    let context = || {
                        format!(
                            "{:?}, {} copies, {n} lanes at {starts:?}\n{}",
                            case.target, case.copies, case.program
                        )
                    };
                    assert!(
                        case.stored(&code.bytes, n, starts).concat().iter().all(|&stored| stored),
                        "{}",
                        context()
                    );
                    let head = case.head(starts).filter(|head| head + block <= n);
                    let past = head.map_or(0..0, |head| head..head + (n - head) / block * block);
                    for stored in case.stored(&rest, n, starts) {
                        for (lane, stored) in stored.into_iter().enumerate() {
                            // The last lanes of the head and of the row are stored as usual too.
                            let is_past = past.contains(&lane);
                            let is_again =
                                lane < past.start.next_multiple_of(case.lanes()) || lane + block >= n;
                            assert!(stored != is_past || is_past && is_again, "lane {lane}: {}", context());
                        }
                    }
                    long += past.len();
                }
            }
        }
    }
    assert!(long > 0 || targets().next().is_none());
}

fn count(code: &MachineCode, mnemonic: Mnemonic) -> usize {
    let decoder = Decoder::with_ip(64, &code.bytes[..code.instructions], 0, DecoderOptions::NONE);
    decoder.into_iter().filter(|inst| inst.mnemonic() == mnemonic).count()
}

#[test]
fn kernels_that_store_past_the_caches_end_with_a_fence() {
    for target in [x86::Target::Avx2, x86::Target::Avx512At256, x86::Target::Avx512] {
        let mut program = doubling(Type::F32, &[Type::F32, Type::F32]);
        let counts = |program: &VectorProgram| {
            let code = x86::compile_copies(program, target, Some(4)).unwrap();
            [Mnemonic::Vmovntps, Mnemonic::Sfence].map(|mnemonic| count(&code, mnemonic))
        };
        assert_eq!(counts(&program), [8, 1]);
        program.non_temporal.pop();
        assert_eq!(counts(&program), [4, 1]);
        program.non_temporal.clear();
        assert_eq!(counts(&program), [0, 0]);
    }
}

/// Of truth values there are a few bytes for each vector of floats.
#[test]
fn narrow_vectors_are_stored_as_usual() {
    let mut program = doubling(Type::F64, &[Type::F64]);
    let zero = program.push(VectorOp::Splat(0), &[], Type::F64);
    program.pool = 1;
    let predicate = crate::codegen::vector::Predicate::Lt;
    let x = program.stores[0].0;
    let is_less = program.push(VectorOp::Compare(predicate), &[x, zero], Type::Mask);
    let bytes = program.push(VectorOp::Convert(Conversion::MaskToInt), &[is_less], Type::I8);
    let target = stream(&mut program, Type::I8, Step::Unit);
    program.stores.push((bytes, target));
    program.non_temporal.push(target);
    for target in [x86::Target::Avx2, x86::Target::Avx512At256, x86::Target::Avx512] {
        let code = x86::compile_copies(&program, target, Some(2)).unwrap();
        assert_eq!(count(&code, Mnemonic::Vmovntps), 2, "{target:?}");
    }
}

/// Each lane is accumulated once, so that there is no head.
#[test]
fn with_accumulations_rows_begin_with_a_line() {
    for target in targets() {
        let mut program = doubling(Type::F32, &[Type::F32]);
        let sum = stream(&mut program, Type::F32, Step::Row);
        let value = program.stores[0].0;
        let outcome = Outcome::Value;
        program.accumulations.push(Accumulation { combine: Combine::Add, value, target: sum, outcome });
        let case = Case { program, target, copies: 2 };
        let code = case.code();
        let rest = without_non_temporal(&code);
        let n = 10 * 2 * case.lanes();
        for (start, is_past) in [(0, true), (4, false), (16, false), (32, false)] {
            let stored = case.stored(&rest, n, &[start, 0]);
            assert!(stored[0].iter().all(|&stored| stored != is_past), "{target:?} at {start}");
        }
    }
}
