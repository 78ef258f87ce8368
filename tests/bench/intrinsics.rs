//! Machine code against the same loops in `std::arch` intrinsics, which LLVM compiles: `make bench-codegen` runs it.
//!
//! Functions of mathematics are those of the kernels, one source for both; arithmetic is written out here. Both sides run on one
//! thread in turns over memory that is warm, loops in batches of some hundred microseconds. Figures are medians of a
//! batch's time per element, `ratio` that of the loop by ours: above 1, raptors is faster. A call of a compiled function and its
//! new result are counted.

#[cfg(target_arch = "x86_64")]
fn main() -> Result<(), x86::Failure> {
    x86::run()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("intrinsics: the loops are written for x86-64");
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::num::NonZeroUsize;
    use std::time::Instant;

    use raptors::array::Array;
    use raptors::ir::{ElementwiseOp, Op};
    use raptors::kernels::elementwise::elementwise;
    use raptors::runtime::level::Level;
    use raptors::{Element, Function, Options, Shape, Type};

    pub(super) type Failure = Box<dyn std::error::Error>;

    /// Elements: in L1, in L2, and beyond.
    const LENGTHS: [usize; 3] = [4_000, 100_000, 4_000_000];
    /// Batches, of which the median counts.
    const BATCHES: usize = 15;
    /// Elements of a batch, at least.
    const BATCH: usize = 1_000_000;

    /// A loop over `x`, `y` and the result.
    type Loop<T> = unsafe fn(&[T], &[T], &mut [T]);
    type Expression = fn(&Array, &Array) -> Array;

    /// Coefficients of a polynomial, of the highest power first.
    const HORNER: [f64; 9] = [0.125, 0.25, 0.5, -0.75, 1.5, 0.3, -0.2, 0.7, 1.1];

    fn horner(x: &Array, _: &Array) -> Array {
        HORNER[1..].iter().fold(x * 0.0 + HORNER[0], |y, &c| y * x + c)
    }

    fn logistic(x: &Array, _: &Array) -> Array {
        (0..50).fold(x.clone(), |x, _| x.clone() * 3.7 * (1.0 - x))
    }

    macro_rules! loops {
        ($module:ident $t:ident $features:literal $width:literal: $load:ident $store:ident $splat:ident $add:ident $sub:ident $mul:ident $div:ident $sqrt:ident) => {
            mod $module {
                use super::*;

                macro_rules! over {
                    ($name:ident |$x:ident, $y:ident| $value:expr) => {
                        #[target_feature(enable = $features)]
                        pub(super) unsafe fn $name(x: &[$t], y: &[$t], out: &mut [$t]) {
                            const UNROLLED: usize = 4;
                            let step = UNROLLED * $width;
                            let n = out.len() - out.len() % step;
                            assert!(x.len() >= n && y.len() >= n);
                            for start in (0..n).step_by(step) {
                                // Loaded first, so that copies of the body run side by side.
                                // SAFETY: so many elements from `start` on are within the three.
                                unsafe {
                                    let at = |u: usize| start + u * $width;
                                    let xs: [_; UNROLLED] =
                                        [0, 1, 2, 3].map(|u| $load(x.as_ptr().add(at(u))));
                                    let ys: [_; UNROLLED] =
                                        [0, 1, 2, 3].map(|u| $load(y.as_ptr().add(at(u))));
                                    for u in 0..UNROLLED {
                                        let ($x, $y) = (xs[u], ys[u]);
                                        $store(out.as_mut_ptr().add(at(u)), $value);
                                    }
                                }
                            }
                        }
                    };
                }
                over!(scale | x, _y | $mul(x, $splat(2.0)));
                over!(saxpy | x, y | $add($mul(x, $splat(2.5)), y));
                over!(
                    chain | x,
                    y | {
                        let sum = $add($mul(x, $splat(2.0)), y);
                        $sqrt($div($sub(sum, $splat(1.5)), $add(y, $splat(3.0))))
                    }
                );
                over!(
                    horner | x,
                    _y | {
                        let mut value = $splat(HORNER[0] as $t);
                        for &c in &HORNER[1..] {
                            value = $add($mul(value, x), $splat(c as $t));
                        }
                        value
                    }
                );

                /// 50 steps for all copies side by side.
                #[target_feature(enable = $features)]
                pub(super) unsafe fn logistic(x: &[$t], _: &[$t], out: &mut [$t]) {
                    const UNROLLED: usize = 8;
                    let step = UNROLLED * $width;
                    let n = out.len() - out.len() % step;
                    assert!(x.len() >= n);
                    for start in (0..n).step_by(step) {
                        // SAFETY: so many elements from `start` on are within both.
                        unsafe {
                            let mut value = [$splat(0.0); UNROLLED];
                            for u in 0..UNROLLED {
                                value[u] = $load(x.as_ptr().add(start + u * $width));
                            }
                            for _ in 0..50 {
                                for u in 0..UNROLLED {
                                    let rest = $sub($splat(1.0), value[u]);
                                    value[u] = $mul($mul(value[u], $splat(3.7)), rest);
                                }
                            }
                            for u in 0..UNROLLED {
                                $store(out.as_mut_ptr().add(start + u * $width), value[u]);
                            }
                        }
                    }
                }

                pub(super) const LOOPS: [(&str, Loop<$t>, Expression); 5] = [
                    ("scale", scale, |x, _| x * 2.0),
                    ("saxpy", saxpy, |x, y| x * 2.5 + y),
                    ("chain of 5, a division, a root", chain, |x, y| {
                        ((x * 2.0 + y - 1.5) / (y + 3.0)).sqrt()
                    }),
                    ("polynomial of degree 8", horner, super::horner),
                    ("logistic map, 50 steps", logistic, super::logistic),
                ];
            }
        };
    }
    loops!(avx512_f32 f32 "avx512f" 16: _mm512_loadu_ps _mm512_storeu_ps _mm512_set1_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_div_ps _mm512_sqrt_ps);
    loops!(avx512_f64 f64 "avx512f" 8: _mm512_loadu_pd _mm512_storeu_pd _mm512_set1_pd _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd _mm512_sqrt_pd);
    loops!(avx2_f32 f32 "avx2,fma" 8: _mm256_loadu_ps _mm256_storeu_ps _mm256_set1_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps _mm256_sqrt_ps);
    loops!(avx2_f64 f64 "avx2,fma" 4: _mm256_loadu_pd _mm256_storeu_pd _mm256_set1_pd _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd _mm256_sqrt_pd);

    const FUNCTIONS: [ElementwiseOp; 6] = [
        ElementwiseOp::Exp,
        ElementwiseOp::Log,
        ElementwiseOp::Tanh,
        ElementwiseOp::Sin,
        ElementwiseOp::Erf,
        ElementwiseOp::Atan,
    ];

    pub(super) fn run() -> Result<(), Failure> {
        let level = Level::current();
        if level == Level::Baseline {
            println!("intrinsics: this CPU has no AVX2");
            return Ok(());
        }
        println!("machine code of {level} against std::arch intrinsics, one thread");
        println!("{:<34}{:>10}{:>10}{:>10}{:>8}", "", "elements", "loop ns", "ours ns", "ratio");
        for n in LENGTHS {
            match level {
                Level::Avx512 => {
                    table("float32", &avx512_f32::LOOPS, n)?;
                    table("float64", &avx512_f64::LOOPS, n)?;
                }
                Level::Avx2 | Level::Baseline => {
                    table("float32", &avx2_f32::LOOPS, n)?;
                    table("float64", &avx2_f64::LOOPS, n)?;
                }
            }
        }
        Ok(())
    }

    fn table<T: Element + From<f32>>(
        dtype: &str,
        loops: &[(&str, Loop<T>, Expression)],
        n: usize,
    ) -> Result<(), Failure> {
        // Between 0 and 1, away from both.
        let number = |i: usize| T::from(0.01 + 0.98 * ((i * 7919 % 10_007) as f32 / 10_007.0));
        let x: Vec<T> = (0..n).map(number).collect();
        let y: Vec<T> = (0..n).map(|i| number(i + 3)).collect();
        for &(name, code, expression) in loops {
            // SAFETY: the table is that of the CPU's level.
            row(&format!("{name} {dtype}"), &x, &y, |x, y, out| unsafe { code(x, y, out) }, expression)?;
        }
        for op in FUNCTIONS {
            let Some(kernel) = elementwise(op, T::DTYPE, Level::current()) else { continue };
            let code = |x: &[T], _: &[T], out: &mut [T]| {
                let x = x.as_ptr().cast();
                // SAFETY: operand and result have so many elements.
                unsafe { kernel(&[x; 3], out.as_mut_ptr().cast(), out.len()) };
            };
            row(&format!("{} {dtype}", op.name()), &x, &y, code, |x, _| {
                Array::apply(Op::Elementwise(op), &[x], None).unwrap_or_else(|error| panic!("{error}"))
            })?;
        }
        Ok(())
    }

    fn row<T: Element>(
        name: &str,
        x: &[T],
        y: &[T],
        code: impl Fn(&[T], &[T], &mut [T]),
        expression: impl Fn(&Array, &Array) -> Array,
    ) -> Result<(), Failure> {
        let n = x.len();
        let repetitions = BATCH.div_ceil(n);
        let options = Options { threads: NonZeroUsize::new(1), ..Options::default() };
        let mut out = x.to_vec();
        let ty = Type { dtype: T::DTYPE, shape: Shape::new(&[n])? };
        let function = Function::new(&[ty.clone(), ty], |x| Ok(vec![expression(&x[0], &x[1])]), &options)?;
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..BATCHES {
            let start = Instant::now();
            for _ in 0..repetitions {
                code(x, y, std::hint::black_box(&mut out));
            }
            times[0].push(start.elapsed().as_secs_f64());
            let start = Instant::now();
            for _ in 0..repetitions {
                std::hint::black_box(function.call(&[x.into(), y.into()])?);
            }
            times[1].push(start.elapsed().as_secs_f64());
        }
        let [code, ours] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[BATCHES / 2] / (repetitions * n) as f64 * 1e9
        });
        println!("{name:<34}{n:>10}{code:>10.3}{ours:>10.3}{:>8.2}", code / ours);
        Ok(())
    }
}
