use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::page::chart::{Chart, Width};
use crate::page::html::{escaped, slug};
use crate::page::{PageError, Section, Table};

const STYLE: &str = include_str!("style.css");
/// The page may use its own style and nothing else: no script, no picture, no address.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// One HTML file about delivery: a title, the numbers to begin with, and sections.
///
/// It needs no network and runs no script. It follows the reader's choice of dark or light, prints on A4, and can be
/// read with a keyboard and by a screen reader.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    title: String,
    lead: Vec<String>,
    headlines: Vec<Headline>,
    sections: Vec<Section>,
    notes: Vec<String>,
}

/// One of the numbers that a page begins with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headline {
    /// What it is.
    pub name: String,
    /// The number as a person reads it.
    pub value: String,
    /// How far it can be trusted.
    pub interval: String,
    /// Whether it has changed.
    pub verdict: String,
    /// Whether that asks for attention. The verdict must say why.
    pub signal: bool,
    /// What it is made of: the definition, what was counted and what was left out, a paragraph each.
    pub explained: Vec<String>,
}

impl Page {
    /// A page without content.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lead: Vec::new(),
            headlines: Vec::new(),
            sections: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a line below the title: which time, which source.
    #[must_use]
    pub fn lead(mut self, line: impl Into<String>) -> Self {
        self.lead.push(line.into());
        self
    }

    /// Adds a number to begin with.
    #[must_use]
    pub fn headline(mut self, headline: Headline) -> Self {
        self.headlines.push(headline);
        self
    }

    /// Adds a section at the end, unless it is [empty](Section::is_empty).
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        if !section.is_empty() {
            self.sections.push(section);
        }
        self
    }

    /// Adds a line at the foot: how the numbers were made.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The file.
    ///
    /// # Errors
    ///
    /// When a chart cannot be drawn, which only memory that runs out does.
    pub fn render(&self) -> Result<String, PageError> {
        let mut writer = Writer {
            html: String::with_capacity(1 << 18),
            ids: BTreeSet::from(["main".to_owned(), "numbers".to_owned()]),
            charts: 0,
        };
        writer.page(self)?;
        Ok(writer.html)
    }
}

struct Writer {
    html: String,
    ids: BTreeSet<String>,
    charts: u32,
}

impl Writer {
    fn page(&mut self, page: &Page) -> Result<(), PageError> {
        let title = escaped(&page.title);
        self.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        self.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        self.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
        self.raw(&format!(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n"
        ));
        self.raw("<link rel=\"icon\" href=\"data:,\">\n");
        self.raw(&format!(
            "<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        ));
        self.raw("<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header>\n");
        self.raw(&format!("<h1>{title}</h1>\n"));
        self.paragraphs("lead", &page.lead);
        self.raw("</header>\n");
        let ids: Vec<_> = page
            .sections
            .iter()
            .map(|section| self.id(&section.title))
            .collect();
        self.contents(page, &ids);
        self.raw("<main id=\"main\" tabindex=\"-1\">\n");
        self.headlines(&page.headlines);
        for (section, id) in page.sections.iter().zip(&ids) {
            self.section(section, id, 2)?;
        }
        self.raw("</main>\n");
        if !page.notes.is_empty() {
            self.raw("<footer>\n");
            self.paragraphs("note", &page.notes);
            self.raw("</footer>\n");
        }
        self.raw("</body>\n</html>\n");
        Ok(())
    }

    fn contents(&mut self, page: &Page, ids: &[String]) {
        if page.sections.len() < 2 {
            return;
        }
        self.raw("<nav aria-label=\"Contents\">\n<ul>\n");
        if !page.headlines.is_empty() {
            self.raw("<li><a href=\"#numbers\">The numbers</a></li>\n");
        }
        for (section, id) in page.sections.iter().zip(ids) {
            self.raw(&format!(
                "<li><a href=\"#{id}\">{}</a></li>\n",
                escaped(&section.title)
            ));
        }
        self.raw("</ul>\n</nav>\n");
    }

    fn headlines(&mut self, headlines: &[Headline]) {
        if headlines.is_empty() {
            return;
        }
        self.raw("<section aria-labelledby=\"numbers\">\n<h2 id=\"numbers\">The numbers</h2>\n<ul class=\"numbers\">\n");
        for headline in headlines {
            let Headline {
                name,
                value,
                interval,
                verdict,
                signal,
                explained,
            } = headline;
            self.raw("<li>\n");
            self.raw(&format!(
                "<h3>{}</h3>\n<p class=\"value\">{}</p>\n",
                escaped(name),
                value_html(value)
            ));
            // Rows of all numbers stand beside each other, so an empty one is there, too.
            self.raw(&format!("<p class=\"interval\">{}</p>\n", escaped(interval)));
            let class = match (verdict.is_empty(), signal) {
                (true, _) => "none",
                (false, true) => "verdict signal",
                (false, false) => "verdict",
            };
            self.raw(&format!("<p class=\"{class}\">{}</p>\n", escaped(verdict)));
            if !explained.is_empty() {
                let hidden = format!("<span class=\"unseen\"> in {}</span>", escaped(name));
                self.raw(&format!(
                    "<details>\n<summary>What is counted{hidden}</summary>\n"
                ));
                self.paragraphs("", explained);
                self.raw("</details>\n");
            }
            self.raw("</li>\n");
        }
        self.raw("</ul>\n</section>\n");
    }

    fn section(&mut self, section: &Section, id: &str, level: usize) -> Result<(), PageError> {
        let heading = level.min(6);
        let title = escaped(&section.title);
        let class = match &section.chart {
            Some(_) if level > 2 => " class=\"part\"",
            _ => "",
        };
        self.raw(&format!("<section{class} aria-labelledby=\"{id}\">\n"));
        let head = format!("<h{heading} id=\"{id}\">{title}</h{heading}>");
        if section.folded {
            self.raw(&format!("<details class=\"fold\">\n<summary>{head}</summary>\n"));
        } else {
            self.raw(&format!("{head}\n"));
        }
        self.paragraphs("", &section.prose);
        if let Some(chart) = &section.chart {
            self.figure(chart, &section.title, level)?;
        }
        if let Some(table) = &section.table {
            self.table(table);
        }
        self.parts(section, level)?;
        if section.folded {
            self.raw("</details>\n");
        }
        self.raw("</section>\n");
        Ok(())
    }

    /// Parts with charts stand beside each other; all others below.
    fn parts(&mut self, section: &Section, level: usize) -> Result<(), PageError> {
        let parts = || section.parts.iter().filter(|part| !part.is_empty());
        let mut beside = false;
        for part in parts() {
            let with_chart = part.chart.is_some();
            if with_chart != beside {
                self.raw(if with_chart {
                    "<div class=\"beside\">\n"
                } else {
                    "</div>\n"
                });
                beside = with_chart;
            }
            let id = self.id(&format!("{} {}", section.title, part.title));
            self.section(part, &id, level + 1)?;
        }
        if beside {
            self.raw("</div>\n");
        }
        Ok(())
    }

    fn figure(&mut self, chart: &Chart, title: &str, level: usize) -> Result<(), PageError> {
        self.charts += 1;
        let wide = if level > 2 { Width::Half } else { Width::Full };
        let words = escaped(&chart.description());
        let class = if level > 2 { "half" } else { "full" };
        self.raw(&format!("<figure class=\"{class}\">\n"));
        for (class, width) in [("wide", wide), ("narrow", Width::Narrow)] {
            let (drawing, [across, down]) = chart.draw(title, width)?;
            let id = format!("chart-{}-{class}", self.charts);
            self.raw(&format!(
                "<svg class=\"chart {class}\" viewBox=\"0 0 {across} {down}\" stroke-width=\"4\" role=\"img\" \
                 aria-labelledby=\"{id}-title {id}-words\">\n<title id=\"{id}-title\">{}</title>\n\
                 <desc id=\"{id}-words\">{words}</desc>\n{drawing}</svg>\n",
                escaped(title)
            ));
        }
        self.raw(&format!("<figcaption>{words}</figcaption>\n</figure>\n"));
        let hidden = format!("<span class=\"unseen\"> of {}</span>", escaped(title));
        self.raw(&format!(
            "<details class=\"data\">\n<summary>The numbers{hidden} as a table</summary>\n"
        ));
        self.table(&chart.table(title));
        self.raw("</details>\n");
        Ok(())
    }

    fn table(&mut self, table: &Table) {
        if table.rows.is_empty() {
            return;
        }
        let caption = escaped(&table.caption);
        // A table that is wider than the page scrolls in its own frame, which the keyboard can reach.
        self.raw(&format!(
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\">\n<table>\n"
        ));
        self.raw(&format!("<caption>{caption}</caption>\n<thead>\n<tr>"));
        let class = |numbers: bool| if numbers { " class=\"n\"" } else { "" };
        for column in &table.columns {
            let _ = write!(
                self.html,
                "<th scope=\"col\"{}>{}</th>",
                class(column.numbers),
                escaped(&column.name)
            );
        }
        self.raw("</tr>\n</thead>\n<tbody>\n");
        for row in &table.rows {
            self.raw("<tr>");
            for (place, (cell, column)) in row.iter().zip(&table.columns).enumerate() {
                // A name, a date or a number is not broken in two.
                let whole = (1..=24).contains(&cell.len()) && !cell.contains(' ');
                let class = match (column.numbers, whole) {
                    (true, _) => " class=\"n\"",
                    (false, true) => " class=\"w\"",
                    (false, false) => "",
                };
                let cell = escaped(cell);
                let _ = match place {
                    0 => write!(self.html, "<th scope=\"row\"{class}>{cell}</th>"),
                    _ => write!(self.html, "<td{class}>{cell}</td>"),
                };
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody>\n</table>\n</div>\n");
    }

    fn paragraphs(&mut self, class: &str, paragraphs: &[String]) {
        let class = if class.is_empty() {
            String::new()
        } else {
            format!(" class=\"{class}\"")
        };
        for paragraph in paragraphs {
            let _ = writeln!(self.html, "<p{class}>{}</p>", escaped(paragraph));
        }
    }

    /// A name for a title that nothing else on the page has.
    fn id(&mut self, title: &str) -> String {
        let wanted = slug(title);
        let mut id = wanted.clone();
        for number in 2.. {
            if self.ids.insert(id.clone()) {
                break;
            }
            id = format!("{wanted}-{number}");
        }
        id
    }

    fn raw(&mut self, html: &str) {
        self.html.push_str(html);
    }
}

/// A number with its units smaller: `1 d 3 h`.
fn value_html(value: &str) -> String {
    let words: Vec<_> = value
        .split(' ')
        .map(|word| {
            let number = word.starts_with(|letter: char| letter.is_ascii_digit() || letter == '−');
            let word = escaped(word);
            if number {
                word
            } else {
                format!("<small>{word}</small>")
            }
        })
        .collect();
    words.join(" ")
}
