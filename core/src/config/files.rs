//! The files that a configuration names: secrets, and what TLS needs. Pure, lives nowhere.

use std::path::{Path, PathBuf};

use super::check;
use super::checked::Config;
use super::error::ConfigErrors;
use super::secret;
use crate::redact::Private;

/// A password in a file: its key path, the file, and where it goes.
type PasswordFile<'a> = (String, &'a mut PathBuf, &'a mut Private<String>);
/// A file of TLS: its key path, the file, and what must stand in it.
type TlsFile<'a> = (String, &'a mut PathBuf, &'static [&'static str]);

const CERTIFICATE: &[&str] = &["-----BEGIN ", "CERTIFICATE-----"];
const KEY: &[&str] = &["-----BEGIN ", "PRIVATE KEY-----"];

impl Config {
    /// Fills in the secrets that stand in files of their own, and looks into the files of TLS. `read`
    /// gives a file's text, or why it cannot be read; one line end at its end is not part of a secret.
    ///
    /// # Errors
    /// Every file that cannot be read or does not hold what its key says.
    pub fn load_secrets(
        &mut self,
        read: &mut dyn FnMut(&Path) -> Result<String, String>,
    ) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let mut load = |at: String, path: &Path, errors: &mut ConfigErrors| match read(path) {
            Ok(text) => Some(String::from(without_line_end(&text))),
            Err(why) => {
                let what = format!("{} cannot be read: {why}", path.display());
                errors.add(at, what, "make the file readable for this user or correct the path");
                None
            }
        };
        for (index, customer) in self.customers.iter_mut().enumerate() {
            let Some(path) = &customer.webhook_secret_file else { continue };
            let at = format!("customers[{index}].webhook_secret_file");
            let Some(text) = load(at.clone(), path, &mut errors) else { continue };
            match secret::webhook_secret(&text) {
                Ok(secret) => customer.webhook_secret = Private::new(secret),
                Err(why) => errors.add(at, why, check::WEBHOOK_SECRET_MEND),
            }
        }
        if let Some(lookups) = &mut self.lookups
            && let Some(path) = &lookups.secret_file
            && let Some(text) = load(String::from("lookups.secret_file"), path, &mut errors)
        {
            if text.is_empty() || !check::is_field_value(&text) {
                let what = format!("{} holds nothing that can be sent", path.display());
                errors.add("lookups.secret_file", what, check::LOOKUP_SECRET_MEND);
            }
            lookups.secret = Private::new(text);
        }
        for (at, path, password) in self.password_files() {
            let Some(text) = load(at.clone(), path, &mut errors) else { continue };
            check::password(&mut errors, &at, &text);
            if text.is_empty() {
                let mend = "write the password into it, or remove password_file";
                errors.add(at, format!("{} is empty", path.display()), mend);
            }
            *password = Private::new(text);
        }
        for (at, path, marks) in self.tls_files() {
            let Some(text) = load(at.clone(), path, &mut errors) else { continue };
            if !marks.iter().all(|mark| text.contains(mark)) {
                let what = format!("{} holds no such PEM block", path.display());
                errors.add(at, what, format!("give a file with `{}`", marks.concat()));
            }
        }
        errors.or_value(())
    }

    /// Takes relative paths of files as relative to `folder`, where the configuration is.
    pub fn resolve_files(&mut self, folder: &Path) {
        let secrets = self.customers.iter_mut().filter_map(|own| own.webhook_secret_file.as_mut());
        for file in secrets {
            *file = folder.join(&*file);
        }
        if let Some(tables) = &mut self.numbers.tables {
            *tables = folder.join(&*tables);
        }
        for table in &mut self.ported {
            table.file = folder.join(&table.file);
        }
        if let Some(file) = self.lookups.as_mut().and_then(|own| own.secret_file.as_mut()) {
            *file = folder.join(&*file);
        }
        for (_, file, _) in self.password_files() {
            *file = folder.join(&*file);
        }
        for (_, file, _) in self.tls_files() {
            *file = folder.join(&*file);
        }
    }

    /// Every file of TLS: its key path, the file, and what must stand in it.
    fn tls_files(&mut self) -> Vec<TlsFile<'_>> {
        let mut files = Vec::new();
        if let Some(tls) = &mut self.smpp.tls {
            let at = |key: &str| format!("smpp.tls.{key}");
            files.push((at("cert_file"), &mut tls.cert_file, CERTIFICATE));
            files.push((at("key_file"), &mut tls.key_file, KEY));
            let authorities = tls.client_ca_file.as_mut();
            files.extend(authorities.map(|file| (at("client_ca_file"), file, CERTIFICATE)));
        }
        for (index, carrier) in self.carriers.iter_mut().enumerate() {
            let Some(tls) = &mut carrier.profile.tls else { continue };
            let own = [
                ("ca_file", &mut tls.ca_file, CERTIFICATE),
                ("client_cert_file", &mut tls.client_cert_file, CERTIFICATE),
                ("client_key_file", &mut tls.client_key_file, KEY),
            ];
            files.extend(own.into_iter().filter_map(|(key, file, marks)| {
                Some((format!("carriers[{index}].tls.{key}"), file.as_mut()?, marks))
            }));
        }
        files
    }

    /// Every password that stands in a file.
    fn password_files(&mut self) -> Vec<PasswordFile<'_>> {
        let mut files = Vec::new();
        for (index, customer) in self.customers.iter_mut().enumerate() {
            let Some(smpp) = &mut customer.smpp else { continue };
            let at = format!("customers[{index}].smpp.password_file");
            files.extend(smpp.password_file.as_mut().map(|path| (at, path, &mut smpp.password)));
        }
        for (index, carrier) in self.carriers.iter_mut().enumerate() {
            let at = format!("carriers[{index}].password_file");
            let file = carrier.password_file.as_mut();
            files.extend(file.map(|path| (at, path, &mut carrier.password)));
            let Some(outbind) = &mut carrier.profile.outbind else { continue };
            let at = format!("carriers[{index}].outbind.password_file");
            let file = outbind.password_file.as_mut();
            files.extend(file.map(|path| (at, path, &mut outbind.password)));
        }
        files
    }
}

fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
