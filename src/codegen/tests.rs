//! Tests of the code generators: random programs are run against [`evaluate`](crate::codegen::vector::evaluate).

mod guarded;
mod programs;
mod run;

use super::vector::{Step, Stream, StreamId, Type, VectorOp, VectorProgram};
use programs::{Rng, random_program};
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

#[test]
fn code_does_not_depend_on_the_host() {
    let mut rng = Rng::new(7);
    let program = random_program(&mut rng);
    for target in Target::ALL {
        assert!(target.compile(&program, None).is_ok());
    }
}
