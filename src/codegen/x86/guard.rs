//! Guards: where lanes are not what a shorter body is for.
//!
//! Most numbers that are taken apart are positive and normal: AVX2 then needs six instructions for exponent and mantissa, not
//! twenty. The body that is repeated is for them. Its guards look at the lanes of all copies; where one is not usual,
//! nothing has been stored yet, and the turn is done anew by the body for any lanes, which is out of line.
//!
//! Of a million elements, `log` takes three quarters of the time of the body for any lanes (Zen 3). Powers of two have no
//! guard: those of `exp` are often beyond normal numbers, as in the tails of a distribution.

use super::emit::{Emitter, Extent, INDEX, Now, SCRATCH};
use super::encoder::{Arithmetic, Condition, Gpr, Label, Masking, Operand};
use super::machine::Inst;
use super::opcode;
use crate::codegen::schedule::{Step, steps};

/// The way around a turn of the usual body that is not written yet.
pub(super) struct Detour {
    entry: Label,
    back: Label,
    copies: usize,
}

/// What the copies of a guard found so far.
const FOUND: Gpr = Gpr::RSI;

impl Emitter<'_> {
    /// The body that is repeated, over so many vectors, to the lanes behind them.
    pub(super) fn turn(&mut self, body: &[Step], copies: usize) {
        let program = self.program;
        let (entry, back) = (self.asm.label(), self.asm.label());
        self.guarded = Some(entry);
        self.block(program.repeated(), body, copies, Extent::Whole);
        self.asm.arithmetic_immediate(Arithmetic::Add, INDEX, (copies * program.lanes) as i32);
        self.asm.place(back);
        if program.usual.is_some() {
            self.detours.push(Detour { entry, back, copies });
        }
    }

    /// Looks at a copy's lanes; after those of the last copy, leaves the block if any are not usual.
    pub(super) fn guard(&mut self, inst: &Inst, now: &mut Now<'_, '_>) {
        let bytes = usize::from(inst.bytes);
        let Some(entry) = self.guarded else { unreachable!("only the usual body has guards") };
        let (greater, signs) = match inst.opcode {
            opcode::VPADDD => (opcode::VPCMPGTD, opcode::VMOVMSKPS),
            _ => (opcode::VPCMPGTQ, opcode::VMOVMSKPD),
        };
        let x = self.register(inst, 0, now);
        let y = self.operand(inst, 1, now);
        let z = self.operand(inst, 2, now);
        let found = self.allocate(now, now.uses.dst, now.uses.dst_next);
        self.encode(inst.opcode, bytes, found, x, y, Masking::None, None);
        self.encode(greater, bytes, found, found, z, Masking::None, None);
        let to = if now.copy == 0 { FOUND } else { SCRATCH };
        self.encode(signs, bytes, to.0, 0, Operand::Register(found), Masking::None, None);
        self.release(inst, now);
        if now.copy > 0 || self.copies == 1 {
            self.asm.arithmetic(Arithmetic::Or, FOUND, to);
        }
        if usize::from(now.copy) + 1 == self.copies {
            self.asm.jump_if(Condition::NotEqual, entry);
        }
    }

    /// The code of all detours, behind the rest.
    pub(super) fn detours(&mut self) {
        let program = self.program;
        for Detour { entry, back, copies } in std::mem::take(&mut self.detours) {
            self.asm.place(entry);
            let body = steps(&program.body, &program.values, copies);
            self.block(&program.body, &body, copies, Extent::Whole);
            self.asm.arithmetic_immediate(Arithmetic::Add, INDEX, (copies * program.lanes) as i32);
            self.asm.jump(back);
        }
    }
}
