//! Streams of pairs: the parts of complex numbers, taken apart and put together.

use raptors_ir::Part;

use super::{Lowerer, unsupported};
use crate::codegen::machine::{Home, Place, Unsupported, Value};
use crate::codegen::neon::opcode;
use crate::codegen::vector::{StreamId, Type};

impl Lowerer<'_> {
    /// One element of each pair.
    pub(super) fn part(&mut self, stream: StreamId, part: Part, ty: Type) -> Result<Value, Unsupported> {
        let bytes = self.bytes(ty);
        let known = self.halves.iter().find(|known| known.0 == stream);
        let [low, high] = match known {
            Some(&(_, halves)) => halves,
            None => {
                let halves = [0, 1].map(|half| {
                    let home = Home { place: Place::Pair(stream, half), element: 0 };
                    self.new_value(bytes, Some(home), ty.size())
                });
                self.halves.push((stream, halves));
                halves
            }
        };
        let opcodes = match (ty, bytes) {
            (Type::F32, 8) => [opcode::UZP1_S2, opcode::UZP2_S2],
            (Type::F32, _) => [opcode::UZP1_S, opcode::UZP2_S],
            (Type::F64, _) => [opcode::UZP1_D, opcode::UZP2_D],
            _ => return Err(unsupported("a pair", ty)),
        };
        Ok(self.two(opcodes[part as usize], low, high))
    }

    /// Both vectors in memory of parts.
    pub(super) fn paired(&mut self, ty: Type, [re, im]: [Value; 2]) -> Result<[Value; 2], Unsupported> {
        let opcodes = match (ty, self.bytes(ty)) {
            (Type::F32, 8) => [opcode::ZIP1_S2, opcode::ZIP2_S2],
            (Type::F32, _) => [opcode::ZIP1_S, opcode::ZIP2_S],
            (Type::F64, _) => [opcode::ZIP1_D, opcode::ZIP2_D],
            _ => return Err(unsupported("a pair", ty)),
        };
        Ok(opcodes.map(|opcode| self.two(opcode, re, im)))
    }
}
