//! Streams of pairs: the parts of complex numbers, taken apart and put together.
//!
//! A vector of each part comes from two in memory, by shuffles that stay within 16 bytes. They leave the numbers in another
//! order, which is put right by a move across lanes, unless all streams of the program are such pairs: to lanes that
//! have nothing to do with each other any order is the same.

use raptors_ir::Part;

use super::Lowerer;
use crate::codegen::machine::{Class, Home, Place, Unsupported, Value};
use crate::codegen::vector::{Step, StreamId, Type, VectorOp, VectorProgram};
use crate::codegen::x86::opcode;

/// What was made for one part that the other needs, or another stream.
pub(super) struct Known {
    /// Both vectors of a stream in memory.
    halves: Vec<(StreamId, [Value; 2])>,
    /// Which eight bytes go where, to the order of memory and from it.
    orders: [Option<Value>; 2],
    /// Whether lanes may be in any order.
    is_any_order: bool,
}

/// To the order of memory, or from it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    To,
    From,
}

impl Direction {
    /// The eights of bytes of a vector of 64.
    fn order(self) -> [u64; 8] {
        match self {
            Direction::To => [0, 2, 4, 6, 1, 3, 5, 7],
            Direction::From => [0, 4, 1, 5, 2, 6, 3, 7],
        }
    }
}

impl Known {
    pub(super) fn new(program: &VectorProgram) -> Known {
        let mut pairs = program.streams.iter().filter(|stream| stream.step == Step::Pair);
        let size = pairs.next().map(|stream| stream.ty.size());
        let has_order = program.streams.iter().any(|stream| match stream.step {
            Step::Unit => true,
            Step::Row => false,
            Step::Pair => Some(stream.ty.size()) != size,
        });
        let sees_position = program.insts.iter().any(|inst| inst.op == VectorOp::Position);
        let is_any_order = !has_order && !sees_position && program.accumulations.is_empty();
        Known { halves: Vec::new(), orders: [None; 2], is_any_order }
    }
}

impl Lowerer<'_> {
    /// One element of each pair.
    pub(super) fn part(&mut self, stream: StreamId, part: Part, ty: Type) -> Result<Value, Unsupported> {
        let bytes = self.bytes(ty);
        let known = self.pairs.halves.iter().find(|known| known.0 == stream);
        let [low, high] = match known {
            Some(&(_, halves)) => halves,
            None => {
                let halves = [0, 1].map(|half| {
                    let home = Home { place: Place::Pair(stream, half), element: 0 };
                    self.new_value(Class::Vector, bytes, Some(home), ty.size())
                });
                self.pairs.halves.push((stream, halves));
                halves
            }
        };
        let (opcode, elements) = match (ty, part) {
            (Type::F32, Part::Real) => (opcode::VSHUFPS, Some(0b10_00_10_00)),
            (Type::F32, Part::Imag) => (opcode::VSHUFPS, Some(0b11_01_11_01)),
            (Type::F64, Part::Real) => (opcode::VUNPCKLPD, None),
            (Type::F64, Part::Imag) => (opcode::VUNPCKHPD, None),
            _ => return Err(Unsupported { op: "a pair", ty, target: self.target.name() }),
        };
        let mixed = self.two(opcode, bytes, low, high);
        if let Some(elements) = elements {
            self.set_immediate(elements);
        }
        Ok(self.ordered(Direction::To, bytes, mixed))
    }

    /// Both vectors in memory of parts.
    pub(super) fn paired(&mut self, ty: Type, parts: [Value; 2]) -> Result<[Value; 2], Unsupported> {
        let bytes = self.bytes(ty);
        let opcodes = match ty {
            Type::F32 => [opcode::VUNPCKLPS, opcode::VUNPCKHPS],
            Type::F64 => [opcode::VUNPCKLPD, opcode::VUNPCKHPD],
            _ => return Err(Unsupported { op: "a pair", ty, target: self.target.name() }),
        };
        let [re, im] = parts.map(|part| self.ordered(Direction::From, bytes, part));
        Ok(opcodes.map(|opcode| self.two(opcode, bytes, re, im)))
    }

    /// The eights of bytes of a vector in another order, if that means anything.
    fn ordered(&mut self, direction: Direction, bytes: usize, x: Value) -> Value {
        if self.pairs.is_any_order || bytes == 16 {
            return x;
        }
        if bytes == 32 {
            let value = self.one(opcode::VPERMQ, bytes, x);
            self.set_immediate(0b11_01_10_00);
            return value;
        }
        let order = match self.pairs.orders[direction as usize] {
            Some(order) => order,
            None => {
                let numbers: Vec<u8> = direction.order().into_iter().flat_map(u64::to_le_bytes).collect();
                let order = self.table(&numbers);
                *self.pairs.orders[direction as usize].insert(order)
            }
        };
        self.two(opcode::VPERMPD, bytes, order, x)
    }
}
