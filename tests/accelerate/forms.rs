//! Every form of every entry, in a graph that is just that: it is called, once, where it is allowed, on the
//! memory of the operands, in place when the first one is donated; and the result is what the contract says.

use raptors::FpMode;
use raptors::accelerate::{Mode, raw};
use raptors::ir::{
    DType, Destination, ElementwiseOp, Graph, Layout, Literal, NodeId, Op, Output, Parameter, ReduceOp,
    Shape, Type,
};

use super::{Evaluation, evaluate};
use crate::support::{Random, random_argument, same};

/// How near results have to be to those of our own loops.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Near {
    /// NaN payloads aside, the same bits.
    Same,
    /// Units in the last place.
    Ulp(u64),
    /// Relative to the sum of magnitudes.
    Sum,
}

/// An entry by its `f32` name, the formula as in the table, and as ops; what is called on the shim, and how
/// near it is.
#[rustfmt::skip]
const FORMS: &[(&str, &str, &str, Expected)] = &[
    ("vDSP_vadd", "a + b", "add(a,b)", Expected::Strict),
    ("vDSP_vsub", "a - b", "subtract(a,b)", Expected::Strict),
    ("vDSP_vmul", "a * b", "multiply(a,b)", Expected::Strict),
    ("vDSP_vdiv", "a / b", "divide(a,b)", Expected::Withdrawn),
    ("vDSP_vsadd", "a + s", "add(a,s)", Expected::Strict),
    ("vDSP_vsadd", "a - s", "subtract(a,s)", Expected::Strict),
    ("vDSP_vsmul", "a * s", "multiply(s,a)", Expected::Strict),
    ("vDSP_vsdiv", "a / s", "divide(a,s)", Expected::Withdrawn),
    ("vDSP_svdiv", "s / a", "divide(s,a)", Expected::Withdrawn),
    ("vDSP_vsmsa", "s - a", "subtract(s,a)", Expected::Strict),
    ("vDSP_vsmsa", "fma(a, s, t)", "add(multiply(a,s),t)", Expected::Contracted),
    ("vDSP_vneg", "negative(a)", "negative(a)", Expected::Strict),
    ("vDSP_vabs", "abs(a)", "abs(a)", Expected::Strict),
    ("vDSP_vnabs", "negative(abs(a))", "negative(abs(a))", Expected::Strict),
    ("vDSP_vsq", "square(a)", "square(a)", Expected::Strict),
    ("vDSP_vsq", "a * a", "multiply(a,a)", Expected::Either("vDSP_vmul")),
    ("vDSP_vssq", "a * abs(a)", "multiply(a,abs(a))", Expected::Strict),
    ("vDSP_vam", "(a + b) * c", "multiply(add(a,b),c)", Expected::Strict),
    ("vDSP_vsbm", "(a - b) * c", "multiply(c,subtract(a,b))", Expected::Strict),
    ("vDSP_vasm", "(a + b) * s", "multiply(add(a,b),s)", Expected::Strict),
    ("vDSP_vsbsm", "(a - b) * s", "multiply(s,subtract(a,b))", Expected::Strict),
    ("vDSP_vaam", "(a + b) * (c + d)", "multiply(add(a,b),add(c,d))", Expected::Strict),
    ("vDSP_vsbsbm", "(a - b) * (c - d)", "multiply(subtract(a,b),subtract(c,d))", Expected::Strict),
    ("vDSP_vasbm", "(a + b) * (c - d)", "multiply(subtract(c,d),add(a,b))", Expected::Strict),
    ("vDSP_vma", "fma(a, b, c)", "add(multiply(a,b),c)", Expected::Contracted),
    ("vDSP_vmsb", "fma(a, b, negative(c))", "subtract(multiply(a,b),c)", Expected::Contracted),
    ("vDSP_vmsa", "fma(a, b, s)", "add(s,multiply(a,b))", Expected::Contracted),
    ("vDSP_vsma", "fma(a, s, b)", "add(multiply(a,s),b)", Expected::Contracted),
    ("vDSP_vsmsb", "fma(a, s, negative(b))", "subtract(multiply(s,a),b)", Expected::Contracted),
    ("vDSP_vsmsma", "fma(a, s, b * t)", "add(multiply(a,s),multiply(b,t))", Expected::Contracted),
    ("vDSP_vmma", "fma(a, b, c * d)", "add(multiply(a,b),multiply(c,d))", Expected::Contracted),
    ("vDSP_vmmsb", "fma(a, b, negative(c * d))", "fma(a,b,negative(multiply(c,d)))", Expected::Contracted),
    ("vDSP_sve", "sum(a)", "sum(a)", Expected::Sum),
    ("vDSP_svemg", "sum(abs(a))", "sum(abs(a))", Expected::Sum),
    ("vDSP_svesq", "sum(square(a))", "sum(square(a))", Expected::Sum),
    ("vDSP_svesq", "sum(a * a)", "sum(multiply(a,a))", Expected::Sum),
    ("vDSP_dotpr", "sum(a * b)", "sum(multiply(a,b))", Expected::Sum),
    ("vDSP_distancesq", "sum(square(a - b))", "sum(square(subtract(a,b)))", Expected::Sum),
    ("vvexpf", "exp(a)", "exp(a)", Expected::Function),
    ("vvexp2f", "exp2(a)", "exp2(a)", Expected::Function),
    ("vvexpm1f", "expm1(a)", "expm1(a)", Expected::Function),
    ("vvlogf", "log(a)", "log(a)", Expected::Function),
    ("vvlog2f", "log2(a)", "log2(a)", Expected::Function),
    ("vvlog10f", "log10(a)", "log10(a)", Expected::Function),
    ("vvlog1pf", "log1p(a)", "log1p(a)", Expected::Function),
    ("vvcbrtf", "cbrt(a)", "cbrt(a)", Expected::Function),
    ("vvsinf", "sin(a)", "sin(a)", Expected::Function),
    ("vvcosf", "cos(a)", "cos(a)", Expected::Function),
    ("vvtanf", "tan(a)", "tan(a)", Expected::Function),
    ("vvsinhf", "sinh(a)", "sinh(a)", Expected::Function),
    ("vvcoshf", "cosh(a)", "cosh(a)", Expected::Function),
    ("vvtanhf", "tanh(a)", "tanh(a)", Expected::Function),
    ("vvasinf", "asin(a)", "asin(a)", Expected::Function),
    ("vvacosf", "acos(a)", "acos(a)", Expected::Function),
    ("vvatanf", "atan(a)", "atan(a)", Expected::Function),
    ("vvasinhf", "asinh(a)", "asinh(a)", Expected::Function),
    ("vvacoshf", "acosh(a)", "acosh(a)", Expected::Function),
    ("vvatanhf", "atanh(a)", "atanh(a)", Expected::Function),
    ("vvatan2f", "atan2(a, b)", "atan2(a,b)", Expected::Function),
    ("vvpowf", "pow(a, b)", "pow(a,b)", Expected::Function),
    ("vvnextafterf", "nextafter(a, b)", "nextafter(a,b)", Expected::Withdrawn),
    ("vvcopysignf", "copysign(a, b)", "copysign(a,b)", Expected::Withdrawn),
    ("vvdivf", "a / b", "divide(a,b)", Expected::Withdrawn),
    ("vvsqrtf", "sqrt(a)", "sqrt(a)", Expected::Withdrawn),
    ("vvrecf", "reciprocal(a)", "reciprocal(a)", Expected::Withdrawn),
    ("vvfabsf", "abs(a)", "abs(a)", Expected::Either("vDSP_vabs")),
    ("vvfloorf", "floor(a)", "floor(a)", Expected::Withdrawn),
    ("vvceilf", "ceil(a)", "ceil(a)", Expected::Withdrawn),
    ("vvintf", "trunc(a)", "trunc(a)", Expected::Available),
    ("vvnintf", "round(a)", "round(a)", Expected::Available),
];

/// When a form is called on the shim.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Expected {
    /// In strict mode.
    Strict,
    /// Another entry is, which computes the same.
    Either(&'static str),
    /// Not in strict mode, but when products and sums are contracted.
    Contracted,
    /// In fast mode.
    Sum,
    /// In fast mode, and wherever all is asked for.
    Function,
    /// Where all is asked for.
    Available,
    /// Never: the shim has other bits, which is noticed.
    Withdrawn,
}

/// Builds graphs of formulas.
struct Builder {
    graph: Graph,
    vectors: Vec<NodeId>,
    scalars: [Literal; 2],
}

impl Builder {
    fn new(dtype: DType, len: usize, donated: bool) -> Builder {
        let mut graph = Graph::new("form");
        let ty = Type { dtype, shape: Shape::new(&[len]).unwrap() };
        let vectors = (0..4).map(|n| {
            let parameter =
                Parameter { ty: ty.clone(), layout: Layout::RowMajor, donated: donated && n == 0 };
            graph.push_parameter(parameter, None)
        });
        let vectors = vectors.collect();
        let scalars = [-1.75, 3.25].map(|value| Literal::from_f64(dtype, value));
        Builder { graph, vectors, scalars }
    }

    /// The node of an expression such as `add(a,s)`.
    fn node(&mut self, text: &str) -> NodeId {
        let letter = |first: u8| usize::from(text.as_bytes()[0] - first);
        let Some((name, rest)) = text.split_once('(') else {
            return match text {
                "s" | "t" => self.graph.push(Op::Constant(self.scalars[letter(b's')]), &[], None).unwrap(),
                _ => self.vectors[letter(b'a')],
            };
        };
        let mut depth = 0;
        let operands = rest.strip_suffix(')').unwrap().split(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        });
        let operands: Vec<&str> = operands.collect();
        let nodes: Vec<NodeId> = operands.into_iter().map(|operand| self.node(operand)).collect();
        let op = match name {
            "sum" => Op::Reduce(ReduceOp::Sum, [0].into_iter().collect()),
            name => Op::Elementwise(ElementwiseOp::from_name(name).unwrap()),
        };
        self.graph.push(op, &nodes, None).unwrap()
    }

    fn finish(mut self, text: &str) -> Graph {
        let node = self.node(text);
        self.graph.push_output(Output { node, destination: Destination::Fresh });
        self.graph
    }
}

const LEN: usize = 1003;

/// Evaluates the form under a mode.
fn run(
    text: &str,
    dtype: DType,
    donated: bool,
    (mode, fp): (Mode, FpMode),
    domain: Option<(f64, f64)>,
) -> Evaluation {
    let graph = Builder::new(dtype, LEN, donated).finish(text);
    let mut random = Random::new(7);
    let arguments: Vec<Vec<Literal>> = graph
        .parameters()
        .iter()
        .map(|parameter| match domain {
            None => random_argument(&mut random, &parameter.ty),
            Some((low, high)) => (0..LEN)
                .map(|_| {
                    let unit = (random.bits() >> 11) as f64 / (1u64 << 53) as f64;
                    Literal::from_f64(dtype, low + unit * (high - low))
                })
                .collect(),
        })
        .collect();
    evaluate(&graph, &arguments, mode, fp)
}

#[track_caller]
fn assert_near(near: Near, found: &Evaluation, expected: &Evaluation, what: &str) {
    assert_eq!(found.elements.len(), expected.elements.len(), "{what}");
    for (n, (&x, &y)) in found.elements.iter().zip(&expected.elements).enumerate() {
        let numbers = [x, y].map(|literal| literal.to_f64().unwrap());
        let ok = same(x, y)
            || match near {
                Near::Same => false,
                Near::Ulp(most) => {
                    numbers[0].signum() == numbers[1].signum() && x.bits().abs_diff(y.bits()) <= most.into()
                }
                Near::Sum => (numbers[0] - numbers[1]).abs() <= 1e-4 * LEN as f64,
            };
        assert!(ok, "{what}: element {n} is {x:?}, not {y:?}\n{}", found.program);
    }
}

#[test]
fn every_formula_of_the_table_is_tested_here() {
    let tested: Vec<(&str, &str)> = FORMS.iter().map(|form| (form.0, form.1)).collect();
    let of_table: Vec<(&str, &str)> = raw::entries()
        .flat_map(|entry| {
            entry.formulas.clone().into_iter().map(move |(formula, _)| (entry.names[0], formula))
        })
        .collect();
    assert_eq!(tested, of_table);
}

#[test]
fn forms_are_called_where_they_are_allowed_and_give_what_they_promise() {
    for &(single, formula, text, expected) in FORMS {
        for dtype in [DType::F32, DType::F64] {
            let entry = raw::entries().find(|entry| entry.names[0] == single).unwrap();
            let name = entry.names[usize::from(dtype == DType::F64)];
            let what = format!("{name}: {text}");
            let own =
                |setting: (Mode, FpMode), domain| run(text, dtype, false, (Mode::Off, setting.1), domain);
            let strict = run(text, dtype, false, (Mode::Auto, FpMode::Strict), None);
            let off = own((Mode::Off, FpMode::Strict), None);
            assert_near(Near::Same, &strict, &off, &what);
            assert!(off.calls.is_empty(), "{what}");
            assert!(run(text, dtype, false, (Mode::Gemm, FpMode::Fast), None).calls.is_empty(), "{what}");
            match expected {
                Expected::Strict => {
                    assert_eq!(strict.names(), [name], "{what}\n{}", strict.program);
                    assert_eq!(strict.calls[0].len, LEN);
                    assert!(strict.program.contains(&format!("    {name}(p")), "{}", strict.program);
                    in_place(text, dtype, name, &strict);
                }
                Expected::Either(other) => {
                    let names = strict.names();
                    assert!(names.len() == 1 && names[0].trim_end_matches('D') == other, "{what}: {names:?}");
                }
                Expected::Contracted => {
                    let setting = (Mode::Auto, FpMode::Contract);
                    let found = run(text, dtype, false, setting, None);
                    assert!(strict.calls.is_empty(), "{what}");
                    assert_eq!(found.names(), [name], "{what}\n{}", found.program);
                    assert_near(Near::Same, &found, &own(setting, None), &what);
                }
                Expected::Sum => {
                    let domain = Some((-1.0, 1.0));
                    let setting = (Mode::Auto, FpMode::Fast);
                    let found = run(text, dtype, false, setting, domain);
                    assert!(strict.calls.is_empty(), "{what}");
                    assert!(
                        strict.program.contains(&format!("not {name}: its order of summation")),
                        "{}",
                        strict.program
                    );
                    assert_eq!(found.names(), [name], "{what}\n{}", found.program);
                    assert_near(Near::Sum, &found, &own(setting, domain), &what);
                }
                Expected::Function => {
                    let op = ElementwiseOp::from_name(text.split('(').next().unwrap()).unwrap();
                    let domain = Some(op.domain());
                    assert!(strict.calls.is_empty(), "{what}");
                    let setting = (Mode::All, FpMode::Strict);
                    let found = run(text, dtype, false, setting, domain);
                    assert!(
                        !found.calls.is_empty() && found.names().iter().all(|&called| called == name),
                        "{what}"
                    );
                    // The functions behind the shim are correct to so much.
                    let near = Near::Ulp(if dtype == DType::F64 { 16 } else { 4 });
                    assert_near(near, &found, &own(setting, domain), &what);
                    // Also of what fast mode puts in its place.
                    let relaxed = run(text, dtype, false, (Mode::All, FpMode::Fast), domain);
                    assert_eq!(relaxed.names(), found.names(), "{what}\n{}", relaxed.program);
                    // Where there is no machine code, fast mode is enough.
                    let fast = run(text, dtype, false, (Mode::Auto, FpMode::Fast), domain);
                    let compiled = fast.program.contains(" code: ");
                    assert_eq!(fast.calls.is_empty(), compiled, "{what}\n{}", fast.program);
                }
                Expected::Available => {
                    let found = run(text, dtype, false, (Mode::All, FpMode::Strict), None);
                    assert!(strict.calls.is_empty(), "{what}");
                    assert!(
                        !found.calls.is_empty() && found.names().iter().all(|&called| called == name),
                        "{what}\n{}",
                        found.program
                    );
                    assert_near(Near::Same, &found, &off, &what);
                }
                Expected::Withdrawn => {
                    let found = run(text, dtype, false, (Mode::All, FpMode::Strict), None);
                    assert!(found.calls.is_empty(), "{what}: {:?}", found.names());
                    let reason = format!("on this machine its {formula} of ");
                    assert!(found.program.contains(&reason), "{what}\n{}", found.program);
                    assert_near(Near::Same, &found, &off, &what);
                }
            }
        }
    }
}

/// With the first operand donated, the call writes over it.
fn in_place(text: &str, dtype: DType, name: &str, expected: &Evaluation) {
    let found = run(text, dtype, true, (Mode::Auto, FpMode::Strict), None);
    assert_eq!(found.names(), [name], "{text}");
    assert_near(Near::Same, &found, expected, text);
    assert_eq!(found.address, found.parameters[0], "{text}: not in the donated memory\n{}", found.program);
    assert_eq!(found.calls[0].target, found.parameters[0], "{text}");
    assert!(found.calls[0].sources.contains(&found.parameters[0]), "{text}: {:?}", found.calls);
    assert!(found.program.contains(" in place; exact; not calibrated"), "{}", found.program);
}
