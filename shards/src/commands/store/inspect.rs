//! `postrider store inspect`: what a data directory holds, for people and for programs. On the main
//! thread.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use postrider_core::clock::UnixMs;
use postrider_core::place::{Placement, ShardId};
use postrider_http::time::push_rfc3339;
use postrider_storage::{
    Disk, NameKind, Observer, RecordKind, Recovery, Replayed, SeenBatch, SegmentId, SideFile,
};
use serde_json::{Value, json};

use super::finish;
use super::read::{Source, segments, shard_name};
use super::side::{SideFacts, SideFault, check_side_file};
use crate::shard::offline::Offline;

/// Show what a data directory holds
///
/// Its format, shards and names; for each shard its segments (state, batches,
/// records, share of their bytes that is used and padded), records by kind,
/// messages by status, indexes, what is set aside, and damage.
///
/// Exit status: 0 shown; 1 it cannot be read. Damage is shown, but does not
/// change the status: verify is for that.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct InspectArgs {
    /// The data directory.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &InspectArgs) -> i32 {
    let shown = Source::open(&args.dir).and_then(|source| {
        let shards = source.view.logs().into_iter().map(|log| ShardFacts::read(&source, log));
        let shards = shards.collect::<Result<Vec<_>>>()?;
        Ok(if args.json {
            to_json(&source, &shards).to_string()
        } else {
            let mut text = head(&source);
            text.extend(shards.iter().map(|shard| format!("\n{shard}")));
            text.trim_end().to_owned()
        })
    });
    finish(shown)
}

/// What is in one segment.
#[derive(Debug, Clone, Default)]
struct SegmentFacts {
    len: u64,
    batches: u64,
    records: BTreeMap<u8, u64>,
    used: u64,
    padding: u64,
    /// Unix milliseconds of its first and its last batch.
    written: Option<(u64, u64)>,
    recycled: bool,
}

impl SegmentFacts {
    fn record_count(&self) -> u64 {
        self.records.values().sum()
    }
}

/// What is in one shard's directory.
struct ShardFacts {
    shard: u16,
    segments: BTreeMap<SegmentId, SegmentFacts>,
    messages: BTreeMap<&'static str, u64>,
    closed: u64,
    recovery: Recovery,
    side_files: Vec<(SideFile, u64, Result<SideFacts, SideFault>)>,
    set_aside: Vec<(String, u64)>,
    others: Vec<(String, u64)>,
    /// Contents that are not kept and still needed, and segments of their log.
    contents: (usize, usize),
}

/// Counts while the log is read.
struct Counting {
    segments: BTreeMap<SegmentId, SegmentFacts>,
    offline: Offline,
    messages: BTreeMap<&'static str, u64>,
    closed: u64,
}

impl<D: Disk> Observer<D> for Counting {
    fn batch(&mut self, batch: SeenBatch) {
        let facts = self.segments.entry(batch.segment).or_default();
        facts.batches += 1;
        facts.used += batch.used;
        facts.padding += batch.padding;
        facts.recycled |= batch.recycled;
        let first = facts.written.map_or(batch.wall_ms, |(first, _)| first);
        facts.written = Some((first, batch.wall_ms));
    }

    fn record(&mut self, Replayed { at, record, .. }: Replayed<'_>) {
        let facts = self.segments.entry(at.segment).or_default();
        *facts.records.entry(record.kind() as u8).or_default() += 1;
        // A message that cannot be read is not counted; `verify` names it.
        if let Ok(Some(told)) = self.offline.take(at.segment, record) {
            *self.messages.entry(told.status().name()).or_default() += 1;
            self.closed += 1;
        }
    }
}

impl ShardFacts {
    fn read(source: &Source, shard: u16) -> Result<Self> {
        let mut counting = Counting {
            segments: BTreeMap::new(),
            offline: source.offline(shard),
            messages: BTreeMap::new(),
            closed: 0,
        };
        for file in segments(&mut source.view.disk(shard)).with_context(|| shard_name(shard))? {
            counting.segments.entry(file.id).or_default().len = file.len;
        }
        let recovery = source.read(shard, &mut counting).with_context(|| shard_name(shard))?;
        let Counting { segments, mut offline, mut messages, closed } = counting;
        for told in offline.rest() {
            *messages.entry(told.status().name()).or_default() += 1;
        }
        let (mut side_files, mut set_aside, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (name, len) in source.view.files(shard)? {
            if let Some(side) = SideFile::from_file_name(&name) {
                let facts = check_side_file(side, len, &mut source.view.disk(shard));
                side_files.push((side, len, facts));
            } else if let Some(aside) = name.strip_prefix("quarantine/") {
                set_aside.push((aside.to_owned(), len));
            } else if !is_segment(&name) {
                others.push((name, len));
            }
        }
        let contents = source.contents(shard).with_context(|| shard_name(shard))?;
        let contents = contents.map_or((0, 0), |(held, recovery)| (held.len(), recovery.segments));
        Ok(Self {
            shard,
            segments,
            messages,
            closed,
            recovery,
            side_files,
            set_aside,
            others,
            contents,
        })
    }

    fn state(&self, id: SegmentId, facts: &SegmentFacts) -> &'static str {
        match self.recovery.newest {
            Some(newest) if newest == id => "head",
            Some(newest) if newest < id => "spare",
            None => "spare",
            Some(_) if facts.batches == 0 => "empty",
            Some(_) => "sealed",
        }
    }

    fn records(&self) -> BTreeMap<u8, u64> {
        let mut sum = BTreeMap::new();
        for (kind, count) in self.segments.values().flat_map(|facts| &facts.records) {
            *sum.entry(*kind).or_default() += count;
        }
        sum
    }

    /// Damage, oddities and a torn tail, a line each.
    fn remarks(&self) -> Vec<String> {
        let Recovery { quarantined, notes, cut_bytes, .. } = &self.recovery;
        let damage = quarantined.iter();
        let damage = damage.map(|(file, at, why)| format!("{file}, byte {at}: damaged: {why}"));
        let mut remarks: Vec<String> =
            damage.chain(notes.iter().map(ToString::to_string)).collect();
        if *cut_bytes > 0 {
            remarks.push(format!("{cut_bytes} bytes of an unfinished write: a start cuts them"));
        }
        for (file, _, facts) in &self.side_files {
            remarks.extend(facts.as_ref().err().map(|(_, why)| format!("{file}: {why}")));
        }
        let others = self.others.iter();
        remarks.extend(others.map(|(name, len)| format!("{name}: not of the store, {len} bytes")));
        remarks
    }

    fn to_json(&self) -> Value {
        let segments = self.segments.iter().map(|(id, facts)| {
            json!({
                "file": id.file_name(),
                "segment": id.0,
                "state": self.state(*id, facts),
                "bytes": facts.len,
                "bytes_used": facts.used,
                "bytes_padding": facts.padding,
                "recycled": facts.recycled,
                "batches": facts.batches,
                "records": by_kind(&facts.records),
                "first_written": facts.written.map(|(first, _)| time(first)),
                "last_written": facts.written.map(|(_, last)| time(last)),
            })
        });
        let side_files = self.side_files.iter();
        let aside = self.set_aside.iter();
        json!({
            "shard": self.shard,
            "clean": self.recovery.clean,
            "next_sequence": self.recovery.next_sequence,
            "next_lsn": self.recovery.next_lsn.0,
            "segments": segments.collect::<Vec<_>>(),
            "batches": self.recovery.batches,
            "records": by_kind(&self.records()),
            "messages": self.messages,
            "messages_closed": self.closed,
            "contents": { "held": self.contents.0, "segments": self.contents.1 },
            "side_files": side_files
                .map(|(file, len, facts)| {
                    json!({
                        "file": file.file_name(),
                        "bytes": len,
                        "holds": facts.as_ref().ok().map(SideFacts::to_json),
                    })
                })
                .collect::<Vec<_>>(),
            "quarantine": aside
                .map(|(file, len)| json!({ "file": file, "bytes": len }))
                .collect::<Vec<_>>(),
            "remarks": self.remarks(),
        })
    }
}

/// Whether a file is a segment, of the log or of that of contents.
fn is_segment(name: &str) -> bool {
    let name = name.strip_prefix("contents/").unwrap_or(name);
    SegmentId::from_file_name(name).is_some()
}

impl fmt::Display for ShardFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recovery { clean, next_sequence, records, batches, .. } = &self.recovery;
        let stop = if *clean { "stopped in order" } else { "not stopped in order" };
        writeln!(f, "shard {}: {stop}", self.shard)?;
        writeln!(
            f,
            "  {:<16} {:<6}{:>6}{:>8}{:>9}{:>5}{:>5} written, UTC",
            "segment", "state", "MiB", "batches", "records", "used", "pad"
        )?;
        for (id, facts) in &self.segments {
            let share = |bytes: u64| format!("{}%", bytes * 100 / facts.len.max(1));
            let written = facts.written.map_or(String::new(), |(first, _)| short_time(first));
            let line = format!(
                "  {:016x} {:<6}{:>6}{:>8}{:>9}{:>5}{:>5} {written}",
                id.0,
                self.state(*id, facts),
                mib(facts.len),
                facts.batches,
                facts.record_count(),
                share(facts.used),
                share(facts.padding),
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        let kinds = self.records().into_iter().map(|(kind, count)| (kind_name(kind), count));
        list(f, &format!("{records} records in {batches} batches"), kinds)?;
        let told: u64 = self.messages.values().sum();
        let open = told - self.closed;
        let heading = format!("{told} messages, {open} open, the next is {next_sequence}");
        list(f, &heading, self.messages.iter().map(|(name, count)| (*name, *count)))?;
        if let (held, segments @ 1..) = self.contents {
            writeln!(f, "  contents apart: {held} needed, {segments} segments")?;
        }
        let files = self.side_files.iter().map(|(file, len, facts)| {
            let holds = facts.as_ref().map_or(String::new(), SideFacts::text);
            (file.file_name(), *len, holds)
        });
        list_files(f, "indexes and checkpoints", files)?;
        let aside = self.set_aside.iter().map(|(name, len)| (name.clone(), *len, String::new()));
        list_files(f, "set aside", aside)?;
        for remark in self.remarks() {
            writeln!(f, "  ! {remark}")?;
        }
        Ok(())
    }
}

/// A heading, and behind it names with counts, as many a line as fit in 80 columns.
fn list<'n>(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    entries: impl Iterator<Item = (&'n str, u64)>,
) -> fmt::Result {
    writeln!(f, "  {heading}")?;
    let mut line = String::from("   ");
    for (name, count) in entries {
        let entry = format!(" {name} {count}");
        if line.len() + entry.len() > 79 {
            writeln!(f, "{line}")?;
            line = String::from("   ");
        }
        line.push_str(&entry);
        line.push(',');
    }
    let line = line.trim_end_matches([',', ' ']);
    if line.is_empty() { Ok(()) } else { writeln!(f, "{line}") }
}

fn list_files(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    files: impl ExactSizeIterator<Item = (String, u64, String)>,
) -> fmt::Result {
    if files.len() > 0 {
        writeln!(f, "  {heading}")?;
    }
    for (name, len, holds) in files {
        writeln!(f, "    {name:<33} {:>7} MiB  {holds}", mib(len))?;
    }
    Ok(())
}

/// Format, age, shards, names.
fn head(source: &Source) -> String {
    let view = &source.view;
    let placement = Placement::new(view.placement_key(), view.shards());
    let shares: Vec<String> = (0..view.shards())
        .map(|shard| placement.partitions_of(ShardId(shard)).to_string())
        .collect();
    let mut text = format!(
        "{}: format {}, made {}\npartitions: {} on {} shards\n",
        view.path().display(),
        view.format(),
        short_time(view.created_ms()),
        shares.join(" + "),
        view.shards(),
    );
    if view.epochs().len() > 1 {
        let had: Vec<String> = view.epochs().iter().map(|own| own.shards.to_string()).collect();
        text.push_str(&format!("numbers of shards so far: {}\n", had.join(", ")));
    }
    for (kind, word) in KINDS {
        let names = source.names.names(kind).map(|(number, name)| format!("{number} {name}"));
        let names: Vec<String> = names.collect();
        if !names.is_empty() {
            text.push_str(&format!("{word}: {}\n", names.join(", ")));
        }
    }
    text
}

const KINDS: [(NameKind, &str); 3] = [
    (NameKind::Carrier, "carriers"),
    (NameKind::Customer, "customers"),
    (NameKind::Route, "routes"),
];

fn to_json(source: &Source, shards: &[ShardFacts]) -> Value {
    let view = &source.view;
    let placement = Placement::new(view.placement_key(), view.shards());
    let shares = (0..view.shards()).map(|shard| placement.partitions_of(ShardId(shard)));
    let names = |kind: NameKind| -> Value {
        let names = source.names.names(kind);
        names.map(|(number, name)| json!({ "number": number, "name": name })).collect()
    };
    json!({
        "path": view.path().display().to_string(),
        "format": view.format(),
        "created": time(view.created_ms()),
        "shard_count": view.shards(),
        "shard_counts": view.epochs().iter().map(|own| own.shards).collect::<Vec<_>>(),
        "partitions": shares.collect::<Vec<_>>(),
        "carriers": names(NameKind::Carrier),
        "customers": names(NameKind::Customer),
        "routes": names(NameKind::Route),
        "shards": shards.iter().map(ShardFacts::to_json).collect::<Vec<_>>(),
    })
}

fn by_kind(records: &BTreeMap<u8, u64>) -> Value {
    let named = records.iter().map(|(kind, count)| (kind_name(*kind).to_owned(), (*count).into()));
    Value::Object(named.collect())
}

fn kind_name(kind: u8) -> &'static str {
    RecordKind::from_number(kind).map_or("unknown", RecordKind::name)
}

fn mib(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}

pub(super) fn time(ms: u64) -> String {
    let mut out = Vec::with_capacity(24);
    push_rfc3339(&mut out, UnixMs(ms));
    String::from_utf8(out).unwrap_or_default()
}

/// To the second, for people.
fn short_time(ms: u64) -> String {
    time(ms).get(..19).unwrap_or_default().replace('T', " ")
}
