//! The page: what it holds, and how a browser shows it.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use pipeline_metrics::page::{
    Band, BarRow, Bars, BlockRow, Chart, DeliveryPage, Distribution, Headline, IntervalRow, Intervals, Mark,
    Page, Section, Stream, Table, Trend,
};
use pipeline_metrics::stats::{BehaviourChart, Bounds};
use pipeline_metrics::{Delivery, Facts, Options, Report, ReportOptions, Scope, Unit};

use crate::browser::Browser;
use crate::fixture::folder;
use crate::synthetic::year;
use crate::week::at;

const HOUR: f64 = 3_600_000.0;
const DAY: f64 = 24.0 * HOUR;
/// What nobody should put into a name, and somebody will.
pub(crate) const HOSTILE: &str =
    "</title></style><script>console.error('x')</script>\"'&<img src=x onerror=alert(1)>";

fn weeks(count: i64) -> Vec<Timestamp> {
    let start = at("2024-12-30T00:00:00Z");
    (0..count)
        .map(|week| start + SignedDuration::from_hours(168 * week))
        .collect()
}

fn trend(unit: Unit, values: &[Option<f64>], bounds: Bounds) -> Chart {
    let starts = weeks(values.len() as i64);
    let end = *starts.last().unwrap() + SignedDuration::from_hours(168);
    let mark = |time: &str| Mark {
        at: at(time),
        label: format!("incident of {time}"),
    };
    let band = |from: &str, to: &str| Band {
        from: at(from),
        to: at(to),
        label: "freeze".to_owned(),
    };
    Chart::Trend(Trend {
        unit,
        bucket: "week".to_owned(),
        starts,
        end,
        chart: BehaviourChart::judged_by(values, 26, bounds),
        marks: [
            "2025-02-03T10:00:00Z",
            "2025-05-07T10:00:00Z",
            "2025-09-01T00:00:00Z",
            "2025-09-03T00:00:00Z",
        ]
        .map(mark)
        .into(),
        bands: vec![
            band("2025-06-30T00:00:00Z", "2025-07-14T00:00:00Z"),
            band("2025-12-19T00:00:00Z", "2026-01-05T00:00:00Z"),
        ],
    })
}

/// A year of weeks that goes up and down without chance.
fn values(scale: f64) -> Vec<Option<f64>> {
    let wave = |week: i32| ((f64::from(week) * 2.4).sin() + (f64::from(week) * 0.9).cos() + 3.0) * scale;
    (0..52)
        .map(|week| match week {
            17 | 18 => None,
            40 => Some(wave(40) * 3.2),
            44.. => Some(wave(week) * 0.4),
            _ => Some(wave(week)),
        })
        .collect()
}

fn page(name: &str) -> Page {
    let headline = |name: &str, value: &str, interval: &str, verdict: &str, signal| Headline {
        name: name.to_owned(),
        value: value.to_owned(),
        interval: interval.to_owned(),
        verdict: verdict.to_owned(),
        signal,
        explained: vec![
            "median time from a change's commit to the end of the first deployment that lists it".to_owned(),
            "3,889 changes counted; 1,093 left out: not delivered yet".to_owned(),
        ],
    };
    let counts: Vec<_> = values(4.0)
        .into_iter()
        .map(|value| value.map(f64::round))
        .collect();
    let trends = Section::new("Is it changing?")
        .prose("Each point is a week. The shaded range is what to expect while nothing changes; points within it are noise, and diamonds are signals.")
        .part(Section::new("Deployments per week").chart(trend(Unit::Count, &counts, Bounds::NOT_NEGATIVE)))
        .part(Section::new("Change lead time, median").chart(trend(Unit::Milliseconds, &values(9.0 * HOUR), Bounds::NOT_NEGATIVE)))
        .part(Section::new("Change fail rate").chart(trend(Unit::Share, &values(0.03), Bounds::SHARE)))
        .part(Section::new("Too few weeks").chart(trend(Unit::Share, &values(0.03)[..7], Bounds::SHARE)));
    let times: Vec<f64> = (1..400)
        .map(|n| (f64::from(n) * 0.7).sin().abs().powi(3) * 9.0 * DAY + f64::from(n) * 0.01 * HOUR)
        .collect();
    let row = |label: &str, part: f64, low: f64, high: f64| IntervalRow {
        label: label.to_owned(),
        value: Some(part),
        interval: Some((low, Some(high))),
        made_of: "9 of 84".to_owned(),
    };
    let mut rates = vec![
        row("svc-000", 0.107, 0.06, 0.19),
        row("a-service-with-a-rather-long-name", 0.05, 0.01, 0.17),
        row(name, 0.33, 0.06, 0.79),
    ];
    rates.push(IntervalRow {
        label: "open".to_owned(),
        value: Some(0.1),
        interval: Some((0.05, None)),
        made_of: "1 of 10".to_owned(),
    });
    rates.push(IntervalRow {
        label: "nothing".to_owned(),
        value: None,
        interval: None,
        made_of: String::new(),
    });
    let rates = Chart::Intervals(Intervals {
        things: "services".to_owned(),
        unit: Unit::Share,
        confidence: "95 %".to_owned(),
        rows: rates,
    });
    let block =
        |name: &str, lead: f64, process: Option<f64>, usable: Option<f64>, group: Option<&str>| BlockRow {
            name: name.to_owned(),
            lead_ms: lead * DAY,
            process_ms: process.map(|hours| hours * HOUR),
            complete_accurate: usable,
            group: group.map(str::to_owned),
        };
    let stream = Chart::Stream(Stream {
        blocks: vec![
            block("Design and analysis", 10.0, Some(16.0), Some(0.7), None),
            block(
                "Release planning and estimation",
                15.0,
                Some(1.0),
                Some(0.6),
                None,
            ),
            block("Development", 5.0, Some(32.0), Some(0.8), None),
            block("Test A", 3.0, Some(2.0), None, Some("verify")),
            block("Test B", 2.0, None, Some(0.75), Some("verify")),
            block(name, 5.0, Some(1.0), Some(0.9), None),
        ],
    });
    let bar = |label: &str, value: f64, text: &str, signal| BarRow {
        label: label.to_owned(),
        value,
        text: text.to_owned(),
        signal,
    };
    let bars = Chart::Bars(Bars {
        thing: "live release".to_owned(),
        measure: "age".to_owned(),
        rows: vec![
            bar(
                "shop in production",
                40.0,
                "v1.4.2 for 40 d, since 2025-11-20",
                true,
            ),
            bar("shop in staging", 2.0, "v1.5.0 for 2 d, since 2025-12-28", false),
            bar(name, 0.0, "today", false),
        ],
    });
    Page::new(format!("Delivery of {name}"))
        .lead("2024-12-30 up to 2025-12-29, weeks from Monday in UTC")
        .lead(format!("from {name}"))
        .headline(headline(
            "Deployment frequency",
            "2.3 per day",
            "841 on 333 days",
            "no signal in 52 weeks",
            false,
        ))
        .headline(headline(
            "Change lead time",
            "1 d 3 h",
            "95 %: 1 d 2 h to 1 d 5 h",
            "3 points are signals",
            true,
        ))
        .headline(headline(
            "Change fail rate",
            "10.7 %",
            "95 %: 8.8 % to 13.0 %",
            "no signal in 52 weeks",
            false,
        ))
        .headline(headline(
            "Recovery time",
            "5 h 17 min",
            "95 %: 4 h 3 min to 6 h 1 min",
            "too few values for limits: 7, and it takes 10",
            false,
        ))
        .headline(headline("Rework rate", "–", "", "", false))
        .section(trends)
        .section(
            Section::new("How long does it take?")
                .part(
                    Section::new("Lead time of changes")
                        .chart(Chart::Distribution(Distribution::of("change", &times))),
                )
                .part(Section::new("Fail rate by service").chart(rates)),
        )
        .section(Section::new("Where does the time go?").chart(stream))
        .section(Section::new("What is live where, since when?").chart(bars))
        .section(Section::new("Nothing").part(Section::new("Nothing either")))
        .section(
            Section::new("Change outcomes").prose(name).table(
                Table::new("Changes")
                    .column("outcome")
                    .numbers("changes")
                    .numbers("share")
                    .row(["successful", "11", "91.7 %"])
                    .row([name, "1", "8.3 %"]),
            ),
        )
        .section(
            Section::new("By service").part(
                Section::new("svc-000")
                    .folded(true)
                    .prose("folded")
                    .table(Table::new("x").column("a").row(["b"])),
            ),
        )
        .note("Made by pipeline-metrics. Equal facts give an equal page.")
}

#[test]
fn a_page_is_one_file_of_its_own() {
    let html = page("the shop").render().unwrap();
    for elsewhere in [
        "http:",
        "https:",
        "url(",
        "@import",
        "<script",
        "<link rel=\"stylesheet",
        " src=",
        "<iframe",
    ] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
    assert_eq!(html, page("the shop").render().unwrap());
}

#[test]
fn nothing_from_elsewhere_is_markup() {
    let html = page(HOSTILE).render().unwrap();
    for markup in ["<script", "<img", "</title></style>"] {
        assert!(!html.contains(markup), "{markup}");
    }
}

/// The colours of a theme by name, as the page's style has them.
fn colours(html: &str, dark: bool) -> std::collections::BTreeMap<String, [f64; 3]> {
    let root = html.split(":root {").nth(if dark { 2 } else { 1 }).unwrap();
    let lines = root.split('}').next().unwrap().lines();
    lines
        .filter_map(|line| {
            line.trim()
                .strip_prefix("--")?
                .strip_suffix(';')?
                .split_once(": #")
        })
        .map(|(name, hex)| {
            let part =
                |place: usize| f64::from(u8::from_str_radix(&hex[place..place + 2], 16).unwrap()) / 255.0;
            (name.to_owned(), [part(0), part(2), part(4)])
        })
        .collect()
}

/// The contrast of two colours, 1 to 21, by WCAG 2.2.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let [red, green, blue] = colour.map(|part| {
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn texts_and_marks_stand_out_from_their_ground() {
    let html = page("the shop").render().unwrap();
    for dark in [false, true] {
        let colours = colours(&html, dark);
        assert_eq!(colours.len(), 9);
        for (mark, ground, least) in [
            ("strong", "ground", 7.0),
            ("quiet", "ground", 4.5),
            ("data", "ground", 4.5),
            ("signal", "ground", 4.5),
            // The names of freezes lie on them.
            ("quiet", "freeze", 4.5),
            // Lines and marks.
            ("data", "pale", 3.0),
            ("signal", "pale", 3.0),
            ("quiet", "pale", 3.0),
            ("data", "freeze", 3.0),
            ("signal", "freeze", 3.0),
        ] {
            let found = contrast(colours[mark], colours[ground]);
            assert!(
                found >= least,
                "{mark} on {ground}, dark: {dark}: {found:.2} is less than {least}"
            );
        }
    }
    assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 1e-9);
}

#[test]
fn whoever_points_at_a_mark_is_told_what_it_is() {
    let html = page(HOSTILE).render().unwrap();
    for title in [
        "incident of 2025-02-03T10:00:00Z, 2025-02-03",
        "freeze, 2025-06-30 up to 2025-07-14",
        "week of 2024-12-30: 16",
        "svc-000: 10.7 %, 95 %: 6.0 % to 19.0 %",
        "shop in staging: v1.5.0 for 2 d, since 2025-12-28",
    ] {
        assert!(html.contains(&format!("><title>{title}</title></")), "{title}");
    }
    let signal = html
        .split("<title>week of ")
        .find(|title| title.contains(" (outside the natural limits"));
    assert!(signal.is_some(), "a signal says why it is one");
    // In a drawing for hands nothing of this is needed.
    let narrow = html
        .split("<svg class=\"chart narrow\"")
        .nth(1)
        .unwrap()
        .split("</svg>")
        .next()
        .unwrap();
    assert!(!narrow.contains("<title>week of"));
    let backwards = page("\u{202e}live\u{1}").render().unwrap();
    assert!(
        !backwards.contains(['\u{202e}', '\u{1}']),
        "no drawing turns what follows"
    );
}

#[test]
fn what_has_no_content_is_not_there() {
    let html = page("the shop").render().unwrap();
    assert!(!html.contains("Nothing either"));
    assert!(!html.contains(">Nothing<"));
    let empty = Page::new("Nothing yet").render().unwrap();
    assert!(!empty.contains("<nav") && !empty.contains("<footer") && empty.contains("<h1>Nothing yet</h1>"));
}

#[test]
fn names_for_links_are_unique_and_lead_somewhere() {
    let twice = Section::new("Same").prose("x");
    let html = page("the shop")
        .section(twice.clone())
        .section(twice)
        .render()
        .unwrap();
    let all = |before: &str| -> Vec<String> {
        html.split(before)
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    };
    let ids = all(" id=\"");
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
    let mut named = all("href=\"#");
    named.extend(
        all("aria-labelledby=\"")
            .iter()
            .flat_map(|names| names.split(' ').map(str::to_owned).collect::<Vec<_>>()),
    );
    assert!(named.len() > 30);
    for name in named {
        assert!(unique.contains(&name), "#{name}");
    }
}

#[test]
fn every_chart_has_its_words_and_its_table() {
    let html = page("the shop").render().unwrap();
    let count = |what: &str| html.matches(what).count();
    let figures = count("<figure");
    assert_eq!(figures, 8);
    assert_eq!(count("<svg "), 2 * figures);
    assert_eq!(count("role=\"img\""), 2 * figures);
    assert_eq!(count("<desc "), 2 * figures);
    assert_eq!(count("<figcaption>"), figures);
    assert_eq!(count("<details class=\"data\">"), figures);
}

#[test]
fn a_browser_shows_it_at_any_width_without_complaint() {
    let Some(browser) = Browser::find() else { return };
    for (name, width) in [("the shop", 380), ("the shop", 1440), (HOSTILE, 380)] {
        let html = page(name).render().unwrap();
        let seen = browser.look(&html, width);
        assert_eq!(seen.complaints, Vec::<String>::new(), "at {width}");
        assert_eq!(seen.inner_width, width);
        assert!(
            seen.scroll_width <= width,
            "{} is wider than {width}: {:?}",
            seen.scroll_width,
            seen.too_wide
        );
        assert_eq!(
            seen.headings_below,
            Vec::<String>::new(),
            "a level of headings is passed over"
        );
        assert_eq!(
            seen.charts, 8,
            "one drawing of each chart is to be seen at {width}"
        );
    }
}

/// The page of the synthetic year: of all services, or of one.
fn page_of_the_year(service: Option<&str>) -> Option<String> {
    let facts = year(&folder("synthetic")?, 1);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let options = ReportOptions::new(delivery.everything().unwrap());
    let options = match service {
        Some(name) => options.only([Scope::Component(name)]),
        None => options.with_overall(),
    };
    let report = Report::of(&delivery, &options);
    let freeze = Band {
        from: at("2025-12-19T00:00:00Z"),
        to: at("2026-01-05T00:00:00Z"),
        label: "freeze".to_owned(),
    };
    let page = DeliveryPage::new(&delivery, &report)
        .title("Delivery of the synthetic year")
        .source("events.jsonl")
        .freezes([freeze]);
    Some(page.page().render().unwrap())
}

#[test]
fn a_year_of_ten_services_is_shown_at_any_width() {
    let Some(all) = page_of_the_year(None) else { return };
    assert_eq!(
        Some(&all),
        page_of_the_year(None).as_ref(),
        "equal facts give an equal page"
    );
    let Some(one) = page_of_the_year(Some("svc-000")) else {
        return;
    };
    for title in [
        "The numbers",
        "Is it changing?",
        "How long does it take?",
        "The worst waits",
        "What is counted, and what is not",
    ] {
        assert!(
            all.contains(&format!(">{title}</h2>")) && one.contains(&format!(">{title}</h2>")),
            "{title}"
        );
    }
    assert!(all.contains(">By component</h2>") && !one.contains(">By component</h2>"));
    // Small enough to be sent around, with 55 charts in it.
    assert!(all.len() < 1_300_000, "{}", all.len());
    let Some(browser) = Browser::find() else { return };
    for (page, width) in [(&all, 380), (&one, 1440)] {
        let seen = browser.look(page, width);
        assert_eq!(seen.complaints, Vec::<String>::new(), "at {width}");
        assert!(
            seen.scroll_width <= width,
            "{} is wider than {width}: {:?}",
            seen.scroll_width,
            seen.too_wide
        );
        assert_eq!(seen.headings_below, Vec::<String>::new());
    }
}

/// For looking at: `PAGE_OUT=DIR cargo test … write_the_samples`.
#[test]
fn write_the_samples() {
    #[expect(clippy::disallowed_methods, reason = "asked for by whoever runs the test")]
    let Some(folder) = std::env::var_os("PAGE_OUT") else {
        return;
    };
    let write = |name: &str, html: String| fs::write(std::path::Path::new(&folder).join(name), html).unwrap();
    write("sample.html", page("the shop").render().unwrap());
    for (name, service) in [("year.html", None), ("service.html", Some("svc-000"))] {
        if let Some(html) = page_of_the_year(service) {
            write(name, html);
        }
    }
}

/// Everything that takes a text, with a text that is markup in each place, and none of it twice.
fn hostile_everywhere() -> String {
    let text = |place: &str| format!("{place} {HOSTILE}");
    let headline = Headline {
        name: text("headline name"),
        value: text("7 headline value"),
        interval: text("headline interval"),
        verdict: text("headline verdict"),
        signal: true,
        explained: vec![text("headline explained")],
    };
    let starts = weeks(2);
    let end = starts[1] + SignedDuration::from_hours(168);
    let trend = Chart::Trend(Trend {
        unit: Unit::Count,
        bucket: text("bucket"),
        starts,
        end,
        chart: BehaviourChart::of(&[Some(1.0), Some(2.0)], Bounds::NONE),
        marks: vec![Mark {
            at: at("2025-01-01T00:00:00Z"),
            label: text("mark"),
        }],
        bands: vec![Band {
            from: at("2025-01-01T00:00:00Z"),
            to: at("2025-01-02T00:00:00Z"),
            label: text("band"),
        }],
    });
    let bars = Chart::Bars(Bars {
        thing: text("thing"),
        measure: text("measure"),
        rows: vec![BarRow {
            label: text("bar label"),
            value: 1.0,
            text: text("bar text"),
            signal: false,
        }],
    });
    let intervals = Chart::Intervals(Intervals {
        things: text("things"),
        unit: Unit::Count,
        confidence: text("confidence"),
        rows: vec![IntervalRow {
            label: text("interval label"),
            value: Some(1.0),
            interval: Some((0.5, Some(2.0))),
            made_of: text("made of"),
        }],
    });
    let stream = Chart::Stream(Stream {
        blocks: vec![BlockRow {
            name: text("block"),
            lead_ms: HOUR,
            process_ms: None,
            complete_accurate: None,
            group: Some(text("group")),
        }],
    });
    let distribution = Chart::Distribution(Distribution::of(text("counted"), &[HOUR]));
    let mut part = Section::new(text("folded title"))
        .folded(true)
        .prose(text("prose"));
    for (name, chart) in [
        ("bars", bars),
        ("intervals", intervals),
        ("stream", stream),
        ("distribution", distribution),
    ] {
        part = part.part(Section::new(text(name)).chart(chart));
    }
    Page::new(text("page title"))
        .lead(text("lead"))
        .headline(headline)
        .section(Section::new(text("section title")).chart(trend).part(part))
        .section(
            Section::new("second").table(
                Table::new(text("caption"))
                    .column(text("column"))
                    .row([text("cell")]),
            ),
        )
        .note(text("note"))
        .render()
        .unwrap()
}

#[test]
fn no_place_takes_markup() {
    let html = hostile_everywhere();
    // Nothing but the page's own, which has none of these.
    for markup in ["<script", "<img", "</title></style>", "x onerror=alert(1)>\""] {
        assert!(!html.contains(markup), "{markup}");
    }
    for place in [
        "headline name",
        "headline value",
        "headline interval",
        "headline verdict",
        "headline explained",
        "bucket",
        "mark",
        "band",
        "thing",
        "measure",
        "bar label",
        "bar text",
        "things",
        "confidence",
        "interval label",
        "made of",
        "block",
        "group",
        "counted",
        "folded title",
        "prose",
        "page title",
        "lead",
        "section title",
        "caption",
        "column",
        "cell",
        "note",
    ] {
        // What is cut to fit into a drawing, or of which the words stand apart, begins so too.
        assert!(html.contains(place.split(' ').next_back().unwrap()), "{place}");
    }
    for place in [
        "interval",
        "verdict",
        "explained",
        "caption",
        "column",
        "cell",
        "note",
        "prose",
        "lead",
    ] {
        assert!(html.contains(&format!("{place} &lt;/title&gt;")), "{place}");
    }
    let Some(browser) = Browser::find() else { return };
    let seen = browser.look(&html, 380);
    assert_eq!(seen.complaints, Vec::<String>::new());
}

/// The rows of the table whose caption is given, cell by cell.
fn table_of(html: &str, caption: &str) -> Vec<Vec<String>> {
    let table = html
        .split(&format!("<caption>{caption}</caption>"))
        .nth(1)
        .unwrap_or_else(|| panic!("no table `{caption}`"));
    let body = table.split("</table>").next().unwrap();
    let text = |cell: &str| {
        let text = cell.split_once('>').unwrap().1;
        text.split("</").next().unwrap().to_owned()
    };
    body.split("<tr>")
        .skip(1)
        .map(|row| {
            row.split("<t")
                .filter(|cell| cell.starts_with("h ") || cell.starts_with('d'))
                .map(text)
                .collect()
        })
        .collect()
}

fn shown(chart: Chart) -> Vec<Vec<String>> {
    let html = Page::new("p")
        .section(Section::new("c").chart(chart))
        .render()
        .unwrap();
    table_of(&html, "c")
}

fn said(rows: &[Vec<String>]) -> String {
    let lines: Vec<_> = rows
        .iter()
        .map(|row| row.join(" | ").trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// Each chart's table has all of its numbers, so that nobody has to see the drawing.
#[test]
fn the_table_of_a_chart_says_what_the_drawing_shows() {
    let starts = weeks(13);
    let end = starts[12] + SignedDuration::from_hours(168);
    let mut values: Vec<_> = (0..13).map(|week| Some(f64::from(5 + week % 2))).collect();
    values[11] = Some(20.0);
    values[4] = None;
    let trend = Chart::Trend(Trend {
        unit: Unit::Count,
        bucket: "week".to_owned(),
        chart: BehaviourChart::judged_by(&values, 11, Bounds::NOT_NEGATIVE),
        marks: vec![
            Mark {
                at: starts[1],
                label: "incident at the first moment".to_owned(),
            },
            Mark {
                at: starts[2] - SignedDuration::from_secs(1),
                label: "incident at the last".to_owned(),
            },
        ],
        bands: vec![Band {
            from: starts[6],
            to: starts[7],
            label: "freeze".to_owned(),
        }],
        starts,
        end,
    });
    let mut all = vec![said(&shown(trend))];
    let times = [0.0, 5.0 / 60.0, 0.5, 1.0, 24.0 * 400.0].map(|hours| hours * HOUR);
    all.push(said(&shown(Chart::Distribution(Distribution::of(
        "change", &times,
    )))));
    let row = |label: &str, value, interval| IntervalRow {
        label: label.to_owned(),
        value,
        interval,
        made_of: format!("{label} of all"),
    };
    let intervals = Chart::Intervals(Intervals {
        things: "services".to_owned(),
        unit: Unit::Share,
        confidence: "95 %".to_owned(),
        rows: vec![
            row("a", Some(0.25), Some((0.1, Some(0.5)))),
            row("b", Some(0.5), Some((0.3, None))),
            row("c", None, None),
        ],
    });
    all.push(said(&shown(intervals)));
    let bars = Chart::Bars(Bars {
        thing: "place".to_owned(),
        measure: "age".to_owned(),
        rows: vec![BarRow {
            label: "shop in eu".to_owned(),
            value: 2.0,
            text: "v1 for 2 d".to_owned(),
            signal: true,
        }],
    });
    all.push(said(&shown(bars)));
    let block = |name: &str, lead: f64, process, group: Option<&str>| BlockRow {
        name: name.to_owned(),
        lead_ms: lead * HOUR,
        process_ms: process,
        complete_accurate: None,
        group: group.map(str::to_owned),
    };
    let stream = Chart::Stream(Stream {
        blocks: vec![
            block("build", 2.0, Some(HOUR), None),
            block("test", 6.0, None, Some("verify")),
            block("review", 3.0, Some(0.0), Some("verify")),
        ],
    });
    all.push(said(&shown(stream)));
    insta::assert_snapshot!(all.join("\n\n"), @"
    week from | value | moving range | what it says | meanwhile
    2024-12-30 | 5 | – |  |
    2025-01-06 | 6 | 1 |  | incident at the first moment; incident at the last
    2025-01-13 | 5 | 1 |  |
    2025-01-20 | 6 | 1 |  |
    2025-01-27 | – | – |  |
    2025-02-03 | 6 | 0 |  |
    2025-02-10 | 5 | 1 |  | freeze
    2025-02-17 | 6 | 1 |  |
    2025-02-24 | 5 | 1 |  |
    2025-03-03 | 6 | 1 |  |
    2025-03-10 | 5 | 1 |  |
    2025-03-17 | 20 | 15 | outside the natural limits; a larger step than is natural |
    2025-03-24 | 5 | 15 | a larger step than is natural |

    time | changes | share | share up to here
    less than 5 min | 1 | 20.0 % | 20.0 %
    5 min to 15 min | 1 | 20.0 % | 40.0 %
    15 min to 1 h | 1 | 20.0 % | 60.0 %
    1 h to 4 h | 1 | 20.0 % | 80.0 %
    4 h to 12 h | 0 | 0.0 % | 80.0 %
    12 h to 1 d | 0 | 0.0 % | 80.0 %
    1 d to 2 d | 0 | 0.0 % | 80.0 %
    2 d to 4 d | 0 | 0.0 % | 80.0 %
    4 d to 1 wk | 0 | 0.0 % | 80.0 %
    1 wk to 2 wk | 0 | 0.0 % | 80.0 %
    2 wk to 30 d | 0 | 0.0 % | 80.0 %
    30 d to 60 d | 0 | 0.0 % | 80.0 %
    60 d to 120 d | 0 | 0.0 % | 80.0 %
    120 d to 240 d | 0 | 0.0 % | 80.0 %
    240 d and more | 1 | 20.0 % | 100.0 %

    services | value | 95 % interval | made of
    a | 25.0 % | 10.0 % to 50.0 % | a of all
    b | 50.0 % | 30.0 % or more | b of all
    c | – | – | c of all

    place | age
    shop in eu | v1 for 2 d

    step | lead time | process time | complete and accurate | at the same time
    build | 2 h 0 min | 1 h 0 min | – |
    test | 6 h 0 min | – | – | verify
    review | 3 h 0 min | 0 s | – | verify
    ");
}

/// A step begins where the one before ends, and those of a group together: after the longest of them.
#[test]
fn steps_of_a_stream_stand_where_they_happen() {
    let block = |name: &str, lead: f64, group: Option<&str>| BlockRow {
        name: name.to_owned(),
        lead_ms: lead * HOUR,
        process_ms: None,
        complete_accurate: None,
        group: group.map(str::to_owned),
    };
    let html = Page::new("p")
        .section(Section::new("c").chart(Chart::Stream(Stream {
            blocks: vec![
                block("a", 2.0, None),
                block("b", 6.0, Some("g")),
                block("c", 3.0, Some("g")),
                block("d", 2.0, None),
            ],
        })))
        .render()
        .unwrap();
    let wide = html.split("<svg class=\"chart wide\"").nth(1).unwrap();
    let wide = wide.split("</svg>").next().unwrap();
    // The pale bars: where each begins and how wide it is.
    let number = |bar: &str, name: &str| -> f64 {
        let rest = bar.split(&format!("{name}=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    let bars: Vec<_> = wide
        .split("<rect ")
        .skip(1)
        .filter(|bar| bar.contains("#D6E4F0"))
        .map(|bar| (number(bar, "x"), number(bar, "width")))
        .collect();
    assert_eq!(bars.len(), 4);
    let hour = bars[0].1 / 2.0;
    let begins: Vec<_> = bars
        .iter()
        .map(|(x, _)| ((x - bars[0].0) / hour).round())
        .collect();
    assert_eq!(begins, [0.0, 2.0, 2.0, 8.0]);
    let widths: Vec<_> = bars.iter().map(|(_, width)| (width / hour).round()).collect();
    assert_eq!(widths, [2.0, 6.0, 3.0, 2.0]);
}

/// A colour that the style does not know stays as it is on dark ground.
#[test]
fn every_colour_of_a_drawing_is_one_of_the_style() {
    let html = page("the shop").render().unwrap();
    let (style, body) = html.split_once("</style>").unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for attribute in ["fill", "stroke"] {
        for rest in body.split(&format!(" {attribute}=\"")).skip(1) {
            let colour = rest.split('"').next().unwrap();
            seen.insert(format!(".chart [{attribute}=\"{colour}\"]"));
        }
    }
    assert!(seen.len() > 8, "{seen:?}");
    for rule in seen {
        assert!(style.contains(&rule), "{rule}");
    }
}

#[test]
fn a_number_that_asks_for_attention_says_so() {
    let html = page("the shop").render().unwrap();
    let class = |text: &str| {
        let before = html.split(&format!(">{text}</p>")).next().unwrap();
        before
            .rsplit("<p class=\"")
            .next()
            .unwrap()
            .trim_end_matches('"')
            .to_owned()
    };
    assert_eq!(class("3 points are signals"), "verdict signal");
    assert_eq!(class("no signal in 52 weeks"), "verdict");
    // Columns and rows are named as such.
    assert!(html.contains("<th scope=\"col\">outcome</th><th scope=\"col\" class=\"n\">changes</th>"));
    assert!(html.contains("<th scope=\"row\" class=\"w\">successful</th><td class=\"n\">11</td>"));
    // Parts of which there is nothing are not there, within others either.
    let half = Page::new("p").section(
        Section::new("whole")
            .part(Section::new("hollow"))
            .part(Section::new("full").prose("x")),
    );
    let half = half.render().unwrap();
    assert!(half.contains("full") && !half.contains("hollow"));
}

/// What a page of a delivery tells of a part is of that part, in the order that is promised.
#[test]
fn a_page_of_one_service_is_about_it() {
    let mut log = String::new();
    let monday = at("2025-01-06T12:00:00Z");
    for week in 0..12_i64 {
        for (service, count) in [
            ("shop", if week == 11 { 30 } else { 5 + week % 2 }),
            ("search", 3),
        ] {
            for number in 0..count {
                let time = monday + SignedDuration::from_hours(168 * week + number);
                log += &format!(
                    "{{\"type\":\"deployment\",\"ts\":\"{time}\",\"service\":\"{service}\",\"id\":\"{service}{week}-{number}\",\"environment\":\"production\",\"result\":\"success\",\"kind\":\"planned\"}}\n"
                );
            }
        }
    }
    for (service, id, time) in [
        ("shop", "i-shop", "2025-01-07T00:00:00Z"),
        ("search", "i-search", "2025-01-07T00:00:00Z"),
        ("shop", "i-open", "2025-01-14T00:00:00Z"),
    ] {
        log += &format!(
            "{{\"type\":\"incident_opened\",\"ts\":\"{time}\",\"service\":\"{service}\",\"id\":\"{id}\"}}\n"
        );
    }
    log += "{\"type\":\"incident_resolved\",\"ts\":\"2025-01-07T06:00:00Z\",\"service\":\"shop\",\"id\":\"i-shop\"}\n";
    for (sha, time) in [
        ("late", "2025-03-20T00:00:00Z"),
        ("early", "2025-03-01T00:00:00Z"),
    ] {
        log += &format!("{{\"type\":\"change\",\"ts\":\"{time}\",\"service\":\"shop\",\"sha\":\"{sha}\"}}\n");
    }
    let facts = crate::worked::facts(&log);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let options = ReportOptions::new(delivery.everything().unwrap()).only([Scope::Component("shop")]);
    let report = Report::of(&delivery, &options);
    let html = DeliveryPage::new(&delivery, &report).page().render().unwrap();
    // The incidents of others are no marks of its weeks.
    assert!(
        html.contains("incident i-shop") && !html.contains("i-search"),
        "marks"
    );
    // Thirty in a week are a signal, the number says so, and the list has it.
    assert!(
        html.contains("<p class=\"verdict signal\">1 signal in 12 weeks</p>"),
        "verdict"
    );
    let signals = table_of(&html, "Weeks beside each other are one signal");
    assert_eq!(signals[1][0], "2025-03-24");
    assert_eq!(signals[1][3], "Deployment frequency");
    assert!(
        html.contains("One is still open and not among these."),
        "open ones"
    );
    let waiting = table_of(&html, "Changes that have not reached users");
    let first: Vec<_> = waiting.iter().skip(1).map(|row| row[0].clone()).collect();
    assert_eq!(first, ["change early", "change late"]);
    // What is left out of one number is not told of another.
    let numbers = html.split("<ul class=\"numbers\">").nth(1).unwrap();
    let numbers: Vec<_> = numbers.split("<li>").skip(1).take(5).collect();
    assert!(
        numbers[1].contains("2 changes, not delivered yet"),
        "{}",
        numbers[1]
    );
    assert!(!numbers[0].contains("not delivered yet") && !numbers[2].contains("not delivered yet"));
    // Without deployments there is nothing to set beside a survey.
    let nothing = Facts::new();
    let delivery = Delivery::of(&nothing, &Options::default()).unwrap();
    let week = delivery.bucket(pipeline_metrics::Bucket::Week, monday);
    let report = Report::of(&delivery, &ReportOptions::new(week).with_overall());
    let html = DeliveryPage::new(&delivery, &report).page().render().unwrap();
    assert!(!html.contains("Beside DORA"), "survey");
    assert!(html.contains("Nothing went live in this time"));
}
