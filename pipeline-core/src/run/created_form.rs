use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::event::{Purpose, RunCreated};
use crate::{Digest, EnvironmentName, Revision, RunId, RunPlan, StageName};

/// [`RunCreated`] as it is read, with its plan or with what is made of it.
#[derive(Deserialize)]
pub(super) struct CreatedForm<P> {
    plan: P,
    plan_digest: Digest,
    #[serde(default)]
    purpose: Purpose,
    #[serde(default)]
    revision: Option<Revision>,
    #[serde(default)]
    source: Option<Digest>,
    #[serde(default)]
    revisions: BTreeMap<EnvironmentName, Vec<Revision>>,
    #[serde(default)]
    rollback: bool,
    #[serde(default)]
    again: Option<RunId>,
    #[serde(default)]
    durations: BTreeMap<StageName, u32>,
}

impl<P> CreatedForm<P> {
    fn over(self, plan: Arc<RunPlan>) -> RunCreated {
        RunCreated {
            plan,
            plan_digest: self.plan_digest,
            purpose: self.purpose,
            revision: self.revision,
            source: self.source,
            revisions: self.revisions,
            rollback: self.rollback,
            again: self.again,
            durations: self.durations,
        }
    }
}

impl From<CreatedForm<Arc<RunPlan>>> for RunCreated {
    fn from(form: CreatedForm<Arc<RunPlan>>) -> Self {
        let plan = Arc::clone(&form.plan);
        form.over(plan)
    }
}

impl RunCreated {
    /// Reads the JSON of a run that has a plan which is known: the plan is most of the text, and is passed over. `None`
    /// when the run has another plan, or the text is something else.
    #[cfg(feature = "runtime")]
    pub(super) fn over_known(json: &str, plan: &Arc<RunPlan>, digest: Digest) -> Option<Self> {
        let form: CreatedForm<serde::de::IgnoredAny> = serde_json::from_str(json).ok()?;
        (form.plan_digest == digest).then(|| form.over(Arc::clone(plan)))
    }
}

#[cfg(test)]
#[cfg(feature = "runtime")]
mod tests {
    use super::*;
    use crate::{Effect, Outcome, Pipeline, Stage, StageContext, StageSpec};

    #[derive(Debug, serde::Serialize)]
    struct Nothing;

    impl Stage for Nothing {
        const TYPE: &'static str = "nothing";
        type Error = std::convert::Infallible;

        fn effect(&self) -> Effect {
            Effect::Idempotent
        }

        async fn run(&self, _: &StageContext) -> Result<Outcome, Self::Error> {
            Ok(Outcome::succeeded())
        }
    }

    fn plan(stages: &[&str]) -> Arc<RunPlan> {
        let builder = stages.iter().fold(Pipeline::builder("p"), |builder, name| {
            builder.stage(StageSpec::new(name, Nothing))
        });
        builder.build().unwrap().plan()
    }

    #[test]
    fn a_known_plan_stands_for_the_one_in_the_text() {
        let (own, other) = (plan(&["a", "b"]), plan(&["a"]));
        let created = RunCreated {
            source: Some(Digest::of("source")),
            rollback: true,
            durations: BTreeMap::from([(StageName::new("a").unwrap(), 7)]),
            ..RunCreated::new(Arc::clone(&own)).unwrap()
        };
        let json = serde_json::to_string(&created).unwrap();
        assert_eq!(serde_json::from_str::<RunCreated>(&json).unwrap(), created);
        let digest = created.plan_digest;
        let read = RunCreated::over_known(&json, &own, digest).unwrap();
        assert!(Arc::ptr_eq(&read.plan, &own));
        assert_eq!(read, created);
        let digest = other.digest().unwrap();
        assert_eq!(RunCreated::over_known(&json, &other, digest), None);
        assert_eq!(
            RunCreated::over_known(&json[1..], &own, created.plan_digest),
            None
        );
    }
}
