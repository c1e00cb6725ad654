//! `bind ADDRESS MESSAGES WINDOW`: submits messages on one bind as fast as its window allows, through the
//! session and the runtime of the gateway, and prints submit_sm a second and processor time a message. One
//! process, one thread; `scripts/bind-speed.sh` runs it against the simulated carrier.

use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use postrider_benches::clock;
use postrider_benches::sample::{GSM_SHORT, submit_fields};
use postrider_shards::rt::{self, Clock, Link, Outbox, RuntimeOptions, connect};
use postrider_smpp::session::{Event, Session, SessionConfig};

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bind: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<String> {
    let [address, messages, window] = arguments else {
        anyhow::bail!("usage: bind ADDRESS MESSAGES WINDOW")
    };
    let address = address.parse().context("ADDRESS")?;
    let window = window.parse().context("WINDOW")?;
    let messages: u64 = messages.parse().context("MESSAGES")?;
    let (runtime, _) = rt::build(&RuntimeOptions::default())?;
    let driver = Rc::new(Driver {
        clock: Clock::start(),
        session: RefCell::new(Session::new(SessionConfig {
            window,
            system_id: String::from("postrider"),
            ..SessionConfig::default()
        })),
        outbox: Outbox::new(),
        messages,
        submitted: Cell::new(0),
        answered: Cell::new(0),
        begin: Cell::default(),
        end: Cell::default(),
    });
    let own = Rc::clone(&driver);
    runtime.block_on(async move {
        let stream = connect(address, Duration::from_secs(5)).await.context("connecting")?;
        own.session.borrow_mut().handle_connected(own.clock.mono());
        own.flush();
        let (reader, outbox) = (Rc::clone(&own), Rc::clone(&own.outbox));
        Link::run(stream, move |octets| reader.read(octets), outbox).await;
        anyhow::Ok(())
    })?;
    driver.report()
}

struct Driver {
    clock: Clock,
    session: RefCell<Session>,
    outbox: Rc<Outbox>,
    messages: u64,
    submitted: Cell<u64>,
    answered: Cell<u64>,
    /// Wall and processor time when bound, and when the last answer came.
    begin: Cell<(Duration, Duration)>,
    end: Cell<(Duration, Duration)>,
}

impl Driver {
    /// Takes what arrived, fills the window again; false once everything is answered.
    fn read(&self, octets: &[u8]) -> bool {
        let now = self.clock.mono();
        let mut session = self.session.borrow_mut();
        session.handle_bytes(now, octets);
        while let Some(event) = session.poll_event() {
            match event {
                Event::Bound { .. } => self.begin.set((clock::wall(), clock::cpu())),
                Event::Response { status: 0, .. } => self.answered.set(self.answered.get() + 1),
                Event::Close { .. } => return false,
                Event::BindRefused { .. }
                | Event::BindRequested { .. }
                | Event::OutbindRequested { .. }
                | Event::Response { .. }
                | Event::Message { .. }
                | Event::Request { .. }
                | Event::Alert { .. }
                | Event::OutcomeUnknown { .. }
                | Event::PeerUnbound
                | Event::Counted(_) => {}
            }
        }
        let fields = submit_fields(GSM_SHORT.as_bytes());
        let fields = postrider_smpp::pdu::ShortMessage { registered_delivery: 0, ..fields };
        while self.submitted.get() < self.messages && session.window_free() > 0 {
            if session.submit(now, self.submitted.get(), &fields).is_err() {
                return false;
            }
            self.submitted.set(self.submitted.get() + 1);
        }
        drop(session);
        self.flush();
        let more = self.answered.get() < self.messages;
        if !more {
            self.end.set((clock::wall(), clock::cpu()));
        }
        more
    }

    fn flush(&self) {
        let mut session = self.session.borrow_mut();
        if session.has_output() {
            self.outbox.push_with(|out| session.take_output(out));
        }
    }

    fn report(&self) -> Result<String> {
        let answered = self.answered.get();
        ensure!(answered == self.messages, "{answered} of {} were answered", self.messages);
        let ((from, cpu_from), (to, cpu_to)) = (self.begin.get(), self.end.get());
        let each = clock::ns_each(to.saturating_sub(from), answered);
        let cpu = clock::ns_each(cpu_to.saturating_sub(cpu_from), answered);
        Ok(format!("{:.0} submit_sm/s, {:.2} us of CPU each", 1e9 / each, cpu / 1e3))
    }
}
