//! House rules that no lint knows.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::path::Path;

use crate::support::{files, root};

/// The Rust files of the four crates, with their text.
fn sources() -> Vec<(String, String)> {
    let sources: Vec<(String, String)> = ["ir", "passes", "src", "python"]
        .iter()
        .flat_map(|folder| files(&root().join(folder), "rs"))
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    assert!(sources.len() > 10, "only {} Rust files found", sources.len());
    sources
}

/// Fails with the names of the files for which `broken` says what is wrong.
#[track_caller]
fn none_broken(broken: impl Fn(&str, &str) -> Option<String>) {
    let problems: Vec<String> = sources()
        .iter()
        .filter_map(|(name, text)| Some(format!("{name}: {}", broken(name, text)?)))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_file_begins_with_what_it_is() {
    none_broken(|_, text| (!text.starts_with("//! ")).then(|| "begins without `//! `".to_owned()));
}

#[test]
fn a_file_has_at_most_600_lines() {
    none_broken(|_, text| {
        let lines = text.lines().count();
        (lines > 600).then(|| format!("{lines} lines, split it by concept"))
    });
}

#[test]
fn one_file_names_petgraph() {
    none_broken(|name, text| {
        (name != "ir/src/graph.rs" && text.contains("petgraph")).then(|| "names petgraph".to_owned())
    });
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents: Vec<_> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].iter().map(|name| root().join(name)).collect();
    documents.extend(files(&root().join("docs"), "md"));
    let mut broken = Vec::new();
    for document in documents.iter().filter(|document| document.exists()) {
        let text = std::fs::read_to_string(document).unwrap();
        for target in links(&text) {
            let folder = document.parent().unwrap_or(Path::new(""));
            if !folder.join(&target).exists() {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links to files that do not exist:\n{}", broken.join("\n"));
}

/// The files that `[text](target)` and `src="target"` name; code blocks, other sites and anchors aside.
fn links(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for (opening, closing) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            let pieces = line.split(opening).skip(1);
            targets.extend(
                pieces.filter_map(|piece| piece.split([closing, '#', ' ']).next()).map(str::to_owned),
            );
        }
    }
    targets.retain(|target| !target.is_empty() && !target.contains(':'));
    targets
}

#[test]
fn links_are_found() {
    let text =
        "see [a](docs/a.md#part), [b](https://x.y) and <img src=\"c.png\">\n```\n[d](d.md)\n```\n[e](#f)";
    assert_eq!(links(text), ["docs/a.md", "c.png"]);
}
