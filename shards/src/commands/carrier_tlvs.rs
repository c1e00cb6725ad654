//! `[[carriers.tlvs]]` against what SMPP says of each parameter, so that no message is refused for one
//! later. On the main thread.

use postrider_core::config::{CarrierConfig, CarrierTlv, Concatenation, Config, ConfigProblem};
use postrider_smpp::command::CommandId;
use postrider_smpp::tlv::{Tlv, TlvFault, Tlvs, tag};

/// What is wrong with the parameters of every carrier.
pub(super) fn problems(config: &Config) -> Vec<ConfigProblem> {
    let carriers = config.carriers.iter().enumerate();
    let all = carriers.flat_map(|(carrier, config)| {
        let tlvs = config.profile.tlvs.iter().enumerate();
        tlvs.filter_map(move |(index, tlv)| {
            let (what, mend) = problem(config, tlv)?;
            let at = format!("carriers[{carrier}].tlvs[{index}]");
            Some(ConfigProblem { at, what, mend: mend.to_owned() })
        })
    });
    all.collect()
}

/// What is wrong with one, and its remedy. A parameter of another PDU's is not: some carriers ask for
/// one.
fn problem(carrier: &CarrierConfig, tlv: &CarrierTlv) -> Option<(String, &'static str)> {
    let header =
        matches!(carrier.profile.concatenation, Concatenation::Udh8 | Concatenation::Udh16);
    if header && matches!(tlv.tag, tag::SOURCE_PORT | tag::DEST_PORT) {
        let what = "a port cannot stand beside the user data headers of long texts".to_owned();
        return Some((what, "set concatenation = \"sar\" or \"payload\""));
    }
    let mut area = Vec::new();
    if !(Tlv { tag: tlv.tag, value: &tlv.value }).write(&mut area) {
        return None;
    }
    let mut faults = Tlvs::new(&area).faults(CommandId::SUBMIT_SM, carrier.version);
    // The companion of one may be another entry.
    let fault =
        faults.find(|fault| !matches!(fault, TlvFault::Misplaced(_) | TlvFault::Alone(..)))?;
    let mend = if matches!(fault, TlvFault::Version(_)) {
        "set version = \"5.0\", or remove it"
    } else {
        "correct it; a C-octet string ends with 00 and so is given as hex"
    };
    Some((fault.to_string(), mend))
}
