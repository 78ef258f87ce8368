//! What Accelerate does on this machine where its documentation is silent, as a table: `question | answer`.
//!
//! Run by `cargo test --test accelerate_characterize` on a Mac, and with the feature `accelerate-shim` on the
//! shim, whose answers are the worst allowed ones. An answer that raptors relies on is marked with `*`; if it
//! is another than it relies on, the line ends with `UNEXPECTED` and the run fails. The others are what plans
//! may be made of.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::collections::BTreeSet;
use std::time::Instant;

use raptors::accelerate::raw::{self, Shape};
use raptors::accelerate::{Mode, calibration, is_present, with_mode};
use raptors::array::Array;
use raptors::ir::{ElementwiseOp, Op};
use raptors::runtime::team;
use raptors::{Element, FpMode, Options, lazy};

fn main() {
    if !is_present() {
        println!("accelerate_characterize: this build has no Accelerate; nothing to ask");
        return;
    }
    let mut table = Table::default();
    machine(&mut table);
    probes(&mut table);
    in_place(&mut table);
    never_called(&mut table);
    force(&mut table);
    sums(&mut table);
    blas(&mut table);
    threads(&mut table);
    memory(&mut table);
    symbols(&mut table);
    println!("\n{} answers, {} unexpected", table.count, table.unexpected);
    if table.unexpected > 0 {
        std::process::exit(1);
    }
}

#[derive(Default)]
struct Table {
    count: usize,
    unexpected: usize,
}

impl Table {
    fn section(&mut self, title: &str) {
        println!("\n## {title}");
    }

    fn answer(&mut self, question: &str, answer: impl std::fmt::Display) {
        self.count += 1;
        println!("  {question:<68} | {answer}");
    }

    /// An answer that raptors relies on.
    fn relied_on(&mut self, question: &str, holds: bool, otherwise: impl std::fmt::Display) {
        self.count += 1;
        if holds {
            println!("* {question:<68} | yes");
        } else {
            self.unexpected += 1;
            println!("* {question:<68} | no: {otherwise}  UNEXPECTED");
        }
    }
}

fn machine(table: &mut Table) {
    table.section("the machine");
    let command = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().replace('\n', ", "))
    };
    if cfg!(target_os = "macos") {
        table.answer("sw_vers", command("sw_vers", &[]).unwrap_or_default());
        for name in [
            "machdep.cpu.brand_string",
            "hw.memsize",
            "hw.perflevel0.physicalcpu",
            "hw.perflevel1.physicalcpu",
        ] {
            table.answer(name, command("sysctl", &["-n", name]).unwrap_or_default());
        }
    } else {
        table.answer("system", "the shim, not Accelerate");
    }
    table.answer("threads of the team", team::threads());
    table.answer(
        "calibration",
        calibration::path().map_or("no place".to_owned(), |path| path.display().to_string()),
    );
}

/// Whether entries have the bits of our definitions: what they do with rounding, signs of zeros, subnormals,
/// NaN.
fn probes(table: &mut Table) {
    table.section("the bits of our definitions, NaN payloads aside");
    for entry in raw::entries() {
        for (formula, contract) in &entry.formulas {
            if *contract == "unordered" || *contract == "within a few ULP" {
                continue;
            }
            for name in entry.names {
                let answer = match raw::probe(name, formula).unwrap() {
                    Ok(()) if *contract == "exact" => "yes".to_owned(),
                    Ok(()) => "yes, rounded once".to_owned(),
                    Err(why) => format!("no: {why}"),
                };
                table.answer(&format!("{name} is {formula}"), answer);
            }
        }
    }
}

/// Calls an entry for `f32` on the first sources given.
fn call(name: &str, sources: &[&[f32]], scalars: [f32; 2]) -> Vec<f32> {
    let mut target = vec![0.0; sources[0].len()];
    let sources: Vec<*const f32> = sources.iter().map(|source| source.as_ptr()).collect();
    // SAFETY: all are of one length and apart.
    unsafe { raw::call_f32(name, target.as_mut_ptr(), &sources, scalars, target.len()).unwrap() };
    target
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Numbers without order in [low, high).
fn numbers(len: usize, (low, high): (f64, f64)) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (low + (high - low) * (state >> 11) as f64 / (1u64 << 53) as f64) as f32
    };
    (0..len).map(next).collect()
}

fn in_place(table: &mut Table) {
    table.section("in place as out of place, at every length to 64 and offset to 16");
    let vectors: Vec<Vec<f32>> = (0..4).map(|n| numbers(128, (0.5 + n as f64, 2.5))).collect();
    for entry in raw::entries().filter(|entry| entry.is_used) {
        if matches!(entry.shape, Shape::Reduce | Shape::ReduceTwo) {
            continue;
        }
        let name = entry.names[0];
        let mut different = None;
        for (len, offset) in (1..=64).flat_map(|len| (0..=16).map(move |offset| (len, offset))) {
            let sources: Vec<&[f32]> = vectors.iter().map(|vector| &vector[offset..offset + len]).collect();
            let apart = call(name, &sources, [1.25, -0.75]);
            let mut own = vectors[0].clone();
            let target = own[offset..].as_mut_ptr();
            let mut pointers: Vec<*const f32> = sources.iter().map(|source| source.as_ptr()).collect();
            pointers[0] = target.cast_const();
            // SAFETY: the target is the first source, and the others are apart.
            unsafe { raw::call_f32(name, target, &pointers, [1.25, -0.75], len).unwrap() };
            if bits(&own[offset..offset + len]) != bits(&apart) {
                different = Some((len, offset));
            }
        }
        table.relied_on(name, different.is_none(), format!("at length and offset {different:?}"));
    }
}

fn never_called(table: &mut Table) {
    table.section("entries that are never called, and why");
    let (one, nan) = (&[1.0f32; 8][..], &[f32::NAN; 8][..]);
    for name in ["vDSP_vmax", "vDSP_vmin"] {
        table.answer(
            &format!("{name}(1, NaN), {name}(NaN, 1)"),
            format!("{}, {}", call(name, &[one, nan], [0.0; 2])[0], call(name, &[nan, one], [0.0; 2])[0]),
        );
    }
    let wide = |name: &str, x: f64, y: f64| {
        let (x, y, mut target) = ([x; 8], [y; 8], [0.0; 8]);
        // SAFETY: eight elements each, apart.
        unsafe { raw::call_f64(name, target.as_mut_ptr(), &[x.as_ptr(), y.as_ptr()], [0.0; 2], 8).unwrap() };
        target[0]
    };
    table.answer(
        "vDSP_vmaxD(1, NaN), vDSP_vmaxD(NaN, 1)",
        format!("{}, {}", wide("vDSP_vmaxD", 1.0, f64::NAN), wide("vDSP_vmaxD", f64::NAN, 1.0)),
    );
    table.answer(
        "vDSP_vmax(0, -0), vDSP_vmax(-0, 0)",
        format!(
            "{:?}, {:?}",
            call("vDSP_vmax", &[&[0.0; 8], &[-0.0; 8]], [0.0; 2])[0],
            call("vDSP_vmax", &[&[-0.0; 8], &[0.0; 8]], [0.0; 2])[0]
        ),
    );
    table.answer(
        "vDSP_vdist(1e30, 1e30), which is 1.4e30",
        call("vDSP_vdist", &[&[1e30; 8], &[1e30; 8]], [0.0; 2])[0],
    );
    table.answer("vDSP_vclip(NaN, -1, 1)", call("vDSP_vclip", &[nan], [-1.0, 1.0])[0]);
    table.answer("vDSP_vthr(NaN, 0)", call("vDSP_vthr", &[nan], [0.0; 2])[0]);
    table.answer("vDSP_vthres(NaN, 0)", call("vDSP_vthres", &[nan], [0.0; 2])[0]);
    let known = [5.0, 5.0, 5.0, 3.0, 3.0, f64::NAN, f64::NAN, f64::NAN, 2.0, 4.0];
    for name in ["vDSP_maxvD", "vDSP_minvD"] {
        let reduce = |values: &[f64]| {
            let mut result = f64::NAN;
            // SAFETY: one element is written.
            unsafe {
                raw::call_f64(name, &raw mut result, &[values.as_ptr()], [0.0; 2], values.len()).unwrap()
            };
            result
        };
        table.answer(&format!("{name}(5, 5, 5, 3, 3, NaN, NaN, NaN, 2, 4)"), reduce(&known));
        table.answer(&format!("{name} of nothing"), reduce(&[]));
    }
    let convert = |name: &str, values: [f32; 8]| {
        let mut target = [0i32; 8];
        // SAFETY: eight elements of four bytes each, apart.
        unsafe { raw::convert(name, values.as_ptr().cast(), target.as_mut_ptr().cast(), 8).unwrap() };
        target
    };
    let ties = [0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5, -3.5];
    table.answer(
        "vDSP_vfixr32(0.5, 1.5, 2.5, 3.5, and negated)",
        format!("{:?}", convert("vDSP_vfixr32", ties)),
    );
    let far = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e9, -3e9, 2_147_483_648.0, -0.9, 0.9];
    table.answer(
        "vDSP_vfix32(NaN, inf, -inf, 3e9, -3e9, 2^31, -0.9, 0.9)",
        format!("{:?}", convert("vDSP_vfix32", far)),
    );
}

/// vForce: consistency of lanes and tails, error, subnormals, NaN and infinities.
fn force(table: &mut Table) {
    table.section("vForce: the same bits at every length and offset; ULP; subnormals; NaN");
    for entry in raw::entries().filter(|entry| entry.formulas.iter().any(|form| form.1 == "within a few ULP"))
    {
        let op = entry.formulas[0].0.split('(').next().and_then(ElementwiseOp::from_name).unwrap();
        let name = entry.names[0];
        let (x, y) = (numbers(256, op.domain()), numbers(256, (0.5, 2.0)));
        let long = bits(&call(name, &[&x, &y], [0.0; 2]));
        let mut differing = BTreeSet::new();
        for (len, offset) in (1..=64).flat_map(|len| (0..=16).map(move |offset| (len, offset))) {
            let range = offset..offset + len;
            if bits(&call(name, &[&x[range.clone()], &y[range.clone()]], [0.0; 2])) != long[range] {
                differing.insert(len);
            }
        }
        let consistency = match differing.len() {
            0 => "consistent".to_owned(),
            count => format!("{count} of 64 lengths differ from a long call"),
        };
        let [single, double] = [ulps::<f32>(op), ulps::<f64>(op)];
        table.answer(
            name,
            format!("{consistency}; differs from ours by {single} ULP in f32, {double} in f64"),
        );
    }
    let tiny = f32::from_bits(0x1_2345);
    for (name, x, expected) in [
        ("vvexp2f", -140.0, f32::from_bits(1 << 9)),
        ("vvsinf", tiny, tiny),
        ("vvexpm1f", tiny, tiny),
        ("vvcbrtf", f32::from_bits(1), f32::from_bits(1).cbrt()),
        ("vvexpf", f32::NAN, f32::NAN),
        ("vvexpf", f32::INFINITY, f32::INFINITY),
        ("vvexpf", f32::NEG_INFINITY, 0.0),
        ("vvlogf", -1.0, f32::NAN),
        ("vvlogf", 0.0, f32::NEG_INFINITY),
        ("vvsinf", f32::INFINITY, f32::NAN),
        ("vvsinf", -0.0, -0.0),
        ("vvtanhf", f32::INFINITY, 1.0),
    ] {
        let found = call(name, &[&[x; 32]], [0.0; 2])[0];
        let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
        let answer = if same { "yes".to_owned() } else { format!("no, {found:?}") };
        table.answer(&format!("{name}({x:?}) is {expected:?}"), answer);
    }
    for (y, x, expected) in
        [(0.0, f32::NAN, 1.0), (f32::NAN, 1.0, 1.0), (0.5, -1.0, f32::NAN), (-1.0, -0.0, f32::NEG_INFINITY)]
    {
        let found = call("vvpowf", &[&[x; 32], &[y; 32]], [0.0; 2])[0];
        let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
        table.answer(
            &format!("vvpowf: {x:?} to the power of {y:?} is {expected:?}"),
            if same { "yes".to_owned() } else { format!("no, {found:?}") },
        );
    }
}

/// The most that vForce differs from our own loops over an op's domain, in ULP.
fn ulps<T: Element + PartialEq + Copy>(op: ElementwiseOp) -> u64 {
    const COUNT: usize = 50_000;
    let operand = |seed: usize, domain: (f64, f64)| {
        let numbers = numbers(COUNT + seed, domain);
        let wide: Vec<f64> = numbers[seed..].iter().map(|&x| f64::from(x)).collect();
        let array = Array::apply(Op::Cast(T::DTYPE), &[&lazy(&wide)], None).unwrap();
        array.cache().unwrap();
        array
    };
    let operands: Vec<Array> = (0..op.arity()).map(|n| operand(n, op.domain())).collect();
    let operands: Vec<&Array> = operands.iter().collect();
    let array = Array::apply(Op::Elementwise(op), &operands, None).unwrap();
    let by = |mode| {
        let tensor = with_mode(mode, || array.eval_with(&Options::from(FpMode::Strict))).unwrap();
        tensor.as_slice::<T>().unwrap().to_vec()
    };
    let ordered = |x: T| {
        let bits = x.to_bits64();
        let sign = 1u64 << (8 * size_of::<T>() - 1);
        if bits & sign == 0 { i128::from(bits) } else { -i128::from(bits & !sign) }
    };
    let pairs = by(Mode::All).into_iter().zip(by(Mode::Off));
    let distances = pairs.map(|(x, y)| ordered(x).abs_diff(ordered(y)));
    u64::try_from(distances.max().unwrap_or(0)).unwrap_or(u64::MAX)
}

fn sums(table: &mut Table) {
    table.section("sums of 4096 elements");
    let values = numbers(4096, (-1.0, 1.0));
    let mut found = 0.0f32;
    // SAFETY: one element is written.
    unsafe { raw::call_f32("vDSP_sve", &raw mut found, &[values.as_ptr()], [0.0; 2], values.len()).unwrap() };
    let exact: f64 = values.iter().map(|&x| f64::from(x)).sum();
    let forwards: f32 = values.iter().sum();
    let backwards: f32 = values.iter().rev().sum();
    table.answer(
        "vDSP_sve: its error",
        format!("{:e}; of a loop forwards {:e}", f64::from(found) - exact, f64::from(forwards) - exact),
    );
    let order = match found {
        found if found == forwards => "forwards",
        found if found == backwards => "backwards",
        _ => "neither forwards nor backwards",
    };
    table.answer("vDSP_sve: its order", order);
    let mut different = 0;
    for offset in 0..16 {
        let mut shifted = vec![0.0; offset];
        shifted.extend_from_slice(&values);
        let mut again = 0.0f32;
        // SAFETY: one element is written.
        unsafe {
            raw::call_f32("vDSP_sve", &raw mut again, &[shifted[offset..].as_ptr()], [0.0; 2], 4096).unwrap()
        };
        different += usize::from(again.to_bits() != found.to_bits());
    }
    table.answer("vDSP_sve: of 16 offsets, other bits at", different);
}

fn blas(table: &mut Table) {
    table.section("BLAS");
    let dims = [64, 48, 80];
    let [m, k, n] = dims;
    let (a, b) = (numbers(m * k, (-1.0, 1.0)), numbers(k * n, (-1.0, 1.0)));
    let product = |a: &[f32], b: &[f32], fill: f32, offset: usize| {
        let mut c = vec![fill; m * n + offset];
        // SAFETY: the matrices have their elements, and `c` is apart.
        unsafe { raw::multiply_f32(dims, a.as_ptr(), b.as_ptr(), c[offset..].as_mut_ptr()) };
        c[offset..].to_vec()
    };
    let plain = product(&a, &b, 0.0, 0);
    let poisoned = product(&a, &b, f32::NAN, 0);
    table.relied_on(
        "sgemm with beta = 0 does not read the result",
        bits(&plain) == bits(&poisoned),
        "NaN comes through",
    );
    let shifted = (1..16).all(|offset| bits(&product(&a, &b, 0.0, offset)) == bits(&plain));
    table.relied_on("sgemm has the same bits wherever the result is", shifted, "they depend on the address");
    let again = (0..20).all(|_| bits(&product(&a, &b, 0.0, 0)) == bits(&plain));
    table.relied_on("sgemm has the same bits each time", again, "they change from call to call");
    let blocks = blocks_agree();
    table.relied_on(
        "a fused product has the bits of one that is alone",
        blocks.is_none(),
        format!("element {blocks:?}"),
    );
    let mut nan = [f32::NAN; 8];
    // SAFETY: eight elements.
    unsafe { raw::scale_f32(0.0, nan.as_mut_ptr(), 8) };
    table.answer("sscal by zero of NaN", nan[0]);
}

/// The first element of a product of several blocks that a fused epilogue changes.
fn blocks_agree() -> Option<usize> {
    let (m, k, n) = (700, 300, 1500);
    let matrix = |rows: usize, columns: usize| {
        lazy(numbers(rows * columns, (-1.0, 1.0))).reshape(&[rows as isize, columns as isize])
    };
    let (a, b) = (matrix(m, k), matrix(k, n));
    let values = |array: Array| with_mode(Mode::Auto, || array.eval()).unwrap().to_vec::<f32>().unwrap();
    let (alone, fused) = (values(a.matmul(&b)), values(-a.matmul(&b)));
    alone.iter().zip(&fused).position(|(x, y)| x.to_bits() ^ y.to_bits() != 1 << 31)
}

/// Processor time of the process.
#[cfg(unix)]
fn processor_seconds() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills the structure, which may be zero.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

#[cfg(not(unix))]
fn processor_seconds() -> f64 {
    f64::NAN
}

fn threads(table: &mut Table) {
    table.section("threads: processor time beside elapsed time; 1 is one thread");
    let len = if cfg!(target_os = "macos") { 64 << 20 } else { 4 << 20 };
    let mut vector = vec![1.0f32; len];
    let pointer = vector.as_mut_ptr();
    let share = |run: &mut dyn FnMut()| {
        run();
        let (start, before) = (Instant::now(), processor_seconds());
        (0..5).for_each(|_| run());
        (processor_seconds() - before) / start.elapsed().as_secs_f64()
    };
    // SAFETY: the vector has as many elements, and nothing else uses them.
    let mut vsmul = || unsafe { raw::call_f32("vDSP_vsmul", pointer, &[pointer], [1.0; 2], len).unwrap() };
    table.answer(&format!("vDSP_vsmul of {len} elements"), format!("{:.2}", share(&mut vsmul)));
    // SAFETY: as above.
    let mut vvexpf =
        || unsafe { raw::call_f32("vvexpf", pointer, &[pointer], [0.0; 2], len.min(4 << 20)).unwrap() };
    table.answer("vvexpf", format!("{:.2}", share(&mut vvexpf)));
    // SAFETY: as above.
    let mut sscal = || unsafe { raw::scale_f32(1.0, pointer, len) };
    table.answer("cblas_sscal", format!("{:.2}", share(&mut sscal)));
    let edge = if cfg!(target_os = "macos") { 2048 } else { 192 };
    let (a, mut c) = (numbers(edge * edge, (-1.0, 1.0)), vec![0.0; edge * edge]);
    // SAFETY: square matrices of that edge, apart.
    let mut sgemm = || unsafe { raw::multiply_f32([edge; 3], a.as_ptr(), a.as_ptr(), c.as_mut_ptr()) };
    table.answer(&format!("cblas_sgemm of {edge} x {edge}"), format!("{:.2}", share(&mut sgemm)));
}

/// Page faults when large results are made again and again.
#[cfg(unix)]
fn memory(table: &mut Table) {
    table.section("page faults of a result, made and dropped 20 times");
    let faults = || {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the call fills the structure, which may be zero.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
            usage.assume_init()
        };
        usage.ru_minflt
    };
    for megabytes in [1, 4, 16, 64] {
        let bytes = megabytes << 20;
        let touch = || {
            let mut memory: Vec<u8> = Vec::with_capacity(bytes);
            for page in (0..bytes).step_by(4096) {
                // SAFETY: within the capacity.
                unsafe { memory.as_mut_ptr().add(page).write_volatile(1) };
            }
        };
        touch();
        let before = faults();
        (0..20).for_each(|_| touch());
        let malloc = faults() - before;
        let source = lazy(vec![1.0f32; bytes / 4]);
        let scaled = source * 1.5f32;
        scaled.eval().unwrap();
        let before = faults();
        (0..20).for_each(|_| drop(scaled.eval().unwrap()));
        table
            .answer(&format!("{megabytes} MiB: malloc, raptors"), format!("{malloc}, {}", faults() - before));
    }
}

#[cfg(not(unix))]
fn memory(_: &mut Table) {}

/// Which newer symbols the system has.
#[cfg(unix)]
fn symbols(table: &mut Table) {
    table.section("symbols of the process");
    for name in [
        c"cblas_sgemm",
        c"cblas_sgemm$NEWLAPACK",
        c"cblas_sgemm$NEWLAPACK$ILP64",
        c"BLASSetThreading",
        c"appleblas_sgeadd",
        c"catlas_saxpby",
    ] {
        // SAFETY: a name, looked up in what is loaded.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        table.answer(&name.to_string_lossy(), if found.is_null() { "no" } else { "yes" });
    }
}

#[cfg(not(unix))]
fn symbols(_: &mut Table) {}
