//! What the shards rely on in the runtime and in the layer over it, pinned: wakes between threads,
//! accepting, links, work beside the shard. Each test runs its own runtimes on threads of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream as StdStream},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use futures_util::task::AtomicWaker;
use postrider_shards::rt::{
    Clock, Doorbell, DrainPolicy, Driver, DriverKind, Link, LinkEnd, Notify, Outbox, Runtime,
    RuntimeOptions, StartError, Stop, blocking, build, connect, facts, listen, memlock_per_ring,
    resolve, sleep, sleep_until, spawn, timeout, yield_now,
};

/// Longest that anything here may take before it counts as hung.
const HUNG: Duration = Duration::from_secs(60);

fn runtime(driver: Driver) -> Runtime {
    build(&RuntimeOptions { driver, ..RuntimeOptions::default() }).unwrap().0
}

/// Runs `test` on a thread of its own, once on each driver, and fails if it hangs.
fn on_both_drivers<F: Future<Output = ()>>(test: impl Fn() -> F + Send + Copy + 'static) {
    for driver in [Driver::Uring, Driver::Poll] {
        within_limit(move || runtime(driver).block_on(test()));
    }
}

fn within_limit(work: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    match ended.recv_timeout(HUNG) {
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => thread.join().unwrap(),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hung"),
    }
}

/// A connected pair: ours on the shard, the peer's a plain blocking socket.
async fn pair() -> (postrider_shards::rt::TcpStream, StdStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = connect(listener.local_addr().unwrap(), Duration::from_secs(5)).await.unwrap();
    (ours, listener.accept().unwrap().0)
}

#[test]
fn the_driver_asked_for_is_the_driver_that_runs() {
    for (driver, kind) in [
        (Driver::Auto, DriverKind::Uring),
        (Driver::Uring, DriverKind::Uring),
        (Driver::Poll, DriverKind::Poll),
    ] {
        let options = RuntimeOptions { driver, ..RuntimeOptions::default() };
        let (runtime, runs) = build(&options).unwrap();
        assert_eq!(runs, kind);
        assert_eq!(runtime.fallback_reason(), None);
    }
    assert_eq!(facts().uring_available, Ok(()));
}

#[test]
fn a_shard_is_pinned_to_its_cpu_and_work_beside_it_is_not() {
    let cpus = facts().cpus;
    let cpu = *cpus.last().unwrap();
    within_limit(move || {
        let options = RuntimeOptions { cpu: Some(cpu), ..RuntimeOptions::default() };
        let (runtime, _) = build(&options).unwrap();
        assert_eq!(allowed_cpus(), [cpu]);
        assert_eq!(runtime.block_on(blocking(allowed_cpus)), cpus);
        // The thread can no longer reach another CPU, and the refusal says which it can.
        let other = RuntimeOptions { cpu: Some(cpu + 500), ..RuntimeOptions::default() };
        assert!(matches!(build(&other), Err(StartError::Pin { .. })));
    });
}

fn allowed_cpus() -> Vec<usize> {
    let set = rustix::thread::sched_getaffinity(None).unwrap();
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

#[test]
fn a_ring_needs_what_the_plan_says_of_locked_memory() {
    assert!(memlock_per_ring(1024) > 64 * 1024, "64 KiB of locked memory hold no ring");
    assert!(76 * memlock_per_ring(1024) <= 8 << 20, "8 MiB hold 76");
}

/// A count that one thread raises and a task of another waits for.
#[derive(Default)]
struct Flag {
    raised: AtomicUsize,
    waker: AtomicWaker,
}

impl Flag {
    fn raise(&self) {
        self.raised.fetch_add(1, Ordering::SeqCst);
        self.waker.wake();
    }

    async fn reached(&self, count: usize) {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.raised.load(Ordering::SeqCst) >= count {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// Two shards that wake 200 tasks of each other at once spun on each other for ever with the
/// runtime's default queue of 64 wakes.
#[test]
fn two_threads_can_wake_hundreds_of_each_others_tasks() {
    const PAIRS: usize = 600;
    const ROUNDS: usize = 100;
    for driver in [Driver::Uring, Driver::Poll] {
        let flags = || Arc::new((0..PAIRS).map(|_| Flag::default()).collect::<Vec<_>>());
        let (left, right) = (flags(), flags());
        within_limit(move || {
            let sides = [(Arc::clone(&left), Arc::clone(&right)), (right, left)];
            let threads = sides.map(|(ours, theirs)| {
                thread::spawn(move || runtime(driver).block_on(play(ours, theirs, ROUNDS)))
            });
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}

async fn play(ours: Arc<Vec<Flag>>, theirs: Arc<Vec<Flag>>, rounds: usize) {
    let left = Rc::new(Cell::new(ours.len()));
    let done = Rc::new(Notify::new());
    for pair in 0..ours.len() {
        let (ours, theirs) = (Arc::clone(&ours), Arc::clone(&theirs));
        let (left, done) = (Rc::clone(&left), Rc::clone(&done));
        spawn(async move {
            for round in 1..=rounds {
                theirs[pair].raise();
                ours[pair].reached(round).await;
            }
            left.set(left.get() - 1);
            if left.get() == 0 {
                done.notify_one();
            }
        });
    }
    done.notified().await;
}

#[test]
fn the_doorbell_loses_no_wake_when_its_owner_always_sleeps() {
    ring_rounds(DrainPolicy::sleeping(), 100_000);
}

#[test]
fn the_doorbell_loses_no_wake_when_its_owner_spins_first() {
    let spun = ring_rounds(DrainPolicy::default(), 100_000);
    assert!(spun > Duration::ZERO);
}

/// One thread rings once for each round and waits until the owner has seen it. Returns the spin.
fn ring_rounds(policy: DrainPolicy, rounds: u64) -> Duration {
    let bell = Doorbell::new(policy);
    let sent = Arc::new(AtomicU64::new(0));
    let seen = Arc::new(AtomicU64::new(0));
    let owner = {
        let (bell, sent, seen) = (Arc::clone(&bell), Arc::clone(&sent), Arc::clone(&seen));
        thread::spawn(move || {
            runtime(Driver::Uring).block_on(async {
                let mut known = 0;
                while known < rounds {
                    bell.wait(|| sent.load(Ordering::Acquire) != known).await;
                    known = sent.load(Ordering::Acquire);
                    seen.store(known, Ordering::Release);
                }
            });
        })
    };
    let clock = Clock::start();
    for round in 1..=rounds {
        sent.store(round, Ordering::Release);
        bell.ring();
        let asked = clock.mono();
        while seen.load(Ordering::Acquire) < round {
            thread::yield_now();
            assert!(clock.mono() - asked < HUNG, "round {round}: the wake was lost");
        }
    }
    owner.join().unwrap();
    bell.spun()
}

#[test]
fn the_spin_stays_within_its_share_of_a_core() {
    within_limit(|| {
        runtime(Driver::Uring).block_on(async {
            let bell = Doorbell::new(DrainPolicy::default());
            let clock = Clock::start();
            // Somebody rings all the time; every wait could spin its 20 us.
            while clock.mono() < Duration::from_millis(500) {
                spawn({
                    let bell = Arc::clone(&bell);
                    async move {
                        sleep(Duration::from_micros(50)).await;
                        bell.ring();
                    }
                });
                bell.wait(|| false).await;
            }
            let share = bell.spun().as_secs_f64() / clock.mono().as_secs_f64();
            assert!(share > 0.0 && share < 0.08, "spun {share} of the time");
        });
    });
}

#[test]
fn the_accept_loop_loses_no_connection_and_ends_when_told() {
    const CLIENTS: usize = 1500;
    on_both_drivers(|| async {
        let listener = listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
        let addr = listener.local_addr().unwrap();
        let errors = listener.accept_errors();
        let stop = Stop::new();
        let accepted = Rc::new(Cell::new(0_usize));
        let clients = thread::spawn(move || knock(addr, CLIENTS));
        let count = Rc::clone(&accepted);
        let all = stop.clone();
        let on_accept = move |stream: postrider_shards::rt::TcpStream, _peer: SocketAddr| {
            let outbox = Outbox::new();
            outbox.push_with(|buffer| buffer.push(b'!'));
            outbox.close_after_flush();
            spawn(async move {
                Link::run(stream, |_| true, outbox).await;
            });
            count.set(count.get() + 1);
            if count.get() == CLIENTS {
                all.stop();
            }
        };
        listener.accept_loop(on_accept, &stop).await.unwrap();
        assert_eq!(accepted.get(), CLIENTS);
        assert_eq!(errors.get(), 0);
        assert_eq!(blocking(move || clients.join().unwrap()).await, CLIENTS);
        // Nobody listens there any more.
        assert!(connect(addr, Duration::from_secs(1)).await.is_err());
    });
}

/// Connects again and again and counts the answers.
fn knock(addr: SocketAddr, clients: usize) -> usize {
    (0..clients)
        .filter(|_| {
            let mut stream = StdStream::connect(addr).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut answer = [0];
            stream.read_exact(&mut answer).is_ok() && answer == *b"!"
        })
        .count()
}

#[test]
fn two_listeners_share_a_port_when_both_ask_for_it_and_not_otherwise() {
    let first = listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
    let addr = first.local_addr().unwrap();
    assert!(listen(addr, true).is_ok());
    assert_eq!(listen(addr, false).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn a_link_carries_megabytes_both_ways_and_closes_after_the_last_octet() {
    const SIZE: usize = 8 << 20;
    on_both_drivers(|| async {
        let (ours, peer) = pair().await;
        let outbox = Outbox::new();
        let got = Rc::new(RefCell::new(Vec::new()));
        let peer = thread::spawn(move || echo_peer(peer, SIZE));
        let (sink, out) = (Rc::clone(&got), Rc::clone(&outbox));
        let on_bytes = move |bytes: &[u8]| {
            let mut got = sink.borrow_mut();
            got.extend_from_slice(bytes);
            if got.len() == SIZE {
                out.push_with(|buffer| buffer.extend_from_slice(b"the end"));
                return false;
            }
            true
        };
        let pieces = Rc::clone(&outbox);
        spawn(async move {
            for chunk in pattern(SIZE).chunks(10_007) {
                assert!(pieces.push_with(|buffer| buffer.extend_from_slice(chunk)));
                yield_now().await;
            }
        });
        assert_eq!(Link::run(ours, on_bytes, Rc::clone(&outbox)).await, LinkEnd::Closed);
        assert!(*got.borrow() == pattern(SIZE), "what came back differs");
        assert!(outbox.is_empty());
        assert!(!outbox.push_with(|_| panic!("it is closed")));
        assert_eq!(blocking(move || peer.join().unwrap()).await, b"the end");
    });
}

/// Echoes `size` octets, then returns what comes until the end.
fn echo_peer(mut peer: StdStream, size: usize) -> Vec<u8> {
    let mut reader = peer.try_clone().unwrap();
    let mut echoed = 0;
    let mut buffer = [0; 9_001];
    let mut last = Vec::new();
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => return last,
            n => {
                let here = n.min(size - echoed);
                peer.write_all(&buffer[..here]).unwrap();
                echoed += here;
                last.extend_from_slice(&buffer[here..n]);
            }
        }
    }
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn a_link_says_that_the_peer_closed_and_still_sends_what_it_was_given() {
    on_both_drivers(|| async {
        let (ours, mut peer) = pair().await;
        let outbox = Outbox::new();
        peer.write_all(b"unbind").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let out = Rc::clone(&outbox);
        let answer = move |bytes: &[u8]| {
            assert_eq!(bytes, b"unbind");
            out.push_with(|buffer| buffer.extend_from_slice(b"bye"))
        };
        assert_eq!(Link::run(ours, answer, outbox).await, LinkEnd::PeerClosed);
        let mut last = String::new();
        peer.read_to_string(&mut last).unwrap();
        assert_eq!(last, "bye");
    });
}

#[test]
fn an_aborted_link_ends_at_once_even_if_the_peer_takes_nothing() {
    on_both_drivers(|| async {
        let (ours, _peer) = pair().await;
        let outbox = Outbox::new();
        outbox.push_with(|buffer| buffer.resize(64 << 20, 7));
        let out = Rc::clone(&outbox);
        spawn(async move {
            sleep(Duration::from_millis(100)).await;
            assert!(out.len() > 32 << 20, "the peer takes nothing, so it must wait here");
            out.abort();
        });
        let clock = Clock::start();
        assert_eq!(Link::run(ours, |_| true, outbox).await, LinkEnd::Aborted);
        assert!(clock.mono() < Duration::from_secs(2));
    });
}

#[test]
fn a_link_that_cannot_flush_does_not_wait_for_ever() {
    on_both_drivers(|| async {
        let (ours, peer) = pair().await;
        let outbox = Outbox::new();
        outbox.push_with(|buffer| buffer.resize(64 << 20, 7));
        peer.shutdown(Shutdown::Write).unwrap();
        let end = timeout(Duration::from_secs(10), Link::run(ours, |_| true, outbox)).await;
        assert_eq!(end, Some(LinkEnd::PeerClosed));
    });
}

#[test]
fn work_beside_the_shard_does_not_hold_it_up() {
    on_both_drivers(|| async {
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..6 {
            let ended = Arc::clone(&ended);
            spawn(async move {
                blocking(|| thread::sleep(Duration::from_millis(100))).await;
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        let clock = Clock::start();
        let mut longest = Duration::ZERO;
        while ended.load(Ordering::SeqCst) < 6 {
            let before = clock.mono();
            sleep(Duration::from_millis(1)).await;
            longest = longest.max(clock.mono() - before);
        }
        // Six pieces of 100 ms on two threads.
        assert!(clock.mono() >= Duration::from_millis(300));
        assert!(longest < Duration::from_millis(90), "held up for {longest:?}");
    });
}

#[test]
fn names_resolve_and_literals_need_no_resolver() {
    on_both_drivers(|| async {
        let v6: Vec<SocketAddr> = vec!["[::1]:7".parse().unwrap()];
        assert_eq!(resolve("[::1]", 7).await.unwrap(), v6);
        assert_eq!(resolve("::1", 7).await.unwrap(), v6);
        let local = resolve("localhost", 80).await.unwrap();
        assert!(local.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80));
        assert!(resolve("name.invalid", 80).await.is_err());
    });
}

#[test]
fn a_refused_connection_is_refused_at_once() {
    on_both_drivers(|| async {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = connect(gone, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn sleeping_until_a_time_of_the_clock_ends_there() {
    on_both_drivers(|| async {
        let clock = Clock::start();
        let due = clock.mono() + Duration::from_millis(50);
        sleep_until(due, &clock).await;
        assert!(clock.mono() >= due && clock.mono() < due + Duration::from_millis(500));
        sleep_until(Duration::ZERO, &clock).await;
    });
}
