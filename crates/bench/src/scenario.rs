//! What a person in the crowd sends: one request or several in a row, as templates that
//! are cut into pieces once, so that making a request is a few copies.
//!
//! A template may name what differs from one person to the next:
//!
//! | name | stands for |
//! |---|---|
//! | `$key` | 32 hexadecimal digits, new for every request |
//! | `$person` | 32 hexadecimal digits, new for every person |
//! | `$number` | the person's number, from the scenario's first one |
//! | `$slot` | a slot, drawn anew for every person |
//! | `$captured` | the digits that the last step's `capture` found |
//! | `$line` | the person's line of the file `lines` |

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use memchr::memmem;
use serde::Deserialize;

use crate::random::{Random, spread_wide};

/// A scenario as it is written down, in JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// The requests of one person, in order.
    pub steps: Vec<StepFile>,
    /// The first slot and one past the last.
    #[serde(default)]
    pub slots: (u64, u64),
    /// The number of the first person.
    #[serde(default)]
    pub first: u64,
    /// A file with one line a person, such as a session; begun anew at its end.
    #[serde(default)]
    pub lines: Option<PathBuf>,
}

/// One request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepFile {
    /// GET, POST, ...
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers but Host and Content-Length.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body; none is sent if it is empty.
    #[serde(default)]
    pub body: String,
    /// The one status that counts as success; 200 if none is named.
    #[serde(default = "ok")]
    pub status: u16,
    /// The digits after this text in the answer are kept as `$captured`.
    #[serde(default)]
    pub capture: Option<String>,
}

fn ok() -> u16 {
    200
}

/// A scenario, ready to be rendered.
#[derive(Clone, Debug)]
pub struct Scenario {
    steps: Vec<Step>,
    slots: (u64, u64),
    next: u64,
    lines: Vec<Vec<u8>>,
    random: Random,
}

#[derive(Clone, Debug)]
struct Step {
    head: Vec<Piece>,
    body: Vec<Piece>,
    status: u16,
    capture: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Piece {
    Fixed(Vec<u8>),
    Key,
    Person,
    Number,
    Slot,
    Captured,
    Line,
}

/// One person on the way through the steps.
#[derive(Copy, Clone, Debug, Default)]
pub struct Person {
    number: u64,
    slot: u64,
    captured: u64,
    /// The step to be sent next, from 0.
    pub step: usize,
}

impl Scenario {
    /// Reads what was written down; `host` goes into every request.
    ///
    /// # Errors
    ///
    /// What does not fit, in words.
    pub fn parse(json: &str, host: &str, seed: u64) -> anyhow::Result<Scenario> {
        let file: ScenarioFile = serde_json::from_str(json).context("the scenario")?;
        ensure!(!file.steps.is_empty(), "a scenario has one step at least");
        let mut lines = Vec::new();
        if let Some(path) = &file.lines {
            let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            lines = text
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(<[u8]>::to_vec)
                .collect();
            ensure!(!lines.is_empty(), "{} is empty", path.display());
        }
        let steps: Vec<Step> =
            file.steps.iter().map(|step| Step::cut(step, host)).collect::<Result<_, _>>()?;
        let needs = |wanted: fn(&Piece) -> bool| steps.iter().any(|step| step.pieces().any(wanted));
        ensure!(
            file.slots.0 < file.slots.1 || !needs(|piece| matches!(piece, Piece::Slot)),
            "no slots are given"
        );
        ensure!(!lines.is_empty() || !needs(|piece| matches!(piece, Piece::Line)), "no lines are given");
        Ok(Scenario { steps, slots: file.slots, next: file.first, lines, random: Random::new(seed) })
    }

    /// How many requests one person sends.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// The next person.
    pub fn person(&mut self) -> Person {
        let number = self.next;
        self.next += 1;
        let (low, high) = self.slots;
        let slot = if low < high { low + self.random.below(high - low) } else { 0 };
        Person { number, slot, captured: 0, step: 0 }
    }

    /// Appends the request of the person's step to `out`.
    pub fn render(&mut self, person: &Person, out: &mut Vec<u8>) {
        let key = u128::from(self.random.bits()) << 64 | u128::from(self.random.bits());
        let step = &self.steps[person.step];
        let line = |number: u64| &self.lines[number as usize % self.lines.len()];
        let put = |pieces: &[Piece], out: &mut Vec<u8>| {
            for piece in pieces {
                match piece {
                    Piece::Fixed(bytes) => out.extend_from_slice(bytes),
                    Piece::Key => hexadecimal(key, out),
                    Piece::Person => hexadecimal(spread_wide(person.number), out),
                    Piece::Number => decimal(person.number, out),
                    Piece::Slot => decimal(person.slot, out),
                    Piece::Captured => decimal(person.captured, out),
                    Piece::Line => out.extend_from_slice(line(person.number)),
                }
            }
        };
        put(&step.head, out);
        if step.body.is_empty() {
            out.extend_from_slice(b"\r\n");
            return;
        }
        // The length stands before the body: its three digits are filled in afterwards.
        out.extend_from_slice(b"content-length: 000\r\n\r\n");
        let body_at = out.len();
        put(&step.body, out);
        let length = out.len() - body_at;
        assert!(length < 1_000, "a request's body fits three digits");
        for (place, power) in [(7, 100), (6, 10), (5, 1)] {
            out[body_at - place] = b'0' + (length / power % 10) as u8;
        }
    }

    /// Whether an answer with this status is what the person's step asked for.
    #[must_use]
    pub fn succeeds(&self, person: &Person, status: u16) -> bool {
        self.steps[person.step].status == status
    }

    /// Takes what the next step needs from an answer; false if it is not there.
    #[must_use]
    pub fn capture(&self, person: &mut Person, answer: &[u8]) -> bool {
        let Some(after) = &self.steps[person.step].capture else { return true };
        let Some(at) = memmem::find(answer, after) else { return false };
        let digits = answer[at + after.len()..].iter().skip_while(|byte| **byte == b' ');
        let digits = digits.take_while(|byte| byte.is_ascii_digit()).take(19);
        let mut found = None;
        for digit in digits {
            found = Some(found.unwrap_or(0) * 10 + u64::from(digit - b'0'));
        }
        person.captured = found.unwrap_or(0);
        found.is_some()
    }
}

impl Step {
    fn cut(step: &StepFile, host: &str) -> anyhow::Result<Step> {
        let mut head = Vec::new();
        write!(head, "{} {} HTTP/1.1\r\nhost: {host}\r\n", step.method, step.path)?;
        for (name, value) in &step.headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        let head = String::from_utf8(head)?;
        let capture = step.capture.as_ref().map(|text| text.as_bytes().to_vec());
        Ok(Step { head: cut(&head)?, body: cut(&step.body)?, status: step.status, capture })
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.head.iter().chain(&self.body)
    }
}

fn cut(template: &str) -> anyhow::Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut parts = template.split('$');
    let fixed = |text: &str| Piece::Fixed(text.as_bytes().to_vec());
    pieces.extend(parts.next().filter(|text| !text.is_empty()).map(fixed));
    for part in parts {
        let end = part.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        pieces.push(match name {
            "key" => Piece::Key,
            "person" => Piece::Person,
            "number" => Piece::Number,
            "slot" => Piece::Slot,
            "captured" => Piece::Captured,
            "line" => Piece::Line,
            _ => bail!("${name} stands for nothing"),
        });
        pieces.extend(Some(rest).filter(|text| !text.is_empty()).map(fixed));
    }
    Ok(pieces)
}

fn hexadecimal(number: u128, out: &mut Vec<u8>) {
    for byte in number.to_be_bytes() {
        out.push(b"0123456789abcdef"[usize::from(byte >> 4)]);
        out.push(b"0123456789abcdef"[usize::from(byte & 15)]);
    }
}

fn decimal(number: u64, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{number}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKING: &str = r#"{"steps":[
        {"method":"POST","path":"/hold?s=$slot","headers":[["x-key","$key"]],"body":"{\"who\":\"$person\"}","capture":"\"id\":"},
        {"method":"POST","path":"/confirm/$captured","body":"{}"}],"slots":[5,6],"first":7}"#;

    fn render(scenario: &mut Scenario, person: &Person) -> String {
        let mut out = Vec::new();
        scenario.render(person, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_person_goes_through_the_steps_with_what_was_captured() {
        let mut scenario = Scenario::parse(BOOKING, "h", 1).unwrap();
        let mut person = scenario.person();
        let hold = render(&mut scenario, &person);
        assert!(hold.starts_with("POST /hold?s=5 HTTP/1.1\r\nhost: h\r\nx-key: "), "{hold}");
        assert!(
            hold.contains(&format!("content-length: 042\r\n\r\n{{\"who\":\"{:032x}\"}}", spread_wide(7))),
            "{hold}"
        );
        assert!(!scenario.capture(&mut person, b"{\"id\":none}"));
        assert!(scenario.capture(&mut person, b"{\"id\": 314,\"until\":9}"));
        person.step = 1;
        let confirm = render(&mut scenario, &person);
        assert_eq!(confirm, "POST /confirm/314 HTTP/1.1\r\nhost: h\r\ncontent-length: 002\r\n\r\n{}");
    }

    #[test]
    fn no_two_requests_share_a_key_and_no_two_people_a_name() {
        let mut scenario = Scenario::parse(BOOKING, "h", 1).unwrap();
        let (one, two) = (scenario.person(), scenario.person());
        let requests =
            [render(&mut scenario, &one), render(&mut scenario, &one), render(&mut scenario, &two)];
        let key = |request: &str| request.split("x-key: ").nth(1).unwrap()[..32].to_owned();
        let who = |request: &str| request.split("who").nth(1).unwrap().to_owned();
        assert_ne!(key(&requests[0]), key(&requests[1]));
        assert_eq!(who(&requests[0]), who(&requests[1]));
        assert_ne!(who(&requests[0]), who(&requests[2]));
    }

    #[test]
    fn a_scenario_that_lacks_something_is_refused() {
        for (json, says) in [
            (r#"{"steps":[]}"#, "one step"),
            (r#"{"steps":[{"method":"GET","path":"/$what"}]}"#, "$what"),
            (r#"{"steps":[{"method":"GET","path":"/$slot"}]}"#, "no slots"),
            (r#"{"steps":[{"method":"GET","path":"/$line"}]}"#, "no lines"),
        ] {
            let error = Scenario::parse(json, "h", 1).unwrap_err().to_string();
            assert!(error.contains(says), "{error:?} says {says:?}");
        }
    }
}
