//! Figures as people read them.

use crate::{Cell, FigureColumn, FigureValue, Unit, show};

/// A number in its unit.
pub(crate) fn value(value: &FigureValue) -> String {
    show::number(value.value, value.unit)
}

/// A place of a table.
pub(crate) fn cell(cell: &Cell, column: &FigureColumn) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => show::number(*number, column.unit.unwrap_or(Unit::Count)),
        Cell::Time(at) => at.strftime("%Y-%m-%d %H:%M").to_string(),
        Cell::Empty => String::new(),
    }
}
