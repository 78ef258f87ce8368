//! Evaluated arrays.

use raptors_ir::{DType, Element, Shape, Type};

use crate::array::{Array, Donation, Leaf, Memory};
use crate::runtime::buffer::Buffer;

/// A row-major array in memory of its own: the result of an evaluation.
///
/// ```
/// use raptors::lazy;
/// let out = (lazy(&[1.0f32, 2.0]) * 2.0).eval()?;
/// assert_eq!(out.as_slice::<f32>(), Some(&[2.0, 4.0][..]));
/// # Ok::<(), raptors::Error>(())
/// ```
#[derive(Debug)]
pub struct Tensor {
    buffer: Buffer,
    ty: Type,
}

impl Tensor {
    /// `buffer` holds the row-major elements of `ty`.
    pub(crate) fn new(buffer: Buffer, ty: Type) -> Tensor {
        debug_assert!(
            buffer.len() >= ty.shape.size() * ty.dtype.size(),
            "a tensor's buffer holds its elements"
        );
        Tensor { buffer, ty }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.ty.dtype
    }

    /// The length of each dimension.
    pub fn shape(&self) -> &Shape {
        &self.ty.shape
    }

    /// The elements in row-major order, if `T` is their type.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        if T::DTYPE != self.ty.dtype {
            return None;
        }
        // SAFETY: the buffer is 64-byte aligned, holds this many initialised elements, and every bit pattern is a
        // value of an `Element`.
        Some(unsafe { std::slice::from_raw_parts(self.buffer.as_ptr().cast(), self.ty.shape.size()) })
    }

    /// The real and imaginary parts of the elements in row-major order, if they are complex and `T` is the type of parts.
    pub fn as_parts<T: Element>(&self) -> Option<&[[T; 2]]> {
        if !self.ty.dtype.is_complex() || T::DTYPE != self.ty.dtype.part() {
            return None;
        }
        // SAFETY: the buffer is 64-byte aligned, holds this many initialised pairs, and every bit pattern is a value of an
        // `Element`.
        Some(unsafe { std::slice::from_raw_parts(self.buffer.as_ptr().cast(), self.ty.shape.size()) })
    }

    /// A copy of the elements in row-major order, if `T` is their type.
    pub fn to_vec<T: Element>(&self) -> Option<Vec<T>> {
        self.as_slice().map(<[T]>::to_vec)
    }

    /// The address of the first element.
    pub(crate) fn address(&self) -> *const u8 {
        self.buffer.as_ptr()
    }

    /// The memory.
    pub fn into_buffer(self) -> Buffer {
        self.buffer
    }

    /// The memory, with dtype and shape.
    pub fn into_parts(self) -> (Buffer, DType, Shape) {
        (self.buffer, self.ty.dtype, self.ty.shape)
    }

    /// A lazy array over this tensor.
    pub fn into_lazy(self) -> Array {
        let Type { dtype, shape } = self.ty.clone();
        Array::from_leaf(self.into_leaf(), dtype, shape, None)
    }

    pub(crate) fn into_leaf(mut self) -> Leaf {
        let strides = self.ty.shape.row_major_strides(self.ty.dtype.size());
        let pointer = self.buffer.as_mut_ptr();
        // SAFETY: the buffer is the owner, holds the elements, and nobody else has it.
        let memory = unsafe { Memory::new(pointer, Box::new(self.buffer)) };
        Leaf::new(memory, strides, false, Donation::No)
    }
}
