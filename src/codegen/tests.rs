//! Tests of the code generators: random programs are run against [`evaluate`](crate::codegen::vector::evaluate).

mod guarded;
#[cfg(target_arch = "x86_64")]
mod non_temporal;
mod programs;
mod run;

use super::vector::{
    Accumulation, Combine, Conversion, Fma, Outcome, Predicate, RareFunction, Step, Stream, StreamId, Type,
    VectorOp, VectorProgram,
};
use programs::{CUBE, Rng, random_program};
use run::{Target, available, check};

/// How many random programs `cargo test` runs; with `RAPTORS_FUZZ=n` it is `n`, from seed `RAPTORS_FUZZ_SEED`
/// on.
const PROGRAMS: u64 = 600;

fn stream(program: &mut VectorProgram, ty: Type, step: Step) -> StreamId {
    program.streams.push(Stream { ty, step });
    StreamId(program.streams.len() as u16 - 1)
}

#[test]
fn random_programs_give_the_bits_of_their_definition() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let seed = variable("RAPTORS_FUZZ_SEED").unwrap_or(0);
    let programs = variable("RAPTORS_FUZZ").unwrap_or(PROGRAMS);
    let mut unsupported = 0;
    for n in seed..seed + programs {
        let mut rng = Rng::new(n);
        let program = random_program(&mut rng);
        for target in available() {
            unsupported += u64::from(!check(&program, target, &mut rng, n));
        }
    }
    assert_eq!(unsupported, 0);
}

#[test]
fn a_loop_of_floats() {
    for ty in [Type::F32, Type::F64] {
        let mut program = VectorProgram::default();
        let a = stream(&mut program, ty, Step::Unit);
        let b = stream(&mut program, ty, Step::Unit);
        let out = stream(&mut program, ty, Step::Unit);
        let x = program.push(VectorOp::Load(a), &[], ty);
        let y = program.push(VectorOp::Load(b), &[], ty);
        let c = program.push(VectorOp::Splat(0), &[], ty);
        let sum = program.push(VectorOp::Add, &[x, y], ty);
        let product = program.push(VectorOp::Mul, &[sum, c], ty);
        program.stores.push((product, out));
        program.pool = 1;
        for target in available() {
            for seed in 0..50 {
                assert!(check(&program, target, &mut Rng::new(seed), seed));
            }
        }
    }
}

/// Lanes most of which are usual: exponents of sums of squares, which are zero now and then. What is stored first may be in
/// place.
#[test]
fn most_lanes_are_usual() {
    let cases = [(Type::F32, Type::I32, Type::I16, 0), (Type::F64, Type::I64, Type::I32, 3)];
    for (ty, int, narrow, doublings) in cases {
        for is_summed in [false, true] {
            let mut program = VectorProgram::default();
            let number = |program: &mut VectorProgram, from: Type| {
                let from_stream = stream(program, from, Step::Unit);
                let x = program.push(VectorOp::Load(from_stream), &[], from);
                let wide = program.push(VectorOp::Convert(Conversion::SignExtend), &[x], int);
                program.push(VectorOp::Convert(Conversion::SignedToFloat), &[wide], ty)
            };
            let (a, b) = (number(&mut program, narrow), number(&mut program, narrow));
            let mut power = number(&mut program, Type::I8);
            for _ in 0..doublings {
                power = program.push(VectorOp::Add, &[power, power], ty);
            }
            let from = stream(&mut program, ty, Step::Unit);
            let x = program.push(VectorOp::Load(from), &[], ty);
            let doubled = program.push(VectorOp::Add, &[x, x], ty);
            let square = program.push(VectorOp::Mul, &[a, a], ty);
            let sum = program.push(VectorOp::Fma(Fma::MulAdd), &[b, b, square], ty);
            let exponent = program.push(VectorOp::Exponent, &[sum], ty);
            let mantissa = program.push(VectorOp::Mantissa, &[sum], ty);
            let scaled = program.push(VectorOp::Scale, &[mantissa, power], ty);
            for value in [doubled, exponent, scaled] {
                let out = stream(&mut program, ty, Step::Unit);
                program.stores.push((value, out));
            }
            if is_summed {
                let target = stream(&mut program, ty, Step::Row);
                let outcome = Outcome::Value;
                program.accumulations.push(Accumulation {
                    combine: Combine::Add,
                    value: doubled,
                    target,
                    outcome,
                });
            }
            for target in available() {
                for seed in 0..100 {
                    assert!(check(&program, target, &mut Rng::new(seed), seed));
                }
            }
        }
    }
}

/// What was accumulated before a call is kept through it.
#[test]
fn a_rare_call_after_an_accumulation() {
    let mut program = VectorProgram::default();
    let from = stream(&mut program, Type::F32, Step::Unit);
    let x = program.push(VectorOp::Load(from), &[], Type::F32);
    let limit = program.push(VectorOp::Splat(0), &[], Type::F32);
    program.pool = 1;
    let root = program.push(VectorOp::Sqrt, &[x], Type::F32);
    let quotient = program.push(VectorOp::Div, &[root, limit], Type::F32);
    let is_less = program.push(VectorOp::Compare(Predicate::Lt), &[quotient, limit], Type::Mask);
    program.rares.push(RareFunction::F32(&CUBE));
    let cubed = program.push(VectorOp::Rare(0), &[is_less, quotient, root, quotient], Type::F32);
    for (combine, value) in [(Combine::Add, cubed), (Combine::Mul, limit)] {
        let target = stream(&mut program, Type::F32, Step::Row);
        program.accumulations.push(Accumulation { combine, value, target, outcome: Outcome::Value });
    }
    for target in available() {
        for seed in 0..50 {
            assert!(check(&program, target, &mut Rng::new(seed), seed));
        }
    }
}

/// Rows of one block, of every length at which another part of a kernel takes over, with elements that are often the same.
#[test]
fn places_of_rows() {
    let combines = |ty: Type| match ty {
        Type::F32 | Type::F64 => vec![Combine::Min, Combine::Max],
        _ => vec![Combine::MinSigned, Combine::MaxSigned, Combine::MinUnsigned, Combine::MaxUnsigned],
    };
    for ty in [Type::I16, Type::I32, Type::I64, Type::F32, Type::F64] {
        for combine in combines(ty) {
            for has_best in [false, true] {
                let mut program = VectorProgram::default();
                let from = stream(&mut program, ty, Step::Unit);
                let value = program.push(VectorOp::Load(from), &[], ty);
                let target = stream(&mut program, Type::I64, Step::Row);
                let best = has_best.then(|| stream(&mut program, ty, Step::Row));
                let outcome = Outcome::Place(best);
                program.accumulations.push(Accumulation { combine, value, target, outcome });
                for target in available() {
                    for seed in 0..20 {
                        assert!(check(&program, target, &mut Rng::new(seed), seed));
                    }
                }
            }
        }
    }
}

#[test]
fn code_does_not_depend_on_the_host() {
    let mut rng = Rng::new(7);
    let program = random_program(&mut rng);
    for target in Target::ALL {
        assert!(target.compile(&program, None).is_ok());
    }
}

/// The procedure call standard: `d8` to `d15` and `x19` to `x28` are the caller's.
#[cfg(target_arch = "aarch64")]
#[test]
fn kernels_keep_the_registers_of_their_callers() {
    use super::kernel::{KernelArgs, StreamArgs};
    use std::arch::asm;
    // More streams than registers for them, and more values than registers at once.
    const STREAMS: usize = 24;
    const LANES: usize = 53;
    let mut program = VectorProgram::default();
    let loaded: Vec<_> = (0..STREAMS)
        .map(|_| {
            let from = stream(&mut program, Type::F32, Step::Unit);
            program.push(VectorOp::Load(from), &[], Type::F32)
        })
        .collect();
    let squares: Vec<_> = loaded.iter().map(|&x| program.push(VectorOp::Mul, &[x, x], Type::F32)).collect();
    let roots: Vec<_> = squares.iter().map(|&x| program.push(VectorOp::Sqrt, &[x], Type::F32)).collect();
    let mut sum = squares[0];
    for x in squares.into_iter().skip(1).chain(roots) {
        sum = program.push(VectorOp::Add, &[sum, x], Type::F32);
    }
    let out = stream(&mut program, Type::F32, Step::Unit);
    program.stores.push((sum, out));
    for copies in [1, 4, 8] {
        let Ok(code) = run::Target::Neon.compile(&program, Some(copies)) else { panic!("no code") };
        let Some(code) = super::exec_memory::install(&code.bytes) else { panic!("no executable memory") };
        let mut memory = vec![[0.5f32; LANES]; STREAMS + 1];
        let streams: Vec<StreamArgs> = memory
            .iter_mut()
            .map(|row| StreamArgs { base: row.as_mut_ptr().cast(), row_stride: 0 })
            .collect();
        let pool = std::ptr::null();
        let args = KernelArgs { rows: 2, lanes: LANES, position: 0, pool, streams: streams.as_ptr() };
        let mut floats = [8.5f64, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 15.5];
        let mut integers = [20u64, 21, 22, 23, 24, 25, 26, 27, 28];
        // SAFETY: the code is a kernel for this machine, and its streams have the lanes of two rows at one place. It keeps to
        // the convention of C, or the test fails.
        unsafe {
            asm!(
                "blr x16",
                inout("x16") code.address() => _, inout("x0") &raw const args => _,
                inout("v8") floats[0], inout("v9") floats[1], inout("v10") floats[2], inout("v11") floats[3],
                inout("v12") floats[4], inout("v13") floats[5], inout("v14") floats[6], inout("v15") floats[7],
                inout("x20") integers[0], inout("x21") integers[1], inout("x22") integers[2],
                inout("x23") integers[3], inout("x24") integers[4], inout("x25") integers[5],
                inout("x26") integers[6], inout("x27") integers[7], inout("x28") integers[8],
                clobber_abi("C"),
            );
        }
        assert_eq!(floats, [8.5, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 15.5]);
        assert_eq!(integers, [20, 21, 22, 23, 24, 25, 26, 27, 28]);
        assert!(memory[STREAMS].iter().all(|&x| x == 0.75 * STREAMS as f32), "{:?}", memory[STREAMS]);
    }
}
