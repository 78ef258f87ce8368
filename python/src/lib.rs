//! Python bindings of raptors: the extension module `raptors._core`.
//!
//! The class [`array::Array`] and the module functions make nodes of `raptors::Array`; nothing computes here. Start at
//! `operators` for the path from `x + y` to a node, at `value` for the one from a node to an ndarray.

mod array;
mod entry;
mod operators;
mod operand;
mod options;
mod source;
mod elementwise;
mod reductions;
mod sorting;
mod views;
mod pad;
mod index;
mod indexing;
mod creation;
mod dtype;
mod lazy;
mod list;
mod buffer;
mod dlpack;
mod numpy;
mod ufunc;
mod protocols;
mod value;
mod detached;
mod request;
mod plan;
mod evaluations;
mod compile;
mod graph;
mod memory;
mod accelerate;
mod error;

use pyo3::prelude::*;

// What modules and classes share is behind locks or atomic, so no GIL is needed to keep threads apart.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    source::start();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<array::Array>()?;
    module.add_class::<dtype::PyDType>()?;
    module.add_class::<plan::Plan>()?;
    module.add_class::<evaluations::Evaluations>()?;
    module.add_class::<options::ScopedOptions>()?;
    module.add_class::<graph::Graph>()?;
    module.add_class::<request::Request>()?;
    module.add_class::<compile::CompiledFunction>()?;
    operators::name_in_place(&module.py().get_type::<array::Array>())?;
    dtype::add_to(module)?;
    elementwise::add_to(module)?;
    reductions::add_to(module)?;
    sorting::add_to(module)?;
    indexing::add_to(module)?;
    views::add_to(module)?;
    creation::add_to(module)?;
    macro_rules! add {
        ($($function:path)*) => { $(module.add_function(wrap_pyfunction!($function, module)?)?;)* };
    }
    add! {
        lazy::lazy lazy::asarray request::eval request::eval_async compile::compile pad::pad
        plan::plan plan::diff plan::cache_info plan::clear_plan_cache
        evaluations::evaluations evaluations::reset_evaluations
        plan::get_num_threads plan::set_num_threads elementwise::op_table
        detached::show_progress
        memory::memory_stats memory::memory_trim memory::memory_set_limit memory::memory_reset_peak
        accelerate::accelerate_is_present accelerate::accelerate_calibration_path accelerate::accelerate_calibrate
    }
    entry::add_to(module)
}
