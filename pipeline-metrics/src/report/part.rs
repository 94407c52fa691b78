use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::report::ReportOptions;
use crate::stats::{
    Confidence, DEFAULT_RESAMPLES, Interval, Observation, Survival, SurvivalMedian, bootstrap_median, wilson,
};
use crate::{Delivery, Explained, Measures, Metric, Phased, Ratio, Reason, Scope, Selection};

/// The numbers of one part of the whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReportPart<'f> {
    /// Which part it is: `component`, `team`, `environment` or `overall`.
    pub scope: &'static str,
    /// Its name; empty for the whole.
    pub name: String,
    /// The numbers.
    pub measures: Measures,
    /// The lead time by phase, as far as a change's way is known.
    pub phases: Phased,
    /// How far they can be trusted.
    pub intervals: Confident,
    /// What each number is, by the options that were used; in the order of [`Metric::ALL`].
    pub definitions: Vec<String>,
    /// How many facts were counted for each number, in the same order.
    pub counted: Vec<usize>,
    /// How many facts were left out, and why.
    pub left_out: Vec<LeftOutCount>,
    /// The facts themselves, in the same order, when [asked for](ReportOptions::with_facts).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub explained: Vec<Explained<'f>>,
}

/// Intervals of the numbers of one part; `None` where there are too few facts for one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Confident {
    /// Of the median lead time, in milliseconds, by [resampling](bootstrap_median).
    pub lead_time: Option<Interval>,
    /// Of the change fail rate, by [Wilson](wilson).
    pub change_fail_rate: Option<Interval>,
    /// The median of the recovery time in milliseconds, with those that are open, by Kaplan and Meier.
    pub recovery_time: SurvivalMedian,
    /// Of the rework rate, by [Wilson](wilson).
    pub rework_rate: Option<Interval>,
}

/// How many facts a number leaves out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct LeftOutCount {
    /// The number.
    pub metric: Metric,
    /// What the facts are: `deployment`, `change`, `incident`, …
    pub kind: &'static str,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub count: usize,
}

impl<'f> ReportPart<'f> {
    pub(crate) fn of(delivery: &Delivery<'f>, scope: &Scope<'_>, options: &ReportOptions<'_>) -> Self {
        let selection = delivery.select(scope, options.window);
        let measures = selection.measures();
        let explained: Vec<_> = Metric::ALL.map(|metric| selection.explain(metric)).into();
        let (word, name) = match *scope {
            Scope::Component(name) => ("component", name),
            Scope::Team(name) => ("team", name),
            Scope::Environment(name) => ("environment", name),
            Scope::Overall => ("overall", ""),
        };
        Self {
            scope: word,
            name: name.to_owned(),
            intervals: Confident::of(&selection, &measures, options),
            measures,
            phases: selection.phases(),
            definitions: explained.iter().map(|each| each.definition.clone()).collect(),
            counted: explained.iter().map(|each| each.counted.len()).collect(),
            left_out: explained.iter().flat_map(left_out).collect(),
            explained: if options.facts { explained } else { Vec::new() },
        }
    }

    /// The name for people: that of the part, or what the whole is called.
    pub fn label(&self) -> &str {
        if self.scope == "overall" {
            "(all)"
        } else {
            &self.name
        }
    }

    /// Whether the window holds nothing of it: nothing counted and nothing left out.
    pub fn is_empty(&self) -> bool {
        self.counted.iter().all(|count| *count == 0) && self.left_out.is_empty()
    }
}

fn left_out(explained: &Explained<'_>) -> Vec<LeftOutCount> {
    let mut counts: BTreeMap<(&'static str, Reason), usize> = BTreeMap::new();
    for left in &explained.left_out {
        *counts.entry((left.fact.kind(), left.reason)).or_default() += 1;
    }
    let counts = counts.into_iter().map(|((kind, reason), count)| LeftOutCount {
        metric: explained.metric,
        kind,
        reason,
        count,
    });
    counts.collect()
}

impl Confident {
    fn of(selection: &Selection<'_, '_>, measures: &Measures, options: &ReportOptions<'_>) -> Self {
        let confidence = options.confidence;
        let mut times = selection.lead_times();
        times.sort_unstable_by(f64::total_cmp);
        let rate = |ratio: Option<Ratio>| {
            // Of a mean of rates, the counts tell no interval.
            let plain = ratio.filter(|ratio| !ratio.is_mean())?;
            wilson(plain.part(), plain.whole(), confidence)
        };
        Self {
            lead_time: bootstrap_median(&times, confidence, DEFAULT_RESAMPLES, options.seed),
            change_fail_rate: rate(measures.change_fail_rate),
            recovery_time: recovery(selection, options.as_of, confidence),
            rework_rate: rate(measures.rework_rate),
        }
    }
}

/// The median recovery time, in which what is open counts as open up to now.
fn recovery(selection: &Selection<'_, '_>, as_of: Timestamp, confidence: Confidence) -> SurvivalMedian {
    let observations: Vec<_> = selection
        .recoveries()
        .into_iter()
        .map(|spell| Observation {
            time: spell
                .ms
                .unwrap_or_else(|| as_of.duration_since(spell.since).as_millis_f64().max(0.0)),
            ended: spell.ms.is_some(),
        })
        .collect();
    Survival::of(&observations).median(confidence)
}
