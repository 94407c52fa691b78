use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pipeline_core::{Actor, Decision, ENVIRONMENT_LOCK, GatesEvaluated, RunCreated, StageName, Timestamp};

use crate::{FlowFact, ManualWork, Origin, StageTime, Wait, WaitCause};

/// What an event of a run says here.
#[derive(Debug, Clone)]
pub(super) enum RunMark {
    Created(Box<RunHead>),
    /// The first sign that its turn came.
    Work,
    Gates {
        stage: StageName,
        /// The gates that say "wait", and who can change that.
        waiting: Vec<(Arc<str>, Option<Arc<str>>)>,
    },
    Approved {
        stage: StageName,
        by: Actor,
    },
    Started {
        stage: StageName,
        attempt: u32,
    },
    Finished {
        stage: StageName,
        attempt: u32,
        /// What the stage said, if it could do its work.
        yes: Option<bool>,
        retry: bool,
    },
    Reused {
        stage: StageName,
    },
    Skipped {
        stage: StageName,
        denied: bool,
    },
    Unknown {
        stage: StageName,
    },
    Decided {
        stage: StageName,
        by: Actor,
    },
    Ended,
}

impl RunMark {
    pub(super) fn gates(gates: &GatesEvaluated) -> Self {
        let waiting = gates
            .verdicts
            .iter()
            .filter(|one| one.verdict.decision == Decision::Wait);
        Self::Gates {
            stage: gates.stage.clone(),
            waiting: waiting
                .map(|one| {
                    let who = &one.verdict.who;
                    (
                        Arc::from(&*one.gate),
                        (!who.is_empty()).then(|| who.join(", ").into()),
                    )
                })
                .collect(),
        }
    }
}

/// What is kept of the beginning of a run.
#[derive(Debug, Clone)]
pub(super) struct RunHead {
    pub(super) pipeline: Arc<str>,
    component: Arc<str>,
    /// Which stages each one waits for.
    after: BTreeMap<String, Vec<StageName>>,
    /// The types of the environments.
    pub(super) environments: BTreeMap<Arc<str>, Arc<str>>,
    /// Who began it again by hand.
    again: Option<Actor>,
}

impl RunHead {
    pub(super) fn of(created: &RunCreated, actor: &Actor) -> Self {
        let plan = &created.plan;
        let stages = plan.stages.iter();
        let environments = plan.environments.iter();
        Self {
            pipeline: plan.pipeline.as_str().into(),
            component: plan.component.as_str().into(),
            after: stages
                .map(|stage| (stage.name.to_string(), stage.after.clone()))
                .collect(),
            environments: environments
                .map(|(name, one)| (name.as_str().into(), one.type_name.as_str().into()))
                .collect(),
            again: (created.again.is_some() && matches!(actor, Actor::Person(_))).then(|| actor.clone()),
        }
    }

    /// The stage of the plan that this one is, or is an instance of.
    fn planned<'n>(&self, stage: &'n StageName) -> &'n str {
        let mut name = stage.as_str();
        while !self.after.contains_key(name) {
            match name.rsplit_once('.') {
                Some((before, _)) => name = before,
                None => return stage.as_str(),
            }
        }
        name
    }
}

pub(super) fn head(marks: &BTreeMap<u64, (Timestamp, RunMark)>) -> Option<&RunHead> {
    marks.values().find_map(|(_, mark)| match mark {
        RunMark::Created(head) => Some(&**head),
        _ => None,
    })
}

/// Adds what the events of one run say together.
pub(super) fn facts(run: &Arc<str>, marks: &BTreeMap<u64, (Timestamp, RunMark)>, facts: &mut Vec<FlowFact>) {
    let mut fold = RunFold {
        run,
        head: head(marks),
        facts,
        ended: HashMap::new(),
        judged: HashMap::new(),
        last: HashMap::new(),
        waits: BTreeMap::new(),
        queue: None,
        queue_ended: None,
    };
    for (&position, (at, mark)) in marks {
        fold.apply(position, *at, mark);
    }
    fold.judge();
}

struct RunFold<'r> {
    run: &'r Arc<str>,
    head: Option<&'r RunHead>,
    facts: &'r mut Vec<FlowFact>,
    /// When a stage came to its end, and a stage that runs over a list with its last instance.
    ended: HashMap<&'r str, Timestamp>,
    /// What a stage said, all instances together.
    judged: HashMap<&'r str, bool>,
    /// The pass of a stage that counts, by id.
    last: HashMap<&'r StageName, StageTime>,
    /// What stages wait for now.
    waits: BTreeMap<(&'r StageName, Arc<str>), Wait>,
    queue: Option<Wait>,
    queue_ended: Option<Timestamp>,
}

impl<'r> RunFold<'r> {
    fn apply(&mut self, position: u64, at: Timestamp, mark: &'r RunMark) {
        let origin = Origin::Event {
            stream: format!("run/{}", self.run).into(),
            position,
        };
        if !matches!(mark, RunMark::Created(_))
            && let Some(queue) = self.queue.take()
        {
            self.close(queue, at);
            self.queue_ended = Some(at);
        }
        match mark {
            RunMark::Created(head) => {
                let mut wait = self.wait(
                    &format!("{}/queue", self.run),
                    WaitCause::Queue,
                    at,
                    origin.clone(),
                );
                wait.stage = Some(Arc::clone(&head.pipeline));
                self.facts.push(FlowFact::Wait(wait.clone()));
                self.queue = Some(wait);
                if let Some(by) = &head.again {
                    self.by_hand("begin a run again", by, at, origin);
                }
            }
            RunMark::Work => {}
            RunMark::Gates { stage, waiting } => self.gates(stage, waiting, position, at, &origin),
            RunMark::Approved { stage, by } => self.by_hand(&format!("approve {stage}"), by, at, origin),
            RunMark::Started { stage, attempt } => {
                let ready = self.ready(stage, at);
                self.close_all(stage, at);
                let mut pass = self.pass(stage, *attempt, origin);
                pass.ready = Some(ready);
                pass.started = Some(at);
                self.facts.push(FlowFact::StageTime(pass.clone()));
                self.last.insert(stage, pass);
            }
            RunMark::Finished {
                stage,
                attempt,
                yes,
                retry,
            } => {
                let mut pass = self.pass(stage, *attempt, origin.clone());
                pass.finished = Some(at);
                if *attempt > 0 {
                    self.facts.push(FlowFact::StageTime(pass));
                }
                self.ended(stage, at);
                if let Some(yes) = yes {
                    self.said(stage, *yes);
                }
                if *retry {
                    self.open(stage, "retry", None, position, at, &origin);
                }
            }
            RunMark::Reused { stage } => self.end(stage, at),
            RunMark::Skipped { stage, denied } => {
                self.end(stage, at);
                if *denied {
                    self.said(stage, false);
                }
            }
            RunMark::Unknown { stage } => self.open(stage, "decision", None, position, at, &origin),
            RunMark::Decided { stage, by } => {
                self.end(stage, at);
                self.by_hand(&format!("decide what {stage} did"), by, at, origin);
            }
            RunMark::Ended => {
                for wait in std::mem::take(&mut self.waits).into_values() {
                    self.close(wait, at);
                }
            }
        }
    }

    /// Since when the stage could have begun: all before it had ended. Of a later attempt: since the last
    /// one ended, whatever it had to wait for then.
    fn ready(&self, stage: &StageName, started: Timestamp) -> Timestamp {
        if let Some(before) = self.ended.get(stage.as_str()) {
            return *before;
        }
        let after = self.head.and_then(|head| head.after.get(head.planned(stage)));
        let ends = after
            .into_iter()
            .flatten()
            .filter_map(|name| self.ended.get(name.as_str()));
        let ready = ends.max().copied().or(self.queue_ended);
        ready.unwrap_or(started).min(started)
    }

    fn ended(&mut self, stage: &'r StageName, at: Timestamp) {
        self.ended.insert(stage.as_str(), at);
        if let Some(head) = self.head {
            self.ended.insert(head.planned(stage), at);
        }
    }

    fn said(&mut self, stage: &'r StageName, yes: bool) {
        let name = self.head.map_or(stage.as_str(), |head| head.planned(stage));
        *self.judged.entry(name).or_insert(true) &= yes;
    }

    fn gates(
        &mut self,
        stage: &'r StageName,
        waiting: &[(Arc<str>, Option<Arc<str>>)],
        position: u64,
        at: Timestamp,
        origin: &Origin,
    ) {
        let over: Vec<_> = self
            .waits
            .keys()
            .filter(|(of, gate)| *of == stage && !waiting.iter().any(|(name, _)| name == gate))
            .cloned()
            .collect();
        for key in over {
            if let Some(wait) = self.waits.remove(&key) {
                self.close(wait, at);
            }
        }
        for (gate, who) in waiting {
            self.open(stage, gate, who.as_ref(), position, at, origin);
        }
    }

    fn open(
        &mut self,
        stage: &'r StageName,
        gate: &str,
        who: Option<&Arc<str>>,
        position: u64,
        at: Timestamp,
        origin: &Origin,
    ) {
        let key = (stage, Arc::from(gate));
        if self.waits.contains_key(&key) {
            return;
        }
        // Who holds an environment is told by its holds.
        let (cause, on) = if gate == ENVIRONMENT_LOCK {
            (WaitCause::Environment, None)
        } else {
            (WaitCause::named(gate), who.cloned())
        };
        let id = format!("{}/{stage}/{gate}@{position}", self.run);
        let mut wait = self.wait(&id, cause, at, origin.clone());
        wait.stage = Some(stage.as_str().into());
        wait.on = on;
        self.facts.push(FlowFact::Wait(wait.clone()));
        self.waits.insert(key, wait);
    }

    fn wait(&self, id: &str, cause: WaitCause, since: Timestamp, origin: Origin) -> Wait {
        Wait {
            component: self.head.map(|head| Arc::clone(&head.component)),
            item: Some(Arc::clone(self.run)),
            since: Some(since),
            ..Wait::new(id, cause, origin)
        }
    }

    fn close(&mut self, mut wait: Wait, at: Timestamp) {
        wait.until = Some(at);
        self.facts.push(FlowFact::Wait(wait));
    }

    fn close_all(&mut self, stage: &StageName, at: Timestamp) {
        let (over, open) = std::mem::take(&mut self.waits)
            .into_iter()
            .partition(|((of, _), _)| *of == stage);
        self.waits = open;
        let over: BTreeMap<_, _> = over;
        for wait in over.into_values() {
            self.close(wait, at);
        }
    }

    fn end(&mut self, stage: &'r StageName, at: Timestamp) {
        self.close_all(stage, at);
        self.ended(stage, at);
    }

    fn pass(&self, stage: &StageName, attempt: u32, origin: Origin) -> StageTime {
        StageTime {
            component: self.head.map(|head| Arc::clone(&head.component)),
            item: Some(Arc::clone(self.run)),
            stage: Some(stage.as_str().into()),
            by: Some("pipeline".into()),
            ..StageTime::new(format!("{}/{stage}#{attempt}", self.run), origin)
        }
    }

    fn by_hand(&mut self, task: &str, by: &Actor, at: Timestamp, origin: Origin) {
        if *by == Actor::Engine {
            return;
        }
        self.facts.push(FlowFact::ManualWork(ManualWork {
            id: origin.to_string().into(),
            at,
            component: self.head.map(|head| Arc::clone(&head.component)),
            task: task.into(),
            by: Some(by.to_string().into()),
            spent: None,
            automatable: None,
            origin,
        }));
    }

    /// Says of each stage what those right after it made of what they got.
    fn judge(&mut self) {
        let Some(head) = self.head else { return };
        let mut accurate: HashMap<&str, bool> = HashMap::new();
        for (receiver, senders) in &head.after {
            if let Some(&yes) = self.judged.get(&**receiver) {
                for sender in senders {
                    *accurate.entry(sender.as_str()).or_insert(true) &= yes;
                }
            }
        }
        for (stage, pass) in &self.last {
            if let Some(&yes) = accurate.get(head.planned(stage)) {
                self.facts.push(FlowFact::StageTime(StageTime {
                    accurate: Some(yes),
                    ..pass.clone()
                }));
            }
        }
    }
}
