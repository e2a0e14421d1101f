//! `[privacy]`: what people are told on the page about their data, and how long contacts are kept.

use anyhow::ensure;
use jari_web::retention::KEEP_DAYS;
use jari_web::site::PrivacyOptions;
use serde::Deserialize;

/// Bytes of a text at the most: it stands on a page.
const TEXT_BYTES_MAX: usize = 400;
/// Days after which backups are deleted, by the operator's word.
const BACKUP_DAYS: std::ops::RangeInclusive<u32> = 1..=3_650;

/// See the module's documentation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Privacy {
    /// Who runs the service and answers for people's data: shown on `/privacy`.
    pub controller: String,
    /// How to reach them about it: shown on `/privacy`.
    pub contact: String,
    /// A name and a number are kept for so many days after the last time they were needed: the person
    /// said who they are, came to a visit, or changed a booking.
    pub keep_contact_days: u32,
    /// Backups are deleted after so many days. People are told so; whoever makes the backups has to do it.
    pub backup_days: u32,
}

impl Default for Privacy {
    fn default() -> Self {
        let PrivacyOptions { controller, contact, keep_contact_days, backup_days } =
            PrivacyOptions::default();
        Privacy { controller, contact, keep_contact_days, backup_days }
    }
}

impl Privacy {
    /// Checks what can be checked.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            KEEP_DAYS.contains(&self.keep_contact_days),
            "privacy.keep_contact_days = {}: {} to {}; with fewer, somebody who is signed in could be forgotten",
            self.keep_contact_days,
            KEEP_DAYS.start(),
            KEEP_DAYS.end()
        );
        ensure!(
            BACKUP_DAYS.contains(&self.backup_days),
            "privacy.backup_days = {}: {} to {}",
            self.backup_days,
            BACKUP_DAYS.start(),
            BACKUP_DAYS.end()
        );
        for (name, text) in [("controller", &self.controller), ("contact", &self.contact)] {
            let fits = text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
            ensure!(fits, "privacy.{name}: one line of {TEXT_BYTES_MAX} bytes at the most");
        }
        Ok(())
    }

    /// For the site.
    pub fn options(&self) -> PrivacyOptions {
        PrivacyOptions {
            controller: self.controller.trim().to_owned(),
            contact: self.contact.trim().to_owned(),
            keep_contact_days: self.keep_contact_days,
            backup_days: self.backup_days,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn what_people_are_told_is_read_and_bounded() {
        let text = "data = \"x\"\n[privacy]\ncontroller = \" The Agency \"\nkeep_contact_days = 30";
        let options = Config::parse(text).unwrap().privacy.options();
        assert_eq!((options.controller.as_str(), options.contact.as_str()), ("The Agency", ""));
        assert_eq!((options.keep_contact_days, options.backup_days), (30, 7));
        for (line, says) in [
            ("keep_contact_days = 13", "14 to 3650"),
            ("keep_contact_days = 3651", "14 to 3650"),
            ("backup_days = 0", "1 to 3650"),
            ("contact = \"a\\nb\"", "privacy.contact"),
            ("keep_days = 30", "keep_days"),
        ] {
            let error =
                format!("{:#}", Config::parse(&format!("data = \"x\"\n[privacy]\n{line}")).unwrap_err());
            assert!(error.contains(says), "{error:?} says {says:?}");
        }
    }
}
