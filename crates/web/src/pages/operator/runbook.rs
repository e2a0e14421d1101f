//! The runbook within the console: an alarm leads to its section also when nothing outside is in reach.
//!
//! It is `docs/runbook.md` as it stands, section by section, its text as it is written there.

use axum::response::Response;
use http::StatusCode;

use crate::pages::caller::{Caller, Failed};
use crate::pages::views::{Runbook, RunbookSection};

const RUNBOOK: &str = include_str!("../../../../../docs/runbook.md");

/// `GET /operator/runbook`.
///
/// # Errors
///
/// `staff_only`.
pub async fn get_runbook(caller: Caller) -> Result<Response, Failed> {
    caller.staff()?;
    let page = Runbook { f: caller.frame()?, sections: sections(RUNBOOK) };
    caller.page(&page, StatusCode::OK)
}

/// The text by its headings of the second and third level.
fn sections(text: &str) -> Vec<RunbookSection> {
    let mut sections: Vec<RunbookSection> = Vec::new();
    for line in text.lines() {
        let (is_part, title) = match (line.strip_prefix("## "), line.strip_prefix("### ")) {
            (Some(title), _) => (false, title),
            (_, Some(title)) => (true, title),
            _ => {
                if let Some(section) = sections.last_mut() {
                    section.text.push_str(line);
                    section.text.push('\n');
                }
                continue;
            }
        };
        sections.push(RunbookSection {
            id: id_of(title),
            title: title.to_owned(),
            is_part,
            text: String::new(),
        });
    }
    for section in &mut sections {
        section.text = section.text.trim().to_owned();
    }
    sections
}

/// A heading's address, as those who render Markdown make it.
fn id_of(title: &str) -> String {
    let kept = title.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'));
    kept.map(|sign| if sign == ' ' { '-' } else { sign.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarms::Kind;
    use crate::series::view::runbook_section;

    #[test]
    fn every_alarm_has_its_section() {
        let sections = sections(RUNBOOK);
        for kind in Kind::ALL {
            let wanted = runbook_section(kind);
            let section = sections.iter().find(|section| section.id == wanted);
            assert!(section.is_some_and(|section| section.text.len() > 40), "the runbook has no {wanted}");
        }
    }
}
