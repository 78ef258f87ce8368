//! What can become a lazy array in Rust.

use std::any::Any;

use raptors_ir::{Element, Shape};

use crate::array::{Array, Donation, Leaf, Memory};
use crate::error::Error;

/// Something whose elements a lazy array can hold.
pub trait IntoArray {
    /// The array.
    fn into_array(self) -> Array;
}

/// A lazy array of `values`.
///
/// A `Vec` or an owned `ndarray` array is taken over without a copy; from a reference the elements are copied.
///
/// ```
/// use raptors::lazy;
/// let (a, b) = (vec![1.0f32, 4.0], vec![2.0f32, 1.0]);
/// let y = (lazy(&a) * 2.0 + &b).sqrt();
/// assert_eq!(y.eval()?.as_slice::<f32>(), Some(&[2.0, 3.0][..]));
/// # Ok::<(), raptors::Error>(())
/// ```
pub fn lazy(values: impl IntoArray) -> Array {
    values.into_array()
}

/// A leaf over `pointer`, which `owner` keeps alive, of row-major elements.
fn owned<T: Element>(pointer: *mut T, owner: Box<dyn Any + Send + Sync>, dims: &[usize]) -> Array {
    match Shape::new(dims) {
        Ok(shape) => {
            let strides = shape.row_major_strides(size_of::<T>());
            // SAFETY: callers pass the address of `owner`'s row-major elements, of which there are `dims`, and nobody
            // else has the owner.
            let memory = unsafe { Memory::new(pointer.cast(), owner) };
            Array::from_leaf(Leaf::new(memory, strides, false, Donation::No), T::DTYPE, shape, None)
        }
        Err(error) => Array::invalid(Error::Op { error: Box::new(error), operands: Vec::new() }),
    }
}

impl<T: Element> IntoArray for Vec<T> {
    fn into_array(mut self) -> Array {
        let (pointer, len) = (self.as_mut_ptr(), self.len());
        owned(pointer, Box::new(self), &[len])
    }
}

impl<T: Element> IntoArray for &Vec<T> {
    fn into_array(self) -> Array {
        self.clone().into_array()
    }
}

impl<T: Element> IntoArray for &[T] {
    fn into_array(self) -> Array {
        self.to_vec().into_array()
    }
}

impl<T: Element, const N: usize> IntoArray for &[T; N] {
    fn into_array(self) -> Array {
        self.to_vec().into_array()
    }
}

impl IntoArray for Array {
    fn into_array(self) -> Array {
        self
    }
}

#[cfg(feature = "ndarray")]
impl<T: Element, D: ndarray::Dimension + 'static> IntoArray for ndarray::Array<T, D> {
    fn into_array(self) -> Array {
        let dims = self.shape().to_vec();
        let mut values =
            if self.is_standard_layout() { self } else { self.as_standard_layout().into_owned() };
        let pointer = values.as_mut_ptr();
        owned(pointer, Box::new(values), &dims)
    }
}

#[cfg(feature = "ndarray")]
impl<T: Element, D: ndarray::Dimension + 'static> IntoArray for &ndarray::Array<T, D> {
    fn into_array(self) -> Array {
        self.to_owned().into_array()
    }
}

#[cfg(feature = "ndarray")]
impl crate::Tensor {
    /// A copy as an `ndarray` array, if `T` is the dtype.
    pub fn to_ndarray<T: Element>(&self) -> Option<ndarray::ArrayD<T>> {
        ndarray::ArrayD::from_shape_vec(self.shape().dims(), self.to_vec::<T>()?).ok()
    }
}
