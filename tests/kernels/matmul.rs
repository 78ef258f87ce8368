//! Matrix products against a naive loop: exactly for integers, within the error bound of a sum for floats.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::kernels::matmul::{Matrix, MatrixMut, matmul, matmul_batched};
use raptors::runtime::team;
use raptors_ir::{DType, ElementwiseOp, Literal};

use super::{Guarded, Random, bytes, combine, element, indices, layout, literals, offset, real_dtypes};

/// The product element by element: exact for integers and `bool`, and the size of its error bound for floats.
fn naive_product(dtype: DType, x: &[Literal], y: &[Literal]) -> (Literal, f64) {
    let value = |x: Literal| x.to_f64().unwrap_or(0.0);
    if dtype.is_float() {
        let products = x.iter().zip(y).map(|(&x, &y)| value(x) * value(y));
        let (sum, size) =
            products.fold((0.0, 0.0), |(sum, size), product| (sum + product, size + product.abs()));
        return (Literal::from_f64(dtype, sum), size);
    }
    let product = |x, y| combine(ElementwiseOp::Multiply, x, y);
    let sum = x
        .iter()
        .zip(y)
        .fold(Literal::zero(dtype), |sum, (&x, &y)| combine(ElementwiseOp::Add, sum, product(x, y)));
    (sum, 0.0)
}

/// A matrix operand in its own memory: element by element, and where it is.
struct Operand {
    memory: Vec<u128>,
    start: usize,
    strides: [isize; 2],
    dims: [usize; 2],
    dtype: DType,
}

impl Operand {
    /// Rows and columns in either order and direction, with gaps, or repeated.
    fn new(dtype: DType, dims: [usize; 2], random: &mut Random) -> Operand {
        let (mut strides, extent, start) = layout(&dims, 1, random);
        let count = extent.max(1);
        let small = |random: &mut Random| {
            Literal::from_f64(dtype, (random.next() >> 40) as f64 / (1 << 23) as f64 - 1.0)
        };
        let content: Vec<_> = (0..count)
            .map(|_| if dtype.is_float() { small(random) } else { element(dtype, random) })
            .collect();
        if random.below(8) == 0 && strides[0] > 0 {
            strides[0] = 0;
        }
        let bytes = bytes(&content);
        let mut memory = vec![0; bytes.len().div_ceil(16)];
        // SAFETY: the vector has room for the bytes.
        unsafe { bytes.as_ptr().copy_to_nonoverlapping(memory.as_mut_ptr().cast(), bytes.len()) };
        Operand { memory, start, strides: [strides[0], strides[1]], dims, dtype }
    }

    fn matrix(&self) -> Matrix {
        let ptr = self.memory.as_ptr().cast::<u8>().wrapping_add(self.start * self.dtype.size());
        Matrix { ptr, row_stride: self.strides[0], col_stride: self.strides[1] }
    }

    fn at(&self, row: usize, column: usize) -> Literal {
        assert!(row < self.dims[0] && column < self.dims[1]);
        let at = self.start as isize + offset(&[row, column], &self.strides);
        // SAFETY: `layout` keeps the elements within the memory.
        let ptr = unsafe { self.memory.as_ptr().cast::<u8>().offset(at * self.dtype.size() as isize) };
        // SAFETY: as above.
        literals(self.dtype, unsafe { std::slice::from_raw_parts(ptr, self.dtype.size()) })[0]
    }
}

/// Serialises the tests that change the number of threads.
static THREADS: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// The product with one thread and with two, as elements in row-major order; the two must have the same bits.
fn product(dims: [usize; 3], a: &Operand, b: &Operand, random: &mut Random) -> Vec<Literal> {
    let [m, k, n] = dims;
    let dtype = a.dtype;
    let (strides, extent, start) = layout(&[m, n], 1, random);
    let mut results = [1, 2].map(|threads| {
        let mut c = Guarded::new(&vec![0x5a; extent * dtype.size()], 0);
        team::set_threads(threads);
        let ptr = c.ptr().wrapping_add(start * dtype.size());
        let result = MatrixMut { ptr, row_stride: strides[0], col_stride: strides[1] };
        // SAFETY: the operands and the result are matrices of these dimensions.
        unsafe { matmul(dtype, [m, k, n], a.matrix(), b.matrix(), result).unwrap() };
        team::set_threads(0);
        let all = literals(dtype, &c.content());
        let at = |index: &[usize]| all[(start as isize + offset(index, &strides)) as usize];
        indices(&[m, n]).map(|index| at(&index)).collect::<Vec<_>>()
    });
    assert!(results[0] == results[1], "{dims:?} {dtype}: other bits with two threads");
    std::mem::take(&mut results[0])
}

#[test]
fn matrix_products_equal_the_naive_loop() {
    let _guard = THREADS.lock();
    let mut random = Random(9);
    let sizes = [0, 1, 2, 4, 5, 7, 16, 17, 33, 70, 90];
    for dtype in real_dtypes() {
        for round in 0..40 {
            let mut dims = [0; 3].map(|_: usize| sizes[random.below(sizes.len())]);
            if round % 20 == 0 {
                let large = [
                    [1, 700, 300],
                    [600, 700, 3],
                    [2, 70, 3000],
                    [3000, 65, 1],
                    [2, 40_000, 3],
                    [1, 70_001, 1],
                ];
                dims = large[random.below(large.len())];
            }
            let [m, k, n] = dims;
            let (a, b) = (Operand::new(dtype, [m, k], &mut random), Operand::new(dtype, [k, n], &mut random));
            let got = product(dims, &a, &b, &mut random);
            let rows: Vec<Vec<_>> = (0..m).map(|i| (0..k).map(|p| a.at(i, p)).collect()).collect();
            let columns: Vec<Vec<_>> = (0..n).map(|j| (0..k).map(|p| b.at(p, j)).collect()).collect();
            let epsilon = if dtype == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
            for (i, index) in indices(&[m, n]).enumerate() {
                let (expected, size) = naive_product(dtype, &rows[index[0]], &columns[index[1]]);
                let what = || format!("{dims:?} {dtype} {index:?}: {:?}, expected {expected:?}", got[i]);
                if dtype.is_float() {
                    let error = got[i].to_f64().unwrap_or(f64::NAN) - expected.to_f64().unwrap_or(f64::NAN);
                    assert!(error.abs() <= size * epsilon * (k as f64 + 2.0), "{}", what());
                } else {
                    assert_eq!(got[i], expected, "{}", what());
                }
            }
        }
    }
}

#[test]
fn large_products_have_the_same_bits_with_any_number_of_threads() {
    let _guard = THREADS.lock();
    let mut random = Random(10);
    let dims = [
        [300, 200, 150],
        [100, 600, 700],
        [64, 3000, 64],
        [64, 9000, 5],
        [512, 64, 512],
        [1, 900, 2000],
        [2500, 300, 2],
        [1, 600_000, 1],
        [3, 200_000, 4],
    ];
    for dims in dims {
        for dtype in [DType::F32, DType::F64] {
            let [m, k, n] = dims;
            let (a, b) = (Operand::new(dtype, [m, k], &mut random), Operand::new(dtype, [k, n], &mut random));
            product(dims, &a, &b, &mut random);
        }
    }
}

#[test]
fn batches_broadcast_and_divide() {
    let mut random = Random(11);
    for dtype in [DType::F32, DType::I64, DType::Bool] {
        for (batch, dims) in
            [(vec![3, 5], [4, 6, 5]), (vec![200], [17, 9, 8]), (vec![2], [96, 80, 70]), (vec![0], [2, 2, 2])]
        {
            let [m, k, n] = dims;
            let count: usize = batch.iter().product();
            let a = Operand::new(dtype, [count.max(1) * m, k], &mut Random(1));
            let (a_rows, b) = (a.strides[0], Operand::new(dtype, [k, n], &mut random));
            let mut a_strides = vec![0; batch.len()];
            let mut c_strides = vec![0; batch.len()];
            let mut step = 1;
            for axis in (0..batch.len()).rev() {
                a_strides[axis] = step as isize * m as isize * a_rows;
                c_strides[axis] = (step * m * n) as isize;
                step *= batch[axis];
            }
            let mut c = Guarded::new(&vec![0; count * m * n * dtype.size()], 0);
            let result = MatrixMut { ptr: c.ptr(), row_stride: n as isize, col_stride: 1 };
            let zeros = vec![0; batch.len()];
            // SAFETY: matrix `i` of `a` has the rows from `i * m` on; `b` is every time the same.
            unsafe {
                let (a, b, c) =
                    ((a.matrix(), &a_strides[..]), (b.matrix(), &zeros[..]), (result, &c_strides[..]));
                matmul_batched(dtype, dims, &batch, a, b, c).unwrap();
            }
            let got = literals(dtype, &c.content());
            for (i, index) in indices(&[count, m, n]).enumerate() {
                let row: Vec<_> = (0..k).map(|p| a.at(index[0] * m + index[1], p)).collect();
                let column: Vec<_> = (0..k).map(|p| b.at(p, index[2])).collect();
                let (expected, size) = naive_product(dtype, &row, &column);
                let error = |a: Literal, b: Literal| a.to_f64().unwrap_or(0.0) - b.to_f64().unwrap_or(0.0);
                let close = error(got[i], expected).abs() <= size * 1e-5;
                assert!(
                    got[i] == expected || dtype.is_float() && close,
                    "{batch:?} {dims:?} {dtype} {index:?}"
                );
            }
        }
    }
}
