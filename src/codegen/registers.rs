//! Which register holds which value, decided in one forward pass over straight-line code.
//!
//! Because nothing branches, the next use of every value is known, and the register to take is that of the
//! value which is used last (Belady's rule). A value that is in memory anyway, a constant or a stream, is
//! dropped and loaded again; others go to the frame, once.

use super::machine::{Block, Class, Info, Instruction, Value};
use super::schedule::Step;

/// After all steps.
pub(super) const NEVER: u32 = u32::MAX;

const NONE: u8 = u8::MAX;

/// A value of a copy. Values that copies share are of copy 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(u32);

/// When values are used next.
pub(super) struct Uses {
    /// For each step, for each of four arguments, the next step that uses it.
    pub(super) args: Vec<[u32; 4]>,
    /// For each step, the first that uses its value.
    pub(super) dst: Vec<u32>,
}

/// Registers of one class.
#[derive(Clone, Debug)]
struct File {
    /// Whose value a register holds, if it is occupied.
    owner: [Slot; 32],
    occupied: u32,
    free: u32,
}

impl File {
    fn new(free: u32) -> File {
        File { owner: [Slot(0); 32], occupied: 0, free }
    }

    fn occupy(&mut self, register: u8, slot: Slot) {
        self.owner[usize::from(register & 31)] = slot;
        self.occupied |= 1 << register;
        self.free &= !(1 << register);
    }

    fn vacate(&mut self, register: u8) {
        self.occupied &= !(1 << register);
        self.free |= 1 << register;
    }
}

/// What a value has to give up its register for another one.
pub(super) struct Spill {
    pub(super) register: u8,
    /// Where it goes to; none if memory has it.
    pub(super) to: Option<u32>,
    pub(super) bytes: usize,
    pub(super) class: Class,
}

/// The state of the allocation.
pub(super) struct Registers<'a> {
    values: &'a [Info],
    /// A slot is a value's number above so many bits for the copy.
    copy_bits: u32,
    /// Whether the copies share a value.
    is_shared: Vec<bool>,
    register: Vec<u8>,
    /// The place in the frame, in units of a vector.
    place: Vec<u32>,
    next_use: Vec<u32>,
    vectors: File,
    masks: File,
    /// Vector registers that go with a place: a value that is not used again leaves them to the next of that
    /// place.
    fixed: u32,
    /// Registers that the current instruction reads or writes.
    locked: [u32; 2],
    free_places: Vec<u32>,
    /// Places that the current instruction reads for the last time.
    released_places: Vec<u32>,
    places: u32,
    pinned: &'a [(Value, u8)],
}

const NO_PLACE: u32 = u32::MAX;

impl<'a> Registers<'a> {
    /// Nothing is in a register but what is pinned, for a block of so many copies.
    pub(super) fn new(
        values: &'a [Info],
        copies: usize,
        vectors: usize,
        pinned: &'a [(Value, u8)],
    ) -> Registers<'a> {
        let copy_bits = copies.next_power_of_two().ilog2();
        let slots = values.len() << copy_bits;
        let mut registers = Registers {
            values,
            copy_bits,
            is_shared: values.iter().map(|info| info.home.is_some_and(|home| home.is_shared())).collect(),
            register: vec![NONE; slots],
            place: vec![NO_PLACE; slots],
            next_use: vec![NEVER; slots],
            vectors: File::new(u32::MAX >> (32 - vectors)),
            // k0 stands for no mask, and k1 is the mask of a tail.
            masks: File::new(0b1111_1100),
            fixed: 0,
            locked: [0; 2],
            free_places: Vec::new(),
            released_places: Vec::new(),
            places: 0,
            pinned,
        };
        for &(value, register) in pinned {
            let slot = registers.slot(value, 0);
            registers.vectors.free &= !(1 << register);
            registers.register[slot.0 as usize] = register;
        }
        registers
    }

    /// Says that a value is in a register, which is for it and the values that take it over.
    pub(super) fn fix(&mut self, value: Value, copy: u8, register: u8) {
        let slot = self.slot(value, copy);
        self.register[slot.0 as usize] = register;
        self.vectors.occupy(register, slot);
        self.fixed |= 1 << register;
    }

    /// Whether a value is in a register that goes with a place.
    pub(super) fn is_fixed(&self, slot: Slot) -> bool {
        let register = self.register[slot.0 as usize];
        register != NONE && self.info(slot).class == Class::Vector && self.fixed >> register & 1 == 1
    }

    /// The slot of a value for a copy.
    pub(super) fn slot(&self, value: Value, copy: u8) -> Slot {
        let copy = if self.is_shared[value.index()] { 0 } else { usize::from(copy) };
        Slot((value.index() << self.copy_bits | copy) as u32)
    }

    fn info(&self, slot: Slot) -> Info {
        self.values[slot.0 as usize >> self.copy_bits]
    }

    fn is_pinned(&self, slot: Slot) -> bool {
        let register = self.register[slot.0 as usize];
        register != NONE
            && self.info(slot).class == Class::Vector
            && self.vectors.occupied >> register & 1 == 0
    }

    /// When each value is used next, from the last step back.
    pub(super) fn uses<I: Instruction>(&self, block: &Block<I>, steps: &[Step]) -> Uses {
        let mut next = vec![NEVER; self.register.len()];
        let mut uses = Uses { args: vec![[NEVER; 4]; steps.len()], dst: vec![NEVER; steps.len()] };
        for (n, step) in steps.iter().enumerate().rev() {
            let inst = &block.insts[usize::from(step.inst)];
            if let Some(dst) = inst.dst() {
                uses.dst[n] = next[self.slot(dst, step.copy).0 as usize];
            }
            for (i, &arg) in inst.args().iter().enumerate() {
                uses.args[n][i] = next[self.slot(arg, step.copy).0 as usize];
            }
            for &arg in inst.args() {
                next[self.slot(arg, step.copy).0 as usize] = n as u32;
            }
        }
        uses
    }

    /// Whether a value is in a register.
    pub(super) fn is_in_register(&self, slot: Slot) -> bool {
        self.register[slot.0 as usize] != NONE
    }

    /// The register of a value, which is then not given away during this instruction.
    pub(super) fn find(&mut self, slot: Slot) -> Option<u8> {
        let register = self.register[slot.0 as usize];
        if register == NONE {
            return None;
        }
        self.lock(slot, register);
        Some(register)
    }

    fn lock(&mut self, slot: Slot, register: u8) {
        self.locked[self.info(slot).class as usize] |= 1 << register;
    }

    /// The place in the frame of a value that went there.
    pub(super) fn place(&self, slot: Slot) -> Option<u32> {
        let place = self.place[slot.0 as usize];
        (place != NO_PLACE).then_some(place)
    }

    /// Whether there is a register that holds nothing.
    pub(super) fn has_free_vector(&self) -> bool {
        self.vectors.free & !self.locked[Class::Vector as usize] != 0
    }

    /// A register for a value, and what must be moved out of it first.
    pub(super) fn allocate(&mut self, slot: Slot, next_use: u32) -> (u8, Option<Spill>) {
        let class = self.info(slot).class;
        let locked = match class {
            Class::Vector => self.locked[class as usize] | self.fixed,
            Class::Mask => self.locked[class as usize],
        };
        let file = match class {
            Class::Vector => &self.vectors,
            Class::Mask => &self.masks,
        };
        let free = file.free & !locked;
        let (register, spill) = if free != 0 {
            (free.trailing_zeros() as u8, None)
        } else {
            let (register, owner) = self.used_last(file, file.occupied & !locked);
            (register, Some(self.evict(register, owner)))
        };
        match class {
            Class::Vector => self.vectors.occupy(register, slot),
            Class::Mask => self.masks.occupy(register, slot),
        }
        self.register[slot.0 as usize] = register;
        self.next_use[slot.0 as usize] = next_use;
        self.lock(slot, register);
        (register, spill)
    }

    /// Of some registers, that whose value is used last.
    fn used_last(&self, file: &File, mut candidates: u32) -> (u8, Slot) {
        assert!(candidates != 0, "an instruction has fewer operands than there are registers");
        let (mut last, mut at) = (0, 0);
        while candidates != 0 {
            let register = candidates.trailing_zeros();
            let use_at = self.next_use[file.owner[register as usize & 31].0 as usize];
            if use_at >= at {
                (last, at) = (register, use_at);
            }
            candidates &= candidates - 1;
        }
        (last as u8, file.owner[last as usize & 31])
    }

    fn evict(&mut self, register: u8, owner: Slot) -> Spill {
        let info = self.info(owner);
        self.register[owner.0 as usize] = NONE;
        let is_in_memory = info.home.is_some() || self.place(owner).is_some();
        let to = (!is_in_memory).then(|| {
            let place = self.free_places.pop().unwrap_or_else(|| {
                self.places += 1;
                self.places - 1
            });
            self.place[owner.0 as usize] = place;
            place
        });
        Spill { register, to, bytes: usize::from(info.bytes), class: info.class }
    }

    /// Hands the register of a value that is not used again to a new one.
    pub(super) fn take_over(&mut self, from: Slot, to: Slot, next_use: u32) -> u8 {
        let register = self.register[from.0 as usize];
        self.register[from.0 as usize] = NONE;
        self.release_place(from);
        self.register[to.0 as usize] = register;
        self.next_use[to.0 as usize] = next_use;
        self.vectors.occupy(register, to);
        register
    }

    /// Notes when a value that was just used is used next; if never, its register is free.
    pub(super) fn used(&mut self, slot: Slot, next_use: u32) {
        self.next_use[slot.0 as usize] = next_use;
        if next_use != NEVER || self.is_pinned(slot) {
            return;
        }
        self.release_place(slot);
        let register = std::mem::replace(&mut self.register[slot.0 as usize], NONE);
        if register != NONE {
            let file = match self.info(slot).class {
                Class::Vector => &mut self.vectors,
                Class::Mask => &mut self.masks,
            };
            file.vacate(register);
            self.vectors.free &= !self.fixed;
            // It may be the result's.
            self.locked[self.info(slot).class as usize] &= !(1 << register);
        }
    }

    /// Whether the register of a value may be written once it is not used again.
    pub(super) fn may_take_over(&self, slot: Slot) -> bool {
        self.register[slot.0 as usize] != NONE && !self.is_pinned(slot)
    }

    fn release_place(&mut self, slot: Slot) {
        let place = std::mem::replace(&mut self.place[slot.0 as usize], NO_PLACE);
        if place != NO_PLACE {
            self.released_places.push(place);
        }
    }

    /// Before the next instruction.
    pub(super) fn unlock(&mut self) {
        self.locked = [0; 2];
        self.free_places.append(&mut self.released_places);
    }

    /// The most places in the frame that were in use.
    pub(super) fn places(&self) -> u32 {
        self.places
    }

    /// The vector and mask registers that hold something.
    pub(super) fn occupied(&self) -> (u32, u32) {
        let pinned = self.pinned.iter().fold(0u32, |bits, (_, register)| bits | 1 << register);
        (self.vectors.occupied | pinned, self.masks.occupied)
    }
}
