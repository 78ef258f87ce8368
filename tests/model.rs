//! The thread team's board and the pool's gauge in every order that threads can run in, as `loom` finds them.
//!
//! The files are those of the product, over `loom`'s atomics, cells and locks. What a job refers to is a cell that its
//! publisher writes before and after, so that a read at the wrong time is an error of the model; a lost wake-up is a
//! deadlock, which is one too. Orders with more than a few preemptions are left out, to end in seconds.

#![allow(dead_code, reason = "a model uses a part of what it checks")]

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use loom::sync::{Arc, Mutex};
use loom::thread;

#[path = "../src/runtime/board.rs"]
mod board;
#[path = "../src/runtime/gauge.rs"]
mod gauge;

/// What `src/runtime/sync.rs` is in the product.
mod sync {
    pub(super) use loom::cell::UnsafeCell;
    pub(super) use loom::sync::atomic;
    pub(super) use loom::sync::{Condvar, Mutex};
    pub(super) use std::sync::PoisonError;
}

use board::{Board, From};
use gauge::Gauge;

/// A team of one caller and workers, without the parts that do not decide who does what.
struct Team {
    board: Board<usize>,
    /// One publisher at a time, as the roster sees to.
    roster: Mutex<()>,
    /// What each job refers to: how often it was filled in, which only its publisher changes.
    frames: Vec<UnsafeCell<usize>>,
    /// How often each chunk of each job has run.
    runs: Vec<Vec<AtomicUsize>>,
    over: AtomicBool,
}

impl Team {
    fn new(jobs: usize, chunks: usize) -> Team {
        Team {
            board: Board::new(usize::MAX),
            roster: Mutex::new(()),
            frames: (0..jobs).map(|_| UnsafeCell::new(0)).collect(),
            runs: (0..jobs).map(|_| (0..chunks).map(|_| AtomicUsize::new(0)).collect()).collect(),
            over: AtomicBool::new(false),
        }
    }

    /// Runs a chunk of a job: the frame must be as its publisher left it.
    fn execute(&self, job: usize, chunk: u32) {
        // SAFETY: what is checked.
        self.frames[job].with(|frame| assert_eq!(unsafe { *frame }, 1, "job {job} is not published"));
        self.runs[job][chunk as usize].fetch_add(1, SeqCst);
    }

    /// What `Team::try_run` does with a job; false when the team has another.
    fn try_run(&self, job: usize, helpers: &[thread::Thread]) -> bool {
        let Ok(roster) = self.roster.try_lock() else { return false };
        // SAFETY: nobody has the frame yet.
        self.frames[job].with_mut(|frame| unsafe { *frame += 1 });
        let chunks = self.runs[job].len();
        // SAFETY: the roster is held, and the frame stays until the chunks are finished.
        unsafe { self.board.publish(job, chunks as u32, helpers.len()) };
        let mut finished = 0;
        while let Some(claim) = self.board.claim(From::First) {
            if finished == 0 {
                helpers.iter().for_each(thread::Thread::unpark);
            }
            assert_eq!(claim.job, job);
            self.execute(job, claim.chunk);
            finished += 1;
        }
        if !self.board.finish_own(finished) {
            self.board.sleep_until_finished();
        }
        // SAFETY: what is checked.
        self.frames[job].with_mut(|frame| unsafe { *frame += 1 });
        drop(roster);
        true
    }

    /// What `Team::work_as_worker` does, until the model is over.
    fn help(&self, number: usize) {
        loop {
            while self.board.wants(number)
                && let Some(claim) = self.board.claim(From::Last)
            {
                self.execute(claim.job, claim.chunk);
                self.board.finish();
            }
            if self.over.load(SeqCst) {
                return;
            }
            thread::park();
        }
    }

    fn assert_ran_once(&self, job: usize) {
        for (chunk, runs) in self.runs[job].iter().enumerate() {
            assert_eq!(runs.load(SeqCst), 1, "chunk {chunk} of job {job}");
        }
    }
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Jobs one after the other, with helpers that may still be looking at the one before.
fn jobs_in_turn(jobs: usize, chunks: usize, helpers: usize, preemptions: usize) {
    check(preemptions, move || {
        let team = Arc::new(Team::new(jobs, chunks));
        let workers: Vec<_> = (0..helpers)
            .map(|number| {
                let team = team.clone();
                thread::spawn(move || team.help(number))
            })
            .collect();
        let threads: Vec<thread::Thread> = workers.iter().map(|worker| worker.thread().clone()).collect();
        for job in 0..jobs {
            assert!(team.try_run(job, &threads));
            team.assert_ran_once(job);
        }
        team.over.store(true, SeqCst);
        threads.iter().for_each(thread::Thread::unpark);
        workers.into_iter().for_each(|worker| worker.join().unwrap_or_else(|_| panic!("a worker failed")));
    });
}

#[test]
fn one_helper_and_jobs_in_turn() {
    jobs_in_turn(2, 2, 1, 3);
}

#[test]
fn two_helpers_and_jobs_in_turn() {
    jobs_in_turn(2, 3, 2, 2);
}

#[test]
fn a_second_caller_is_told_that_the_team_is_busy_or_has_it() {
    check(2, || {
        let team = Arc::new(Team::new(2, 2));
        let worker = {
            let team = team.clone();
            thread::spawn(move || team.help(0))
        };
        let other = {
            let (team, helper) = (team.clone(), worker.thread().clone());
            thread::spawn(move || {
                if team.try_run(1, &[helper]) {
                    team.assert_ran_once(1);
                }
            })
        };
        if team.try_run(0, &[worker.thread().clone()]) {
            team.assert_ran_once(0);
        }
        other.join().unwrap_or_else(|_| panic!("the other caller failed"));
        team.over.store(true, SeqCst);
        worker.thread().unpark();
        worker.join().unwrap_or_else(|_| panic!("the worker failed"));
    });
}

#[test]
fn the_most_is_no_less_than_what_was_there_at_once() {
    check(3, || {
        let gauge = Arc::new(Gauge { now: AtomicUsize::new(0), most: AtomicUsize::new(0) });
        let threads: Vec<_> = [3, 5]
            .into_iter()
            .map(|amount| {
                let gauge = gauge.clone();
                thread::spawn(move || {
                    gauge.add(amount);
                    gauge.add(amount);
                    gauge.subtract(amount);
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap_or_else(|_| panic!("a thread failed")));
        assert_eq!(gauge.now(), 8);
        // Each was at twice its amount while the other was at 0, 1 or 2 times its own.
        assert!((10..=16).contains(&gauge.most()), "{}", gauge.most());
    });
}

#[test]
fn a_reset_forgets_no_more_than_the_past() {
    check(3, || {
        let gauge = Arc::new(Gauge { now: AtomicUsize::new(0), most: AtomicUsize::new(0) });
        gauge.add(9);
        gauge.subtract(9);
        let other = {
            let gauge = gauge.clone();
            thread::spawn(move || gauge.add(4))
        };
        gauge.reset();
        other.join().unwrap_or_else(|_| panic!("a thread failed"));
        assert!(gauge.most() >= 4);
        assert!(gauge.now() == 4);
    });
}
