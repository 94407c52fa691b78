//! One more fact: in order, and late.

use std::time::Duration;

use pipeline_core::Timestamp;
use pipeline_metrics::{Bucket, Fact, Facts, Options, Tally};

use super::whole::{self, Log};
use crate::measure::Settings;
use crate::report::{Figure, Sink};
use crate::threads::time;
use crate::{Failure, ensure};

/// How many microseconds one more fact in order may cost, with the five numbers of its week and of everything.
const IN_ORDER: f64 = 10.0;

/// How many facts are measured together.
const MEASURED: u32 = 100_000;

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let log = Log::write(settings.size(1_000_000))?;
    let (_, facts) = whole::read(&log.path, 1)?;
    let measured = settings.size(MEASURED) as usize;
    let mut ordered = ordered(&facts);
    // Every hundredth of the first half comes at the end.
    let half = ordered.len() / 2;
    let (mut late, mut place) = (Vec::new(), 0);
    ordered.retain(|each| {
        place += 1;
        let keep = place > half || place % 100 != 0;
        if !keep {
            late.push(each.clone());
        }
        keep
    });
    let mut tally = Tally::new(&Options::default(), Bucket::Week)?;
    let (first, rest) = ordered.split_at(measured);
    let (between, last) = rest.split_at(rest.len() - measured);
    let early = add(&mut tally, first, true)?;
    add(&mut tally, between, false)?;
    let in_order = add(&mut tally, last, true)?;
    let late_time = add(&mut tally, &late, true)?;

    let (_, numbers) = whole::compute(&facts)?;
    let overall = tally.overall().map(|(_, measures)| measures);
    ensure(
        overall == Some(numbers.overall),
        "other numbers than those of all facts",
    )?;
    let each = |time: Duration, count: usize| time.as_secs_f64() * 1e6 / count as f64;
    let name = |what: &str| format!("metrics, {} events: {what}", log.lines);
    sink.figure(Figure::told(
        name("one of the first, with its numbers"),
        each(early, first.len()),
        "µs",
    ))?;
    sink.figure(Figure::at_most(
        IN_ORDER,
        name("one more in order, with its numbers"),
        each(in_order, last.len()),
        "µs",
    ))?;
    sink.figure(Figure::told(
        name("a late one, with its numbers"),
        each(late_time, late.len()),
        "µs",
    ))?;
    Ok(())
}

/// All facts in the order of time.
fn ordered(facts: &Facts) -> Vec<Fact<'_>> {
    let mut all: Vec<_> = facts
        .changes()
        .map(|each| (each.at, Fact::Change(each)))
        .collect();
    all.extend(
        facts
            .deployments()
            .map(|each| (each.finished, Fact::Deployment(each))),
    );
    all.extend(facts.incidents().map(|each| (each.opened, Fact::Incident(each))));
    all.extend(facts.recoveries().map(|each| (each.at, Fact::Recovery(each))));
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, fact)| fact).collect()
}

fn add(tally: &mut Tally, facts: &[Fact<'_>], read: bool) -> Result<Duration, Failure> {
    let (time, ()) = time(|| {
        for fact in facts {
            tally.add(fact);
            if !read {
                continue;
            }
            let (component, at) = match fact {
                Fact::Change(each) => (each.component, each.at),
                Fact::Deployment(each) => (each.component, each.finished),
                Fact::Incident(each) => (each.component, each.opened),
                _ => ("", Timestamp::UNIX_EPOCH),
            };
            std::hint::black_box(tally.measures(component, at));
            std::hint::black_box(tally.overall());
        }
        Ok(())
    })?;
    Ok(time)
}
