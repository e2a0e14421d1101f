//! What a message says, in the person's language.

use jari_core::effect::EffectKind;

use crate::actions::booking::BookingView;
use crate::actions::errand::ProxyView;
use crate::effects::local_time;
use crate::language::Language;
use crate::pages::words::Words;

/// What stands above a message where there is room for it.
pub(crate) fn subject(language: Language) -> String {
    Words::new(language, 0).t("message-subject")
}

/// A one-time code.
pub(crate) fn code(language: Language, code: &str) -> String {
    Words::new(language, 0).s("message-code", code)
}

/// What became of a booking. It is durable already: the effect came with it. Where somebody made it for
/// somebody else, the proxy is told for whom it is, and the person at first who made it.
pub(crate) fn booking(
    kind: EffectKind,
    booking: &BookingView,
    proxy: Option<&ProxyView>,
    language: Language,
) -> String {
    let key = match kind {
        EffectKind::BookingConfirmed => "message-booked",
        EffectKind::BookingCancelled => "message-cancelled",
        EffectKind::BookingRescheduled => "message-moved",
        EffectKind::Reminder => "message-reminder",
        EffectKind::Offer => "message-offer",
    };
    let when = local_time(booking.slot.starts_at_ms, booking.utc_offset_min);
    // Of an offer, and of a hold, it is when it ends.
    let until = local_time(booking.until_ms, booking.utc_offset_min);
    let args = [
        ("when", when.as_str()),
        ("place", &booking.clinic.name),
        ("code", &booking.code),
        ("until", &until),
    ];
    let words = Words::new(language, booking.utc_offset_min);
    let text = words.texts(key, &args);
    match proxy.and_then(|proxy| whom(&words, kind, proxy)) {
        Some(whom) => format!("{text} {whom}"),
        None => text,
    }
}

fn whom(words: &Words, kind: EffectKind, proxy: &ProxyView) -> Option<String> {
    match (proxy.made_by_me, &proxy.name) {
        (true, Some(name)) => Some(words.s("message-for", name)),
        (true, None) => Some(words.t("message-for-other")),
        (false, Some(name)) if kind == EffectKind::BookingConfirmed => Some(words.s("message-by", name)),
        (false, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_told_in_the_persons_language_and_nothing_else_with_it() {
        assert_eq!(code(Language::Korean, "012345"), "[자리] 인증번호 012345 (5분 안에 입력해 주세요)");
        assert_eq!(code(Language::English, "012345"), "[Jari] Your code is 012345 (valid for 5 minutes)");
        assert_ne!(subject(Language::Korean), subject(Language::English));
    }
}
