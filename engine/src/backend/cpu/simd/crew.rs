//! Threads that wait for work. A matrix of one token is done in microseconds, so waiting must be cheaper than that: a
//! worker looks for new work for a little while before it sleeps.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How often a worker looks before it sleeps: some ten microseconds.
const LOOKS: usize = 4_000;

/// A number of threads, the caller's included.
#[derive(Debug)]
pub(in crate::backend::cpu) struct Crew {
    state: Arc<State>,
    /// How many threads beside the caller's. They end by themselves once the crew is dropped.
    workers: usize,
    /// One run at a time.
    turn: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    work: Mutex<Work>,
    wake: Condvar,
    /// Counts runs, so that workers can look without the lock.
    runs: AtomicUsize,
    /// The next task of this run.
    next: AtomicUsize,
    /// Workers that hold this run's closure.
    busy: AtomicUsize,
    panicked: AtomicBool,
}

#[derive(Debug, Default)]
struct Work {
    open: Option<Run>,
    is_over: bool,
}

/// A closure whose lifetime is hidden, and how many tasks it has.
#[derive(Clone, Copy)]
struct Run {
    task: *const (dyn Fn(usize) + Sync),
    tasks: usize,
}

// SAFETY: the closure may be called from many threads, and `Crew::run` outlives every use of it.
unsafe impl Send for Run {}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Run({})", self.tasks)
    }
}

impl Crew {
    /// So many threads, the caller's included.
    pub(in crate::backend::cpu) fn new(threads: usize) -> Crew {
        let state = Arc::new(State::default());
        let start = |number: usize| {
            let state = state.clone();
            let named = std::thread::Builder::new().name(format!("tierway-engine-{number}"));
            // A thread that cannot be had is done without: the caller does its tasks.
            named.spawn(move || state.work()).ok()
        };
        let workers = (1..threads).filter_map(start).count();
        Crew { state, workers, turn: Mutex::new(()) }
    }

    /// Threads, the caller's included.
    pub(in crate::backend::cpu) fn threads(&self) -> usize {
        self.workers + 1
    }

    /// Calls `task` once for each number below `tasks`, on all threads, and returns when all are done.
    ///
    /// # Panics
    /// Where a task does.
    pub(in crate::backend::cpu) fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        if tasks <= 1 || self.workers == 0 {
            return (0..tasks).for_each(task);
        }
        let _turn = lock(&self.turn);
        // SAFETY: only the lifetime changes. The pointer is taken back by `Close` before this function returns or unwinds,
        // and `Close` waits for every worker that has a copy.
        let hidden: *const (dyn Fn(usize) + Sync) =
            unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), _>(std::ptr::from_ref(task)) };
        self.state.next.store(0, Ordering::Relaxed);
        {
            let mut work = lock(&self.state.work);
            work.open = Some(Run { task: hidden, tasks });
            self.state.runs.fetch_add(1, Ordering::Release);
        }
        self.state.wake.notify_all();
        let close = Close(&self.state);
        self.state.do_tasks(tasks, task);
        drop(close);
        if self.state.panicked.swap(false, Ordering::Relaxed) {
            panic!("a task panicked on another thread");
        }
    }
}

/// Tells the workers to end, and waits for none: no run is open, since a run borrows the crew, so a worker that is still
/// on its way out holds the shared state and nothing of the caller's.
impl Drop for Crew {
    fn drop(&mut self) {
        {
            let mut work = lock(&self.state.work);
            work.is_over = true;
            self.state.runs.fetch_add(1, Ordering::Release);
        }
        self.state.wake.notify_all();
    }
}

/// Takes a run back, and waits until no worker has it.
struct Close<'a>(&'a State);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        lock(&self.0.work).open = None;
        let mut looks = 0;
        while self.0.busy.load(Ordering::Acquire) > 0 {
            looks += 1;
            if looks % 256 == 0 { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

impl State {
    fn do_tasks(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= tasks {
                return;
            }
            task(number);
        }
    }

    /// A worker's life.
    fn work(&self) {
        let mut seen = 0;
        loop {
            seen = self.await_run(seen);
            let run = {
                let work = lock(&self.work);
                if work.is_over {
                    return;
                }
                let Some(run) = work.open else { continue };
                // Counted under the lock: `Close` takes the run back under it, and then waits for the count.
                self.busy.fetch_add(1, Ordering::Relaxed);
                run
            };
            // SAFETY: the run was open under the lock and this worker is counted, so `Crew::run` has not returned.
            let task = unsafe { &*run.task };
            let caught = catch_unwind(AssertUnwindSafe(|| self.do_tasks(run.tasks, task)));
            if caught.is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.busy.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits until there was another run than `seen`; returns its number.
    fn await_run(&self, seen: usize) -> usize {
        for _ in 0..LOOKS {
            let runs = self.runs.load(Ordering::Acquire);
            if runs != seen {
                return runs;
            }
            std::hint::spin_loop();
        }
        let mut work = lock(&self.work);
        loop {
            let runs = self.runs.load(Ordering::Acquire);
            if runs != seen || work.is_over {
                return runs;
            }
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A poisoned lock guards nothing half-done here: its holders write one field.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_done_once_whatever_the_threads() {
        for threads in [1, 2, 5] {
            let crew = Crew::new(threads);
            for tasks in [0, 1, 2, 7, 1_000] {
                let done: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                crew.run(tasks, &|task| {
                    done[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(
                    done.iter().all(|count| count.load(Ordering::Relaxed) == 1),
                    "{threads} threads, {tasks} tasks"
                );
            }
        }
    }

    #[test]
    fn a_task_that_panics_is_heard_and_the_crew_lives_on() {
        let crew = Crew::new(3);
        for _ in 0..20 {
            let caught = catch_unwind(AssertUnwindSafe(|| crew.run(64, &|task| assert!(task != 40, "task 40"))));
            assert!(caught.is_err());
        }
        let sum = AtomicUsize::new(0);
        crew.run(10, &|task| {
            sum.fetch_add(task, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 45);
    }

    #[test]
    fn a_dropped_crew_ends_by_itself_and_keeps_nobody() {
        let crews = (0..50).map(|number| {
            let crew = Crew::new(3);
            // Some are dropped at work's end, some asleep, some before their workers ran at all.
            crew.run(number % 3 * 4, &|_| std::hint::spin_loop());
            crew
        });
        let states: Vec<_> = crews.map(|crew| Arc::downgrade(&crew.state)).collect();
        let most = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while states.iter().any(|state| state.strong_count() > 0) {
            assert!(std::time::Instant::now() < most, "workers of dropped crews still run");
            std::thread::yield_now();
        }
    }
}
