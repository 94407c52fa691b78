use super::DeliveryPage;
use crate::page::{BlockRow, Chart, Section, Stream, Table};
use crate::{Figure, FigureTable, Unit, figure_text, show};

/// The value stream as a drawing, with its sums.
pub(super) fn stream(input: &DeliveryPage<'_, '_>) -> Section {
    let Some(stream) = input.stream.filter(|stream| !stream.blocks.is_empty()) else {
        return Section::new("");
    };
    let ms = |time: jiff::SignedDuration| time.as_millis_f64();
    let blocks = stream.blocks.iter().map(|block| BlockRow {
        name: block.name.clone(),
        lead_ms: ms(block.lead),
        process_ms: block.process.map(ms),
        complete_accurate: block.complete_accurate,
        group: block.group.clone(),
    });
    let totals = stream.totals();
    let time = |time| show::number(Some(ms(time)), Unit::Milliseconds);
    let mut prose = format!("From end to end it takes {}", time(totals.lead));
    if let Some(process) = totals.process {
        prose += &format!(", of which {} are work", time(process));
    }
    if let Some(ratio) = totals.activity_ratio {
        prose += &format!(": {}", show::number(Some(ratio), Unit::Share));
    }
    prose.push('.');
    if let Some(share) = totals.rolled_complete_accurate {
        prose += &format!(
            " {} of the work goes through without any rework.",
            show::number(Some(share), Unit::Share)
        );
    }
    Section::new("Where does the time go?")
        .prose(prose)
        .prose("A bar is the time from taking the work to handing it off; its strong part is work, its pale part is waiting.")
        .chart(Chart::Stream(Stream {
            blocks: blocks.collect(),
        }))
}

/// All further numbers, each with its tables.
pub(super) fn section(input: &DeliveryPage<'_, '_>) -> Section {
    let mut section = Section::new("Further numbers");
    for figure in input.figures.iter().filter(|figure| !figure.is_empty()) {
        section = section.part(part(figure));
    }
    section
}

fn part(figure: &Figure) -> Section {
    let headline = figure.values.first().map_or_else(String::new, |value| {
        format!(": {} {}", value.name, figure_text::value(value))
    });
    let mut section = Section::new(format!("{}{headline}", figure.title)).folded(true);
    section = section.prose(figure.definition);
    for text in figure.options.iter().chain(&figure.notes) {
        section = section.prose(text);
    }
    let mut values = Table::new("The numbers").column("number").numbers("value");
    for value in &figure.values {
        values.push([value.name.clone(), figure_text::value(value)]);
    }
    section = section.table(values);
    for table in &figure.tables {
        section = section.part(Section::new(table.title).table(of(table)));
    }
    let mut left_out: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for left in &figure.left_out {
        *left_out.entry(left.reason.to_string()).or_default() += 1;
    }
    section = section.prose(format!(
        "{} counted.",
        show::several(figure.counted.len(), "fact")
    ));
    for (reason, count) in left_out {
        section = section.prose(format!("Left out: {}, {reason}.", show::several(count, "fact")));
    }
    section
}

fn of(table: &FigureTable) -> Table {
    let mut shown = Table::new(table.title);
    for column in &table.columns {
        shown = if column.unit.is_some() {
            shown.numbers(column.name)
        } else {
            shown.column(column.name)
        };
    }
    for row in &table.rows {
        shown.push(
            row.iter()
                .zip(&table.columns)
                .map(|(cell, column)| figure_text::cell(cell, column)),
        );
    }
    shown
}
