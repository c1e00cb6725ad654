//! SIGTERM and SIGINT: the first asks for a drain and rings every shard, the second ends the
//! process at once. SIGHUP asks for a new configuration. A small thread of its own, so that signals are heard during a long recovery
//! too. One per process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// Wakes one sleeper, from any thread.
pub type Doorbell = Arc<dyn Fn() + Send + Sync>;

/// Whether the process was asked to end. One per process, read by every shard.
#[derive(Default)]
pub struct Shutdown {
    asked: AtomicBool,
    doorbells: Mutex<Vec<Doorbell>>,
}

impl Shutdown {
    /// Not asked; these are rung when it is.
    #[must_use]
    pub fn new(doorbells: Vec<Doorbell>) -> Arc<Self> {
        Arc::new(Self { asked: AtomicBool::new(false), doorbells: Mutex::new(doorbells) })
    }

    /// Rings this one too; at once when it was asked before.
    pub fn ring_also(&self, doorbell: Doorbell) {
        let mut doorbells = self.doorbells.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that `ask` either sees the doorbell or was seen here.
        if self.is_asked() {
            doorbell();
        }
        doorbells.push(doorbell);
    }

    /// Asks for the end, and wakes everyone who has to hear it.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        let doorbells = self.doorbells.lock().unwrap_or_else(PoisonError::into_inner);
        for doorbell in doorbells.iter() {
            doorbell();
        }
    }

    /// Whether it was asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Listens for SIGTERM and SIGINT from now on. The first calls [`Shutdown::ask`], the second exits
/// with status 1. SIGHUP asks for `reload`.
///
/// # Errors
/// When the thread, its runtime or the handlers cannot be set up.
pub fn signals(shutdown: Arc<Shutdown>, reload: Arc<Notify>) -> anyhow::Result<()> {
    let (tell, told) = mpsc::channel();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let listening = runtime.and_then(|runtime| {
                let handlers = runtime.block_on(async {
                    Ok::<_, std::io::Error>((
                        signal(SignalKind::terminate())?,
                        signal(SignalKind::interrupt())?,
                        signal(SignalKind::hangup())?,
                    ))
                })?;
                Ok((runtime, handlers))
            });
            match listening {
                Ok((runtime, (term, int, hangup))) => {
                    drop(tell.send(Ok(())));
                    runtime.block_on(async {
                        tokio::join!(listen(&shutdown, term, int), pass_on(hangup, &reload));
                    });
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        })
        .context("the signals thread cannot be started")?;
    told.recv()?.context("signal handlers cannot be set up")
}

async fn pass_on(mut hangup: Signal, reload: &Notify) {
    while hangup.recv().await.is_some() {
        tracing::info!(signal = "SIGHUP", "a new configuration is asked for");
        reload.notify_one();
    }
}

async fn listen(shutdown: &Shutdown, mut term: Signal, mut int: Signal) {
    let first = either(&mut term, &mut int).await;
    tracing::info!(signal = first, "draining; a second signal ends the process at once");
    shutdown.ask();
    let second = either(&mut term, &mut int).await;
    tracing::error!(signal = second, "ended by a second signal");
    std::process::exit(1);
}

async fn either(term: &mut Signal, int: &mut Signal) -> &'static str {
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    const CHILD: &str = "POSTRIDER_TEST_SIGNAL_CHILD";

    /// Stands for the server: says when it listens and when it was asked, and never ends by itself
    /// before the test would have failed.
    fn child() {
        let shutdown = Shutdown::new(vec![Arc::new(|| println!("child: rung"))]);
        signals(Arc::clone(&shutdown), Arc::default()).unwrap();
        println!("child: listening");
        std::thread::sleep(Duration::from_secs(30));
    }

    fn kill(pid: u32, signal: &str) {
        assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
    }

    /// The test's own binary is the process that is signalled.
    #[test]
    fn the_first_signal_rings_and_the_second_exits() {
        if std::env::var_os(CHILD).is_some() {
            return child();
        }
        for (first, second) in [("-TERM", "-TERM"), ("-INT", "-TERM"), ("-TERM", "-INT")] {
            let (_, module) = module_path!().split_once("::").unwrap();
            let name = format!("{module}::the_first_signal_rings_and_the_second_exits");
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args([&name, "--exact", "--nocapture"])
                .env(CHILD, "1")
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let mut said = lines.map_while(Result::ok);
            assert!(said.any(|line| line.ends_with("child: listening")));
            kill(child.id(), first);
            assert!(said.any(|line| line.ends_with("child: rung")), "{first} was not heard");
            kill(child.id(), second);
            assert_eq!(child.wait().unwrap().code(), Some(1), "{second} did not end it");
        }
    }

    #[test]
    fn a_doorbell_that_comes_late_is_rung_at_once() {
        let rung = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&rung);
        let bell: Doorbell = Arc::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let shutdown = Shutdown::new(vec![Arc::clone(&bell)]);
        assert!(!shutdown.is_asked());
        shutdown.ask();
        assert_eq!((rung.load(Ordering::SeqCst), shutdown.is_asked()), (1, true));
        shutdown.ring_also(bell);
        assert_eq!(rung.load(Ordering::SeqCst), 2);
    }
}
