use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::run::{Input, RunState, StageEnd, StageIndex};
use crate::{ArtifactName, ArtifactRef, Digest, FactName, StageName};

/// What decides whether an outcome can be used again: what never changes of the stage, and what it works on. Put
/// together first and hashed in one go: most are a handful of short parts.
#[derive(Debug, Default)]
pub(super) struct Fingerprint(Vec<u8>);

/// The digest of what a stage reports; nothing if it reports nothing.
pub(super) fn facts_digest(facts: &BTreeMap<FactName, Value>) -> Option<Digest> {
    if facts.is_empty() {
        return None;
    }
    let mut all = Fingerprint::default();
    for (name, value) in facts {
        all.put(b'F', name.as_str().as_bytes());
        all.value(value);
    }
    Some(all.finish())
}

impl Fingerprint {
    pub(super) fn of(fixed: &Digest) -> Self {
        let mut fingerprint = Self::default();
        fingerprint.begin(fixed);
        fingerprint
    }

    /// Begins another one in the same memory.
    pub(super) fn begin(&mut self, fixed: &Digest) {
        self.0.clear();
        self.0.extend_from_slice(fixed.as_bytes());
    }

    fn put(&mut self, tag: u8, bytes: &[u8]) {
        // Tag and length come first: where one part ends and the next begins is never in doubt.
        self.0.push(tag);
        let mut length = bytes.len();
        // Seven bits in a byte, the lowest first (LEB128).
        while length > 0x7f {
            self.0.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.0.push(length as u8);
        self.0.extend_from_slice(bytes);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.put(b'0', &[]),
            Value::Bool(truth) => self.put(b'b', &[u8::from(*truth)]),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => self.put(b'u', &number.to_be_bytes()),
                (None, Some(number), _) => self.put(b'i', &number.to_be_bytes()),
                (None, None, number) => self.put(b'f', &number.unwrap_or(f64::NAN).to_be_bytes()),
            },
            Value::String(text) => self.put(b's', text.as_bytes()),
            Value::Array(items) => {
                self.put(b'a', &(items.len() as u64).to_be_bytes());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Object(fields) => {
                self.put(b'o', &(fields.len() as u64).to_be_bytes());
                for (name, value) in fields {
                    self.put(b'n', name.as_bytes());
                    self.value(value);
                }
            }
        }
    }

    pub(super) fn artifact(&mut self, name: &ArtifactName, artifact: &ArtifactRef) {
        self.put(b'A', name.as_str().as_bytes());
        self.put(b'D', artifact.digest.as_bytes());
    }

    /// What a stage before it reported.
    pub(super) fn facts(&mut self, stage: &StageName, facts: &Digest) {
        self.put(b'S', stage.as_str().as_bytes());
        self.put(b'F', facts.as_bytes());
    }

    pub(super) fn item(&mut self, item: Option<&Value>) {
        if let Some(item) = item {
            self.put(b'I', &[]);
            self.value(item);
        }
    }

    pub(super) fn digest(&mut self, tag: u8, digest: Option<&Digest>) {
        if let Some(digest) = digest {
            self.put(tag, digest.as_bytes());
        }
    }

    pub(super) fn finish(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// What the stages of a drive report, as the fingerprints of those after them see it. Each outcome is looked at once,
/// and one that is used again not at all.
#[derive(Debug, Default)]
pub(super) struct Reported(Vec<Known>);

#[derive(Debug, Clone, Copy)]
enum Known {
    NotYet,
    Facts(Option<Digest>),
}

impl Reported {
    /// The digest of what a stage reported that has ended.
    pub(super) fn facts(&mut self, state: &RunState, stage: StageIndex) -> Option<Digest> {
        if let Some(Known::Facts(facts)) = self.0.get(stage as usize) {
            return *facts;
        }
        let outcome = state.view(stage).end()?.outcome()?;
        let facts = facts_digest(&outcome.facts);
        self.learn(stage, facts);
        facts
    }

    /// A stage was decided about; if that old outcome is now its own, its facts are known.
    pub(super) fn reused(&mut self, state: &RunState, input: &Input, facts: Option<Digest>) {
        if let Input::Reusable { stage, outcome, .. } = input
            && let Some(own) = state.view(*stage).end().and_then(StageEnd::outcome)
            && Arc::ptr_eq(own, outcome)
        {
            self.learn(*stage, facts);
        }
    }

    fn learn(&mut self, stage: StageIndex, facts: Option<Digest>) {
        let place = stage as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, Known::NotYet);
        }
        self.0[place] = Known::Facts(facts);
    }

    /// The run went another way than it was thought to.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
