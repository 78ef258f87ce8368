//! Shapes: lengths per dimension, broadcasting, axes, row-major strides.

use std::fmt;
use std::ops::Deref;

use smallvec::SmallVec;

use crate::IrError;

/// A short list of dimension numbers or lengths.
pub type Dims = SmallVec<[usize; 4]>;

/// A distance per dimension, in bytes or elements as the owner says.
pub type Strides = SmallVec<[isize; 4]>;

/// The most dimensions an array may have: NumPy's limit.
pub const MAX_DIMS: usize = 64;

/// Bytes of an element of the widest dtype.
const WIDEST: usize = 16;

/// The length of each dimension. The element count, and any dtype's byte count, fit an `isize`.
#[derive(PartialEq, Eq, Hash, Default)]
pub struct Shape(Dims);

/// As derived, but a copy of the lengths instead of a loop over them.
impl Clone for Shape {
    #[inline]
    fn clone(&self) -> Shape {
        Shape(short_list(&self.0))
    }
}

/// A copy of a list, of which most have one entry or two.
#[inline]
pub fn short_list<T: Copy>(list: &[T]) -> SmallVec<[T; 4]> {
    match *list {
        [one] => SmallVec::from_buf_and_len([one; 4], 1),
        [one, two] => SmallVec::from_buf_and_len([one, two, one, two], 2),
        _ => SmallVec::from_slice(list),
    }
}

impl Shape {
    /// Whether both are the same but for dimensions of length 1.
    pub fn is_alike(&self, other: &Shape) -> bool {
        self.iter().filter(|dim| **dim != 1).eq(other.iter().filter(|dim| **dim != 1))
    }

    /// Checks the dimension count, and that the elements could be addressed whatever the dtype.
    #[inline]
    pub fn new(dims: &[usize]) -> Result<Shape, IrError> {
        match *dims {
            [dim] if dim <= isize::MAX as usize / WIDEST => Ok(Shape(short_list(&[dim]))),
            _ => Shape::from_dims(short_list(dims)),
        }
    }

    /// As [`Shape::new`], without copying the list.
    pub fn from_dims(dims: Dims) -> Result<Shape, IrError> {
        if dims.len() > MAX_DIMS {
            return Err(IrError::TooManyDims { ndim: dims.len() });
        }
        // Zero-length dimensions do not excuse an overflow of the others: strides are computed from them.
        let mut size = WIDEST;
        for &dim in &dims {
            size = size
                .checked_mul(dim.max(1))
                .filter(|&bytes| bytes <= isize::MAX as usize)
                .ok_or_else(|| IrError::TooLarge { shape: dims.to_vec() })?;
        }
        Ok(Shape(dims))
    }

    /// The shape of a 0-d array.
    pub fn scalar() -> Shape {
        Shape(Dims::new())
    }

    /// The lengths.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// The number of elements; 1 for 0-d.
    pub fn size(&self) -> usize {
        self.0.iter().product()
    }

    /// NumPy's broadcast of two shapes, `None` where they do not fit.
    ///
    /// ```
    /// # use raptors_ir::Shape;
    /// let (a, b) = (Shape::new(&[4, 1])?, Shape::new(&[3])?);
    /// assert_eq!(a.broadcast(&b), Some(Shape::new(&[4, 3])?));
    /// # Ok::<(), raptors_ir::IrError>(())
    /// ```
    pub fn broadcast(&self, other: &Shape) -> Option<Shape> {
        if self == other {
            return Some(self.clone());
        }
        let (long, short) = if self.len() >= other.len() { (self, other) } else { (other, self) };
        let mut dims = short_list(&long.0);
        let lead = dims.len() - short.len();
        for (dim, &s) in dims[lead..].iter_mut().zip(&short.0) {
            if *dim == 1 {
                *dim = s;
            } else if s != 1 && s != *dim {
                return None;
            }
        }
        Shape::from_dims(dims).ok()
    }

    /// Whether an array of this shape broadcasts to `target` unchanged.
    pub fn broadcasts_to(&self, target: &Shape) -> bool {
        self.len() <= target.len()
            && self.iter().zip(&target[target.len() - self.len()..]).all(|(&d, &t)| d == t || d == 1)
    }

    /// Row-major strides, in units of `item`.
    pub fn row_major_strides(&self, item: usize) -> Strides {
        let mut strides: Strides = SmallVec::from_elem(0, self.len());
        let mut step = item as isize;
        for (stride, &dim) in strides.iter_mut().zip(&self.0).rev() {
            *stride = step;
            step = step.wrapping_mul(dim.max(1) as isize);
        }
        strides
    }

    /// The shape with each of `axes` set to length 1.
    pub fn with_reduced(&self, axes: &[usize]) -> Shape {
        let mut dims = short_list(&self.0);
        for &axis in axes {
            dims[axis] = 1;
        }
        Shape(dims)
    }

    /// For each axis, the axis of `other` that numbers the same elements, where the two shapes differ by axes of length
    /// 1 alone; such axes have no counterpart.
    pub fn longer_axes_in(&self, other: &Shape) -> Option<SmallVec<[Option<usize>; 4]>> {
        let mut longer = other.iter().enumerate().filter(|(_, len)| **len != 1);
        let mut axes = SmallVec::new();
        for &len in self.iter() {
            axes.push(match len {
                1 => None,
                _ => Some(longer.next().filter(|(_, other)| **other == len)?.0),
            });
        }
        longer.next().is_none().then_some(axes)
    }

    /// The shape without `axes`.
    pub fn without(&self, axes: &[usize]) -> Shape {
        let mut dims = Dims::new();
        for (i, &dim) in self.0.iter().enumerate() {
            if !axes.contains(&i) {
                dims.push(dim);
            }
        }
        Shape(dims)
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

/// NumPy's spelling: `(4, 3)`, `(4,)`, `()`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_tuple(f, &self.0)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_tuple(f, &self.0)
    }
}

pub(crate) fn write_tuple(f: &mut fmt::Formatter<'_>, dims: &[usize]) -> fmt::Result {
    match dims {
        [one] => write!(f, "({one},)"),
        _ => {
            f.write_str("(")?;
            for (i, dim) in dims.iter().enumerate() {
                if i > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{dim}")?;
            }
            f.write_str(")")
        }
    }
}

/// Resolves a possibly negative axis against `ndim` dimensions.
pub fn normalize_axis(op: &'static str, axis: isize, ndim: usize) -> Result<usize, IrError> {
    let resolved = if axis < 0 { axis + ndim as isize } else { axis };
    if resolved < 0 || resolved >= ndim as isize {
        return Err(IrError::AxisOutOfRange { op, axis, ndim });
    }
    Ok(resolved as usize)
}

/// Resolves a list of axes: in range, no repeats, ascending. `None` means all.
pub fn normalize_axes(op: &'static str, axes: Option<&[isize]>, ndim: usize) -> Result<Dims, IrError> {
    let mut resolved = Dims::new();
    let Some(axes) = axes else {
        (0..ndim).for_each(|axis| resolved.push(axis));
        return Ok(resolved);
    };
    for &axis in axes {
        let axis = normalize_axis(op, axis, ndim)?;
        if resolved.contains(&axis) {
            return Err(IrError::RepeatedAxis { op, axis });
        }
        resolved.push(axis);
    }
    resolved.sort_unstable();
    Ok(resolved)
}
