//! Machine code of aarch64: words of 32 bits.
//!
//! An [`Assembler`] pushes words. A vector instruction is an [`Opcode`](super::opcode::Opcode) with its registers; what loops
//! need of general registers, memory and branches is here. Distances to labels and to the constants behind the code are
//! written when all is placed. The tests compare words with those of an assembler.

/// A general register, by number; `x18` belongs to the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gpr(pub(super) u8);

impl Gpr {
    /// The stack pointer, as a base and in sums with constants.
    pub(super) const SP: Gpr = Gpr(31);
    pub(super) const FRAME: Gpr = Gpr(29);
    pub(super) const LINK: Gpr = Gpr(30);
}

/// Condition codes of branches, for numbers without sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    NotEqual = 1,
    AboveEqual = 2,
    Below = 3,
    BelowEqual = 9,
}

/// A place in the code that branches name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Label(usize);

/// A word whose distance is known when all is placed.
struct Fixup {
    at: usize,
    /// None for the constants.
    to: Option<Label>,
    field: Field,
}

/// Where a distance is in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    /// 26 bits of words.
    Branch,
    /// 19 bits of words from bit 5 on.
    Conditional,
    /// 14 bits of words from bit 5 on.
    Test,
    /// 21 bits of bytes, the low two of them at bit 29.
    Address,
}

/// Machine code that is being written.
pub(super) struct Assembler {
    code: Vec<u32>,
    labels: Vec<usize>,
    fixups: Vec<Fixup>,
}

/// What is loaded or stored: a vector register's low bytes, or a general register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Data {
    /// So many bytes of a vector register: 1, 2, 4, 8 or 16.
    Vector(u8, usize),
    /// A general register's so many low bytes: 1, 2, 4 or 8. A load clears the others.
    General(Gpr, usize),
}

impl Data {
    fn bytes(self) -> usize {
        match self {
            Data::Vector(_, bytes) | Data::General(_, bytes) => bytes,
        }
    }

    /// The word of a load or store with a scaled offset of 0, without its base.
    fn word(self, is_load: bool) -> u32 {
        let load = u32::from(is_load) << 22;
        match self {
            Data::Vector(register, 16) => 0x3d80_0000 | load | u32::from(register),
            Data::Vector(register, bytes) => {
                0x3d00_0000 | load | bytes.trailing_zeros() << 30 | u32::from(register)
            }
            Data::General(register, bytes) => {
                0x3900_0000 | load | bytes.trailing_zeros() << 30 | u32::from(register.0)
            }
        }
    }
}

const UNPLACED: usize = usize::MAX;

impl Assembler {
    pub(super) fn new() -> Assembler {
        Assembler { code: Vec::with_capacity(512), labels: Vec::new(), fixups: Vec::new() }
    }

    /// Bytes written.
    pub(super) fn position(&self) -> usize {
        4 * self.code.len()
    }

    /// The words written.
    #[cfg(test)]
    pub(super) fn words(&self) -> &[u32] {
        &self.code
    }

    /// The code, then, aligned to 64 bytes, the constants. None if a branch is too long.
    pub(super) fn finish(mut self, constants: &[u8]) -> Option<Vec<u8>> {
        let end = self.position().next_multiple_of(64);
        for fixup in &self.fixups {
            let to = fixup.to.map_or(end, |label| 4 * self.labels[label.0]);
            let distance = to as i64 - 4 * fixup.at as i64;
            let (bits, shift) = match fixup.field {
                Field::Branch => (26, 0),
                Field::Conditional => (19, 5),
                Field::Test => (14, 5),
                Field::Address => (21, 5),
            };
            let unit = if fixup.field == Field::Address { distance } else { distance / 4 };
            if unit < -(1 << (bits - 1)) || unit >= 1 << (bits - 1) {
                return None;
            }
            let field = (unit & ((1 << bits) - 1)) as u32;
            let word = match fixup.field {
                Field::Address => (field & 3) << 29 | (field >> 2) << shift,
                Field::Branch | Field::Conditional | Field::Test => field << shift,
            };
            self.code[fixup.at] |= word;
        }
        let mut bytes: Vec<u8> = Vec::with_capacity(end + constants.len());
        bytes.extend(self.code.iter().flat_map(|word| word.to_le_bytes()));
        if !constants.is_empty() {
            bytes.resize(end, 0);
            bytes.extend_from_slice(constants);
        }
        Some(bytes)
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(UNPLACED);
        Label(self.labels.len() - 1)
    }

    /// Makes a label the next instruction.
    pub(super) fn place(&mut self, label: Label) {
        self.labels[label.0] = self.code.len();
    }

    /// Fills up to a multiple of so many words with instructions that do nothing.
    pub(super) fn align(&mut self, words: usize) {
        while !self.code.len().is_multiple_of(words) {
            self.push(0xd503_201f);
        }
    }

    /// A word.
    pub(super) fn push(&mut self, word: u32) {
        self.code.push(word);
    }

    /// Overwrites a word.
    pub(super) fn patch(&mut self, at: usize, word: u32) {
        self.code[at] = word;
    }

    fn far(&mut self, word: u32, to: Option<Label>, field: Field) {
        self.fixups.push(Fixup { at: self.code.len(), to, field });
        self.push(word);
    }

    /// Loads from `base + offset`. The offset is a multiple of the bytes, and below 4096 times as many.
    pub(super) fn load(&mut self, data: Data, base: Gpr, offset: usize) {
        self.push(data.word(true) | scaled(data, offset) | u32::from(base.0) << 5);
    }

    /// Stores to `base + offset`, likewise.
    pub(super) fn store(&mut self, data: Data, base: Gpr, offset: usize) {
        self.push(data.word(false) | scaled(data, offset) | u32::from(base.0) << 5);
    }

    /// Loads from `base`, which then moves on by the bytes that were loaded.
    pub(super) fn load_next(&mut self, data: Data, base: Gpr) {
        self.next(data, true, base);
    }

    /// Stores to `base`, which then moves on by the bytes that were stored.
    pub(super) fn store_next(&mut self, data: Data, base: Gpr) {
        self.next(data, false, base);
    }

    fn next(&mut self, data: Data, is_load: bool, base: Gpr) {
        // The unscaled form with the base written back.
        let word = data.word(is_load) & !0x0100_0000 | 0x400;
        self.push(word | (data.bytes() as u32) << 12 | u32::from(base.0) << 5);
    }

    /// Pushes two registers: `sp` falls by 16.
    pub(super) fn push_pair(&mut self, x: Gpr, y: Gpr) {
        self.push(0xa9bf_0000 | u32::from(y.0) << 10 | u32::from(Gpr::SP.0) << 5 | u32::from(x.0));
    }

    /// Takes two registers back.
    pub(super) fn pop_pair(&mut self, x: Gpr, y: Gpr) {
        self.push(0xa8c1_0000 | u32::from(y.0) << 10 | u32::from(Gpr::SP.0) << 5 | u32::from(x.0));
    }

    /// Pushes the low 8 bytes of two vector registers.
    pub(super) fn push_vectors(&mut self, x: u8, y: u8) {
        self.push(0x6dbf_0000 | u32::from(y) << 10 | u32::from(Gpr::SP.0) << 5 | u32::from(x));
    }

    pub(super) fn pop_vectors(&mut self, x: u8, y: u8) {
        self.push(0x6cc1_0000 | u32::from(y) << 10 | u32::from(Gpr::SP.0) << 5 | u32::from(x));
    }

    /// `to = from`, neither of them `sp`.
    pub(super) fn mov(&mut self, to: Gpr, from: Gpr) {
        self.push(0xaa00_03e0 | u32::from(from.0) << 16 | u32::from(to.0));
    }

    /// `to = value`.
    pub(super) fn mov_immediate(&mut self, to: Gpr, value: u64) {
        self.push(0xd280_0000 | (value as u32 & 0xffff) << 5 | u32::from(to.0));
        for part in 1..4u32 {
            let bits = (value >> (16 * part)) as u32 & 0xffff;
            if bits != 0 {
                self.push(0xf280_0000 | part << 21 | bits << 5 | u32::from(to.0));
            }
        }
    }

    /// The word of `to = from + value`, for values below 4096, or multiples of 4096 below 2^24.
    pub(super) fn sum_word(subtract: bool, to: Gpr, from: Gpr, value: usize) -> u32 {
        debug_assert!(value < 1 << 12 || value.is_multiple_of(1 << 12) && value < 1 << 24, "12 bits");
        let (high, bits) = if value < 1 << 12 { (0, value) } else { (1, value >> 12) };
        let op = if subtract { 0xd100_0000u32 } else { 0x9100_0000 };
        op | high << 22 | (bits as u32) << 10 | u32::from(from.0) << 5 | u32::from(to.0)
    }

    /// `to = from + value`, for values below 2^24.
    pub(super) fn add_immediate(&mut self, to: Gpr, from: Gpr, value: usize) {
        self.sum(false, to, from, value);
    }

    /// `to = from - value`, likewise.
    pub(super) fn subtract_immediate(&mut self, to: Gpr, from: Gpr, value: usize) {
        self.sum(true, to, from, value);
    }

    fn sum(&mut self, subtract: bool, to: Gpr, from: Gpr, value: usize) {
        let (low, high) = (value & 0xfff, value & !0xfff);
        let mut from = from;
        if high > 0 {
            self.push(Assembler::sum_word(subtract, to, from, high));
            from = to;
        }
        if low > 0 || high == 0 && (to != from || to == Gpr::SP) {
            self.push(Assembler::sum_word(subtract, to, from, low));
        }
    }

    /// `to = x + (y << shift)`; none of them is `sp`.
    pub(super) fn add(&mut self, to: Gpr, x: Gpr, y: Gpr, shift: u32) {
        let registers = u32::from(y.0) << 16 | u32::from(x.0) << 5 | u32::from(to.0);
        self.push(0x8b00_0000 | shift << 10 | registers);
    }

    /// `to = sp + (x << shift)`, by at most 4.
    pub(super) fn add_to_stack(&mut self, to: Gpr, x: Gpr, shift: u32) {
        let registers = u32::from(x.0) << 16 | u32::from(Gpr::SP.0) << 5 | u32::from(to.0);
        self.push(0x8b20_6000 | shift << 10 | registers);
    }

    /// `to = x - (y << shift)`; `x` may be zero.
    pub(super) fn subtract(&mut self, to: Gpr, x: Gpr, y: Gpr, shift: u32) {
        let registers = u32::from(y.0) << 16 | u32::from(x.0) << 5 | u32::from(to.0);
        self.push(0xcb00_0000 | shift << 10 | registers);
    }

    /// `to = from`, the low so many bits of it.
    pub(super) fn low_bits(&mut self, to: Gpr, from: Gpr, bits: u32) {
        self.push(0x9240_0000 | (bits - 1) << 10 | u32::from(from.0) << 5 | u32::from(to.0));
    }

    /// `to = from << count`.
    pub(super) fn shift_left(&mut self, to: Gpr, from: Gpr, count: u32) {
        let fields = ((64 - count) & 63) << 16 | (63 - count) << 10;
        self.push(0xd340_0000 | fields | u32::from(from.0) << 5 | u32::from(to.0));
    }

    /// Flags of `x - y`.
    pub(super) fn compare(&mut self, x: Gpr, y: Gpr) {
        self.push(0xeb00_001f | u32::from(y.0) << 16 | u32::from(x.0) << 5);
    }

    /// Flags of `x - value`, for values below 4096.
    pub(super) fn compare_immediate(&mut self, x: Gpr, value: usize) {
        debug_assert!(value < 1 << 12, "12 bits");
        self.push(0xf100_001f | (value as u32) << 10 | u32::from(x.0) << 5);
    }

    /// The address of the constants.
    pub(super) fn constants(&mut self, to: Gpr) {
        self.far(0x1000_0000 | u32::from(to.0), None, Field::Address);
    }

    pub(super) fn branch(&mut self, label: Label) {
        self.far(0x1400_0000, Some(label), Field::Branch);
    }

    pub(super) fn branch_if(&mut self, condition: Condition, label: Label) {
        self.far(0x5400_0000 | condition as u32, Some(label), Field::Conditional);
    }

    pub(super) fn branch_if_zero(&mut self, x: Gpr, label: Label) {
        self.far(0xb400_0000 | u32::from(x.0), Some(label), Field::Conditional);
    }

    pub(super) fn branch_unless_zero(&mut self, x: Gpr, label: Label) {
        self.far(0xb500_0000 | u32::from(x.0), Some(label), Field::Conditional);
    }

    /// Branches if a bit below 32 is clear.
    pub(super) fn branch_if_clear(&mut self, x: Gpr, bit: u32, label: Label) {
        self.far(0x3600_0000 | bit << 19 | u32::from(x.0), Some(label), Field::Test);
    }

    pub(super) fn call_label(&mut self, label: Label) {
        self.far(0x9400_0000, Some(label), Field::Branch);
    }

    pub(super) fn call(&mut self, to: Gpr) {
        self.push(0xd63f_0000 | u32::from(to.0) << 5);
    }

    pub(super) fn ret(&mut self) {
        self.push(0xd65f_03c0);
    }
}

fn scaled(data: Data, offset: usize) -> u32 {
    let bytes = data.bytes();
    debug_assert!(offset.is_multiple_of(bytes) && offset / bytes < 4096, "an offset of 12 bits");
    ((offset / bytes) as u32) << 10
}

/// Whether loads and stores of so many bytes take an offset.
pub(super) fn is_near(bytes: usize, offset: usize) -> bool {
    offset.is_multiple_of(bytes) && offset / bytes < 4096
}
