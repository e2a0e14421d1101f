//! Identity: a name, a birth date and a telephone, proved by a code sent to it.
//!
//! A person's id is a keyed hash of the three in one normal form. What they wrote is kept
//! sealed, for messages, and nowhere in clear: not in core, not in the journal, not in a
//! log. Asking for a code costs an entry in a bounded table for twenty seconds.

use std::net::IpAddr;

use jari_core::ids::{ChannelId, PersonId};
use jari_core::time::Date;
use jari_core::{Body, Reason, Time};
use jari_wire::token::Session;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::campaigns::parse_date;
use super::submit_plain;
use crate::language::Language;
use crate::messages::codes::{self, Code};
use crate::prefix::Turn;
use crate::problem::Problem;
use crate::retention;
use crate::site::Site;
use crate::vault::{Contact, KeptContact};

/// Bytes of a name at the most.
pub const NAME_BYTES_MAX: usize = 120;
/// Digits of a telephone number: at least and at most.
pub const TELEPHONE_DIGITS: (usize, usize) = (8, 15);

/// What a person says of themselves.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The name, as on an identity card.
    #[schema(example = "김하늘")]
    pub name: String,
    /// The birth date, `YYYY-MM-DD`.
    #[schema(example = "1964-03-07")]
    pub birth: String,
    /// The telephone, with or without blanks, hyphens and country code.
    #[schema(example = "010-1234-5678")]
    pub telephone: String,
    /// The language of messages.
    #[serde(default)]
    pub language: Language,
}

/// Never shows what a person wrote.
impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claim")
    }
}

/// A code was sent; it is to be sent back with this token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Challenge {
    /// To be sent back with the code.
    pub token: String,
    /// Until when.
    pub ends_at_ms: u64,
    /// Where the code went: the last digits only.
    #[schema(example = "···5678")]
    pub sent_to: String,
}

/// A person who is signed in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SessionGiven {
    /// `Authorization: Bearer` of the API.
    pub session_token: String,
    /// When it ends.
    pub ends_at_ms: u64,
}

/// Who is signed in, as they may see it themselves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Me {
    /// The name as it was given; none once forgotten.
    pub name: Option<String>,
    /// The birth date, `YYYY-MM-DD`.
    pub birth: String,
    /// When the session ends.
    pub ends_at_ms: u64,
    /// Through which channel.
    pub channel: u16,
}

/// A claim in its normal form.
pub(crate) struct Identified {
    pub(crate) person: PersonId,
    pub(crate) birth: Date,
    pub(crate) contact: Contact,
}

/// Sends a code to the telephone claimed.
///
/// # Errors
///
/// `unfit` for a field that does not fit; `codes_often` when one was sent moments ago or
/// too many are asked for from one network; `codes_full` when too many are sent at once;
/// `messages_full` when too many wait for the receiver of messages.
pub async fn ask_code(site: &Site, claim: &Claim, network: IpAddr) -> Result<Challenge, Problem> {
    let identified = identify(site, claim)?;
    let now = site.node.now();
    if let Turn::From { not_before, .. } = site.code_prefixes.turn(network, now) {
        let wait = u32::try_from(not_before.since_ms(now)).unwrap_or(u32::MAX);
        return Err(often().after_ms(wait.max(1_000)));
    }
    send_code(site, identified)
}

/// Sends a code to whoever was claimed to be.
pub(crate) fn send_code(site: &Site, identified: Identified) -> Result<Challenge, Problem> {
    let now = site.node.now();
    // Before the code is made: whoever is told to come back may then ask at once.
    let room = codes::room(site)?;
    let telephone = identified.contact.telephone.clone();
    let language = identified.contact.language;
    let sent = site.codes.start(&site.keys, identified, now)?;
    let code = Code { to: &telephone, language, digits: &sent.code, ends_at: sent.ends_at };
    codes::send(site, room, &code)?;
    Ok(Challenge { token: sent.token, ends_at_ms: sent.ends_at.0, sent_to: last_digits(&telephone) })
}

/// Turns a challenge and its code into a session. The contact is sealed and durable
/// before this answers.
///
/// # Errors
///
/// `code_wrong`, `code_spent` after five tries, `challenge_expired`, `challenge_forged`.
pub async fn confirm_code(site: &Site, challenge: &str, code: &str) -> Result<SessionGiven, Problem> {
    let ends_at = site.node.now().plus_ms(site.options.session_ms);
    let session = confirmed(site, challenge, code, ChannelId::OWN_SITE, ends_at).await?;
    Ok(SessionGiven { session_token: session.seal(&site.keys), ends_at_ms: ends_at.0 })
}

/// The session of whoever had the right code.
pub(crate) async fn confirmed(
    site: &Site,
    challenge: &str,
    code: &str,
    channel: ChannelId,
    ends_at: Time,
) -> Result<Session, Problem> {
    let proved = site.codes.finish(&site.keys, challenge, code, site.node.now())?;
    let (identified, used) = proved.into_parts();
    let session = Session { person: identified.person, birth: identified.birth, ends_at, channel };
    let kept = keep(site, &identified).await;
    if kept.is_err() {
        // Whoever had the right code must not ask for another because storage was away.
        site.codes.give_back(used);
    }
    kept.map(|()| session)
}

/// Who had the right code, where that is not `proxy`, for whom there is nothing to prove. What is
/// kept of them already stays.
pub(crate) async fn confirmed_other(
    site: &Site,
    challenge: &str,
    code: &str,
    proxy: PersonId,
) -> Result<Option<(PersonId, Date)>, Problem> {
    let proved = site.codes.finish(&site.keys, challenge, code, site.node.now())?;
    let (identified, used) = proved.into_parts();
    if identified.person == proxy {
        site.codes.give_back(used);
        return Ok(None);
    }
    let kept = keep_new(site, &identified).await;
    if kept.is_err() {
        site.codes.give_back(used);
    }
    kept.map(|()| Some((identified.person, identified.birth)))
}

/// Who this session belongs to.
///
/// # Errors
///
/// `vault_away` when their name is kept elsewhere only, and cannot be asked for.
pub async fn me(site: &Site, session: &Session) -> Result<Me, Problem> {
    let contact = contact(site, session.person).await?;
    Ok(Me {
        name: contact.map(|contact| contact.name),
        birth: super::campaigns::date_text(session.birth),
        ends_at_ms: session.ends_at.0,
        channel: session.channel.0,
    })
}

/// Who wanted somebody to be forgotten.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum ForgottenBy {
    /// They themselves.
    Person,
    /// An agent whom they called.
    Agent,
    /// Nobody: their time was over.
    Time,
}

/// Forgets a person's name and number: the key that opens them is deleted. Bookings stay
/// and can be seen with a session; messages no longer arrive.
///
/// # Errors
///
/// A passing problem of the vault or the journal: ask again.
pub async fn forget(site: &Site, session: &Session) -> Result<(), Problem> {
    forget_person(site, session.person, ForgottenBy::Person).await
}

/// The same for whoever wants it. Asked for twice, it is done once.
pub(crate) async fn forget_person(site: &Site, person: PersonId, by: ForgottenBy) -> Result<(), Problem> {
    let before = contact(site, person).await?;
    // The key first: whatever fails afterwards, nobody can read the contact any more.
    site.vault.forget(person).await?;
    if let Some(contact) = before {
        site.outbox.forget(&contact.telephone);
    }
    match submit_plain(site, Body::DropContact { person }).await {
        // Forgotten before: whoever asks again because no answer came wants no more than this.
        Err(problem) if problem.is(Reason::ContactUnknown) => return Ok(()),
        other => drop(other?),
    }
    let by = match by {
        ForgottenBy::Person => "person",
        ForgottenBy::Agent => "agent",
        ForgottenBy::Time => "time",
    };
    metrics::counter!("jari_contacts_forgotten_total", "by" => by).increment(1);
    Ok(())
}

/// Keeps the contact of an identified person and gives them a session.
pub(crate) async fn sign_in(
    site: &Site,
    identified: Identified,
    channel: ChannelId,
) -> Result<SessionGiven, Problem> {
    keep(site, &identified).await?;
    let ends_at = site.node.now().plus_ms(site.options.session_ms);
    let session = Session { person: identified.person, birth: identified.birth, ends_at, channel };
    Ok(SessionGiven { session_token: session.seal(&site.keys), ends_at_ms: ends_at.0 })
}

/// Keeps the contact of an identified person.
async fn keep(site: &Site, identified: &Identified) -> Result<(), Problem> {
    let today = site.today();
    let renew_days = retention::renew_days(site.options.privacy.keep_contact_days);
    // Signing in again from another device must not grow the journal.
    let is_fresh = kept(site, identified.person).await?.is_some_and(|kept| {
        let is_recent = |since: Date| today.0.saturating_sub(since.0) < renew_days;
        kept.contact == identified.contact && kept.since.is_some_and(is_recent)
    });
    if !is_fresh {
        let sealed = site.vault.seal(identified.person, &identified.contact, today).await?;
        submit_plain(site, Body::KeepContact { person: identified.person, sealed }).await?;
    }
    Ok(())
}

/// The same of somebody whom the staff vouches for. What is kept of them already stays: the language
/// of their messages is theirs.
pub(crate) async fn keep_new(site: &Site, identified: &Identified) -> Result<(), Problem> {
    if contact(site, identified.person).await?.is_some() { Ok(()) } else { keep(site, identified).await }
}

/// The contact kept of a person, opened; none once they were forgotten.
pub(crate) async fn contact(site: &Site, person: PersonId) -> Result<Option<Contact>, Problem> {
    Ok(kept(site, person).await?.map(|kept| kept.contact))
}

/// The same, with the day on which they last said so.
pub(crate) async fn kept(site: &Site, person: PersonId) -> Result<Option<KeptContact>, Problem> {
    let sealed: Option<Vec<u8>> = site.node.read(|state| state.contact_of(person).map(<[u8]>::to_vec));
    match sealed {
        Some(sealed) => site.vault.kept(person, &sealed).await,
        None => Ok(None),
    }
}

/// Brings a claim into its one normal form: equal people, equal id.
///
/// # Errors
///
/// `unfit`, naming the field and what fits.
pub(crate) fn identify(site: &Site, claim: &Claim) -> Result<Identified, Problem> {
    let name = normal_name(&claim.name).ok_or_else(|| {
        Problem::unfit("The name is empty, longer than 120 bytes, or has signs that no name has.")
    })?;
    let today = site.node.now().date(site.options.utc_offset_min);
    let birth =
        parse_date(&claim.birth).filter(|birth| *birth <= today && birth.civil().0 >= 1900).ok_or_else(
            || Problem::unfit("The birth date is written YYYY-MM-DD and lies between 1900 and today."),
        )?;
    let telephone = normal_telephone(&claim.telephone, &site.options.country_code).ok_or_else(|| {
        Problem::unfit("The telephone number has 8 to 15 digits; blanks, hyphens and + may stand in it.")
    })?;
    let person = site.keys.person_id(&name.to_lowercase(), birth, &telephone);
    Ok(Identified { person, birth, contact: Contact { name, telephone, language: claim.language } })
}

fn often() -> Problem {
    Problem::caller(
        http::StatusCode::TOO_MANY_REQUESTS,
        "codes_often",
        "Codes are asked for too often",
        "A code was sent moments ago, or many are asked for from your network. The last code still counts. Wait a \
         little before you ask again.",
    )
}

pub(crate) fn asked_too_soon(wait_ms: u64) -> Problem {
    often().after_ms(u32::try_from(wait_ms).unwrap_or(u32::MAX).max(1_000))
}

/// The last digits of a number: enough to know one's own by.
pub(crate) fn last_digits(telephone: &str) -> String {
    let tail = telephone.len().saturating_sub(4);
    format!("···{}", telephone.get(tail..).unwrap_or_default())
}

/// One blank between words, Hangul composed, no control or formatting signs.
fn normal_name(name: &str) -> Option<String> {
    if name.len() > NAME_BYTES_MAX * 3 {
        return None;
    }
    let composed = compose_hangul(name);
    let words: Vec<&str> = composed.split_whitespace().collect();
    let name = words.join(" ");
    let strange = |character: char| {
        character.is_control()
            || matches!(character, '<' | '>' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(strange);
    (fits && name.chars().any(char::is_alphabetic)).then_some(name)
}

/// Digits only; the country's own code becomes the leading zero.
fn normal_telephone(telephone: &str, country_code: &str) -> Option<String> {
    if telephone.len() > 40 {
        return None;
    }
    let telephone = telephone.trim();
    let international = telephone.starts_with('+');
    let mut digits = String::with_capacity(16);
    for (at, character) in telephone.char_indices() {
        match character {
            '0'..='9' => digits.push(character),
            '+' if at == 0 => {}
            ' ' | '-' | '.' | '(' | ')' => {}
            _ => return None,
        }
    }
    if international && let Some(national) = digits.strip_prefix(country_code) {
        digits = format!("0{}", national.strip_prefix('0').unwrap_or(national));
    } else if international {
        digits.insert(0, '+');
    }
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    (TELEPHONE_DIGITS.0..=TELEPHONE_DIGITS.1).contains(&count).then_some(digits)
}

/// Composes conjoining jamo into syllables, as some keyboards and file systems send them
/// apart. Source: the Unicode Standard, section 3.12, "Hangul syllable composition".
fn compose_hangul(text: &str) -> String {
    const S: u32 = 0xac00;
    let mut composed = String::with_capacity(text.len());
    for character in text.chars() {
        let code = character as u32;
        let last = composed.chars().next_back().map_or(0, u32::from);
        let joined = match code {
            0x1161..=0x1175 if (0x1100..=0x1112).contains(&last) => {
                Some(S + ((last - 0x1100) * 21 + (code - 0x1161)) * 28)
            }
            0x11a8..=0x11c2 if (S..S + 11_172).contains(&last) && (last - S).is_multiple_of(28) => {
                Some(last + code - 0x11a7)
            }
            _ => None,
        };
        if let Some(joined) = joined.and_then(char::from_u32) {
            composed.pop();
            composed.push(joined);
        } else {
            composed.push(character);
        }
    }
    composed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_written_in_many_ways_is_one_person() {
        let telephones =
            ["010-1234-5678", "01012345678", "+82 10 1234 5678", "+82-010-1234-5678", " 010 1234 5678 "];
        for telephone in telephones {
            assert_eq!(normal_telephone(telephone, "82").as_deref(), Some("01012345678"), "{telephone}");
        }
        assert_eq!(normal_name("  김   하늘 ").as_deref(), Some("김 하늘"));
        // "한글" in conjoining jamo.
        assert_eq!(normal_name("\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}").as_deref(), Some("한글"));
    }

    #[test]
    fn what_is_no_name_or_number_is_refused() {
        for name in ["", "   ", "<script>", "a\u{0}b", "\u{202e}abc", "123", &"가".repeat(60)] {
            assert_eq!(normal_name(name), None, "{name:?}");
        }
        for telephone in ["", "123", "0101234567890123", "010-1234-567a", "٠١٠١٢٣٤٥٦٧٨", "++8210123456"]
        {
            assert_eq!(normal_telephone(telephone, "82"), None, "{telephone:?}");
        }
    }
}
