//! The board that a team's job is published on: which chunks are left, and whether all are finished.
//!
//! The first and the last chunk that nobody has are one atomic word, the ticket. A claim is a compare-exchange of the whole
//! word, so whoever succeeds has a chunk of the job that is published *now*, however old the word it compared with.
//! That job stays published until its claimed chunks are finished, so a thread may use the job from its claim until it
//! reports the chunk finished, and not outside.
//!
//! `tests/model.rs` checks this file in every order that threads can run in.

use super::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use super::sync::atomic::{AtomicU64, AtomicUsize};
use super::sync::{Condvar, Mutex, PoisonError, UnsafeCell};

/// The chunks of one job at a time, each of which is `J` to the thread that has claimed one.
pub(super) struct Board<J> {
    /// What can be claimed of the published job; see [`Ticket`].
    ticket: OwnLine<AtomicU64>,
    /// Chunks of the published job that are not finished.
    unfinished: OwnLine<AtomicUsize>,
    /// Written by the publisher while no chunk is claimed or can be; read by those who have claimed one.
    job: UnsafeCell<J>,
    /// Workers that may claim chunks of the published job: those of a lower number.
    helpers: AtomicUsize,
    /// Whether the publisher sleeps until `finished`.
    asleep: Mutex<bool>,
    finished: Condvar,
}

// SAFETY: all fields but `job` are `Sync`. It is written and read in turns: see the field, `publish` and `claim`.
unsafe impl<J: Copy + Send + Sync> Sync for Board<J> {}

/// Keeps what it holds from sharing a pair of cache lines with anything else.
#[repr(align(128))]
struct OwnLine<T>(T);

/// A chunk that the thread which has this must report finished, run or not; until then the job stays.
pub(super) struct Claim<J> {
    pub(super) chunk: u32,
    pub(super) job: J,
}

/// The end of a job's chunks that a thread claims from.
#[derive(Clone, Copy)]
pub(super) enum From {
    First,
    Last,
}

/// The chunks of a job that nobody has claimed, `first..end`, as one word: `end << 32 | first`.
struct Ticket;

impl Ticket {
    const fn of(chunks: u32) -> u64 {
        (chunks as u64) << 32
    }

    /// How many chunks are left.
    const fn left(word: u64) -> u32 {
        ((word >> 32) as u32).saturating_sub(word as u32)
    }

    /// A chunk and the ticket without it, unless all are claimed.
    const fn take(word: u64, from: From) -> Option<(u32, u64)> {
        if Ticket::left(word) == 0 {
            return None;
        }
        Some(match from {
            From::First => (word as u32, word + 1),
            From::Last => ((word >> 32) as u32 - 1, word - (1 << 32)),
        })
    }
}

impl<J: Copy> Board<J> {
    /// A board without chunks.
    pub(super) fn new(job: J) -> Board<J> {
        Board {
            ticket: OwnLine(AtomicU64::new(Ticket::of(0))),
            unfinished: OwnLine(AtomicUsize::new(0)),
            job: UnsafeCell::new(job),
            helpers: AtomicUsize::new(0),
            asleep: Mutex::new(false),
            finished: Condvar::new(),
        }
    }

    /// Makes a job's chunks claimable, by the publisher and so many helpers.
    ///
    /// # Safety
    ///
    /// One thread publishes at a time, and not before the chunks of the job before are finished. What the job refers to
    /// stays until its own are.
    pub(super) unsafe fn publish(&self, job: J, chunks: u32, helpers: usize) {
        // SAFETY: every chunk of the job before was claimed and is finished, so nobody reads the old job; nobody reads
        // the new one before the ticket's store below, which a claim acquires.
        self.job.with_mut(|place| unsafe { *place = job });
        self.helpers.store(helpers, Relaxed);
        self.unfinished.0.store(chunks as usize, Relaxed);
        self.ticket.0.store(Ticket::of(chunks), Release);
    }

    /// A chunk that nobody else has, unless all are claimed.
    pub(super) fn claim(&self, from: From) -> Option<Claim<J>> {
        let mut word = self.ticket.0.load(Relaxed);
        loop {
            let (chunk, rest) = Ticket::take(word, from)?;
            match self.ticket.0.compare_exchange_weak(word, rest, Acquire, Relaxed) {
                // SAFETY: the job is not written before the chunk just claimed is finished, and the store of the ticket,
                // which happened after the job was written, is acquired by the exchange.
                Ok(_) => return Some(Claim { chunk, job: self.job.with(|place| unsafe { *place }) }),
                Err(now) => word = now,
            }
        }
    }

    /// Chunks that nobody has claimed.
    pub(super) fn left(&self) -> u32 {
        Ticket::left(self.ticket.0.load(Relaxed))
    }

    /// Whether there are chunks left that helper `number` may claim.
    pub(super) fn wants(&self, number: usize) -> bool {
        Ticket::left(self.ticket.0.load(Acquire)) > 0 && number < self.helpers.load(Relaxed)
    }

    /// Reports chunks finished, on the thread that published them; whether all are.
    pub(super) fn finish_own(&self, chunks: usize) -> bool {
        self.unfinished.0.fetch_sub(chunks, AcqRel) == chunks
    }

    /// Reports a claimed chunk finished, on a thread that helps.
    pub(super) fn finish(&self) {
        if self.unfinished.0.fetch_sub(1, AcqRel) == 1
            && *self.asleep.lock().unwrap_or_else(PoisonError::into_inner)
        {
            self.finished.notify_one();
        }
    }

    /// Whether all chunks are finished. Then the job is the publisher's alone again.
    pub(super) fn is_finished(&self) -> bool {
        self.unfinished.0.load(Acquire) == 0
    }

    /// Sleeps until all chunks are finished, on the thread that published them.
    pub(super) fn sleep_until_finished(&self) {
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        *asleep = true;
        while !self.is_finished() {
            asleep = self.finished.wait(asleep).unwrap_or_else(PoisonError::into_inner);
        }
        *asleep = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_hands_out_every_chunk_and_then_none() {
        let (first, word) = Ticket::take(Ticket::of(3), From::First).unwrap();
        let (last, word) = Ticket::take(word, From::Last).unwrap();
        let (middle, word) = Ticket::take(word, From::Last).unwrap();
        assert_eq!([first, middle, last], [0, 1, 2]);
        assert_eq!(Ticket::left(word), 0);
        assert!(Ticket::take(word, From::First).is_none() && Ticket::take(word, From::Last).is_none());
        assert_eq!(Ticket::take(Ticket::of(u32::MAX), From::Last).unwrap().0, u32::MAX - 1);
    }
}
