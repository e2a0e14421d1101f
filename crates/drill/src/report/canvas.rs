//! A sheet to draw on: plotters' SVG backend with named inks and sizes in CSS pixels.
//!
//! Must never fix a colour: each ink is written as its light colour, and the page's style sheet
//! repaints it for dark screens. Start at [`Sheet`] and [`Ink`].

use super::series::Tone;
use anyhow::anyhow;
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// Drawn at four times the size and shown at a quarter: plotters counts in whole pixels, which
/// would make slow curves look like stairs.
pub const FINE: f64 = 4.0;

/// The size of all text in a plot, in CSS pixels.
pub const TEXT_PX: f64 = 13.0;

/// What something is drawn in; the page gives each ink a light and a dark colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Data.
    Data(Tone),
    /// Words and axes.
    Text,
    /// Grid lines.
    Grid,
    /// Event marks.
    Mark,
    /// The paper itself: the ground of plots and tables.
    Paper,
}

/// Every ink with its CSS variable, its light and its dark colour. The light data colours are
/// Okabe and Ito's, told apart with any kind of colour vision; some are darkened to stand out on
/// white. No two inks share a light colour, since it is their name in the SVG.
pub const INKS: [(Ink, &str, &str, &str); 11] = [
    (Ink::Data(Tone::Blue), "--blue", "#0072B2", "#4DA8E8"),
    (Ink::Data(Tone::Orange), "--orange", "#D55E00", "#F58A3C"),
    (Ink::Data(Tone::Green), "--green", "#009E73", "#2CC79B"),
    (Ink::Data(Tone::Purple), "--purple", "#B2508F", "#E08BC2"),
    (Ink::Data(Tone::Grey), "--grey", "#6B7480", "#8E99A6"),
    (Ink::Data(Tone::Mist), "--mist", "#CBD6E0", "#3D4B5A"),
    (Ink::Data(Tone::Limit), "--limit", "#3A3F45", "#C9CED4"),
    (Ink::Text, "--plot-text", "#444C56", "#B4BFCB"),
    (Ink::Grid, "--grid", "#E4E8ED", "#2A323C"),
    (Ink::Mark, "--mark", "#7D8794", "#7F8B99"),
    (Ink::Paper, "--paper", "#FFFFFE", "#161C23"),
];

impl Ink {
    /// The variable of this ink in the style sheet.
    pub fn variable(self) -> &'static str {
        INKS.iter().find(|entry| entry.0 == self).map_or("--plot-text", |entry| entry.1)
    }

    /// The light colour, which is also the ink's name in the SVG.
    pub fn colour(self) -> RGBColor {
        let hex = INKS.iter().find(|entry| entry.0 == self).map_or("#444C56", |entry| entry.2);
        let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap_or(0);
        RGBColor(part(1), part(3), part(5))
    }
}

/// Where text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// The point is at its left end.
    Left,
    /// The point is at its middle.
    Middle,
    /// The point is at its right end.
    Right,
}

/// A drawing area measured in CSS pixels.
pub struct Sheet<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

impl<'a> Sheet<'a> {
    /// A sheet of `width` by `height` that writes its SVG into `buffer`.
    pub fn new(buffer: &'a mut String, width: f64, height: f64) -> Self {
        let backend = SVGBackend::with_string(buffer, (fine(width) as u32, fine(height) as u32));
        Self { area: backend.into_drawing_area() }
    }

    /// The area beneath, for plotters' own charts; its pixels are a quarter of a CSS pixel.
    pub fn area(&self) -> &DrawingArea<SVGBackend<'a>, Shift> {
        &self.area
    }

    /// A straight line `thick` wide.
    pub fn line(&self, from: (f64, f64), to: (f64, f64), ink: Ink, thick: f64) -> anyhow::Result<()> {
        let style = ink.colour().stroke_width(fine(thick) as u32);
        let ends = vec![(fine(from.0), fine(from.1)), (fine(to.0), fine(to.1))];
        self.area.draw(&PathElement::new(ends, style)).map_err(|error| anyhow!("cannot draw a line: {error}"))
    }

    /// One line of text whose middle is at the height of the point.
    pub fn text(&self, text: &str, at: (f64, f64), align: Align, ink: Ink) -> anyhow::Result<()> {
        let horizontal = match align {
            Align::Left => HPos::Left,
            Align::Middle => HPos::Center,
            Align::Right => HPos::Right,
        };
        // The backend divides sizes by 1.24.
        let font = ("sans-serif", TEXT_PX * FINE * 1.24).into_font();
        let style = font.color(&ink.colour()).pos(Pos::new(horizontal, VPos::Center));
        let words = Text::new(text.to_string(), (fine(at.0), fine(at.1)), style);
        self.area.draw(&words).map_err(|error| anyhow!("cannot draw text: {error}"))
    }

    /// Ends the drawing.
    pub fn finish(&self) -> anyhow::Result<()> {
        self.area.present().map_err(|error| anyhow!("cannot finish a plot: {error}"))
    }
}

/// CSS pixels as the backend's whole pixels.
pub fn fine(pixels: f64) -> i32 {
    (pixels * FINE).round() as i32
}

/// About how wide `text` is in CSS pixels; digits and lower case are a little over half as wide
/// as high, other scripts as wide as high.
pub fn width_px(text: &str) -> f64 {
    let wide = |letter: char| if letter.is_ascii() { 0.56 } else { 1.0 };
    text.chars().map(wide).sum::<f64>() * TEXT_PX
}
