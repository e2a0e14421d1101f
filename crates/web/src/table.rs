//! Tables to take away: comma-separated values (RFC 4180), which no spreadsheet takes for formulas.
//!
//! Start reading at [`push_row`].

/// Puts a row at the end of a table.
pub fn push_row(table: &mut String, fields: &[&str]) {
    for (number, field) in fields.iter().enumerate() {
        if number > 0 {
            table.push(',');
        }
        push_cell(table, field);
    }
    table.push_str("\r\n");
}

fn push_cell(table: &mut String, text: &str) {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if is_formula { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) {
        table.extend(["\"", mark, &text.replace('"', "\"\""), "\""]);
    } else {
        table.extend([mark, text]);
    }
}
