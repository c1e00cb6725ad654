//! `registers`: pages of customers' lists out of ten million messages in real files, as a shard
//! reads them from its registers: with and without a status filter, from the disk and from memory.
//! On the main thread; needs 700 MB of disk for a while.
#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and exists to print what it found"
)]

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use postrider_storage::io::FileDisk;
use postrider_storage::register::{
    PageQuery, RegisterConfig, RegisterPage, RegisterRow, Registers, Slot, Statuses,
};
use postrider_storage::search::{Search, Step};
use postrider_storage::{Disk, FileRef, Position, SegmentId, SideFile};
use rustix::fs::Advice;

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str =
    "usage: registers DIR [MESSAGES]: measures in the new directory DIR, and removes it";
const MESSAGES: u64 = 10_000_000;
/// Messages that were accepted into one segment of 64 MiB.
const PER_SEGMENT: u64 = 129_000;
/// Messages a second, of which the times come.
const RATE: u64 = 5_000;
const START_MS: u64 = 1_790_000_000_000;
const PAGE: usize = 100;
/// Messages looked at for one page: the gateway's bound.
const SCAN_MAX: usize = 10_000;
/// The longest that a page may take.
const AIM: Duration = Duration::from_millis(20);

/// Customers with 30 % of all messages, with 5 %, with 0.16 %, and with a hundred.
const CUSTOMERS: [(u32, &str); 4] = [(1, "30 %"), (2, "5 %"), (200, "0.16 %"), (9_999, "100")];
const DELIVERED: u8 = 4;
const UNDELIVERED: u8 = 5;
const FAILED: u8 = 8;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [dir] => measure(Path::new(dir), MESSAGES),
        [dir, messages] => match messages.parse() {
            Ok(messages) => measure(Path::new(dir), messages),
            Err(_) => Err(anyhow::anyhow!(USAGE)),
        },
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("registers: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn measure(dir: &Path, messages: u64) -> Result<()> {
    std::fs::create_dir(dir).context("DIR must not be there yet")?;
    let result = measure_in(dir, messages);
    std::fs::remove_dir_all(dir)?;
    result
}

fn measure_in(dir: &Path, messages: u64) -> Result<()> {
    let mut disk = FileDisk::new(dir, false);
    let begun = Instant::now();
    let registers = fill(&mut disk, messages)?;
    let bytes: u64 = disk.list_side()?.iter().map(|(_, length)| length).sum();
    println!(
        "{messages} messages in {} registers, {} MB, written in {:.1} s; {} changed slots in memory",
        registers.written(),
        bytes / 1_000_000,
        begun.elapsed().as_secs_f64(),
        registers.dirty(),
    );
    let begun = Instant::now();
    let mut snapshot = Vec::new();
    let mut registers = registers;
    registers.snapshot(&mut snapshot);
    let (registers, found) = Registers::open(&mut disk, config(), Some(&snapshot))?;
    ensure!(found.missing.is_empty() && found.removed.is_empty(), "{found:?}");
    println!("opened in {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    look_up(&registers, &mut disk, messages)?;
    let mut slowest = Duration::ZERO;
    println!(
        "customer  status       page     rows  looked   reads     KiB   cold ms   warm ms (median, most of 21)"
    );
    for (customer, share) in CUSTOMERS {
        let all = PageQuery { customer, ..any_page() };
        let middle = Some((START_MS + messages / RATE * 500, 0));
        for (name, statuses) in [
            ("any", Statuses::ALL),
            ("delivered", Statuses::of(&[DELIVERED])),
            ("undelivered", Statuses::of(&[UNDELIVERED])),
            ("failed", Statuses::of(&[FAILED])),
            ("queued", Statuses::of(&[0])),
        ] {
            for (page, after) in [("newest", None), ("middle", middle)] {
                let query = PageQuery { statuses, after, ..all };
                let row = Row::measure(&registers, &mut disk, dir, query)?;
                println!("{share:8}  {name:11}  {page:6} {row}");
                slowest = slowest.max(row.median);
            }
        }
    }
    println!("slowest median from memory: {:.2} ms (aim: {} ms)", ms(slowest), AIM.as_millis());
    ensure!(slowest < AIM * 3, "far over the aim");
    Ok(())
}

fn config() -> RegisterConfig {
    RegisterConfig { rows: 262_144, dirty: 65_536 }
}

fn any_page() -> PageQuery {
    PageQuery {
        customer: 0,
        newest_ms: u64::MAX,
        oldest_ms: 0,
        after: None,
        statuses: Statuses::ALL,
        limit: PAGE + 1,
        scan_max: SCAN_MAX,
    }
}

/// Accepts all messages, closes nearly all of them, and writes all registers.
fn fill(disk: &mut FileDisk, messages: u64) -> Result<Registers> {
    let mut registers = Registers::new(config());
    let every = (messages / 100).max(1);
    for number in 0..messages {
        let mixed = mix(number);
        let customer = match mixed % 1_000 {
            _ if number % every == every / 2 => 9_999,
            0..300 => 1,
            300..350 => 2,
            other => 3 + u32::try_from(other % 400)?,
        };
        let at = Position {
            segment: SegmentId(1 + number / PER_SEGMENT),
            offset: u32::try_from(number % PER_SEGMENT * 500)?,
        };
        registers.accept(&RegisterRow {
            sequence: 1 + number,
            customer,
            accepted_ms: START_MS + number * 1_000 / RATE,
            recipient: mix(mixed >> 44),
            group: 0,
            slot: Slot { status: 0, at },
        });
        // Its end comes two seconds later.
        if let Some(earlier) = number.checked_sub(2 * RATE) {
            close(&mut registers, earlier, at);
        }
        while let Some(chore) = registers.poll_chore() {
            let done = chore.run(disk)?;
            registers.handle_chore(Ok(done));
        }
    }
    registers.flush();
    while let Some(chore) = registers.poll_chore() {
        let done = chore.run(disk)?;
        registers.handle_chore(Ok(done));
    }
    Ok(registers)
}

fn close(registers: &mut Registers, number: u64, at: Position) {
    let status = match mix(number) >> 32 & 1023 {
        0 => FAILED,
        1..32 => UNDELIVERED,
        _ => DELIVERED,
    };
    registers.set_slot(1 + number, Slot { status, at });
}

fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 27
}

/// Slots of messages here and there.
fn look_up(registers: &Registers, disk: &mut FileDisk, messages: u64) -> Result<()> {
    const TIMES: u64 = 10_000;
    let begun = Instant::now();
    let mut reads = 0;
    for number in 0..TIMES {
        let sequence = 1 + mix(number) % messages;
        let found = run(registers.slot(sequence), disk)?;
        reads += found.reads;
        ensure!(found.found.is_some(), "message {sequence} is not found");
    }
    let each = begun.elapsed().as_secs_f64() * 1e6 / TIMES as f64;
    println!("a slot by sequence: {each:.1} us, {:.3} reads", f64::from(reads) / TIMES as f64);
    Ok(())
}

/// What one kind of page took.
struct Row {
    page: RegisterPage,
    reads: u32,
    bytes: u64,
    cold: Duration,
    median: Duration,
    most: Duration,
}

impl Row {
    fn measure(
        registers: &Registers,
        disk: &mut FileDisk,
        dir: &Path,
        query: PageQuery,
    ) -> Result<Self> {
        forget_files(dir)?;
        let begun = Instant::now();
        let first = run(registers.page(query), disk)?;
        let cold = begun.elapsed();
        let mut times = Vec::new();
        for _ in 0..21 {
            let begun = Instant::now();
            let again = run(registers.page(query), disk)?;
            times.push(begun.elapsed());
            ensure!(again.found == first.found, "a page is another the second time");
        }
        times.sort();
        let (Some(median), Some(most)) = (times.get(10), times.last()) else { bail!("no times") };
        let Run { found: page, reads, bytes } = first;
        Ok(Self { page, reads, bytes, cold, median: *median, most: *most })
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = if self.page.rows.len() > PAGE {
            "full"
        } else if self.page.looked_to.is_some() {
            "part"
        } else {
            "last"
        };
        write!(
            f,
            "{:6}  {short:>6}  {:6}  {:6}  {:8.2}  {:8.2} {:8.2}",
            self.page.rows.len(),
            self.reads,
            self.bytes / 1024,
            ms(self.cold),
            ms(self.median),
            ms(self.most)
        )
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

struct Run<T> {
    found: T,
    reads: u32,
    bytes: u64,
}

/// Drives a search with blocking reads; the file is opened for each.
fn run<S: Search>(mut search: S, disk: &mut FileDisk) -> Result<Run<S::Found>> {
    let (mut reads, mut bytes, mut buffer) = (0, 0, Vec::new());
    let mut step = search.next(None);
    loop {
        match step {
            Step::Done(found) => return Ok(Run { found: found?, reads, bytes }),
            Step::Read(ask) => {
                let FileRef::Side(file) = ask.file else { bail!("a read of {}", ask.file) };
                buffer.resize(usize::try_from(ask.len)?, 0);
                let read = disk.read_side(file, ask.offset, &mut buffer)?;
                reads += 1;
                bytes += u64::try_from(read)?;
                step = search.next(buffer.get(..read));
            }
        }
    }
}

/// Takes the files out of the page cache.
fn forget_files(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let known = entry.file_name().to_str().and_then(SideFile::from_file_name).is_some();
        ensure!(known, "a file of another kind: {:?}", entry.file_name());
        let file = File::open(entry.path())?;
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}
