//! What we submit, and what the peer answers (3.4 sections 2.7, 4.4 to 4.6): a response is matched by its
//! number alone and always closes what it answers. One per session.

use core::time::Duration;

use super::legality::may_send;
use super::machine::Machine;
use super::{CloseReason, Event, Oddity, Role, State, SubmitRefused};
use crate::command::CommandId;
use crate::pdu::{Body, Frame, ShortMessage, VERSION_3_4, decode, encode_message_for};
use crate::status::CommandStatus;
use crate::tlv::{Tlvs, tag, tag_spec};

/// Greatest congestion_state (5.0 section 4.8.4.18).
const CONGESTED: u32 = 100;

impl Machine {
    /// What we submit unless told otherwise.
    pub(super) fn own_message(&self) -> CommandId {
        match self.config.role {
            Role::Esme => CommandId::SUBMIT_SM,
            Role::Smsc => CommandId::DELIVER_SM,
        }
    }

    fn may_submit(&self, command: CommandId) -> bool {
        let State::Bound(kind) = self.state else { return false };
        if command == self.own_message() {
            return kind.may_send(self.config.role);
        }
        command == CommandId::DATA_SM && may_send(command, self.config.role, self.version, kind)
    }

    pub(super) fn window_free(&self) -> usize {
        if self.may_submit(self.own_message()) {
            usize::from(self.config.window).saturating_sub(self.window.len())
        } else {
            0
        }
    }

    pub(super) fn submit(
        &mut self,
        now: Duration,
        command: CommandId,
        token: u64,
        message: &ShortMessage<'_>,
    ) -> Result<u32, SubmitRefused> {
        if !self.may_submit(command) {
            return Err(SubmitRefused::NotBound);
        }
        if self.window.len() >= usize::from(self.config.window) {
            return Err(SubmitRefused::WindowFull);
        }
        let sequence = self.next_sequence();
        self.write_message(command, sequence, message)?;
        self.now = now;
        self.window.push(sequence, command, token, now);
        assert!(self.window.len() <= usize::from(self.config.window), "window exceeded");
        self.note_activity();
        Ok(sequence)
    }

    /// Writes a message in what the peer's version knows of it.
    fn write_message(
        &mut self,
        command: CommandId,
        sequence: u32,
        message: &ShortMessage<'_>,
    ) -> Result<(), SubmitRefused> {
        let version = self.version;
        let needs_tlvs =
            || command == CommandId::DATA_SM || message.tlvs.get(tag::MESSAGE_PAYLOAD).is_some();
        if version < VERSION_3_4 && needs_tlvs() {
            return Err(SubmitRefused::NotInVersion);
        }
        let trimmed = trimmed_tlvs(version, message.tlvs, &mut self.scratch)
            .map(|tlvs| ShortMessage { tlvs, ..*message });
        let message = trimmed.as_ref().unwrap_or(message);
        encode_message_for(&mut self.requests, version, command, sequence, message)
            .map_err(SubmitRefused::Encode)
    }

    /// Any response but one of an unknown command.
    pub(super) fn on_response<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        let (command, sequence) = (frame.header.command, frame.header.sequence);
        if command.name().is_none() {
            return Some(Event::Counted(Oddity::UnknownCommand));
        }
        let matches =
            |expected: CommandId| command == expected || command == CommandId::GENERIC_NACK;
        let mismatch = Event::Counted(Oddity::MismatchedResponse);
        if self.own.bind == Some(sequence) {
            return self.on_bind_answer(frame);
        }
        if self.own.enquire.take_if(|own| *own == sequence).is_some() {
            return (!matches(CommandId::ENQUIRE_LINK_RESP)).then_some(mismatch);
        }
        if self.own.unbind == Some(sequence) {
            self.close(CloseReason::Unbound);
            return (!matches(CommandId::UNBIND_RESP)).then_some(mismatch);
        }
        if command == CommandId::GENERIC_NACK
            && sequence == 0
            && frame.header.status == CommandStatus::ESME_RINVCMDLEN
        {
            self.close(CloseReason::PeerLostFraming);
            return None;
        }
        self.on_answer(frame)
    }

    /// The answer to one of our messages.
    fn on_answer<'a>(&mut self, frame: &Frame<'a>) -> Option<Event<'a>> {
        let (command, sequence) = (frame.header.command, frame.header.sequence);
        let in_time = self.window.take(sequence);
        let late = in_time.is_none();
        let Some(slot) = in_time.or_else(|| self.window.take_late(sequence)) else {
            return Some(Event::Counted(Oddity::UnknownResponse));
        };
        self.timeouts_in_row = 0;
        self.note_activity();
        if late {
            self.queue.push_back(Event::Counted(Oddity::LateResponse));
        }
        let expected = slot.command.response();
        let mismatched = command != expected && command != CommandId::GENERIC_NACK;
        if mismatched {
            self.queue.push_back(Event::Counted(Oddity::MismatchedResponse));
        }
        let status = if command == expected {
            frame.header.status
        } else {
            frame.header.status.or_invalid_command()
        };
        let (message_id, tlvs) = match decode(frame) {
            Ok(Body::MessageResp { message_id, tlvs }) if !mismatched => (message_id, tlvs),
            Ok(_) | Err(_) => Default::default(),
        };
        let congestion = tlvs.get_int(tag::CONGESTION_STATE).filter(|state| *state <= CONGESTED);
        self.check_drained();
        Some(Event::Response {
            token: slot.token,
            status: status.0,
            message_id,
            waited: self.now.saturating_sub(slot.sent),
            late,
            congestion: congestion.and_then(|state| u8::try_from(state).ok()),
        })
    }
}

/// The parameters that a peer of `version` may be sent, when those are not all: none before 3.4, and those of
/// 5.0 from 5.0 on. `scratch` is where they are kept.
pub(super) fn trimmed_tlvs<'a>(
    version: u8,
    tlvs: Tlvs<'_>,
    scratch: &'a mut Vec<u8>,
) -> Option<Tlvs<'a>> {
    if version < VERSION_3_4 {
        return Some(Tlvs::default());
    }
    let is_newer = |tag| tag_spec(tag).is_some_and(|spec| spec.since > version);
    if !tlvs.is_exact() || !{ tlvs }.any(|tlv| is_newer(tlv.tag)) {
        return None;
    }
    scratch.clear();
    for tlv in tlvs.filter(|tlv| !is_newer(tlv.tag)) {
        let written = tlv.write(scratch);
        debug_assert!(written, "it was read from such an area");
    }
    Some(Tlvs::new(scratch))
}
