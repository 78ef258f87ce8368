//! Pictures as Mermaid flowcharts, which code hosts and documentation sites draw.

use std::fmt::Write;

use crate::plan::picture::{Card, Look, Picture};

/// The picture as a flowchart.
pub(super) fn mermaid(picture: &Picture) -> String {
    let mut text = String::from("flowchart TD\n");
    // Writing to a string cannot fail.
    let framed = |frame| picture.cards.iter().filter(move |card| card.frame == frame);
    for card in framed(None) {
        let _ = writeln!(text, "  {}", node(card));
    }
    for (number, title) in picture.frames.iter().enumerate() {
        let _ = writeln!(text, "  subgraph r{number} [\"{title}\"]");
        for card in framed(Some(number)) {
            let _ = writeln!(text, "    {}", node(card));
        }
        text.push_str("  end\n");
    }
    for &(from, to) in &picture.edges {
        let _ = writeln!(text, "  {} --> {}", id(&picture.cards[from]), id(&picture.cards[to]));
    }
    text
}

fn id(card: &Card) -> String {
    card.name.replace('%', "n")
}

fn node(card: &Card) -> String {
    let label = format!("\"{} {}<br/>{}\"", card.name, quoted(&card.title), quoted(&card.detail));
    match (card.is_result, card.look) {
        (true, _) => format!("{}[[{label}]]", id(card)),
        (false, Look::Input) => format!("{}([{label}])", id(card)),
        (false, Look::Op | Look::View | Look::Kernel) => format!("{}[{label}]", id(card)),
    }
}

fn quoted(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "&lt;")
}
