//! How long planning takes: graphs of several shapes and sizes, each planned as if never seen.
//!
//! `cargo run --release --example planning_time [shape] [nodes] [repetitions]`. A row is a graph. Its figures are the
//! smallest of many repetitions, in nanoseconds a node: of each stage; of the rest, which is to number the nodes and to look
//! up and keep the plan; and their sum, from arrays to a program. One shape, one size and one repetition under
//! `valgrind --tool=callgrind` count instructions, which repeat.

use std::time::{Duration, Instant};

use raptors::{Array, Plan, clear_plan_cache, lazy, ops};

type Error = Box<dyn std::error::Error>;

/// A way to make arrays of about this many nodes.
type Shape = (&'static str, fn(usize) -> Result<Vec<Array>, Error>);

/// A stage of planning and its time.
type Stage = (&'static str, Duration);

const SHAPES: &[Shape] = &[
    ("arithmetic", arithmetic),
    ("options", options),
    ("chain", chain),
    ("tree", tree),
    ("fibonacci", fibonacci),
    ("siblings", siblings),
    ("reductions", reductions),
    ("fan-in", fan_in),
    ("views", views),
    ("products", products),
    ("layernorms", layernorms),
    ("softmaxes", softmaxes),
];
const SIZES: &[usize] = &[10, 116, 1_000, 10_000];

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size: Option<usize> = arguments.get(1).map(|size| size.parse()).transpose()?;
    let repetitions: Option<usize> = arguments.get(2).map(|count| count.parse()).transpose()?;
    let mut has_title = false;
    for (name, make) in SHAPES.iter().filter(|(name, _)| arguments.first().is_none_or(|only| only == name)) {
        for &nodes in SIZES.iter().filter(|&&nodes| size.is_none_or(|only| only == nodes)) {
            let repetitions = repetitions.unwrap_or((200_000 / nodes).clamp(10, 1_000));
            let arrays = make(nodes)?;
            let results: Vec<&Array> = arrays.iter().collect();
            let (stages, captured) = smallest(&results, repetitions)?;
            if !has_title {
                let names: String = stages.iter().map(|(name, _)| format!("{name:>9}")).collect();
                println!("{:<11}{:>6}{names}{:>9}{:>12}", "shape", "nodes", "all", "together");
                has_title = true;
            }
            let all: Duration = stages.iter().map(|(_, time)| time).sum();
            let each = |time: &Duration| format!("{:>9.0}", time.as_secs_f64() * 1e9 / captured as f64);
            let figures: String = stages.iter().map(|(_, time)| each(time)).collect();
            println!("{name:<11}{captured:>6}{figures}{}{:>9.1} us", each(&all), all.as_secs_f64() * 1e6);
        }
    }
    Ok(())
}

/// The smallest time of each stage, and the number of nodes.
fn smallest(results: &[&Array], repetitions: usize) -> Result<(Vec<Stage>, usize), Error> {
    let mut smallest: Vec<Stage> = Vec::new();
    let mut nodes = 0;
    for _ in 0..repetitions {
        clear_plan_cache();
        let start = Instant::now();
        let plan = Plan::new(results)?;
        let all = start.elapsed();
        nodes = plan.nodes();
        let mut stages = plan.stages();
        stages.push(("rest", all.saturating_sub(stages.iter().map(|(_, time)| time).sum())));
        match smallest.is_empty() {
            true => smallest = stages,
            false => {
                smallest.iter_mut().zip(stages).for_each(|(known, (_, time))| known.1 = known.1.min(time))
            }
        }
    }
    Ok((smallest, nodes))
}

fn input(len: usize) -> Array {
    lazy(vec![1.0f32; len])
}

fn arithmetic(nodes: usize) -> Result<Vec<Array>, Error> {
    let y = input(1000);
    let mut x = y.clone();
    for n in 0..nodes {
        x = match n % 5 {
            0 => x + 1.25f32,
            1 => x * &y,
            2 => x - &y,
            3 => x.maximum(&y),
            _ => x.minimum(&y),
        };
    }
    Ok(vec![x])
}

/// Prices of call options (Black and Scholes), one from the other.
fn options(nodes: usize) -> Result<Vec<Array>, Error> {
    let cdf = |x: &Array| -> Array {
        let size = x.abs();
        let k = 1.0f32 / (1.0f32 + 0.231_641_9f32 * &size);
        let mut poly = 1.330_274_5f32 * &k;
        for c in [-1.821_256f32, 1.781_478, -0.356_563_8, 0.319_381_54] {
            poly = &k * (c + poly);
        }
        let tail = 0.398_942_3f32 * (-0.5f32 * &size * &size).exp() * poly;
        (1.0f32 - &tail).choose(&x.greater(0.0f32), &tail)
    };
    let (mut price, strike, time) = (input(1000), input(1000), input(1000));
    for _ in 0..nodes.div_ceil(58) {
        let root = time.sqrt();
        let first = ((&price / &strike).log() + 0.07f32 * &time) / (0.2f32 * &root);
        let second = &first - 0.2f32 * &root;
        let paid = &strike * (-0.05f32 * &time).exp() * cdf(&second);
        price = price * cdf(&first) - paid;
    }
    Ok(vec![price])
}

fn chain(nodes: usize) -> Result<Vec<Array>, Error> {
    let (mut x, y) = (input(64), input(64));
    for n in 0..nodes - 2 {
        x = match n % 4 {
            0 => x + &y,
            1 => x * &y,
            2 => x.sqrt(),
            _ => x - &y,
        };
    }
    Ok(vec![x])
}

fn tree(nodes: usize) -> Result<Vec<Array>, Error> {
    let mut level: Vec<Array> = (0..nodes.div_ceil(2)).map(|_| input(64)).collect();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| pair.iter().skip(1).fold(pair[0].clone(), |x, y| x + y)).collect();
    }
    Ok(level)
}

fn fibonacci(nodes: usize) -> Result<Vec<Array>, Error> {
    let (mut previous, mut x) = (input(64), input(64));
    for _ in 0..nodes - 2 {
        (previous, x) = (x.clone(), x + previous);
    }
    Ok(vec![x])
}

fn siblings(nodes: usize) -> Result<Vec<Array>, Error> {
    let x = input(64);
    Ok((0..nodes / 4).map(|n| (&x * (n + 3) as f32).sqrt() + &x).collect())
}

fn reductions(nodes: usize) -> Result<Vec<Array>, Error> {
    let mut x = input(64);
    for _ in 0..nodes / 3 {
        let sum = x.sum(&[0]);
        x = (x - &sum) * &sum;
    }
    Ok(vec![x])
}

fn fan_in(nodes: usize) -> Result<Vec<Array>, Error> {
    let parts: Vec<Array> = (0..nodes / 3).map(|_| input(64).sqrt()).collect();
    let parts: Vec<&Array> = parts.iter().collect();
    Ok(vec![ops::stack(&parts, 0, None)?])
}

fn views(nodes: usize) -> Result<Vec<Array>, Error> {
    let mut x = lazy(vec![1.0f32; 64]).reshape(&[8, 8]);
    for _ in 0..nodes / 4 {
        x = (x.transpose() + 1.0f32).transpose() * &x;
    }
    Ok(vec![x])
}

fn products(nodes: usize) -> Result<Vec<Array>, Error> {
    let y = lazy(vec![1.0f32; 64]).reshape(&[8, 8]);
    let mut x = y.clone();
    for _ in 0..nodes / 2 {
        x = ops::matmul(&x, &y, None)?.sqrt();
    }
    Ok(vec![x])
}

fn rows() -> Array {
    lazy(vec![1.0f32; 64 * 64]).reshape(&[64, 64])
}

fn layernorms(nodes: usize) -> Result<Vec<Array>, Error> {
    let mut x = rows();
    for _ in 0..nodes / 16 {
        let centered = &x - x.mean(&[1]).reshape(&[64, 1]);
        let variance = (&centered * &centered).mean(&[1]).reshape(&[64, 1]);
        x = centered / (variance + 1e-5f32).sqrt();
    }
    Ok(vec![x])
}

fn softmaxes(nodes: usize) -> Result<Vec<Array>, Error> {
    let mut x = rows();
    for _ in 0..nodes / 9 {
        let top = x.max(&[1]).reshape(&[64, 1]);
        let e = (x - top).exp();
        x = &e / e.sum(&[1]).reshape(&[64, 1]);
    }
    Ok(vec![x])
}
