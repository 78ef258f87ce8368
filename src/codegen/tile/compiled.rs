//! Tile programs for a kernel: values that are not packed, stored late or reduced elsewhere have no place in
//! memory.

use raptors_ir::Dims;

use super::{Fill, Pattern, Place, TileOp, TileProgram, pattern, transposed_dims};
use crate::codegen::compiled::{Compiled, Reason};
use crate::codegen::lane::{LaneOp, LaneProgram, OperandId, ValueId};
use crate::codegen::select::{Outputs, Source, StreamUse};
use crate::program::{Memory, Operand};
use crate::runtime::level::Level;

impl TileProgram {
    /// Arranges `body` over `dims` for one kernel a tile.
    pub(crate) fn compiled(
        body: &LaneProgram,
        operands: &[Operand],
        dims: &Dims,
        level: Level,
    ) -> Result<TileProgram, Reason> {
        let in_boxes =
            body.reductions.is_empty() && operands.iter().all(|operand| operand.memory != Memory::Product);
        let box_dims = if in_boxes { transposed_dims(body, operands, dims) } else { None };
        let mut arranger = Arranger {
            body,
            operands,
            dims,
            sources: Vec::with_capacity(body.insts.len()),
            stores: Vec::new(),
            program: TileProgram {
                len: 0,
                box_dims,
                places: Vec::with_capacity(body.insts.len()),
                ops: Vec::new(),
                fills: Vec::new(),
                registers: 0,
                late_stores: Vec::new(),
                item: body.insts.iter().map(|inst| inst.dtype.size()).max().unwrap_or(1),
                kernel: None,
            },
        };
        arranger.arrange();
        let Arranger { sources, stores, mut program, .. } = arranger;
        let source = |value: ValueId| match sources[value.index()] {
            Some(source) => source,
            None => unreachable!("{value} is neither loaded nor an index"),
        };
        let outputs = Outputs { stores, ..Outputs::default() };
        program.kernel = Some(Compiled::new(body, source, &outputs, level)?);
        program.len = program.tile_len(dims);
        Ok(program)
    }
}

struct Arranger<'a> {
    body: &'a LaneProgram,
    operands: &'a [Operand],
    dims: &'a Dims,
    /// Where loaded values and indices come from.
    sources: Vec<Option<Source>>,
    /// What the kernel writes.
    stores: Vec<(ValueId, StreamUse)>,
    program: TileProgram,
}

impl Arranger<'_> {
    fn arrange(&mut self) {
        for (position, inst) in self.body.insts.iter().enumerate() {
            let value = ValueId(position as u16);
            let (place, source) = match &inst.op {
                LaneOp::Load(operand) => self.load(value, *operand),
                LaneOp::Index { offset, strides } => match (strides.as_slice(), self.program.box_dims) {
                    (&[step], None) => {
                        (Place::Inside, Some(Source::Position { offset: *offset, step: step as i64 }))
                    }
                    _ => {
                        self.program.ops.push(TileOp::Index(value));
                        (self.register(), Some(Source::Lanes(StreamUse::Value(value))))
                    }
                },
                LaneOp::Splat(_)
                | LaneOp::Elementwise(..)
                | LaneOp::Where
                | LaneOp::Cast(_)
                | LaneOp::Copy => (Place::Inside, None),
            };
            self.program.places.push(place);
            self.sources.push(source);
        }
        for &(value, operand) in &self.body.stores {
            let row_major = matches!(pattern(&self.operands[operand.index()], self.dims), Pattern::RowMajor);
            if row_major && self.program.box_dims.is_none() {
                self.stores.push((value, StreamUse::Operand(operand)));
            } else {
                self.keep(value);
                self.program.late_stores.push((value, operand));
            }
        }
        for reduction in &self.body.reductions {
            self.keep(reduction.value);
        }
    }

    fn load(&mut self, value: ValueId, id: OperandId) -> (Place, Option<Source>) {
        let in_boxes = self.program.box_dims.is_some();
        let scratch = Some(Source::Lanes(StreamUse::Value(value)));
        match pattern(&self.operands[id.index()], self.dims) {
            Pattern::Uniform => (Place::Inside, Some(Source::Pool(id))),
            Pattern::RowMajor if !in_boxes => (Place::Inside, Some(Source::Lanes(StreamUse::Operand(id)))),
            Pattern::Periodic(period) if !in_boxes => {
                self.program.fills.push(Fill::Period(id, period));
                (Place::Periodic(self.program.fills.len() as u16 - 1, period), scratch)
            }
            Pattern::RowMajor | Pattern::Periodic(_) | Pattern::Strided => {
                self.program.ops.push(TileOp::Pack(value, id));
                (self.register(), scratch)
            }
        }
    }

    fn register(&mut self) -> Place {
        self.program.registers += 1;
        Place::Register(self.program.registers as u16 - 1)
    }

    /// Sees to it that a value is in memory when its tile is computed.
    fn keep(&mut self, value: ValueId) {
        if self.program.places[value.index()] == Place::Inside {
            if let LaneOp::Load(id) = self.body.insts[value.index()].op
                && self.is_read_in_place(id)
            {
                self.program.places[value.index()] = Place::Direct(id);
                return;
            }
            self.program.places[value.index()] = self.register();
            self.stores.push((value, StreamUse::Value(value)));
        }
    }

    /// Whether an operand is where the tile is, and stays as it is while the nest runs.
    fn is_read_in_place(&self, id: OperandId) -> bool {
        let operand = &self.operands[id.index()];
        let overwritten = |target: OperandId| self.operands[target.index()].overlaps(operand, self.dims);
        matches!(pattern(operand, self.dims), Pattern::RowMajor)
            && self.program.box_dims.is_none()
            && !self.body.stores.iter().any(|&(_, target)| overwritten(target))
    }
}
