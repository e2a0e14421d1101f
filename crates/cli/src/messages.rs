//! The messenger of a configuration.
//!
//! It must never show what a secret file holds.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jari_messenger::{
    Carrier, Messenger, Policy, Smtp, SmtpLogin, SmtpOptions, SmtpTls, Webhook, WebhookOptions,
};
use jari_web::messages::MessageOptions;
use zeroize::Zeroizing;

use crate::config::{MailTls, Messages, SmtpConfig, WebhookConfig};

/// Stands for any secret where only the rest is looked at.
const ANY_SECRET: &str = "a secret that is not read";

/// What carries messages, if anything does. The files that it names are read.
pub fn messenger(config: &Messages) -> anyhow::Result<Option<Arc<Messenger>>> {
    build(config, &read, &|path| read(path).map(|text| text.as_bytes().to_vec()))
}

/// Checks all that can be checked without the files that it names.
pub fn check(config: &Messages) -> anyhow::Result<()> {
    let mut config = config.clone();
    config.webhook.iter_mut().for_each(|webhook| webhook.tls_authority = None);
    config.smtp.iter_mut().for_each(|smtp| smtp.tls_authority = None);
    build(&config, &|_| Ok(Zeroizing::new(ANY_SECRET.into())), &|_| Ok(Vec::new())).map(drop)
}

/// How messages are sent.
pub fn options(config: &Messages) -> MessageOptions {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let defaults = MessageOptions::default();
    let policy = Policy {
        retry_min: ms(config.retry_ms_min),
        retry_max: ms(config.retry_ms_max),
        refusals_max: config.refusals_max,
        failures_max: config.failures_max,
    };
    let code_policy = Policy {
        retry_min: policy.retry_min.min(defaults.code_policy.retry_min),
        retry_max: policy.retry_max.min(defaults.code_policy.retry_max),
        ..defaults.code_policy
    };
    MessageOptions { in_flight_max: config.in_flight_max, policy, code_policy, ..defaults }
}

/// Reads a secret.
type ReadSecret<'a> = &'a dyn Fn(&Path) -> anyhow::Result<Zeroizing<String>>;
/// Reads certificates.
type ReadPem<'a> = &'a dyn Fn(&Path) -> anyhow::Result<Vec<u8>>;

fn build(config: &Messages, secret: ReadSecret, pem: ReadPem) -> anyhow::Result<Option<Arc<Messenger>>> {
    let mut carriers = Vec::new();
    if let Some(webhook) = &config.webhook {
        carriers.push(Carrier::Webhook(webhook_of(webhook, secret, pem).context("in [messages.webhook]")?));
    }
    if let Some(smtp) = &config.smtp {
        carriers.push(Carrier::Smtp(smtp_of(smtp, secret, pem).context("in [messages.smtp]")?));
    }
    let patience = Duration::from_millis(config.patience_ms.into());
    Ok((!carriers.is_empty()).then(|| Arc::new(Messenger::new(carriers, patience))))
}

fn webhook_of(config: &WebhookConfig, secret: ReadSecret, pem: ReadPem) -> anyhow::Result<Webhook> {
    let secrets = secret(&config.secret_file)?;
    let options = WebhookOptions {
        url: config.url.clone(),
        secrets,
        authority: config.tls_authority.as_deref().map(pem).transpose()?,
        clear_trusted: config.clear_trusted,
    };
    Webhook::new(&options).with_context(|| format!("with {}", config.secret_file.display()))
}

fn smtp_of(config: &SmtpConfig, secret: ReadSecret, pem: ReadPem) -> anyhow::Result<Smtp> {
    let (tls, usual_port) = match config.tls {
        MailTls::Whole => (SmtpTls::Whole, 465),
        MailTls::StartTls => (SmtpTls::StartTls, 587),
        MailTls::None => (SmtpTls::None, 25),
    };
    let login = match &config.login {
        None => None,
        Some(login) => {
            let password = Zeroizing::new(secret(&login.password_file)?.trim().to_owned());
            Some(SmtpLogin { user: login.user.clone(), password })
        }
    };
    Ok(Smtp::new(&SmtpOptions {
        server: config.server.clone(),
        port: config.port.unwrap_or(usual_port),
        tls,
        clear_trusted: config.clear_trusted,
        authority: config.tls_authority.as_deref().map(pem).transpose()?,
        login,
        from: config.from.clone(),
        to: config.to.clone(),
    })?)
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Zeroizing::new(text))
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
