//! Which steps of a program are left to Accelerate, and why others are not.
//!
//! A loop nest that is one formula of the table over whole contiguous arrays becomes a call. In any other
//! nest, functions that vForce has are called tile by tile, where that is allowed. A matrix product of floats
//! becomes a CBLAS call for each of its blocks. Nothing of the program is removed: what a call replaces is
//! there for memory that is not aligned.

use raptors_ir::{DType, ReduceOp};
use raptors_passes::FpMode;
use smallvec::SmallVec;

use super::blas;
use super::calibration;
use super::entry::{CONVERSIONS, Contract, Conversion, ENTRIES, Entry, Form, Rank};
use super::formula::{Leaf, Letters, Pattern};
use super::mode::{self, Mode};
use super::probe;
use crate::codegen::lane::{Inst, LaneOp, OperandId, Scalar, ValueId};
use crate::codegen::tile::{self, TileOp, TileProgram};
use crate::program::{LoopNest, Operand, Program, Step};

/// Elements below which a call costs more than its work.
const FEWEST: usize = 32;
/// Elements of a tile below which Apple advises against vForce.
pub(crate) const FEWEST_OF_FORCE: usize = 16;
/// Ops of the longest formula.
const MOST_OPS: usize = 4;

/// What of a nest is left to Accelerate.
#[derive(Clone, Debug, Default)]
pub(crate) enum Accelerated {
    /// Nothing, and nothing could be.
    #[default]
    None,
    /// Nothing, though an entry computes it.
    Declined { name: &'static str, why: String },
    /// All of it, in one call.
    Call(Box<Call>),
    /// Functions, in each tile.
    Tiles { tile: Box<TileProgram>, why: String },
}

/// A nest as one call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) callee: Callee,
    /// Contiguous over the nest.
    pub(crate) sources: SmallVec<[OperandId; 4]>,
    pub(crate) scalars: SmallVec<[ScalarSource; 2]>,
    pub(crate) target: OperandId,
    /// Whether BLAS scales the vector in place, unless by zero: BLAS may take that to hide NaN.
    pub(crate) by_blas: bool,
    pub(crate) why: String,
}

/// What is called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Callee {
    /// An entry in one of its forms, for a dtype.
    Entry(&'static Entry, &'static Form, DType),
    /// A conversion.
    Conversion(&'static Conversion),
}

impl Call {
    /// The name of what is called.
    pub(crate) fn name(&self) -> &'static str {
        match self.callee {
            Callee::Entry(_, _, dtype) if self.by_blas => scale_name(dtype),
            Callee::Entry(entry, _, dtype) => entry.name(dtype),
            Callee::Conversion(conversion) => conversion.name,
        }
    }
}

/// Where a scalar comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ScalarSource {
    /// It is a constant or a parameter.
    Splat(Scalar),
    /// It is the one element of an operand.
    Element(OperandId),
}

/// Selects entries for the steps of a program that is evaluated under `fp`.
pub(crate) fn select(program: &mut Program, fp: FpMode) {
    let rules = Rules { mode: mode::current(), fp };
    for step in &mut program.steps {
        match step {
            Step::Matmul(product) => {
                product.provider = blas::provider(product.dtype, product.dims);
                if let Some(epilogue) = &mut product.epilogue {
                    epilogue.accelerated = rules.tiles(epilogue);
                }
            }
            _ if rules.mode == Mode::Off => {}
            Step::Loop(nest) => {
                nest.accelerated = match (rules.whole(nest), rules.tiles(nest)) {
                    (call @ Accelerated::Call(_), _) => call,
                    (_, tiles @ Accelerated::Tiles { .. }) | (Accelerated::None, tiles) => tiles,
                    (declined, _) => declined,
                };
            }
            Step::Blocks(blocks) => {
                for nest in &mut blocks.nests {
                    nest.accelerated = rules.tiles(nest);
                }
            }
            // Accelerate has nothing for these.
            Step::Library(_) => {}
        }
    }
}

/// What is allowed.
#[derive(Clone, Copy)]
struct Rules {
    mode: Mode,
    fp: FpMode,
}

impl Rules {
    /// The nest as one call.
    fn whole(self, nest: &LoopNest) -> Accelerated {
        let ops = nest.body.insts.iter().filter(|inst| inst.op.computes()).count();
        if self.mode < Mode::Auto || ops > MOST_OPS || nest.size() < FEWEST {
            return Accelerated::None;
        }
        if let Some(call) = self.conversion(nest) {
            return call;
        }
        let Some((value, target)) = result(nest) else { return Accelerated::None };
        let dtype = nest.body.insts[value.index()].dtype;
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Accelerated::None;
        }
        let mut declined = Accelerated::None;
        for entry in ENTRIES.iter().filter(|entry| !entry.shape.is_force()) {
            for form in &entry.forms {
                let Some(letters) = found(nest, &form.pattern, value, dtype, target) else { continue };
                let name = entry.name(dtype);
                match self.allows(entry, form, dtype, nest.size()) {
                    Ok(why) => return call(nest, (entry, form, dtype), &letters, target, why),
                    Err(why) if matches!(declined, Accelerated::None) => {
                        declined = Accelerated::Declined { name, why };
                    }
                    Err(_) => {}
                }
            }
        }
        declined
    }

    /// A conversion as one call.
    fn conversion(self, nest: &LoopNest) -> Option<Accelerated> {
        let (value, target) = result(nest).filter(|_| nest.body.reductions.is_empty())?;
        let inst = &nest.body.insts[value.index()];
        let LaneOp::Cast(from) = inst.op else { return None };
        let conversion = CONVERSIONS.iter().find(|c| (c.from, c.to) == (from, inst.dtype))?;
        let source = nest.body.insts[inst.args[0].index()].op.loads()?;
        let apart = !nest.operands[source.index()].overlaps(&nest.operands[target.index()], &nest.dims);
        if !(is_contiguous(nest, source) && is_contiguous(nest, target) && apart) {
            return None;
        }
        let allowed = match conversion.rank {
            Rank::Never => return None,
            rank => {
                probe::conversion(conversion).and_then(|()| self.pays(rank, conversion.name, nest.size()))
            }
        };
        Some(match allowed {
            Ok(why) => Accelerated::Call(Box::new(Call {
                callee: Callee::Conversion(conversion),
                sources: SmallVec::from_slice(&[source]),
                scalars: SmallVec::new(),
                target,
                by_blas: false,
                why,
            })),
            Err(why) => Accelerated::Declined { name: conversion.name, why },
        })
    }

    /// The nest tile by tile, with vForce where it may be used.
    fn tiles(self, nest: &LoopNest) -> Accelerated {
        if self.mode < Mode::Auto || nest.size() < FEWEST_OF_FORCE {
            return Accelerated::None;
        }
        let (mut allowed, mut reasons, mut declined) = (Vec::new(), Vec::new(), Accelerated::None);
        for (n, op) in nest.tile.ops.iter().enumerate() {
            let TileOp::Call(value, kernel) = *op else { continue };
            let inst = &nest.body.insts[value.index()];
            let Some((entry, form)) = force(inst) else { continue };
            match self.allows_in_tiles(nest, entry, form, inst.dtype) {
                Ok(why) => {
                    allowed.push((n, TileOp::Force(value, entry, kernel)));
                    reasons.push(why);
                }
                Err(why) => declined = Accelerated::Declined { name: entry.name(inst.dtype), why },
            }
        }
        if allowed.is_empty() {
            return declined;
        }
        let mut tile = Box::new(nest.tile.clone());
        for (n, op) in allowed {
            tile.ops[n] = op;
        }
        reasons.dedup();
        Accelerated::Tiles { tile, why: reasons.join("; ") }
    }

    fn allows_in_tiles(
        self,
        nest: &LoopNest,
        entry: &Entry,
        form: &'static Form,
        dtype: DType,
    ) -> Result<String, String> {
        let measured = calibration::measured(entry.name(dtype), nest.size());
        if self.mode != Mode::All && nest.machine.compiled().is_some() && measured.is_none() {
            return Err("machine code computes it in registers, and nothing was measured".to_owned());
        }
        self.allows(entry, form, dtype, nest.size())
    }

    /// Why an entry is used, or why not.
    fn allows(self, entry: &Entry, form: &'static Form, dtype: DType, len: usize) -> Result<String, String> {
        let all = self.mode == Mode::All;
        match (form.contract, self.fp) {
            (Contract::Exact, _) | (Contract::Fused, FpMode::Contract) => probe::entry(entry, form, dtype)?,
            (Contract::Fused, FpMode::Strict) => {
                return Err("it may round once what strict mode rounds twice".to_owned());
            }
            (Contract::Fused, FpMode::Fast) | (Contract::WithinUlp | Contract::Unordered, FpMode::Fast) => {}
            (Contract::WithinUlp | Contract::Unordered, FpMode::Strict | FpMode::Contract) if all => {}
            (Contract::WithinUlp, FpMode::Strict | FpMode::Contract) => {
                return Err("no error bound is published for it; fp=\"fast\" allows it".to_owned());
            }
            (Contract::Unordered, FpMode::Strict | FpMode::Contract) => {
                return Err("its order of summation is not stated; fp=\"fast\" allows it".to_owned());
            }
        }
        self.pays(entry.rank, entry.name(dtype), len)
    }

    /// Why an entry is expected to be faster than our loop over `len` elements, or why not.
    fn pays(self, rank: Rank, name: &str, len: usize) -> Result<String, String> {
        if self.mode == Mode::All {
            return Ok("RAPTORS_ACCELERATE=all".to_owned());
        }
        match (calibration::measured(name, len), rank) {
            (Some(measured), _) if measured.is_faster() => Ok(measured.to_string()),
            (Some(measured), _) => Err(measured.to_string()),
            (None, Rank::Preferred) => Ok("not calibrated".to_owned()),
            (None, Rank::Available | Rank::Never) => {
                Err("a loop of ours is expected to be as fast; not calibrated".to_owned())
            }
        }
    }
}

/// The one value that a nest stores, or reduces along its last dimensions.
fn result(nest: &LoopNest) -> Option<(ValueId, OperandId)> {
    match (nest.body.stores.as_slice(), nest.body.reductions.as_slice()) {
        ([(value, target)], []) => Some((*value, *target)),
        ([], [reduction]) if nest.inner == 1 && nest.reduced >= FEWEST => {
            (reduction.op == ReduceOp::Sum).then_some((reduction.value, reduction.target))
        }
        _ => None,
    }
}

/// The letters for which the nest computes a formula into `target`, in memory that a call may have.
fn found(
    nest: &LoopNest,
    pattern: &Pattern,
    value: ValueId,
    dtype: DType,
    target: OperandId,
) -> Option<Letters> {
    let reduces = !nest.body.reductions.is_empty();
    let pattern = match (pattern, reduces) {
        (Pattern::Sum(of), true) => of,
        (Pattern::Vector(_) | Pattern::Scalar(_) | Pattern::Op(..), false) => pattern,
        _ => return None,
    };
    let leaf = |value: ValueId| match nest.body.insts[value.index()].op {
        LaneOp::Load(id) if is_contiguous(nest, id) => Some(Leaf::Vector),
        LaneOp::Load(id) if is_uniform(&nest.operands[id.index()]) => Some(Leaf::Scalar),
        LaneOp::Splat(_) => Some(Leaf::Scalar),
        _ => None,
    };
    let letters = pattern.matches(&nest.body, value, dtype, &leaf, Letters::default())?;
    let written = &nest.operands[target.index()];
    let is_safe = |value: &ValueId| {
        nest.body.insts[value.index()].op.loads().is_none_or(|id| {
            let read = &nest.operands[id.index()];
            // Scalars are read before, and sums have memory of their own.
            !read.overlaps(written, &nest.dims) || !reduces && read.is_at(written)
        })
    };
    let used = || letters.vectors.iter().chain(&letters.scalars).flatten();
    ((reduces || is_contiguous(nest, target)) && used().all(is_safe)).then_some(letters)
}

fn call(
    nest: &LoopNest,
    (entry, form, dtype): (&'static Entry, &'static Form, DType),
    letters: &Letters,
    target: OperandId,
    why: String,
) -> Accelerated {
    let op = |value: &ValueId| &nest.body.insts[value.index()].op;
    let sources = letters.vectors.iter().flatten().filter_map(|value| op(value).loads());
    let scalars = letters.scalars.iter().flatten().map(|value| match op(value) {
        LaneOp::Splat(scalar) => ScalarSource::Splat(*scalar),
        LaneOp::Load(id) => ScalarSource::Element(*id),
        op => unreachable!("{} is no scalar", op.name()),
    });
    let mut call = Call {
        callee: Callee::Entry(entry, form, dtype),
        sources: sources.collect(),
        scalars: scalars.collect(),
        target,
        by_blas: false,
        why,
    };
    // What scales may be BLAS as well, where that was measured.
    let in_place = call
        .sources
        .first()
        .is_some_and(|id| nest.operands[id.index()].is_at(&nest.operands[target.index()]));
    if form.formula == "a * s" && in_place {
        let measured = calibration::measured(scale_name(dtype), nest.size());
        if let Some(measured) = measured.filter(|measured| measured.is_faster())
            && probe::scale(dtype).is_ok()
        {
            call.by_blas = true;
            call.why = format!("faster than {}: {measured}", entry.name(dtype));
        }
    }
    Accelerated::Call(Box::new(call))
}

/// What of BLAS scales a vector.
fn scale_name(dtype: DType) -> &'static str {
    if dtype == DType::F64 { "cblas_dscal" } else { "cblas_sscal" }
}

/// The entry of vForce for an instruction.
fn force(inst: &Inst) -> Option<(&'static Entry, &'static Form)> {
    let LaneOp::Elementwise(op, dtype @ (DType::F32 | DType::F64)) = inst.op else { return None };
    if dtype != inst.dtype {
        return None;
    }
    ENTRIES.iter().filter(|entry| entry.shape.is_force()).find_map(|entry| {
        let form = entry.forms.iter().find(|form| form.pattern.plain_op() == Some(op.strict()))?;
        Some((entry, form))
    })
}

fn is_contiguous(nest: &LoopNest, id: OperandId) -> bool {
    tile::is_row_major(&nest.operands[id.index()], &nest.dims)
}

fn is_uniform(operand: &Operand) -> bool {
    !operand.swapped && operand.strides.iter().all(|&stride| stride == 0)
}

impl Accelerated {
    /// Whether results have the bits that our loops give.
    pub(crate) fn is_exact(&self, nest: &LoopNest) -> bool {
        let exact = |contract| match contract {
            Contract::Exact => true,
            Contract::Fused | Contract::WithinUlp | Contract::Unordered => false,
        };
        match self {
            Accelerated::None | Accelerated::Declined { .. } => true,
            Accelerated::Call(call) => match call.callee {
                Callee::Entry(_, form, _) => exact(form.contract),
                Callee::Conversion(_) => true,
            },
            Accelerated::Tiles { tile, .. } => tile.ops.iter().all(|op| match op {
                TileOp::Force(value, ..) => {
                    force(&nest.body.insts[value.index()]).is_some_and(|(_, form)| exact(form.contract))
                }
                TileOp::Pack(..) | TileOp::Index(_) | TileOp::Call(..) => true,
            }),
        }
    }

    /// What is called for a nest, and why, in a line.
    pub(crate) fn line(&self, nest: &LoopNest) -> Option<String> {
        let memory = |id: &OperandId| {
            let Operand { memory, offset, .. } = &nest.operands[id.index()];
            if *offset == 0 { memory.to_string() } else { format!("{memory}+{offset}") }
        };
        match self {
            Accelerated::None => None,
            Accelerated::Declined { name, why } => Some(format!("not {name}: {why}")),
            Accelerated::Call(call) => {
                let sources: Vec<String> = call.sources.iter().map(memory).collect();
                let target = memory(&call.target);
                let place = if sources.contains(&target) { " in place" } else { "" };
                let (text, contract) = match call.callee {
                    Callee::Entry(entry, form, dtype) => {
                        let scalars: Vec<String> = call
                            .scalars
                            .iter()
                            .map(|scalar| match scalar {
                                ScalarSource::Splat(scalar) => scalar.to_string(),
                                ScalarSource::Element(id) => memory(id),
                            })
                            .collect();
                        let scalars = passed(form, &scalars);
                        let len = if entry.shape.reduces() { nest.reduced } else { nest.size() };
                        if call.by_blas {
                            let text = format!("{}({len}, {}, {target}, 1)", scale_name(dtype), scalars[0]);
                            return Some(format!("{text} in place; {}; {}", form.contract.name(), call.why));
                        }
                        (entry.spelled(dtype, &target, &sources, &scalars, len), form.contract)
                    }
                    Callee::Conversion(conversion) => {
                        let call =
                            format!("{}({}, 1, {target}, 1, {})", conversion.name, sources[0], nest.size());
                        (call, Contract::Exact)
                    }
                };
                Some(format!("{text}{place}; {}; {}", contract.name(), call.why))
            }
            Accelerated::Tiles { tile, why } => {
                let entries = tile.ops.iter().filter_map(|op| match op {
                    TileOp::Force(value, entry, _) => {
                        Some(format!("{value} by {}", entry.name(nest.body.insts[value.index()].dtype)))
                    }
                    TileOp::Pack(..) | TileOp::Index(_) | TileOp::Call(..) => None,
                });
                let entries: Vec<String> = entries.collect();
                Some(format!("{} in tiles of {}; {why}", entries.join(", "), tile.len))
            }
        }
    }
}

/// The scalars that are passed, as text.
fn passed(form: &Form, found: &[String]) -> Vec<String> {
    if form.scalars.is_empty() {
        return found.to_vec();
    }
    let spelled = |name: &str| match name.strip_suffix('s') {
        Some(sign) => format!("{sign}{}", found[0]),
        None => name.to_owned(),
    };
    form.scalars.split_whitespace().map(spelled).collect()
}
