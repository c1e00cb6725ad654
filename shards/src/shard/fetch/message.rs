//! Reading one message back from the log: the record that leads to it, then those that it names, one
//! after the other. Pure, lives nowhere.

use postrider_core::limits;
use postrider_storage::{
    Ask, FileRef, Position, ReadBack, Record, Search, SearchError, Step, read_record,
};

use crate::shard::fold::{apply, message_of, sequence_of};
use crate::shard::message::Message;

/// Reads a message.
#[derive(Debug)]
pub(crate) struct Fetch {
    sequence: u64,
    /// Where its records lie, oldest first, as far as is known.
    records: Vec<Position>,
    /// How many of them have been read.
    read: usize,
    /// What those came to.
    message: Option<Box<Message>>,
    /// How many of them a record of kind closed names; 0: none did.
    listed: usize,
    /// Records that came after the one that leads to the others.
    later: Vec<Position>,
    /// The read under way.
    ask: Ask,
}

impl Fetch {
    /// Of the message with this number, to which the record at `anchor` leads: that of its
    /// acceptance, of its carrying, or of its closing.
    pub(crate) fn new(sequence: u64, anchor: Position) -> Self {
        Self {
            sequence,
            records: vec![anchor],
            read: 0,
            message: None,
            listed: 0,
            later: Vec::new(),
            ask: ask(anchor, limits::RECORD_READ),
        }
    }

    /// Of the message whose records lie there, oldest first; a record of kind closed names the first
    /// `closed` of them.
    ///
    /// # Panics
    /// When there are none.
    pub(crate) fn of(sequence: u64, records: Vec<Position>, closed: usize) -> Self {
        let Some(first) = records.first() else { panic!("a message without a record") };
        let new = Self::new(sequence, *first);
        Self { records, listed: closed, ..new }
    }

    /// With these records of it, to which nothing leads yet.
    pub(crate) fn with_later(self, later: Vec<Position>) -> Self {
        Self { later, ..self }
    }

    fn damaged(&self) -> SearchError {
        SearchError::Damaged(self.ask.file)
    }

    /// Takes the record that lies at the next place.
    fn take(&mut self, at: Position, record: &Record<'_>) -> Result<(), SearchError> {
        // The place belongs to somebody else by now: the segment was used again.
        if sequence_of(record) != Some(self.sequence) {
            return Err(SearchError::Gone);
        }
        match (&mut self.message, record) {
            (None, Record::Closed { records, .. }) if self.listed == 0 => {
                self.records = Position::list(records).collect();
                self.listed = self.records.len();
                self.records.append(&mut self.later);
                return Ok(());
            }
            (Some(message), record) => {
                apply(message, record);
                message.note(at, record.encoded_len());
            }
            (None, record) => {
                let message = message_of(record, at).ok().flatten();
                self.message = Some(Box::new(message.ok_or(self.damaged())?));
                self.records.append(&mut self.later);
            }
        }
        self.read += 1;
        Ok(())
    }

    /// What was read of the record at a place: neighbours come in one read.
    fn have<'a>(&self, at: Position, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.ask.file != FileRef::Segment(at.segment) {
            return None;
        }
        let from = u64::from(at.offset).checked_sub(self.ask.offset)?;
        let rest = bytes.get(usize::try_from(from).ok()?..)?;
        (!rest.is_empty() || from == 0).then_some(rest)
    }

    /// Takes every record that lies in what was read; gives the next read.
    fn digest(&mut self, bytes: &[u8]) -> Result<Option<Ask>, SearchError> {
        while let Some(at) = self.records.get(self.read).copied() {
            let Some(rest) = self.have(at, bytes) else {
                return Ok(Some(ask(at, limits::RECORD_READ)));
            };
            match read_record(rest) {
                Ok(ReadBack::Whole { record, .. }) => self.take(at, &record)?,
                Ok(ReadBack::Incomplete { needed }) => {
                    let needed = u32::try_from(needed).map_err(|_| self.damaged())?;
                    let again = ask(at, needed.max(limits::RECORD_READ));
                    // The file ends before the record does.
                    return if again == self.ask { Err(self.damaged()) } else { Ok(Some(again)) };
                }
                Err(_) => return Err(self.damaged()),
            }
        }
        Ok(None)
    }
}

impl Search for Fetch {
    type Found = Box<Message>;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<Box<Message>> {
        let Some(bytes) = answer else { return Step::Read(self.ask) };
        match self.digest(bytes) {
            Ok(Some(ask)) => {
                self.ask = ask;
                Step::Read(ask)
            }
            Ok(None) => match self.message.take() {
                Some(mut message) => {
                    message.durable = true;
                    message.listed = self.listed;
                    Step::Done(Ok(message))
                }
                None => Step::Done(Err(self.damaged())),
            },
            Err(error) => Step::Done(Err(error)),
        }
    }
}

fn ask(at: Position, len: u32) -> Ask {
    Ask::segment(at.segment, at.offset.into(), len)
}
