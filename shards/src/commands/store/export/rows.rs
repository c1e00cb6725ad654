//! The rows of an export: what columns there are, and the cells of a message and of its events. Pure.

use anyhow::Result;
use postrider_core::clock::UnixMs;
use postrider_http::json::{push_string, push_u64};
use postrider_http::response::PartView;
use postrider_storage::NameKind;

use super::super::read::Source;
use crate::shard::offline::Told;

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Time,
    /// JSON of its own: a value in NDJSON, text elsewhere.
    Json,
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether a cell may be empty.
    pub(super) optional: bool,
}

/// One cell, of its column's kind.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    Nothing,
    Text(&'a str),
    Number(u32),
    Flag(bool),
    Time(UnixMs),
    Json(&'a str),
}

impl<'a> Cell<'a> {
    fn text(text: Option<&'a str>) -> Self {
        text.map_or(Cell::Nothing, Cell::Text)
    }

    fn time(time: Option<UnixMs>) -> Self {
        time.map_or(Cell::Nothing, Cell::Time)
    }
}

impl Column {
    /// Whether the cell may stand in this column.
    fn takes(&self, cell: &Cell<'_>) -> bool {
        match cell {
            Cell::Nothing => self.optional,
            Cell::Text(_) => self.kind == Kind::Text,
            Cell::Number(_) => self.kind == Kind::Number,
            Cell::Flag(_) => self.kind == Kind::Flag,
            Cell::Time(_) => self.kind == Kind::Time,
            Cell::Json(_) => self.kind == Kind::Json,
        }
    }
}

fn fit(columns: &[Column], cells: &[Cell<'_>]) -> bool {
    columns.len() == cells.len()
        && columns.iter().zip(cells).all(|(column, cell)| column.takes(cell))
}

const fn must(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, optional: false }
}

const fn may(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, optional: true }
}

const MESSAGE_COLUMNS: [Column; 18] = [
    must("message_id", Kind::Text),
    must("shard", Kind::Number),
    must("customer", Kind::Text),
    must("origin", Kind::Text),
    must("encoding", Kind::Text),
    must("status", Kind::Text),
    must("closed", Kind::Flag),
    may("carrier", Kind::Text),
    may("error_code", Kind::Text),
    must("accepted_at", Kind::Time),
    may("due_at", Kind::Time),
    must("valid_until", Kind::Time),
    may("submitted_at", Kind::Time),
    may("finished_at", Kind::Time),
    must("webhook", Kind::Text),
    must("part_count", Kind::Number),
    must("redacted", Kind::Flag),
    must("parts", Kind::Json),
];

const CONTENT_COLUMNS: [Column; 4] = [
    may("sender", Kind::Text),
    may("recipient", Kind::Text),
    may("body", Kind::Text),
    may("client_reference", Kind::Text),
];

/// The columns of events.
pub(super) const EVENT_COLUMNS: [Column; 8] = [
    must("message_id", Kind::Text),
    must("shard", Kind::Number),
    must("customer", Kind::Text),
    must("at", Kind::Time),
    must("event", Kind::Text),
    may("part", Kind::Number),
    may("carrier", Kind::Text),
    may("detail", Kind::Text),
];

/// Makes rows of messages.
pub(super) struct Rows<'s> {
    pub(super) source: &'s Source,
    pub(super) include_content: bool,
}

impl Rows<'_> {
    /// The columns of messages.
    pub(super) fn message_columns(&self) -> Vec<Column> {
        let content = CONTENT_COLUMNS.iter().filter(|_| self.include_content);
        MESSAGE_COLUMNS.iter().chain(content).copied().collect()
    }

    fn customer(&self, number: u32) -> String {
        let name = self.source.names.name_of(NameKind::Customer, number);
        name.map_or_else(|| format!("#{number}"), str::to_owned)
    }

    /// The row of a message.
    pub(super) fn message(
        &self,
        shard: u16,
        told: &Told,
        row: &mut dyn FnMut(&[Cell<'_>]) -> Result<()>,
    ) -> Result<()> {
        let view = told.view(&|number| self.source.carrier(number));
        let (id, customer) = (view.id.to_string(), self.customer(told.customer()));
        let parts = parts_json(&view.parts);
        let cells = [
            Cell::Text(&id),
            Cell::Number(shard.into()),
            Cell::Text(&customer),
            Cell::Text(told.origin()),
            Cell::Text(view.encoding),
            Cell::Text(view.status.name()),
            Cell::Flag(told.is_closed()),
            Cell::text(view.carrier.as_deref()),
            Cell::text(view.error_code.as_deref()),
            Cell::Time(view.created),
            Cell::time(told.due()),
            Cell::Time(told.valid_until()),
            Cell::time(view.submitted),
            Cell::time(view.finished),
            Cell::Text(told.webhook()),
            Cell::Number(view.segment_count.into()),
            Cell::Flag(view.redacted),
            Cell::Json(&parts),
            Cell::text(view.unless_redacted(&view.from)),
            Cell::text(view.unless_redacted(&view.to)),
            Cell::text(view.body.as_ref().and_then(|body| view.unless_redacted(body.expose()))),
            Cell::text(view.client_reference.as_deref()),
        ];
        let shown = if self.include_content { cells.len() } else { MESSAGE_COLUMNS.len() };
        let cells = cells.get(..shown).unwrap_or_default();
        debug_assert!(fit(&self.message_columns(), cells));
        row(cells)
    }

    /// The rows of a message's events, each with its time.
    pub(super) fn events(
        &self,
        shard: u16,
        told: &Told,
        row: &mut dyn FnMut(UnixMs, &[Cell<'_>]) -> Result<()>,
    ) -> Result<()> {
        let view = told.view(&|number| self.source.carrier(number));
        let (id, customer) = (view.id.to_string(), self.customer(told.customer()));
        for entry in &view.timeline {
            let cells = [
                Cell::Text(&id),
                Cell::Number(shard.into()),
                Cell::Text(&customer),
                Cell::Time(entry.at),
                Cell::Text(&entry.event),
                entry.part.map_or(Cell::Nothing, |part| Cell::Number(part.into())),
                Cell::text(entry.carrier.as_deref()),
                Cell::text(entry.detail.as_deref()),
            ];
            debug_assert!(fit(&EVENT_COLUMNS, &cells));
            row(entry.at, &cells)?;
        }
        Ok(())
    }
}

/// The parts as a JSON array.
fn parts_json(parts: &[PartView]) -> String {
    let mut out = Vec::with_capacity(128 * parts.len());
    out.push(b'[');
    for part in parts {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"index\":");
        push_u64(&mut out, part.index.into());
        let texts = [
            ("status", Some(part.status.name())),
            ("carrier", part.carrier.as_deref()),
            ("carrier_message_id", part.carrier_message_id.as_deref()),
            ("error_code", part.error_code.as_deref()),
        ];
        for (name, text) in texts {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            match text {
                Some(text) => push_string(&mut out, text),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
    }
    out.push(b']');
    String::from_utf8(out).unwrap_or_default()
}
