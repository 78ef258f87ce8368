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

/// The values of a step, and when they are used next.
#[derive(Clone, Copy)]
pub(super) struct Uses {
    /// The arguments.
    pub(super) args: [Slot; 4],
    /// For each of them, the next step that uses it.
    pub(super) next: [u32; 4],
    /// The step's value, if it has one.
    pub(super) dst: Slot,
    /// The first step that uses it.
    pub(super) dst_next: u32,
}

/// Where a value is.
#[derive(Clone, Copy)]
struct State {
    /// The place in the frame, in units of a vector.
    place: u32,
    register: u8,
    class: Class,
}

/// Registers of one class.
#[derive(Clone, Debug)]
struct File {
    /// Whose value a register holds, if it is occupied.
    owner: [Slot; 32],
    /// When that value is used next.
    next_use: [u32; 32],
    occupied: u32,
    free: u32,
}

impl File {
    fn new(free: u32) -> File {
        File { owner: [Slot(0); 32], next_use: [NEVER; 32], occupied: 0, free }
    }

    fn occupy(&mut self, register: u8, slot: Slot, next_use: u32) {
        self.owner[usize::from(register & 31)] = slot;
        self.next_use[usize::from(register & 31)] = next_use;
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
    /// By slot.
    states: Vec<State>,
    /// By class.
    files: [File; 2],
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

/// The file of vectors.
const VECTORS: usize = Class::Vector as usize;

/// Of some registers of a file, that whose value is used last, and the value.
fn used_last(file: &File, mut candidates: u32) -> (u8, Slot) {
    assert!(candidates != 0, "an instruction has fewer operands than there are registers");
    let (mut last, mut at) = (0, 0);
    while candidates != 0 {
        let register = candidates.trailing_zeros();
        let use_at = file.next_use[register as usize & 31];
        if use_at >= at {
            (last, at) = (register, use_at);
        }
        candidates &= candidates - 1;
    }
    (last as u8, file.owner[last as usize & 31])
}

impl<'a> Registers<'a> {
    /// Nothing is in a register but what is pinned, for a block of so many copies.
    pub(super) fn new(
        values: &'a [Info],
        copies: usize,
        vectors: usize,
        pinned: &'a [(Value, u8)],
    ) -> Registers<'a> {
        let copy_bits = copies.next_power_of_two().ilog2();
        let mut states = Vec::with_capacity(values.len() << copy_bits);
        for info in values {
            let state = State { place: NO_PLACE, register: NONE, class: info.class };
            states.extend(std::iter::repeat_n(state, 1 << copy_bits));
        }
        let mut registers = Registers {
            values,
            copy_bits,
            is_shared: values.iter().map(|info| info.home.is_some_and(|home| home.is_shared())).collect(),
            states,
            // k0 stands for no mask, and k1 is the mask of a tail.
            files: [File::new(u32::MAX >> (32 - vectors)), File::new(0b1111_1100)],
            fixed: 0,
            locked: [0; 2],
            free_places: Vec::new(),
            released_places: Vec::new(),
            places: 0,
            pinned,
        };
        for &(value, register) in pinned {
            let slot = registers.slot(value, 0);
            registers.files[VECTORS].free &= !(1 << register);
            registers.state_mut(slot).register = register;
        }
        registers
    }

    fn state(&self, slot: Slot) -> State {
        self.states[slot.0 as usize]
    }

    fn state_mut(&mut self, slot: Slot) -> &mut State {
        &mut self.states[slot.0 as usize]
    }

    /// Says that a value is in a register, which is for it and the values that take it over.
    pub(super) fn fix(&mut self, value: Value, copy: u8, register: u8) {
        let slot = self.slot(value, copy);
        self.state_mut(slot).register = register;
        self.files[VECTORS].occupy(register, slot, NEVER);
        self.fixed |= 1 << register;
    }

    /// Whether a value is in a register that goes with a place.
    pub(super) fn is_fixed(&self, slot: Slot) -> bool {
        let State { register, class, .. } = self.state(slot);
        register != NONE && class == Class::Vector && self.fixed >> register & 1 == 1
    }

    /// The slot of a value for a copy.
    pub(super) fn slot(&self, value: Value, copy: u8) -> Slot {
        let copy = if self.is_shared[value.index()] { 0 } else { usize::from(copy) };
        Slot((value.index() << self.copy_bits | copy) as u32)
    }

    fn info(&self, slot: Slot) -> Info {
        self.values[slot.0 as usize >> self.copy_bits]
    }

    fn is_pinned(&self, State { register, class, .. }: State) -> bool {
        register != NONE && class == Class::Vector && self.files[VECTORS].occupied >> register & 1 == 0
    }

    /// The values of each step and when they are used next, from the last step back.
    pub(super) fn uses<I: Instruction>(&self, block: &Block<I>, steps: &[Step]) -> Vec<Uses> {
        let mut next = vec![NEVER; self.states.len()];
        let unused = Uses { args: [Slot(0); 4], next: [NEVER; 4], dst: Slot(0), dst_next: NEVER };
        let mut uses = vec![unused; steps.len()];
        for (n, (step, uses)) in steps.iter().zip(&mut uses).enumerate().rev() {
            let inst = &block.insts[usize::from(step.inst)];
            if let Some(dst) = inst.dst() {
                uses.dst = self.slot(dst, step.copy);
                uses.dst_next = next[uses.dst.0 as usize];
            }
            let args = inst.args().iter().zip(&mut uses.args).zip(&mut uses.next);
            for ((&arg, slot), next_use) in args {
                *slot = self.slot(arg, step.copy);
                *next_use = next[slot.0 as usize];
            }
            for slot in &uses.args[..inst.args().len()] {
                next[slot.0 as usize] = n as u32;
            }
        }
        uses
    }

    /// Whether a value is in a register.
    pub(super) fn is_in_register(&self, slot: Slot) -> bool {
        self.state(slot).register != NONE
    }

    /// The register of a value, which is then not given away during this instruction.
    #[inline(always)]
    pub(super) fn find(&mut self, slot: Slot) -> Option<u8> {
        let State { register, class, .. } = self.state(slot);
        if register == NONE {
            return None;
        }
        self.locked[class as usize] |= 1 << register;
        Some(register)
    }

    /// The place in the frame of a value that went there.
    pub(super) fn place(&self, slot: Slot) -> Option<u32> {
        let place = self.state(slot).place;
        (place != NO_PLACE).then_some(place)
    }

    /// Whether there is a register that holds nothing.
    pub(super) fn has_free_vector(&self) -> bool {
        self.files[VECTORS].free & !self.locked[VECTORS] != 0
    }

    /// A register for a value, and what must be moved out of it first.
    #[inline(always)]
    pub(super) fn allocate(&mut self, slot: Slot, next_use: u32) -> (u8, Option<Spill>) {
        let class = self.state(slot).class as usize;
        let fixed = if class == VECTORS { self.fixed } else { 0 };
        let locked = self.locked[class] | fixed;
        let free = self.files[class].free & !locked;
        let (register, spill) = if free != 0 {
            (free.trailing_zeros() as u8, None)
        } else {
            let (register, spill) = self.evict_used_last(class, locked);
            (register, Some(spill))
        };
        self.files[class].occupy(register, slot, next_use);
        self.state_mut(slot).register = register;
        self.locked[class] |= 1 << register;
        (register, spill)
    }

    #[inline(never)]
    fn evict_used_last(&mut self, class: usize, locked: u32) -> (u8, Spill) {
        let file = &self.files[class];
        let (register, owner) = used_last(file, file.occupied & !locked);
        (register, self.evict(register, owner))
    }

    fn evict(&mut self, register: u8, owner: Slot) -> Spill {
        let info = self.info(owner);
        self.state_mut(owner).register = NONE;
        let is_in_memory = info.home.is_some() || self.place(owner).is_some();
        let to = (!is_in_memory).then(|| {
            let place = self.free_places.pop().unwrap_or_else(|| {
                self.places += 1;
                self.places - 1
            });
            self.state_mut(owner).place = place;
            place
        });
        Spill { register, to, bytes: usize::from(info.bytes), class: info.class }
    }

    /// Hands the register of a value that is not used again to a new one.
    pub(super) fn take_over(&mut self, from: Slot, to: Slot, next_use: u32) -> u8 {
        let register = std::mem::replace(&mut self.state_mut(from).register, NONE);
        self.release_place(from);
        self.state_mut(to).register = register;
        self.files[VECTORS].occupy(register, to, next_use);
        register
    }

    /// Notes when a value that was just used is used next; if never, its register is free.
    #[inline(always)]
    pub(super) fn used(&mut self, slot: Slot, next_use: u32) {
        let State { place, register, class } = self.state(slot);
        if register == NONE {
            if next_use == NEVER && place != NO_PLACE {
                self.release_place(slot);
            }
            return;
        }
        let class = class as usize;
        let file = &mut self.files[class];
        if next_use != NEVER {
            file.next_use[usize::from(register & 31)] = next_use;
            return;
        }
        let is_pinned = class == VECTORS && file.occupied >> register & 1 == 0;
        if is_pinned {
            return;
        }
        file.vacate(register);
        if class == VECTORS {
            file.free &= !self.fixed;
        }
        // It may be the result's.
        self.locked[class] &= !(1 << register);
        self.state_mut(slot).register = NONE;
        if place != NO_PLACE {
            self.release_place(slot);
        }
    }

    /// Whether the register of a value may be written once it is not used again.
    pub(super) fn may_take_over(&self, slot: Slot) -> bool {
        let state = self.state(slot);
        state.register != NONE && !self.is_pinned(state)
    }

    fn release_place(&mut self, slot: Slot) {
        let place = std::mem::replace(&mut self.state_mut(slot).place, NO_PLACE);
        if place != NO_PLACE {
            self.released_places.push(place);
        }
    }

    /// Before the next instruction.
    pub(super) fn unlock(&mut self) {
        self.locked = [0; 2];
        if !self.released_places.is_empty() {
            self.free_places.append(&mut self.released_places);
        }
    }

    /// The most places in the frame that were in use.
    pub(super) fn places(&self) -> u32 {
        self.places
    }

    /// The vector and mask registers that hold something: those that go with a place do between two values too, for the
    /// next repetition.
    pub(super) fn occupied(&self) -> (u32, u32) {
        let pinned = self.pinned.iter().fold(0u32, |bits, (_, register)| bits | 1 << register);
        (self.files[VECTORS].occupied | pinned | self.fixed, self.files[Class::Mask as usize].occupied)
    }
}
