use super::node::{Data, Node};
use super::reader::Reader;
use crate::pipeline::{PipelineBuilder, StageSpec};
use crate::registry::nearest;
use crate::{
    Each, FactName, Failure, FailurePolicy, Items, QueueMode, RetryPolicy, RunLimits, SignedDuration,
    StageName, When,
};

const RUNS: [(&str, QueueMode); 3] = [
    ("parallel", QueueMode::Parallel),
    ("queue", QueueMode::Queue),
    ("supersede", QueueMode::Supersede),
];

const POLICIES: [(&str, FailurePolicy); 3] = [
    ("finish", FailurePolicy::Finish),
    ("stop", FailurePolicy::Stop),
    ("continue", FailurePolicy::Continue),
];

const WHEN: [(&str, When); 3] = [
    ("success", When::Success),
    ("always", When::Always),
    ("failure", When::Failure),
];

const FAILURES: [(&str, Failure); 3] = [
    ("failed", Failure::Failed),
    ("errored", Failure::Errored),
    ("unknown", Failure::Unknown),
];

const RETRY_KEYS: [&str; 7] = ["attempts", "on", "delay", "factor", "most", "jitter", "budget"];

const EACH_KEYS: [&str; 3] = ["stage", "fact", "most"];

/// How a pipeline and its stages run.
impl<'a> Reader<'a> {
    /// The rules of the whole pipeline.
    pub(super) fn rules(&mut self, node: &'a Node, builder: PipelineBuilder) -> PipelineBuilder {
        let runs = self.choice(node, "runs", &RUNS).unwrap_or_default();
        let policy = self.choice(node, "on-failure", &POLICIES).unwrap_or_default();
        let limits = RunLimits {
            parallel: self.count_of(node, "parallel"),
            timeout_seconds: self.seconds(node, "timeout"),
            clean_up_seconds: self.seconds(node, "clean-up-timeout"),
        };
        builder.runs(runs).on_failure(policy).limits(limits)
    }

    /// The pools: a table of names and how many slots each has.
    pub(super) fn pools(&mut self, root: &'a Node, mut builder: PipelineBuilder) -> PipelineBuilder {
        let Some(node) = root.table().and_then(|table| table.get("pools")) else {
            return builder;
        };
        if node.table().is_none() {
            let hint = Some("write `[pools]` and `NAME = 1` below it".to_owned());
            self.expected(node, "pools", "a table", hint);
        }
        for (name, value) in node.entries() {
            if let Some(capacity) = self.whole(value, &format!("pools.{name}")) {
                builder = builder.pool(name, capacity);
            }
        }
        builder
    }

    /// The rules of a stage.
    pub(super) fn stage_rules(&mut self, node: &'a Node, mut spec: StageSpec) -> StageSpec {
        let pools = self.names(node, "pools");
        spec = spec.pools(pools.into_iter().map(|listed| listed.name));
        spec = spec.when(self.choice(node, "when", &WHEN).unwrap_or_default());
        if let Some(policy) = self.retry(node) {
            spec = spec.retry(policy);
        }
        match self.each(node) {
            Some(each) => spec.each(each),
            None => spec,
        }
    }

    fn retry(&mut self, node: &'a Node) -> Option<RetryPolicy> {
        let value = node.table()?.get("retry")?;
        let hint = || Some("write `retry = { attempts = 3 }`".to_owned());
        if value.table().is_none() {
            self.expected(value, "retry", "a table", hint());
            return None;
        }
        self.known_keys(value, "`retry`", &RETRY_KEYS);
        if self.lacks(value, "attempts") {
            self.find(value.start, "`retry` has no `attempts`".to_owned(), hint());
        }
        let mut policy = RetryPolicy::new(self.count_of(value, "attempts")?);
        if !self.lacks(value, "on") {
            policy.on = self
                .names(value, "on")
                .iter()
                .filter_map(|listed| self.one_of(value, "on", &listed.name, &FAILURES))
                .collect();
        }
        policy.delay_seconds = self.seconds(value, "delay").unwrap_or(policy.delay_seconds);
        policy.most_seconds = self.seconds(value, "most").unwrap_or(policy.most_seconds);
        policy.factor = self.count_of(value, "factor").unwrap_or(policy.factor);
        if let Some(percent) = self.count_of(value, "jitter") {
            policy.jitter_percent = u8::try_from(percent).unwrap_or(u8::MAX);
        }
        policy.budget_seconds = self.seconds(value, "budget");
        Some(policy)
    }

    /// A list as it is, or where it comes from.
    fn each(&mut self, node: &'a Node) -> Option<Each> {
        let value = node.table()?.get("each")?;
        if let Some(elements) = value.array() {
            return Some(Each::values(elements.iter().map(Node::json)));
        }
        let hint =
            || Some("write `each = [\"a\", \"b\"]`, or `each = { stage = \"…\", fact = \"…\" }`".to_owned());
        if value.table().is_none() {
            self.expected(value, "each", "an array or a table", hint());
            return None;
        }
        self.known_keys(value, "`each`", &EACH_KEYS);
        for key in ["stage", "fact"] {
            if self.lacks(value, key) {
                self.find(value.start, format!("`each` has no `{key}`"), hint());
            }
        }
        let (stage, fact) = (self.text(value, "stage")?, self.text(value, "fact")?);
        let stage = StageName::new(stage).map_err(|error| self.find(value.start, error.to_string(), None));
        let fact = FactName::new(fact).map_err(|error| self.find(value.start, error.to_string(), None));
        let mut each = Each {
            items: Items::Fact {
                stage: stage.ok()?,
                fact: fact.ok()?,
            },
            ..Each::values(Vec::<serde_json::Value>::new())
        };
        each.most = self.count_of(value, "most").unwrap_or(each.most);
        Some(each)
    }

    fn choice<T: Copy>(&mut self, node: &'a Node, key: &str, known: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, key)?;
        self.one_of(node, key, text, known)
    }

    fn one_of<T: Copy>(&mut self, node: &'a Node, key: &str, text: &str, known: &[(&str, T)]) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            let hint = match nearest(text, names.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("known are `{}`", names.join("`, `")),
            };
            let offset = node
                .table()
                .and_then(|table| table.get(key))
                .map_or(node.start, |value| value.start);
            self.find(offset, format!("`{key}` cannot be `{text}`"), Some(hint));
        }
        found.map(|(_, value)| *value)
    }

    fn count_of(&mut self, node: &'a Node, key: &str) -> Option<u32> {
        let value = node.table()?.get(key)?;
        self.whole(value, key)
    }

    fn whole(&mut self, value: &Node, what: &str) -> Option<u32> {
        let number = match &value.data {
            Data::Scalar { value, .. } => value.as_u64(),
            _ => None,
        };
        match number.map(u32::try_from) {
            Some(Ok(number)) => Some(number),
            Some(Err(_)) => {
                self.find(value.start, format!("`{what}` is too large"), None);
                None
            }
            None => {
                self.expected(value, what, "a whole number", None);
                None
            }
        }
    }

    /// A duration in whole seconds, rounded up.
    fn seconds(&mut self, node: &'a Node, key: &str) -> Option<u64> {
        let duration = self.duration(node, key)?;
        if duration.is_negative() {
            let offset = node.table()?.get(key)?.start;
            self.find(offset, format!("`{key}` is less than nothing"), None);
        }
        let up = u64::from(duration.subsec_nanos() > 0);
        Some(u64::try_from(duration.as_secs()).unwrap_or(0) + up)
    }

    pub(super) fn duration(&mut self, node: &'a Node, key: &str) -> Option<SignedDuration> {
        let value = node.table()?.get(key)?;
        let hint = || Some("write a duration such as \"90s\", \"5m\" or \"1h30m\"".to_owned());
        let Some(text) = value.text() else {
            self.expected(value, key, "a text", hint());
            return None;
        };
        match text.parse() {
            Ok(duration) => Some(duration),
            Err(_) => {
                self.find(value.start, format!("`{text}` is not a duration"), hint());
                None
            }
        }
    }
}
