use serde::Serialize;

use super::line::{Line, Missing, RawSpell, SpellOf};
use super::standing::Standing;
use super::{Metric, Reason, Selection};
use crate::facts::NONE;
use crate::moment::timestamp;
use crate::{FactRef, FailShare, FailedOf, Options, RecoveryFrom, Sha};

/// A number with what it was computed from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained<'f> {
    /// Which number.
    pub metric: Metric,
    /// The number, plain; `None` when nothing was observed, which is not 0. See
    /// [`Measures::value`](crate::Measures::value).
    pub value: Option<f64>,
    /// What was counted. For a ratio: the whole, of which a part is in the numerator.
    pub counted: Vec<Counted<'f>>,
    /// What belongs to the same time and scope and was not counted.
    pub left_out: Vec<LeftOut<'f>>,
    /// What the number is, in words made from the options.
    pub definition: String,
    /// The options.
    pub options: Options,
}

impl Explained<'_> {
    /// How many facts were left out for a reason.
    pub fn left_out_for(&self, reason: Reason) -> usize {
        self.left_out.iter().filter(|left| left.reason == reason).count()
    }
}

/// A fact that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counted<'f> {
    /// The fact.
    pub fact: FactRef<'f>,
    /// The fact that it is linked to: of a change, the deployment that delivered it; of a deployment, the
    /// first incident or rollback that makes it a failed one; of an incident or rollback, the deployment that
    /// failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<FactRef<'f>>,
    /// The time that it adds, in whole microseconds, rounded as the options say; `None` of what is only counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micros: Option<i64>,
}

/// A fact that was not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LeftOut<'f> {
    /// The fact.
    pub fact: FactRef<'f>,
    /// Why not.
    pub reason: Reason,
    /// The revision that the reason is about, if the fact has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Sha<'f>>,
}

impl<'d, 'f> Selection<'d, 'f> {
    /// A number with the facts behind it: made when it is asked for, with work in proportion to the facts of the
    /// selection's components.
    pub fn explain(&self, metric: Metric) -> Explained<'f> {
        let (counted, mut left_out) = match metric {
            Metric::DeploymentFrequency | Metric::ReworkRate => self.explain_deployments(),
            Metric::LeadTime => self.explain_lead_time(),
            Metric::ChangeFailRate => self.explain_failures(),
            Metric::RecoveryTime => self.explain_recovery(),
        };
        left_out.sort_by_key(|left| (left.fact.at(), left.fact.kind(), left.reason));
        Explained {
            metric,
            value: self.measures().value(metric),
            counted,
            left_out,
            definition: super::definition::definition(metric, &self.delivery.options),
            options: self.delivery.options.clone(),
        }
    }

    fn deployment(&self, row: u32) -> FactRef<'f> {
        self.delivery.facts.deployment_ref(row)
    }

    fn explain_deployments(&self) -> (Vec<Counted<'f>>, Vec<LeftOut<'f>>) {
        let (mut counted, mut left_out) = (Vec::new(), Vec::new());
        for line in self.lines() {
            for (_, run) in self.runs(line) {
                let fact = self.deployment(run.row);
                match run.standing.reason() {
                    None => counted.push(plain(fact, None)),
                    Some(reason) => left_out.push(without(fact, reason)),
                }
            }
            left_out.extend(
                self.rollbacks(line)
                    .map(|fact| without(fact, Reason::RollbackDeliversNothing)),
            );
        }
        (counted, left_out)
    }

    /// Rollbacks by engines of a component in the window, in production.
    fn rollbacks(&self, line: &'d Line) -> impl Iterator<Item = FactRef<'f>> + use<'d, 'f> {
        let delivery = self.delivery;
        let (start, end) = self.window.micros();
        let here = (0..)
            .zip(&delivery.rollbacks)
            .filter(move |(_, (_, row, blamed))| {
                row.component == line.component
                    && start <= row.at
                    && row.at < end
                    && *blamed != Err(Reason::NotProduction)
            });
        here.map(move |(number, _)| delivery.rollback_ref(number))
    }

    fn explain_lead_time(&self) -> (Vec<Counted<'f>>, Vec<LeftOut<'f>>) {
        let facts = self.delivery.facts;
        let (mut counted, mut left_out) = (Vec::new(), Vec::new());
        for (_, run, revision, time) in self.delivered() {
            let deployment = self.deployment(run.row);
            match Missing::reason(time) {
                None => counted.push(Counted {
                    fact: facts.change_ref(revision),
                    link: Some(deployment),
                    micros: Some(time),
                }),
                Some(Reason::UnknownRevision) => left_out.push(LeftOut {
                    fact: deployment,
                    reason: Reason::UnknownRevision,
                    revision: Some(facts.sha(revision)),
                }),
                Some(reason) => left_out.push(without(facts.change_ref(revision), reason)),
            }
        }
        left_out.extend(self.undelivered());
        (counted, left_out)
    }

    /// Changes of the window that no deployment has brought.
    fn undelivered(&self) -> Vec<LeftOut<'f>> {
        let facts = self.delivery.facts;
        let (start, end) = self.window.micros();
        let mut brought = vec![false; facts.revisions.len()];
        let mut chosen = vec![false; facts.names.len()];
        for line in self.lines() {
            chosen[line.component as usize] = true;
            for &revision in &line.revisions {
                brought[revision as usize] = true;
            }
        }
        let waits = facts.revisions.committed().filter(|&revision| {
            (start..end).contains(&facts.revisions.at(revision))
                && !brought[revision as usize]
                && chosen[facts.revisions.key(revision).component() as usize]
        });
        waits
            .map(|revision| without(facts.change_ref(revision), Reason::NotDelivered))
            .collect()
    }

    fn explain_failures(&self) -> (Vec<Counted<'f>>, Vec<LeftOut<'f>>) {
        let options = &self.delivery.options.failures;
        let facts = self.delivery.facts;
        let (start, end) = self.window.micros();
        let (mut counted, mut left_out) = (Vec::new(), Vec::new());
        let firsts = self.first_failures();
        for line in self.lines() {
            for (_, run) in self.runs(line) {
                let fact = self.deployment(run.row);
                match run.standing {
                    Standing::Counted if options.of == FailedOf::WithChanges && !run.with_changes => {
                        left_out.push(without(fact, Reason::NoKnownChange));
                    }
                    Standing::Counted | Standing::FailedRun => {
                        let first = firsts.binary_search_by_key(&run.row, |(row, _)| *row);
                        counted.push(plain(fact, first.ok().map(|at| firsts[at].1)));
                    }
                    Standing::LeftOut(reason) => left_out.push(without(fact, reason)),
                }
            }
            if options.share == FailShare::Opened {
                let opened = line.opened_within(start, end).iter();
                let incidents = opened.map(|(_, number)| facts.incident_ref(*number));
                counted.extend(incidents.map(|incident| plain(incident, None)));
            }
        }
        left_out.extend(self.unattributed());
        (counted, left_out)
    }

    /// Of each failed deployment of the selection, the earliest incident or rollback.
    fn first_failures(&self) -> Vec<(u32, FactRef<'f>)> {
        let facts = self.delivery.facts;
        if self.delivery.options.failures.share != FailShare::Deployments {
            return Vec::new();
        }
        let incidents = (0..).zip(&self.delivery.incidents);
        let incidents =
            incidents.filter_map(|(number, blamed)| Some((blamed.ok()?, facts.incident_ref(number))));
        let rollbacks = (0..).zip(&self.delivery.rollbacks);
        let counts = self.delivery.options.failures.rollbacks.counts();
        let rollbacks = rollbacks.filter(|_| counts);
        let rollbacks = rollbacks
            .filter_map(|(number, (.., blamed))| Some((blamed.ok()?, self.delivery.rollback_ref(number))));
        let mut failures: Vec<_> = incidents.chain(rollbacks).collect();
        failures.sort_by_key(|(row, fact)| (*row, fact.at(), fact.kind(), fact.id));
        failures.dedup_by_key(|(row, _)| *row);
        failures
    }

    /// Incidents and rollbacks of the window that no deployment is to blame for.
    fn unattributed(&self) -> Vec<LeftOut<'f>> {
        let delivery = self.delivery;
        let facts = delivery.facts;
        let (start, end) = self.window.micros();
        let within = |at| start <= at && at < end;
        let chosen = |component: u32| {
            let at = delivery.line_of[component as usize];
            at != NONE && self.lines.contains(&(at as usize))
        };
        let incidents = (0..).zip(facts.incidents.rows.iter().zip(&delivery.incidents));
        let incidents = incidents.filter_map(|(number, (row, blamed))| {
            let reason = blamed.err()?;
            let here = row.is_known() && within(row.opened) && chosen(row.component);
            here.then(|| without(facts.incident_ref(number), reason))
        });
        let rollbacks = (0..).zip(&delivery.rollbacks);
        let rollbacks = rollbacks.filter_map(|(number, (_, row, blamed))| {
            let reason = blamed.err()?;
            let here = within(row.at) && chosen(row.component);
            here.then(|| without(delivery.rollback_ref(number), reason))
        });
        incidents.chain(rollbacks).collect()
    }

    fn explain_recovery(&self) -> (Vec<Counted<'f>>, Vec<LeftOut<'f>>) {
        let options = &self.delivery.options.recovery;
        let (mut counted, mut left_out) = (Vec::new(), Vec::new());
        for spell in self.all_spells() {
            let fact = self.spell(&spell);
            let reason = match spell.micros() {
                _ if spell.told_by_incident => Reason::IncidentTells,
                None => Reason::Open,
                Some(micros) if options.skew.leaves_out(micros) => Reason::Skewed,
                Some(micros) => {
                    counted.push(Counted {
                        fact,
                        link: (spell.deployment != NONE).then(|| self.deployment(spell.deployment)),
                        micros: Some(options.round.apply(micros)),
                    });
                    continue;
                }
            };
            left_out.push(without(fact, reason));
        }
        if options.from == RecoveryFrom::Deployment {
            left_out.extend(self.unattributed());
        }
        (counted, left_out)
    }

    fn spell(&self, spell: &RawSpell) -> FactRef<'f> {
        match spell.of {
            SpellOf::Incident(number) => self.delivery.facts.incident_ref(number),
            SpellOf::Rollback(number) => self.delivery.rollback_ref(number),
            SpellOf::Deployment(row) => self.deployment(row),
        }
    }
}

impl<'f> super::Delivery<'f> {
    pub(crate) fn rollback_ref(&self, number: u32) -> FactRef<'f> {
        let (id, row, _) = self.rollbacks[number as usize];
        FactRef {
            kind: "rollback",
            id: Sha::new(id),
            at: timestamp(row.at),
            source: row.source.get(&self.facts.names),
        }
    }

    /// Ends of incidents that were never opened, in a window: they belong to no component.
    pub fn unplaced(&self, window: crate::Window) -> Vec<LeftOut<'f>> {
        let (start, end) = window.micros();
        let rows = (0..).zip(&self.facts.incidents.rows);
        let lost = rows.filter(|(_, row)| !row.is_known() && start <= row.resolved && row.resolved < end);
        let mut unplaced: Vec<_> = lost
            .map(|(number, _)| without(self.facts.recovery_ref(number), Reason::UnknownIncident))
            .collect();
        unplaced.sort_by_key(|left| (left.fact.at(), left.fact.source()));
        unplaced
    }
}

fn plain<'f>(fact: FactRef<'f>, link: Option<FactRef<'f>>) -> Counted<'f> {
    Counted {
        fact,
        link,
        micros: None,
    }
}

fn without(fact: FactRef<'_>, reason: Reason) -> LeftOut<'_> {
    LeftOut {
        fact,
        reason,
        revision: None,
    }
}
