use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::DeliveryPage;
use super::delivery_page::scope;
use super::numbers::capitalised;
use crate::page::{Chart, Mark, Section, Table, Trend};
use crate::report::ReportPart;
use crate::stats::{BehaviourChart, Signal};
use crate::{Bucket, Metric, MetricTrend, show};

/// Of how many parts there are charts; a page with more takes long to read and to load.
const DRAWN: usize = 24;
/// How many signals are listed.
const LISTED: usize = 40;

/// The five trends of each part, in the order of [`DeliveryPage::parts`].
pub(super) fn all(input: &DeliveryPage<'_, '_>) -> Vec<Vec<MetricTrend>> {
    let of = |part: &ReportPart<'_>, metric| {
        MetricTrend::of(
            input.delivery,
            &scope(part),
            metric,
            Bucket::Week,
            input.report.window,
        )
    };
    let parts = input.parts().into_iter();
    parts
        .map(|part| Metric::ALL.map(|metric| of(part, metric)).into())
        .collect()
}

pub(super) fn section(input: &DeliveryPage<'_, '_>, trends: &[Vec<MetricTrend>]) -> Section {
    let parts = input.parts();
    let with_values = |trends: &&Vec<MetricTrend>| trends.iter().any(|trend| !trend.windows.is_empty());
    if !trends.iter().any(|trends| with_values(&trends)) {
        return Section::new("");
    }
    let title = "Is it changing?";
    if !trends.iter().flatten().any(|trend| trend.windows.len() > 1) {
        return Section::new(title).prose(format!(
            "There is one week so far, which cannot tell. It takes {} weeks with a value to know what is usual.",
            BehaviourChart::FEWEST
        ));
    }
    let mut section = Section::new(title).prose(
        "Each point is a week. The shaded range between the limits is what to expect while nothing changes: points within \
         it are noise, and asking why they differ has no answer. Diamonds are signals; for these it is worth asking why. \
         Marks below the weeks are incidents.",
    );
    let signals = signals(&parts, trends);
    let judged = trends
        .iter()
        .flatten()
        .any(|trend| trend.chart.limits().is_some());
    section = if !judged {
        section.prose(format!(
            "There are too few weeks yet: it takes {} with a value to know what is usual.",
            BehaviourChart::FEWEST
        ))
    } else if signals.rows.is_empty() {
        section.prose("There is no signal in these weeks.")
    } else {
        section.part(
            Section::new("All signals, the newest first")
                .folded(true)
                .table(signals),
        )
    };
    if let (Some(part), Some(trends), None) = (input.whole(), trends.last(), parts.get(1)) {
        for chart in charts(input, part, trends) {
            section = section.part(chart);
        }
        return section;
    }
    // Those that say something come first; of all others, those with most deployments.
    let mut order: Vec<_> = parts.iter().zip(trends).collect();
    order.sort_by_key(|(part, trends)| {
        let signals = trends.iter().filter(|trend| trend.has_signal()).count();
        (
            part.scope != "overall",
            std::cmp::Reverse((signals > 0, part.measures.deployments)),
        )
    });
    for (part, trends) in order.iter().take(DRAWN) {
        let signals = trends.iter().filter(|trend| trend.has_signal()).count();
        let say = match signals {
            0 => "no signal".to_owned(),
            some => format!("{} with signals", show::several(some, "number")),
        };
        let mut of = Section::new(format!("{}: {say}", part.label())).folded(part.scope != "overall");
        for chart in charts(input, part, trends) {
            of = of.part(chart);
        }
        section = section.part(of);
    }
    if order.len() > DRAWN {
        section = section.prose(format!(
            "{} more have no charts here; all of their signals are in the table.",
            order.len() - DRAWN
        ));
    }
    section
}

fn charts(input: &DeliveryPage<'_, '_>, part: &ReportPart<'_>, trends: &[MetricTrend]) -> Vec<Section> {
    let titles = [
        "Deployments per week",
        "Change lead time",
        "Change fail rate",
        "Recovery time",
        "Rework rate",
    ];
    let charts = titles
        .into_iter()
        .zip(trends)
        .filter(|(_, trend)| trend.windows.len() > 1);
    charts
        .map(|(title, trend)| Section::new(title).chart(chart(input, part, trend)))
        .collect()
}

fn chart(input: &DeliveryPage<'_, '_>, part: &ReportPart<'_>, trend: &MetricTrend) -> Chart {
    let end = trend
        .windows
        .last()
        .map_or(input.report.window.end(), |window| window.end());
    let start = trend.windows.first().map_or(end, |window| window.start());
    let mut marks: Vec<_> = input
        .delivery
        .facts()
        .incidents()
        .filter(|incident| start <= incident.opened && incident.opened < end)
        .filter(|incident| match part.scope {
            "component" => incident.component == part.name,
            "environment" => incident.environment == Some(part.name.as_str()),
            "team" => false,
            _ => true,
        })
        .map(|incident| Mark {
            at: incident.opened,
            label: format!("incident {}", incident.id),
        })
        .collect();
    marks.sort_by(|a, b| (a.at, &a.label).cmp(&(b.at, &b.label)));
    let bands = input
        .freezes
        .iter()
        .filter(|band| band.from < end && start < band.to);
    Chart::Trend(Trend {
        unit: trend.unit(),
        bucket: "week".to_owned(),
        starts: trend.windows.iter().map(|window| window.start()).collect(),
        end,
        chart: trend.chart.clone(),
        marks,
        bands: bands.cloned().collect(),
    })
}

/// Every signal, the newest first.
fn signals(parts: &[&ReportPart<'_>], trends: &[Vec<MetricTrend>]) -> Table {
    let mut found = Vec::new();
    for (part, trends) in parts.iter().zip(trends) {
        for trend in trends {
            found.extend(
                trend
                    .chart
                    .signals()
                    .into_iter()
                    .map(|places| (*part, trend, places)),
            );
        }
    }
    let from = |(_, trend, places): &(&ReportPart<'_>, &MetricTrend, RangeInclusive<usize>)| {
        trend.windows[*places.start()].start()
    };
    found.sort_by(|a, b| from(b).cmp(&from(a)).then_with(|| a.0.name.cmp(&b.0.name)));
    let caption = match found.len() {
        0..=LISTED => "Weeks beside each other are one signal".to_owned(),
        all => format!(
            "The newest {LISTED} of {}; weeks beside each other are one signal",
            show::grouped(all as u64)
        ),
    };
    let mut table = Table::new(caption)
        .column("week from")
        .numbers("weeks")
        .column("of")
        .column("number")
        .numbers("value")
        .numbers("mean of all")
        .column("why it is one");
    for signal in found.into_iter().take(LISTED) {
        let start = from(&signal);
        let (part, trend, places) = signal;
        let points = trend.chart.points()[places]
            .iter()
            .filter(|point| point.value.is_some());
        let why: BTreeSet<_> = points.clone().flat_map(|point| &point.signals).collect();
        let why: Vec<_> = why.into_iter().map(Signal::to_string).collect();
        let values = points.clone().filter_map(|point| point.value);
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let weeks = points.count();
        table.push([
            show::day(start),
            weeks.to_string(),
            part.label().to_owned(),
            capitalised(trend.metric.name()),
            match weeks {
                1 => show::number(Some(high), trend.unit()),
                _ => show::range(low, Some(high), trend.unit()),
            },
            show::number(trend.chart.limits().map(|limits| limits.centre), trend.unit()),
            why.join("; "),
        ]);
    }
    table
}
