use std::fmt::Write;

use pipeline_change::{
    ChangeFinding, ChangeGate, ChangeId, ChangeSettings, ChangeState, ChangeType, PlannedWindow,
};
use pipeline_core::{
    Actor, Approval, Digest, Evidence, EvidenceSet, Gate, GateRequest, RunId, SignedDuration, Tier, Timestamp,
};

use crate::support::{actions, approval, at, normal, person, stage};

const NOW: &str = "2026-11-20T12:00:00Z";

pub(crate) fn request(_: &ChangeSettings, plan: u32) -> GateRequest {
    GateRequest {
        run: RunId::new("20261120-080000-000001").unwrap(),
        pipeline: "edge".try_into().unwrap(),
        component: "edge-proxy".try_into().unwrap(),
        stage: stage("deploy"),
        environment: Some("production".try_into().unwrap()),
        tier: Some(Tier::Production),
        requested_by: person("carol"),
        requested_at: at("2026-11-20T08:00:00Z"),
        action_plan: Some(actions(plan)),
        subject: actions(plan).digest().unwrap(),
        approvals: vec![],
    }
}

fn approved(who: &str) -> Approval {
    approval(who, 1, at("2026-11-20T09:00:00Z"), at("2026-11-20T17:00:00Z"))
}

fn evidence(request: &GateRequest, change_type: ChangeType, state: ChangeState) -> Evidence {
    let finding = ChangeFinding {
        id: ChangeId::of(&request.run, &request.stage),
        change_type,
        state,
        action_plan: request.subject,
        window: PlannedWindow::default(),
    };
    Evidence {
        kind: "change".try_into().unwrap(),
        subject: request.subject,
        source: finding.id.stream().to_string(),
        observed_at: at(NOW),
        valid_until: Some(at(NOW) + SignedDuration::from_secs(60)),
        content: serde_json::to_value(finding).unwrap(),
    }
}

fn line(gate: &ChangeGate, request: &GateRequest, evidence: Vec<Evidence>, now: Timestamp) -> String {
    let verdict = gate.decide(request, &EvidenceSet::new(evidence), now);
    let mut line = format!("{:?}: {}", verdict.decision, verdict.reason);
    if let Some(earliest) = verdict.earliest {
        write!(line, " [{earliest}]").unwrap();
    }
    if !verdict.who.is_empty() {
        write!(line, " [{}]", verdict.who.join(", ")).unwrap();
    }
    line
}

fn window(start: Option<&str>, end: Option<&str>) -> ChangeSettings {
    ChangeSettings {
        window_start: start.map(at),
        window_end: end.map(at),
        ..normal()
    }
}

/// Reference: OctopusDeploy/docs `approvals/servicenow/index.md`.
#[test]
fn states_and_windows() {
    let windows = [
        ("any time", window(None, None)),
        ("begun", window(Some("2026-11-20T12:00:00Z"), None)),
        ("not begun", window(Some("2026-11-20T12:00:01Z"), None)),
        (
            "inside",
            window(Some("2026-11-20T11:00:00Z"), Some("2026-11-20T13:00:00Z")),
        ),
        ("ended", window(None, Some("2026-11-20T12:00:00Z"))),
    ];
    let mut table = String::new();
    for (name, settings) in windows {
        writeln!(table, "{name}").unwrap();
        let gate = ChangeGate::new(settings.clone()).unwrap();
        let mut request = request(&settings, 1);
        writeln!(table, "  no record: {}", line(&gate, &request, vec![], at(NOW))).unwrap();
        for state in ChangeState::ALL {
            let early = matches!(
                state,
                ChangeState::New | ChangeState::Assess | ChangeState::Authorize
            );
            request.approvals = if early { vec![] } else { vec![approved("bob")] };
            let found = evidence(&request, ChangeType::Normal, state);
            writeln!(
                table,
                "  {state}: {}",
                line(&gate, &request, vec![found], at(NOW))
            )
            .unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_standard_change_needs_nobody() {
    let settings = ChangeSettings {
        change_type: ChangeType::Standard,
        ..ChangeSettings::default()
    };
    let gate = ChangeGate::new(settings.clone()).unwrap();
    let request = request(&settings, 1);
    let say = |state| {
        line(
            &gate,
            &request,
            vec![evidence(&request, ChangeType::Standard, state)],
            at(NOW),
        )
    };
    insta::assert_snapshot!(say(ChangeState::New), @"Wait: change 20261120-080000-000001.deploy is not scheduled yet [2026-11-20T12:00:01Z]");
    insta::assert_snapshot!(say(ChangeState::Scheduled), @"Allow: change 20261120-080000-000001.deploy (standard) is in state `scheduled`");
    assert!(gate.uses(&request, at(NOW)).is_empty());
}

#[test]
fn missing_stale_foreign_or_unreadable_evidence_never_allows() {
    let gate = ChangeGate::new(normal()).unwrap();
    let mut request = request(&normal(), 1);
    request.approvals = vec![approved("alice")];
    let good = evidence(&request, ChangeType::Normal, ChangeState::Scheduled);
    assert!(line(&gate, &request, vec![good.clone()], at(NOW)).starts_with("Allow"));

    let mut say = String::new();
    let mut tell = |evidence: Evidence, now: &str| {
        writeln!(say, "{}", line(&gate, &request, vec![evidence], at(now))).unwrap();
    };
    tell(good.clone(), "2026-11-20T12:01:00Z");
    tell(
        Evidence {
            subject: Digest::of(b"another"),
            ..good.clone()
        },
        NOW,
    );
    tell(
        Evidence {
            kind: "test-result".try_into().unwrap(),
            ..good.clone()
        },
        NOW,
    );
    tell(
        Evidence {
            content: serde_json::json!({"state": "scheduled"}),
            ..good.clone()
        },
        NOW,
    );
    let edited = |key: &str, value: &str| {
        let mut content = good.content.clone();
        content[key] = value.into();
        Evidence {
            content,
            ..good.clone()
        }
    };
    tell(edited("state", "approved"), NOW);
    tell(edited("id", "another.deploy"), NOW);
    tell(edited("action-plan", &Digest::of(b"another").to_string()), NOW);
    tell(edited("change-type", "standard"), NOW);
    insta::assert_snapshot!(say, @r"
    Wait: the evidence `change` about 3bd6f70b51f4 is stale since 2026-11-20T12:01:00Z [2026-11-20T12:01:01Z]
    Wait: there is no evidence `change` about 3bd6f70b51f4 [2026-11-20T12:00:01Z]
    Wait: there is no evidence `change` about 3bd6f70b51f4 [2026-11-20T12:00:01Z]
    Wait: the evidence of the change cannot be read: missing field `id` [2026-11-20T12:00:01Z]
    Wait: the evidence of the change cannot be read: unknown variant `approved`, expected one of `new`, `assess`, `authorize`, `scheduled`, `implement`, `review`, `closed`, `canceled` [2026-11-20T12:00:01Z]
    Deny: change another.deploy (normal) is not the normal change that this gate asks for
    Deny: change 20261120-080000-000001.deploy (normal) is not the normal change that this gate asks for
    Deny: change 20261120-080000-000001.deploy (standard) is not the normal change that this gate asks for
    ");
}

#[test]
fn without_actions_there_is_no_change() {
    let gate = ChangeGate::new(normal()).unwrap();
    let mut request = request(&normal(), 1);
    request.action_plan = None;
    insta::assert_snapshot!(line(&gate, &request, vec![], at(NOW)), @"Wait: stage `deploy` has planned no actions, so there is no change to decide on [whoever maintains the pipeline]");
}

#[test]
fn which_approvals_count() {
    let gate = ChangeGate::new(ChangeSettings { count: 2, ..normal() }).unwrap();
    let mut request = request(&normal(), 1);
    let expired = approval("alice", 1, at("2026-11-20T03:00:00Z"), at(NOW));
    let used = Approval {
        used: true,
        ..approved("alice")
    };
    let robot = Approval {
        by: Actor::service("alice").unwrap(),
        ..approved("alice")
    };
    let other = Approval {
        action_plan: actions(2).digest().unwrap(),
        ..approved("alice")
    };
    request.approvals = vec![
        expired,
        used,
        robot,
        other,
        approved("mallory"),
        approved("bob"),
        approved("bob"),
        approved("alice"),
        approved("alice"),
    ];
    assert_eq!(gate.uses(&request, at(NOW)), [5, 7]);
    let found = || vec![evidence(&request, ChangeType::Normal, ChangeState::Scheduled)];
    assert!(line(&gate, &request, found(), at(NOW)).starts_with("Allow"));

    let mut few = request.clone();
    few.approvals.truncate(7);
    assert_eq!(gate.uses(&few, at(NOW)), [5]);
    insta::assert_snapshot!(line(&gate, &few, found(), at(NOW)), @"Wait: the approvals of change 20261120-080000-000001.deploy no longer count: 1 of 2 approvals of stage `deploy` are missing [alice]");
    // A further attempt: the approvals were used by the first one.
    let retry = vec![evidence(&request, ChangeType::Normal, ChangeState::Implement)];
    few.approvals.clear();
    assert!(line(&gate, &few, retry, at(NOW)).starts_with("Allow"));
}

#[test]
fn it_keeps_what_a_gate_promises() {
    use pipeline_core::testing::conformance::{self, GateCase};

    let settings = ChangeSettings {
        count: 2,
        ..window(Some("2026-11-20T11:00:00Z"), Some("2026-11-20T13:00:00Z"))
    };
    let bare = request(&settings, 1);
    let approved = GateRequest {
        approvals: vec![
            approved("mallory"),
            approved("bob"),
            approved("bob"),
            approved("alice"),
        ],
        ..bare.clone()
    };
    let plain = GateRequest {
        action_plan: None,
        ..bare.clone()
    };
    let mut cases = vec![GateCase::new("no actions", plain, at(NOW))];
    for now in ["2026-11-20T10:00:00Z", NOW, "2026-11-20T14:00:00Z"] {
        for (who, request) in [("nobody", &bare), ("both", &approved)] {
            let name = format!("{who} at {now}");
            cases.push(GateCase::new(name.clone(), request.clone(), at(now)));
            for state in ChangeState::ALL {
                let mut found = evidence(request, ChangeType::Normal, state);
                found.valid_until = None;
                let case = GateCase::new(format!("{name}, {state}"), request.clone(), at(now));
                cases.push(case.evidence([found]));
            }
        }
    }
    for settings in [settings, ChangeSettings { count: 2, ..normal() }] {
        let report = conformance::gate(ChangeGate::new(settings).unwrap(), &cases);
        report.assert_kept();
        assert_eq!(report.not_tried_names(), [""; 0], "{report}");
    }
    let standard = ChangeSettings {
        change_type: ChangeType::Standard,
        ..ChangeSettings::default()
    };
    conformance::gate(ChangeGate::new(standard).unwrap(), &cases).assert_kept();
}
