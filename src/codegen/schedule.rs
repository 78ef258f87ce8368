//! In which order the instructions of a block run, and over how many vectors at once.
//!
//! A block is run op by op over several vectors, its *copies*: their chains of dependent instructions
//! overlap, which hides latency better than the CPU does on its own. What that costs in registers decides how
//! many copies there are.
//!
//! Mask registers are few: an instruction that makes a mask waits for the first that uses it, and both are
//! done for one copy before the next. Stores come as soon as no stream is read any more, and no guard follows: a stream that
//! is written may be one that is read.

use smallvec::SmallVec;

use super::machine::{Block, Class, Info, Instruction, MachineProgram, Place, Value};

/// An instruction, by position, for a copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) inst: u16,
    pub(super) copy: u8,
}

/// The most copies of a body.
const MOST_COPIES: usize = 8;

/// The most steps of a body: code beyond would not stay in the first caches.
const MOST_STEPS: usize = 1600;

/// The instructions of a block in order, for each copy.
pub(super) fn steps<I: Instruction>(block: &Block<I>, values: &[Info], copies: usize) -> Vec<Step> {
    let order = order(block, values, copies);
    let mut steps = Vec::with_capacity(block.insts.len() * copies);
    let mut first = 0;
    for end in order.ends {
        let group = &order.insts[first..end];
        for copy in 0..copies as u8 {
            group.iter().for_each(|&inst| steps.push(Step { inst, copy }));
        }
        first = end;
    }
    steps
}

/// Instructions in groups that stay together.
struct Order {
    insts: Vec<u16>,
    /// Where each group ends.
    ends: Vec<usize>,
}

impl Order {
    /// The last instruction of a group.
    fn push(&mut self, inst: u16) {
        self.insts.push(inst);
        self.ends.push(self.insts.len());
    }
}

fn order<I: Instruction>(block: &Block<I>, values: &[Info], copies: usize) -> Order {
    let count = block.insts.len();
    let mut order = Order { insts: Vec::with_capacity(count), ends: Vec::with_capacity(count) };
    let mut stores: SmallVec<[u16; 8]> = SmallVec::new();
    // The instructions of masks that no instruction has needed yet, by value.
    let mut waiting: SmallVec<[(Value, u16); 8]> = SmallVec::new();
    for n in sequence(block, values, copies) {
        let inst = &block.insts[n];
        match inst.dst() {
            None => stores.push(n as u16),
            Some(dst) if values[dst.index()].class == Class::Mask => waiting.push((dst, n as u16)),
            Some(_) => {
                if !waiting.is_empty() {
                    needed_masks(block, &mut waiting, n, &mut order.insts);
                }
                match is_taken_at_once(block, n) {
                    true => order.insts.push(n as u16),
                    false => order.push(n as u16),
                }
            }
        }
    }
    if stores.len() < 2 {
        stores.into_iter().for_each(|store| order.push(store));
        return order;
    }
    with_stores(block, values, &order, &stores)
}

/// Whether an instruction's value comes from a table and the next one takes it: both are done for one copy before the next, so
/// that entries for all copies need no registers.
fn is_taken_at_once<I: Instruction>(block: &Block<I>, n: usize) -> bool {
    let inst = &block.insts[n];
    let next = block.insts.get(n + 1);
    inst.is_taken_at_once()
        && next.is_some_and(|next| {
            next.dst().is_some() && next.args().iter().any(|&arg| Some(arg) == inst.dst())
        })
}

/// The instructions in the order they are in, but where one would wait for a division, others that need not wait come
/// first. All copies divide one after the other, longer than the CPU looks ahead.
fn sequence<I: Instruction>(block: &Block<I>, values: &[Info], copies: usize) -> SmallVec<[usize; 64]> {
    /// Instructions that are looked through for one that need not wait.
    const AHEAD: usize = 64;
    /// Half cycles that the CPU hides.
    const HIDDEN: u32 = 32;
    const LATENCY: u32 = 8;
    let mut waiting: SmallVec<[usize; 64]> = (0..block.insts.len()).collect();
    if copies == 1 || !block.insts.iter().any(|inst| inst.dividing().is_some()) {
        return waiting;
    }
    let mut sequence = SmallVec::with_capacity(waiting.len());
    // When each value is there; that of an instruction which is not placed yet, never.
    let mut ready = vec![0u32; values.len()];
    for dst in block.insts.iter().filter_map(|inst| inst.dst()) {
        ready[dst.index()] = u32::MAX;
    }
    let copies = copies as u32;
    let (mut now, mut divider) = (0u32, 0u32);
    while !waiting.is_empty() {
        let wait = |&n: &usize| {
            let args = block.insts[n].args().iter().map(|arg| ready[arg.index()]);
            args.max().unwrap_or(0)
        };
        let candidates = &waiting[..waiting.len().min(AHEAD)];
        // A store is the end of what it stores.
        let is_ready = |n: &usize| block.insts[*n].dst().is_some() && wait(n) <= now + HIDDEN;
        let earliest = || (0..candidates.len()).min_by_key(|&at| wait(&candidates[at])).unwrap_or(0);
        let at = candidates.iter().position(is_ready).unwrap_or_else(earliest);
        let n = waiting.remove(at);
        let inst = &block.insts[n];
        let begin = now.max(wait(&n));
        let end = match inst.dividing() {
            Some(time) => {
                divider = divider.max(begin) + copies * time;
                divider
            }
            None => begin,
        };
        if let Some(dst) = inst.dst() {
            ready[dst.index()] = end + LATENCY;
        }
        now = now.max(begin.saturating_sub(HIDDEN)) + copies;
        sequence.push(n);
    }
    sequence
}

/// The order with stores put in where their values are there and nothing is read any more.
fn with_stores<I: Instruction>(block: &Block<I>, values: &[Info], order: &Order, stores: &[u16]) -> Order {
    let is_lanes = |place: Place| matches!(place, Place::Unit(_) | Place::Pair(..));
    let reads_stream = |value: &Value| values[value.index()].home.is_some_and(|home| is_lanes(home.place));
    let inst = |n: usize| &block.insts[usize::from(order.insts[n])];
    let is_before = |inst: &I| inst.is_guard() || inst.args().iter().any(reads_stream);
    let read = (0..order.insts.len()).rfind(|&n| is_before(inst(n))).unwrap_or(0);
    let mut at: SmallVec<[(usize, u16); 8]> = stores
        .iter()
        .map(|&store| {
            let value = block.insts[usize::from(store)].args()[0];
            let made = (0..order.insts.len()).find(|&n| inst(n).dst() == Some(value)).unwrap_or(0);
            (made.max(read), store)
        })
        .collect();
    at.sort();
    let mut at = at.into_iter().peekable();
    let mut merged = Order { insts: Vec::with_capacity(block.insts.len()), ends: Vec::new() };
    let mut first = 0;
    for &end in &order.ends {
        merged.insts.extend_from_slice(&order.insts[first..end]);
        merged.ends.push(merged.insts.len());
        first = end;
        while let Some((_, store)) = at.next_if(|&(position, _)| position < end) {
            merged.push(store);
        }
    }
    at.for_each(|(_, store)| merged.push(store));
    merged
}

/// Takes the masks that an instruction needs, and those that they need, from the waiting ones.
fn needed_masks<I: Instruction>(
    block: &Block<I>,
    waiting: &mut SmallVec<[(Value, u16); 8]>,
    inst: usize,
    insts: &mut Vec<u16>,
) {
    for arg in block.insts[inst].args() {
        let Some(position) = waiting.iter().position(|&(value, _)| value == *arg) else { continue };
        let (_, mask) = waiting.remove(position);
        needed_masks(block, waiting, usize::from(mask), insts);
        insts.push(mask);
    }
}

/// The most vectors that are alive at once in one copy of a block, those with a shared home aside.
fn peak<I: Instruction>(block: &Block<I>, values: &[Info]) -> usize {
    let is_local = |value: Value| {
        let info = values[value.index()];
        info.class == Class::Vector && info.home.is_none_or(|home| !home.is_shared())
    };
    let mut is_alive = vec![false; values.len()];
    let (mut alive, mut most) = (0usize, 0);
    for inst in block.insts.iter().rev() {
        if let Some(dst) = inst.dst()
            && is_alive[dst.index()]
        {
            is_alive[dst.index()] = false;
            alive -= 1;
        }
        for &arg in inst.args() {
            if is_local(arg) && !is_alive[arg.index()] {
                is_alive[arg.index()] = true;
                alive += 1;
            }
        }
        // What is read once from memory is an operand there.
        most = most.max(alive);
    }
    most
}

/// How a body is run.
pub(super) struct Shape {
    /// How many vectors at once.
    pub(super) copies: usize,
    /// How many registers constants may keep.
    pub(super) pinned: usize,
    /// In how many parts accumulations are in registers while the body is repeated, if they are: over one part of their lanes
    /// in [`TURNS`] turns, each of which goes through all lanes once, then over the next part of the same turns.
    pub(super) parts: Option<usize>,
}

/// What a target allows a shape.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Vector registers.
    pub(super) registers: usize,
    /// Parts of accumulations' lanes.
    pub(super) parts: usize,
}

/// Registers that the instructions of a body need at least.
const FEWEST_FREE: usize = 7;

/// Turns of a part before the next part. With four, sums of what the second-level cache holds take a tenth less time, and those
/// of what no cache holds a tenth more, since memory is read in pieces (Zen 1).
pub(super) const TURNS: usize = 2;

/// The shape of a body with so many shared values. `vectors` are those of each accumulator's lanes; `forced`
/// is a number of copies that a test wants.
fn shape<I: Instruction, T>(
    program: &MachineProgram<I, T>,
    bounds: Bounds,
    shared: usize,
    vectors: &[usize],
    forced: Option<usize>,
) -> Shape {
    let registers = bounds.registers;
    let ops = program.repeated().insts.len().max(1);
    let peak = peak(program.repeated(), &program.values).max(1);
    let constants = shared.min(registers / 3);
    // Where a body takes all registers, a constant that keeps one makes others be spilled. With 5 of the 16 of AVX2 kept, exp,
    // log and tanh of `f64` took a quarter longer than with 2, expm1 two thirds (Zen 3).
    let fewest_pinned = if registers <= 16 { constants.min(2) } else { constants };
    // Registers that a body of so many copies needs without spilling.
    let needs = |copies: usize| copies * peak + constants;
    let fewest = vectors.iter().copied().min();
    if let Some(turn) = fewest
        && vectors.iter().all(|&one| one == turn)
    {
        let halves = std::iter::successors(Some(1), |parts| Some(parts * 2));
        for count in halves.take_while(|&count| count <= bounds.parts.min(turn)) {
            let copies = turn / count;
            let accumulators = copies * vectors.len();
            let fits = needs(copies) + accumulators <= registers;
            let steps = turn * ops * if count == 1 { 1 } else { TURNS };
            if forced.map_or(fits, |forced| forced == copies)
                && accumulators + FEWEST_FREE <= registers
                && steps <= MOST_STEPS / 4
            {
                let spare = registers.saturating_sub(copies * peak + accumulators);
                let pinned = shared.min(spare).min(registers - accumulators - FEWEST_FREE);
                return Shape { copies, pinned, parts: Some(count) };
            }
        }
    }
    let mut copies = MOST_COPIES;
    while copies > 1 && needs(copies) > registers {
        copies /= 2;
    }
    if ops >= 20 {
        copies = copies.max(4);
    }
    while copies > 1 && copies * ops > MOST_STEPS {
        copies /= 2;
    }
    copies = forced.unwrap_or(copies);
    if let Some(fewest) = fewest {
        // A power of two, so that a body stays within the lanes of every accumulator.
        copies = 1 << copies.min(fewest).max(1).ilog2();
    }
    let spare = registers.saturating_sub(copies * peak).max(fewest_pinned);
    Shape { copies, pinned: shared.min(spare).min(registers - FEWEST_FREE), parts: None }
}

/// The shared values that keep a register, with it, and the shape of the body.
pub(super) fn pinned<I: Instruction, T>(
    program: &MachineProgram<I, T>,
    bounds: Bounds,
    forced: Option<usize>,
) -> (Vec<(Value, u8)>, Shape) {
    let mut uses = vec![0u32; program.values.len()];
    for inst in &program.repeated().insts {
        for arg in inst.args() {
            uses[arg.index()] += 1;
        }
    }
    let is_shared = |n: &usize| {
        let info = program.values[*n];
        uses[*n] > 0 && info.class == Class::Vector && info.home.is_some_and(|home| home.is_shared())
    };
    let mut shared: Vec<usize> = (0..program.values.len()).filter(is_shared).collect();
    let accumulators = program.accumulators.iter();
    let vectors: SmallVec<[usize; 4]> = accumulators.map(|one| one.count / program.lanes).collect();
    let shape = shape(program, bounds, shared.len(), &vectors, forced);
    shared.sort_by_key(|&n| std::cmp::Reverse(uses[n]));
    let last = bounds.registers as u8 - 1;
    let registers = (0..=last).rev();
    let pinned = shared.into_iter().take(shape.pinned).map(|n| Value(n as u16)).zip(registers).collect();
    (pinned, shape)
}
