use std::collections::{BTreeMap, HashMap};

use super::look::Look;
use super::text::{one_line, wrapped};
use crate::run::GateVerdict;
use crate::{Decision, Pipeline, PlannedStage, RunPlan, RunState, RunStatus, StageState, StageView};

/// How many characters of a reason are in a line, and how many lines of it are drawn.
const LINE: usize = 28;
const LINES: usize = 3;
/// How many characters of a reason are told in a note.
const NOTE: usize = 1000;
/// How many artifacts an arrow names.
const NAMED: usize = 5;

/// A pipeline or a run, ready to be written as [DOT](Drawing::to_dot) or [Mermaid](Drawing::to_mermaid).
///
/// See the [module](crate::draw) for what is drawn, and how.
///
/// ```
/// use pipeline_core::draw::Drawing;
/// # use pipeline_core::testing::ScriptedStage;
/// use pipeline_core::{Effect, Pipeline, StageSpec};
/// # let [build, test] = [(); 2].map(|()| ScriptedStage::new(Effect::Pure));
///
/// let pipeline = Pipeline::builder("edge-proxy")
///     .stage(StageSpec::new("build", build).produces(["bundle"]))
///     .stage(StageSpec::new("test", test).needs(["bundle"]))
///     .build()?;
/// let dot = Drawing::of_pipeline(&pipeline).to_dot();
/// assert!(dot.contains(r#""build" -> "test" [label="bundle"];"#));
/// let mermaid = Drawing::of_pipeline(&pipeline).to_mermaid();
/// assert!(mermaid.contains(r#"s0 -->|"bundle"| s1"#));
/// # Ok::<(), pipeline_core::PipelineError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Drawing {
    pub(super) title: String,
    pub(super) nodes: Vec<Node>,
    /// Environments that stages target, by name.
    pub(super) groups: Vec<Group>,
    /// By the stage that they lead to.
    pub(super) edges: Vec<Edge>,
}

/// A stage.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) name: String,
    /// What is written below the name.
    pub(super) lines: Vec<String>,
    /// More than there is room for.
    pub(super) note: String,
    pub(super) look: Option<Look>,
    pub(super) grouped: bool,
}

/// An environment.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) members: Vec<usize>,
}

/// A stage waits for another.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The artifacts that are the reason.
    pub(super) artifacts: Vec<String>,
}

impl Drawing {
    /// A pipeline, before any run.
    pub fn of_pipeline(pipeline: &Pipeline) -> Self {
        Self::of_plan(&pipeline.plan())
    }

    /// A run plan. Stages that it names and does not have are left out.
    pub fn of_plan(plan: &RunPlan) -> Self {
        Self::new(plan, format!("pipeline {}", plan.pipeline), |_, stage| Node {
            lines: vec![type_of(stage), planned_gates(stage)],
            ..Node::of(stage)
        })
    }

    /// A run, as it stands.
    pub fn of_run(state: &RunState) -> Self {
        let plan = state.plan();
        let status = status_word(state.status());
        let title = format!("run {} of pipeline {}: {status}", state.id(), plan.pipeline);
        let mut views = state.stages();
        Self::new(plan, title, |_, stage| match views.next() {
            Some(view) => Node::of_view(&view),
            None => Node::of(stage),
        })
    }

    fn new(plan: &RunPlan, title: String, mut node: impl FnMut(usize, &PlannedStage) -> Node) -> Self {
        let index: HashMap<_, _> = plan.stages.iter().map(|stage| &stage.name).zip(0..).collect();
        let mut producers = HashMap::new();
        let mut members: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, stage) in plan.stages.iter().enumerate() {
            producers.extend(stage.produces.iter().map(|artifact| (artifact, at)));
            if let Some(environment) = &stage.environment {
                members.entry(environment).or_default().push(at);
            }
        }
        let mut edges = Vec::new();
        for (to, stage) in plan.stages.iter().enumerate() {
            let mut before: Vec<usize> = stage
                .after
                .iter()
                .filter_map(|name| index.get(name).copied())
                .collect();
            before.sort_unstable();
            edges.extend(before.into_iter().map(|from| {
                let due = stage
                    .needs
                    .iter()
                    .filter(|artifact| producers.get(artifact) == Some(&from));
                let artifacts = shortened(due.map(ToString::to_string).collect());
                Edge { from, to, artifacts }
            }));
        }
        let groups = members.into_iter().map(|(name, members)| Group {
            label: match plan.environments.get(name) {
                Some(known) if known.tier.to_string() != name.as_str() => {
                    format!("environment {name} ({})", known.tier)
                }
                _ => format!("environment {name}"),
            },
            name: name.to_string(),
            members,
        });
        Self {
            title,
            nodes: plan
                .stages
                .iter()
                .enumerate()
                .map(|(at, stage)| node(at, stage))
                .collect(),
            groups: groups.collect(),
            edges,
        }
    }
}

impl Node {
    fn of(stage: &PlannedStage) -> Self {
        Self {
            name: stage.name.to_string(),
            lines: Vec::new(),
            note: String::new(),
            look: None,
            grouped: stage.environment.is_some(),
        }
    }

    fn of_view(view: &StageView<'_>) -> Self {
        let stage = view.planned();
        let word = view.state().word();
        let look = Look::of(word);
        let (verdicts, reason) = match view.state() {
            StageState::Held { verdicts, .. } => (&**verdicts, what_holds(verdicts)),
            StageState::Unknown { reason, .. } => (evaluated(view), reason.to_string()),
            _ => (
                evaluated(view),
                view.end().map(|end| end.reason()).unwrap_or_default(),
            ),
        };
        let mut lines = vec![type_of(stage)];
        if verdicts.is_empty() {
            lines.push(planned_gates(stage));
        } else {
            lines.extend(verdicts.iter().map(verdict_line));
        }
        let again = match view.attempts() {
            0 | 1 => String::new(),
            attempts => format!(", attempt {attempts}"),
        };
        lines.push(format!("{} {word}{again}", look.symbol));
        lines.extend(wrapped(&reason, LINE, LINES));
        Self {
            lines,
            note: one_line(&reason, NOTE),
            look: Some(look),
            ..Self::of(stage)
        }
    }
}

fn type_of(stage: &PlannedStage) -> String {
    format!("{}@{}", stage.type_name, stage.version)
}

/// The gates that a plan tells of; empty when there are none.
fn planned_gates(stage: &PlannedStage) -> String {
    let gates = stage
        .gates
        .iter()
        .map(|gate| format!("{}@{}", gate.type_name, gate.version));
    match shortened(gates.collect()).join(", ") {
        none if none.is_empty() => none,
        some => format!("gates: {some}"),
    }
}

fn evaluated<'a>(view: &StageView<'a>) -> &'a [GateVerdict] {
    view.gates().map_or(&[], |gates| &gates.verdicts)
}

fn verdict_line(gate: &GateVerdict) -> String {
    let (symbol, word) = match gate.verdict.decision {
        Decision::Allow => ('✔', "allows"),
        Decision::Wait => ('◆', "waits"),
        Decision::Deny => ('⊘', "denies"),
    };
    one_line(&format!("{symbol} gate {} {word}", gate.gate), 2 * LINE)
}

/// The reason of the first gate that does not allow.
fn what_holds(verdicts: &[GateVerdict]) -> String {
    let mut holding = verdicts.iter().filter(|gate| !gate.verdict.allows());
    holding
        .next()
        .map(|gate| gate.verdict.reason.clone())
        .unwrap_or_default()
}

fn shortened(mut names: Vec<String>) -> Vec<String> {
    if names.len() > NAMED {
        let more = names.len() - NAMED;
        names.truncate(NAMED);
        names.push(format!("and {more} more"));
    }
    names
}

fn status_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Waiting => "waiting",
        RunStatus::NeedsDecision => "needs a decision",
        RunStatus::Parked => "parked",
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
    }
}
