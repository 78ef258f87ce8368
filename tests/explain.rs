//! Plans that explain themselves, in Rust: measured, compared, as a page; and work that is done again.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use raptors::array::{Array, Donation, Leaf, Memory};
use raptors::plan::Level;
use raptors::recomputed::recomputed;
use raptors::{DType, Options, Plan, Shape, lazy};

#[test]
fn a_measured_plan_has_a_time_for_each_kernel() {
    let x = lazy(vec![0.5f32; 4096]).reshape(&[64, 64]);
    let y = &x - x.mean(&[1]).reshape(&[64, 1]);
    let plan = Plan::analyze(&[&y], &Options::default()).unwrap();
    let measured = plan.measured().unwrap();
    assert_eq!(measured.kernels.len(), plan.kernels());
    assert!(
        measured.kernels.iter().map(|kernel| kernel.time).sum::<std::time::Duration>() <= measured.fastest
    );
    assert!(plan.explain().contains("GFLOP/s"));
    assert!(y.plan().unwrap().measured().is_none());
}

#[test]
fn measuring_overwrites_a_copy() {
    let mut values = vec![1.0f32; 1000];
    // SAFETY: `values` outlive the array, and are used after its evaluations only.
    let memory = unsafe { Memory::new(values.as_mut_ptr().cast(), Box::new(())) };
    let leaf = Leaf::new(memory, [4isize].into_iter().collect(), false, Donation::Yes);
    let y = Array::from_leaf(leaf, DType::F32, Shape::new(&[1000]).unwrap(), None) * 2.0f32;
    let plan = Plan::analyze(&[&y], &Options::default()).unwrap();
    assert_eq!((plan.buffers(), plan.measured().unwrap().kernels.len()), (0, 1));
    drop(y);
    assert_eq!(values, vec![1.0; 1000]);
}

#[test]
fn plans_are_compared() {
    let x = lazy(vec![0.5f32; 4096]).reshape(&[64, 64]);
    let y = x.sqrt() * 3.0f32;
    let (plain, reduced) = (y.plan().unwrap(), (&y - y.sum(&[0])).plan().unwrap());
    assert_eq!(plain.diff(&y.plan().unwrap()), "");
    let diff = plain.diff(&reduced);
    assert!(diff.lines().any(|line| line == "  + sum") && diff.contains("kernels   1 -> 2"), "{diff}");
}

#[test]
fn a_level_shows_what_those_above_it_do() {
    let plan = (lazy(vec![0.5f32; 64]).sqrt() * 3.0f32).plan().unwrap();
    let (above, below) = (plan.explain_at(Level::Plan), plan.explain_at(Level::Lane));
    assert!(below.contains("load m0") && !above.contains("load m0"));
    assert!(above.lines().all(|line| below.lines().any(|other| other == line)));
    assert_eq!(Level::ALL.map(|level| Level::from_name(level.name())), Level::ALL.map(Some));
}

#[test]
fn a_page_is_one_file_and_keeps_texts_apart() {
    let page = (lazy(vec![0.5f32; 64]).sqrt() * 3.0f32).plan().unwrap().html();
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    assert_eq!(page.matches("<script").count(), 2);
    assert!(!page.contains("src=") && !page.contains("href="));
}

#[test]
fn what_is_computed_again_is_recorded_by_its_line() {
    let shared = lazy(vec![0.5f32; 64]).sqrt() * 3.0f32;
    let line = line!() - 1;
    (&shared + 1.0f32).eval().unwrap();
    let known = || {
        let here =
            |source| raptors::source::resolve(source).is_some_and(|at| at.file == file!() && at.line == line);
        recomputed().0.into_iter().find(|entry| entry.source.is_some_and(here))
    };
    assert_eq!(known(), None);
    (&shared - 1.0f32).eval().unwrap();
    let entry = known().unwrap();
    assert_eq!((entry.op, entry.times, entry.ops), ("multiply", 1, 2));
}
