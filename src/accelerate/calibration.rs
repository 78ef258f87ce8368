//! The calibration of this machine: what entries and our own loops take, as `python -m raptors calibrate` has
//! measured it.
//!
//! A text file, a line a measurement: entry, elements, nanoseconds of the entry, nanoseconds of our loop. It
//! is read once, when the first entry is considered: `RAPTORS_CALIBRATION`, or else `raptors/accelerate.tsv`
//! in the user's folder for caches. Of what is between two sizes, the nearer one decides.

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustc_hash::FxHashMap;

/// The first line of the file; another version is not read.
pub(crate) const HEADER: &str = "raptors accelerate calibration 1";

/// What an entry and our loop took over so many elements.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Measurement {
    /// Elements; of a matrix product, the cube root of its multiplications.
    pub len: usize,
    /// Nanoseconds of a call.
    pub entry_ns: f64,
    /// Nanoseconds of our loop.
    pub own_ns: f64,
}

impl Measurement {
    /// Whether the entry is taken.
    pub(crate) fn is_faster(self) -> bool {
        self.entry_ns <= self.own_ns
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measurement { len, entry_ns, own_ns } = self;
        write!(f, "measured at {len}: {entry_ns:.0} ns, our loop {own_ns:.0} ns")
    }
}

/// Measurements by entry, in order of size.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Table(FxHashMap<String, Vec<Measurement>>);

impl Table {
    /// Adds a measurement.
    pub fn add(&mut self, entry: &str, measurement: Measurement) {
        let of_entry = self.0.entry(entry.to_owned()).or_default();
        let at = of_entry.partition_point(|known| known.len < measurement.len);
        of_entry.insert(at, measurement);
    }

    /// What is nearest to `len` elements, by their ratio.
    pub fn nearest(&self, entry: &str, len: usize) -> Option<Measurement> {
        let distance =
            |known: &&Measurement| ((known.len.max(1) as f64).ln() - (len.max(1) as f64).ln()).abs();
        let of_entry = self.0.get(entry)?;
        of_entry.iter().min_by(|x, y| distance(x).total_cmp(&distance(y))).copied()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The table of a text; `None` if it is of another version, or a line is none.
    pub fn parse(text: &str) -> Option<Table> {
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return None;
        }
        let mut table = Table::default();
        for line in lines {
            let mut fields = line.split('\t');
            let entry = fields.next()?;
            let len = fields.next()?.parse().ok()?;
            let [entry_ns, own_ns] = [fields.next()?.parse().ok()?, fields.next()?.parse().ok()?];
            table.add(entry, Measurement { len, entry_ns, own_ns });
        }
        Some(table)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        let mut entries: Vec<&String> = self.0.keys().collect();
        entries.sort_unstable();
        for entry in entries {
            for Measurement { len, entry_ns, own_ns } in &self.0[entry] {
                writeln!(f, "{entry}\t{len}\t{entry_ns:.1}\t{own_ns:.1}")?;
            }
        }
        Ok(())
    }
}

/// Where the calibration of this machine is kept; `None` where there is no place for it.
pub fn path() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = given("RAPTORS_CALIBRATION") {
        return Some(path);
    }
    let caches = match cfg!(target_os = "macos") {
        true => given("HOME").map(|home| home.join("Library").join("Caches")),
        false => given("XDG_CACHE_HOME").or_else(|| given("HOME").map(|home| home.join(".cache"))),
    };
    Some(caches?.join("raptors").join("accelerate.tsv"))
}

/// What was measured of an entry on this machine, nearest to `len` elements.
pub(crate) fn measured(entry: &str, len: usize) -> Option<Measurement> {
    static TABLE: OnceLock<Table> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let Some(path) = path() else { return Table::default() };
        let Ok(text) = std::fs::read_to_string(&path) else { return Table::default() };
        Table::parse(&text).unwrap_or_else(|| {
            eprintln!("raptors: {} is no calibration of this version; it is not used", path.display());
            Table::default()
        })
    });
    table.nearest(entry, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let mut table = Table::default();
        for (len, entry_ns, own_ns) in [(4096, 300.0, 200.5), (64, 20.0, 40.0)] {
            table.add("vDSP_vsmul", Measurement { len, entry_ns, own_ns });
        }
        assert_eq!(Table::parse(&table.to_string()), Some(table.clone()));
        let nearest =
            |len| table.nearest("vDSP_vsmul", len).map(|measured| (measured.len, measured.is_faster()));
        assert_eq!(nearest(1), Some((64, true)));
        assert_eq!(nearest(500), Some((64, true)));
        assert_eq!(nearest(600), Some((4096, false)));
        assert_eq!(table.nearest("vDSP_vadd", 64), None);
    }

    #[test]
    fn another_text_is_refused() {
        assert_eq!(Table::parse(""), None);
        assert_eq!(Table::parse("raptors accelerate calibration 0\n"), None);
        assert_eq!(Table::parse(&format!("{HEADER}\nvDSP_vadd\tmany\t1\t2\n")), None);
        assert_eq!(Table::parse(&format!("{HEADER}\n")), Some(Table::default()));
    }
}
