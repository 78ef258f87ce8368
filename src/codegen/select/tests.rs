//! Selected programs, run by the definition of vector ops, give what the scalar definitions do.

use raptors_ir::{DType, ElementwiseOp, Literal, scalar};

use super::*;
use crate::codegen::vector::evaluate::evaluate;

/// Xorshift64* numbers: the same for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn real_dtypes() -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|dtype| !dtype.is_complex())
}

fn any_dtype(random: &mut Random) -> DType {
    let all: Vec<DType> = real_dtypes().collect();
    all[random.bits() as usize % all.len()]
}

/// Numbers at which ops change their mind.
fn special(dtype: DType) -> Vec<Literal> {
    let all = |bits: &[u64]| bits.iter().map(|&bits| Literal::from_bits(dtype, bits.into())).collect();
    match dtype {
        DType::Bool => all(&[0, 1, 2, 255]),
        DType::F32 => [
            0.0f32,
            1.0,
            0.5,
            1.5,
            2.0,
            2.5,
            3.0,
            1e-45,
            1.2e-38,
            f32::MIN_POSITIVE,
            f32::MAX,
            f32::INFINITY,
            f32::NAN,
            8_388_607.5,
            8_388_608.0,
            16_777_217.0,
            2_147_483_520.0,
            2_147_483_648.0,
            4_294_967_296.0,
            9.2e18,
            1.8e19,
            100.7,
            127.0,
            128.5,
            255.9,
            256.0,
            65_535.5,
            1e30,
        ]
        .iter()
        .flat_map(|&x| [Literal::new(x), Literal::new(-x)])
        .collect(),
        DType::F64 => [
            0.0f64,
            1.0,
            0.5,
            1.5,
            2.5,
            3.0,
            5e-324,
            f64::MIN_POSITIVE,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
            4_503_599_627_370_495.5,
            4_503_599_627_370_496.0,
            9_007_199_254_740_993.0,
            2_147_483_647.5,
            2_147_483_648.0,
            4_294_967_295.5,
            9_223_372_036_854_774_784.0,
            9_223_372_036_854_775_808.0,
            18_446_744_073_709_549_568.0,
            1.9e19,
            100.7,
            128.5,
            1e300,
            3.4e38,
            1e-40,
        ]
        .iter()
        .flat_map(|&x| [Literal::new(x), Literal::new(-x)])
        .collect(),
        _ => {
            let width = 8 * dtype.size() as u32;
            let top = 1u64 << (width - 1);
            all(&[
                0,
                1,
                2,
                3,
                5,
                7,
                8,
                31,
                63,
                100,
                0x7f,
                0x80,
                0xff,
                top - 1,
                top,
                top + 1,
                top + 2,
                u64::MAX,
                u64::MAX - 1,
                u64::MAX - 2,
                u64::MAX - 6,
                top - 2,
                0x7fff,
                0x8000,
                0xffff,
                0x7fff_ffff,
                0x8000_0000,
                0xffff_ffff,
                (1 << 53) + 1,
                (1 << 24) + 1,
            ])
        }
    }
}

fn any(dtype: DType, random: &mut Random) -> Literal {
    let bits = random.bits();
    match (dtype, bits % 4) {
        (DType::F32 | DType::F64, 0) => Literal::from_bits(dtype, random.bits().into()),
        (_, 0) => Literal::from_bits(dtype, (random.bits() % 20).into()),
        (DType::F32 | DType::F64, 1) => Literal::from_f64(dtype, (random.bits() % 2000) as f64 / 8.0 - 125.0),
        (_, 1) => Literal::from_bits(dtype, 0u64.wrapping_sub(random.bits() % 20).into()),
        (DType::F32 | DType::F64, _) => Literal::from_f64(
            dtype,
            (random.bits() as f64 / 2f64.powi(63) - 1.0) * 10f64.powi((bits >> 40) as i32 % 40 - 20),
        ),
        _ => Literal::from_bits(dtype, random.bits().into()),
    }
}

/// Operands of `count` dtypes: all pairs of special numbers, and random ones.
fn tuples(dtypes: &[DType], random: &mut Random) -> Vec<Vec<Literal>> {
    let specials: Vec<Vec<Literal>> = dtypes.iter().map(|&dtype| special(dtype)).collect();
    let mut tuples: Vec<Vec<Literal>> = match &specials[..] {
        [x] => x.iter().map(|&x| vec![x]).collect(),
        [x, y, rest @ ..] => {
            let pairs = x.iter().flat_map(|&x| y.iter().map(move |&y| vec![x, y]));
            pairs
                .map(|mut pair| {
                    pair.extend(rest.iter().map(|z| z[random.bits() as usize % z.len()]));
                    pair
                })
                .collect()
        }
        [] => vec![],
    };
    tuples.extend((0..2000).map(|_| dtypes.iter().map(|&dtype| any(dtype, random)).collect::<Vec<_>>()));
    tuples
}

/// The program that applies one instruction to operands of these dtypes and stores the result.
fn program(op: LaneOp, dtypes: &[DType], result: DType) -> LaneProgram {
    let mut body = LaneProgram::default();
    let args: Vec<ValueId> = dtypes
        .iter()
        .enumerate()
        .map(|(n, &dtype)| body.push(LaneOp::Load(OperandId(n as u16)), &[], dtype))
        .collect();
    let value = body.push(op, &args, result);
    body.stores.push((value, OperandId(dtypes.len() as u16)));
    body
}

fn selected(body: &LaneProgram) -> Result<Selected, NoVectorForm> {
    let outputs = Outputs {
        stores: body.stores.iter().map(|&(value, operand)| (value, StreamUse::Operand(operand))).collect(),
        ..Outputs::default()
    };
    let source = |value: ValueId| match body.insts[value.index()].op {
        LaneOp::Load(operand) => Source::Lanes(StreamUse::Operand(operand)),
        _ => unreachable!("operands are loaded"),
    };
    select(body, source, &outputs)
}

/// What the program stores for one lane of operands.
fn run(selected: &Selected, operands: &[Literal]) -> Vec<u64> {
    let program = &selected.program;
    let mut values: Vec<u64> = Vec::new();
    for inst in &program.insts {
        let args: Vec<u64> = inst.args.iter().map(|arg| values[arg.index()]).collect();
        values.push(match inst.op {
            VectorOp::Load(stream) => match selected.streams[stream.index()] {
                StreamUse::Operand(operand) => operands[operand.index()].bits() as u64,
                used => unreachable!("{used:?} is not loaded"),
            },
            VectorOp::Splat(entry) => match selected.pool[usize::from(entry)] {
                PoolEntry::Constant(bits) => bits,
                entry => unreachable!("{entry:?} is not used"),
            },
            op => {
                let from = inst.args.last().map_or(inst.ty, |arg| program.ty(*arg));
                evaluate(op, from, inst.ty, &args, program)
            }
        });
    }
    program.stores.iter().map(|(value, _)| values[value.index()]).collect()
}

fn same(found: u64, expected: Literal) -> bool {
    let dtype = expected.dtype();
    let found = Literal::from_bits(dtype, found.into());
    let is_nan = |x: Literal| dtype.is_float() && x.to_f64().is_some_and(f64::is_nan);
    found == expected || is_nan(found) && is_nan(expected)
}

#[track_caller]
fn check(
    body: &LaneProgram,
    selected: &Selected,
    tuples: &[Vec<Literal>],
    expected: impl Fn(&[Literal]) -> Literal,
) {
    for operands in tuples {
        let (found, expected) = (run(selected, operands)[0], expected(operands));
        assert!(
            same(found, expected),
            "{operands:?}: {found:#x}, not {expected:?}\n{body}{}",
            selected.program
        );
    }
}

/// Whether an op may stay without a vector form.
fn may_be_refused(op: ElementwiseOp, dtype: DType) -> bool {
    match op {
        ElementwiseOp::Pow => !dtype.is_float(),
        ElementwiseOp::FloorDivide | ElementwiseOp::Remainder => {
            matches!(dtype, DType::I64 | DType::U64)
        }
        _ => false,
    }
}

#[test]
fn ops_mean_what_the_scalar_definitions_say() {
    let mut random = Random(1);
    for &op in ElementwiseOp::ALL {
        for dtype in real_dtypes().filter(|&dtype| op.compute_dtype(dtype) == Some(dtype)) {
            if dtype.is_half() {
                continue;
            }
            let dtypes = vec![dtype; op.arity()];
            let body = program(LaneOp::Elementwise(op, dtype), &dtypes, op.result_dtype(dtype));
            match selected(&body) {
                Ok(selected) => {
                    let tuples = tuples(&dtypes, &mut random);
                    check(&body, &selected, &tuples, |operands| match scalar::evaluate(op, operands) {
                        Some(literal) => literal,
                        None => panic!("{} of {dtype} is not defined", op.name()),
                    });
                }
                Err(reason) => assert!(may_be_refused(op, dtype), "{reason}"),
            }
        }
    }
}

#[test]
fn casts_mean_what_the_scalar_definitions_say() {
    let mut random = Random(2);
    for from in real_dtypes() {
        for to in real_dtypes().filter(|&to| to != from) {
            let body = program(LaneOp::Cast(from), &[from], to);
            let selected = match selected(&body) {
                Ok(selected) => selected,
                Err(_) if !scalar::is_direct_cast(from, to) => continue,
                Err(reason) => panic!("{from} to {to}: {reason}"),
            };
            let mut tuples = tuples(&[from], &mut random);
            if from.is_half() {
                tuples = (0..1 << 16).map(|bits| vec![Literal::from_bits(from, bits)]).collect();
            } else if to.is_half() {
                tuples.extend((0..1 << 16).flat_map(|bits| {
                    let middle = middle_above(Literal::from_bits(to, bits));
                    [middle.next_down(), middle, middle.next_up()].map(|x| vec![Literal::from_f64(from, x)])
                }));
            }
            check(&body, &selected, &tuples, |operands| match scalar::cast(operands[0], to) {
                Some(literal) => literal,
                None => panic!("no cast from {from} to {to}"),
            });
        }
    }
}

/// The middle of a half and the next one away from zero; zero of what is no number.
fn middle_above(half: Literal) -> f64 {
    let value = |half: Literal| half.to_f64().filter(|value| value.is_finite());
    let next = Literal::from_bits(half.dtype(), half.bits() + 1);
    match (value(half), value(next)) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        (Some(last), None) => last * (1.0 + 2f64.powi(if half.dtype() == DType::F16 { -12 } else { -9 })),
        _ => 0.0,
    }
}

#[test]
fn where_moves_elements_as_they_are() {
    let mut random = Random(3);
    for dtype in DType::ALL {
        let body = program(LaneOp::Where, &[DType::Bool, dtype, dtype], dtype);
        let Ok(selected) = selected(&body) else {
            assert_eq!(dtype, DType::C128);
            continue;
        };
        let tuples: Vec<Vec<Literal>> = (0..500)
            .map(|_| {
                let mut any = |dtype| Literal::from_bits(dtype, random.bits().into());
                vec![any(DType::Bool), any(dtype), any(dtype)]
            })
            .chain([vec![Literal::zero(DType::Bool), Literal::zero(dtype), Literal::from_bits(dtype, 2)]])
            .collect();
        for operands in &tuples {
            let expected = if operands[0].bits() == 0 { operands[2] } else { operands[1] };
            assert_eq!(u128::from(run(&selected, operands)[0]), expected.bits(), "{operands:?}");
        }
    }
}

/// Random straight-line programs, so that what selection shares and turns round between ops is seen too.
#[test]
fn programs_mean_what_their_ops_do() {
    let mut random = Random(4);
    let ops: Vec<ElementwiseOp> = ElementwiseOp::ALL.to_vec();
    let mut ran = 0;
    for _ in 0..3000 {
        let mut body = LaneProgram::default();
        let dtypes: Vec<DType> = (0..3).map(|_| any_dtype(&mut random)).chain([DType::Bool]).collect();
        for (n, &dtype) in dtypes.iter().enumerate() {
            body.push(LaneOp::Load(OperandId(n as u16)), &[], dtype);
        }
        for _ in 0..12 {
            let arg = |random: &mut Random| ValueId((random.bits() % body.insts.len() as u64) as u16);
            let x = arg(&mut random);
            let dtype = body.insts[x.index()].dtype;
            let of_same: Vec<ValueId> = (0..body.insts.len())
                .filter(|&n| body.insts[n].dtype == dtype)
                .map(|n| ValueId(n as u16))
                .collect();
            let truths: Vec<ValueId> = (0..body.insts.len())
                .filter(|&n| body.insts[n].dtype == DType::Bool)
                .map(|n| ValueId(n as u16))
                .collect();
            let other = |random: &mut Random| of_same[random.bits() as usize % of_same.len()];
            let op = ops[random.bits() as usize % ops.len()];
            if random.bits().is_multiple_of(6) {
                let to = any_dtype(&mut random);
                if !scalar::is_direct_cast(dtype, to) {
                    continue;
                }
                let op = if to == dtype { LaneOp::Copy } else { LaneOp::Cast(dtype) };
                body.push(op, &[x], to);
            } else if random.bits().is_multiple_of(6) {
                let condition = truths[random.bits() as usize % truths.len()];
                let y = other(&mut random);
                body.push(LaneOp::Where, &[condition, x, y], dtype);
            } else if op.compute_dtype(dtype) == Some(dtype) && !dtype.is_half() && !may_be_refused(op, dtype)
            {
                let args: Vec<ValueId> =
                    std::iter::once(x).chain((1..op.arity()).map(|_| other(&mut random))).collect();
                body.push(LaneOp::Elementwise(op, dtype), &args, op.result_dtype(dtype));
            }
        }
        for n in 0..body.insts.len() {
            body.stores.push((ValueId(n as u16), OperandId((4 + n) as u16)));
        }
        let Ok(selected) = selected(&body) else { panic!("{body}") };
        for _ in 0..20 {
            let operands: Vec<Literal> = dtypes.iter().map(|&dtype| any(dtype, &mut random)).collect();
            let found = run(&selected, &operands);
            let mut values: Vec<Literal> = Vec::new();
            for inst in &body.insts {
                let args: Vec<Literal> = inst.args.iter().map(|arg| values[arg.index()]).collect();
                let value = match &inst.op {
                    LaneOp::Load(operand) => Some(operands[operand.index()]),
                    LaneOp::Elementwise(op, _) => scalar::evaluate(*op, &args),
                    LaneOp::Cast(_) => scalar::cast(args[0], inst.dtype),
                    LaneOp::Where => Some(if args[0].bits() == 0 { args[2] } else { args[1] }),
                    LaneOp::Copy => Some(args[0]),
                    op => panic!("{op:?}"),
                };
                let Some(value) = value else { panic!("{inst:?} is not defined") };
                values.push(value);
            }
            // A NaN's payload is not promised, nor then the bits of what looks at it.
            if values.iter().any(|value| value.dtype().is_float() && value.to_f64().is_some_and(f64::is_nan))
            {
                continue;
            }
            ran += 1;
            for (n, (&found, &expected)) in found.iter().zip(&values).enumerate() {
                assert!(
                    same(found, expected),
                    "v{n} of {operands:?}: {found:#x}, not {expected:?}\n{body}{}",
                    selected.program
                );
            }
        }
    }
    assert!(ran > 10_000, "{ran}");
}

#[test]
fn equal_work_is_done_once_and_unneeded_work_never() {
    let mut body = LaneProgram::default();
    let x = body.push(LaneOp::Load(OperandId(0)), &[], DType::F32);
    let y = body.push(LaneOp::Load(OperandId(1)), &[], DType::F32);
    let sum = body.push(LaneOp::Elementwise(ElementwiseOp::Add, DType::F32), &[x, y], DType::F32);
    let again = body.push(LaneOp::Elementwise(ElementwiseOp::Add, DType::F32), &[y, x], DType::F32);
    body.push(LaneOp::Elementwise(ElementwiseOp::Sqrt, DType::F32), &[sum], DType::F32);
    let product =
        body.push(LaneOp::Elementwise(ElementwiseOp::Multiply, DType::F32), &[sum, again], DType::F32);
    body.stores.push((product, OperandId(2)));
    let Ok(selected) = selected(&body) else { panic!("{body}") };
    assert_eq!(selected.program.insts.len(), 4, "{}", selected.program);
    assert_eq!(selected.program.pool, 0);
}

#[test]
fn a_changed_sign_is_part_of_what_adds() {
    let mut body = LaneProgram::default();
    let [x, y, z] = [0, 1, 2].map(|n| body.push(LaneOp::Load(OperandId(n)), &[], DType::F64));
    let negative = body.push(LaneOp::Elementwise(ElementwiseOp::Negative, DType::F64), &[z], DType::F64);
    let fma = body.push(LaneOp::Elementwise(ElementwiseOp::Fma, DType::F64), &[x, y, negative], DType::F64);
    let sum = body.push(LaneOp::Elementwise(ElementwiseOp::Add, DType::F64), &[fma, negative], DType::F64);
    body.stores.push((sum, OperandId(3)));
    let Ok(selected) = selected(&body) else { panic!("{body}") };
    assert_eq!(selected.program.insts.len(), 5, "{}", selected.program);
    let tuples = tuples(&[DType::F64; 3], &mut Random(6));
    check(&body, &selected, &tuples, |operands| {
        let [Some(x), Some(y), Some(z)] = [0, 1, 2].map(|n: usize| operands[n].get::<f64>()) else {
            panic!("{operands:?}")
        };
        Literal::new(x.mul_add(y, -z) + -z)
    });
}

#[test]
fn what_has_no_vector_form_says_so() {
    let reason = |op, dtype: DType| {
        let body = program(LaneOp::Elementwise(op, dtype), &[dtype, dtype], dtype);
        selected(&body).err().map(|reason| reason.to_string())
    };
    assert_eq!(reason(ElementwiseOp::Add, DType::F16).as_deref(), Some("add of f16 has no vector form"));
    assert_eq!(
        reason(ElementwiseOp::Remainder, DType::I64).as_deref(),
        Some("remainder of i64 has no vector form")
    );
}
