//! Where time goes, as spans: in a file for a trace viewer (`RAPTORS_TRACE_FILE`), and, with the feature `tracing`, to the
//! subscribers of that crate.
//!
//! The file has the trace event format of Chrome, which Perfetto reads too: an array of one event a line, that needs no end,
//! so that it can be looked at while the process runs or after it died. `%p` in its name is the number of the process; without,
//! a forked child writes to its parent's file. A thread keeps its events until its outermost span ends, and writes them in one
//! call. Where nothing is wanted, a span costs one load.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::time::Instant;

/// What a span is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// An evaluation, or a call of a function, once its plan is known.
    Run,
    /// Making a plan.
    Plan,
    /// One stage of that.
    Stage,
    /// Getting memory for results and for values between.
    Alloc,
    /// A step of a program.
    Kernel,
    /// A part of a step, on a thread that helps.
    Chunk,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Run => "run",
            Kind::Plan => "plan",
            Kind::Stage => "stage",
            Kind::Alloc => "alloc",
            Kind::Kernel => "kernel",
            Kind::Chunk => "chunk",
        }
    }
}

/// What is said about a span.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) kind: Kind,
    /// What is done: for a kernel its ops.
    pub(crate) op: Cow<'static, str>,
    /// How many: nodes of a plan, steps of a run, elements of a kernel, the number of a chunk.
    pub(crate) n: usize,
    /// Bytes that are allocated, or read and written.
    pub(crate) bytes: usize,
    /// What does it: machine code, an entry of a library.
    pub(crate) provider: Cow<'static, str>,
}

impl About {
    pub(crate) fn new(kind: Kind) -> About {
        About { kind, op: kind.name().into(), n: 0, bytes: 0, provider: "".into() }
    }
}

/// A span, from when it was made to when it is dropped.
#[must_use]
#[derive(Debug)]
pub(crate) struct Span {
    begun: Option<Begun>,
    #[cfg(feature = "tracing")]
    _entered: Option<tracing::span::EnteredSpan>,
}

#[derive(Debug)]
struct Begun {
    about: About,
    start: Instant,
}

/// Begins a span, where somebody wants it.
#[inline]
pub(crate) fn span(about: impl FnOnce() -> About) -> Span {
    if !is_wanted() {
        return Span {
            begun: None,
            #[cfg(feature = "tracing")]
            _entered: None,
        };
    }
    begin(about())
}

#[cold]
fn begin(about: About) -> Span {
    #[cfg(feature = "tracing")]
    let _entered = entered(&about);
    let begun = file().is_some().then(|| {
        EVENTS.with_borrow_mut(|events| events.depth += 1);
        Begun { about, start: Instant::now() }
    });
    Span {
        begun,
        #[cfg(feature = "tracing")]
        _entered,
    }
}

/// Writes down a span that took place already.
pub(crate) fn note(about: impl FnOnce() -> About, start: Instant, end: Instant) {
    if wanted() == SOMEBODY {
        EVENTS.with_borrow_mut(|events| events.push(&about(), start, end));
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(Begun { about, start }) = self.begun.take() else { return };
        let end = Instant::now();
        // A thread that ends keeps nothing.
        let _ = EVENTS.try_with(|events| {
            let events = &mut *events.borrow_mut();
            events.push(&about, start, end);
            events.depth -= 1;
            if events.depth == 0 || events.text.len() > ENOUGH {
                events.write();
            }
        });
    }
}

/// Bytes of events that are written though the outermost span goes on.
const ENOUGH: usize = 1 << 16;

/// Whether somebody wants spans.
#[inline]
pub(crate) fn is_wanted() -> bool {
    #[cfg(feature = "tracing")]
    if tracing::enabled!(target: "raptors", tracing::Level::DEBUG) {
        return true;
    }
    wanted() == SOMEBODY
}

/// Whether there is a file, which is found out once.
static WANTED: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const NOBODY: u8 = 1;
const SOMEBODY: u8 = 2;

#[inline]
fn wanted() -> u8 {
    match WANTED.load(Relaxed) {
        UNKNOWN => find_out(),
        known => known,
    }
}

#[cold]
fn find_out() -> u8 {
    let wanted = if file().is_some() { SOMEBODY } else { NOBODY };
    WANTED.store(wanted, Relaxed);
    wanted
}

struct Trace {
    file: File,
    /// Zero of the time line.
    start: Instant,
}

/// The file, if there is to be one.
fn file() -> Option<&'static Trace> {
    static FILE: OnceLock<Option<Trace>> = OnceLock::new();
    FILE.get_or_init(|| {
        let name = std::env::var("RAPTORS_TRACE_FILE").ok().filter(|name| !name.is_empty())?;
        let name = name.replace("%p", &std::process::id().to_string());
        // Events of threads and of forked children come one after the other at the end.
        let opened = File::create(&name).and_then(|_| OpenOptions::new().append(true).open(&name));
        match opened.and_then(|mut file| file.write_all(b"[\n").map(|()| file)) {
            Ok(file) => Some(Trace { file, start: Instant::now() }),
            Err(error) => {
                // It is for who debugs, and stops nothing.
                eprintln!("raptors: RAPTORS_TRACE_FILE: {name}: {error}");
                None
            }
        }
    })
    .as_ref()
}

/// Events of a thread that are not yet written.
struct Events {
    text: String,
    /// Spans that are open.
    depth: usize,
    /// The thread's number, and of which process it has been told.
    thread: u32,
    introduced: u32,
}

thread_local! {
    static EVENTS: RefCell<Events> = RefCell::new(Events::new());
}

impl Events {
    fn new() -> Events {
        static THREADS: AtomicU32 = AtomicU32::new(1);
        Events { text: String::new(), depth: 0, thread: THREADS.fetch_add(1, Relaxed), introduced: 0 }
    }

    fn push(&mut self, about: &About, start: Instant, end: Instant) {
        let Some(trace) = file() else { return };
        let process = std::process::id();
        if self.introduced != process {
            self.introduced = process;
            let current = std::thread::current();
            let name = current.name().unwrap_or("thread");
            let args = Json(&[("name", &name)]);
            let (thread, text) = (&self.thread, &mut self.text);
            line(
                text,
                &[
                    ("name", &"thread_name"),
                    ("ph", &"M"),
                    ("pid", &process),
                    ("tid", thread),
                    ("args", &args),
                ],
            );
        }
        let micros =
            |instant: Instant| instant.saturating_duration_since(trace.start).as_nanos() as f64 / 1e3;
        let About { kind, op, n, bytes, provider } = about;
        let args: &[(&str, &dyn Value)] = match kind {
            Kind::Run => &[("steps", n)],
            Kind::Plan => &[("nodes", n)],
            Kind::Stage => &[],
            Kind::Alloc => &[("bytes", bytes)],
            Kind::Kernel => &[("n", n), ("bytes", bytes), ("provider", provider)],
            Kind::Chunk => &[("number", n)],
        };
        let fields: &[(&str, &dyn Value)] = &[
            ("name", op),
            ("cat", &kind.name()),
            ("ph", &"X"),
            ("ts", &micros(start)),
            ("dur", &(micros(end) - micros(start))),
            ("pid", &process),
            ("tid", &self.thread),
            ("args", &Json(args)),
        ];
        line(&mut self.text, fields);
    }

    fn write(&mut self) {
        if let Some(trace) = file() {
            // A full disk costs the rest of the trace.
            let _ = (&trace.file).write_all(self.text.as_bytes());
        }
        self.text.clear();
    }
}

/// Adds an event of these fields.
fn line(text: &mut String, fields: &[(&str, &dyn Value)]) {
    Json(fields).write(text);
    text.push_str(",\n");
}

/// What an event says of something.
trait Value {
    fn write(&self, text: &mut String);
}

/// An object of these fields.
struct Json<'a>(&'a [(&'a str, &'a dyn Value)]);

impl Value for Json<'_> {
    fn write(&self, text: &mut String) {
        text.push('{');
        for (place, (name, value)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let _ = write!(text, "{comma}\"{name}\":");
            value.write(text);
        }
        text.push('}');
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Value for $number {
            fn write(&self, text: &mut String) {
                let _ = write!(text, "{self}");
            }
        })*
    };
}

numbers!(usize, u32);

/// Microseconds, to the nanosecond.
impl Value for f64 {
    fn write(&self, text: &mut String) {
        let _ = write!(text, "{self:.3}");
    }
}

impl Value for &str {
    fn write(&self, text: &mut String) {
        text.push('"');
        for char in self.chars() {
            match char {
                '"' | '\\' => text.extend(['\\', char]),
                control if control < ' ' => text.push(' '),
                other => text.push(other),
            }
        }
        text.push('"');
    }
}

impl Value for Cow<'static, str> {
    fn write(&self, text: &mut String) {
        (&**self).write(text);
    }
}

#[cfg(feature = "tracing")]
fn entered(about: &About) -> Option<tracing::span::EnteredSpan> {
    let About { kind, op, n, bytes, provider } = about;
    let span = match kind {
        Kind::Run => tracing::debug_span!(target: "raptors", "run", steps = n),
        Kind::Plan => tracing::debug_span!(target: "raptors", "plan", nodes = n),
        Kind::Stage => tracing::debug_span!(target: "raptors", "stage", op = &**op),
        Kind::Alloc => tracing::debug_span!(target: "raptors", "alloc", bytes),
        Kind::Kernel => {
            tracing::debug_span!(target: "raptors", "kernel", op = &**op, n, bytes, provider = &**provider)
        }
        Kind::Chunk => tracing::trace_span!(target: "raptors", "chunk", number = n),
    };
    (!span.is_disabled()).then(|| span.entered())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_object_with_its_text_escaped() {
        let mut text = String::new();
        Json(&[("name", &"a \"b\" \\ \n"), ("n", &3usize), ("args", &Json(&[("dur", &1.5f64)]))])
            .write(&mut text);
        assert_eq!(text, r#"{"name":"a \"b\" \\  ","n":3,"args":{"dur":1.500}}"#);
    }
}
