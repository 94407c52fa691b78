//! A figure, its limit, and how both are printed.

use std::io::{self, Write};

use serde::Serialize;

/// Something that was measured. Less is better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// How much it is; `None` when there is nothing to measure, which falls short of any limit.
    pub value: Option<f64>,
    /// What the value and the limit count: `ns/node`, `x` for a ratio.
    pub unit: &'static str,
    /// How much it may be; `None` for what is told only to understand the others.
    pub limit: Option<f64>,
}

impl Figure {
    /// A figure that may be so much at most.
    pub fn at_most(limit: f64, name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            limit: Some(limit),
            ..Self::told(name, value, unit)
        }
    }

    /// A figure without a limit, to understand the others by.
    pub fn told(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value: Some(value),
            unit,
            limit: None,
        }
    }

    /// A figure with a limit, of which there is nothing to measure yet.
    pub fn none(limit: f64, name: impl Into<String>, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value: None,
            unit,
            limit: Some(limit),
        }
    }

    /// Something to compare with that is not here: it is said, and falls short of nothing.
    pub fn absent(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: None,
            unit: "",
            limit: None,
        }
    }

    /// Whether it has a limit and is not within it. A value that is no number never is.
    pub fn is_short(&self) -> bool {
        let within = |limit| self.value.is_some_and(|value| value <= limit);
        self.limit.is_some_and(|limit| !within(limit))
    }

    fn verdict(&self) -> &'static str {
        match self.limit {
            None => "-",
            Some(_) if self.is_short() => "short",
            Some(_) => "ok",
        }
    }
}

/// Prints figures as they come, one a line.
#[derive(Debug)]
pub struct Report<W> {
    out: W,
    json: bool,
    short: usize,
}

impl<W: Write> Report<W> {
    /// A report of aligned text, or of one JSON object a line.
    pub fn new(out: W, json: bool) -> Self {
        Self { out, json, short: 0 }
    }

    /// How many figures fell short.
    pub fn short(&self) -> usize {
        self.short
    }
}

/// What takes figures.
pub trait Sink {
    /// Takes a figure.
    ///
    /// # Errors
    ///
    /// When it cannot be printed.
    fn figure(&mut self, figure: Figure) -> io::Result<()>;
}

impl<W: Write> Sink for Report<W> {
    fn figure(&mut self, figure: Figure) -> io::Result<()> {
        self.short += usize::from(figure.is_short());
        let verdict = figure.verdict();
        if self.json {
            #[derive(Serialize)]
            struct Line {
                #[serde(flatten)]
                figure: Figure,
                verdict: &'static str,
            }
            serde_json::to_writer(&mut self.out, &Line { figure, verdict })?;
            writeln!(self.out)?;
        } else {
            let Figure {
                name,
                value,
                unit,
                limit,
            } = &figure;
            let (value, limit) = (number(*value, "none"), number(*limit, "-"));
            writeln!(self.out, "{name:<60} {value:>9} {unit:<10} {limit:>7}  {verdict}")?;
        }
        self.out.flush()
    }
}

/// Large numbers without a fraction, small ones with enough of it.
fn number(value: Option<f64>, none: &str) -> String {
    match value {
        None => none.to_owned(),
        Some(value) if value.fract() == 0.0 || value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 1.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Vec<Figure> {
        vec![
            Figure::told("bare", 530.4, "ns/node"),
            Figure::at_most(2.0, "ours / bare", 1.987, "x"),
            Figure::at_most(2.0, "ours / bare, a hair too slow", 2.0001, "x"),
            Figure::at_most(304.0, "commits", 304.0, "commits"),
            Figure::at_most(2.0, "no rounds", f64::NAN, "x"),
            Figure::none(0.1, "from a snapshot", "x"),
        ]
    }

    fn printed(json: bool) -> (String, usize) {
        let mut report = Report::new(Vec::new(), json);
        for figure in figures() {
            report.figure(figure).unwrap();
        }
        (String::from_utf8(report.out.clone()).unwrap(), report.short())
    }

    #[test]
    fn a_figure_is_a_line_and_says_whether_it_is_within_its_limit() {
        let (text, short) = printed(false);
        let words: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line[61..].split_whitespace().collect())
            .collect();
        assert_eq!(
            words,
            [
                vec!["530", "ns/node", "-", "-"],
                vec!["1.99", "x", "2", "ok"],
                vec!["2.00", "x", "2", "short"],
                vec!["304", "commits", "304", "ok"],
                vec!["NaN", "x", "2", "short"],
                vec!["none", "x", "0.100", "short"],
            ]
        );
        assert_eq!(short, 3);
    }

    #[test]
    fn json_says_the_same() {
        let (text, short) = printed(true);
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let expected = serde_json::json!({
            "name": "from a snapshot", "value": null, "unit": "x", "limit": 0.1, "verdict": "short",
        });
        assert_eq!((last, short), (expected, 3));
    }
}
