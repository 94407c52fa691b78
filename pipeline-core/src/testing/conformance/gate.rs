//! The suite for gates.

use super::Report;
use crate::evidence::{Evidence, EvidenceSet};
use crate::gate::{AnyGate, Decision, Gate, GateRequest, Verdict};
use crate::{Digest, SignedDuration, Timestamp};

mod p {
    use crate::testing::conformance::promises::promises;

    promises! {
        DOES_NOT_PANIC = "does-not-panic": "it answers whatever it is asked";
        IS_PURE = "is-pure": "equal arguments give equal needs, verdicts and uses, in any order and on any thread";
        NEEDS_EVIDENCE = "needs-evidence": "while evidence that it needs is missing, stale or about something else, it does not allow";
        GIVES_REASONS = "gives-reasons": "every verdict says why";
        EXPLAINS_WAITS = "explains-waits": "a wait says who can change it, or when it can change by itself";
        WAITS_TRULY = "waits-truly": "a wait does not become an allow by itself before the time that it names, which lies ahead; without one, never";
        DENIES_FOR_GOOD = "denies-for-good": "time makes no allow of a deny";
        USES_WHAT_COUNTS = "uses-what-counts": "it uses each approval once, and only such as exist and count";
        USES_WHAT_IT_COUNTED = "uses-what-it-counted": "when it allowed because of approvals, it does not allow once those that it uses are used up";
    }
}

/// One question to a gate.
#[derive(Debug, Clone)]
pub struct GateCase {
    /// What it is, in words.
    pub name: String,
    /// What the gate is asked about.
    pub request: GateRequest,
    /// What was gathered.
    pub evidence: Vec<Evidence>,
    /// The time of the question.
    pub now: Timestamp,
}

impl GateCase {
    /// A question without evidence.
    pub fn new(name: impl Into<String>, request: GateRequest, now: Timestamp) -> Self {
        Self {
            name: name.into(),
            request,
            evidence: Vec::new(),
            now,
        }
    }

    /// The same question with evidence.
    #[must_use]
    pub fn evidence(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    fn decide(&self, gate: &AnyGate) -> Verdict {
        self.decide_at(gate, self.now)
    }

    fn decide_at(&self, gate: &AnyGate, now: Timestamp) -> Verdict {
        gate.decide(&self.request, &EvidenceSet::new(self.evidence.clone()), now)
    }
}

/// Checks a gate against the contract of [`Gate`], with questions that its author asks. Among them should be one for
/// each sort of verdict, and for one that allows, the evidence and the approvals that it takes; the suite
/// takes them away again.
///
/// ```
/// use pipeline_core::testing::conformance::{self, GateCase};
/// use pipeline_core::{EvidenceSet, Gate, GateRequest, Timestamp, Verdict};
///
/// #[derive(Debug)]
/// struct NotBefore(Timestamp);
///
/// impl Gate for NotBefore {
///     const TYPE: &'static str = "not-before";
///
///     fn decide(&self, _: &GateRequest, _: &EvidenceSet, now: Timestamp) -> Verdict {
///         match now >= self.0 {
///             true => Verdict::allow("it is time"),
///             false => Verdict::wait("it is not yet time"), // who can change it, or when does it change?
///         }
///     }
/// }
///
/// # let request: GateRequest = serde_json::from_value(serde_json::json!({
/// #     "run": "r", "pipeline": "p", "component": "c", "stage": "deploy", "environment": null, "tier": null,
/// #     "requested_by": "person:carol", "requested_at": "2026-11-20T12:00:00Z", "action_plan": null,
/// #     "subject": pipeline_core::Digest::of(b"what would be done"), "approvals": [] }))?;
/// let gate = NotBefore("2026-11-20T12:00:00Z".parse()?);
/// let early = GateCase::new("too early", request.clone(), "2026-11-20T11:00:00Z".parse()?);
/// let late = GateCase::new("late enough", request, "2026-11-20T13:00:00Z".parse()?);
/// let report = conformance::gate(gate, &[early, late]);
/// assert_eq!(report.broken(), ["explains-waits", "waits-truly"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn gate(gate: impl Gate, cases: &[GateCase]) -> Report {
    let gate = AnyGate::new(gate);
    let mut report = Report::new(format!("gate `{}`", gate.type_name()), p::ALL);
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pure(&mut report, &gate, cases);
        for case in cases {
            one(&mut report, &gate, case);
        }
    }));
    let found = asked.map_err(|_| "a question made it panic".to_owned());
    report.check(p::DOES_NOT_PANIC, found);
    report.not_tried(&[p::EXPLAINS_WAITS, p::WAITS_TRULY], "no case makes it wait");
    report.not_tried(&[p::DENIES_FOR_GOOD], "no case makes it deny");
    report.not_tried(&[p::NEEDS_EVIDENCE], "no case that it allows needs evidence");
    report.not_tried(
        &[p::USES_WHAT_COUNTS, p::USES_WHAT_IT_COUNTED],
        "no case that it allows has approvals",
    );
    report
}

type Answer = (Vec<crate::EvidenceNeed>, Verdict, Vec<usize>);

fn answer(gate: &AnyGate, case: &GateCase) -> Answer {
    (
        gate.needs(&case.request),
        case.decide(gate),
        gate.uses(&case.request, case.now),
    )
}

/// Asks everything forwards, backwards, and on another thread; the computer's clock goes on meanwhile.
fn pure(report: &mut Report, gate: &AnyGate, cases: &[GateCase]) {
    let first: Vec<Answer> = cases.iter().map(|case| answer(gate, case)).collect();
    let mut back: Vec<Answer> = cases.iter().rev().map(|case| answer(gate, case)).collect();
    back.reverse();
    let elsewhere: Vec<Answer> = std::thread::scope(|scope| {
        let ask = || cases.iter().map(|case| answer(gate, case)).collect::<Vec<_>>();
        scope.spawn(ask).join().unwrap_or_default()
    });
    for (case, ((first, back), elsewhere)) in cases.iter().zip(first.iter().zip(&back).zip(&elsewhere)) {
        for (other, when) in [(back, "after other questions"), (elsewhere, "on another thread")] {
            let found = match first == other {
                true => Ok(()),
                false => Err(format!("{}: another answer {when}", case.name)),
            };
            report.check(p::IS_PURE, found);
        }
    }
}

fn one(report: &mut Report, gate: &AnyGate, case: &GateCase) {
    let verdict = case.decide(gate);
    let name = &case.name;
    let found = match verdict.reason.trim().is_empty() {
        true => Err(format!("{name}: it says {:?} and nothing more", verdict.decision)),
        false => Ok(()),
    };
    report.check(p::GIVES_REASONS, found);
    match verdict.decision {
        Decision::Allow => {
            evidence(report, gate, case);
            approvals(report, gate, case);
        }
        Decision::Wait => waits(report, gate, case, &verdict),
        Decision::Deny => {
            for later in LATER {
                let then = case.now.saturating_add(later).unwrap_or(Timestamp::MAX);
                let found = match case.decide_at(gate, then).allows() {
                    true => Err(format!("{name}: denied at {}, allowed at {then}", case.now)),
                    false => Ok(()),
                };
                report.check(p::DENIES_FOR_GOOD, found);
            }
        }
    }
}

/// How far ahead is looked.
const LATER: [SignedDuration; 5] = [
    SignedDuration::from_nanos(1),
    SignedDuration::from_mins(1),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(24),
    SignedDuration::from_hours(24 * 400),
];

/// Makes evidence useless.
type Spoil<'a> = dyn Fn(&mut Vec<Evidence>) + 'a;

fn evidence(report: &mut Report, gate: &AnyGate, case: &GateCase) {
    for need in gate.needs(&case.request) {
        let fits = |one: &Evidence| one.kind == need.kind && one.subject == need.subject;
        let missing = |evidence: &mut Vec<Evidence>| evidence.retain(|one| !fits(one));
        let stale = |evidence: &mut Vec<Evidence>| {
            for one in evidence.iter_mut().filter(|one| fits(one)) {
                one.valid_until = Some(case.now);
            }
        };
        let foreign = |evidence: &mut Vec<Evidence>| {
            for one in evidence.iter_mut().filter(|one| fits(one)) {
                one.subject = Digest::of(b"something else");
            }
        };
        let ways: [(&str, &Spoil<'_>); 3] = [
            ("is missing", &missing),
            ("is stale", &stale),
            ("is about something else", &foreign),
        ];
        for (how, change) in ways {
            let mut without = case.clone();
            change(&mut without.evidence);
            let found = match without.decide(gate).allows() {
                true => Err(format!("{}: it allows although evidence {need} {how}", case.name)),
                false => Ok(()),
            };
            report.check(p::NEEDS_EVIDENCE, found);
        }
    }
}

fn waits(report: &mut Report, gate: &AnyGate, case: &GateCase, verdict: &Verdict) {
    let name = &case.name;
    let named = verdict.who.iter().any(|who| !who.trim().is_empty());
    let found = match named || verdict.earliest.is_some() {
        true => Ok(()),
        false => Err(format!(
            "{name}: `{}`: nobody and no time is named",
            verdict.reason
        )),
    };
    report.check(p::EXPLAINS_WAITS, found);
    let allowed = |then: Timestamp| match case.decide_at(gate, then).allows() {
        true => Err(format!("{name}: waits at {}, allowed at {then}", case.now)),
        false => Ok(()),
    };
    match verdict.earliest {
        Some(earliest) if earliest <= case.now => {
            let found = Err(format!(
                "{name}: at {}, it waits for {earliest}, which is past",
                case.now
            ));
            report.check(p::WAITS_TRULY, found);
        }
        Some(earliest) => {
            let half = case.now.duration_until(earliest) / 2;
            for then in [
                case.now.saturating_add(half),
                earliest.saturating_sub(SignedDuration::from_nanos(1)),
            ] {
                report.check(p::WAITS_TRULY, allowed(then.unwrap_or(case.now)));
            }
        }
        None => {
            for later in LATER {
                let then = case.now.saturating_add(later).unwrap_or(Timestamp::MAX);
                report.check(p::WAITS_TRULY, allowed(then));
            }
        }
    }
}

fn approvals(report: &mut Report, gate: &AnyGate, case: &GateCase) {
    let request = &case.request;
    if request.approvals.is_empty() {
        return;
    }
    let name = &case.name;
    let uses = gate.uses(request, case.now);
    let mut seen = Vec::new();
    let found = uses.iter().try_for_each(|&index| {
        let Some(approval) = request.approvals.get(index) else {
            let count = request.approvals.len();
            return Err(format!(
                "{name}: it uses approval {index} of {count}, counted from 0"
            ));
        };
        if seen.contains(&index) {
            return Err(format!("{name}: it uses approval {index} twice"));
        }
        seen.push(index);
        match approval.counts(&request.subject, case.now) {
            true => Ok(()),
            false => Err(format!(
                "{name}: it uses approval {index}, which is expired, used, or of something else"
            )),
        }
    });
    let sound = found.is_ok();
    report.check(p::USES_WHAT_COUNTS, found);

    let mut without = case.clone();
    without.request.approvals.clear();
    if !sound || without.decide(gate).allows() {
        return; // it did not allow because of them
    }
    let mut after = case.clone();
    for index in uses {
        after.request.approvals[index].used = true;
    }
    let found = match after.decide(gate).allows() {
        true => Err(format!(
            "{name}: with all that it uses used up, it allows once more"
        )),
        false => Ok(()),
    };
    report.check(p::USES_WHAT_IT_COUNTED, found);
}
