//! What is read of a PDU is written so that it is read again as the same, and the typed reader agrees with
//! the table of layouts.

use postrider_smpp::bounds::BOUNDS;
use postrider_smpp::command::CommandId;
use postrider_smpp::json::pdu_to_json;
use postrider_smpp::layout::decode_fields;
use postrider_smpp::pdu::{
    Body, EncodeHead, Frame, HEADER_LEN, Header, PduError, decode_for, encode, next_frame,
};
use postrider_smpp::status::CommandStatus;

use super::super::input::Input;

/// Reads a version, a command (any of the specifications', or any at all), a status and a body.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let version = input.pick(&[0x34, 0x50]);
    let which = input.octet();
    let command = match CommandId::ALL.get(usize::from(which)) {
        Some(command) => *command,
        None => CommandId(u32::from(input.word()) << 16 | u32::from(input.word())),
    };
    let status = CommandStatus(u32::from(input.octet()));
    let body = input.rest();
    let length = u32::try_from(HEADER_LEN + body.len()).expect("inputs are short");
    let frame = Frame { header: Header { length, command, status, sequence: 7 }, body };

    let read = decode_for(version, &frame);
    if command.is_response() && command.name().is_some() {
        assert!(read.is_ok(), "a response is taken as it is");
    }
    if command.name().is_none() {
        assert_eq!(read.err(), Some(PduError::UnknownCommand(command)));
        return;
    }
    agrees_with_the_layout(command, body, &read);
    let Ok(read) = read else { return };

    let head = EncodeHead { command, status, sequence: 7, version };
    let mut first = Vec::new();
    // Not all that is read may be written: strange lengths of a carrier's deliver_sm, for one.
    if encode(&mut first, head, &read).is_err() {
        assert!(first.is_empty(), "a failed write leaves nothing behind");
        return;
    }
    let (frame, used) = next_frame(&first, u32::MAX).expect("a length").expect("a whole PDU");
    assert_eq!(used, first.len());
    let again = decode_for(version, &frame).expect("what is written can be read");
    if status != CommandStatus::ESME_ROK {
        // The fields of an error's response may look like parameters that stand alone.
        return;
    }
    let mut second = Vec::new();
    encode(&mut second, head, &again).expect("and written again");
    assert_eq!(first, second);
    assert_eq!(format!("{read:?}"), format!("{again:?}"));
    assert!(pdu_to_json(&first).is_object());
}

/// Both readers take the same requests, but for bounds of values and for parameters, which only the
/// typed one looks at. Of a
/// response the typed one takes what is there.
fn agrees_with_the_layout(command: CommandId, body: &[u8], read: &Result<Body<'_>, PduError>) {
    let by_layout = decode_fields(command, body, &mut |_| {});
    if command.is_response() {
        return;
    }
    match (read, by_layout) {
        // Stray octets behind these are passed over; the table shows them.
        (Ok(Body::Bind(_) | Body::Outbind(_)), Err(error)) if error.field == "tlvs" => {}
        (Ok(_), Err(error)) => panic!("{command:?}: only the layout refuses {}", error.field),
        (Err(PduError::Nack { status }), Ok(_)) => {
            let bound = BOUNDS.iter().any(|bound| bound.status == *status);
            let parameters =
                CommandStatus::ESME_ROPTPARNOTALLWD.0..=CommandStatus::ESME_RINVOPTPARAMVAL.0;
            let typed = bound || parameters.contains(&status.0);
            assert!(typed, "{command:?}: only the typed reader says {status:?}");
        }
        (Err(PduError::UnknownCommand(_)), _) => panic!("{command:?} is known"),
        (Err(_), Err(_)) | (Ok(_), Ok(_)) => {}
    }
}
