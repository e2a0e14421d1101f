//! A booking's code as a picture that a clinic's scanner or another telephone reads.
//!
//! It holds the address of the booking's page, which opens for nobody but its person, or the
//! code alone where the service's address is not known. It must never hold a token.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

use super::views::Qr;

/// The light margin that a reader needs (ISO/IEC 18004), modules.
const MARGIN: usize = 4;

/// The picture of a text; nothing for one that is too long for a code.
pub(super) fn picture(text: &str) -> Option<Qr> {
    // The middle level: 15 % of a folded or dirty sheet may be lost.
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let colors = code.to_colors();
    let mut path = String::with_capacity(width * width * 4);
    for (row, line) in colors.chunks(width).enumerate() {
        let mut column = 0;
        for run in line.chunk_by(|one, next| one == next) {
            if run[0] == Color::Dark {
                // Writing to a String cannot fail.
                let _ = write!(path, "M{} {}h{}v1h-{}z", column + MARGIN, row + MARGIN, run.len(), run.len());
            }
            column += run.len();
        }
    }
    Some(Qr { side: width + 2 * MARGIN, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws the path again, module by module.
    fn drawn(qr: &Qr) -> Vec<Vec<bool>> {
        let mut dark = vec![vec![false; qr.side]; qr.side];
        for run in qr.path.split('M').skip(1) {
            let (x, rest) = run.split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let length: usize = rest.split('v').next().unwrap().parse().unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            for module in &mut dark[y][x..x + length] {
                assert!(!std::mem::replace(module, true), "no module is drawn twice");
            }
        }
        dark
    }

    #[test]
    fn the_path_draws_every_dark_module_within_a_light_margin() {
        let text = "https://jari.example.org/bookings/K7Q2M-9F0M3";
        let qr = picture(text).unwrap();
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let dark = drawn(&qr);
        assert_eq!(qr.side, code.width() + 8);
        for (y, line) in dark.iter().enumerate() {
            for (x, dark) in line.iter().enumerate() {
                let inside = (4..qr.side - 4).contains(&x) && (4..qr.side - 4).contains(&y);
                let wanted = inside && code[(x.wrapping_sub(4), y.wrapping_sub(4))] == Color::Dark;
                assert_eq!(*dark, wanted, "module {x}, {y}");
            }
        }
    }

    #[test]
    fn a_text_that_no_code_can_hold_gives_no_picture() {
        assert!(picture(&"a".repeat(3_000)).is_none());
    }
}
