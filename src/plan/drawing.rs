//! Where the parts of a picture stand: each frame is laid out by itself, then frames and free boxes together.
//!
//! A frame's layout has ports: points on its top and bottom edges, one for each value that enters or leaves. An edge from
//! frame to frame runs box, port, port, box, so it passes behind no box and no frame.

use std::collections::BTreeMap;

use crate::plan::layout::{Edge, Gaps, Item, Layout, Pin, layered};
use crate::plan::picture::{Card, Picture};

/// Width of a character of a title, and of a detail line.
const CHARACTER: (f64, f64) = (7.3, 6.4);
const CARD_HEIGHT: f64 = 40.0;
const FRAME_PADDING: f64 = 12.0;
const FRAME_TITLE: f64 = 20.0;
const GAPS: Gaps = Gaps { x: 18.0, y: 26.0 };
const INNER_GAPS: Gaps = Gaps { x: 14.0, y: 20.0 };

/// A rectangle: left, top, width, height.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The outcome; a path goes with each edge of the picture.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) cards: Vec<Rect>,
    pub(super) frames: Vec<Rect>,
    pub(super) paths: Vec<Vec<(f64, f64)>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A frame laid out by itself.
#[derive(Default)]
struct Frame {
    cards: Vec<usize>,
    layout: Option<Layout>,
    /// The port through which each value from outside comes in.
    entries: BTreeMap<usize, usize>,
    /// The port through which each card's value goes out.
    exits: BTreeMap<usize, usize>,
    /// The inner route of each edge; of one to an exit, under `usize::MAX`.
    routes: BTreeMap<(usize, usize), usize>,
    width: f64,
    height: f64,
}

/// Places a picture's parts.
pub(super) fn arrange(picture: &Picture) -> Drawing {
    let frame_of = |card: usize| picture.cards[card].frame;
    let mut frames: Vec<Frame> = picture.frames.iter().map(|_| Frame::default()).collect();
    for (card, frame) in (0..picture.cards.len()).filter_map(|card| Some((card, frame_of(card)?))) {
        frames[frame].cards.push(card);
    }
    for (number, frame) in frames.iter_mut().enumerate() {
        let title = picture.frames[number].len() as f64 * CHARACTER.1 + 2.0 * FRAME_PADDING;
        frame.lay_out(picture, number, title);
    }
    // Outside, an item is a frame or a free card; in the order of the cards, so that edges ascend.
    let mut item_of: Vec<usize> = vec![0; picture.cards.len()];
    let mut frame_items: Vec<Option<usize>> = vec![None; frames.len()];
    let mut items: Vec<Item> = Vec::new();
    for (card, item) in item_of.iter_mut().enumerate() {
        let known = frame_of(card).and_then(|frame| frame_items[frame]);
        *item = known.unwrap_or_else(|| {
            let (width, height) = match frame_of(card) {
                Some(frame) => (frames[frame].width, frames[frame].height),
                None => (card_width(&picture.cards[card]), CARD_HEIGHT),
            };
            items.push(Item { width, height, pin: Pin::Free });
            items.len() - 1
        });
        if let Some(frame) = frame_of(card) {
            frame_items[frame] = Some(*item);
        }
    }
    // One outer edge for each value that a frame or card takes from outside.
    let mut outer: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut edges: Vec<Edge> = Vec::new();
    for &(from, to) in picture.edges.iter().filter(|&&(from, to)| item_of[from] != item_of[to]) {
        outer.entry((from, item_of[to])).or_insert_with(|| {
            let from_dx = frame_of(from).map_or(0.0, |frame| frames[frame].exit_dx(from));
            let to_dx = frame_of(to).map_or(0.0, |frame| frames[frame].entry_dx(from));
            edges.push(Edge { from: item_of[from], from_dx, to: item_of[to], to_dx });
            edges.len() - 1
        });
    }
    let layout = layered(&items, &edges, GAPS);
    let corner = |item: usize| {
        let (x, y) = layout.centres[item];
        (x - items[item].width / 2.0, y - items[item].height / 2.0)
    };
    let frame_rects: Vec<Rect> = frames
        .iter()
        .zip(&frame_items)
        .map(|(frame, item)| {
            let (x, y) = item.map_or((0.0, 0.0), corner);
            Rect { x, y, width: frame.width, height: frame.height }
        })
        .collect();
    let cards = (0..picture.cards.len()).map(|card| {
        let (x, y) = match frame_of(card) {
            Some(frame) => frames[frame].centre(card, frame_rects[frame]),
            None => layout.centres[item_of[card]],
        };
        let width = card_width(&picture.cards[card]);
        Rect { x: x - width / 2.0, y: y - CARD_HEIGHT / 2.0, width, height: CARD_HEIGHT }
    });
    let cards = cards.collect();
    let paths = picture.edges.iter().map(|&(from, to)| {
        if item_of[from] == item_of[to] {
            return frame_of(from)
                .map_or_else(Vec::new, |frame| frames[frame].route((from, to), frame_rects[frame]));
        }
        let mut path = Vec::new();
        if let Some(frame) = frame_of(from) {
            path.extend(frames[frame].exit_route(from, frame_rects[frame]));
        }
        path.extend(
            outer.get(&(from, item_of[to])).map(|&edge| layout.routes[edge].as_slice()).unwrap_or_default(),
        );
        if let Some(frame) = frame_of(to) {
            path.extend(frames[frame].route((from, to), frame_rects[frame]));
        }
        path
    });
    let paths = paths.collect();
    Drawing { cards, frames: frame_rects, paths, width: layout.width, height: layout.height }
}

fn card_width(card: &Card) -> f64 {
    let characters = |text: &str| text.chars().count() as f64;
    let title = (characters(&card.name) + 1.0 + characters(&card.title)) * CHARACTER.0;
    title.max(characters(&card.detail) * CHARACTER.1).max(40.0) + 16.0
}

impl Frame {
    fn lay_out(&mut self, picture: &Picture, number: usize, least_width: f64) {
        let inside = |card: usize| picture.cards[card].frame == Some(number);
        let port = |pin| Item { width: 6.0, height: 0.0, pin };
        let mut items: Vec<Item> = Vec::new();
        let mut item_of: BTreeMap<usize, usize> = BTreeMap::new();
        for &card in &self.cards {
            item_of.insert(card, items.len());
            items.push(Item { width: card_width(&picture.cards[card]), height: CARD_HEIGHT, pin: Pin::Free });
        }
        let mut edges: Vec<Edge> = Vec::new();
        let edge = |from, to| Edge { from, from_dx: 0.0, to, to_dx: 0.0 };
        for &(from, to) in &picture.edges {
            match (inside(from), inside(to)) {
                (false, false) => {}
                (true, true) => {
                    self.routes.insert((from, to), edges.len());
                    edges.push(edge(item_of[&from], item_of[&to]));
                }
                (false, true) => {
                    let entry = *self.entries.entry(from).or_insert_with(|| {
                        items.push(port(Pin::Top));
                        items.len() - 1
                    });
                    self.routes.insert((from, to), edges.len());
                    edges.push(edge(entry, item_of[&to]));
                }
                (true, false) => {
                    self.exits.entry(from).or_insert_with(|| {
                        items.push(port(Pin::Bottom));
                        self.routes.insert((from, usize::MAX), edges.len());
                        edges.push(edge(item_of[&from], items.len() - 1));
                        items.len() - 1
                    });
                }
            }
        }
        let layout = layered(&items, &edges, INNER_GAPS);
        let below = if self.exits.is_empty() { FRAME_PADDING } else { 0.0 };
        self.width = layout.width.max(least_width) + 2.0 * FRAME_PADDING;
        self.height = self.above() + layout.height + below;
        self.layout = Some(layout);
    }

    /// Space above the layout: the title, and where nothing enters, a margin. Ports that nothing separates from an edge
    /// of the frame are on it.
    fn above(&self) -> f64 {
        if self.entries.is_empty() { FRAME_TITLE + FRAME_PADDING / 2.0 } else { FRAME_TITLE }
    }

    /// The top left corner of the layout, in a frame that stands at `rect`.
    fn origin(&self, rect: Rect) -> (f64, f64) {
        let width = self.layout.as_ref().map_or(0.0, |layout| layout.width);
        (rect.x + (rect.width - width) / 2.0, rect.y + self.above())
    }

    fn item(&self, item: usize) -> (f64, f64) {
        self.layout.as_ref().map_or((0.0, 0.0), |layout| layout.centres[item])
    }

    fn centre(&self, card: usize, rect: Rect) -> (f64, f64) {
        let position = self.cards.binary_search(&card).unwrap_or_default();
        let ((x, y), (left, top)) = (self.item(position), self.origin(rect));
        (left + x, top + y)
    }

    fn exit_dx(&self, card: usize) -> f64 {
        self.port_dx(self.exits.get(&card))
    }

    fn entry_dx(&self, value: usize) -> f64 {
        self.port_dx(self.entries.get(&value))
    }

    /// From the frame's centre to a port.
    fn port_dx(&self, port: Option<&usize>) -> f64 {
        let width = self.layout.as_ref().map_or(0.0, |layout| layout.width);
        port.map_or(0.0, |&port| self.item(port).0 - width / 2.0)
    }

    fn route(&self, edge: (usize, usize), rect: Rect) -> Vec<(f64, f64)> {
        let (left, top) = self.origin(rect);
        let points = self.routes.get(&edge).zip(self.layout.as_ref());
        points.map_or_else(Vec::new, |(&route, layout)| {
            layout.routes[route].iter().map(|&(x, y)| (left + x, top + y)).collect()
        })
    }

    fn exit_route(&self, card: usize, rect: Rect) -> Vec<(f64, f64)> {
        self.route((card, usize::MAX), rect)
    }
}
