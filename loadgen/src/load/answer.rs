//! What an HTTP answer means for the message: pure, lives nowhere.

use std::time::Duration;

use serde::Deserialize;

use crate::http1::Message;

/// The longest that a Retry-After is heeded.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);

/// The pause after a 503 that names none.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_millis(100);

/// The shortest pause after a 503.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(10);

/// What the gateway said about one message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 202 (or another 2xx) with an id: the message is the gateway's.
    Accepted {
        /// The message id, as given.
        id: String,
        /// How many parts the gateway promised; 0 when it did not say.
        parts: u64,
    },
    /// 503: the gateway took nothing and asks for another try.
    Busy {
        /// How long to wait before it.
        pause: Duration,
        /// The problem document's code, or `http_503` without one.
        code: String,
    },
    /// Anything else: the message was not taken.
    Refused {
        /// The problem document's code, or `http_<status>` without one.
        code: String,
    },
}

#[derive(Deserialize)]
struct AcceptedBody {
    message_id: String,
    #[serde(default)]
    segment_count: u64,
}

#[derive(Deserialize)]
struct ProblemBody {
    code: String,
}

/// Reads the answer to a submission.
pub(crate) fn read(message: &Message<'_>) -> Answer {
    let status = message.status;
    if (200..300).contains(&status) {
        return match serde_json::from_slice::<AcceptedBody>(&message.body) {
            Ok(body) => Answer::Accepted { id: body.message_id, parts: body.segment_count },
            Err(_) => Answer::Refused { code: "answer_without_message_id".to_owned() },
        };
    }
    let code = serde_json::from_slice::<ProblemBody>(&message.body).map(|body| body.code);
    let code = code.unwrap_or_else(|_| format!("http_{status}"));
    if status == 503 {
        return Answer::Busy { pause: pause(message.header_text("retry-after")), code };
    }
    Answer::Refused { code }
}

fn pause(retry_after: Option<&str>) -> Duration {
    match retry_after.and_then(|seconds| seconds.parse::<u64>().ok()) {
        Some(seconds) => Duration::from_secs(seconds).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX),
        None => RETRY_AFTER_DEFAULT,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]

    use std::time::Duration;

    use super::{Answer, read};
    use crate::http1::response;

    fn answer(status: &str, extra: &str, body: &str) -> Answer {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{extra}\r\n{body}");
        read(&response(text.as_bytes()).unwrap().unwrap())
    }

    #[test]
    fn every_kind_of_answer_is_told_apart() {
        let body = r#"{"message_id":"0af7","segment_count":2,"encoding":"gsm7","status":"queued"}"#;
        let accepted = Answer::Accepted { id: "0af7".to_owned(), parts: 2 };
        assert_eq!(answer("202 Accepted", "", body), accepted);
        let refused = |code: &str| Answer::Refused { code: code.to_owned() };
        assert_eq!(answer("202 Accepted", "", "{}"), refused("answer_without_message_id"));
        assert_eq!(
            answer("400 Bad", "", r#"{"code":"invalid_to","status":400}"#),
            refused("invalid_to")
        );
        assert_eq!(answer("502 Bad Gateway", "", "<html>"), refused("http_502"));
    }

    #[test]
    fn a_pause_is_heeded_up_to_a_second() {
        for (header, ms) in [
            ("Retry-After: 1\r\n", 1000),
            ("Retry-After: 3600\r\n", 1000),
            ("Retry-After: 0\r\n", 10),
            ("", 100),
            ("Retry-After: tomorrow\r\n", 100),
        ] {
            let pause = Duration::from_millis(ms);
            let busy = Answer::Busy { pause, code: "http_503".to_owned() };
            assert_eq!(answer("503 Busy", header, "{}"), busy, "{header}");
        }
    }
}
