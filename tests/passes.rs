//! Each pass alone, on graphs written as text: `tests/passes/<pass>.rir`, or the files of the folder `<pass>`.
//!
//! A file begins with `// pass: <name>`. A case is a sentence that states the property, a graph, a line `// ----`, and
//! the graph that the pass makes of it. In `simplify`, a case with `// rule: <name>` is one where that rule
//! applies, and one with `// not: <name>` is one where it must not; every rule has both. A line `// fp: <mode>` says
//! which mode the pass runs in, strict if there is none.

use raptors_ir::{Graph, NodeId, Op, ReduceOp, parse, verify};
use raptors_passes::phases::Phases;
use raptors_passes::{FpMode, Ledger, Options, Outcome, PASSES, Pass, check_place, simplify};

use crate::support::{
    Random, RirFile, blessing, diff, evaluate, files, random_argument, random_graph, root, same,
};

const SEPARATOR: &str = "// ----";

#[test]
fn each_pass_makes_of_a_graph_what_its_file_says() {
    let mut failures = Vec::new();
    for path in files(&root().join("tests/passes"), "rir") {
        let mut file = RirFile::read(&path);
        let name = file.lines.first().and_then(|line| line.strip_prefix("// pass: "));
        let pass = PASSES.iter().find(|pass| Some(pass.name) == name);
        let pass = pass.unwrap_or_else(|| panic!("{}: the first line names no pass", file.position(0)));
        failures.extend(run_file(&mut file, pass));
    }
    assert!(
        failures.is_empty(),
        "{}\n{} failed; if the new graphs are right: RAPTORS_BLESS=1 cargo test --test raptors passes",
        failures.join("\n"),
        failures.len()
    );
}

/// Runs the cases, last first so that rewriting one leaves the lines of the others where they are.
fn run_file(file: &mut RirFile, pass: &Pass) -> Vec<String> {
    let mut failures = Vec::new();
    let mut graphs = file.graphs().into_iter().rev().peekable();
    while let Some(last) = graphs.next() {
        let separated = |line: usize| line > 0 && file.lines[line - 1] == SEPARATOR;
        let (input, expected) = if separated(last.start) {
            let input = graphs.next_if(|input| input.end + 1 == last.start);
            let input = input.unwrap_or_else(|| panic!("{}: no graph before it", file.position(last.start)));
            (input, Some(last))
        } else {
            (last, None)
        };
        let position = file.position(input.start);
        let actual = match run_pass(pass, fp_mode(file, input.start), &file.text(input.clone())) {
            Ok((actual, ledger)) => {
                let records = ledger.records.iter().filter(|record| record.outcome == Outcome::Applied);
                let applied: Vec<&str> = records.map(|record| record.rule).collect();
                if let Some(problem) = rule_problem(file, input.start, &applied) {
                    failures.push(problem);
                    continue;
                }
                actual
            }
            Err(problem) => {
                failures.push(format!("{position}: {problem}"));
                continue;
            }
        };
        let stated = expected.clone().map_or(String::new(), |expected| file.text(expected));
        if stated == actual {
            continue;
        }
        if !blessing() {
            failures.push(format!(
                "{position}: {} gives another graph\n{}",
                pass.name,
                diff(&stated, &actual)
            ));
            continue;
        }
        let actual = actual.lines().map(str::to_owned);
        match expected {
            Some(expected) => drop(file.lines.splice(expected, actual)),
            None => {
                let separator = std::iter::once(SEPARATOR.to_owned());
                drop(file.lines.splice(input.end..input.end, separator.chain(actual)));
            }
        }
        file.write();
    }
    failures.reverse();
    failures
}

/// The mode that the comments above a graph ask for.
fn fp_mode(file: &RirFile, graph: usize) -> FpMode {
    let mut comments = file.lines[..graph].iter().rev().take_while(|line| line.starts_with("//"));
    let name = comments.find_map(|line| line.strip_prefix("// fp: "));
    let mode = |name| FpMode::from_name(name).unwrap_or_else(|| panic!("{}: no mode", file.position(graph)));
    name.map_or(FpMode::Strict, mode)
}

fn run_pass(pass: &Pass, fp: FpMode, text: &str) -> Result<(String, Ledger), String> {
    let graph = parse(text).map_err(|error| format!("in this graph, {error}"))?;
    verify(&graph).map_err(|error| format!("does not verify, {error}"))?;
    let mut ledger = Ledger::default();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        (pass.run)(&graph, &Options::from(fp), &mut ledger)
    }));
    let result = result.map_err(|_| format!("{} panicked", pass.name))?;
    verify(&result).map_err(|error| format!("{} broke the graph, {error}\n{result}", pass.name))?;
    Ok((result.to_string(), ledger))
}

/// What the comments above a graph promise about rules, and did not hold.
fn rule_problem(file: &RirFile, graph: usize, applied: &[&str]) -> Option<String> {
    let comments = file.lines[..graph].iter().rev().take_while(|line| line.starts_with("//"));
    comments.into_iter().find_map(|line| {
        let problem = match (line.strip_prefix("// rule: "), line.strip_prefix("// not: ")) {
            (Some(rule), _) if !applied.contains(&rule) => format!("the rule `{rule}` did not apply"),
            (_, Some(rule)) if applied.contains(&rule) => format!("the rule `{rule}` applied"),
            _ => return None,
        };
        Some(format!("{}: {problem}", file.position(graph)))
    })
}

#[test]
fn every_simplify_rule_has_a_case_where_it_applies_and_one_where_it_does_not() {
    let files = files(&root().join("tests/passes/simplify"), "rir");
    let lines: Vec<String> = files.iter().flat_map(|path| RirFile::read(path).lines).collect();
    let mut missing = Vec::new();
    for rule in simplify::RULES {
        for kind in ["rule", "not"] {
            let comment = format!("// {kind}: {}", rule.name);
            if !lines.contains(&comment) {
                missing.push(comment);
            }
        }
    }
    assert!(missing.is_empty(), "tests/passes/simplify has no case with\n{}", missing.join("\n"));
}

#[test]
fn every_pass_has_a_file() {
    for pass in PASSES {
        let path = root().join(format!("tests/passes/{}", pass.name));
        assert!(path.exists() || path.with_extension("rir").exists(), "{} does not exist", path.display());
    }
}

#[test]
fn random_graphs_come_out_placed_and_without_dead_work() {
    let mut phased = 0;
    for seed in 0..3000 {
        let graph = random_graph(&mut Random::new(seed));
        let options = Options::from(FpMode::ALL[seed as usize % FpMode::ALL.len()]);
        let (placed, _) = raptors_passes::run(&graph, &options, &mut Ledger::default());
        let checked = verify(&placed).and_then(|()| check_place::check(&placed));
        checked.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{graph}{placed}"));
        let text = placed.to_string();
        assert_eq!(parse(&text).map(|graph| graph.to_string()).as_ref(), Ok(&text), "seed {seed}");
        let needed = needed(&placed);
        for &id in placed.regions().iter().flatten() {
            assert!(needed[id.index()], "seed {seed}: {id} runs for nobody\n{graph}{placed}");
        }
        let has_phases = |nodes: &Vec<NodeId>| Phases::of(&placed, nodes, |_| true).is_some();
        phased += usize::from(placed.regions().iter().any(has_phases));
    }
    assert!(phased > 200, "{phased} graphs have regions with phases");
}

#[test]
fn every_pass_keeps_the_bits_of_every_result() {
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        let mut graph = random_graph(&mut random);
        let parameters = graph.parameters().iter();
        let arguments: Vec<_> =
            parameters.map(|parameter| random_argument(&mut random, &parameter.ty)).collect();
        let mut expected = evaluate(&graph, &arguments);
        for pass in PASSES {
            let new = (pass.run)(&graph, &Options::default(), &mut Ledger::default());
            let results = evaluate(&new, &arguments);
            for (n, (expected, result)) in expected.iter_mut().zip(&results).enumerate() {
                // Products along an axis have an order of their own, which this pass decides.
                if pass.name == "legalize" && has_complex_product(&graph, graph.outputs()[n].node) {
                    expected.clone_from(result);
                }
                let differs = expected.iter().zip(result).position(|(&a, &b)| !same(a, b));
                let differs = differs.map(|i| (expected[i], result[i]));
                assert_eq!(
                    (expected.len(), None),
                    (result.len(), differs),
                    "seed {seed}: {} changes result {n}\n{}",
                    pass.name,
                    diff(&graph.to_string(), &new.to_string())
                );
            }
            graph = new;
        }
    }
}

/// Whether a node depends on a product of complex numbers along an axis.
fn has_complex_product(graph: &Graph, id: NodeId) -> bool {
    let own = matches!(graph.op(id), Op::Reduce(ReduceOp::Prod, _)) && graph.node(id).ty.dtype.is_complex();
    own || graph.operands(id).iter().any(|&operand| has_complex_product(graph, operand))
}

/// Whether a result needs the node.
fn needed(graph: &Graph) -> Vec<bool> {
    let mut needed = vec![false; graph.len()];
    let mut pending: Vec<NodeId> = graph.outputs().iter().map(|output| output.node).collect();
    while let Some(id) = pending.pop() {
        if !std::mem::replace(&mut needed[id.index()], true) {
            pending.extend(graph.operands(id));
        }
    }
    needed
}
