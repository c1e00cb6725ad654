//! command_status by name, for the operator's reactions. Pure, lives nowhere.

/// Every status of 3.4 and 5.0 that a request may be answered with, without `ESME_`
/// [3.4 section 5.1.3, 5.0 section 4.7.6]; 5.0's other names for the same number included.
const NAMES: [(&str, u32); 71] = [
    ("RINVMSGLEN", 0x1),
    ("RINVCMDLEN", 0x2),
    ("RINVCMDID", 0x3),
    ("RINVBNDSTS", 0x4),
    ("RALYBND", 0x5),
    ("RINVPRTFLG", 0x6),
    ("RINVREGDLVFLG", 0x7),
    ("RSYSERR", 0x8),
    ("RINVSRCADR", 0xA),
    ("RINVDSTADR", 0xB),
    ("RINVMSGID", 0xC),
    ("RBINDFAIL", 0xD),
    ("RINVPASWD", 0xE),
    ("RINVSYSID", 0xF),
    ("RCANCELFAIL", 0x11),
    ("RREPLACEFAIL", 0x13),
    ("RMSGQFUL", 0x14),
    ("RINVSERTYP", 0x15),
    ("RINVNUMDESTS", 0x33),
    ("RINVDLNAME", 0x34),
    ("RINVDESTFLAG", 0x40),
    ("RINVSUBREP", 0x42),
    ("RINVESMCLASS", 0x43),
    ("RCNTSUBDL", 0x44),
    ("RSUBMITFAIL", 0x45),
    ("RINVSRCTON", 0x48),
    ("RINVSRCNPI", 0x49),
    ("RINVDSTTON", 0x50),
    ("RINVDSTNPI", 0x51),
    ("RINVSYSTYP", 0x53),
    ("RINVREPFLAG", 0x54),
    ("RINVNUMMSGS", 0x55),
    ("RTHROTTLED", 0x58),
    ("RINVSCHED", 0x61),
    ("RINVEXPIRY", 0x62),
    ("RINVDFTMSGID", 0x63),
    ("RX_T_APPN", 0x64),
    ("RX_P_APPN", 0x65),
    ("RX_R_APPN", 0x66),
    ("RQUERYFAIL", 0x67),
    ("RINVOPTPARSTREAM", 0xC0),
    ("RINVTLVSTREAM", 0xC0),
    ("ROPTPARNOTALLWD", 0xC1),
    ("RTLVNOTALLWD", 0xC1),
    ("RINVPARLEN", 0xC2),
    ("RINVTLVLEN", 0xC2),
    ("RMISSINGOPTPARAM", 0xC3),
    ("RMISSINGTLV", 0xC3),
    ("RINVOPTPARAMVAL", 0xC4),
    ("RINVTLVVAL", 0xC4),
    ("RDELIVERYFAILURE", 0xFE),
    ("RUNKNOWNERR", 0xFF),
    ("RSERTYPUNAUTH", 0x100),
    ("RPROHIBITED", 0x101),
    ("RSERTYPUNAVAIL", 0x102),
    ("RSERTYPDENIED", 0x103),
    ("RINVDCS", 0x104),
    ("RINVSRCADDRSUBUNIT", 0x105),
    ("RINVDSTADDRSUBUNIT", 0x106),
    ("RINVBCASTFREQINT", 0x107),
    ("RINVBCASTALIAS_NAME", 0x108),
    ("RINVBCASTAREAFMT", 0x109),
    ("RINVNUMBCAST_AREAS", 0x10A),
    ("RINVBCASTCNTTYPE", 0x10B),
    ("RINVBCASTMSGCLASS", 0x10C),
    ("RBCASTFAIL", 0x10D),
    ("RBCASTQUERYFAIL", 0x10E),
    ("RBCASTCANCELFAIL", 0x10F),
    ("RINVBCAST_REP", 0x110),
    ("RINVBCASTSRVGRP", 0x111),
    ("RINVBCASTCHANIND", 0x112),
];

/// Reads a status: `0x45`, `69` or `ESME_RSUBMITFAIL`.
pub(super) fn parse(text: &str) -> Option<u32> {
    if let Some(name) = text.strip_prefix("ESME_") {
        return NAMES.iter().find(|(own, _)| *own == name).map(|(_, status)| *status);
    }
    let digits = |text: &str, radix| {
        let plain = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
        plain.then(|| u32::from_str_radix(text, radix).ok()).flatten()
    };
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => digits(hex, 16),
        None => digits(text, 10),
    }
}

/// Its name, or its number as eight hexadecimal digits would be too long: `0x45`.
pub(super) fn name(status: u32) -> String {
    match NAMES.iter().find(|(_, own)| *own == status) {
        Some((name, _)) => format!("ESME_{name}"),
        None => format!("0x{status:X}"),
    }
}
