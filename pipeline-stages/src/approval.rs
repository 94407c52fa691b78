use std::collections::{BTreeMap, BTreeSet};

use pipeline_core::{Actor, Approval, EvidenceSet, Gate, GateRequest, Timestamp, Verdict};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Opens when enough persons have approved exactly what would be done.
///
/// ```toml
/// type = "approval"
/// count = 2                          # 1 unless said otherwise
/// approvers = ["alice", "bob"]       # anybody unless said otherwise
/// not-requester = true               # who asked for the run may not approve it; so unless said otherwise
/// ```
///
/// An approval counts while it names the digest of the action plan that would be carried out now, has not
/// expired and was not used. Each person counts once, a service and the engine never. All approvals that
/// count are used up when the stage starts, also those beyond `count`, so that none is left over for a
/// second start.
///
/// ```
/// use pipeline_core::{Decision, EvidenceSet, Gate};
/// use pipeline_stages::ApprovalGate;
/// # let request: pipeline_core::GateRequest = serde_json::from_value(serde_json::json!({
/// #     "run": "r", "pipeline": "p", "component": "c", "stage": "deploy", "environment": null, "tier": null,
/// #     "requested_by": "person:carol", "requested_at": "2026-11-20T12:00:00Z", "action_plan": null,
/// #     "subject": pipeline_core::Digest::of(b"what would be done"), "approvals": [] }))?;
/// # let now = "2026-11-20T12:00:00Z".parse()?;
///
/// let gate = ApprovalGate::new(2).approvers(["alice", "bob"]);
/// let verdict = gate.decide(&request, &EvidenceSet::default(), now);
/// assert_eq!(verdict.decision, Decision::Wait);
/// assert!(verdict.reason.starts_with("0 of 2 approvals"));
/// assert_eq!(verdict.who, ["alice", "bob"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", deny_unknown_fields)]
pub struct ApprovalGate {
    #[serde(default = "one")]
    count: u32,
    #[serde(default)]
    approvers: BTreeSet<String>,
    #[serde(default = "yes")]
    not_requester: bool,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// What the approvals of a request amount to.
struct Tally<'a> {
    /// For each person whose approval counts, which of the request's approvals those are.
    counted: BTreeMap<&'a str, Vec<usize>>,
    expired: usize,
    used: usize,
    void: usize,
}

impl ApprovalGate {
    /// This many persons must approve, whoever they are, except who asked for the run.
    pub fn new(count: u32) -> Self {
        Self {
            count: count.max(1),
            approvers: BTreeSet::new(),
            not_requester: true,
        }
    }

    /// Only these may approve.
    #[must_use]
    pub fn approvers(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.approvers.extend(names.into_iter().map(Into::into));
        self
    }

    /// Who asked for the run may approve, too.
    #[must_use]
    pub fn requester_may_approve(mut self) -> Self {
        self.not_requester = false;
        self
    }

    fn may_approve(&self, request: &GateRequest, approval: &Approval) -> bool {
        let Actor::Person(name) = &approval.by else {
            return false;
        };
        let listed = self.approvers.is_empty() || self.approvers.contains(&**name);
        listed && !(self.not_requester && approval.by == request.requested_by)
    }

    fn tally<'a>(&self, request: &'a GateRequest, now: Timestamp) -> Tally<'a> {
        let mut tally = Tally {
            counted: BTreeMap::new(),
            expired: 0,
            used: 0,
            void: 0,
        };
        for (index, approval) in request.approvals.iter().enumerate() {
            if approval.stage != request.stage || !self.may_approve(request, approval) {
                continue;
            }
            if approval.counts(&request.subject, now) {
                tally.counted.entry(approval.by.name()).or_default().push(index);
            } else if approval.used {
                tally.used += 1;
            } else if approval.action_plan != request.subject {
                tally.void += 1;
            } else {
                tally.expired += 1;
            }
        }
        tally
    }

    /// Those who may still approve.
    fn who(&self, request: &GateRequest, tally: &Tally<'_>) -> Vec<String> {
        let requester = match &request.requested_by {
            Actor::Person(name) if self.not_requester => Some(&**name),
            _ => None,
        };
        if self.approvers.is_empty() {
            return vec![match requester {
                Some(name) => format!("anybody but {name}"),
                None => "anybody".to_owned(),
            }];
        }
        let open =
            |name: &&String| Some(name.as_str()) != requester && !tally.counted.contains_key(name.as_str());
        self.approvers.iter().filter(open).cloned().collect()
    }

    fn enough(&self, persons: usize) -> bool {
        usize::try_from(self.count).is_ok_and(|count| persons >= count)
    }

    fn check(&self) -> Result<(), String> {
        if self.count == 0 {
            return Err("`count` is 0: leave the gate out instead".to_owned());
        }
        let blank = |name: &String| name.trim().is_empty() || name.contains(':');
        if let Some(name) = self.approvers.iter().find(|name| blank(name)) {
            return Err(format!("`{name}` under `approvers` is no person's name"));
        }
        if !self.approvers.is_empty() && !self.enough(self.approvers.len()) {
            let (count, few) = (self.count, self.approvers.len());
            return Err(format!("`count` is {count}, but only {few} may approve"));
        }
        Ok(())
    }
}

impl Gate for ApprovalGate {
    const TYPE: &'static str = "approval";

    fn decide(&self, request: &GateRequest, _: &EvidenceSet, now: Timestamp) -> Verdict {
        let tally = self.tally(request, now);
        let given = tally.counted.len();
        let subject = request.subject.short();
        let what = match request.action_plan {
            Some(_) => format!("action plan {subject}"),
            None => format!("inputs {subject}"),
        };
        if self.enough(given) {
            let names: Vec<_> = tally.counted.keys().copied().collect();
            return Verdict::allow(format!("{what} is approved by {}", names.join(", ")));
        }
        let who = self.who(request, &tally);
        if !self.approvers.is_empty() && !self.enough(given + who.len()) {
            let names: Vec<_> = self.approvers.iter().map(String::as_str).collect();
            return Verdict::deny(format!(
                "{} of {} must approve, but {} asked for the run and may not",
                self.count,
                names.join(", "),
                request.requested_by.name(),
            ));
        }
        let mut reason = format!("{given} of {} approvals of {what}", self.count);
        let others = [
            (tally.expired, "expired"),
            (tally.void, "of something else"),
            (tally.used, "used already"),
        ];
        let others = others.iter().filter(|(number, _)| *number > 0);
        let others: Vec<_> = others.map(|(number, why)| format!("{number} {why}")).collect();
        if !others.is_empty() {
            reason.push_str(&format!(" (not counted: {})", others.join(", ")));
        }
        Verdict::wait(reason).who(who)
    }

    fn uses(&self, request: &GateRequest, now: Timestamp) -> Vec<usize> {
        let tally = self.tally(request, now);
        if !self.enough(tally.counted.len()) {
            return Vec::new();
        }
        let mut uses: Vec<_> = tally.counted.into_values().flatten().collect();
        uses.sort_unstable();
        uses
    }
}

// `remote = "Self"` makes the derived code inherent functions, so that it can be followed by a check.
impl<'de> Deserialize<'de> for ApprovalGate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let gate = Self::deserialize(deserializer)?;
        gate.check().map_err(D::Error::custom)?;
        Ok(gate)
    }
}

impl Serialize for ApprovalGate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}
