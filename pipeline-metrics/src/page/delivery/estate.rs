use super::DeliveryPage;
use crate::page::{BarRow, Bars, Chart, Section};
use crate::{Cell, Unit, figure_text, show};

/// How many places are drawn; all of them are in the table.
const DRAWN: usize = 30;

/// What is live where, since when: the oldest first, as the further number `versions` tells it.
pub(super) fn section(input: &DeliveryPage<'_, '_>) -> Section {
    let title = "What is live where, since when?";
    let Some(figure) = input.figures.iter().find(|figure| figure.id == "versions") else {
        return Section::new(title);
    };
    let Some(table) = figure.tables.first() else {
        return Section::new(title);
    };
    let place = |name: &str| table.columns.iter().position(|column| column.name == name);
    let columns = [
        "component",
        "environment",
        "version",
        "live since",
        "age",
        "versions behind",
    ]
    .map(place);
    let [
        Some(component),
        Some(environment),
        Some(version),
        Some(since),
        Some(age),
        Some(behind),
    ] = columns
    else {
        return Section::new(title);
    };
    let text = |row: &[Cell], place: usize| figure_text::cell(&row[place], &table.columns[place]);
    let number = |row: &[Cell], place: usize| match row[place] {
        Cell::Number(number) => number.unwrap_or(0.0),
        _ => 0.0,
    };
    let mut rows: Vec<_> = table.rows.iter().collect();
    rows.sort_by(|a, b| number(b, age).total_cmp(&number(a, age)));
    let bars = rows.iter().take(DRAWN).map(|row| {
        let since: String = text(row, since).chars().take(10).collect();
        let late = match number(row, behind) as usize {
            0 => String::new(),
            behind => format!(", {} behind", show::several(behind, "version")),
        };
        BarRow {
            label: format!("{} in {}", text(row, component), text(row, environment)),
            value: number(row, age),
            text: format!("{} since {since}{late}", short(&text(row, version))),
            signal: false,
        }
    });
    let bars: Vec<_> = bars.collect();
    if bars.is_empty() {
        return Section::new(title);
    }
    let oldest = figure.value("oldest");
    let mut section = Section::new(title).prose(format!(
        "A bar is the age of what is live: the time since it first went live anywhere. The oldest is {}.",
        show::number(oldest, Unit::Milliseconds)
    ));
    if rows.len() > DRAWN {
        section = section.prose(format!("These are the oldest {DRAWN} of {}.", rows.len()));
    }
    section.chart(Chart::Bars(Bars {
        thing: "place".to_owned(),
        measure: "what is live".to_owned(),
        rows: bars,
    }))
}

/// A version as it is, and a digest as far as people read it.
fn short(version: &str) -> String {
    match version.split_once(':') {
        Some((name, digest)) if digest.len() > 16 && digest.is_ascii() => format!("{name}:{}", &digest[..10]),
        _ => version.to_owned(),
    }
}
