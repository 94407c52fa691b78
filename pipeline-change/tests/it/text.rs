use pipeline_change::{ChangeSettings, ChangeType};
use pipeline_core::RunOutcome;

use crate::follower::{deployed, verified};
use crate::support::{Story, at, normal};

#[test]
fn what_an_approver_reads() {
    let mut story = Story::tested(ChangeSettings {
        count: 2,
        window_start: Some(at("2026-11-20T20:00:00Z")),
        window_end: Some(at("2026-11-20T23:00:00Z")),
        ..normal()
    });
    story.plan(1);
    insta::assert_snapshot!(story.settle().unwrap().render_text(), @r"
    Deploy edge-proxy 1.4.0 to production

    change         20261120-080000-000001.deploy
    state          authorize
    type           normal
    component      edge-proxy
    environment    production (tier production)
    release        edge-proxy 1.4.0 (a4d451ec2346)
    configuration  b7d64a922100
    action plan    3bd6f70b51f4
    run            20261120-080000-000001 of edge, stage deploy
    requested      by person:carol at 2026-11-20T08:00:00Z
    planned        from 2026-11-20T20:00:00Z until 2026-11-20T23:00:00Z
    authorised     not yet; 2 of alice, bob

    What
      replaces the proxy and its certificate chain

    Why
      the certificate expires on Monday

    How
      1. switch edge-proxy-1 to 1.4.0 (at once)
      2. check the certificate

    How it is undone
      1. switch edge-proxy-1 to 1.3.9

    How success is told
      no errors for ten minutes

    Revisions
      4f2a9c1 renew the certificate chain

    Assessment
      stage `build`: succeeded [run/20261120-080000-000001#3, 95a127e2b7d7]
      artifact `edge-proxy 1.4.0`: produced by stage `build` [run/20261120-080000-000001#3, c7c5c1d70c5d]
      stage `test`: succeeded, 212 tests passed [run/20261120-080000-000001#5, 2fe584a81cbe]

    History
      2026-11-20T08:05:00Z  opened        new
      2026-11-20T08:05:00Z  submitted     assess
      2026-11-20T08:05:00Z  assessed      authorize
    ");
}

#[test]
fn what_an_auditor_reads() {
    let mut story = deployed(ChangeType::Normal);
    verified(&mut story);
    story.end(RunOutcome::Succeeded);
    insta::assert_snapshot!(story.settle().unwrap().render_text(), @r"
    Deploy edge-proxy 1.4.0 to production

    change         20261120-080000-000001.deploy
    state          closed, successful
    type           normal
    component      edge-proxy
    environment    production (tier production)
    release        edge-proxy 1.4.0 (a4d451ec2346)
    configuration  b7d64a922100
    action plan    3bd6f70b51f4
    run            20261120-080000-000001 of edge, stage deploy
    requested      by person:carol at 2026-11-20T08:00:00Z
    authorised     by person:bob at 2026-11-20T08:06:00Z: looks right

    What
      replaces the proxy and its certificate chain

    Why
      the certificate expires on Monday

    How
      1. switch edge-proxy-1 to 1.4.0 (at once)
      2. check the certificate

    How it is undone
      1. switch edge-proxy-1 to 1.3.9

    How success is told
      no errors for ten minutes

    Revisions
      4f2a9c1 renew the certificate chain

    Assessment
      stage `build`: succeeded [run/20261120-080000-000001#3, 95a127e2b7d7]
      artifact `edge-proxy 1.4.0`: produced by stage `build` [run/20261120-080000-000001#3, c7c5c1d70c5d]
      stage `test`: succeeded, 212 tests passed [run/20261120-080000-000001#5, 2fe584a81cbe]

    Result
      The work succeeded.
      The run succeeded.

    Evidence
      stage `build`: succeeded [run/20261120-080000-000001#3, 95a127e2b7d7]
      artifact `edge-proxy 1.4.0`: produced by stage `build` [run/20261120-080000-000001#3, c7c5c1d70c5d]
      stage `test`: succeeded, 212 tests passed [run/20261120-080000-000001#5, 2fe584a81cbe]
      stage `deploy`: succeeded [run/20261120-080000-000001#10, 92e6d948a36a]
      stage `verify`: succeeded [run/20261120-080000-000001#12, 8774c6217d8b]
      gate `change`: allows, the change is scheduled [run/20261120-080000-000001#8]
      environment `production`: verified [environment/production#1, a4d451ec2346]

    History
      2026-11-20T08:05:00Z  opened        new
      2026-11-20T08:05:00Z  submitted     assess
      2026-11-20T08:05:00Z  assessed      authorize
      2026-11-20T08:06:00Z  authorized    scheduled
      2026-11-20T08:08:00Z  implementing  implement
      2026-11-20T08:09:00Z  implemented   review
      2026-11-20T08:13:00Z  closed        closed
    ");
}

#[test]
fn the_json_has_a_format() {
    let mut story = deployed(ChangeType::Standard);
    story.end(RunOutcome::Succeeded);
    let json = serde_json::to_value(story.settle().unwrap()).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["state"], "closed");
    assert_eq!(json["closure"]["code"], "successful");
    let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    insta::assert_snapshot!(keys.join(" "), @"action_plan assessment authorised_by authorisers cancellation change_type closure component count description format history id justification pipeline plan planned position purpose requested_at requested_by revisions run stage started_at state tier title window work");
}
