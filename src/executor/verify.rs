//! Runs a step both ways, and compares every byte that it writes. `RAPTORS_JIT=verify` has every step run so.

use raptors_ir::{DType, Dims, Literal, Strides};

use super::{Bound, Engine};
use crate::error::{Difference, Error};
use crate::kernels::copy;
use crate::program::{LoopNest, Operand, Program, Step};
use crate::runtime::buffer::Buffer;

/// Runs a step by the interpreter, then on the same memory by machine code, and compares. What Accelerate computes with other
/// bits is run once.
///
/// # Safety
///
/// As for [`super::run`].
pub(super) unsafe fn run(program: &Program, number: usize, bound: &mut Bound<'_>) -> Result<(), Error> {
    let step = &program.steps[number];
    if !step.nests().iter().all(|nest| nest.accelerated.is_exact(nest)) {
        // SAFETY: as for this function.
        return unsafe { super::step(step, bound) };
    }
    let written: Vec<Written> = targets(step).into_iter().map(|target| target.located(bound)).collect();
    // SAFETY: the step may write all of it, as this function's caller promises.
    unsafe {
        let before = written.iter().map(|target| target.read()).collect::<Result<Vec<Buffer>, Error>>()?;
        bound.set_engine(Engine::Interpreter);
        super::step(step, bound)?;
        let expected = written.iter().map(|target| target.read()).collect::<Result<Vec<Buffer>, Error>>()?;
        for (target, mut contents) in written.iter().zip(before) {
            target.write(&mut contents);
        }
        bound.set_engine(Engine::Machine);
        super::step(step, bound)?;
        for (target, mut expected) in written.iter().zip(expected) {
            let mut found = target.read()?;
            if let Some((element, found, expected)) = target.difference(&mut found, &mut expected) {
                let memory = target.name.clone();
                let text = step.to_string();
                let difference = Difference { step: number, memory, element, found, expected, text };
                return Err(Error::MachineCodeDiffers(Box::new(difference)));
            }
        }
    }
    Ok(())
}

/// An operand that a step writes, over these dimensions.
struct Target {
    operand: Operand,
    dims: Dims,
}

fn targets(step: &Step) -> Vec<Target> {
    let mut targets = Vec::new();
    match step {
        Step::Loop(nest) => add_targets(nest, &mut targets),
        Step::Blocks(blocks) => {
            for nest in &blocks.nests {
                // What takes the place of another nest's values is compared, perhaps of another dtype.
                let stored = |operand: &Operand| {
                    let mut stores = nest.body.stores.iter();
                    stores.any(|(_, id)| nest.operands[id.index()].memory == operand.memory)
                };
                targets.retain(|target: &Target| !stored(&target.operand));
                add_targets(nest, &mut targets);
            }
        }
        Step::Library(call) => {
            targets.push(Target { operand: call.result.operand.clone(), dims: call.result.dims.clone() });
        }
        Step::Matmul(product) => {
            let [rows, _, columns] = product.dims;
            let dims: Dims = product.batch.iter().copied().chain([rows, columns]).collect();
            targets.extend(product.result.clone().map(|operand| Target { operand, dims }));
            product.epilogue.iter().for_each(|nest| add_targets(nest, &mut targets));
        }
    }
    // What lives as long as a block alone is compared by what is computed of it.
    targets.retain(|target| !target.operand.memory.is_of_step());
    targets
}

fn add_targets(nest: &LoopNest, targets: &mut Vec<Target>) {
    for (_, id) in &nest.body.stores {
        targets.push(Target { operand: nest.operands[id.index()].clone(), dims: nest.dims.clone() });
    }
    for reduction in &nest.body.reductions {
        let mut operand = nest.operands[reduction.target.index()].clone();
        operand.strides = Strides::from_elem(operand.dtype.size() as isize, 1);
        targets.push(Target { operand, dims: Dims::from_elem(nest.outer * nest.inner, 1) });
    }
}

/// A target in one run.
struct Written {
    name: String,
    base: *mut u8,
    dtype: DType,
    dims: Dims,
    strides: Strides,
}

impl Target {
    fn located(self, bound: &Bound<'_>) -> Written {
        let Target { operand, dims } = self;
        Written {
            name: operand.memory.to_string(),
            base: bound.base(&operand),
            dtype: operand.dtype,
            dims,
            strides: operand.strides,
        }
    }
}

impl Written {
    fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// The elements, row-major.
    ///
    /// # Safety
    ///
    /// They are readable.
    unsafe fn read(&self) -> Result<Buffer, Error> {
        let mut contents = Buffer::allocate(self.len() * self.dtype.size())?;
        // SAFETY: the buffer has room for all elements.
        unsafe {
            copy::pack(self.base, &self.strides, &self.dims, self.dtype.size(), contents.as_mut_ptr());
        }
        Ok(contents)
    }

    /// Writes elements that were read.
    ///
    /// # Safety
    ///
    /// They are writable.
    unsafe fn write(&self, contents: &mut Buffer) {
        // SAFETY: the buffer has all elements.
        unsafe {
            copy::unpack(contents.as_mut_ptr(), self.base, &self.strides, &self.dims, self.dtype.size());
        }
    }

    /// The first element that differs, NaN aside.
    fn difference(&self, found: &mut Buffer, expected: &mut Buffer) -> Option<(usize, Literal, Literal)> {
        let size = self.dtype.size();
        let literal = |buffer: &mut Buffer, element: usize| {
            let mut bytes = [0; 16];
            // SAFETY: the buffer has all elements.
            unsafe {
                let source = buffer.as_mut_ptr().add(element * size);
                source.copy_to_nonoverlapping(bytes.as_mut_ptr(), size);
            }
            Literal::from_bits(self.dtype, u128::from_le_bytes(bytes))
        };
        let is_nan = |x: Literal| self.dtype.is_float() && x.to_f64().is_some_and(f64::is_nan);
        (0..self.len()).find_map(|element| {
            let (found, expected) = (literal(found, element), literal(expected, element));
            let same = found == expected || is_nan(found) && is_nan(expected);
            (!same).then_some((element, found, expected))
        })
    }
}
