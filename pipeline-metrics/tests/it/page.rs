//! The page: what it holds, and how a browser shows it.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use pipeline_metrics::page::{
    Band, BarRow, Bars, BlockRow, Chart, DeliveryPage, Distribution, Headline, IntervalRow, Intervals, Mark,
    Page, Section, Stream, Table, Trend,
};
use pipeline_metrics::stats::{BehaviourChart, Bounds};
use pipeline_metrics::{Delivery, Options, Report, ReportOptions, Scope, Unit};

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
