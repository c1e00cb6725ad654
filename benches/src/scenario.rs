//! Named pieces of work for counting instructions: each runs a given number of times after the same
//! setting-up, so that the difference of two counts is the work alone. One runs per process.

use core::hint::black_box;

use postrider_core::text::{self, ReferenceWidth};

use crate::gateway::{Entrance, Gateway};
use crate::journal::Journal;
use crate::sample::{GSM_SHORT, parse_submit, read_receipt, receipt_pdu, submit_body};

/// One scenario.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What one operation is.
    pub about: &'static str,
    /// Operations between which nothing is rounded: counts are multiples of it.
    pub step: u64,
    /// Runs so many operations.
    pub run: fn(u64),
}

/// Records of a batch of the log, and messages under way at once, where there are many.
pub const MANY: u64 = 64;

/// Every scenario.
pub static SCENARIOS: [Scenario; 7] = [
    Scenario {
        name: "encode_gsm",
        about: "encode a GSM text of one part and count its parts",
        step: 1,
        run: encode_gsm,
    },
    Scenario {
        name: "decode_deliver_sm",
        about: "frame and decode a deliver_sm and read its receipt",
        step: 1,
        run: decode_deliver_sm,
    },
    Scenario {
        name: "parse_submit",
        about: "route a submit and parse its JSON body",
        step: 1,
        run: parse_submits,
    },
    Scenario {
        name: "append_record",
        about: "append a record of 299 bytes, its 64th of a batch with checksum",
        step: MANY,
        run: append_records,
    },
    Scenario {
        name: "message_alone",
        about: "a message through the shard machine, alone under way",
        step: 1,
        run: messages_alone,
    },
    Scenario {
        name: "message",
        about: "a message through the shard machine, 64 under way",
        step: MANY,
        run: messages,
    },
    Scenario {
        name: "message_with_api",
        about: "the same with API key, JSON body and JSON answer",
        step: MANY,
        run: messages_with_api,
    },
];

/// The scenario of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

fn encode_gsm(times: u64) {
    for _ in 0..times {
        let encoded = text::encode(black_box(GSM_SHORT));
        black_box(encoded.part_count(ReferenceWidth::Eight));
    }
}

fn decode_deliver_sm(times: u64) {
    let pdu = receipt_pdu(1);
    for _ in 0..times {
        black_box(read_receipt(black_box(&pdu)));
    }
}

fn parse_submits(times: u64) {
    let body = submit_body();
    for _ in 0..times {
        black_box(parse_submit(black_box(&body)));
    }
}

fn append_records(times: u64) {
    let mut journal = Journal::new();
    for _ in 0..times / MANY {
        journal.batch(MANY);
    }
}

fn messages_alone(times: u64) {
    Gateway::new(Entrance::Machine).rounds(times, 1);
}

fn messages(times: u64) {
    Gateway::new(Entrance::Machine).rounds(times, MANY);
}

fn messages_with_api(times: u64) {
    Gateway::new(Entrance::Api).rounds(times, MANY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_runs_and_has_its_own_name() {
        for scenario in &SCENARIOS {
            (scenario.run)(2 * scenario.step);
            assert!(core::ptr::eq(find(scenario.name).expect("found"), scenario));
        }
    }
}
