//! What every page has around its content, and how templates speak.

use super::assets::ASSETS;
use super::words::{Count, Words};
use crate::language::Language;

/// The frame of one page for one reader.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The reader's words.
    pub words: Words,
    /// The address of this page, for the language links; always one that can be got.
    pub path: String,
    /// The hidden token of this page's forms.
    pub csrf: String,
    /// Whether this is a demonstration, which shows the messages it would send.
    pub demo: bool,
    /// For whom the reader books, if it is somebody else.
    pub errand: Option<String>,
}

impl Frame {
    /// The message `key`.
    #[must_use]
    pub fn t(&self, key: &str) -> String {
        self.words.t(key)
    }

    /// The message `key` with a number as `$n`.
    #[must_use]
    pub fn n(&self, key: &str, number: impl Count) -> String {
        self.words.n(key, number)
    }

    /// The message `key` with a text as `$s`.
    #[must_use]
    pub fn s(&self, key: &str, text: impl AsRef<str>) -> String {
        self.words.s(key, text)
    }

    /// The message `key` with the marks `{n}` and `{p}`, which the script replaces.
    #[must_use]
    pub fn marked(&self, key: &str) -> String {
        self.words.np(key, "{n}", "{p}")
    }

    /// A number with its thousands apart.
    #[must_use]
    pub fn num(&self, number: impl Count) -> String {
        self.words.num(number)
    }

    /// The language's tag.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        self.words.lang.tag()
    }

    /// Whether the page is Korean.
    #[must_use]
    pub fn korean(&self) -> bool {
        self.words.lang == Language::Korean
    }

    /// This page in the other language.
    #[must_use]
    pub fn other(&self) -> String {
        let other = if self.korean() { Language::English } else { Language::Korean };
        let joint = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{joint}lang={}", self.path, other.tag())
    }

    /// The hidden field that proves a form came from our page. The token's alphabet is
    /// base64url, which needs no escaping.
    #[must_use]
    pub fn csrf_field(&self) -> String {
        format!("<input type=\"hidden\" name=\"csrf\" value=\"{}\">", self.csrf)
    }

    /// The style sheet's address.
    #[must_use]
    pub fn css(&self) -> &'static str {
        &ASSETS.css.href
    }

    /// The address of the style sheet of forms, lists and bookings.
    #[must_use]
    pub fn more_css(&self) -> &'static str {
        &ASSETS.more_css.href
    }

    /// The script's address.
    #[must_use]
    pub fn js(&self) -> &'static str {
        &ASSETS.js.href
    }

    /// The fairness page's script.
    #[must_use]
    pub fn fair(&self) -> &'static str {
        &ASSETS.fair.href
    }

    /// The operator's style sheet.
    #[must_use]
    pub fn operator_css(&self) -> &'static str {
        &ASSETS.operator_css.href
    }

    /// What draws the operator's plots.
    #[must_use]
    pub fn uplot(&self) -> &'static str {
        &ASSETS.uplot.href
    }

    /// The script of the operator's plots and alarms.
    #[must_use]
    pub fn console(&self) -> &'static str {
        &ASSETS.console.href
    }
}
