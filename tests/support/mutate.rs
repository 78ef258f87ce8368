//! Graph texts, and texts that are almost graphs.

use super::{Random, RirFile, files, root};

/// Every graph of the `.rir` files, those to be refused among them.
pub(crate) fn corpus() -> Vec<String> {
    let files = files(&root().join("tests"), "rir");
    assert!(!files.is_empty(), "no .rir files below tests/");
    files
        .iter()
        .flat_map(|path| {
            let file = RirFile::read(path);
            file.graphs().into_iter().map(move |lines| file.text(lines)).collect::<Vec<_>>()
        })
        .collect()
}

/// Changes one place: a character, a number, a word, or a line.
pub(crate) fn mutate(random: &mut Random, text: &mut Vec<char>) {
    const CHARACTERS: &[char] =
        &['%', '@', '[', ']', '(', ')', ':', ',', '-', '.', '0', '9', 'e', '"', '\\', '/', 'π', '\n'];
    const NUMBERS: &[&str] = &[
        "0",
        "1",
        "-1",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999",
    ];
    if text.is_empty() {
        return;
    }
    let at = random.below(text.len());
    match random.below(8) {
        0 => drop(text.remove(at)),
        1 => text.insert(at, random.pick(CHARACTERS)),
        2 => text[at] = random.pick(CHARACTERS),
        3 => {
            let is_digit = |at: &usize| text[*at].is_ascii_digit();
            let Some(start) = (at..text.len()).find(is_digit) else { return };
            let end = (start..text.len()).find(|at| !is_digit(at)).unwrap_or(text.len());
            text.splice(start..end, random.pick(NUMBERS).chars());
        }
        4 => {
            let words: Vec<std::ops::Range<usize>> = words(text);
            let (from, to) = (random.pick(&words), random.pick(&words));
            let word = text[from].to_vec();
            text.splice(to, word);
        }
        5 => {
            let words = words(text);
            text.drain(random.pick(&words));
        }
        6 => {
            let words = words(text);
            let (a, b) = (random.pick(&words), random.pick(&words));
            let (first, second) = if a.start < b.start { (a, b) } else { (b, a) };
            let (left, right) = (text[first.clone()].to_vec(), text[second.clone()].to_vec());
            if first != second {
                text.splice(second, left);
                text.splice(first, right);
            }
        }
        _ => {
            let line_end = |at: usize| text[at..].iter().position(|&c| c == '\n').map(|n| at + n + 1);
            let Some(start) = line_end(at) else { return };
            let end = line_end(start).unwrap_or(text.len());
            let line: Vec<char> = text.drain(start..end).collect();
            let to = random.below(text.len() + 1);
            let to = text[..to].iter().rposition(|&c| c == '\n').map_or(0, |n| n + 1);
            if !random.one_in(3) {
                text.splice(to..to, line);
            }
        }
    }
}

/// Runs of characters other than spaces; of all of them where there are none.
fn words(text: &[char]) -> Vec<std::ops::Range<usize>> {
    let mut words = Vec::new();
    let mut start = 0;
    for (i, c) in text.iter().chain(&[' ']).enumerate() {
        if c.is_whitespace() {
            if start < i {
                words.push(start..i);
            }
            start = i + 1;
        }
    }
    if words.is_empty() {
        words.push(0..text.len());
    }
    words
}
