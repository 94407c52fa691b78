use pipeline_core::{ActionPlan, Digest, EvidenceSet, Gate, GateRequest, Timestamp, Verdict};
use pipeline_stages::ApprovalGate;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: &str = "2026-11-20T12:00:00Z";
const LATER: &str = "2026-11-21T12:00:00Z";
const EARLIER: &str = "2026-11-20T11:00:00Z";

fn plan() -> ActionPlan {
    serde_json::from_value(json!({
        "environment": "staging", "release": Digest::of(b"r"), "title": "app 1.0.0",
        "configuration": Digest::of(b"c"), "actions": [], "rollback": [],
    }))
    .unwrap()
}

fn request(approvals: Vec<Value>) -> GateRequest {
    let plan = plan();
    serde_json::from_value(json!({
        "run": "r", "pipeline": "p", "component": "c", "stage": "deploy", "environment": "staging",
        "tier": "production", "requested_by": "person:carol", "requested_at": EARLIER,
        "subject": plan.digest().unwrap(), "action_plan": plan, "approvals": approvals,
    }))
    .unwrap()
}

fn approval(by: &str, plan: Digest, expires: &str, used: bool) -> Value {
    json!({"stage": "deploy", "action_plan": plan, "by": by, "at": EARLIER, "expires": expires, "used": used})
}

fn fresh(by: &str) -> Value {
    approval(by, plan().digest().unwrap(), LATER, false)
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn decide(gate: &ApprovalGate, request: &GateRequest) -> Verdict {
    gate.decide(request, &EvidenceSet::default(), now())
}

fn told(verdict: &Verdict) -> String {
    format!(
        "{:?}: {} [{}]",
        verdict.decision,
        verdict.reason,
        verdict.who.join(", ")
    )
}

#[test]
fn verdicts_say_why_and_who() {
    let digest = plan().digest().unwrap();
    let anybody = ApprovalGate::new(1);
    let two = ApprovalGate::new(2).approvers(["alice", "bob"]);
    let with_carol = ApprovalGate::new(2).approvers(["alice", "carol"]);
    let void = Digest::of(b"another plan");
    let cases = [
        (&anybody, vec![]),
        (
            &anybody,
            vec![fresh("person:carol"), fresh("service:bot"), fresh("engine")],
        ),
        (&anybody, vec![fresh("person:dave")]),
        (
            &two,
            vec![fresh("person:alice"), fresh("person:alice"), fresh("person:dave")],
        ),
        (&two, vec![fresh("person:bob"), fresh("person:alice")]),
        (
            &two,
            vec![
                approval("person:alice", digest, EARLIER, false),
                approval("person:alice", void, LATER, false),
                approval("person:bob", digest, LATER, true),
            ],
        ),
        (&with_carol, vec![]),
        (
            &with_carol.clone().requester_may_approve(),
            vec![fresh("person:carol")],
        ),
    ];
    let told: Vec<_> = cases
        .into_iter()
        .map(|(gate, approvals)| told(&decide(gate, &request(approvals))))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    Wait: 0 of 1 approvals of action plan 3e36c81116de [anybody but carol]
    Wait: 0 of 1 approvals of action plan 3e36c81116de [anybody but carol]
    Allow: action plan 3e36c81116de is approved by dave []
    Wait: 1 of 2 approvals of action plan 3e36c81116de [bob]
    Allow: action plan 3e36c81116de is approved by alice, bob []
    Wait: 0 of 2 approvals of action plan 3e36c81116de (not counted: 1 expired, 1 of something else, 1 used already) [alice, bob]
    Deny: 2 of alice, carol must approve, but carol asked for the run and may not []
    Wait: 1 of 2 approvals of action plan 3e36c81116de [alice]
    "#);
}

#[test]
fn without_an_action_plan_the_inputs_are_approved() {
    let mut request = request(vec![]);
    request.action_plan = None;
    let verdict = decide(&ApprovalGate::new(1), &request);
    assert!(
        verdict.reason.starts_with("0 of 1 approvals of inputs "),
        "{}",
        verdict.reason
    );
}

#[test]
fn an_approval_of_another_stage_does_not_count() {
    let mut request = request(vec![fresh("person:alice")]);
    request.approvals[0].stage = "other".try_into().unwrap();
    assert!(!decide(&ApprovalGate::new(1), &request).allows());
}

#[test]
fn all_that_count_are_used_up() {
    let gate = ApprovalGate::new(1);
    let request = request(vec![
        fresh("service:bot"),
        fresh("person:a"),
        fresh("person:b"),
        fresh("person:a"),
    ]);
    assert_eq!(gate.uses(&request, now()), [1, 2, 3]);
    assert_eq!(ApprovalGate::new(3).uses(&request, now()), Vec::<usize>::new());
}

#[test]
fn settings_are_checked() {
    let mut told = Vec::new();
    for value in [
        json!({"count": 0}),
        json!({"count": 2, "approvers": ["alice"]}),
        json!({"approvers": ["person:alice"]}),
        json!({"aprovers": []}),
    ] {
        told.push(
            serde_json::from_value::<ApprovalGate>(value)
                .unwrap_err()
                .to_string(),
        );
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    `count` is 0: leave the gate out instead
    `count` is 2, but only 1 may approve
    `person:alice` under `approvers` is no person's name
    unknown field `aprovers`, expected one of `count`, `approvers`, `not-requester`
    "#);
    let gate: ApprovalGate = serde_json::from_value(json!({})).unwrap();
    assert_eq!(gate, ApprovalGate::new(1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// It allows exactly if enough different persons, who may, gave approvals that count; and it uses those.
    #[test]
    fn it_counts_persons(
        count in 1..4_u32,
        given in prop::collection::vec((0..5_usize, any::<bool>(), any::<bool>(), any::<bool>()), 0..8),
    ) {
        let people = ["person:alice", "person:bob", "person:carol", "person:dave", "service:bot"];
        let approvals = given.iter().map(|&(who, right, fresh, used)| {
            let subject = if right { plan().digest().unwrap() } else { Digest::of(b"other") };
            approval(people[who], subject, if fresh { LATER } else { NOW }, used)
        });
        let request = request(approvals.collect());
        let counts = |&(who, right, fresh, used): &(usize, bool, bool, bool)| {
            ![2, 4].contains(&who) && right && fresh && !used
        };
        let mut persons: Vec<_> = given.iter().filter(|one| counts(one)).map(|one| one.0).collect();
        persons.sort_unstable();
        persons.dedup();
        let enough = persons.len() >= count as usize;
        let gate = ApprovalGate::new(count);
        prop_assert_eq!(decide(&gate, &request).allows(), enough);
        let expected: Vec<_> = (0..given.len()).filter(|&i| enough && counts(&given[i])).collect();
        prop_assert_eq!(gate.uses(&request, now()), expected);
    }
}

#[test]
fn it_keeps_what_a_gate_promises() {
    use pipeline_core::testing::conformance::{self, GateCase};

    let case = |name: &str, approvals| GateCase::new(name, request(approvals), now());
    let stale = approval("person:bob", plan().digest().unwrap(), EARLIER, false);
    let used = approval("person:bob", plan().digest().unwrap(), LATER, true);
    let void = approval("person:bob", Digest::of(b"another plan"), LATER, false);
    let cases = [
        case("nobody", vec![]),
        case("one of two", vec![fresh("person:alice")]),
        case(
            "one of two, and none",
            vec![fresh("person:alice"), stale, used, void, fresh("person:carol")],
        ),
        case("both", vec![fresh("person:alice"), fresh("person:bob")]),
        case(
            "more than both",
            vec![
                fresh("person:alice"),
                fresh("person:bob"),
                fresh("person:alice"),
                fresh("person:dora"),
            ],
        ),
    ];
    for gate in [
        ApprovalGate::new(2),
        ApprovalGate::new(2).approvers(["alice", "bob"]),
    ] {
        let report = conformance::gate(gate, &cases);
        report.assert_kept();
        assert_eq!(
            report.not_tried_names(),
            ["needs-evidence", "denies-for-good"],
            "{report}"
        );
    }
    let impossible = ApprovalGate::new(2).approvers(["alice", "carol"]);
    let report = conformance::gate(impossible, &cases[..1]);
    report.assert_kept();
    assert!(report.kept().contains(&"denies-for-good"), "{report}");
}
