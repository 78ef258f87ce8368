//! The kernels against the scalar reference or a naive loop: every op, dtype, level, layout and awkward length.

use raptors::kernels::copy::{
    copy_parallel, fence, iota, pack, splat, swap_bytes, unpack, unpack_non_temporal,
};
use raptors::kernels::elementwise::{Kernel, cast, elementwise, select};
use raptors::runtime::level::Level;
use raptors_ir::{DType, ElementwiseOp, Literal, scalar};

mod lanes;
mod matmul;
mod reduce;

/// Deterministic numbers (a linear congruential generator's high bits).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 ^ (self.0 >> 29)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n
    }
}

/// What kernels compute in.
fn real_dtypes() -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|dtype| !dtype.is_complex() && !dtype.is_half())
}

/// Where conversions and comparisons change their mind.
const SPECIAL: [f64; 26] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3.0,
    -7.0,
    100.25,
    127.0,
    128.0,
    -129.0,
    255.0,
    65536.0,
    2147483647.5,
    2147483648.0,
    -2147483649.0,
    4294967296.5,
    9007199254740993.0,
    9.3e18,
    -9.3e18,
    1.9e19,
    1e300,
];

/// An element: special, small, or any bits at all.
fn element(dtype: DType, random: &mut Random) -> Literal {
    let bits = random.next();
    match random.below(4) {
        0 if dtype.is_float() && bits & 15 < 4 => {
            Literal::from_f64(dtype, [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324][bits as usize & 3])
        }
        0 => Literal::from_f64(dtype, SPECIAL[bits as usize % SPECIAL.len()]),
        1 => Literal::from_f64(dtype, (bits % 41) as f64 / 4.0 - 5.0),
        2 if dtype.is_integer() => {
            Literal::from_bits(dtype, [0, 1, u128::MAX, 1 << 63, 1 << 7][bits as usize % 5])
        }
        _ => Literal::from_bits(dtype, (bits ^ random.next() << 32).into()),
    }
}

fn elements(dtype: DType, n: usize, random: &mut Random) -> Vec<Literal> {
    (0..n).map(|_| element(dtype, random)).collect()
}

fn bytes(elements: &[Literal]) -> Vec<u8> {
    elements.iter().flat_map(|x| x.bits().to_le_bytes()[..x.dtype().size()].to_vec()).collect()
}

fn literals(dtype: DType, bytes: &[u8]) -> Vec<Literal> {
    let value = |element: &[u8]| {
        let mut bits = [0; 16];
        bits[..element.len()].copy_from_slice(element);
        Literal::from_bits(dtype, u128::from_le_bytes(bits))
    };
    bytes.chunks_exact(dtype.size()).map(value).collect()
}

/// Equal bits; any NaN equals any other.
fn same(a: Literal, b: Literal) -> bool {
    let nan = |x: Literal| x.dtype().is_float() && x.to_f64().is_some_and(f64::is_nan);
    a == b || (a.dtype() == b.dtype() && nan(a) && nan(b))
}

fn assert_same(got: &[Literal], expected: &[Literal], what: &dyn Fn(usize) -> String) {
    assert_eq!(got.len(), expected.len());
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        assert!(same(got, expected), "{}: {got:?}, expected {expected:?}", what(i));
    }
}

/// The value of a binary op that is defined.
fn combine(step: ElementwiseOp, x: Literal, y: Literal) -> Literal {
    scalar::evaluate(step, &[x, y]).unwrap_or_else(|| panic!("{step:?} is not defined for {x:?}"))
}

/// Room for a kernel's bytes, `offset` from an aligned address, with guards on both sides.
struct Guarded {
    memory: Vec<u128>,
    offset: usize,
    len: usize,
}

impl Guarded {
    const GUARD: usize = 64;

    fn new(content: &[u8], offset: usize) -> Guarded {
        let total = content.len() + 2 * Guarded::GUARD + offset;
        let memory = vec![u128::MAX / 255 * 0xa5; total.div_ceil(16)];
        let mut guarded = Guarded { memory, offset: Guarded::GUARD + offset, len: content.len() };
        let start = guarded.offset;
        guarded.all()[start..start + content.len()].copy_from_slice(content);
        guarded
    }

    fn all(&mut self) -> &mut [u8] {
        let bytes = 16 * self.memory.len();
        // SAFETY: the vector's memory, as bytes.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast(), bytes) }
    }

    fn ptr(&mut self) -> *mut u8 {
        let offset = self.offset;
        self.all()[offset..].as_mut_ptr()
    }

    /// The content; the guards must be untouched.
    fn content(&mut self) -> Vec<u8> {
        let (start, end) = (self.offset, self.offset + self.len);
        let all = self.all();
        assert!(all[..start].iter().chain(&all[end..]).all(|&byte| byte == 0xa5), "a guard was overwritten");
        all[start..end].to_vec()
    }
}

const LENGTHS: [usize; 12] = [0, 1, 2, 7, 9, 31, 33, 63, 64, 65, 129, 300];

/// Runs a kernel over every length and layout, in place too where sizes allow, against `expected`.
fn check(kernel: Kernel, operands: &[Vec<Literal>], expected: &[Literal], out: DType, what: &str) {
    let inputs: Vec<Vec<u8>> = operands.iter().map(|operand| bytes(operand)).collect();
    for n in LENGTHS {
        for offset in [0, 1] {
            for alias in (0..=operands.len()).map(|i| i.checked_sub(1)) {
                if alias.is_some_and(|i| operands[i][0].dtype().size() != out.size()) {
                    continue;
                }
                let mut memory: Vec<Guarded> = inputs
                    .iter()
                    .zip(operands)
                    .map(|(input, operand)| Guarded::new(&input[..n * operand[0].dtype().size()], offset))
                    .collect();
                let mut result = Guarded::new(&vec![0; n * out.size()], offset);
                let mut args = [std::ptr::null(); 3];
                for (arg, memory) in args.iter_mut().zip(&mut memory) {
                    *arg = memory.ptr().cast_const();
                }
                let result = alias.map_or(&mut result, |i| &mut memory[i]);
                // SAFETY: the operands and the result have n elements; the result is one of them or apart.
                unsafe { kernel(&args, result.ptr(), n) };
                assert_same(&literals(out, &result.content()), &expected[..n], &|i| {
                    let x: Vec<Literal> = operands.iter().map(|operand| operand[i]).collect();
                    format!("{what} of {x:?}, element {i} of {n}, offset {offset}, in place {alias:?}")
                });
            }
        }
    }
}

#[test]
fn elementwise_kernels_compute_the_scalar_definition() {
    let mut random = Random(1);
    for &op in ElementwiseOp::ALL {
        for dtype in real_dtypes() {
            let operands: Vec<_> = (0..op.arity()).map(|_| elements(dtype, 300, &mut random)).collect();
            let expected: Option<Vec<Literal>> = (0..300)
                .map(|i| scalar::evaluate(op, &operands.iter().map(|x| x[i]).collect::<Vec<_>>()))
                .collect();
            for level in Level::available() {
                let kernel = elementwise(op, dtype, level);
                assert_eq!(kernel.is_some(), expected.is_some(), "{op:?} of {dtype}");
                let (Some(kernel), Some(expected)) = (kernel, &expected) else { continue };
                let what = format!("{} {dtype} {level}", op.name());
                check(kernel, &operands, expected, op.result_dtype(dtype), &what);
                if let [x, _] = &operands[..] {
                    // Both operands and the result in one place.
                    let expected: Vec<_> = x.iter().filter_map(|&x| scalar::evaluate(op, &[x, x])).collect();
                    if op.result_dtype(dtype) == dtype {
                        let mut memory = Guarded::new(&bytes(x), 0);
                        let ptr = memory.ptr();
                        // SAFETY: one array of 300 elements, in place.
                        unsafe { kernel(&[ptr, ptr, ptr], ptr, 300) };
                        let got = literals(dtype, &memory.content());
                        assert_same(&got, &expected, &|i| format!("{what} of {:?} twice", x[i]));
                    }
                }
            }
        }
    }
}

/// Ops above 0 ULP are vectors of functions: special values in every lane, and every number of lanes left over.
#[test]
fn functions_have_the_bits_of_the_scalar_definition_at_every_length() {
    const MOST: usize = 130;
    let mut random = Random(7);
    let functions = ElementwiseOp::ALL.iter().filter(|op| op.ulp() > 0);
    for (&op, dtype) in functions.flat_map(|op| [(op, DType::F32), (op, DType::F64)]) {
        let (low, high) = op.domain();
        let special =
            [0.0, -0.0, f64::INFINITY, -f64::INFINITY, f64::NAN, 1.0, -1.0, 5e-324, 1e-40, 1e9, 1e300];
        let operands: Vec<Vec<Literal>> = (0..op.arity())
            .map(|_| {
                let draw = |random: &mut Random| match random.below(3) {
                    0 => Literal::from_f64(dtype, special[random.below(special.len())]),
                    1 => Literal::from_f64(
                        dtype,
                        low + (high - low) * random.below(1 << 20) as f64 / 1048576.0,
                    ),
                    _ => element(dtype, random),
                };
                (0..MOST).map(|_| draw(&mut random)).collect()
            })
            .collect();
        let value = |i: usize| scalar::evaluate(op, &operands.iter().map(|x| x[i]).collect::<Vec<_>>());
        let expected: Vec<Literal> = (0..MOST).filter_map(value).collect();
        for level in Level::available() {
            let Some(kernel) = elementwise(op, dtype, level) else { panic!("no {op:?} of {dtype}") };
            for n in 0..=MOST {
                let column = |i: usize| bytes(operands.get(i).map_or(&[][..], |operand| &operand[..n]));
                let mut memory = [0, 1, 2].map(|i| Guarded::new(&column(i), n % 2));
                let args = memory.each_mut().map(|memory| memory.ptr().cast_const());
                // In place: the first operand is overwritten.
                // SAFETY: the operands have n elements, and the result is one of them.
                unsafe { kernel(&args, memory[0].ptr(), n) };
                assert_same(&literals(dtype, &memory[0].content()), &expected[..n], &|i| {
                    let x: Vec<Literal> = operands.iter().map(|operand| operand[i]).collect();
                    format!("{} {dtype} {level} of {x:?}, element {i} of {n}", op.name())
                });
            }
        }
    }
}

#[test]
fn casts_convert_like_the_scalar_definition() {
    let mut random = Random(2);
    let real = |dtype: &DType| !dtype.is_complex();
    for from in DType::ALL.into_iter().filter(real) {
        for to in DType::ALL.into_iter().filter(real) {
            let operand = elements(from, 300, &mut random);
            let expected: Vec<_> = operand.iter().filter_map(|&x| scalar::cast(x, to)).collect();
            for level in Level::available() {
                let kernel = cast(from, to, level);
                assert_eq!(kernel.is_some(), scalar::is_direct_cast(from, to), "cast from {from} to {to}");
                let Some(kernel) = kernel else { continue };
                check(
                    kernel,
                    std::slice::from_ref(&operand),
                    &expected,
                    to,
                    &format!("cast {from} {to} {level}"),
                );
            }
        }
    }
    assert!(cast(DType::C64, DType::F32, Level::Baseline).is_none());
}

/// Every half; and for every one the middle of it and the next, with the two `f32` about that.
#[test]
fn conversions_of_halves_have_the_bits_of_their_definition() {
    for half in [DType::F16, DType::BF16] {
        let halves: Vec<Literal> = (0..1 << 16).map(|bits| Literal::from_bits(half, bits)).collect();
        let singles: Vec<Literal> = (0..1u32 << 16)
            .flat_map(|bits| {
                let middle = match half {
                    DType::F16 => raptors_ir::F16::from_bits(bits as u16).to_f32().to_bits() | 0x1000,
                    _ => bits << 16 | 0x8000,
                };
                [middle - 1, middle, middle + 1].map(|bits| Literal::new(f32::from_bits(bits)))
            })
            .collect();
        for (from, to, operand) in [(half, DType::F32, &halves), (DType::F32, half, &singles)] {
            let expected: Vec<Literal> = operand.iter().filter_map(|&x| scalar::cast(x, to)).collect();
            for level in Level::available() {
                let Some(kernel) = cast(from, to, level) else { panic!("no cast from {from} to {to}") };
                let memory = bytes(operand);
                let mut result = vec![0u8; operand.len() * to.size()];
                let pointer = memory.as_ptr();
                // SAFETY: as many elements of both types.
                unsafe { kernel(&[pointer, pointer, pointer], result.as_mut_ptr(), operand.len()) };
                let what = |i: usize| format!("cast {from} to {to} {level} of {:?}", operand[i]);
                assert_same(&literals(to, &result), &expected, &what);
            }
        }
    }
}

#[test]
fn select_takes_whole_elements_by_any_non_zero_byte() {
    let mut random = Random(3);
    for dtype in DType::ALL {
        let condition: Vec<_> = (0..300).map(|_| element(DType::Bool, &mut random)).collect();
        let mut any = || -> Vec<_> {
            let bits = |random: &mut Random| u128::from(random.next()) << 64 | u128::from(random.next());
            (0..300).map(|_| Literal::from_bits(dtype, bits(&mut random))).collect()
        };
        let (x, y) = (any(), any());
        let choose = |i: usize| if condition[i].bits() != 0 { x[i] } else { y[i] };
        let expected: Vec<_> = (0..300).map(choose).collect();
        for level in Level::available() {
            let Some(kernel) = select(dtype, level) else { panic!("no select for {dtype}") };
            let operands = [condition.clone(), x.clone(), y.clone()];
            check(kernel, &operands, &expected, dtype, &format!("select {dtype} {level}"));
        }
    }
}

/// Every index of a box, in row-major order.
fn indices(dims: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    (0..dims.iter().product()).map(move |mut flat: usize| {
        let mut index = vec![0; dims.len()];
        for (i, dim) in index.iter_mut().zip(dims).rev() {
            *i = flat % dim;
            flat /= dim;
        }
        index
    })
}

fn offset(index: &[usize], strides: &[isize]) -> isize {
    index.iter().zip(strides).map(|(&i, &stride)| i as isize * stride).sum()
}

/// Strides of a box whose elements do not overlap, its dimensions in any order of memory and direction, with gaps; and
/// the bytes it spans, and where index 0 is.
fn layout(dims: &[usize], item: usize, random: &mut Random) -> (Vec<isize>, usize, usize) {
    let mut order: Vec<usize> = (0..dims.len()).collect();
    (0..dims.len()).for_each(|i| order.swap(i, i + random.below(dims.len() - i)));
    let (mut strides, mut extent, mut start) = (vec![0; dims.len()], item, 0);
    for axis in order {
        let step = extent + item * (random.below(3) / 2) * random.below(3);
        let last = step * dims[axis].saturating_sub(1);
        let backwards = random.below(3) == 0;
        strides[axis] = if backwards { -(step as isize) } else { step as isize };
        start += if backwards { last } else { 0 };
        extent += last;
    }
    (strides, extent, start)
}

/// What scatters a box.
type Unpack = unsafe fn(*const u8, *mut u8, &[isize], &[usize], usize);

#[test]
fn boxes_of_any_strides_are_copied_element_by_element() {
    let mut random = Random(4);
    for round in 0..3000 {
        let item = [1, 2, 4, 8, 16, 3][round % 6];
        let most = [40, 40, 24, 9, 5][random.below(5)];
        let dims: Vec<usize> =
            (0..random.below(if most > 10 { 3 } else { 5 })).map(|_| random.below(most)).collect();
        let (mut strides, extent, start) = layout(&dims, item, &mut random);
        let count: usize = dims.iter().product();
        let source: Vec<u8> = (0..extent.max(count * item)).map(|_| random.next() as u8).collect();

        let (to, to_extent, to_start) = layout(&dims, item, &mut random);
        let mut expected = vec![0; to_extent];
        for (i, index) in indices(&dims).enumerate() {
            let at = (to_start as isize + offset(&index, &to)) as usize;
            expected[at..at + item].copy_from_slice(&source[i * item..][..item]);
        }
        for unpack in [unpack as Unpack, unpack_non_temporal] {
            let mut scattered = Guarded::new(&vec![0; to_extent], random.below(2));
            // SAFETY: `layout` keeps the box within its extent.
            unsafe { unpack(source.as_ptr(), scattered.ptr().add(to_start), &to, &dims, item) };
            fence();
            assert_eq!(scattered.content(), expected, "unpack {dims:?} by {to:?}, {item} bytes");
        }

        // Dimensions that repeat are for reading alone.
        strides.iter_mut().for_each(|stride| {
            if random.below(6) == 0 && *stride > 0 {
                *stride = 0;
            }
        });
        let mut gathered = Guarded::new(&vec![0; count * item], random.below(2));
        let at = |index: &[usize]| (start as isize + offset(index, &strides)) as usize;
        let expected: Vec<u8> =
            indices(&dims).flat_map(|index| source[at(&index)..][..item].to_vec()).collect();
        // SAFETY: as above.
        unsafe { pack(source.as_ptr().add(start), &strides, &dims, item, gathered.ptr()) };
        assert_eq!(gathered.content(), expected, "pack {dims:?} by {strides:?}, {item} bytes");
    }
}

#[test]
fn large_boxes_are_copied_by_the_team() {
    let mut random = Random(5);
    for (dims, item) in [(vec![700, 300], 4), (vec![3, 70_000], 4), (vec![40, 50, 60], 8), (vec![500_000], 1)]
    {
        let (from, from_extent, from_start) = layout(&dims, item, &mut random);
        let (to, to_extent, to_start) = layout(&dims, item, &mut random);
        let source: Vec<u8> = (0..from_extent).map(|_| random.next() as u8).collect();
        let (mut result, mut expected) = (Guarded::new(&vec![0; to_extent], 0), vec![0; to_extent]);
        for index in indices(&dims) {
            let at = |start: usize, strides: &[isize]| (start as isize + offset(&index, strides)) as usize;
            expected[at(to_start, &to)..][..item].copy_from_slice(&source[at(from_start, &from)..][..item]);
        }
        // SAFETY: `layout` keeps both boxes within their extents.
        unsafe {
            let (src, dst) = (source.as_ptr().add(from_start), result.ptr().add(to_start));
            copy_parallel(src, &from, dst, &to, &dims, item);
        }
        assert!(result.content() == expected, "copy {dims:?} from {from:?} to {to:?}");
    }
}

#[test]
fn memory_is_filled_counted_and_swapped() {
    for item in [1, 2, 3, 4, 8, 16] {
        for n in [0, 1, 5, 67] {
            let value: Vec<u8> = (1..=item as u8).collect();
            let mut memory = Guarded::new(&vec![0; n * item], 1);
            // SAFETY: room for n elements.
            unsafe { splat(value.as_ptr(), item, memory.ptr(), n) };
            assert_eq!(memory.content(), value.repeat(n));
            // SAFETY: as above.
            unsafe { swap_bytes(memory.ptr(), item, n) };
            let swapped: Vec<u8> = value.iter().rev().copied().collect();
            assert_eq!(memory.content(), swapped.repeat(n));
        }
    }
    let mut memory = Guarded::new(&[0; 8 * 9], 1);
    // SAFETY: room for 9 elements.
    unsafe { iota(i64::MAX - 2, -3, memory.ptr(), 9) };
    let expected: Vec<u8> = (0..9).flat_map(|i| (i64::MAX - 2).wrapping_sub(3 * i).to_le_bytes()).collect();
    assert_eq!(memory.content(), expected);
}
