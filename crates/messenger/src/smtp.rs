//! SMTP: a letter as a mail of plain text, to an address made of the telephone number, as the
//! mail gateways of telephone companies have it.
//!
//! `Message-ID` is the letter's key and the sender's domain, the same for every try, so that a
//! mailbox or gateway can drop repeats. Each mail has a connection of its own: one that was let go
//! in the middle of a mail must never carry the next one.

use lettre::address::Envelope;
use lettre::message::{Mailbox, Message, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use zeroize::Zeroizing;

use crate::{Blame, Fault, Letter, SettingError, is_here};

/// Where the number goes in the pattern of receivers.
const TELEPHONE: &str = "{telephone}";

/// How the connection is kept from readers on the way.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum SmtpTls {
    /// TLS from the first byte, usually port 465.
    Whole,
    /// TLS before anything of a letter is said, usually port 587; else there is no mail.
    StartTls,
    /// None: for a server on this machine, or where the network between is trusted.
    None,
}

/// Who logs in.
pub struct SmtpLogin {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Zeroizing<String>,
}

/// Where mail goes, and from whom.
pub struct SmtpOptions {
    /// The server's name or address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from readers.
    pub tls: SmtpTls,
    /// Without TLS to another machine: the network between is trusted.
    pub clear_trusted: bool,
    /// Certificates (PEM) of the authority that signed the server's; without, the usual ones.
    pub authority: Option<Vec<u8>>,
    /// How to log in, if at all.
    pub login: Option<SmtpLogin>,
    /// The sender, `Jari <no-reply@example.org>`.
    pub from: String,
    /// The receiver's address, with `{telephone}` where the number goes.
    pub to: String,
}

/// See the module's documentation.
pub struct Smtp {
    from: Mailbox,
    to: String,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Smtp {
    /// A way to a mail server. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// See [`SettingError`].
    pub fn new(options: &SmtpOptions) -> Result<Smtp, SettingError> {
        let from: Mailbox = options.from.parse().map_err(|_| SettingError::Address(options.from.clone()))?;
        if !options.to.contains(TELEPHONE) {
            return Err(SettingError::Pattern(options.to.clone()));
        }
        address_of(&options.to, "01012345678").ok_or_else(|| SettingError::Address(options.to.clone()))?;
        let server = options.server.as_str();
        if options.tls == SmtpTls::None && !options.clear_trusted && !is_here(server) {
            let clear = "use tls, or say clear_trusted = true and answer for the network";
            return Err(SettingError::Clear("SMTP without TLS", clear));
        }
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server)
            .port(options.port)
            .tls(tls_of(options)?)
            .hello_name(ClientId::Domain(from.email.domain().to_owned()));
        if let Some(login) = &options.login {
            let password = login.password.as_str().to_owned();
            builder = builder.credentials(Credentials::new(login.user.clone(), password));
        }
        Ok(Smtp { from, to: options.to.clone(), transport: builder.build() })
    }

    /// Sends a letter.
    ///
    /// # Errors
    ///
    /// See [`Fault`].
    pub(crate) async fn carry(&self, letter: &Letter) -> Result<(), Fault> {
        let unfit = |_| Fault::new(Blame::Letter, "no mail can be made of it");
        let to = address_of(&self.to, &letter.to)
            .ok_or_else(|| Fault::new(Blame::Letter, "no address for this number"))?;
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to.clone()]).map_err(unfit)?;
        let mail = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&letter.subject)
            .message_id(Some(format!("<{}@{}>", letter.key, self.from.email.domain())))
            .singlepart(SinglePart::plain(letter.text.clone()))
            .map_err(unfit)?;
        match self.transport.send_raw(&envelope, &mail.formatted()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(judge(&error)),
        }
    }
}

/// The address of a number. A number is digits, and perhaps a `+` ahead of them.
fn address_of(pattern: &str, telephone: &str) -> Option<Address> {
    pattern.replace(TELEPHONE, telephone).parse().ok()
}

fn tls_of(options: &SmtpOptions) -> Result<Tls, SettingError> {
    if options.tls == SmtpTls::None {
        return Ok(Tls::None);
    }
    let unread = |error: lettre::transport::smtp::Error| SettingError::Authority(error.to_string());
    let mut parameters = TlsParameters::builder(options.server.clone());
    parameters = match &options.authority {
        None => parameters.certificate_store(CertificateStore::WebpkiRoots),
        Some(pem) => {
            // Read here as well: it says what is wrong with the file.
            crate::tls::client(Some(pem))?;
            let certificate = Certificate::from_pem(pem).map_err(unread)?;
            parameters.certificate_store(CertificateStore::None).add_root_certificate(certificate)
        }
    };
    let parameters = parameters.build_rustls().map_err(unread)?;
    Ok(match options.tls {
        SmtpTls::StartTls => Tls::Required(parameters),
        _ => Tls::Wrapper(parameters),
    })
}

/// What an error means for the letter. A server's own words may name the receiver: only its code is
/// passed on.
fn judge(error: &lettre::transport::smtp::Error) -> Fault {
    let Some(code) = error.status().map(u16::from) else {
        let said = match error {
            error if error.is_timeout() => "no answer in time",
            error if error.is_tls() => "TLS failed",
            error if error.is_client() => "the server lacks what is asked of it",
            _ => "no connection, or it broke",
        };
        let is_ours = error.is_tls() || error.is_client();
        return Fault::new(if is_ours { Blame::Service } else { Blame::Receiver }, said);
    };
    let blame = match code {
        // It takes no mail at all, or none of this service: logins, their lack, TLS.
        502..=504 | 521 | 523..=535 | 538 => Blame::Service,
        500..=599 => Blame::Letter,
        _ => Blame::Receiver,
    };
    Fault::new(blame, format!("smtp {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> SmtpOptions {
        SmtpOptions {
            server: "smtp.example.org".into(),
            port: 465,
            tls: SmtpTls::Whole,
            clear_trusted: false,
            authority: None,
            login: None,
            from: "Jari <no-reply@example.org>".into(),
            to: "{telephone}@sms.example.org".into(),
        }
    }

    fn mistake(change: impl FnOnce(&mut SmtpOptions)) -> Option<String> {
        let mut options = options();
        change(&mut options);
        Smtp::new(&options).err().map(|error| error.to_string())
    }

    #[test]
    fn mistakes_are_named_before_anything_is_sent() {
        assert_eq!(mistake(|_| {}), None);
        assert_eq!(mistake(|options| (options.tls, options.server) = (SmtpTls::None, "::1".into())), None);
        assert_eq!(mistake(|options| options.tls = SmtpTls::StartTls), None);
        assert!(mistake(|options| options.tls = SmtpTls::None).unwrap().contains("in clear"));
        assert!(mistake(|options| options.from = "nobody".into()).unwrap().contains("no mail address"));
        assert!(mistake(|options| options.to = "a@b.example".into()).unwrap().contains("{telephone}"));
        assert!(mistake(|options| options.to = "{telephone} b".into()).unwrap().contains("no mail address"));
        let rubbish = mistake(|options| options.authority = Some(b"x".to_vec()));
        assert!(rubbish.unwrap().contains("certificates"));
    }

    #[test]
    fn a_number_is_one_part_of_an_address_and_nothing_else() {
        let address = |number| address_of("{telephone}@sms.example.org", number).map(|it| it.to_string());
        assert_eq!(address("01012345678").as_deref(), Some("01012345678@sms.example.org"));
        assert_eq!(address("+441234567890").as_deref(), Some("+441234567890@sms.example.org"));
        for wrong in ["", "1 2", "a@b", "1\r\nRCPT TO:<x@y>"] {
            assert_eq!(address(wrong), None, "{wrong:?}");
        }
    }
}
