//! Where blocks lie: each in memory of a result that is not needed yet, or in the arena.
//!
//! The arena is packed from the lifetimes that an order of the regions gives. [`least_memory`] looks for an order that
//! needs less.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use raptors_ir::{BufferId, Destination, Graph, Placement, Slot};

use super::order::Order;
use super::overwrite::{Block, Blocks, Home};
use super::pack::{self, pack};
use super::reads::Reads;

/// The regions that each block is written or read by, ascending.
pub(super) fn regions_of_blocks(graph: &Graph, reads: &Reads, blocks: &Blocks) -> Vec<Vec<u32>> {
    let mut regions: Vec<Vec<u32>> = vec![Vec::new(); blocks.blocks.len()];
    for id in graph.ids() {
        let Some((block, _)) = blocks.of_node[id.index()] else { continue };
        let regions = &mut regions[block as usize];
        regions.extend(reads.region_of[id.index()]);
        regions.extend(reads.readers(id));
    }
    for regions in &mut regions {
        regions.sort_unstable();
        regions.dedup();
    }
    regions
}

/// Memory of a result, while it is not written.
struct Vacancy {
    slot: Slot,
    bytes: usize,
    /// The largest element it is aligned for.
    item: usize,
    /// The position of the first region that it is needed for.
    until: u32,
}

/// The most vacancies looked at for one block.
const MOST_VACANCIES: usize = 8;

/// A slot for each stored value, under this order of the regions.
pub(super) fn lay_out(graph: &Graph, order: &Order, blocks: &Blocks, regions: &[Vec<u32>]) -> Placement {
    let mut buffers = Vec::new();
    let mut slots = Vec::with_capacity(blocks.blocks.len());
    let mut lives = Vec::with_capacity(blocks.blocks.len());
    let mut vacancies = Vec::new();
    for (block, regions) in blocks.blocks.iter().zip(regions) {
        let positions = || regions.iter().map(|&region| order.position(region));
        let (first, last) = (positions().min().unwrap_or(0), positions().max().unwrap_or(0));
        let bytes = block.bytes;
        let mut result_memory = |slot, item| {
            vacancies.push(Vacancy { slot, bytes, item, until: first });
            slot
        };
        lives.push(pack::Block { first, last, bytes });
        slots.push(match block.home {
            Home::Plan => None,
            Home::Parameter(n) => Some(Slot::Parameter(n)),
            Home::Result(n) if graph.outputs()[n as usize].destination == Destination::Provided => {
                Some(result_memory(Slot::Output(n), block.item))
            }
            Home::Result(_) => {
                buffers.push(bytes);
                let buffer = Slot::Buffer(BufferId(buffers.len() as u32 - 1));
                Some(result_memory(buffer, pack::ALIGNMENT))
            }
        });
    }
    let mut own: Vec<usize> = (0..lives.len()).filter(|&n| slots[n].is_none()).collect();
    own.sort_by_key(|&n| Reverse(lives[n].last));
    vacancies.sort_by_key(|vacancy| vacancy.bytes);
    own.retain(|&n| {
        slots[n] = vacant(&mut vacancies, &lives[n], &blocks.blocks[n]);
        slots[n].is_none()
    });
    let packing = pack(&own.iter().map(|&n| lives[n]).collect::<Vec<_>>());
    for (&n, offset) in own.iter().zip(packing.offsets) {
        slots[n] = Some(Slot::Arena(offset));
    }
    let slot = |&(block, start): &(u32, usize)| match slots[block as usize] {
        Some(Slot::Arena(offset)) => Some(Slot::Arena(offset + start)),
        slot => slot,
    };
    let slots = blocks.of_node.iter().map(|place| place.as_ref().and_then(slot)).collect();
    Placement { slots, buffers, arena: packing.bytes }
}

/// The smallest vacancy that holds the block for its life; the blocks that live longest come first, so that
/// of a chain every other one fits.
fn vacant(vacancies: &mut [Vacancy], life: &pack::Block, block: &Block) -> Option<Slot> {
    if block.divided {
        return None;
    }
    let fitting = vacancies.partition_point(|vacancy| vacancy.bytes < life.bytes);
    let vacancy = vacancies[fitting..]
        .iter_mut()
        .take(MOST_VACANCIES)
        .find(|vacancy| life.last < vacancy.until && block.item <= vacancy.item)?;
    vacancy.until = life.first;
    Some(vacancy.slot)
}

/// From which end an order is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    Forward,
    Backward,
}

impl Direction {
    pub(super) const ALL: [Direction; 2] = [Direction::Forward, Direction::Backward];
}

/// The regions in an order that keeps few bytes alive: of those that may be next from that end, the one after which
/// the fewest are, and of equals the one that is next in the present order.
///
/// Neither end is always better: forward, a reduction follows at once what it reduces; backward, of the operands of a
/// region those that need little come last.
pub(super) fn least_memory(
    order: &Order,
    blocks: &[Block],
    regions: &[Vec<u32>],
    direction: Direction,
) -> Vec<u32> {
    let count = order.regions().len();
    let before = |region: u32| match direction {
        Direction::Forward => order.needs(region),
        Direction::Backward => order.feeds(region),
    };
    let after = |region: u32| match direction {
        Direction::Forward => order.feeds(region),
        Direction::Backward => order.needs(region),
    };
    let rank = |region: u32| match direction {
        Direction::Forward => order.position(region),
        Direction::Backward => count as u32 - 1 - order.position(region),
    };
    let mut schedule = Schedule::new(count, blocks, regions);
    let mut waiting: Vec<usize> = (0..count as u32).map(|region| before(region).len()).collect();
    let mut ready = BinaryHeap::new();
    let push = |ready: &mut BinaryHeap<_>, schedule: &Schedule<'_>, region: u32| {
        ready.push(Reverse((schedule.growth(region), rank(region), region)));
    };
    for region in (0..count as u32).filter(|&region| waiting[region as usize] == 0) {
        push(&mut ready, &schedule, region);
    }
    let mut at = Vec::with_capacity(count);
    while let Some(Reverse((_, _, region))) = ready.pop() {
        if schedule.done[region as usize] {
            continue;
        }
        at.push(region);
        for freeing in schedule.run(region) {
            if waiting[freeing as usize] == 0 {
                push(&mut ready, &schedule, freeing);
            }
        }
        for &next in after(region) {
            waiting[next as usize] -= 1;
            if waiting[next as usize] == 0 {
                push(&mut ready, &schedule, next);
            }
        }
    }
    if direction == Direction::Backward {
        at.reverse();
    }
    at
}

/// What is alive while regions run one after the other, from either end. Memory of results always is.
struct Schedule<'a> {
    blocks: &'a [Block],
    regions: &'a [Vec<u32>],
    /// The blocks that each region writes or reads.
    touched: Vec<Vec<usize>>,
    begun: Vec<bool>,
    /// How many regions that touch each block have not run.
    left: Vec<usize>,
    done: Vec<bool>,
}

impl Schedule<'_> {
    fn new<'a>(count: usize, blocks: &'a [Block], regions: &'a [Vec<u32>]) -> Schedule<'a> {
        let mut touched = vec![Vec::new(); count];
        for (n, regions) in regions.iter().enumerate().filter(|&(n, _)| blocks[n].home == Home::Plan) {
            for &region in regions {
                touched[region as usize].push(n);
            }
        }
        Schedule {
            blocks,
            regions,
            touched,
            begun: vec![false; blocks.len()],
            left: regions.iter().map(Vec::len).collect(),
            done: vec![false; count],
        }
    }

    /// Bytes that are alive after a region, were it the next, less those before it.
    fn growth(&self, region: u32) -> i128 {
        let bytes = |n: usize| self.blocks[n].bytes as i128;
        self.touched[region as usize]
            .iter()
            .map(|&n| match (self.begun[n], self.left[n] == 1) {
                (false, false) => bytes(n),
                (true, true) => -bytes(n),
                (false, true) | (true, false) => 0,
            })
            .sum()
    }

    /// Runs a region, and returns regions that have become the last to touch a block.
    fn run(&mut self, region: u32) -> Vec<u32> {
        self.done[region as usize] = true;
        let mut freeing = Vec::new();
        for &n in &self.touched[region as usize] {
            self.begun[n] = true;
            self.left[n] -= 1;
            if self.left[n] == 1 {
                freeing.extend(self.regions[n].iter().find(|&&region| !self.done[region as usize]));
            }
        }
        freeing
    }
}
