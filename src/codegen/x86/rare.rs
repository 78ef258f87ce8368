//! Calls of rare functions, out of line.
//!
//! A kernel tests the mask and goes on; where a lane holds, it jumps behind its last instruction, keeps every
//! register that holds something, calls [`apply_f32`] or [`apply_f64`] for the lanes, and comes back.

use super::emit::{Emitter, Now, SCRATCH, TAIL_MASK};
use super::encoder::{Condition, Gpr, Label, Masking, Operand};
use super::frame::VOLATILE;
use super::machine::Inst;
use super::opcode;
use crate::codegen::registers::{NEVER, Uses};
use crate::codegen::vector::RareFunction;
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
    bytes: usize,
    live_vectors: u32,
    live_masks: u32,
}

macro_rules! helper {
    ($abi:literal, $name:ident, $t:ty) => {
        /// Applies a function to the lanes of which the mask has a bit.
        ///
        /// # Safety
        ///
        /// `rare` is a function's row; `value`, `x` and `y` have `lanes` elements.
        unsafe extern $abi fn $name(
            rare: *const Rare<$t>,
            mask: u64,
            value: *mut $t,
            x: *const $t,
            y: *const $t,
            lanes: usize,
        ) {
            // SAFETY: handed on.
            unsafe { apply(rare, mask, value, x, y, lanes) }
        }
    };
}
// The convention that the code calls by, or, where that is never run, any.
#[cfg(target_arch = "x86_64")]
helper!("sysv64", apply_f32, f32);
#[cfg(target_arch = "x86_64")]
helper!("sysv64", apply_f64, f64);
#[cfg(not(target_arch = "x86_64"))]
helper!("C", apply_f32, f32);
#[cfg(not(target_arch = "x86_64"))]
helper!("C", apply_f64, f64);

/// # Safety
///
/// That of [`apply_f32`].
unsafe fn apply<T: Copy>(
    rare: *const Rare<T>,
    mask: u64,
    value: *mut T,
    x: *const T,
    y: *const T,
    lanes: usize,
) {
    for lane in (0..lanes).filter(|&lane| mask >> lane & 1 == 1) {
        // SAFETY: `rare` is a function's row, and the others have `lanes` elements.
        unsafe { *value.add(lane) = ((*rare).function)(*x.add(lane), *y.add(lane)) };
    }
}

impl Emitter<'_> {
    /// Jumps out of line where a mask holds in any lane.
    pub(super) fn rare(&mut self, inst: &Inst, n: usize, now: &mut Now<'_, '_>) {
        let bytes = usize::from(inst.bytes);
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
            self.move_vector(bytes, register, value);
            register
        };
        let (live_vectors, live_masks) = now.registers.occupied();
        let (entry, back) = (self.asm.label(), self.asm.label());
        let call =
            RareCall { entry, back, rare: n, mask, value: register, x, y, bytes, live_vectors, live_masks };
        self.jump_to(call);
        for arg in [0, 1, 2, 3] {
            if arg != 1 || !is_taken {
                now.registers.used(slots[arg], next[arg]);
            }
        }
    }

    fn jump_to(&mut self, call: RareCall) {
        if self.program.target.is_evex() {
            let opcode = match self.program.lanes {
                ..=8 => opcode::KORTESTB,
                16 => opcode::KORTESTW,
                32 => opcode::KORTESTD,
                _ => opcode::KORTESTQ,
            };
            self.mask_op(opcode, false, call.mask, 0, Operand::Register(call.mask));
        } else {
            self.encode(
                opcode::VPTEST,
                call.bytes,
                call.mask,
                0,
                Operand::Register(call.mask),
                Masking::None,
                None,
            );
        }
        self.asm.jump_if(Condition::NotEqual, call.entry);
        self.asm.place(call.back);
        self.rares.push(call);
    }

    /// The code of all calls, behind the rest.
    pub(super) fn rare_calls(&mut self) {
        for call in std::mem::take(&mut self.rares) {
            self.asm.place(call.entry);
            self.out_of_line(&call);
            self.asm.jump(call.back);
        }
    }

    fn out_of_line(&mut self, call: &RareCall) {
        let width = self.program.target.vector_bytes();
        let is_evex = self.program.target.is_evex();
        for (n, register) in VOLATILE.into_iter().enumerate() {
            self.asm.store(self.frame.rare_register(n), register);
        }
        for register in bits(call.live_vectors) {
            self.store(width, register as u8, self.frame.rare_vector(register));
        }
        for register in bits(call.live_masks | u32::from(is_evex) << TAIL_MASK) {
            if is_evex {
                let to = Operand::Memory(self.frame.rare_mask(register));
                self.mask_op(opcode::KMOV_STORE, false, register as u8, 0, to);
            }
        }
        for (n, operand) in [call.value, call.x, call.y].into_iter().enumerate() {
            self.store(call.bytes, operand, self.frame.rare_operand(n));
        }
        let (address, helper, size) = match self.source.rares[call.rare] {
            RareFunction::F32(rare) => (std::ptr::from_ref(rare).addr(), apply_f32 as *const () as usize, 4),
            RareFunction::F64(rare) => (std::ptr::from_ref(rare).addr(), apply_f64 as *const () as usize, 8),
        };
        if is_evex {
            let mask = Operand::Register(call.mask);
            self.mask_op(opcode::KMOV_TO_GPR, false, Gpr::RSI.0, 0, mask);
        } else {
            let opcode = if size == 4 { opcode::VMOVMSKPS } else { opcode::VMOVMSKPD };
            let mask = Operand::Register(call.mask);
            self.encode(opcode, call.bytes, Gpr::RSI.0, 0, mask, Masking::None, None);
        }
        self.asm.mov_address(Gpr::RDI, address as u64);
        self.asm.lea(Gpr::RDX, self.frame.rare_operand(0));
        self.asm.lea(SCRATCH, self.frame.rare_operand(1));
        self.asm.lea(Gpr(8), self.frame.rare_operand(2));
        self.asm.mov_immediate(Gpr(9), self.program.lanes as i32);
        self.asm.mov_address(Gpr::RAX, helper as u64);
        self.asm.vzeroupper();
        self.asm.call(Gpr::RAX);
        for (n, register) in VOLATILE.into_iter().enumerate() {
            self.asm.load(register, self.frame.rare_register(n));
        }
        for register in bits(call.live_vectors) {
            self.load(width, register as u8, self.frame.rare_vector(register));
        }
        for register in bits(call.live_masks | u32::from(is_evex) << TAIL_MASK) {
            if is_evex {
                let from = Operand::Memory(self.frame.rare_mask(register));
                self.mask_op(opcode::KMOV_LOAD, false, register as u8, 0, from);
            }
        }
        self.load(call.bytes, call.value, self.frame.rare_operand(0));
    }
}

/// The numbers of the bits that are set.
fn bits(set: u32) -> impl Iterator<Item = u32> {
    (0..32).filter(move |n| set >> n & 1 == 1)
}
