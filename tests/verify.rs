//! Graphs that are refused: `tests/verify/*.rir`.
//!
//! Each graph has one comment `// error: <text>`, on the line that is at fault. The parser or the verifier refuses the
//! graph there, with a message that contains the text.

use raptors_ir::{Op, parse, verify};

use crate::support::{RirFile, files, root};

#[test]
fn each_broken_graph_is_refused_on_the_line_at_fault() {
    let mut failures = Vec::new();
    for path in files(&root().join("tests/verify"), "rir") {
        let file = RirFile::read(&path);
        for lines in file.graphs() {
            let expected = lines.clone().find_map(|line| {
                let (code, text) = file.lines[line].split_once("// error: ")?;
                Some((line, code.to_owned(), text.to_owned()))
            });
            let position = file.position(lines.start);
            let Some((line, code, text)) = expected else {
                failures.push(format!("{position}: no line says `// error: `"));
                continue;
            };
            let (message, in_place) = refusal(&file.text(lines.clone()), line - lines.start, &code);
            if !message.contains(&text) {
                failures.push(format!("{}: expected: {text}\nfound:    {message}", file.position(line)));
            } else if !in_place {
                failures.push(format!("{}: refused on another line: {message}", file.position(line)));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The message, and whether it is about this line.
fn refusal(text: &str, line: usize, code: &str) -> (String, bool) {
    let graph = match parse(text) {
        Ok(graph) => graph,
        Err(error) => return (error.problem.clone(), error.line == line + 1),
    };
    let Err(error) = verify(&graph) else { return ("the graph is fine".to_owned(), false) };
    let code = code.trim();
    let in_place = if code.starts_with("return") {
        graph.outputs().iter().any(|output| output.node == error.node)
    } else if let Some((name, _)) = code.strip_prefix('%').and_then(|code| code.split_once(" = ")) {
        format!("%{name}") == error.node.to_string()
    } else {
        matches!(graph.op(error.node), Op::Parameter(_))
    };
    (error.problem, in_place)
}
