//! The messenger of a configuration.
//!
//! It must never show what a secret file holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jari_messenger::{Carrier, Messenger, Smtp, SmtpLogin, SmtpOptions, SmtpTls, Webhook, WebhookOptions};
use zeroize::Zeroizing;

use crate::config::{MailTls, Messages, SmtpConfig, WebhookConfig};

/// What carries messages, if anything does. The files that it names are read.
pub fn messenger(config: &Messages) -> anyhow::Result<Option<Arc<Messenger>>> {
    build(config, Files::Read)
}

/// Checks all that can be checked without the files that it names.
pub fn check(config: &Messages) -> anyhow::Result<()> {
    build(config, Files::Elsewhere).map(drop)
}

/// The files that a configuration names.
#[derive(Copy, Clone)]
enum Files {
    Read,
    /// They are not looked for: something stands for what they hold.
    Elsewhere,
}

impl Files {
    fn secret(self, path: &Path) -> anyhow::Result<Zeroizing<String>> {
        let text = match self {
            Files::Read => fs::read_to_string(path).with_context(|| unread(path))?,
            Files::Elsewhere => "stands for any secret".to_owned(),
        };
        Ok(Zeroizing::new(text))
    }

    fn authority(self, path: Option<&PathBuf>) -> anyhow::Result<Option<Vec<u8>>> {
        match (self, path) {
            (Files::Read, Some(path)) => Ok(Some(fs::read(path).with_context(|| unread(path))?)),
            _ => Ok(None),
        }
    }
}

fn unread(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

fn build(config: &Messages, files: Files) -> anyhow::Result<Option<Arc<Messenger>>> {
    let mut carriers = Vec::new();
    if let Some(webhook) = &config.webhook {
        carriers.push(Carrier::Webhook(webhook_of(webhook, files).context("in [messages.webhook]")?));
    }
    if let Some(smtp) = &config.smtp {
        carriers.push(Carrier::Smtp(smtp_of(smtp, files).context("in [messages.smtp]")?));
    }
    let patience = Duration::from_millis(config.patience_ms.into());
    Ok((!carriers.is_empty()).then(|| Arc::new(Messenger::new(carriers, patience))))
}

fn webhook_of(config: &WebhookConfig, files: Files) -> anyhow::Result<Webhook> {
    let options = WebhookOptions {
        url: config.url.clone(),
        secrets: files.secret(&config.secret_file)?,
        authority: files.authority(config.tls_authority.as_ref())?,
        clear_trusted: config.clear_trusted,
    };
    Webhook::new(&options).with_context(|| format!("with {}", config.secret_file.display()))
}

fn smtp_of(config: &SmtpConfig, files: Files) -> anyhow::Result<Smtp> {
    let (tls, usual_port) = match config.tls {
        MailTls::Whole => (SmtpTls::Whole, 465),
        MailTls::StartTls => (SmtpTls::StartTls, 587),
        MailTls::None => (SmtpTls::None, 25),
    };
    let login = match &config.login {
        None => None,
        Some(login) => {
            let password = Zeroizing::new(files.secret(&login.password_file)?.trim().to_owned());
            Some(SmtpLogin { user: login.user.clone(), password })
        }
    };
    Ok(Smtp::new(&SmtpOptions {
        server: config.server.clone(),
        port: config.port.unwrap_or(usual_port),
        tls,
        clear_trusted: config.clear_trusted,
        authority: files.authority(config.tls_authority.as_ref())?,
        login,
        from: config.from.clone(),
        to: config.to.clone(),
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn said(text: &str) -> String {
        let config = Config::parse(&format!("data = \"x\"\n{text}")).unwrap();
        check(&config.messages).map_or_else(|error| format!("{error:#}"), |()| "fits".into())
    }

    #[test]
    fn mistakes_are_found_without_the_files() {
        let webhook = |url: &str| format!("[messages.webhook]\nurl = {url:?}\nsecret_file = \"none\"\n");
        let smtp = |rest: &str| {
            format!("[messages.smtp]\nserver = \"smtp.example.org\"\nfrom = \"a@b.example\"\n{rest}")
        };
        let to = "to = \"{telephone}@sms.example.org\"\n";
        for (text, says) in [
            (String::new(), "fits"),
            (webhook("https://sms.example.org/x"), "fits"),
            (webhook("https://a.example/") + &smtp(to), "fits"),
            (smtp(&format!("{to}login = {{ user = \"a\", password_file = \"none\" }}")), "fits"),
            (webhook("http://sms.example.org/x"), "in clear"),
            (webhook("sms.example.org"), "[messages.webhook]"),
            (smtp("to = \"a@b.example\""), "{telephone}"),
            (smtp(&format!("{to}tls = \"none\"")), "in clear"),
        ] {
            assert!(said(&text).contains(says), "{text}: {}", said(&text));
        }
    }

    #[test]
    fn what_a_secret_file_holds_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "short-secret").unwrap();
        let text =
            format!("data = \"x\"\n[messages.webhook]\nurl = \"https://a.example/\"\nsecret_file = {path:?}");
        let config = Config::parse(&text).unwrap();
        let error = format!("{:#}", messenger(&config.messages).err().unwrap());
        assert!(error.contains("16 bytes") && !error.contains("short-secret"), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert!(format!("{:#}", messenger(&config.messages).err().unwrap()).contains("cannot read"));
    }
}
