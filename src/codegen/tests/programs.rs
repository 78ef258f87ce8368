//! Random vector programs.
//!
//! The payloads of NaN are no one's promise, so that bits of a float that was computed are not looked at:
//! such values are kept apart (`is_computed`).

use raptors_ir::Part;
use raptors_ir::lanes::Rare;

use crate::codegen::vector::{
    Accumulation, Combine, Conversion, Fma, Outcome, Predicate, RareFunction, Rounding, Shift, Step, Stream,
    StreamId, Table, Type, VectorId, VectorOp, VectorProgram,
};

pub(in crate::codegen) struct Rng(u64);

impl Rng {
    pub(in crate::codegen) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1)
    }

    pub(in crate::codegen) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(in crate::codegen) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(in crate::codegen) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(in crate::codegen) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Bits of an element: often special.
pub(super) fn element(rng: &mut Rng, ty: Type) -> u64 {
    match ty {
        Type::F32 if rng.one_in(3) => {
            let special = [
                0.0,
                -0.0,
                1.0,
                -1.0,
                f32::INFINITY,
                f32::NEG_INFINITY,
                f32::NAN,
                f32::MIN_POSITIVE,
                1e-45,
                -1e-42,
                f32::MAX,
                0.5,
                2147483648.0,
                -2147483648.0,
                9223372036854775807.0,
                2147483500.0,
                1.5,
                2.5,
            ];
            u64::from(rng.pick(&special).to_bits())
        }
        Type::F64 if rng.one_in(3) => {
            let special = [
                0.0,
                -0.0,
                1.0,
                -1.0,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::NAN,
                f64::MIN_POSITIVE,
                5e-324,
                -1e-310,
                f64::MAX,
                0.5,
                2147483647.0,
                -2147483648.0,
                -2147483649.0,
                9223372036854775807.0,
                -9223372036854775808.0,
                9007199254740993.0,
                4503599627370497.5,
                1.5,
                2.5,
                1e300,
            ];
            rng.pick(&special).to_bits()
        }
        Type::F32 if rng.one_in(2) => {
            let x = (rng.next() as i32) as f32 / 1e6;
            u64::from(x.to_bits())
        }
        Type::F64 if rng.one_in(2) => {
            ((rng.next() as i64) as f64 / 10f64.powi(rng.below(24) as i32)).to_bits()
        }
        _ if rng.one_in(4) => {
            let special = [
                0,
                1,
                2,
                7,
                0x7f,
                0x80,
                0xff,
                0x7fff,
                0x8000,
                0x7fff_ffff,
                0x8000_0000,
                u64::MAX >> 1,
                1 << 63,
            ];
            let bits = rng.pick(&special);
            if rng.one_in(2) { bits } else { !bits }
        }
        _ => rng.next() >> rng.below(60),
    }
}

fn cube(x: f32, y: f32) -> f32 {
    x * x + y
}
fn affine(x: f64, y: f64) -> f64 {
    x * 3.0 - y
}
pub(super) static CUBE: Rare<f32> = Rare { name: "cube", function: cube };
static AFFINE: Rare<f64> = Rare { name: "affine", function: affine };

struct Builder<'r> {
    rng: &'r mut Rng,
    program: VectorProgram,
    types: Vec<Type>,
    /// Whether a float's payload may have come from arithmetic.
    is_computed: Vec<bool>,
    /// Whether all that follows the lanes is pairs.
    has_only_pairs: bool,
}

const INTEGERS: [Type; 4] = [Type::I8, Type::I16, Type::I32, Type::I64];

impl Builder<'_> {
    fn push(&mut self, op: VectorOp, args: &[VectorId], ty: Type) -> VectorId {
        let computed = match op {
            VectorOp::Select | VectorOp::And | VectorOp::Or | VectorOp::Xor | VectorOp::AndNot => {
                args.iter().any(|arg| self.is_computed[arg.index()])
            }
            VectorOp::Convert(Conversion::Bitcast) => self.is_computed[args[0].index()],
            VectorOp::Load(_) | VectorOp::LoadPart(..) | VectorOp::Splat(_) => false,
            _ => ty.is_float(),
        };
        self.is_computed.push(computed);
        self.program.push(op, args, ty)
    }

    fn splat(&mut self, ty: Type) -> VectorId {
        let entry = self.program.pool;
        self.program.pool += 1;
        self.push(VectorOp::Splat(entry), &[], ty)
    }

    fn load(&mut self, ty: Type) -> VectorId {
        if ty.is_float() && (self.has_only_pairs || self.rng.one_in(4)) {
            return self.load_part(ty);
        }
        let step = if self.rng.one_in(5) { Step::Row } else { Step::Unit };
        self.program.streams.push(Stream { ty, step });
        let stream = StreamId(self.program.streams.len() as u16 - 1);
        self.push(VectorOp::Load(stream), &[], ty)
    }

    /// A part of a stream of pairs, one that there is or a new one.
    fn load_part(&mut self, ty: Type) -> VectorId {
        let part = self.rng.pick(&Part::ALL);
        let pair = Stream { ty, step: Step::Pair };
        let known = self.program.streams.iter().position(|&stream| stream == pair);
        let stream = known.filter(|_| !self.rng.one_in(3)).unwrap_or_else(|| {
            self.program.streams.push(pair);
            self.program.streams.len() - 1
        });
        self.push(VectorOp::LoadPart(StreamId(stream as u16), part), &[], ty)
    }

    /// A value of a type, one that there is or a new one.
    fn value(&mut self, ty: Type) -> VectorId {
        self.value_that(ty, false)
    }

    fn value_that(&mut self, ty: Type, has_exact_bits: bool) -> VectorId {
        let known: Vec<VectorId> = (0..self.program.insts.len())
            .filter(|&n| self.program.insts[n].ty == ty && !(has_exact_bits && self.is_computed[n]))
            .map(|n| VectorId(n as u16))
            .collect();
        if !known.is_empty() && !self.rng.one_in(8) {
            // Often a late one, so that programs are deep.
            let window = if self.rng.one_in(2) { known.len().min(3) } else { known.len() };
            return known[known.len() - 1 - self.rng.below(window)];
        }
        match ty {
            Type::Mask => {
                let of = self.rng.pick(&self.types.clone());
                self.compare(of)
            }
            ty if self.program.streams.len() < 9 && self.rng.one_in(2) => self.load(ty),
            ty => self.splat(ty),
        }
    }

    fn compare(&mut self, of: Type) -> VectorId {
        let predicates: &[Predicate] = if of.is_float() {
            &[Predicate::Eq, Predicate::Ne, Predicate::Lt, Predicate::Le, Predicate::Unordered]
        } else {
            &[
                Predicate::Eq,
                Predicate::Ne,
                Predicate::Lt,
                Predicate::Le,
                Predicate::LtUnsigned,
                Predicate::LeUnsigned,
            ]
        };
        let predicate = self.rng.pick(predicates);
        let (x, y) = (self.value(of), self.value(of));
        self.push(VectorOp::Compare(predicate), &[x, y], Type::Mask)
    }

    fn step(&mut self) {
        let ty = self.rng.pick(&self.types.clone());
        match self.rng.below(12) {
            0 => {
                self.compare(ty);
            }
            1 => {
                let of_masks = self.rng.one_in(2);
                let ty = if of_masks { Type::Mask } else { ty };
                let (x, y) = (self.value_that(ty, true), self.value_that(ty, true));
                let op = self.rng.pick(&[VectorOp::And, VectorOp::Or, VectorOp::Xor, VectorOp::AndNot]);
                self.push(op, &[x, y], ty);
            }
            2 => {
                let ty = if self.rng.one_in(5) { Type::Mask } else { ty };
                let (mask, x, y) = (self.value(Type::Mask), self.value(ty), self.value(ty));
                self.push(VectorOp::Select, &[mask, x, y], ty);
            }
            3 => self.convert(ty),
            4 if self.types.contains(&Type::I8) => {
                let mask = self.value(Type::Mask);
                self.push(VectorOp::Convert(Conversion::MaskToInt), &[mask], Type::I8);
            }
            5 if self.types.contains(&Type::I64) && !self.has_only_pairs && self.rng.one_in(3) => {
                self.push(VectorOp::Position, &[], Type::I64);
            }
            6 if ty.is_float() && self.rng.one_in(4) => self.rare(ty),
            _ if ty.is_float() => self.float(ty),
            _ => self.integer(ty),
        }
    }

    fn rare(&mut self, ty: Type) {
        let function = if ty == Type::F32 { RareFunction::F32(&CUBE) } else { RareFunction::F64(&AFFINE) };
        self.program.rares.push(function);
        let n = self.program.rares.len() as u16 - 1;
        let args = [self.value(Type::Mask), self.value(ty), self.value(ty), self.value(ty)];
        self.push(VectorOp::Rare(n), &args, ty);
    }

    fn float(&mut self, ty: Type) {
        let (x, y, z) = (self.value(ty), self.value(ty), self.value(ty));
        match self.rng.below(15) {
            0 => self.push(VectorOp::Add, &[x, y], ty),
            1 => self.push(VectorOp::Sub, &[x, y], ty),
            2 => self.push(VectorOp::Mul, &[x, y], ty),
            3 => self.push(VectorOp::Div, &[x, y], ty),
            4 => self.push(VectorOp::Sqrt, &[x], ty),
            5 => self.push(VectorOp::Min, &[x, y], ty),
            6 => self.push(VectorOp::Max, &[x, y], ty),
            7 => {
                let modes = [Rounding::Nearest, Rounding::Down, Rounding::Up, Rounding::Zero];
                let mode = self.rng.pick(&modes);
                self.push(VectorOp::Round(mode), &[x], ty)
            }
            8 if self.types.contains(&Type::I32) => self.scale(ty),
            9 => self.push(VectorOp::Exponent, &[x], ty),
            10 => self.push(VectorOp::Mantissa, &[x], ty),
            11 => self.lookup(ty),
            _ => {
                let kinds = [Fma::MulAdd, Fma::MulSub, Fma::NegMulAdd, Fma::NegMulSub];
                let kind = self.rng.pick(&kinds);
                self.push(VectorOp::Fma(kind), &[x, y, z], ty)
            }
        };
    }

    fn lookup(&mut self, ty: Type) -> VectorId {
        // The bits of any NaN may be others.
        let index = self.value_that(ty, true);
        let int = if ty == Type::F32 { Type::I32 } else { Type::I64 };
        let index = self.push(VectorOp::Convert(Conversion::Bitcast), &[index], int);
        let mut table: Table = std::array::from_fn(|_| self.rng.next() as u8);
        if self.rng.one_in(2) {
            table.copy_within(..32, 32);
        }
        self.program.tables.push(table);
        let n = self.program.tables.len() as u16 - 1;
        self.push(VectorOp::Lookup(n), &[index], ty)
    }

    /// A scaling within the limits of its definition.
    fn scale(&mut self, ty: Type) -> VectorId {
        let x = self.value(Type::I32);
        let x = self.push(VectorOp::Convert(Conversion::SignedToFloat), &[x], ty);
        let n = self.value(Type::I32);
        let count = self.rng.pick(&[24, 25]);
        let n = self.push(VectorOp::Shift(Shift::RightSigned, count), &[n], Type::I32);
        let n = self.push(VectorOp::Convert(Conversion::SignedToFloat), &[n], ty);
        self.push(VectorOp::Scale, &[x, n], ty)
    }

    fn integer(&mut self, ty: Type) {
        let (x, y) = (self.value(ty), self.value(ty));
        let shift = self.rng.pick(&[Shift::Left, Shift::Right, Shift::RightSigned]);
        let op = match self.rng.below(11) {
            0 | 1 => VectorOp::Add,
            2 => VectorOp::Sub,
            3 => VectorOp::Mul,
            4 => VectorOp::MinSigned,
            5 => VectorOp::MaxSigned,
            6 => VectorOp::MinUnsigned,
            7 => VectorOp::MaxUnsigned,
            8 => {
                let count = self.rng.below(8 * ty.size()) as u8;
                self.push(VectorOp::Shift(shift, count), &[x], ty);
                return;
            }
            _ => VectorOp::ShiftBy(shift),
        };
        self.push(op, &[x, y], ty);
    }

    fn convert(&mut self, from: Type) {
        let to = self.rng.pick(&self.types.clone());
        let (conversion, exact) = match (from.is_float(), to.is_float()) {
            // Halves are integers in a program, whose bits are looked at.
            (true, false) if (from, to) == (Type::F32, Type::I16) => (Conversion::FloatToHalf, true),
            (false, true) if (from, to) == (Type::I16, Type::F32) => (Conversion::HalfToFloat, true),
            (true, true) => (Conversion::FloatToFloat, false),
            (true, false) if from.size() == to.size() && self.rng.one_in(2) => (Conversion::Bitcast, true),
            (false, true) if from.size() == to.size() && self.rng.one_in(2) => (Conversion::Bitcast, true),
            (true, false) if to.size() >= 4 => (Conversion::FloatToSigned, false),
            (false, true) if from.size() >= 4 => (Conversion::SignedToFloat, false),
            (false, false) if from.size() < to.size() => {
                let kind = if self.rng.one_in(2) { Conversion::SignExtend } else { Conversion::ZeroExtend };
                (kind, false)
            }
            (false, false) if from.size() > to.size() => (Conversion::Truncate, false),
            _ => return,
        };
        let x = self.value_that(from, exact);
        self.push(VectorOp::Convert(conversion), &[x], to);
    }

    fn finish(mut self) -> VectorProgram {
        let results = 1 + self.rng.below(3);
        for n in 0..results {
            let ty = self.rng.pick(&self.types.clone());
            let value = self.value(ty);
            let is_pair = ty.is_float() && (self.has_only_pairs || self.rng.one_in(4));
            if is_pair {
                let parts = [value, self.value(ty)];
                self.program.streams.push(Stream { ty, step: Step::Pair });
                let stream = StreamId(self.program.streams.len() as u16 - 1);
                self.program.pairs.push((parts, stream));
                continue;
            }
            if n > 0 && self.rng.one_in(3) || n == 0 && self.rng.one_in(5) {
                self.accumulate(ty, value);
                continue;
            }
            self.program.streams.push(Stream { ty, step: Step::Unit });
            let stream = StreamId(self.program.streams.len() as u16 - 1);
            self.program.stores.push((value, stream));
        }
        let stored = self.program.stores.iter().map(|&(_, stream)| stream);
        let stored: Vec<StreamId> =
            stored.chain(self.program.pairs.iter().map(|&(_, stream)| stream)).collect();
        if self.rng.one_in(2) {
            self.program.non_temporal = stored.into_iter().filter(|_| !self.rng.one_in(3)).collect();
        }
        self.program
    }

    fn accumulate(&mut self, ty: Type, value: VectorId) {
        let combines: &[Combine] = if ty.is_float() {
            &[Combine::Add, Combine::Mul, Combine::Min, Combine::Max]
        } else {
            &[
                Combine::Add,
                Combine::Mul,
                Combine::MinSigned,
                Combine::MaxSigned,
                Combine::MinUnsigned,
                Combine::MaxUnsigned,
            ]
        };
        let combine = self.rng.pick(combines);
        let has_place = ty != Type::I8 && !matches!(combine, Combine::Add | Combine::Mul);
        if has_place && self.rng.one_in(2) {
            let target = self.row_stream(Type::I64);
            let best = self.rng.one_in(2).then(|| self.row_stream(ty));
            let outcome = Outcome::Place(best);
            self.program.accumulations.push(Accumulation { combine, value, target, outcome });
            return;
        }
        let target = self.row_stream(ty);
        self.program.accumulations.push(Accumulation { combine, value, target, outcome: Outcome::Value });
    }

    fn row_stream(&mut self, ty: Type) -> StreamId {
        self.program.streams.push(Stream { ty, step: Step::Row });
        StreamId(self.program.streams.len() as u16 - 1)
    }
}

/// A program of up to about 80 ops and 12 streams.
pub(in crate::codegen) fn random_program(rng: &mut Rng) -> VectorProgram {
    let mut types = Vec::new();
    for _ in 0..1 + rng.below(4) {
        let float = rng.one_in(2);
        types.push(if float { rng.pick(&[Type::F32, Type::F64]) } else { rng.pick(&INTEGERS) });
    }
    let steps = match rng.below(3) {
        0 => 1 + rng.below(4),
        1 => 5 + rng.below(20),
        _ => 10 + rng.below(70),
    };
    let has_only_pairs = rng.one_in(5);
    if has_only_pairs {
        types = vec![rng.pick(&[Type::F32, Type::F64])];
    }
    let program = VectorProgram::default();
    let mut builder = Builder { rng, program, types, is_computed: Vec::new(), has_only_pairs };
    for _ in 0..steps {
        builder.step();
    }
    builder.finish()
}
