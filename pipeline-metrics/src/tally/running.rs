use std::collections::HashMap;

use jiff::Timestamp;

use super::keeper::Keeper;
use crate::calendar::Calendar;
use crate::delivery::Delivery;
use crate::facts::Touched;
use crate::moment::micros;
use crate::{
    Blend, Bucket, CalendarError, Deliveries, Fact, Facts, FailShare, FailedOf, FailedRuns, Measures,
    Options, Pace, RateBlend, Reach, RecoveredBy, RecoveryFrom, Scope, Window,
};

/// Facts, and the five numbers of each bucket of each component and of everything, kept up to date.
///
/// One more fact costs little however many there are: it is put where it belongs, and what depended on its neighbours
/// is counted anew. A late one costs work in proportion to what it changes, and a deployment that is told again with
/// another content also a look at its component's deployments. The numbers are those of a
/// [`Delivery`] of the same facts.
///
/// That holds for the default options and those near them. Options that look at more than a deployment and its
/// incidents ([`is_stepwise`](Self::is_stepwise) tells) are computed from all facts when they are read after a change.
///
/// ```
/// use pipeline_metrics::{Bucket, Change, Fact, FactSource, Options, Phases, Sha, Tally};
///
/// let mut tally = Tally::new(&Options::default(), Bucket::Week)?;
/// tally.add(&Fact::Change(Change {
///     component: "shop",
///     sha: Sha::new("a"),
///     at: "2025-01-06T08:00:00Z".parse()?,
///     phases: Phases::default(),
///     source: FactSource::Line { file: "log", line: 1 },
/// }));
/// let week = tally.measures("shop", "2025-01-08T00:00:00Z".parse()?);
/// assert!(week.is_empty(), "nothing was deployed yet");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Tally {
    facts: Facts,
    options: Options,
    calendar: Calendar,
    bucket: Bucket,
    numbers: Numbers,
}

#[derive(Debug)]
enum Numbers {
    Kept(Box<Keeper>),
    /// Computed when they are read; `None` after a change.
    Computed(Option<Box<Computed>>),
}

#[derive(Debug, Default)]
struct Computed {
    cells: HashMap<(u32, i64), Measures>,
    overall: Option<(Window, Measures)>,
}

impl Tally {
    /// No facts yet.
    ///
    /// # Errors
    ///
    /// When the options name a time zone that nobody knows.
    pub fn new(options: &Options, bucket: Bucket) -> Result<Self, CalendarError> {
        let calendar = Calendar::new(&options.calendar)?;
        let numbers = if Self::is_stepwise(options) {
            Numbers::Kept(Box::new(Keeper::new(options, calendar.clone(), bucket)))
        } else {
            Numbers::Computed(None)
        };
        Ok(Self {
            facts: Facts::new(),
            options: options.clone(),
            calendar,
            bucket,
            numbers,
        })
    }

    /// Whether the numbers of these options are kept up to date fact by fact.
    pub fn is_stepwise(options: &Options) -> bool {
        let Options {
            deployments,
            frequency,
            lead_time,
            failures,
            recovery,
            calendar: _,
        } = options;
        deployments.failed_runs == FailedRuns::LeftOut
            && deployments.without_changes.counts()
            && deployments.repeated_versions.counts()
            && deployments.first.counts()
            && matches!(frequency.pace, Pace::PerDay | Pace::Total | Pace::PerStartedDay)
            && lead_time.deliveries == Deliveries::First
            && lead_time.first_deployment.counts()
            && !lead_time.failed_runs_roll_forward
            && lead_time.blend == Blend::Values
            && failures.share == FailShare::Deployments
            && failures.of == FailedOf::Deployments
            && failures.blend == RateBlend::Together
            && failures.attribution.reach != Reach::Project
            && recovery.from == RecoveryFrom::Deployment
            && recovery.by == RecoveredBy::Start
            && recovery.blend == Blend::Values
    }

    /// The facts, to [explain](Delivery) a number.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Adds a fact.
    pub fn add(&mut self, fact: &Fact<'_>) {
        let touched = self.facts.insert(fact);
        let facts = &self.facts;
        match (&mut self.numbers, touched) {
            (_, Touched::Nothing) => {}
            (Numbers::Computed(computed), _) => *computed = None,
            (Numbers::Kept(keeper), Touched::Revision(row)) => keeper.revision(facts, row),
            (Numbers::Kept(keeper), Touched::Deployment(row, before)) => {
                keeper.deployment(facts, row, &before)
            }
            (Numbers::Kept(keeper), Touched::Incident(row, before)) => keeper.incident(facts, row, &before),
            (Numbers::Kept(keeper), Touched::Rollback) => {
                if let Fact::Rollback(rollback) = fact {
                    keeper.rollback(facts, rollback.id);
                }
            }
        }
    }

    /// The numbers of a component in the bucket with a moment.
    pub fn measures(&mut self, component: &str, at: Timestamp) -> Measures {
        let Some(component) = self.facts.names.find(component) else {
            return Measures::default();
        };
        let piece = self.calendar.piece(self.bucket, micros(at));
        let key = (component, piece.first_day);
        match &self.numbers {
            Numbers::Kept(keeper) => {
                let cell = keeper.cells.get(&key);
                cell.map_or_else(Measures::default, |cell| {
                    cell.measures(&self.options, piece.window())
                })
            }
            Numbers::Computed(_) => {
                let cell = self.computed().and_then(|computed| computed.cells.get(&key));
                cell.copied().unwrap_or_default()
            }
        }
    }

    /// The numbers of all components taken together, over [everything](Delivery::everything), with that window.
    pub fn overall(&mut self) -> Option<(Window, Measures)> {
        match &self.numbers {
            Numbers::Kept(keeper) => {
                let cell = &keeper.overall;
                let day = |day: &i64| self.calendar.piece(Bucket::Week, self.calendar.start(*day));
                let first = day(cell.days.keys().next()?);
                let last = day(cell.days.keys().next_back()?);
                let window = Window::of_micros(first.start, last.end);
                Some((window, cell.measures(&self.options, window)))
            }
            Numbers::Computed(_) => self.computed()?.overall,
        }
    }

    fn computed(&mut self) -> Option<&Computed> {
        if let Numbers::Computed(None) = self.numbers {
            self.numbers = Numbers::Computed(Some(Box::new(self.compute())));
        }
        match &self.numbers {
            Numbers::Computed(computed) => computed.as_deref(),
            Numbers::Kept(_) => None,
        }
    }

    fn compute(&self) -> Computed {
        // The time zone was known when the tally was made.
        let Ok(delivery) = Delivery::of(&self.facts, &self.options) else {
            return Computed::default();
        };
        let cells = delivery.every_cell(self.bucket).collect();
        let window = delivery.everything();
        let overall = window.map(|window| (window, delivery.select(&Scope::Overall, window).measures()));
        Computed { cells, overall }
    }
}
