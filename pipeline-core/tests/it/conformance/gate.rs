use std::sync::atomic::{AtomicU32, Ordering};

use pipeline_core::testing::conformance::{self, GateCase, Report};
use pipeline_core::{
    Actor, Approval, Digest, Evidence, EvidenceNeed, EvidenceSet, Gate, GateRequest, SignedDuration,
    Timestamp, Verdict,
};
use serde_json::json;

use super::{assert_all_kept, assert_only, names};

/// What a gate does wrong; each name is that of the promise which it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    DoesNotPanic,
    IsPure,
    NeedsEvidence,
    NeedsFreshEvidence,
    GivesReasons,
    ExplainsWaits,
    WaitsTruly,
    WaitsForThePast,
    DeniesForGood,
    UsesWhatCounts,
    UsesWhatItCounted,
}

/// Opens at noon for a release that was tested and that somebody approved, and closes in the evening.
#[derive(Debug)]
struct Careful {
    flaw: Flaw,
    asked: AtomicU32,
}

fn noon() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn evening() -> Timestamp {
    "2026-11-20T18:00:00Z".parse().unwrap()
}

fn need(request: &GateRequest) -> EvidenceNeed {
    EvidenceNeed {
        kind: "tested".try_into().unwrap(),
        subject: request.subject,
    }
}

impl Careful {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn counting(&self, request: &GateRequest, now: Timestamp) -> Vec<usize> {
        let all = request.approvals.iter().enumerate();
        let counting = all.filter(|(_, approval)| approval.counts(&request.subject, now));
        counting.map(|(index, _)| index).collect()
    }
}

impl Gate for Careful {
    const TYPE: &'static str = "careful";

    fn needs(&self, request: &GateRequest) -> Vec<EvidenceNeed> {
        vec![need(request)]
    }

    fn decide(&self, request: &GateRequest, evidence: &EvidenceSet, now: Timestamp) -> Verdict {
        if self.has(Flaw::DoesNotPanic) {
            panic!("on purpose");
        }
        let new_day = evening() + SignedDuration::from_hours(20)..evening() + SignedDuration::from_hours(30);
        if now >= evening() {
            return match self.flaw {
                Flaw::DeniesForGood if new_day.contains(&now) => Verdict::allow("a new day"),
                _ => Verdict::deny("the day is over"),
            };
        }
        let found = match self.flaw {
            Flaw::NeedsEvidence => Ok(()),
            // Whether it still holds is no question to it.
            Flaw::NeedsFreshEvidence => evidence.find(&need(request), Timestamp::MIN).map(|_| ()),
            _ => evidence.find(&need(request), now).map(|_| ()),
        };
        if let Err(none) = found {
            return Verdict::wait(none.to_string()).who(["the tests"]);
        }
        if self.counting(request, now).is_empty() {
            let verdict = Verdict::wait("nobody approved it");
            return match self.flaw {
                Flaw::ExplainsWaits => verdict,
                _ => verdict.who(["anybody"]),
            };
        }
        if now < noon() {
            let early = noon() - SignedDuration::from_mins(30);
            return match self.flaw {
                Flaw::WaitsTruly if now >= early => Verdict::allow("it is nearly noon"),
                Flaw::WaitsForThePast => Verdict::wait("it is not noon").earliest(now),
                _ => Verdict::wait("it is not noon").earliest(noon()),
            };
        }
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        match self.flaw {
            Flaw::IsPure => Verdict::allow(format!("the answer no. {asked}")),
            Flaw::GivesReasons => Verdict::allow(""),
            _ => Verdict::allow("it was tested and approved"),
        }
    }

    fn uses(&self, request: &GateRequest, now: Timestamp) -> Vec<usize> {
        match self.flaw {
            Flaw::UsesWhatCounts => (0..request.approvals.len()).collect(),
            Flaw::UsesWhatItCounted => self.counting(request, now).into_iter().take(1).collect(),
            _ => self.counting(request, now),
        }
    }
}

fn cases() -> Vec<GateCase> {
    let subject = Digest::of(b"what would be done");
    let approval = |by: &str, hours| Approval {
        stage: "deploy".try_into().unwrap(),
        action_plan: subject,
        by: Actor::person(by).unwrap(),
        at: noon() - SignedDuration::from_hours(4),
        expires: noon() + SignedDuration::from_hours(hours),
        comment: String::new(),
        used: false,
    };
    let request: GateRequest = serde_json::from_value(json!({
        "run": "r", "pipeline": "p", "component": "c", "stage": "deploy", "environment": null, "tier": null,
        "requested_by": "person:carol", "requested_at": "2026-11-20T08:00:00Z", "action_plan": null,
        "subject": subject, "approvals": [],
    }))
    .unwrap();
    let approved = GateRequest {
        approvals: vec![approval("alice", -1), approval("bob", 8), approval("dora", 8)],
        ..request.clone()
    };
    let tested = || Evidence {
        kind: "tested".try_into().unwrap(),
        subject,
        source: "tests".to_owned(),
        observed_at: noon() - SignedDuration::from_hours(2),
        valid_until: None,
        content: json!(true),
    };
    let hour = SignedDuration::from_hours(1);
    vec![
        GateCase::new("not tested", approved.clone(), noon() + hour),
        GateCase::new("not approved", request, noon() + hour).evidence([tested()]),
        GateCase::new("in the morning", approved.clone(), noon() - hour).evidence([tested()]),
        GateCase::new("in the afternoon", approved.clone(), noon() + hour).evidence([tested()]),
        GateCase::new("at night", approved, evening() + hour).evidence([tested()]),
    ]
}

fn check(flaw: Flaw) -> Report {
    let gate = Careful {
        flaw,
        asked: AtomicU32::new(0),
    };
    conformance::gate(gate, &cases())
}

#[test]
fn an_honest_gate_keeps_everything() {
    let report = check(Flaw::None);
    assert_all_kept(&report);
    assert_eq!(report.kept(), names(&report));
}

#[test]
fn each_flaw_is_found_under_its_name_and_no_other() {
    let flaws = [
        (Flaw::DoesNotPanic, "does-not-panic"),
        (Flaw::IsPure, "is-pure"),
        (Flaw::NeedsEvidence, "needs-evidence"),
        (Flaw::NeedsFreshEvidence, "needs-evidence"),
        (Flaw::GivesReasons, "gives-reasons"),
        (Flaw::ExplainsWaits, "explains-waits"),
        (Flaw::WaitsTruly, "waits-truly"),
        (Flaw::WaitsForThePast, "waits-truly"),
        (Flaw::DeniesForGood, "denies-for-good"),
        (Flaw::UsesWhatCounts, "uses-what-counts"),
        (Flaw::UsesWhatItCounted, "uses-what-it-counted"),
    ];
    for (flaw, name) in flaws {
        assert_only(&check(flaw), name);
    }
    for name in names(&check(Flaw::None)) {
        assert!(
            flaws.iter().any(|flaw| flaw.1 == name),
            "nothing shows that `{name}` is looked at"
        );
    }
}

#[test]
fn what_no_case_leads_to_is_not_tried() {
    let gate = Careful {
        flaw: Flaw::None,
        asked: AtomicU32::new(0),
    };
    let report = conformance::gate(gate, &cases()[..1]);
    assert_eq!(
        report.not_tried_names(),
        [
            "needs-evidence",
            "denies-for-good",
            "uses-what-counts",
            "uses-what-it-counted"
        ]
    );
}
