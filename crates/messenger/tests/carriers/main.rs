//! Both carriers against receivers that take, refuse, break and stay silent.

#[path = "../receivers/mod.rs"]
mod receivers;

mod smtp;
mod tls;
mod webhook;

use jari_messenger::Letter;

fn letter() -> Letter {
    Letter {
        key: "00112233aabbccdd-e42".into(),
        purpose: "booked",
        to: "01012345678".into(),
        language: "ko",
        subject: "자리 알림".into(),
        text: "[자리] 예약되었습니다.".into(),
        expires_at_ms: None,
    }
}
