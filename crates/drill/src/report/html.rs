//! The report as one page that needs nothing else.
//!
//! Must never let text from a run become markup, and must never point outside itself. Every text
//! goes through [`escape`]; there is no script, so the page is the same wherever it is opened.
//! Start at [`page`].

use super::canvas::{INKS, Ink};
use super::plot::{Size, draw};
use super::series::{Line, Mark, Plot, PlotKind, TimeAxis, Tone};
use super::{Draw, Fairness, Figure, Report, number};

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub fn page(report: &Report) -> anyhow::Result<String> {
    let mut out = String::with_capacity(512 * 1024);
    let title = format!("{}: {}", report.drill, report.outcome());
    out.push_str("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<link rel=\"icon\" href=\"data:,\">\n");
    out.push_str(&format!(
        "<title>{}</title>\n<style>\n{}{STYLE}</style></head>\n<body><main>\n",
        escape(&title),
        inks()
    ));
    out.push_str(&head(report));
    out.push_str(&verdicts(report));
    out.push_str(&plots(report)?);
    out.push_str(&history(report));
    out.push_str(&report.fairness.as_ref().map(fairness).unwrap_or_default());
    out.push_str(&figures(report));
    out.push_str(&repeat(report));
    out.push_str("</main></body></html>\n");
    Ok(out)
}

/// Text as HTML text, also inside a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(letter),
        }
    }
    out
}

/// The colours of the plots: variables for both themes, and rules that repaint plotters' output.
fn inks() -> String {
    let both = |dark: bool| -> String {
        INKS.iter()
            .map(|(_, name, light, night)| format!("{name}:{};", if dark { night } else { light }))
            .collect()
    };
    let mut out = format!(
        ":root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        both(false),
        both(true)
    );
    for (ink, name, light, _) in &INKS {
        let dash = if *ink == Ink::Data(Tone::Limit) { ";stroke-dasharray:24 18" } else { "" };
        out.push_str(&format!(".plot [stroke=\"{light}\"]{{stroke:var({name}){dash}}}.plot [fill=\"{light}\"]{{fill:var({name})}}\n"));
    }
    out
}

fn head(report: &Report) -> String {
    let machine = &report.machine;
    let memory = match machine.memory_bytes {
        0 => String::new(),
        bytes => format!(", {:.1} GiB of memory", bytes as f64 / (1_u64 << 30) as f64),
    };
    let cores = format!("{} core{}", machine.cores, if machine.cores == 1 { "" } else { "s" });
    let crowd = match report.scale {
        1.0 => "everyone who came then".to_string(),
        part if part < 1.0 => {
            format!("1 in {} of those who came then", number::number((1.0 / part * 10.0).round() / 10.0))
        }
        times => format!("{} times those who came then", number::number(times)),
    };
    let facts = [
        ("When", report.started_at.clone()),
        ("How", report.mode.word().to_string()),
        ("Crowd", crowd),
        ("Seed", report.seed.to_string()),
        ("Commit", short(&report.commit)),
        ("Machine", format!("{}, {cores}{memory}, {}", machine.cpu, machine.os)),
    ];
    let facts: String =
        facts.map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value))).concat();
    let failed: Vec<&str> =
        report.verdicts.iter().filter(|verdict| !verdict.pass).map(|verdict| verdict.name.as_str()).collect();
    let detail = if failed.is_empty() {
        String::new()
    } else {
        format!("<small>{}</small>", escape(&failed.join("; ")))
    };
    let tone = if report.all_pass() { "good" } else { "bad" };
    let mut headlines: Vec<&Figure> = report.figures.values().filter(|figure| figure.headline > 0).collect();
    headlines.sort_by_key(|figure| figure.headline);
    let headlines: String = headlines.into_iter().map(headline).collect();
    format!(
        "<header><h1>{}</h1><p>{}</p><dl class=\"facts\">{facts}</dl></header>\n\
         <p class=\"outcome {tone}\">{}{detail}</p>\n<ul class=\"headlines\">{headlines}</ul>\n",
        escape(&report.drill),
        escape(&report.about),
        report.outcome()
    )
}

/// A commit's first twelve digits, and whatever was noted after its digits.
fn short(commit: &str) -> String {
    let digits = commit.chars().take_while(char::is_ascii_hexdigit).count();
    if digits <= 12 { commit.to_string() } else { format!("{}{}", &commit[..12], &commit[digits..]) }
}

fn headline(figure: &Figure) -> String {
    let (value, unit) = figure.parts();
    format!("<li><b>{} <small>{}</small></b>{}</li>", escape(&value), escape(unit), escape(&figure.note))
}

fn verdicts(report: &Report) -> String {
    let rows: String = report
        .verdicts
        .iter()
        .map(|verdict| {
            let (class, word) = if verdict.pass { ("pass", "✓ pass") } else { ("fail", "✗ fail") };
            format!(
                "<tr><th scope=\"row\">{}<small>{:?}. {}</small></th><td data-label=\"Goal\">{}</td>\
                 <td data-label=\"Measured\">{}</td><td class=\"{class}\">{word}</td></tr>\n",
                escape(&verdict.name),
                verdict.promise,
                verdict.promise.sentence(),
                escape(&verdict.goal),
                escape(&verdict.measured)
            )
        })
        .collect();
    section(
        "What was promised, and what was measured",
        &table(&["Check and promise", "Goal", "Measured", "Result"], &rows),
    )
}

fn plots(report: &Report) -> anyhow::Result<String> {
    let marks: Vec<(usize, &Mark)> =
        report.marks.iter().enumerate().map(|(index, mark)| (index + 1, mark)).collect();
    let whole = whole_time(&report.series);
    let mut out = String::new();
    for plot in &report.series {
        let (start, end) = plot.range_s.unwrap_or(whole);
        // A run of a single moment still needs an axis.
        let time = (start, if end > start { end } else { start + 1.0 });
        let marks = if plot.time == TimeAxis::Apart { &[] } else { &*marks };
        let wide = draw(plot, marks, time, Size::Wide)?.replacen("<svg", "<svg class=\"wide\"", 1);
        let narrow = draw(plot, marks, time, Size::Narrow)?.replacen("<svg", "<svg class=\"narrow\"", 1);
        let inside = marks.iter().filter(|(_, mark)| time.0 <= mark.at_s && mark.at_s <= time.1);
        let key: Vec<String> = inside
            .map(|(number, mark)| {
                format!("<b>{number}</b> {} ({})", escape(&mark.label), plot.time.moment(mark.at_s))
            })
            .collect();
        out.push_str(&format!(
            "<figure class=\"plot\"><h3>{}</h3><figcaption>{}</figcaption><ul class=\"legend\">{}</ul>{wide}{narrow}<p class=\"key\">{}</p></figure>\n",
            escape(&plot.title),
            escape(&plot.caption),
            plot.thinned(super::series::POINTS_MAX).iter().map(|line| legend(plot, line)).collect::<String>(),
            key.join(" · ")
        ));
    }
    Ok(section("How it went", &out))
}

/// From the first to the last point of all plots that have no range of their own, so that one
/// moment stands at one place all down the page.
fn whole_time(plots: &[Plot]) -> (f64, f64) {
    let unzoomed = plots.iter().filter(|plot| plot.range_s.is_none());
    let points = unzoomed
        .flat_map(|plot| &plot.lines)
        .flat_map(|line| &line.points)
        .filter(|point| point.0.is_finite());
    let (low, high) = points
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| (low.min(point.0), high.max(point.0)));
    match low.is_finite() {
        // Whole minutes, where they hardly add to the whole.
        true if high - low > 1_200.0 => ((low / 60.0).floor() * 60.0, (high / 60.0).ceil() * 60.0),
        true => (low, high),
        false => (0.0, 1.0),
    }
}

/// A line's name with the one number a reader looks for: the end of a layer, or the highest point.
fn legend(plot: &Plot, line: &Line) -> String {
    let stacked = plot.kind == PlotKind::StackedArea;
    let class = match (stacked, line.tone) {
        (true, _) => "",
        (false, Tone::Limit) => "line limit",
        (false, _) => "line",
    };
    let highest =
        line.points.iter().copied().reduce(|best, point| if point.1 > best.1 { point } else { best });
    let reading = match (stacked, line.points.last(), highest) {
        (true, Some((_, end)), _) => format!("{} at the end", number::number(end.round())),
        (false, _, Some(_)) if line.tone == Tone::Limit => String::new(),
        (false, Some((_, end)), Some((_, high))) if *end == high => {
            format!("{} at the end", number::number(high))
        }
        (false, _, Some((at_s, high))) => {
            format!("highest {} at {}", number::number(high), plot.time.moment(at_s))
        }
        _ => "nothing recorded".to_string(),
    };
    format!(
        "<li><i class=\"{class}\" style=\"--swatch:var({})\"></i>{} <span>{reading}</span></li>",
        Ink::Data(line.tone).variable(),
        escape(&line.name)
    )
}

fn history(report: &Report) -> String {
    if report.history.is_empty() {
        return String::new();
    }
    let row = |row: &super::HistoryRow| {
        format!(
            "<tr><th scope=\"row\">{}</th><td data-label=\"Then\">{}<small>{}</small></td><td data-label=\"This run\">{}</td></tr>\n",
            escape(&row.name),
            escape(&row.then),
            row.source.words(),
            escape(&row.ours)
        )
    };
    let rows: String = report.history.iter().map(row).collect();
    let note = match report.scale {
        1.0 => "",
        _ => {
            "<p class=\"soft\">This run had another crowd than that evening (see the head of this page): \
              shares and times can be compared, counts and rates cannot.</p>\n"
        }
    };
    section("History beside this run", &format!("{note}{}", table(&["", "Then", "This run"], &rows)))
}

fn fairness(fairness: &Fairness) -> String {
    let mut out = String::from(
        "<p>Kendall’s tau compares the order in which people came with the order in which they were let in. \
         1 means exactly as they came, −1 exactly the reverse, and 0 that coming early made no difference.</p>\n",
    );
    let rows: String = fairness
        .orders
        .iter()
        .map(|order| {
            let tau = order.tau.map_or("none".to_string(), |tau| number::number(tau).replace('-', "−"));
            format!(
                "<tr><th scope=\"row\">{}<small>{}</small></th><td class=\"number\" data-label=\"People\">{}</td><td class=\"number\" data-label=\"Tau\">{tau}</td></tr>\n",
                escape(&order.group),
                escape(&order.meaning),
                number::number(order.people as f64)
            )
        })
        .collect();
    out.push_str(&table(&["Who", "People", "Tau"], &rows));
    out.push_str(&fairness.draw.as_ref().map(draw_section).unwrap_or_default());
    section("Was the order fair?", &out)
}

fn draw_section(draw: &Draw) -> String {
    let (class, word) = if draw.verified() { ("pass", "✓ verified") } else { ("fail", "✗ not verified") };
    let seed = if draw.seed_matches {
        "The revealed seed has the published hash."
    } else {
        "The revealed seed does not have the published hash."
    };
    let places = format!(
        "{} of {} places computed again came out the same.",
        number::number(draw.places_checked.saturating_sub(draw.places_wrong) as f64),
        number::number(draw.places_checked as f64)
    );
    let line = |name: &str, value: &str| {
        format!("<tr><th scope=\"row\">{name}</th><td><code>{}</code></td></tr>\n", escape(value))
    };
    let mut rows = format!(
        "<tr><th scope=\"row\">Result</th><td><span class=\"{class}\">{word}</span><small>{seed} {places}</small></td></tr>\n\
         <tr><th scope=\"row\">People drawn</th><td>{}</td></tr>\n",
        number::number(draw.people as f64)
    );
    rows.push_str(&line(
        &format!("Published before the opening<small>{}</small>", escape(&draw.commitment_is)),
        &draw.commitment,
    ));
    rows.push_str(&line("Seed, revealed at the opening", &draw.seed));
    rows.push_str(
        &draw.beacon.as_deref().map(|beacon| line("Public value mixed in", beacon)).unwrap_or_default(),
    );
    let steps: String = draw.recompute.iter().map(|step| format!("<li>{}</li>", escape(step))).collect();
    format!(
        "<h3>The draw among those who came before the opening</h3>\n{}<h3>How to recompute a place</h3>\n<ol>{steps}</ol>\n",
        table(&[], &rows)
    )
}

fn figures(report: &Report) -> String {
    let rows: String = report
        .all_figures()
        .iter()
        .map(|(key, figure)| {
            format!(
                "<tr><th scope=\"row\">{}<small><code>{}</code></small></th><td>{}</td></tr>\n",
                escape(&figure.note),
                escape(key),
                escape(&figure.shown())
            )
        })
        .collect();
    section("All figures", &table(&["Figure, and its name in report.json", "Value"], &rows))
}

fn repeat(report: &Report) -> String {
    let body = format!(
        "<p>With the program of commit <code>{}</code>:</p>\n<pre>{}</pre>\n\
         <p class=\"soft\">The figures stand in <code>report.json</code>, the lines of the plots in <code>series.csv</code>, both beside this page. \
         Lines of more than {} points are thinned; the lowest and the highest point of every stretch of time are kept.</p>\n",
        escape(&report.commit),
        escape(&report.command),
        number::grouped(super::series::POINTS_MAX as i64)
    );
    section("How to repeat this run", &body)
}

fn section(title: &str, body: &str) -> String {
    format!("<section><h2>{title}</h2>\n{body}</section>\n")
}

/// A table; without `columns` it has no head.
fn table(columns: &[&str], rows: &str) -> String {
    let head: String = columns.iter().map(|column| format!("<th scope=\"col\">{column}</th>")).collect();
    let head = if columns.is_empty() { String::new() } else { format!("<thead><tr>{head}</tr></thead>") };
    format!("<div class=\"sheet\"><table>{head}<tbody>\n{rows}</tbody></table></div>\n")
}
