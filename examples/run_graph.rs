//! Runs a graph saved as text on random inputs: `cargo run --example run_graph -- graph.rir [seed]`.
//!
//! `RAPTORS_DUMP_DIR=graphs` makes any program write the graphs it compiles.

use std::error::Error;

use raptors::{DType, Tensor, ir, random_inputs, run_graph, source};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: run_graph graph.rir [seed]")?;
    let seed = arguments.next().map_or(Ok(0), |seed| seed.parse())?;
    let text = std::fs::read_to_string(&path)?;
    let graph = ir::load(&text, source::of_text(&path)).map_err(|error| format!("{path}:{error}"))?;
    let results = run_graph(&graph, &random_inputs(&graph, seed)?)?;
    for (number, result) in results.iter().enumerate() {
        println!("result {number}: {} {} {}", result.dtype(), result.shape(), beginning(result));
    }
    Ok(())
}

/// The first elements.
fn beginning(tensor: &Tensor) -> String {
    fn of<T: raptors::Element>(tensor: &Tensor) -> String {
        let elements = tensor.as_slice::<T>().unwrap_or_default();
        list(elements.iter().map(|element| format!("{element:?}")))
    }
    fn of_parts<T: raptors::Element>(tensor: &Tensor) -> String {
        let elements = tensor.as_parts::<T>().unwrap_or_default();
        list(elements.iter().map(|[re, im]| format!("({re:?}, {im:?})")))
    }
    fn list(elements: impl ExactSizeIterator<Item = String>) -> String {
        let more = if elements.len() > 8 { ", ..." } else { "" };
        format!("[{}{more}]", elements.take(8).collect::<Vec<_>>().join(", "))
    }
    let dtype: DType = tensor.dtype();
    ir::dispatch_dtype!(dtype, T => of::<T>(tensor), complex => match dtype {
        DType::C64 => of_parts::<f32>(tensor),
        _ => of_parts::<f64>(tensor),
    })
}
