//! The report in a terminal: what was run, what was checked, how to repeat it.
//!
//! Must never depend on colour: pass and fail are words. Start at [`summary`].

use super::Report;

/// A table of the verdicts under one line about the run.
pub fn summary(report: &Report) -> String {
    let head = ["", "promise", "check", "goal", "measured"].map(String::from);
    let mut rows = vec![head];
    for verdict in &report.verdicts {
        let word = if verdict.pass { "pass" } else { "FAIL" };
        let promise = format!("{:?}", verdict.promise);
        rows.push([
            word.into(),
            promise,
            printable(&verdict.name),
            printable(&verdict.goal),
            printable(&verdict.measured),
        ]);
    }
    let mut out = format!(
        "{}  {}, seed {}, scale {}, commit {}\n\n",
        printable(&report.drill),
        report.mode.word(),
        report.seed,
        report.scale,
        printable(&report.commit)
    );
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push_str(&format!("\n{}\nrepeat: {}\n", report.outcome(), printable(&report.command)));
    out
}

/// Without control characters, which could repaint the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
