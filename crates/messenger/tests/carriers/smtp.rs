//! The mail server.

use std::time::Duration;

use base64::Engine;
use jari_messenger::{Blame, Carrier, Letter, Messenger, Smtp, SmtpLogin, SmtpOptions, SmtpTls};
use zeroize::Zeroizing;

use crate::letter;
use crate::receivers::{Answer, Receiver};

pub(crate) fn options(receiver: &Receiver) -> SmtpOptions {
    SmtpOptions {
        server: receiver.address.ip().to_string(),
        port: receiver.address.port(),
        tls: SmtpTls::None,
        clear_trusted: false,
        authority: None,
        login: None,
        from: "자리 <no-reply@jari.example>".into(),
        to: "{telephone}@sms.example".into(),
    }
}

pub(crate) fn messenger(options: &SmtpOptions) -> Messenger {
    Messenger::new(vec![Carrier::Smtp(Smtp::new(options).unwrap())], Duration::from_secs(30))
}

#[tokio::test]
async fn a_letter_arrives_as_a_mail_whose_id_is_its_key() {
    let mut receiver = Receiver::mail(|_| Answer::Status(250)).await;
    let login = SmtpLogin { user: "jari".into(), password: Zeroizing::new("secret".into()) };
    let messenger = messenger(&SmtpOptions { login: Some(login), ..options(&receiver) });
    for _ in 0..2 {
        messenger.carry(0, &letter(), 0).await.unwrap();
        let mail = receiver.next().await;
        assert_eq!(mail.header("rcpt"), "RCPT TO:<01012345678@sms.example>");
        assert_eq!(mail.header("to"), "01012345678@sms.example");
        assert_eq!(mail.header("message-id"), "<00112233aabbccdd-e42@jari.example>");
        assert_eq!(mail.header("content-type"), "text/plain; charset=utf-8");
        // "\0jari\0secret"
        assert_eq!(mail.header("auth"), "AUTH PLAIN AGphcmkAc2VjcmV0");
        assert!(mail.header("from").contains("<no-reply@jari.example>"));
        assert_eq!(
            (mail.header("mime-version"), mail.header("content-transfer-encoding")),
            ("1.0", "base64")
        );
        let text = base64::engine::general_purpose::STANDARD.decode(mail.body.replace("\r\n", "")).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, letter().text);
    }
}

#[tokio::test]
async fn whatever_goes_wrong_says_whose_fault_it_is_and_nothing_of_the_receiver() {
    let mut receiver = Receiver::mail(|mail| match mail.header("rcpt") {
        "RCPT TO:<550@sms.example>" => Answer::Status(550),
        "RCPT TO:<450@sms.example>" => Answer::Status(450),
        "RCPT TO:<530@sms.example>" => Answer::Status(530),
        "RCPT TO:<000@sms.example>" if !mail.body.is_empty() => Answer::Nothing,
        "RCPT TO:<554@sms.example>" if !mail.body.is_empty() => Answer::Status(554),
        _ => Answer::Status(250),
    })
    .await;
    let messenger = messenger(&options(&receiver));
    for (to, blame, said) in [
        ("550", Blame::Letter, "smtp 550"),
        ("450", Blame::Receiver, "smtp 450"),
        ("530", Blame::Service, "smtp 530"),
        ("554", Blame::Letter, "smtp 554"),
        ("000", Blame::Receiver, "no connection, or it broke"),
        ("a b", Blame::Letter, "no address for this number"),
    ] {
        let fault = messenger.carry(0, &Letter { to: to.into(), ..letter() }, 0).await.unwrap_err();
        assert_eq!((fault.blame, &*fault.said), (blame, said), "{to}");
    }
    messenger.carry(0, &letter(), 0).await.unwrap();
    assert_eq!(receiver.rest(), 6, "what no address can be made of is not tried");
}

#[tokio::test]
async fn nothing_is_said_in_clear_to_a_server_that_offers_no_tls() {
    let mut receiver = Receiver::mail(|_| Answer::Status(250)).await;
    let messenger = messenger(&SmtpOptions { tls: SmtpTls::StartTls, ..options(&receiver) });
    let fault = messenger.carry(0, &letter(), 0).await.unwrap_err();
    assert_eq!((fault.blame, receiver.rest()), (Blame::Service, 0), "{fault}");
}
