//! Calls of rare functions, out of line.
//!
//! A kernel tests the mask and goes on; where a lane holds, it branches behind its last instruction, keeps every
//! register that holds something, calls [`apply_f32`] or [`apply_f64`] for the lanes, and comes back.

use super::emit::{Emitter, Now};
use super::encoder::{Gpr, Label};
use super::frame::{SCRATCH, VOLATILE};
use super::machine::{Inst, VECTOR};
use super::opcode;
use crate::codegen::registers::{NEVER, Uses};
use crate::codegen::vector::{RareFunction, Type};
use raptors_ir::lanes::Rare;

/// A call that is not written yet.
pub(super) struct RareCall {
    entry: Label,
    back: Label,
    rare: usize,
    mask: u8,
    value: u8,
    x: u8,
    y: u8,
    live: u32,
    table: Option<u16>,
}

macro_rules! helper {
    ($name:ident, $t:ty) => {
        /// Applies a function to the lanes of which the mask is not zero.
        ///
        /// # Safety
        ///
        /// `rare` is a function's row; `mask`, `value`, `x` and `y` have `lanes` elements.
        unsafe extern "C" fn $name(
            rare: *const Rare<$t>,
            mask: *const $t,
            value: *mut $t,
            x: *const $t,
            y: *const $t,
            lanes: usize,
        ) {
            for lane in 0..lanes {
                // SAFETY: `rare` is a function's row, and the others have `lanes` elements.
                unsafe {
                    if (*mask.add(lane)).to_bits() != 0 {
                        *value.add(lane) = ((*rare).function)(*x.add(lane), *y.add(lane));
                    }
                }
            }
        }
    };
}
helper!(apply_f32, f32);
helper!(apply_f64, f64);

impl Emitter<'_> {
    /// Branches out of line where a mask holds in any lane.
    pub(super) fn rare(&mut self, inst: &Inst, n: usize, now: &mut Now<'_, '_>) {
        let mask = self.register(inst, 0, now);
        let x = self.register(inst, 2, now);
        let y = self.register(inst, 3, now);
        let value = self.register(inst, 1, now);
        let Uses { args: slots, next, dst: dst_slot, dst_next: next_use } = *now.uses;
        let slot = slots[1];
        let is_taken = next[1] == NEVER
            && now.registers.may_take_over(slot)
            && inst.args[2] != inst.args[1]
            && inst.args[3] != inst.args[1];
        let register = if is_taken {
            now.registers.take_over(slot, dst_slot, next_use)
        } else {
            let register = self.allocate(now, dst_slot, next_use);
            self.move_vector(register, value);
            register
        };
        let (live, _) = now.registers.occupied();
        let (entry, back) = (self.asm.label(), self.asm.label());
        self.branch_if_any(mask, n, entry);
        self.asm.place(back);
        let table = self.table;
        self.rares.push(RareCall { entry, back, rare: n, mask, value: register, x, y, live, table });
        for arg in [0, 1, 2, 3] {
            if arg != 1 || !is_taken {
                now.registers.used(slots[arg], next[arg]);
            }
        }
    }

    /// Branches if an element of a mask is not zero.
    fn branch_if_any(&mut self, mask: u8, rare: usize, entry: Label) {
        let scratch = self.program.target.scratch();
        let tested = if self.program.lanes * self.rare_type(rare).size() > 8 {
            self.encode(opcode::UMAXP_S, scratch, mask, mask);
            scratch
        } else {
            mask
        };
        self.encode(opcode::FMOV_X, SCRATCH.0, tested, 0);
        self.asm.branch_unless_zero(SCRATCH, entry);
    }

    fn rare_type(&self, rare: usize) -> Type {
        match self.source.rares[rare] {
            RareFunction::F32(_) => Type::F32,
            RareFunction::F64(_) => Type::F64,
        }
    }

    /// The code of all calls, behind the rest.
    pub(super) fn rare_calls(&mut self) {
        for call in std::mem::take(&mut self.rares) {
            self.asm.place(call.entry);
            self.out_of_line(&call);
            self.asm.branch(call.back);
        }
    }

    fn out_of_line(&mut self, call: &RareCall) {
        for n in 0..VOLATILE {
            self.store_general(Gpr(n as u8), Gpr::SP, self.frame.rare_register(n));
        }
        for register in bits(call.live) {
            self.store_vector(VECTOR, register as u8, (Gpr::SP, self.frame.rare_vector(register)));
        }
        for (n, operand) in [call.mask, call.value, call.x, call.y].into_iter().enumerate() {
            self.store_vector(VECTOR, operand, (Gpr::SP, self.frame.rare_operand(n)));
        }
        let (address, helper) = match self.source.rares[call.rare] {
            RareFunction::F32(rare) => (std::ptr::from_ref(rare).addr(), apply_f32 as *const () as usize),
            RareFunction::F64(rare) => (std::ptr::from_ref(rare).addr(), apply_f64 as *const () as usize),
        };
        self.asm.mov_immediate(Gpr(0), address as u64);
        for n in 0..4 {
            self.asm.add_immediate(Gpr(1 + n as u8), Gpr::SP, self.frame.rare_operand(n));
        }
        self.asm.mov_immediate(Gpr(5), self.program.lanes as u64);
        self.asm.mov_immediate(SCRATCH, helper as u64);
        self.asm.call(SCRATCH);
        for n in 0..VOLATILE {
            self.load_general(Gpr(n as u8), Gpr::SP, self.frame.rare_register(n));
        }
        for register in bits(call.live) {
            self.load_vector(VECTOR, register as u8, (Gpr::SP, self.frame.rare_vector(register)));
        }
        if let Some(n) = call.table {
            self.load_table(n);
        }
        self.load_vector(VECTOR, call.value, (Gpr::SP, self.frame.rare_operand(1)));
    }
}

/// The numbers of the bits that are set.
fn bits(set: u32) -> impl Iterator<Item = u32> {
    (0..32).filter(move |n| set >> n & 1 == 1)
}
