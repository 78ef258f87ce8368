//! Layered layout of a directed acyclic graph, after Sugiyama, Tagawa and Toda (1981).
//!
//! Items get ranks by longest path, and edges that skip ranks get a point in each rank between; the order in a rank is
//! improved by barycentre sweeps, of which the one with the fewest crossings counts; then x follows the neighbours', as
//! the least-squares fit that keeps the order and the gaps (pool adjacent violators). Edges run downwards.
//!
//! Order of growth: edges times ranks skipped, times [`SWEEPS`]. Nothing is optimal: fewest crossings is NP-hard.

/// Barycentre sweeps, down and up in turns.
const SWEEPS: usize = 12;
/// How much straighter an edge's own points are kept than the edges of items.
const POINT_WEIGHT: f64 = 4.0;

/// Where an item must stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pin {
    /// In the first rank.
    Top,
    /// In the last rank.
    Bottom,
    /// Anywhere.
    Free,
}

/// A rectangle to place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) pin: Pin,
}

/// An edge from the bottom of one item to the top of another, at offsets from their centres.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) from_dx: f64,
    pub(super) to: usize,
    pub(super) to_dx: f64,
}

/// Space between neighbours of a rank, and between ranks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gaps {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// The outcome: centres of items, points of edges, and the size of it all.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) centres: Vec<(f64, f64)>,
    pub(super) routes: Vec<Vec<(f64, f64)>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// An item, or a point of an edge that passes a rank.
#[derive(Clone, Copy)]
struct Vertex {
    rank: usize,
    width: f64,
    height: f64,
    weight: f64,
}

/// A piece of an edge, from one rank to the next.
#[derive(Clone, Copy)]
struct Piece {
    from: usize,
    from_dx: f64,
    to: usize,
    to_dx: f64,
}

/// Places `items`. Edges go from lower to higher positions in `items`, or at least make no cycle that way.
pub(super) fn layered(items: &[Item], edges: &[Edge], gaps: Gaps) -> Layout {
    let ranks = ranks(items, edges);
    let mut vertices: Vec<Vertex> = items
        .iter()
        .zip(&ranks)
        .map(|(item, &rank)| Vertex { rank, width: item.width, height: item.height, weight: 1.0 })
        .collect();
    let mut pieces = Vec::with_capacity(edges.len());
    let mut chains: Vec<Vec<usize>> = Vec::with_capacity(edges.len());
    for edge in edges {
        let mut chain = vec![edge.from];
        for rank in ranks[edge.from] + 1..ranks[edge.to] {
            vertices.push(Vertex { rank, width: 0.0, height: 0.0, weight: POINT_WEIGHT });
            chain.push(vertices.len() - 1);
        }
        chain.push(edge.to);
        for (n, pair) in chain.windows(2).enumerate() {
            let from_dx = if n == 0 { edge.from_dx } else { 0.0 };
            let to_dx = if n + 2 == chain.len() { edge.to_dx } else { 0.0 };
            pieces.push(Piece { from: pair[0], from_dx, to: pair[1], to_dx });
        }
        chains.push(chain);
    }
    let graph = Layered::new(vertices, pieces);
    let order = graph.ordered();
    let x = graph.coordinates(&order, gaps.x);
    let (tops, heights, height) = graph.bands(gaps.y);
    let centre = |vertex: usize| {
        let rank = graph.vertices[vertex].rank;
        (x[vertex], tops[rank] + heights[rank] / 2.0)
    };
    let routes = edges.iter().zip(&chains).map(|(edge, chain)| {
        let (from, to) = (centre(edge.from), centre(edge.to));
        let mut points = vec![(from.0 + edge.from_dx, from.1 + items[edge.from].height / 2.0)];
        for &point in &chain[1..chain.len() - 1] {
            let rank = graph.vertices[point].rank;
            points.push((x[point], tops[rank]));
            points.push((x[point], tops[rank] + heights[rank]));
        }
        points.push((to.0 + edge.to_dx, to.1 - items[edge.to].height / 2.0));
        points
    });
    let routes = routes.collect();
    let width = (0..graph.vertices.len()).map(|v| x[v] + graph.vertices[v].width / 2.0).fold(0.0, f64::max);
    Layout { centres: (0..items.len()).map(centre).collect(), routes, width, height }
}

/// Longest paths from the top; what has no operand stands next to its first user.
fn ranks(items: &[Item], edges: &[Edge]) -> Vec<usize> {
    let mut ranks = vec![0usize; items.len()];
    let mut incoming = vec![0usize; items.len()];
    let mut outgoing: Vec<Vec<usize>> = vec![Vec::new(); items.len()];
    for edge in edges {
        incoming[edge.to] += 1;
        outgoing[edge.from].push(edge.to);
    }
    let has_top = items.iter().any(|item| item.pin == Pin::Top);
    let mut missing = incoming.clone();
    let mut ready: Vec<usize> = (0..items.len()).filter(|&item| missing[item] == 0).collect();
    for &item in &ready {
        ranks[item] = usize::from(has_top && items[item].pin != Pin::Top);
    }
    while let Some(item) = ready.pop() {
        for &user in &outgoing[item] {
            ranks[user] = ranks[user].max(ranks[item] + 1);
            missing[user] -= 1;
            if missing[user] == 0 {
                ready.push(user);
            }
        }
    }
    for item in 0..items.len() {
        if incoming[item] == 0 && items[item].pin == Pin::Free {
            let first_user = outgoing[item].iter().map(|&user| ranks[user]).min();
            ranks[item] = first_user.map_or(ranks[item], |rank| rank.saturating_sub(1));
        }
    }
    let last = ranks.iter().copied().max().unwrap_or(0);
    for (rank, _) in ranks.iter_mut().zip(items).filter(|(_, item)| item.pin == Pin::Bottom) {
        *rank = last;
    }
    ranks
}

struct Layered {
    vertices: Vec<Vertex>,
    /// Of each vertex: the neighbour in the rank above, its offset, the own offset.
    above: Vec<Vec<(usize, f64, f64)>>,
    below: Vec<Vec<(usize, f64, f64)>>,
    ranks: usize,
}

impl Layered {
    fn new(vertices: Vec<Vertex>, pieces: Vec<Piece>) -> Layered {
        let mut above = vec![Vec::new(); vertices.len()];
        let mut below = vec![Vec::new(); vertices.len()];
        for piece in pieces {
            above[piece.to].push((piece.from, piece.from_dx, piece.to_dx));
            below[piece.from].push((piece.to, piece.to_dx, piece.from_dx));
        }
        let ranks = vertices.iter().map(|vertex| vertex.rank + 1).max().unwrap_or(0);
        Layered { vertices, above, below, ranks }
    }

    /// The vertices of each rank, left to right.
    fn ordered(&self) -> Vec<Vec<usize>> {
        let mut order: Vec<Vec<usize>> = vec![Vec::new(); self.ranks];
        for vertex in 0..self.vertices.len() {
            order[self.vertices[vertex].rank].push(vertex);
        }
        let (mut best, mut fewest) = (order.clone(), self.crossings(&order));
        for sweep in 0..SWEEPS {
            if fewest == 0 {
                break;
            }
            let down = sweep % 2 == 0;
            let mut position = positions(&order, self.vertices.len());
            for step in 1..self.ranks {
                let rank = if down { step } else { self.ranks - 1 - step };
                let neighbours = if down { &self.above } else { &self.below };
                let barycentre = |&vertex: &usize| {
                    let near = &neighbours[vertex];
                    match near.len() {
                        0 => position[vertex],
                        // An offset in a wide item tells its edges apart, far less than a whole position.
                        count => {
                            near.iter().map(|&(other, dx, _)| position[other] + dx * 1e-4).sum::<f64>()
                                / count as f64
                        }
                    }
                };
                let mut keyed: Vec<(f64, usize)> =
                    order[rank].iter().map(|vertex| (barycentre(vertex), *vertex)).collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
                order[rank] = keyed.into_iter().map(|(_, vertex)| vertex).collect();
                for (place, &vertex) in order[rank].iter().enumerate() {
                    position[vertex] = place as f64;
                }
            }
            let crossings = self.crossings(&order);
            if crossings < fewest {
                (best, fewest) = (order.clone(), crossings);
            }
        }
        best
    }

    /// Pairs of edge pieces that cross, by counting inversions with a binary indexed tree.
    fn crossings(&self, order: &[Vec<usize>]) -> usize {
        let position = positions(order, self.vertices.len());
        let mut total = 0;
        for pair in order.windows(2) {
            let mut tree = vec![0usize; pair[1].len() + 1];
            let mut seen = 0;
            for &vertex in &pair[0] {
                let mut ends: Vec<usize> =
                    self.below[vertex].iter().map(|&(user, _, _)| position[user] as usize).collect();
                ends.sort_unstable();
                for &end in &ends {
                    let (mut at, mut before) = (end + 1, 0);
                    while at > 0 {
                        before += tree[at];
                        at &= at - 1;
                    }
                    total += seen - before;
                }
                for end in ends {
                    seen += 1;
                    let mut at = end + 1;
                    while at < tree.len() {
                        tree[at] += 1;
                        at += at & at.wrapping_neg();
                    }
                }
            }
        }
        total
    }

    /// The centre of each vertex.
    fn coordinates(&self, order: &[Vec<usize>], gap: f64) -> Vec<f64> {
        let mut x = vec![0.0; self.vertices.len()];
        for row in order {
            let mut left = 0.0;
            for &vertex in row {
                x[vertex] = left + self.vertices[vertex].width / 2.0;
                left += self.vertices[vertex].width + gap;
            }
        }
        for sweep in 0..2 * SWEEPS {
            let down = sweep % 2 == 0;
            for step in 0..self.ranks {
                let row = &order[if down { step } else { self.ranks - 1 - step }];
                let wish = |&vertex: &usize| {
                    let near = if down { &self.above[vertex] } else { &self.below[vertex] };
                    let sum: f64 = near.iter().map(|&(other, dx, own)| x[other] + dx - own).sum();
                    let weight = self.vertices[vertex].weight;
                    if near.is_empty() {
                        (x[vertex], 0.1 * weight)
                    } else {
                        (sum / near.len() as f64, weight)
                    }
                };
                let wishes: Vec<(f64, f64)> = row.iter().map(wish).collect();
                let widths: Vec<f64> = row.iter().map(|&vertex| self.vertices[vertex].width).collect();
                for (&vertex, centre) in row.iter().zip(fitted(&wishes, &widths, gap)) {
                    x[vertex] = centre;
                }
            }
        }
        let left = (0..x.len()).map(|v| x[v] - self.vertices[v].width / 2.0).fold(f64::INFINITY, f64::min);
        x.iter().map(|x| x - left).collect()
    }

    /// The top and height of each rank, and the height of all.
    fn bands(&self, gap: f64) -> (Vec<f64>, Vec<f64>, f64) {
        let mut heights = vec![0.0f64; self.ranks];
        for vertex in &self.vertices {
            heights[vertex.rank] = heights[vertex.rank].max(vertex.height);
        }
        let mut tops = Vec::with_capacity(self.ranks);
        let mut top = 0.0;
        for height in &heights {
            tops.push(top);
            top += height + gap;
        }
        (tops, heights, (top - gap).max(0.0))
    }
}

fn positions(order: &[Vec<usize>], count: usize) -> Vec<f64> {
    let mut position = vec![0.0; count];
    for row in order {
        for (place, &vertex) in row.iter().enumerate() {
            position[vertex] = place as f64;
        }
    }
    position
}

/// The centres nearest to the (wish, weight) of each, in order and without overlap: pool adjacent violators.
fn fitted(wishes: &[(f64, f64)], widths: &[f64], gap: f64) -> Vec<f64> {
    // Offsets that make "in order, with gaps" into "not decreasing".
    let mut offsets = Vec::with_capacity(wishes.len());
    let mut offset = 0.0;
    for (n, width) in widths.iter().enumerate() {
        if n > 0 {
            offset += widths[n - 1] / 2.0 + gap + width / 2.0;
        }
        offsets.push(offset);
    }
    // Blocks of equal value: weighted sum, weight, members.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::with_capacity(wishes.len());
    for (&(wish, weight), offset) in wishes.iter().zip(&offsets) {
        let mut block = ((wish - offset) * weight, weight, 1);
        while let Some(&(sum, total, members)) = blocks.last()
            && sum / total >= block.0 / block.1
        {
            blocks.pop();
            block = (sum + block.0, total + block.1, members + block.2);
        }
        blocks.push(block);
    }
    let values = blocks.iter().flat_map(|&(sum, total, members)| std::iter::repeat_n(sum / total, members));
    values.zip(&offsets).map(|(value, offset)| value + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(count: usize) -> Vec<Item> {
        vec![Item { width: 50.0, height: 20.0, pin: Pin::Free }; count]
    }

    fn edges(pairs: &[(usize, usize)]) -> Vec<Edge> {
        pairs.iter().map(|&(from, to)| Edge { from, from_dx: 0.0, to, to_dx: 0.0 }).collect()
    }

    #[test]
    fn items_of_a_rank_do_not_overlap_and_edges_run_down() {
        // A pseudo-random dag of 80 items.
        let mut seed = 7u64;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as usize % below
        };
        let pairs: Vec<(usize, usize)> = (1..80).flat_map(|n| [(next(n), n), (next(n), n)]).collect();
        let (items, edges) = (boxes(80), edges(&pairs));
        let layout = layered(&items, &edges, Gaps { x: 10.0, y: 30.0 });
        for i in 0..80 {
            for j in 0..i {
                let ((a, b), (c, d)) = (layout.centres[i], layout.centres[j]);
                assert!((a - c).abs() >= 60.0 - 1e-6 || (b - d).abs() >= 50.0 - 1e-6, "{i} and {j} overlap");
            }
        }
        for route in &layout.routes {
            assert!(route.windows(2).all(|pair| pair[0].1 <= pair[1].1 + 1e-9), "{route:?}");
        }
    }

    #[test]
    fn crossings_that_can_be_avoided_are() {
        // Two columns given crosswise.
        let edges = edges(&[(0, 3), (1, 2), (2, 5), (3, 4)]);
        let layout = layered(&boxes(6), &edges, Gaps { x: 10.0, y: 30.0 });
        let side = |item: usize| layout.centres[item].0 < layout.width / 2.0;
        assert_eq!(side(0), side(3));
        assert_eq!(side(3), side(4));
        assert_ne!(side(0), side(1));
    }

    #[test]
    fn a_chain_is_straight() {
        let layout = layered(&boxes(4), &edges(&[(0, 1), (1, 2), (2, 3), (0, 3)]), Gaps { x: 10.0, y: 30.0 });
        let x: Vec<f64> = layout.centres.iter().map(|centre| centre.0).collect();
        assert!((x[1] - x[2]).abs() < 5.0, "{x:?}");
    }
}
