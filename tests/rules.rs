//! The rules of `simplify` keep the bits they promise to keep.
//!
//! Every case of `tests/passes/simplify` in which a rule applies is taken again in every dtype of its family. Where the
//! graph is elementwise, it is computed before and after for all values of 8-bit dtypes, in all combinations; for all
//! values of 16-bit ones, alone; alone also for floats of all signs, exponents and first digits; else for zeros, ones, extremes, infinities, NaN, subnormals, powers of two and their
//! neighbours, halfway points and random bits, in all combinations. Other graphs are computed for random draws of these.

use raptors_ir::{DType, Graph, Kind, Literal, NodeId, Op, Parameter, parse, scalar, verify};
use raptors_passes::simplify::{self, RULES, Rule};
use raptors_passes::{FpMode, Ledger, Options, legalize};

use crate::support::{Random, RirFile, blessing, diff, evaluate, files, root, same};

/// A graph in which a rule applies.
struct Case {
    rule: &'static Rule,
    text: String,
    position: String,
}

fn cases() -> Vec<Case> {
    let files = files(&root().join("tests/passes/simplify"), "rir");
    files.iter().flat_map(|path| cases_of(&RirFile::read(path))).collect()
}

fn cases_of(file: &RirFile) -> Vec<Case> {
    let mut cases = Vec::new();
    for lines in file.graphs() {
        let comments = file.lines[..lines.start].iter().rev().take_while(|line| line.starts_with("//"));
        for name in comments.filter_map(|line| line.strip_prefix("// rule: ")) {
            let position = file.position(lines.start);
            let rule = RULES.iter().find(|rule| rule.name == name);
            let rule = rule.unwrap_or_else(|| panic!("{position}: no rule `{name}`"));
            cases.push(Case { rule, text: file.text(lines.clone()), position });
        }
    }
    cases
}

const SIGNED: [&str; 4] = ["i8", "i16", "i32", "i64"];
const UNSIGNED: [&str; 4] = ["u8", "u16", "u32", "u64"];
const FLOATS: [&str; 4] = ["f16", "bf16", "f32", "f64"];

/// The graph in other dtypes: its integers in each integer dtype, its floats in each float dtype. A graph that mixes
/// dtypes of a family is taken as it is.
fn retyped(text: &str) -> Vec<Graph> {
    let families: [&[&str]; 2] = [&[SIGNED, UNSIGNED].concat(), &FLOATS];
    let mut texts = vec![text.to_owned()];
    for family in families {
        let used: Vec<&&str> = family.iter().filter(|name| text.contains(**name)).collect();
        let [used] = used[..] else { continue };
        texts =
            texts.iter().flat_map(|text| family.iter().map(move |name| text.replace(*used, name))).collect();
    }
    // What another dtype does not have, such as a negative constant, is not a case.
    let graphs = texts.iter().filter_map(|text| parse(text).ok());
    graphs.filter(|graph| verify(graph).is_ok()).collect()
}

/// What `simplify` makes of a graph in which kernels can compute.
fn simplified(graph: &Graph, fp: FpMode) -> (Graph, Vec<&'static str>) {
    let mut ledger = Ledger::default();
    let legal = legalize::run(graph, &Options::from(fp), &mut Ledger::default());
    let new = simplify::run(&legal, &Options::from(fp), &mut ledger);
    (new, ledger.records.iter().map(|record| record.rule).collect())
}

#[test]
fn exact_rules_keep_every_bit() {
    for Case { rule, text, position } in cases() {
        if !rule.effects.is_empty() {
            continue;
        }
        let mut tried = 0;
        for before in retyped(&text) {
            let (after, applied) = simplified(&before, FpMode::Strict);
            if !applied.contains(&rule.name) {
                continue;
            }
            tried += 1;
            if let Some(difference) = difference(&before, &after) {
                panic!("{position}: `{}` changes a result\n{before}{after}{difference}", rule.name);
            }
        }
        assert!(tried > 0, "{position}: `{}` applies in no dtype", rule.name);
    }
}

#[test]
fn rules_that_are_not_exact_say_so_truly() {
    for rule in RULES.iter().filter(|rule| !rule.effects.is_empty()) {
        let mut changed = false;
        for Case { text, position, .. } in cases().into_iter().filter(|case| case.rule.name == rule.name) {
            let before = parse(&text).unwrap_or_else(|error| panic!("{position}: {error}"));
            let (after, _) = simplified(&before, FpMode::Fast);
            changed |= difference(&before, &after).is_some();
        }
        assert!(changed, "`{}` changed nothing: it may be exact", rule.name);
    }
}

#[test]
fn strict_runs_exact_rules_alone() {
    for rule in RULES {
        assert_eq!(rule.allowed(FpMode::Strict), rule.effects.is_empty(), "{}", rule.name);
        assert!(rule.allowed(FpMode::Fast), "{}", rule.name);
    }
    for Case { rule, text, position } in cases().iter().filter(|case| !case.rule.effects.is_empty()) {
        let graph = parse(text).unwrap_or_else(|error| panic!("{position}: {error}"));
        let (_, applied) = simplified(&graph, FpMode::Strict);
        assert!(!applied.contains(&rule.name), "{position}: `{}` ran in strict mode", rule.name);
    }
}

#[test]
fn the_table_of_rules_is_documented() {
    let path = root().join("docs/rewriting.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let is_row = |line: &&str| line.starts_with('|');
    let before: Vec<&str> = text.lines().take_while(|line| !is_row(line)).collect();
    let stated: Vec<&str> = text.lines().skip(before.len()).take_while(is_row).collect();
    let after: Vec<&str> = text.lines().skip(before.len() + stated.len()).collect();
    let mut rows = vec!["| rule | algebra | effects |".to_owned(), "|---|---|---|".to_owned()];
    for rule in RULES {
        let (algebra, effects) = (rule.algebra.replace('|', "\\|"), rule.effects());
        rows.push(format!("| `{}` | `{algebra}` | {effects} |", rule.name));
    }
    if blessing() {
        let lines = before.iter().copied().chain(rows.iter().map(String::as_str)).chain(after);
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let (stated, rows) = (stated.join("\n"), rows.join("\n"));
    assert_eq!(stated, rows, "docs/rewriting.md: RAPTORS_BLESS=1 writes the table\n{}", diff(&stated, &rows));
}

/// What the graphs disagree about, if anything.
fn difference(before: &Graph, after: &Graph) -> Option<String> {
    match is_pointwise(before) && is_pointwise(after) {
        true => pointwise_difference(before, after),
        false => random_difference(before, after),
    }
}

/// Whether each element of the results depends on one element of each parameter.
fn is_pointwise(graph: &Graph) -> bool {
    graph.ids().all(|id| match graph.op(id) {
        Op::Parameter(_)
        | Op::Constant(_)
        | Op::Elementwise(_)
        | Op::Where
        | Op::Cast(_)
        | Op::Complex
        | Op::Part(_)
        | Op::Broadcast(_) => true,
        Op::Iota(_)
        | Op::Reduce(..)
        | Op::Slice(_)
        | Op::Reshape(_)
        | Op::Permute(_)
        | Op::Matmul
        | Op::Concat(_)
        | Op::Library(_)
        | Op::Copy => false,
    })
}

/// The results where each parameter has one value.
fn at_point(graph: &Graph, arguments: &[Literal]) -> Vec<Literal> {
    let mut values: Vec<Literal> = Vec::with_capacity(graph.len());
    for id in graph.ids() {
        let operands: Vec<Literal> = graph.operands(id).iter().map(|id| values[id.index()]).collect();
        let value = match graph.op(id) {
            Op::Parameter(n) => Some(arguments[*n as usize]),
            Op::Constant(literal) => Some(*literal),
            Op::Elementwise(op) => scalar::evaluate(*op, &operands),
            Op::Where => Some(operands[if operands[0].bits() != 0 { 1 } else { 2 }]),
            Op::Cast(to) => scalar::cast(operands[0], *to),
            Op::Complex => Some(Literal::of_parts([operands[0], operands[1]])),
            Op::Part(part) => Some(operands[0].part(*part)),
            Op::Broadcast(_) => Some(operands[0]),
            op => panic!("{} is not pointwise", op.name()),
        };
        values.push(value.unwrap_or_else(|| panic!("{id} of {operands:?}\n{graph}")));
    }
    graph.outputs().iter().map(|output| values[output.node.index()]).collect()
}

fn pointwise_difference(before: &Graph, after: &Graph) -> Option<String> {
    let used = |n: usize| before.users(NodeId(n as u32)).next().is_some();
    let parameters = before.parameters();
    let count = (0..parameters.len()).filter(|&n| used(n)).count();
    let choices: Vec<Vec<Literal>> = parameters
        .iter()
        .enumerate()
        .map(|(n, parameter)| match used(n) {
            true => values(parameter.ty.dtype, count),
            false => vec![Literal::zero(parameter.ty.dtype)],
        })
        .collect();
    let total: usize = choices.iter().map(Vec::len).product();
    (0..total).find_map(|mut flat| {
        let arguments: Vec<Literal> = choices
            .iter()
            .map(|choices| {
                let choice = choices[flat % choices.len()];
                flat /= choices.len();
                choice
            })
            .collect();
        let (a, b) = (at_point(before, &arguments), at_point(after, &arguments));
        let equal = a.iter().zip(&b).all(|(&a, &b)| same(a, b));
        (!equal).then(|| format!("of {arguments:?}: {a:?} becomes {b:?}"))
    })
}

/// The values a parameter takes where `count` parameters are combined.
fn values(dtype: DType, count: usize) -> Vec<Literal> {
    let all = |bits: u32| (0..1u128 << bits).map(|bits| Literal::from_bits(dtype, bits)).collect();
    match (dtype, count) {
        (DType::Bool, _) => vec![Literal::zero(dtype), Literal::one(dtype)],
        (DType::I8 | DType::U8, ..=2) => all(8),
        (DType::I16 | DType::U16 | DType::F16 | DType::BF16, 1) => all(16),
        // A float of each sign, each exponent, and as many first digits as 16 bits have room for.
        (DType::F32 | DType::F64, 1) => {
            let lower = 8 * dtype.size() as u32 - 16;
            let mut draw = Random::new(5);
            let upper = (0..1u128 << 16).map(|bits| bits << lower);
            let numbers = upper.map(|bits| match draw.one_in(2) {
                true => bits,
                false => bits | u128::from(draw.bits()) & ((1 << lower) - 1),
            });
            numbers.map(|bits| Literal::from_bits(dtype, bits)).chain(boundaries(dtype, 0)).collect()
        }
        (_, 1) => boundaries(dtype, 20_000),
        (_, 2) => boundaries(dtype, 80),
        _ => thinned(boundaries(dtype, 0), 40),
    }
}

fn thinned(values: Vec<Literal>, most: usize) -> Vec<Literal> {
    let step = values.len().div_ceil(most);
    values.into_iter().step_by(step).collect()
}

/// Where rewrites go wrong; and `random` values of random bits.
fn boundaries(dtype: DType, random: usize) -> Vec<Literal> {
    let width = 8 * dtype.size() as u32;
    let mut bits: Vec<u128> = match dtype.kind() {
        Kind::Float => {
            let fraction = match dtype {
                DType::F16 => 10,
                DType::BF16 => 7,
                DType::F32 => 23,
                _ => 52,
            };
            let infinity = ((1u128 << (width - 1 - fraction)) - 1) << fraction;
            let of = |value: f64| Literal::from_f64(dtype, value).bits();
            let numbers = [0.0, 0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 10.0, 1e10, 4503599627370495.5].map(of);
            // The smallest and largest subnormal and normal numbers, with infinity and NaN behind.
            let edges = [
                1,
                2,
                (1 << fraction) - 1,
                1 << fraction,
                infinity - 1,
                infinity,
                infinity + (1 << (fraction - 1)),
            ];
            let powers = [-100.0, -30.0, -24.0, -1.0, 1.0, 23.0, 24.0, 53.0, 100.0].map(|k| of(f64::exp2(k)));
            let neighbours = powers.iter().flat_map(|bits| [bits.saturating_sub(1), *bits, bits + 1]);
            let positive: Vec<u128> = numbers.into_iter().chain(edges).chain(neighbours).collect();
            positive.iter().flat_map(|&bits| [bits, bits | 1 << (width - 1)]).collect()
        }
        Kind::Bool | Kind::Signed | Kind::Unsigned | Kind::Complex => {
            let powers = (0..width).step_by(if width > 16 { 3 } else { 1 });
            let near = powers.chain([width - 1]).flat_map(|k| {
                let power = 1i128 << k;
                [power - 1, power, power + 1, -power, -power - 1]
            });
            near.chain([3, 7, 10, 100, -3, -7, -10]).map(|value| value as u128).collect()
        }
    };
    let mut draw = Random::new(7);
    bits.extend((0..random).map(|_| u128::from(draw.bits())));
    let mut literals: Vec<Literal> = bits.into_iter().map(|bits| Literal::from_bits(dtype, bits)).collect();
    literals.sort_unstable();
    literals.dedup();
    literals
}

/// Differences of graphs that move elements, for draws of small, special and random elements.
fn random_difference(before: &Graph, after: &Graph) -> Option<String> {
    let mut random = Random::new(11);
    (0..200).find_map(|_| {
        let mut argument = |parameter: &Parameter| -> Vec<Literal> {
            let values = match parameter.ty.dtype {
                DType::Bool => values(DType::Bool, 1),
                dtype => boundaries(dtype, 20),
            };
            // Few different values, so that equal ones meet.
            let few: Vec<Literal> = (0..1 + random.below(6)).map(|_| random.pick(&values)).collect();
            (0..parameter.ty.shape.size()).map(|_| random.pick(&few)).collect()
        };
        let arguments: Vec<Vec<Literal>> = before.parameters().iter().map(&mut argument).collect();
        let (a, b) = (evaluate(before, &arguments), evaluate(after, &arguments));
        let equal = a.iter().flatten().zip(b.iter().flatten()).all(|(&a, &b)| same(a, b));
        (!equal).then(|| format!("of {arguments:?}: {a:?} becomes {b:?}"))
    })
}
