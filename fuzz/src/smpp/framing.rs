//! A stream of PDUs cut anywhere gives the frames and the error that it gives in one piece.

use postrider_smpp::pdu::{FrameError, HEADER_LEN, next_frame};

use super::super::input::Input;

/// Frames in order as (header and body), and how the stream ends: octets left over, or an error.
#[derive(PartialEq, Eq, Debug)]
struct Read {
    frames: Vec<Vec<u8>>,
    end: Result<usize, FrameError>,
}

/// Reads `max_pdu`, the sizes of the pieces, and the stream.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let max_pdu = input.pick(&[16, 17, 256, 70_000, u32::MAX]);
    let sizes = input.run();
    let stream = input.rest();
    let whole = read([stream].into_iter(), max_pdu);
    assert_eq!(read(stream.chunks(1), max_pdu), whole, "octet by octet");
    assert_eq!(read(pieces(stream, sizes), max_pdu), whole, "cut by the input");
    let frames: Vec<u8> = whole.frames.concat();
    assert!(stream.starts_with(&frames), "frames are the stream itself");
}

/// Cuts `stream` into pieces of `sizes`, over and over; zero is a piece without octets.
fn pieces<'a>(mut stream: &'a [u8], sizes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let default: &[u8] = &[7];
    let sizes = if sizes.iter().all(|size| *size == 0) { default } else { sizes };
    let mut sizes = sizes.iter().cycle();
    core::iter::from_fn(move || {
        if stream.is_empty() {
            return None;
        }
        let size = usize::from(*sizes.next()?).min(stream.len());
        let (piece, rest) = stream.split_at(size);
        stream = rest;
        Some(piece)
    })
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>, max_pdu: u32) -> Read {
    let mut buffer = Vec::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match next_frame(&buffer, max_pdu) {
                Ok(Some((frame, used))) => {
                    assert_eq!(frame.header.length as usize, used);
                    assert_eq!(frame.body.len() + HEADER_LEN, used);
                    frames.push(buffer.drain(..used).collect());
                }
                Ok(None) => break,
                Err(error) => return Read { frames, end: Err(error) },
            }
        }
    }
    Read { frames, end: Ok(buffer.len()) }
}
