//! Whether one may book, in plain words: from when, and for which birthdays that day is.
//!
//! It is told before anyone chooses in vain, and again where a hold was refused.

use jari_core::ids::CampaignId;
use jari_core::time::Date;

use super::caller::Caller;
use super::respond::encode_query;
use super::views::Eligible;
use super::words::Words;
use crate::actions::eligibility::{self, Eligibility, digits_of};
use crate::problem::Problem;

/// Every birth digit.
const EVERYONE: u16 = (1 << 10) - 1;

/// What is to be told to whoever is signed in, of themselves or of whom they book for; nothing if they may
/// book.
///
/// # Errors
///
/// `campaign_unknown`.
pub(super) fn note(caller: &Caller, campaign: u32) -> Result<Option<Eligible>, Problem> {
    let Some(session) = caller.session() else { return Ok(None) };
    let birth = caller.errand().map_or(session.birth, |errand| errand.birth);
    let found = eligibility::eligibility(&caller.site, CampaignId(campaign), birth)?;
    let later = matches!(found, Eligibility::From { .. });
    let is_birth = matches!(found, Eligibility::BirthOutside { .. });
    let form = if caller.errand().is_some() { "/for?" } else { "/identify?again=true&" };
    let correct = is_birth.then(|| format!("{form}next={}", encode_query(&caller.path)));
    Ok(told(&caller.words, found, birth).map(|(title, text)| Eligible { title, text, later, correct }))
}

/// What is told to somebody who was born on a day: in one sentence, and why.
fn told(words: &Words, found: Eligibility, birth: Date) -> Option<(String, String)> {
    match found {
        Eligibility::Now => None,
        Eligibility::From { at, digits } => {
            let why = if digits & EVERYONE == EVERYONE {
                words.t("eligible-everyone")
            } else {
                words.texts(
                    "eligible-digits",
                    &[("digits", &list(words, digits)), ("own", &birth.birth_digit().to_string())],
                )
            };
            Some((words.s("eligible-from", words.when_dated(at)), why))
        }
        Eligibility::BirthOutside { born_from, born_until } => {
            let dates = [
                ("from", words.date(born_from)),
                ("until", words.date(born_until)),
                ("birth", words.date(birth)),
            ];
            let texts = dates.each_ref().map(|(name, date)| (*name, date.as_str()));
            Some((words.texts("eligible-born", &texts), words.texts("eligible-born-yours", &texts)))
        }
        Eligibility::NoDayLeft => {
            let own = birth.birth_digit().to_string();
            Some((words.t("eligible-no-day"), words.s("eligible-no-day-text", own)))
        }
        Eligibility::Over => Some((words.t("eligible-over"), words.t("eligible-over-text"))),
    }
}

/// Digits as both languages list them: `4`, `4 or 9`, `1, 4 or 9`.
fn list(words: &Words, digits: u16) -> String {
    let digits: Vec<String> = digits_of(digits).iter().map(u8::to_string).collect();
    match digits.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => words.texts("eligible-or", &[("s", &rest.join(", ")), ("last", last)]),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use jari_core::Time;

    use super::*;
    use crate::language::Language;

    fn said(language: Language, found: Eligibility) -> String {
        let words = Words::new(language, 540);
        let birth = Date::from_civil(1964, 7, 14).unwrap();
        told(&words, found, birth).map(|(title, text)| format!("{title} {text}")).unwrap_or_default()
    }

    /// 2021-07-19T20:00 in Korea.
    const OPENS: Time = Time(1_626_692_400_000);

    #[test]
    fn the_day_and_its_birthdays_are_told_with_year_hour_and_zone() {
        let fours = Eligibility::From { at: OPENS, digits: 1 << 4 | 1 << 9 };
        assert_eq!(
            said(Language::English, fours),
            "You may book from Mon 19 July 2021, 20:00 KST. That is the day of those whose day of birth \
             ends in 4 or 9. Yours ends in 4."
        );
        assert_eq!(
            said(Language::Korean, fours),
            "2021년 7월 19일(월) 오후 8:00 KST부터 예약할 수 있습니다. 태어난 날의 끝자리가 4, 9인 분들의 \
             날입니다. 내 끝자리는 4입니다."
        );
        let many = Eligibility::From { at: OPENS, digits: 1 << 1 | 1 << 4 | 1 << 9 };
        assert!(said(Language::English, many).contains("1, 4 or 9."));
        let all = Eligibility::From { at: OPENS, digits: EVERYONE };
        assert!(!said(Language::English, all).contains("ends in"));
    }

    #[test]
    fn whoever_was_born_outside_is_told_the_limits_and_what_they_wrote() {
        let born_from = Date::from_civil(1962, 1, 1).unwrap();
        let born_until = Date::from_civil(1966, 12, 31).unwrap();
        let outside = Eligibility::BirthOutside { born_from, born_until };
        assert_eq!(
            said(Language::English, outside),
            "This booking is for people born from 1 January 1962 to 31 December 1966. You told us 14 July 1964. \
             If that is not right, please correct it."
        );
        assert!(said(Language::Korean, outside).contains("1962년 1월 1일부터 1966년 12월 31일까지"));
        assert_eq!(said(Language::English, Eligibility::Now), "");
    }
}
