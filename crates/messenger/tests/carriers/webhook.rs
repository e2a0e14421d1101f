//! The webhook.

use std::process::{Command, Stdio};
use std::time::Duration;

use jari_messenger::{Blame, Carrier, Fault, Messenger, Webhook, WebhookOptions};
use zeroize::Zeroizing;

use crate::letter;
use crate::receivers::{Answer, Receiver};

const SECRET: &str = "a secret of the receiver";
const NOW_MS: u64 = 1_626_256_800_123;

pub(crate) fn messenger(url: String, authority: Option<Vec<u8>>) -> Messenger {
    let secrets = Zeroizing::new(format!("{SECRET}\n"));
    let webhook = Webhook::new(&WebhookOptions { url, secrets, authority, clear_trusted: false }).unwrap();
    Messenger::new(vec![Carrier::Webhook(webhook)], Duration::from_secs(30))
}

fn to(receiver: &Receiver) -> Messenger {
    messenger(format!("http://{}/sms?from=jari", receiver.address), None)
}

#[tokio::test]
async fn a_letter_arrives_whole_signed_and_over_one_connection() {
    let mut receiver = Receiver::webhook(|_| Answer::Status(202)).await;
    let messenger = to(&receiver);
    for _ in 0..3 {
        messenger.carry(0, &letter(), NOW_MS).await.unwrap();
    }
    let arrived = receiver.next().await;
    assert_eq!(arrived.header(":request"), "POST /sms?from=jari HTTP/1.1");
    assert_eq!(arrived.header("content-type"), "application/json");
    assert_eq!(
        arrived.body,
        "{\"version\":1,\"key\":\"00112233aabbccdd-e42\",\"purpose\":\"booked\",\"to\":\"01012345678\",\
         \"language\":\"ko\",\"text\":\"[자리] 예약되었습니다.\"}"
    );
    assert_eq!(
        (arrived.header("idempotency-key"), arrived.header("jari-timestamp")),
        ("00112233aabbccdd-e42", "1626256800")
    );
    assert_eq!((receiver.next().await.connection, receiver.next().await.connection), (0, 0));
}

/// The check that `docs/messages.md` gives to receivers, run on what really arrives.
#[tokio::test]
async fn the_ten_lines_of_the_document_know_a_signature_from_a_forgery() {
    let mut receiver = Receiver::webhook(|_| Answer::Status(200)).await;
    to(&receiver).carry(0, &letter(), NOW_MS).await.unwrap();
    let arrived = receiver.next().await;
    let document = include_str!("../../../../docs/messages.md");
    let lines = document.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let checked = |now: u64, body: &str, secret: &str| {
        let (key, at) = (arrived.header("idempotency-key"), arrived.header("jari-timestamp"));
        let signed = arrived.header("jari-signature");
        let headers =
            format!("{{'Idempotency-Key': {key:?}, 'Jari-Timestamp': {at:?}, 'Jari-Signature': {signed:?}}}");
        let asked =
            format!("{lines}\nprint(is_genuine({headers}, {body:?}.encode(), {secret:?}.encode(), {now}))\n");
        let output =
            Command::new("python3").args(["-c", &asked]).stdin(Stdio::null()).output().expect("python3 runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let now = NOW_MS / 1_000;
    assert_eq!(checked(now, &arrived.body, SECRET), "True");
    assert_eq!(checked(now + 299, &arrived.body, SECRET), "True");
    assert_eq!(checked(now + 301, &arrived.body, SECRET), "False", "too old");
    assert_eq!(checked(now, &arrived.body.replace("5678", "5679"), SECRET), "False", "changed");
    assert_eq!(checked(now, &arrived.body, "another"), "False", "another's");
}

#[tokio::test]
async fn whatever_goes_wrong_says_whose_fault_it_is_and_nothing_of_the_letter() {
    let mut receiver = Receiver::webhook(|arrived| match arrived.header("idempotency-key") {
        "refused" => Answer::Status(422),
        "unknown" => Answer::Status(401),
        "busy" => Answer::Busy(429, 7),
        "broken" => Answer::Status(500),
        "dropped" => Answer::Nothing,
        "elsewhere" => Answer::Status(307),
        _ => Answer::Status(200),
    })
    .await;
    let messenger = to(&receiver);
    for (key, blame, said, after) in [
        ("refused", Blame::Letter, "http 422", None),
        ("unknown", Blame::Service, "http 401", None),
        ("busy", Blame::Receiver, "http 429", Some(7)),
        ("broken", Blame::Receiver, "http 500", None),
        ("dropped", Blame::Receiver, "connection broke", None),
        ("elsewhere", Blame::Service, "http 307", None),
    ] {
        let letter = jari_messenger::Letter { key: key.into(), ..letter() };
        let after = after.map(Duration::from_secs);
        let fault = Fault { blame, said: said.into(), after };
        assert_eq!(messenger.carry(0, &letter, NOW_MS).await, Err(fault), "{key}");
        receiver.next().await;
    }
    assert_eq!(messenger.carry(0, &letter(), NOW_MS).await, Ok(()), "it goes on");
    let gone = to(&receiver);
    drop(receiver);
    let fault = gone.carry(0, &letter(), NOW_MS).await.unwrap_err();
    assert_eq!((fault.blame, &*fault.said), (Blame::Receiver, "no connection"));
}

#[tokio::test]
async fn a_status_counts_though_the_rest_of_the_answer_does_not_come() {
    let mut receiver = Receiver::webhook(|arrived| match arrived.header("idempotency-key") {
        "refused" => Answer::Half(422),
        _ => Answer::Half(200),
    })
    .await;
    let messenger = to(&receiver);
    assert_eq!(messenger.carry(0, &letter(), NOW_MS).await, Ok(()));
    let refused = jari_messenger::Letter { key: "refused".into(), ..letter() };
    assert_eq!(messenger.carry(0, &refused, NOW_MS).await.unwrap_err().said, "http 422");
    assert_eq!((receiver.next().await.connection, receiver.next().await.connection), (0, 1));
}

#[tokio::test]
async fn a_receiver_that_is_silent_is_hung_up_on() {
    let mut receiver = Receiver::webhook(|_| Answer::Silence).await;
    let secrets = Zeroizing::new(SECRET.to_owned());
    let url = format!("http://{}/", receiver.address);
    let webhook = WebhookOptions { url, secrets, authority: None, clear_trusted: false };
    let carrier = Carrier::Webhook(Webhook::new(&webhook).unwrap());
    let messenger = Messenger::new(vec![carrier], Duration::from_millis(100));
    assert_eq!(messenger.carry(0, &letter(), NOW_MS).await, Err(Fault::silent()));
    receiver.next().await;
    receiver.hung_up().await;
}
