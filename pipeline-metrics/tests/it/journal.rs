use std::collections::BTreeMap;

use pipeline_core::{
    Actor, ComponentName, Configuration, Deployed, DeploymentFailed, Digest, EnvironmentEvent, Event,
    EventPayload, EventRef, IncidentEvent, IncidentOpened, IncidentResolved, Locked, Payload, Purpose,
    Release, Revision, RolledBack, Tier,
};
use pipeline_metrics::{Facts, Metric, Ratio, Reason, Scope};

use crate::worked::{at, explained, measures};

const SHOP: Scope<'_> = Scope::Component("shop");

const HOUR: f64 = 3_600_000.0;

fn event(stream: &str, position: u64, time: &str, payload: impl EventPayload) -> Event {
    Event {
        stream: stream.parse().unwrap(),
        position,
        cursor: position,
        at: at(&format!("2025-01-{time}:00Z")),
        kind: payload.kind().into(),
        version: payload.version(),
        actor: Actor::Engine,
        causes: Vec::new(),
        payload: Payload::value(payload),
    }
}

fn shop() -> ComponentName {
    ComponentName::new("shop").unwrap()
}

fn release(version: &str) -> Release {
    Release {
        component: shop(),
        version: version.parse().unwrap(),
        artifacts: BTreeMap::new(),
    }
}

fn digest(version: &str) -> Digest {
    release(version).digest().unwrap()
}

/// `environment/production` gets a release; each revision as `id time`.
fn deployed(version: &str, revisions: &[(&str, &str)]) -> Deployed {
    let revision = |(id, time): &(&str, &str)| Revision {
        id: (*id).to_owned(),
        at: at(&format!("2025-01-{time}:00Z")),
        summary: String::new(),
    };
    let configuration = Configuration::empty("production".parse().unwrap());
    Deployed {
        run: "r1".parse().unwrap(),
        stage: "deploy".parse().unwrap(),
        pipeline: "shop".parse().unwrap(),
        tier: Tier::Production,
        release: release(version),
        release_digest: digest(version),
        configuration_digest: configuration.digest().unwrap(),
        configuration,
        unchanged: false,
        purpose: Purpose::Planned,
        revision: revisions.first().map(revision),
        revisions: revisions.iter().map(revision).collect(),
        requested_at: None,
        started_at: at("2025-01-06T00:00:00Z"),
    }
}

fn failed(version: &str) -> EnvironmentEvent {
    EnvironmentEvent::DeploymentFailed(DeploymentFailed {
        run: "r1".parse().unwrap(),
        stage: "deploy".parse().unwrap(),
        pipeline: "shop".parse().unwrap(),
        component: shop(),
        tier: Tier::Production,
        release_digest: Some(digest(version)),
        error: vec!["no space".to_owned()],
        started_at: at("2025-01-06T00:00:00Z"),
    })
}

fn rolled_back(from: &str, to: &str) -> EnvironmentEvent {
    EnvironmentEvent::RolledBack(RolledBack {
        run: "r1".parse().unwrap(),
        stage: "deploy".parse().unwrap(),
        component: shop(),
        tier: Tier::Production,
        from: digest(from),
        to: Some(release(to)),
        configuration: None,
        reason: "errors rose".to_owned(),
    })
}

fn opened(deployment: Option<u64>) -> IncidentEvent {
    IncidentEvent::Opened(IncidentOpened {
        component: shop(),
        environment: None,
        deployment: deployment.map(|position| EventRef {
            stream: "environment/production".parse().unwrap(),
            position,
        }),
        title: "checkout fails".to_owned(),
    })
}

fn resolved() -> IncidentEvent {
    IncidentEvent::Resolved(IncidentResolved {
        resolution: String::new(),
    })
}

const PRODUCTION: &str = "environment/production";

/// A week of one component.
pub(crate) fn events() -> Vec<Event> {
    let rework = Deployed {
        purpose: Purpose::Rework,
        ..deployed("1.0.2", &[("c", "07T15:00")])
    };
    let unchanged = Deployed {
        unchanged: true,
        ..deployed("1.0.2", &[("c", "07T15:00")])
    };
    let staging = Deployed {
        tier: Tier::Staging,
        ..deployed("1.0.0", &[("a", "06T08:00")])
    };
    vec![
        event(
            "environment/staging",
            1,
            "06T09:00",
            EnvironmentEvent::from(staging),
        ),
        event(
            PRODUCTION,
            1,
            "06T12:00",
            EnvironmentEvent::from(deployed("1.0.0", &[("a", "06T08:00")])),
        ),
        event(PRODUCTION, 2, "07T10:00", failed("1.0.1")),
        event(
            PRODUCTION,
            3,
            "07T12:00",
            EnvironmentEvent::from(deployed("1.0.1", &[("b", "07T06:00"), ("a", "06T08:00")])),
        ),
        event(PRODUCTION, 4, "07T13:00", rolled_back("1.0.1", "1.0.0")),
        event(PRODUCTION, 5, "07T17:00", EnvironmentEvent::from(rework)),
        event(PRODUCTION, 6, "07T18:00", EnvironmentEvent::from(unchanged)),
        event("incident/i1", 1, "07T19:00", opened(None)),
        event("incident/i1", 2, "07T20:00", resolved()),
    ]
}

#[test]
fn a_week_of_a_journal_by_hand() {
    let mut facts = Facts::new();
    facts.add_events(&events());
    assert_eq!(facts.problems().len(), 0);
    let shop = measures(&facts, &SHOP);

    // #1, #3 and #5 went live. #6 changed nothing and is no deployment; a rollback (#4) delivers nothing.
    let frequency = explained(&facts, "shop", Metric::DeploymentFrequency);
    let names: Vec<_> = frequency
        .counted
        .iter()
        .map(|counted| counted.fact.id().to_string())
        .collect();
    assert_eq!(
        names,
        [
            "environment/production#1",
            "environment/production#3",
            "environment/production#5"
        ]
    );
    assert_eq!(frequency.left_out_for(Reason::NeverLive), 1);
    assert_eq!(frequency.left_out_for(Reason::NotProduction), 1);
    assert_eq!(frequency.left_out_for(Reason::RollbackDeliversNothing), 1);

    // a: 8 to 12 = 4 h by #1, b: 6 to 12 = 6 h, c: 15 to 17 = 2 h. Median 4.
    assert_eq!(shop.changes, 3);
    assert_eq!(shop.lead_time.unwrap().median_ms, 4.0 * HOUR);

    // #3 was rolled back, #5 has an incident: 2 of 3.
    assert_eq!(shop.change_fail_rate, Ratio::new(2, 3));
    // #3: 12 to 13 = 1 h; #5: 17 to 20 = 3 h. Median 2.
    assert_eq!(shop.recovery_time.unwrap().median_ms, 2.0 * HOUR);
    // #5 is rework.
    assert_eq!(shop.rework_rate, Ratio::new(1, 3));
}

#[test]
fn an_event_says_the_same_as_text() {
    let told = |events: &[Event]| {
        let mut facts = Facts::new();
        facts.add_events(events);
        assert_eq!(facts.problems().len(), 0);
        let all = (
            facts.changes().collect::<Vec<_>>(),
            facts.deployments().collect::<Vec<_>>(),
            facts.incidents().collect::<Vec<_>>(),
            facts.recoveries().collect::<Vec<_>>(),
            facts.rollbacks().collect::<Vec<_>>(),
        );
        format!("{all:#?}")
    };
    let mut values = events();
    // What a host wrote that does not say what is new, and what only the general reader takes.
    let alone = Deployed {
        revisions: Vec::new(),
        ..deployed("1.0.3", &[("\"d\"", "08T08:00")])
    };
    values.push(event(PRODUCTION, 7, "08T12:00", EnvironmentEvent::from(alone)));
    let text = |event: &Event| Event {
        payload: Payload::json(event.payload.to_json().unwrap()),
        ..event.clone()
    };
    let texts: Vec<_> = values.iter().map(text).collect();
    let said = told(&texts);
    assert_eq!(said, told(&values));
    assert_eq!(said.matches("Sha(\"d\")").count(), 2, "{said}");
    // Twice, and in whatever order, they say no more.
    let backwards: Vec<_> = texts.iter().rev().chain(&values).cloned().collect();
    assert_eq!(told(&backwards).len(), said.len());
}

#[test]
fn an_incident_that_names_a_deployment_means_it() {
    let mut facts = Facts::new();
    facts.add_events(&events());
    facts.add_event(&event("incident/i2", 1, "08T08:00", opened(Some(1))));
    // #6 changed nothing, so it cannot have broken anything.
    facts.add_event(&event("incident/i3", 1, "08T08:00", opened(Some(6))));
    let shop = measures(&facts, &SHOP);
    assert_eq!(shop.change_fail_rate, Ratio::new(3, 3));
    assert_eq!(
        explained(&facts, "shop", Metric::RecoveryTime).left_out_for(Reason::Open),
        1
    );
    assert_eq!(
        explained(&facts, "shop", Metric::RecoveryTime).left_out_for(Reason::UnknownDeployment),
        1
    );
}

#[test]
fn an_incident_tells_more_than_the_rollback() {
    let mut facts = Facts::new();
    facts.add_events(&events());
    facts.add_event(&event("incident/i2", 1, "07T12:30", opened(None)));
    facts.add_event(&event("incident/i2", 2, "07T17:00", resolved()));
    let shop = measures(&facts, &SHOP);
    // Still 2 of 3. #3 was rolled back after 1 h, and users were well after 12 to 17 = 5 h; #5 as before, 3 h.
    assert_eq!(shop.change_fail_rate, Ratio::new(2, 3));
    assert_eq!(shop.recovery_time.unwrap().median_ms, 4.0 * HOUR);
    assert_eq!(
        explained(&facts, "shop", Metric::RecoveryTime).left_out_for(Reason::IncidentTells),
        1
    );
}

#[test]
fn a_rollback_of_what_never_went_live_fails_no_deployment() {
    let deploy = EnvironmentEvent::from(deployed("1.0.0", &[]));
    let mut facts = Facts::new();
    facts.add_events(&[
        event(PRODUCTION, 1, "06T12:00", deploy),
        event(PRODUCTION, 2, "07T12:00", failed("1.0.1")),
        event(PRODUCTION, 3, "07T13:00", rolled_back("1.0.1", "1.0.0")),
        // Deployed before the journal begins.
        event(PRODUCTION, 4, "07T14:00", rolled_back("0.9.0", "1.0.0")),
    ]);
    let shop = measures(&facts, &SHOP);
    assert_eq!(shop.change_fail_rate, Ratio::new(0, 1));
    assert_eq!(shop.recovery_time, None);
    assert_eq!(
        explained(&facts, "shop", Metric::RecoveryTime).left_out_for(Reason::NeverLive),
        1
    );
    assert_eq!(
        explained(&facts, "shop", Metric::RecoveryTime).left_out_for(Reason::UnknownDeployment),
        1
    );
}

#[test]
fn events_of_one_moment_are_told_apart_by_position() {
    // Ten deployments and a rollback of the last in one minute; `#9` sorts after `#10` as text.
    let mut events: Vec<_> = (1..=10)
        .map(|n| {
            event(
                PRODUCTION,
                n,
                "06T12:00",
                EnvironmentEvent::from(deployed("1.0.0", &[])),
            )
        })
        .collect();
    events.push(event(PRODUCTION, 11, "06T12:00", rolled_back("1.0.0", "0.9.0")));
    events.push(event(
        PRODUCTION,
        12,
        "06T12:00",
        EnvironmentEvent::from(deployed("1.0.0", &[])),
    ));
    let mut facts = Facts::new();
    facts.add_events(&events);
    let counted = explained(&facts, "shop", Metric::RecoveryTime).counted;
    assert_eq!(
        counted[0].link.unwrap().id().to_string(),
        "environment/production#10"
    );
}

#[test]
fn what_cannot_be_read_is_a_problem_with_a_name() {
    let of = |position, kind: &'static str, version, payload| Event {
        kind: kind.into(),
        version,
        payload,
        ..event(PRODUCTION, position, "06T12:00", failed("1.0.1"))
    };
    let locked = EnvironmentEvent::from(Locked {
        run: "r1".parse().unwrap(),
        stage: "deploy".parse().unwrap(),
        token: 1,
    });
    let mut facts = Facts::new();
    facts.add_events(&[
        of(1, "environment.deployed", 1, Payload::json("{}")),
        of(2, "environment.deployed", 9, Payload::json("{}")),
        of(3, "environment.rolled-back", 1, Payload::erased()),
        of(4, "environment.evaporated", 1, Payload::json("{}")),
        of(5, "incident.opened", 1, Payload::erased()),
        // Somebody else's, or of no interest.
        of(6, "coffee.brewed", 1, Payload::erased()),
        of(7, "run.created", 1, Payload::json("{}")),
        of(8, "environment.locked", 1, Payload::erased()),
        event(PRODUCTION, 9, "06T12:00", locked),
    ]);
    let problems: Vec<_> = facts
        .problems()
        .map(|problem| format!("{}: {}", problem.source, problem.reason))
        .collect();
    insta::assert_snapshot!(problems.join("\n"), @r#"
    environment/production#1: payload of `environment.deployed` cannot be read: missing field `run` at line 1 column 2
    environment/production#2: event kind `environment.deployed` has version 9; this program reads up to 1
    environment/production#3: payload of `environment.rolled-back` was erased
    environment/production#4: event kind `environment.evaporated` is unknown to this program; a newer one wrote it
    environment/production#5: payload of `incident.opened` was erased
    "#);
    // Read again, they are still five.
    facts.add_event(&of(1, "environment.deployed", 1, Payload::json("{}")));
    assert_eq!(facts.problems().len(), 5);
}
