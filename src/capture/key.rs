//! Keys: everything that a plan depends on, as words.

use std::hash::{Hash, Hasher};

use raptors_ir::{Destination, Layout, Op};
use raptors_passes::Options;

use super::{Binding, Captured};
use crate::array::Kind;

impl Captured<'_> {
    /// Makes `key` everything that the plan depends on.
    pub(crate) fn write_key(&self, options: &Options, key: &mut Key) {
        key.0.clear();
        key.0.push((self.steps.len() as u64) << 32 | self.results.len() as u64);
        // The first word of a step tells how many follow.
        for step in &self.steps {
            match (step.parameter(), &step.node.kind) {
                (Some(parameter), _) => {
                    key.write_parameter(&self.parameters[parameter as usize]);
                    continue;
                }
                (None, Kind::Op(Op::Elementwise(op))) => {
                    key.0.push(Key::tagged(Tag::Elementwise, op.position() as u64))
                }
                (None, Kind::Op(op)) => {
                    key.0.push(Key::tagged(Tag::Op, u64::from(step.count)));
                    op.hash(key);
                }
                (None, kind) => {
                    let literal = kind.constant();
                    key.0.push(Key::tagged(Tag::Literal, literal.dtype() as u64));
                    key.write_u128(literal.bits());
                }
            }
            for pair in self.operands(step).chunks(2) {
                key.0.push(pair.iter().fold(0, |word, &operand| word << 32 | u64::from(operand)));
            }
        }
        for (&result, destination) in self.results.iter().zip(&self.destinations) {
            let (kind, parameter) = match *destination {
                Destination::Fresh => (0, 0),
                Destination::Provided => (1, 0),
                Destination::Parameter(parameter) => (2, u64::from(parameter)),
            };
            key.0.extend([u64::from(result) << 2 | kind, parameter]);
        }
        // Set in the last word where the options are those of most evaluations, and none of their words precede it.
        const USUAL: u64 = 1 << 8;
        let mode = crate::accelerate::mode::current() as u64;
        if *options == Options::default() {
            key.0.push(mode | USUAL);
        } else {
            options.hash(key);
            key.0.push(mode);
        }
    }
}

/// Everything that a plan depends on, as words: two keys are equal exactly when a plan for one serves the other.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Key(Vec<u64>);

/// What the first word of a step is about.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Tag {
    Parameter,
    Elementwise,
    Op,
    Literal,
}

impl Key {
    pub(crate) const fn new() -> Key {
        Key(Vec::new())
    }

    /// Its words.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    const fn tagged(tag: Tag, word: u64) -> u64 {
        word << 8 | tag as u64
    }

    fn write_parameter(&mut self, Binding { ty, layout, donated }: &Binding<'_>) {
        let (layout, strides) = match layout {
            Layout::RowMajor => (0, &[][..]),
            Layout::Scalar => (1, &[][..]),
            Layout::Strided { strides, encoding } => (2 + *encoding as u64, &strides[..]),
        };
        let facts = ty.shape.len() as u64 | layout << 8 | u64::from(*donated) << 16 | (ty.dtype as u64) << 24;
        self.0.push(Key::tagged(Tag::Parameter, facts));
        self.0.extend(ty.shape.iter().map(|&dim| dim as u64));
        self.0.extend(strides.iter().map(|&stride| stride as u64));
    }
}

/// Words are kept, not mixed: the hash of the whole key is taken once.
impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        // With their number behind, so that a zero at the end is not the end.
        for bytes in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            self.0.push(u64::from_le_bytes(word));
        }
        self.0.push(bytes.len() as u64);
    }

    fn write_u8(&mut self, word: u8) {
        self.0.push(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.0.push(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0.push(word);
    }

    fn write_u128(&mut self, word: u128) {
        self.0.extend([word as u64, (word >> 64) as u64]);
    }

    fn write_usize(&mut self, word: usize) {
        self.0.push(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.0.push(word as u64);
    }

    fn finish(&self) -> u64 {
        // Two streams, so that a product need not wait for the one before.
        let mut hash = [self.0.len() as u64, 0];
        for pair in self.0.chunks(2) {
            for (hash, word) in hash.iter_mut().zip(pair) {
                *hash = (hash.rotate_left(26) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            }
        }
        (hash[0] ^ hash[1].rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.finish());
    }
}
