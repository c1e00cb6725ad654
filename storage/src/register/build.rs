//! The index file of a register: its head, then the sections, each sorted by what it is looked up
//! by. Pure.

use zerocopy::little_endian::{U32, U64};

use super::head::{Summary, count, delta};
use super::open::{OpenRegister, Row};
use super::page::{self, DirectoryRow, KeyRow, Kind, TimeRow};

/// The index file of a register, and what stays in memory of it. A stray one owns no range of
/// sequences.
pub(super) fn build(register: &OpenRegister, number: u64, stray: bool) -> (Vec<u8>, Summary) {
    let summary = Summary::of(register, number, stray);
    let mut out = summary.encode();
    let mut directory = Vec::new();
    let mut times = Vec::with_capacity(register.rows().len());
    for (customer, rows) in register.customers() {
        let first = count(times.len());
        times.extend(rows.filter_map(|(rank, row)| {
            Some(TimeRow {
                accepted: U64::new(row.accepted_ms),
                sequence: U32::new(delta(row.sequence, summary.first)?),
                rank: U32::new(rank),
            })
        }));
        directory.push(DirectoryRow {
            customer: U32::new(customer),
            first: U32::new(first),
            count: U32::new(count(times.len()) - first),
        });
    }
    section(&mut out, &summary, Kind::Directory, &directory);
    section(&mut out, &summary, Kind::Times, &times);
    let recipients = register.rows().iter().map(|row| (row, row.recipient));
    section(&mut out, &summary, Kind::Recipients, &sorted(&summary, recipients));
    let groups = register.rows().iter().filter(|row| row.group != 0);
    let groups = groups.map(|row| (row, row.group));
    section(&mut out, &summary, Kind::Groups, &sorted(&summary, groups));
    debug_assert_eq!(out.len() as u64, summary.index_bytes());
    (out, summary)
}

fn key_row(summary: &Summary, row: &Row, key: u64) -> Option<KeyRow> {
    let sequence = U32::new(delta(row.sequence, summary.first)?);
    Some(KeyRow { key: U64::new(key), sequence })
}

fn sorted<'a>(summary: &Summary, rows: impl Iterator<Item = (&'a Row, u64)>) -> Vec<KeyRow> {
    let mut rows: Vec<KeyRow> = rows.filter_map(|(row, key)| key_row(summary, row, key)).collect();
    rows.sort_unstable_by_key(|row| (row.key.get(), row.sequence.get()));
    rows
}

fn section<R: zerocopy::IntoBytes + zerocopy::Immutable>(
    out: &mut Vec<u8>,
    summary: &Summary,
    kind: Kind,
    rows: &[R],
) {
    for (number, rows) in (0..).zip(rows.chunks(page::per_page::<R>())) {
        page::write(out, kind, summary.stamp, number, rows);
    }
}
