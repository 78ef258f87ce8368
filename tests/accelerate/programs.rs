//! Programs: what they say, and what is not left to Accelerate.

use accelerate_shim::hostile;
use raptors::FpMode;
use raptors::accelerate::calibrate::{Sizes, calibrate};
use raptors::accelerate::{Mode, raw};
use raptors::ir::{DType, Literal};

use super::{Evaluation, evaluate, graph};
use crate::support::same;

fn numbers(dtype: DType, len: usize) -> Vec<Literal> {
    (0..len).map(|n| Literal::from_f64(dtype, n as f64 / 8.0 - 3.0)).collect()
}

fn run(text: &str, mode: Mode, fp: FpMode) -> Evaluation {
    let graph = graph(text);
    let arguments: Vec<Vec<Literal>> =
        graph.parameters().iter().map(|p| numbers(p.ty.dtype, p.ty.shape.size())).collect();
    evaluate(&graph, &arguments, mode, fp)
}

fn strict(text: &str) -> Evaluation {
    run(text, Mode::Auto, FpMode::Strict)
}

#[test]
fn twice_a_donated_array_is_one_call_in_its_memory() {
    let found = strict(
        "graph @scale(%a: f32[1000] donated) {\n%s = constant 2.0: f32\n%0 = multiply %a, %s\nreturn %0\n}",
    );
    let [call] = &found.calls[..] else { panic!("{:?}", found.calls) };
    assert_eq!((call.name, call.len, call.scalars.as_slice()), ("vDSP_vsmul", 1000, &[2.0][..]));
    assert_eq!((call.target, call.sources.as_slice()), (found.parameters[0], &[found.parameters[0]][..]));
    let line = "    vDSP_vsmul(p0, 1, &2.0, p0, 1, 1000) in place; exact; not calibrated\n";
    assert!(found.program.contains(line), "{}", found.program);
    let double =
        strict("graph @scale(%a: f64[1000]) {\n%s = constant 2.0: f64\n%0 = multiply %a, %s\nreturn %0\n}");
    let line = "    vDSP_vsmulD(p0, 1, &2.0, b0, 1, 1000); exact; not calibrated\n";
    assert!(double.program.contains(line), "{}", double.program);
}

#[test]
fn conversions_are_calls() {
    for (from, to, name) in [
        ("f64", "f32", "vDSP_vdpsp"),
        ("f32", "f64", "vDSP_vspdp"),
        ("i32", "f32", "vDSP_vflt32"),
        ("i32", "f64", "vDSP_vflt32D"),
        ("u32", "f32", "vDSP_vfltu32"),
        ("u32", "f64", "vDSP_vfltu32D"),
        ("i16", "f32", "vDSP_vflt16"),
        ("u16", "f64", "vDSP_vfltu16D"),
        ("u8", "f32", "vDSP_vfltu8"),
    ] {
        let text = format!("graph @cast(%a: {from}[100]) {{\n%0 = cast %a {to}\nreturn %0\n}}");
        let preferred = !matches!(from, "i16" | "u16" | "u8");
        let (auto, all) = (strict(&text), run(&text, Mode::All, FpMode::Strict));
        assert_eq!(auto.names().is_empty(), !preferred, "{text}\n{}", auto.program);
        assert_eq!(all.names(), [name], "{text}\n{}", all.program);
        let off = run(&text, Mode::Off, FpMode::Strict);
        assert!(all.elements.iter().zip(&off.elements).all(|(&x, &y)| same(x, y)), "{text}");
    }
}

#[test]
fn what_is_no_form_or_not_contiguous_or_short_is_not_left() {
    for text in [
        // Minima, maxima and rounding are never called.
        "graph @no(%a: f32[100], %b: f32[100]) {\n%0 = maximum %a, %b\nreturn %0\n}",
        "graph @no(%a: f32[100], %b: f32[100]) {\n%0 = minimum %a, %b\nreturn %0\n}",
        "graph @no(%a: f32[100]) {\n%0 = max %a axes [0]\nreturn %0\n}",
        "graph @no(%a: f32[100]) {\n%0 = cast %a i32\nreturn %0\n}",
        // A chain costs a pass over memory an op; a fused loop one.
        "graph @no(%a: f32[100], %b: f32[100]) {\n%0 = add %a, %b\n%1 = multiply %0, %0\n%2 = add %1, %b\n%3 = multiply %2, %a\n%4 = add %3, %a\nreturn %4\n}",
        // Rows of a larger matrix, and a vector that is repeated.
        "graph @no(%a: f32[40, 40], %b: f32[40]) {\n%0 = add %a, %b\nreturn %0\n}",
        "graph @no(%a: f32[8], %b: f32[8]) {\n%0 = add %a, %b\nreturn %0\n}",
        "graph @no(%a: i32[100], %b: i32[100]) {\n%0 = add %a, %b\nreturn %0\n}",
    ] {
        let found = run(text, Mode::All, FpMode::Fast);
        assert!(found.calls.is_empty(), "{text}\n{:?}", found.names());
    }
}

#[test]
fn functions_inside_a_fused_loop_are_called_tile_by_tile() {
    let text = "graph @softplus(%a: f32[20000]) {\n%0 = exp %a\n%s = constant 1.0: f32\n%1 = add %0, %s\n%2 = log %1\n%3 = multiply %2, %a\nreturn %3\n}";
    let graph = graph(text);
    let arguments = vec![(0..20000).map(|n| Literal::from_f64(DType::F32, f64::from(n) / 4000.0)).collect()];
    let evaluate = |mode| evaluate(&graph, &arguments, mode, FpMode::Strict);
    let (all, off) = (evaluate(Mode::All), evaluate(Mode::Off));
    assert!(
        all.program.contains(" by vvexpf, ") && all.program.contains(" by vvlogf in tiles of "),
        "{}",
        all.program
    );
    for (x, y) in all.elements.iter().zip(&off.elements) {
        let (x, y) = (x.to_f64().unwrap(), y.to_f64().unwrap());
        assert!((x - y).abs() <= 1e-5 * y.abs(), "{x}, not {y}");
    }
}

#[test]
fn sums_of_rows_follow_the_tree_from_its_blocks_on() {
    // Integers that a float holds: every order gives the same.
    for dims in ["3, 9000", "70, 50", "1, 4096", "5000"] {
        let last = dims.split(", ").count() - 1;
        let text = format!("graph @sum(%a: f32[{dims}]) {{\n%0 = sum %a axes [{last}]\nreturn %0\n}}");
        let graph = graph(&text);
        let len = graph.parameters()[0].ty.shape.size();
        let arguments = vec![(0..len).map(|n| Literal::from_f64(DType::F32, (n % 7) as f64)).collect()];
        let evaluate = |mode| evaluate(&graph, &arguments, mode, FpMode::Fast);
        let (auto, off) = (evaluate(Mode::Auto), evaluate(Mode::Off));
        assert_eq!(auto.elements, off.elements, "{text}");
        assert!(auto.names().iter().all(|&name| name == "vDSP_sve") && !auto.calls.is_empty(), "{text}");
        assert!(auto.calls.iter().all(|call| call.len <= 4096), "{text}");
    }
}

#[test]
fn an_entry_with_other_bits_is_not_used_in_strict_mode() {
    // The probes of a process run once; these look again.
    for name in ["vDSP_vsmul", "vDSP_vsmulD"] {
        assert_eq!(raw::probe(name, "a * s"), Some(Ok(())));
        let hostile = hostile::during(|| raw::probe(name, "a * s")).unwrap().unwrap_err();
        assert!(hostile.contains("its a * s of "), "{hostile}");
    }
    assert_eq!(raw::probe("vDSP_vneg", "negative(a)"), Some(Ok(())));
    let negative = hostile::during(|| raw::probe("vDSP_vneg", "negative(a)")).unwrap().unwrap_err();
    assert!(negative.ends_with("of 0.0 is 0.0, not -0.0"), "{negative}");
}

#[test]
fn a_calibration_has_what_is_selected_and_nothing_else() {
    let mut told = Vec::new();
    let sizes = Sizes { lengths: &[64], edges: &[32] };
    let table = calibrate(sizes, |entry| told.push(entry.to_owned())).unwrap();
    for name in
        ["vDSP_vsmul", "vDSP_vaddD", "vDSP_vma", "vDSP_sve", "vvexpf", "vvpow", "vDSP_vspdp", "cblas_sscal"]
    {
        let measured = table.nearest(name, 1).unwrap_or_else(|| panic!("{name}\n{table}"));
        assert!(measured.len == 64 && measured.entry_ns > 0.0 && measured.own_ns > 0.0, "{measured:?}");
        assert!(told.iter().any(|told| told == name || name == "cblas_sscal"), "{name}");
    }
    assert_eq!(table.nearest("cblas_dgemm", 1).map(|measured| measured.len), Some(32));
    // The shim's have other bits, or are never called.
    for name in ["vDSP_vdiv", "vvsqrtf", "vDSP_vmax"] {
        assert_eq!(table.nearest(name, 1), None, "{name}");
    }
}
