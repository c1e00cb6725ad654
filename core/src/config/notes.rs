//! What is allowed in a configuration and yet deserves a second look. Pure, lives nowhere.

use super::checked::{BindType, Config};
use super::error::ConfigProblem;
use crate::redact::Private;

/// Most characters of a password [3.4 section 5.2.2].
const PASSWORD: usize = 8;

impl Config {
    /// Everything that works and may not be meant, in the order of the file's sections. Secrets in
    /// files count once they are loaded.
    #[must_use]
    pub fn notes(&self) -> Vec<ConfigProblem> {
        let mut notes = Vec::new();
        for (index, customer) in self.customers.iter().enumerate() {
            let Some(account) = &customer.smpp else { continue };
            let at = format!("customers[{index}].smpp.password");
            notes.extend(long_password(at, &account.password));
        }
        for (index, carrier) in self.carriers.iter().enumerate() {
            let at = |key: &str| format!("carriers[{index}].{key}");
            notes.extend(long_password(at("password"), &carrier.password));
            if let Some(outbind) = &carrier.profile.outbind {
                notes.extend(long_password(at("outbind.password"), &outbind.password));
            }
            if carrier.receipts && carrier.bind == BindType::Transmitter {
                notes.push(ConfigProblem {
                    at: at("receipts"),
                    what: String::from("receipts are asked for, and a transmitter gets none"),
                    mend: String::from(
                        "use bind = \"transceiver\" or \"pair\", or receipts = false",
                    ),
                });
            }
        }
        notes
    }
}

fn long_password(at: String, password: &Private<String>) -> Option<ConfigProblem> {
    let octets = password.expose().len();
    (octets > PASSWORD).then(|| ConfigProblem {
        at,
        what: format!("it has {octets} characters, and SMPP has room for {PASSWORD}"),
        mend: String::from("make sure that the other side takes it whole"),
    })
}
