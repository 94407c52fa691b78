use std::fmt::Write;

use pipeline_change::{
    ChangeAssessed, ChangeAuthorized, ChangeCanceled, ChangeClosed, ChangeEvent, ChangeId, ChangeImplemented,
    ChangeImplementing, ChangeOpened, ChangeReplanned, ChangeScheduled, ChangeState, ChangeSubmitted,
    ChangeType, CloseCode, PlannedWindow, WorkOutcome,
};
use pipeline_core::{EventRef, Purpose, RunId};

use crate::support::{actions, at, person, stage};

fn planned() -> EventRef {
    EventRef {
        stream: "run/run-1".parse().unwrap(),
        position: 2,
    }
}

pub(crate) fn opened(change_type: ChangeType) -> ChangeOpened {
    let run = RunId::new("run-1").unwrap();
    ChangeOpened {
        id: ChangeId::of(&run, &stage("deploy")),
        at: at("2026-11-20T08:00:00Z"),
        change_type,
        title: "Deploy edge-proxy 1.4.0 to production".into(),
        description: String::new(),
        justification: String::new(),
        pipeline: "edge".try_into().unwrap(),
        component: "edge-proxy".try_into().unwrap(),
        tier: None,
        run,
        stage: stage("deploy"),
        requested_by: person("carol"),
        requested_at: at("2026-11-20T07:00:00Z"),
        purpose: Purpose::Planned,
        window: PlannedWindow::default(),
        revisions: vec![],
        planned: planned(),
        action_plan: actions(1).digest().unwrap(),
        plan: actions(1),
    }
}

/// One event of each kind.
pub(crate) fn each(change_type: ChangeType) -> Vec<ChangeEvent> {
    let at = at("2026-11-20T09:00:00Z");
    let (plan, action_plan) = (actions(2), actions(2).digest().unwrap());
    let title = "again".to_owned();
    vec![
        opened(change_type).into(),
        ChangeReplanned {
            at,
            title,
            planned: planned(),
            action_plan,
            plan,
        }
        .into(),
        ChangeSubmitted {
            at,
            authorisers: vec!["alice".into()],
            count: 1,
        }
        .into(),
        ChangeAssessed { at, evidence: vec![] }.into(),
        ChangeAuthorized {
            at,
            action_plan,
            by: vec![],
        }
        .into(),
        ChangeScheduled { at, action_plan }.into(),
        ChangeImplementing { at, attempt: 1 }.into(),
        ChangeImplemented {
            at,
            outcome: WorkOutcome::Succeeded,
            reason: String::new(),
        }
        .into(),
        ChangeClosed {
            at,
            code: CloseCode::Successful,
            notes: String::new(),
            evidence: vec![],
        }
        .into(),
        ChangeCanceled {
            at,
            reason: String::new(),
        }
        .into(),
    ]
}

/// Reference: `ServiceNow/ServiceNowDocs`, `normal-standard-emergency-states.md`, `c_ChangeStateModel.md`.
#[test]
fn every_type_state_and_event() {
    let mut table = String::new();
    for change_type in ChangeType::ALL {
        writeln!(table, "{change_type}").unwrap();
        for state in ChangeState::ALL {
            let mut row = Vec::new();
            for event in each(change_type) {
                match state.next(change_type, &event) {
                    Ok(next) => row.push(format!("{} -> {next}", event.name())),
                    Err(error) => {
                        assert_eq!(
                            (error.change_type, error.state, error.event),
                            (change_type, state, event.name())
                        );
                    }
                }
            }
            writeln!(
                table,
                "  {state}: {}",
                if row.is_empty() {
                    "nothing".into()
                } else {
                    row.join(", ")
                }
            )
            .unwrap();
        }
    }
    insta::assert_snapshot!(table, @r"
    standard
      new: replanned -> new, scheduled -> scheduled, canceled -> canceled
      assess: nothing
      authorize: nothing
      scheduled: replanned -> new, implementing -> implement, canceled -> canceled
      implement: replanned -> new, implemented -> review, canceled -> canceled
      review: closed -> closed
      closed: nothing
      canceled: nothing
    normal
      new: replanned -> new, submitted -> assess, canceled -> canceled
      assess: replanned -> new, assessed -> authorize, canceled -> canceled
      authorize: replanned -> new, authorized -> scheduled, canceled -> canceled
      scheduled: replanned -> new, authorized -> scheduled, implementing -> implement, canceled -> canceled
      implement: replanned -> new, implemented -> review, canceled -> canceled
      review: closed -> closed
      closed: nothing
      canceled: nothing
    emergency
      new: replanned -> new, submitted -> authorize, canceled -> canceled
      assess: nothing
      authorize: replanned -> new, authorized -> scheduled, canceled -> canceled
      scheduled: replanned -> new, authorized -> scheduled, implementing -> implement, canceled -> canceled
      implement: replanned -> new, implemented -> review, canceled -> canceled
      review: closed -> closed
      closed: nothing
      canceled: nothing
    ");
}

#[test]
fn an_illegal_event_is_refused_by_name() {
    let event = ChangeEvent::from(ChangeImplementing {
        at: at("2026-11-20T09:00:00Z"),
        attempt: 1,
    });
    let error = ChangeState::Authorize
        .next(ChangeType::Normal, &event)
        .unwrap_err();
    insta::assert_snapshot!(error, @"a change of type normal cannot be `implementing` in state `authorize`");
}

#[test]
fn ids_are_names_and_tell_runs_apart() {
    let of = |run: &str, name: &str| ChangeId::of(&RunId::new(run).unwrap(), &stage(name));
    assert_eq!(of("run-1", "deploy").as_str(), "run-1.deploy");
    assert_ne!(of("a", "b.c"), of("a.b", "c"));
    let long = "x".repeat(64);
    for (run, name) in [
        ("20261120-080000-000001", &*long),
        (&*long, "deploy"),
        (&*long, &*long),
        ("a.b", "c"),
    ] {
        let id = of(run, name);
        assert!(id.as_str().len() <= 64, "{id}");
        assert_eq!(id, of(run, name));
        assert_eq!(id.as_str().parse::<ChangeId>().unwrap(), id);
    }
    let mut other = "x".repeat(63);
    other.push('y');
    assert_ne!(
        of("20261120-080000-000001", &long),
        of("20261120-080000-000001", &other)
    );
    assert_ne!(of(&long, "deploy"), of(&other, "deploy"));
}
