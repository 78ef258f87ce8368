//! What a call's arguments are: a structure, which plans are kept by, and the leaves that a plan is bound to.
//!
//! The structure is a list of words: for an array its dtype, shape and layout as a plan sees them, for a number its
//! type, for a container its length, and for any other object its type and hash. Those objects are compared themselves
//! when the words are equal. A number's value is no part of it.

use pyo3::exceptions::{PyRecursionError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use raptors::array::{Donation, Leaf};
use raptors::function::Extent;
use raptors::ir::{Encoding, Layout, Literal, Strides};
use raptors::shared::Shared;
use raptors::{DType, Options, Shape, Type};
use smallvec::SmallVec;

use super::scalar::Scalar;
use crate::array::Array;
use crate::buffer;
use crate::error::{OrRaise, type_name};
use crate::numpy::{self, View};
use crate::operand::array_like;

/// The name that begins messages.
pub(super) const OP: &str = "compile";

/// A structure, without the objects in it.
pub(super) type Words = SmallVec<[u64; 32]>;

/// Containers within containers, at most.
pub(super) const DEEPEST: usize = 100;

/// What a call was given.
pub(super) struct Arguments<'py> {
    pub(super) words: Words,
    /// Objects that are part of the structure.
    pub(super) statics: SmallVec<[Bound<'py, PyAny>; 2]>,
    pub(super) leaves: SmallVec<[Given<'py>; 4]>,
    /// Whether an array is not in memory, or is donated as a lazy array: then the function is run again.
    pub(super) is_lazy: bool,
}

/// A value that a plan is bound to.
pub(super) enum Given<'py> {
    /// Elements in memory, and where the structure describes them.
    Memory { pointer: *mut u8, at: usize, owner: MemoryOwner<'py> },
    /// A number with a dtype.
    Strong(Literal),
    /// A Python number.
    Weak(Bound<'py, PyAny>),
}

/// What keeps memory alive during a call.
pub(super) enum MemoryOwner<'py> {
    Object(Bound<'py, PyAny>),
    Leaf(#[expect(dead_code, reason = "held for the call")] Shared<Leaf>),
}

/// Which arguments may be overwritten.
#[derive(Clone, Debug, Default)]
pub(super) enum Donated {
    #[default]
    None,
    All,
    /// By position.
    Some(Vec<usize>, Vec<String>),
}

impl Donated {
    pub(super) fn position(&self, position: usize) -> bool {
        match self {
            Donated::None => false,
            Donated::All => true,
            Donated::Some(positions, _) => positions.contains(&position),
        }
    }

    pub(super) fn name(&self, name: &Bound<'_, PyAny>) -> bool {
        match self {
            Donated::None => false,
            Donated::All => true,
            Donated::Some(_, names) => {
                name.extract::<&str>().is_ok_and(|name| names.iter().any(|other| other == name))
            }
        }
    }
}

/// The first word of an argument.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Tag {
    Memory,
    Strong,
    Int,
    Float,
    Bool,
    Complex,
    Tuple,
    Named,
    List,
    Dict,
    Static,
}

/// The layout of memory, in its first word.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum LayoutTag {
    RowMajor,
    Native,
    Unaligned,
    Swapped,
}

const LAYOUT_SHIFT: u32 = 8;
const DTYPE_SHIFT: u32 = 16;
const NDIM_SHIFT: u32 = 24;
const DONATED: u64 = 1 << 32;

impl<'py> Arguments<'py> {
    /// Nothing yet.
    #[inline]
    pub(super) fn new() -> Arguments<'py> {
        Arguments { words: Words::new(), statics: SmallVec::new(), leaves: SmallVec::new(), is_lazy: false }
    }

    /// Reads what a call was given. They are large, so they are read where they are to be.
    ///
    /// # Errors
    ///
    /// `TypeError` for an argument that is neither an array nor a number nor hashable, and for an array of a dtype that
    /// raptors does not have.
    pub(super) fn read(
        &mut self,
        positional: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
        donated: &Donated,
        options: &Options,
    ) -> PyResult<()> {
        self.words.push(positional.len() as u64);
        for (position, object) in positional.iter_borrowed().enumerate() {
            self.add(&object, donated.position(position), 0)?;
        }
        for (name, object) in named.into_iter().flatten() {
            self.add_static(&name)?;
            self.add(&object, donated.name(&name), 0)?;
        }
        let Options { fp, max_memory, threads } = *options;
        let limits =
            [max_memory.map_or(u64::MAX, |bytes| bytes as u64), threads.map_or(0, |n| n.get() as u64)];
        self.words.push(fp as u64);
        self.words.extend_from_slice(&limits);
        if !matches!(donated, Donated::None) {
            self.keep_shared();
        }
        Ok(())
    }

    fn add(&mut self, object: &Bound<'py, PyAny>, donated: bool, depth: usize) -> PyResult<()> {
        if let Some(view) = numpy::view(OP, object)? {
            return self.add_view(object, view, donated);
        }
        if object.is_exact_instance_of::<PyFloat>() {
            self.words.push(Tag::Float as u64);
            self.leaves.push(Given::Weak(object.clone()));
            return Ok(());
        }
        if object.is_exact_instance_of::<PyInt>() {
            self.words.push(Tag::Int as u64);
            self.leaves.push(Given::Weak(object.clone()));
            return Ok(());
        }
        if let Ok(array) = object.cast_exact::<Array>() {
            return self.add_array(&array.get().0);
        }
        if depth > DEEPEST {
            let message = format!("{OP}: an argument has more than {DEEPEST} containers in one another");
            return Err(PyRecursionError::new_err(message));
        }
        if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            self.words.extend_from_slice(&[Tag::Tuple as u64, tuple.len() as u64]);
            return tuple.iter().try_for_each(|object| self.add(&object, donated, depth + 1));
        }
        if let Ok(list) = object.cast_exact::<PyList>() {
            self.words.extend_from_slice(&[Tag::List as u64, list.len() as u64]);
            return list.iter().try_for_each(|object| self.add(&object, donated, depth + 1));
        }
        if let Ok(dict) = object.cast_exact::<PyDict>() {
            self.words.extend_from_slice(&[Tag::Dict as u64, dict.len() as u64]);
            return dict.iter().try_for_each(|(key, object)| {
                self.add_static(&key)?;
                self.add(&object, donated, depth + 1)
            });
        }
        self.add_other(object, donated, depth)
    }

    fn add_other(&mut self, object: &Bound<'py, PyAny>, donated: bool, depth: usize) -> PyResult<()> {
        if let Ok(truth) = object.cast_exact::<PyBool>() {
            self.words.extend_from_slice(&[Tag::Bool as u64, u64::from(truth.is_true())]);
        } else if let Ok(number) = object.cast_exact::<PyComplex>() {
            // By its bits: -0.0 equals 0.0.
            let parts = [number.real().to_bits(), number.imag().to_bits()];
            self.words.extend_from_slice(&[Tag::Complex as u64, parts[0], parts[1]]);
        } else if object.is_none()
            || object.is_instance_of::<PyString>()
            || object.is_instance_of::<PyBytes>()
        {
            self.add_static(object)?;
        } else if let Some(fields) = named_fields(object) {
            self.words.extend_from_slice(&[Tag::Named as u64, fields.len() as u64]);
            self.add_static(&object.get_type().into_any())?;
            fields.iter().try_for_each(|object| self.add(&object, donated, depth + 1))?;
        } else if let Ok(scalar) = object.cast_exact::<Scalar>() {
            // Of a function that is being traced by another thread, or that was: no more than its value.
            let value = scalar.get().pinned(object.py());
            self.add(&value, donated, depth + 1)?;
        } else if let Some(literal) = numpy::scalar(OP, object)? {
            self.words.push(Tag::Strong as u64 | (literal.dtype() as u64) << DTYPE_SHIFT);
            self.leaves.push(Given::Strong(literal));
        } else if let Some(array) = array_like(OP, object)? {
            self.add_array(&array)?;
        } else {
            self.add_static(object)?;
        }
        Ok(())
    }

    fn add_view(&mut self, object: &Bound<'py, PyAny>, view: View<'_>, donated: bool) -> PyResult<()> {
        let View { pointer, dtype, dims, strides, swapped, writable, is_plain } = view;
        let donated = donated && writable;
        let at = self.words.len();
        let owner = MemoryOwner::Object(object.clone());
        if is_plain && !swapped && (pointer as usize).is_multiple_of(natural_alignment(dtype)) {
            self.add_memory(dtype, dims, &[], LayoutTag::RowMajor, donated);
            self.leaves.push(Given::Memory { pointer, at, owner });
            return Ok(());
        }
        // The rare layouts are what a leaf's would be.
        let array = crate::lazy::borrow(object, &view, None)?;
        self.add_leaf(&array, owner, donated, strides)
    }

    fn add_array(&mut self, array: &raptors::Array) -> PyResult<()> {
        match array.in_memory().or_raise()? {
            Some((leaf, _)) if leaf.donation == Donation::No => {
                let strides = leaf.strides.clone();
                self.add_leaf(array, MemoryOwner::Leaf(leaf), false, &strides)?;
            }
            Some(_) | None => self.is_lazy = true,
        }
        Ok(())
    }

    fn add_leaf(
        &mut self,
        array: &raptors::Array,
        owner: MemoryOwner<'py>,
        donated: bool,
        strides: &[isize],
    ) -> PyResult<()> {
        let Some((leaf, layout)) = array.in_memory().or_raise()? else { unreachable!("the array is a leaf") };
        let (tag, strides) = match layout {
            Layout::RowMajor | Layout::Scalar => (LayoutTag::RowMajor, &[][..]),
            Layout::Strided { encoding: Encoding::Native, .. } => (LayoutTag::Native, strides),
            Layout::Strided { encoding: Encoding::Unaligned, .. } => (LayoutTag::Unaligned, strides),
            Layout::Strided { encoding: Encoding::Swapped, .. } => (LayoutTag::Swapped, strides),
        };
        let at = self.words.len();
        self.add_memory(array.dtype(), array.shape(), strides, tag, donated);
        self.leaves.push(Given::Memory { pointer: leaf.memory.pointer(), at, owner });
        Ok(())
    }

    #[inline]
    fn add_memory(
        &mut self,
        dtype: DType,
        dims: &[usize],
        strides: &[isize],
        layout: LayoutTag,
        donated: bool,
    ) {
        let mut first = Tag::Memory as u64;
        first |= (layout as u64) << LAYOUT_SHIFT;
        first |= (dtype as u64) << DTYPE_SHIFT;
        first |= (dims.len() as u64) << NDIM_SHIFT;
        first |= if donated { DONATED } else { 0 };
        self.words.push(first);
        self.words.extend(dims.iter().map(|&dim| dim as u64));
        self.words.extend(strides.iter().map(|&stride| stride as u64));
    }

    fn add_static(&mut self, object: &Bound<'py, PyAny>) -> PyResult<()> {
        let hash = object.hash().map_err(|error| match error.is_instance_of::<PyTypeError>(object.py()) {
            true => PyTypeError::new_err(format!(
                "{OP}: an argument is {}, which is not hashable: give arrays, numbers, tuples, lists and dicts of \
                 them, or hashable objects",
                type_name(object)
            )),
            false => error,
        })?;
        self.words.extend_from_slice(&[Tag::Static as u64, object.get_type_ptr() as u64, hash as u64]);
        self.statics.push(object.clone());
        Ok(())
    }

    /// The type, layout and donation of the memory that the structure describes there.
    pub(super) fn memory_at(&self, at: usize) -> (Type, Layout, bool) {
        let first = self.words[at];
        let ndim = (first >> NDIM_SHIFT) as usize & 0xff;
        let dims: SmallVec<[usize; 4]> =
            self.words[at + 1..at + 1 + ndim].iter().map(|&dim| dim as usize).collect();
        let strides = || -> Strides {
            self.words[at + 1 + ndim..at + 1 + 2 * ndim].iter().map(|&stride| stride as isize).collect()
        };
        let number = (first >> DTYPE_SHIFT) & 0xff;
        let Some(dtype) = DType::ALL.into_iter().find(|&dtype| dtype as u64 == number) else {
            unreachable!("the word was made of a dtype")
        };
        let encoding = match (first >> LAYOUT_SHIFT) & 0xff {
            tag if tag == LayoutTag::RowMajor as u64 => None,
            tag if tag == LayoutTag::Native as u64 => Some(Encoding::Native),
            tag if tag == LayoutTag::Unaligned as u64 => Some(Encoding::Unaligned),
            _ => Some(Encoding::Swapped),
        };
        let layout = match encoding {
            None => Layout::RowMajor,
            Some(encoding) => Layout::Strided { strides: strides(), encoding },
        };
        let Ok(shape) = Shape::from_dims(dims) else { unreachable!("an array has a shape") };
        (Type { dtype, shape }, layout, first & DONATED != 0)
    }

    /// The addresses of a leaf, if it is memory.
    fn extent(&self, leaf: usize) -> Option<(usize, Extent)> {
        let Given::Memory { pointer, at, .. } = &self.leaves[leaf] else { return None };
        let (Type { dtype, shape }, layout, _) = self.memory_at(*at);
        let strides = match layout {
            Layout::RowMajor | Layout::Scalar => shape.row_major_strides(dtype.size()),
            Layout::Strided { strides, .. } => strides,
        };
        Some((*at, Extent::new(*pointer, &shape, &strides, dtype.size())))
    }

    /// Whether an argument may be overwritten.
    pub(super) fn has_donated(&self) -> bool {
        let mut memories = self.leaves.iter().filter_map(|leaf| match leaf {
            Given::Memory { at, .. } => Some(*at),
            Given::Strong(_) | Given::Weak(_) => None,
        });
        memories.any(|at| self.words[at] & DONATED != 0)
    }

    /// Takes back donations of memory that another argument shares.
    fn keep_shared(&mut self) {
        let extents: Vec<Option<(usize, Extent)>> =
            (0..self.leaves.len()).map(|leaf| self.extent(leaf)).collect();
        for (n, extent) in extents.iter().enumerate() {
            let Some((at, memory)) = extent else { continue };
            let others = extents.iter().enumerate().filter(|&(other, _)| other != n);
            if self.words[*at] & DONATED != 0
                && others.filter_map(|(_, other)| other.as_ref()).any(|(_, other)| memory.overlaps(other))
            {
                self.words[*at] &= !DONATED;
            }
        }
    }

    /// Takes back donations of memory that `is_read` beside the arguments; says whether there were any.
    pub(super) fn keep_read(&mut self, is_read: impl Fn(&Extent) -> bool) -> bool {
        let mut kept = false;
        for leaf in 0..self.leaves.len() {
            let Some((at, memory)) = self.extent(leaf) else { continue };
            if self.words[at] & DONATED != 0 && is_read(&memory) {
                self.words[at] &= !DONATED;
                kept = true;
            }
        }
        kept
    }
}

/// Bytes that elements of a dtype are aligned to.
fn natural_alignment(dtype: DType) -> usize {
    dtype.size() / if dtype.is_complex() { 2 } else { 1 }
}

/// What an argument is to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// An array of another library.
    Array,
    /// A lazy array.
    Lazy,
    /// A NumPy scalar.
    Strong,
    /// A Python number that a plan takes at each call.
    Number,
    /// A tuple, named tuple, list or dict.
    Container,
    /// Part of the structure.
    Static,
}

/// What an object is to a call, as [`Arguments::read`] reads it.
pub(super) fn role(object: &Bound<'_, PyAny>) -> PyResult<Role> {
    let py = object.py();
    if numpy::view(OP, object)?.is_some() {
        return Ok(Role::Array);
    }
    if object.is_exact_instance_of::<PyFloat>() || object.is_exact_instance_of::<PyInt>() {
        return Ok(Role::Number);
    }
    if let Ok(scalar) = object.cast_exact::<Scalar>() {
        return role(scalar.get().value(py));
    }
    if object.is_exact_instance_of::<Array>() {
        return Ok(Role::Lazy);
    }
    if object.is_exact_instance_of::<PyTuple>()
        || object.is_exact_instance_of::<PyList>()
        || object.is_exact_instance_of::<PyDict>()
    {
        return Ok(Role::Container);
    }
    if object.is_none()
        || object.is_exact_instance_of::<PyBool>()
        || object.is_exact_instance_of::<PyComplex>()
        || object.is_instance_of::<PyString>()
        || object.is_instance_of::<PyBytes>()
    {
        return Ok(Role::Static);
    }
    if named_fields(object).is_some() {
        return Ok(Role::Container);
    }
    if numpy::scalar(OP, object)?.is_some() {
        return Ok(Role::Strong);
    }
    let is_tensor = || -> PyResult<bool> {
        Ok(object.hasattr(intern!(py, "__dlpack__"))? && object.hasattr(intern!(py, "__dlpack_device__"))?)
    };
    Ok(if buffer::is_exported(object) || is_tensor()? { Role::Array } else { Role::Static })
}

/// A named tuple's fields; `None` for any other object.
pub(super) fn named_fields<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, PyTuple>> {
    let tuple = object.cast::<PyTuple>().ok()?;
    let is_named = object.get_type().hasattr(intern!(object.py(), "_make")).unwrap_or(false);
    is_named.then_some(tuple)
}
