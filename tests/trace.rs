//! Plans, allocations and kernels as spans of the crate `tracing`.

#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use raptors::lazy;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

type Fields = BTreeMap<&'static str, String>;

/// Keeps each span that begins, with its fields.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(&'static str, Fields)>>>);

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "raptors"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        struct Collect(Fields);
        impl Visit for Collect {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0.insert(field.name(), format!("{value:?}"));
            }
        }
        let mut fields = Collect(Fields::new());
        span.record(&mut fields);
        let mut spans = self.0.lock().unwrap();
        spans.push((span.metadata().name(), fields.0));
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn an_evaluation_is_spans_with_its_kernels() {
    let spans = Spans::default();
    let values: Vec<f32> = (0..777).map(|n| n as f32).collect();
    tracing::subscriber::with_default(spans.clone(), || {
        (lazy(&values) * 2.5 + 1.5).eval().unwrap();
    });
    (lazy(&values) * 3.5).eval().unwrap();
    let spans = spans.0.lock().unwrap();
    let named =
        |name: &str| spans.iter().filter(|span| span.0 == name).map(|span| &span.1).collect::<Vec<_>>();
    assert_eq!(named("run").len(), 1);
    assert_eq!(named("plan").len(), 1);
    assert!(named("stage").iter().any(|stage| stage["op"] == "\"lower\""));
    let [kernel] = named("kernel")[..] else { panic!("one kernel: {spans:?}") };
    assert_eq!(kernel["op"], "\"multiply, add\"");
    assert_eq!(kernel["n"], "777");
    assert_eq!(kernel["bytes"], (2 * 777 * 4).to_string());
    assert_eq!(named("alloc")[0]["bytes"], (777 * 4).to_string());
}
