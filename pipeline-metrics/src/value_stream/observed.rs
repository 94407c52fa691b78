use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::pass::{Journey, journeys};
use super::{Block, ValueStream};
use crate::spread::{Spread, ms};
use crate::{Cell, Figure, FigureOptions, Flow, Unit, WaitCause};

/// A value stream as it was observed: a block for each stage, with medians over the items that were finished
/// in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedStream {
    /// The blocks; draw these.
    pub stream: ValueStream,
    /// How many items went through each block.
    pub items: Vec<usize>,
    /// The numbers, with what is behind them.
    pub figure: Figure,
}

const DEFINITION: &str = "Of the items that were finished in the window: lead time is the time from when the first stage \
     could begin until the last was finished, process time the work within it, both as the median over items. \
     The activity ratio is all process time over all lead time; of stages side by side that with the longest \
     lead time counts. %C/A is the share of items that the stages after it could use as they came, as far as \
     somebody said; rolled %C/A is the product over the stages. A hand-off is where the next one to work on an \
     item, or to consent, is somebody else.";

impl ObservedStream {
    /// What the stage times tell.
    pub fn of(flow: &Flow, options: &FigureOptions) -> Self {
        let mut figure = Figure::new("value-stream", "Value stream", DEFINITION);
        figure.options.push(options.time.to_string());
        let journeys = journeys(flow, options, &mut figure);
        let groups = groups(&journeys);
        let (stream, items) = blocks(&journeys, &groups, options);

        let mut leads = Vec::new();
        let mut processes = Vec::new();
        for journey in &journeys {
            let (Some(start), Some(end)) = (journey.start(), journey.end()) else {
                continue;
            };
            leads.push(options.time.between(start, end));
            processes.push(process(journey, &groups, options));
        }
        let sum = |times: &[SignedDuration]| times.iter().map(|time| ms(*time)).sum::<f64>();
        let (lead, work) = (sum(&leads), sum(&processes));
        let hand_offs = journeys.iter().map(|journey| hand_offs(flow, journey));
        let hand_offs: Vec<_> = hand_offs.flatten().map(|count| count as f64).collect();
        let totals = stream.totals();
        figure.add_value("items", Unit::Count, some(journeys.len()));
        figure.add_value("lead time", Unit::Milliseconds, Spread::of_times(leads).median);
        figure.add_value(
            "process time",
            Unit::Milliseconds,
            Spread::of_times(processes).median,
        );
        figure.add_value("activity ratio", Unit::Share, (lead > 0.0).then(|| work / lead));
        figure.add_value("rolled %C/A", Unit::Share, totals.rolled_complete_accurate);
        figure.add_value("hand-offs", Unit::Count, Spread::of(hand_offs).median);
        if totals.unknown_shares > 0 && totals.rolled_complete_accurate.is_some() {
            let text = format!(
                "Nobody says of {} of {} stages whether the next could use what came out; they are not in the product.",
                totals.unknown_shares,
                stream.blocks.len()
            );
            figure.notes.push(text);
        }
        let rows = stream.blocks.iter().zip(&items).map(|(block, items)| {
            vec![
                Cell::text(&block.name),
                Cell::count(*items),
                Cell::Number(Some(ms(block.lead))),
                Cell::Number(block.process.map(ms)),
                Cell::Number(block.complete_accurate),
                block.group.as_ref().map_or(Cell::Empty, Cell::text),
            ]
        });
        let columns = [
            ("stage", None),
            ("items", Some(Unit::Count)),
            ("lead time", Some(Unit::Milliseconds)),
            ("process time", Some(Unit::Milliseconds)),
            ("%C/A", Some(Unit::Share)),
            ("side by side", None),
        ];
        let rows = rows.collect();
        figure.add_table("Stages", &columns, rows);
        Self {
            stream,
            items,
            figure,
        }
    }
}

fn some(count: usize) -> Option<f64> {
    (count > 0).then_some(count as f64)
}

/// Which stages stand side by side: those that overlap in more than half of the items that have both.
fn groups<'f>(journeys: &[Journey<'f>]) -> BTreeMap<&'f str, String> {
    let mut pairs: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for journey in journeys {
        for (number, one) in journey.visits.iter().enumerate() {
            for other in &journey.visits[number + 1..] {
                let key = (one.stage.min(other.stage), one.stage.max(other.stage));
                let (overlap, both) = pairs.entry(key).or_default();
                *overlap += usize::from(one.overlaps(other));
                *both += 1;
            }
        }
    }
    let mut members: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for ((one, other), (overlap, both)) in pairs {
        if overlap * 2 <= both {
            continue;
        }
        let mut joined = BTreeSet::from([one, other]);
        for name in [one, other] {
            joined.extend(members.get(name).into_iter().flatten());
        }
        for name in &joined {
            members.insert(name, joined.clone());
        }
    }
    let name = |(stage, all): (&'f str, BTreeSet<&str>)| {
        let all: Vec<_> = all.into_iter().collect();
        (stage, all.join(" | "))
    };
    members.into_iter().map(name).collect()
}

fn blocks(
    journeys: &[Journey<'_>],
    groups: &BTreeMap<&str, String>,
    options: &FigureOptions,
) -> (ValueStream, Vec<usize>) {
    #[derive(Default)]
    struct Seen {
        offsets: Vec<SignedDuration>,
        leads: Vec<SignedDuration>,
        processes: Vec<SignedDuration>,
        accurate: usize,
        judged: usize,
    }
    let mut stages: BTreeMap<&str, Seen> = BTreeMap::new();
    for journey in journeys {
        let Some(start) = journey.start() else { continue };
        for visit in &journey.visits {
            let seen = stages.entry(visit.stage).or_default();
            seen.offsets.push(visit.ready.duration_since(start));
            seen.leads.push(visit.lead(&options.time));
            seen.processes.push(visit.process(&options.time));
            if let Some(accurate) = visit.accurate() {
                seen.judged += 1;
                seen.accurate += usize::from(accurate);
            }
        }
    }
    let mut blocks: Vec<_> = stages
        .into_iter()
        .map(|(name, seen)| {
            let block = Block {
                name: name.to_owned(),
                lead: middle(&seen.leads),
                process: Some(middle(&seen.processes)),
                complete_accurate: (seen.judged > 0).then(|| seen.accurate as f64 / seen.judged as f64),
                group: groups.get(name).cloned(),
            };
            (middle(&seen.offsets), block, seen.leads.len())
        })
        .collect();
    blocks.sort_by(|(at, one, _), (then, other, _)| (at, &one.name).cmp(&(then, &other.name)));
    let (blocks, items): (Vec<_>, _) = blocks.into_iter().map(|(_, block, items)| (block, items)).unzip();
    (ValueStream::new(blocks), items)
}

/// The median, to the microsecond.
fn middle(times: &[SignedDuration]) -> SignedDuration {
    let median = Spread::of_times(times.iter().copied()).median.unwrap_or(0.0);
    SignedDuration::from_micros((median * 1000.0) as i64)
}

/// The work on one item: of stages side by side, that in the one with the longest lead time.
fn process(
    journey: &Journey<'_>,
    groups: &BTreeMap<&str, String>,
    options: &FigureOptions,
) -> SignedDuration {
    let blocks = journey.visits.iter().map(|visit| Block {
        name: String::new(),
        lead: visit.lead(&options.time),
        process: Some(visit.process(&options.time)),
        complete_accurate: None,
        group: groups.get(visit.stage).cloned(),
    });
    let totals = ValueStream::new(blocks).totals();
    totals.process.unwrap_or(SignedDuration::ZERO)
}

/// How often the one who has the item changes; `None` when nobody says who has it.
fn hand_offs(flow: &Flow, journey: &Journey<'_>) -> Option<usize> {
    let passes = journey.visits.iter().flat_map(|visit| &visit.passes);
    let work = passes.filter_map(|pass| Some((pass.started, pass.fact.by.as_deref()?)));
    let consents = flow.waits_of(journey.item).filter_map(|wait| {
        let person = matches!(wait.cause, WaitCause::Approval | WaitCause::Decision);
        let on = wait.on.as_deref().filter(|_| person)?;
        Some((wait.until?, on))
    });
    let mut hands: Vec<_> = work.chain(consents).collect();
    hands.sort_unstable();
    let changes = hands.windows(2).filter(|two| two[0].1 != two[1].1).count();
    (!hands.is_empty()).then_some(changes)
}
