//! Plans as one HTML file that needs no network: the graph after each pass, memory over time, and everything about a
//! node.
//!
//! The page holds the plan's JSON, and where the parts of each graph stand; its scripts and styles are written by hand, in
//! `page/`. Scripts put users' texts into the page as text alone, and the page's own policy forbids it to load anything.
//! A graph of many hundred nodes is drawn as its kernels, and without what each pass made of it.

use crate::plan::drawing::{Rect, arrange};
use crate::plan::history::{Stage, history};
use crate::plan::json::{Detail, list, object, quoted, shown, with_stages};
use crate::plan::picture::Picture;
use crate::plan::{MOST_KERNELS, Plan, svg};

/// Nodes of a captured graph that is drawn pass by pass.
const MOST_NODES: usize = 1500;

const STYLE: &str = include_str!("page/page.css");

/// Each defines what the later ones use.
const SCRIPTS: [&str; 5] = [
    include_str!("page/plan.js"),
    include_str!("page/graph.js"),
    include_str!("page/memory.js"),
    include_str!("page/details.js"),
    include_str!("page/page.js"),
];

pub(super) fn html(plan: &Plan) -> String {
    let stages = history(&plan.compiled);
    let graph = &plan.compiled.optimized;
    let (detail, drawings) = if plan.compiled.captured.len() <= MOST_NODES {
        let pictures = shown(&stages).map(|Stage { graph, names, .. }| Picture::of(graph, names.names()));
        (Detail::Nodes, list(pictures.map(|picture| drawing(&picture))))
    } else {
        let (picture, _) = Picture::of_kernels(graph, MOST_KERNELS);
        (Detail::Kernels, list(std::iter::once(drawing(&picture))))
    };
    let content = object(&[("plan", with_stages(plan, &stages, detail)), ("drawings", drawings)]);
    format!(include_str!("page/page.html"), style = STYLE, content = content, script = SCRIPTS.concat())
}

/// The parts of a picture with their places. Positions are rounded: a picture has thousands of them.
fn drawing(picture: &Picture) -> String {
    let places = arrange(picture);
    let rect = |Rect { x, y, width, height }: &Rect| format!("[{x:.0}, {y:.0}, {width:.0}, {height:.0}]");
    let cards = picture.cards.iter().zip(&places.cards).map(|(card, place)| {
        object(&[
            ("name", quoted(&card.name)),
            ("title", quoted(&card.title)),
            ("detail", quoted(&card.detail)),
            ("look", quoted(card.look.name())),
            ("result", card.is_result.to_string()),
            ("rect", rect(place)),
        ])
    });
    let frames = picture
        .frames
        .iter()
        .zip(&places.frames)
        .map(|(title, place)| object(&[("title", quoted(title)), ("rect", rect(place))]));
    let edges = picture.edges.iter().zip(&places.paths).map(|((from, to), path)| {
        object(&[("from", from.to_string()), ("to", to.to_string()), ("path", quoted(&svg::curve(path)))])
    });
    object(&[
        ("width", format!("{:.0}", places.width)),
        ("height", format!("{:.0}", places.height)),
        ("cards", list(cards)),
        ("frames", list(frames)),
        ("edges", list(edges)),
    ])
}
