//! Work that would hold up a shard, on threads beside it: a few per shard and lane, not pinned.
//!
//! The runtime's own pool is not used: when all of its threads are busy it spins the shard until
//! one is free, so three slow name look-ups would stop a core. Here work waits in a queue. Names
//! and everything else have a lane each: a dead resolver must not hold up log segments.

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    thread,
};

use rustix::thread::{CpuSet, sched_setaffinity};

use super::{facts, runtime::Bomb};

type Job = Box<dyn FnOnce() + Send>;

/// Which threads do the work.
#[derive(Clone, Copy)]
pub(super) enum Lane {
    Work,
    Names,
}

struct Lanes {
    threads: usize,
    work: Arc<Queue>,
    names: Arc<Queue>,
}

thread_local! {
    static LANES: RefCell<Lanes> = RefCell::new(Lanes {
        threads: 2,
        work: Arc::new(Queue::default()),
        names: Arc::new(Queue::default()),
    });
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.work.close();
        self.names.close();
    }
}

/// Sets how many threads the calling shard's lanes may have each.
pub(super) fn set_threads_per_lane(threads: usize) {
    LANES.with_borrow_mut(|lanes| lanes.threads = threads);
}

/// Runs `work` on a thread beside the shard and waits for what it returns, without holding up the
/// shard. Work waits in a queue while the lane's threads are busy; it is the caller who bounds how
/// much. A panic in `work` ends the process. Dropping the future does not stop the work.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    run(Lane::Work, work).await
}

pub(super) async fn run<T: Send + 'static>(
    lane: Lane,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let slot = Arc::new(Mutex::new(Slot { value: None, waker: None }));
    let theirs = Arc::clone(&slot);
    submit(
        lane,
        Box::new(move || {
            let value = work();
            let waker = {
                let mut slot = lock(&theirs);
                slot.value = Some(value);
                slot.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }),
    );
    std::future::poll_fn(|cx| {
        let mut slot = lock(&slot);
        if let Some(value) = slot.value.take() {
            return Poll::Ready(value);
        }
        slot.waker = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}

/// How many jobs of a lane wait or run on the calling shard.
pub(super) fn pending(lane: Lane) -> usize {
    LANES.with_borrow(|lanes| {
        let state = lock(&lanes.queue(lane).state);
        state.jobs.len() + state.threads - state.idle
    })
}

struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

impl Lanes {
    fn queue(&self, lane: Lane) -> &Arc<Queue> {
        match lane {
            Lane::Work => &self.work,
            Lane::Names => &self.names,
        }
    }
}

fn submit(lane: Lane, job: Job) {
    LANES.with_borrow(|lanes| {
        let queue = lanes.queue(lane);
        let mut state = lock(&queue.state);
        state.jobs.push_back(job);
        if state.jobs.len() > state.idle && state.threads < lanes.threads {
            state.threads += 1;
            let queue = Arc::clone(queue);
            drop(thread::spawn(move || worker(&queue)));
        }
        drop(state);
        queue.ready.notify_one();
    });
}

#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    ready: Condvar,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Queue {
    fn close(&self) {
        lock(&self.state).closed = true;
        self.ready.notify_all();
    }

    /// The next job, or `None` once the shard is gone and the queue empty.
    fn next(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

fn worker(queue: &Queue) {
    unpin();
    while let Some(job) = queue.next() {
        let mut bomb = Bomb { armed: true };
        job();
        bomb.armed = false;
    }
}

/// A thread starts with its parent's CPUs, here the one that the shard needs for itself.
fn unpin() {
    let mut set = CpuSet::new();
    for cpu in facts::process_cpus() {
        set.set(cpu);
    }
    // Refused: it then competes with the shard, which is slower but right.
    sched_setaffinity(None, &set).ok();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
