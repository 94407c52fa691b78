use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::show::{plain, several};
use crate::{Figure, FigureTable, figure_text};

/// The JSON Schema (draft 2020-12) of a [`Figure`] as JSON, format 1.
///
/// ```
/// let schema: serde_json::Value = serde_json::from_str(pipeline_metrics::figure_json_schema())?;
/// assert_eq!(schema["title"], "Further number, format 1");
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn figure_json_schema() -> &'static str {
    include_str!("../../docs/figure.schema.json")
}

/// Further numbers for a terminal, each with what it is, what was counted and what was left out; with every fact behind
/// it when asked. Those that nothing is known for are left out.
pub fn render_figures(figures: &[Figure], facts: bool) -> String {
    let mut text = String::new();
    for figure in figures.iter().filter(|figure| !figure.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", figure.title);
        let values = figure
            .values
            .iter()
            .map(|value| [value.name.clone(), figure_text::value(value)]);
        columns(&mut text, &values.map(Vec::from).collect::<Vec<_>>());
        for table in &figure.tables {
            of_table(&mut text, table);
        }
        let _ = writeln!(text, "  {}", figure.definition);
        for sentence in figure.options.iter().chain(&figure.notes) {
            let _ = writeln!(text, "  {}", plain(sentence));
        }
        let _ = writeln!(text, "  counted: {}", several(figure.counted.len(), "fact"));
        if facts {
            for item in &figure.counted {
                let _ = writeln!(
                    text,
                    "    {} ({})",
                    plain(&item.what),
                    plain(&item.source.to_string())
                );
            }
            for left in &figure.left_out {
                let (what, source) = (plain(&left.item.what), plain(&left.item.source.to_string()));
                let _ = writeln!(text, "    left out: {what} ({source}): {}", left.reason);
            }
            continue;
        }
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for left in &figure.left_out {
            *reasons.entry(left.reason).or_default() += 1;
        }
        for (reason, count) in reasons {
            let _ = writeln!(text, "  left out: {}, {reason}", several(count, "fact"));
        }
    }
    text
}

fn of_table(text: &mut String, table: &FigureTable) {
    let _ = writeln!(text, "  {}:", table.title);
    let head = table
        .columns
        .iter()
        .map(|column| column.name.to_owned())
        .collect();
    let rows = table.rows.iter().map(|row| {
        let cells = row.iter().zip(&table.columns);
        cells
            .map(|(cell, column)| figure_text::cell(cell, column))
            .collect()
    });
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    columns(text, &lines);
}

/// Cells below each other, as wide as their text.
fn columns(text: &mut String, lines: &[Vec<String>]) {
    let lines: Vec<Vec<String>> = lines
        .iter()
        .map(|line| line.iter().map(|cell| plain(cell)).collect())
        .collect();
    let mut widths = vec![0; lines.iter().map(Vec::len).max().unwrap_or(0)];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    for line in lines {
        let padded = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(text, "    {}", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
}
