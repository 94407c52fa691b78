use pipeline_change::{ChangeGate, WindowGate};
use serde_json::{Value, json};

fn change(settings: Value) -> String {
    match serde_json::from_value::<ChangeGate>(settings) {
        Ok(gate) => serde_json::to_string(&gate).unwrap(),
        Err(error) => error.to_string(),
    }
}

fn window(settings: Value) -> String {
    match serde_json::from_value::<WindowGate>(settings) {
        Ok(gate) => serde_json::to_string(&gate).unwrap(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn settings_of_a_change() {
    let lines = [
        json!({"authorisers": ["person:alice", "bob"]}),
        json!({"change-type": "standard", "description": "the weekly certificates"}),
        json!({"change-type": "emergency", "authorisers": ["alice"], "window-end": "2026-11-20T20:00:00Z"}),
        json!({}),
        json!({"change-type": "standard", "authorisers": ["alice"]}),
        json!({"change-type": "minor", "authorisers": ["alice"]}),
        json!({"authorisers": ["alice", "person:alice"]}),
        json!({"authorisers": ["service:nightly"]}),
        json!({"authorisers": ["engine"]}),
        json!({"authorisers": [""]}),
        json!({"authorisers": ["alice"], "count": 2}),
        json!({"authorisers": ["alice"], "count": 0}),
        json!({"authorisers": ["alice"], "authorizers": ["bob"]}),
        json!({"authorisers": ["alice"], "window-start": "2026-11-20T20:00:00Z", "window-end": "2026-11-20T20:00:00Z"}),
        json!({"authorisers": ["alice"], "window-start": "tomorrow"}),
    ]
    .map(change);
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"change-type":"normal","authorisers":["alice","bob"],"count":1}
    {"change-type":"standard","count":1,"description":"the weekly certificates"}
    {"change-type":"emergency","authorisers":["alice"],"count":1,"window-end":"2026-11-20T20:00:00Z"}
    `authorisers` is empty: somebody has to authorise a change of type normal
    `authorisers` has no meaning for a standard change, which is authorised in advance
    unknown variant `minor`, expected one of `standard`, `normal`, `emergency`
    `alice` is named twice in `authorisers`
    `service:nightly` in `authorisers` is no person
    `engine` in `authorisers` is no person
    `` in `authorisers` is no person
    `count` is 2, and there are 1 authorisers: expected 1 to 1
    `count` is 0, and there are 1 authorisers: expected 1 to 1
    unknown field `authorizers`, expected one of `change-type`, `authorisers`, `count`, `window-start`, `window-end`, `justification`, `description`
    `window-end` 2026-11-20T20:00:00Z is not after `window-start` 2026-11-20T20:00:00Z
    failed to parse four digit integer as year: invalid digit, expected 0-9 but got t
    "#);
}

#[test]
fn settings_of_a_window() {
    let base = json!({"from": "08:00", "until": "18:00", "time-zone": "Europe/Berlin"});
    let with = |key: &str, value: Value| {
        let mut settings = base.clone();
        settings[key] = value;
        window(settings)
    };
    let lines = [
        window(base.clone()),
        with("days", json!(["mon", "fri"])),
        with("until", json!("24:00")),
        with("days", json!([])),
        with("days", json!(["monday"])),
        with("from", json!("8:00")),
        with("from", json!("24:00")),
        with("from", json!("18:00")),
        with("until", json!("18:60")),
        with("until", json!("+1:30")),
        with("time-zone", json!("Europe/Bärlin")),
        with("time-zone", json!("")),
        with("zone", json!("UTC")),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"days":["mon","tue","wed","thu","fri","sat","sun"],"from":"08:00","until":"18:00","time-zone":"Europe/Berlin"}
    {"days":["mon","fri"],"from":"08:00","until":"18:00","time-zone":"Europe/Berlin"}
    {"days":["mon","tue","wed","thu","fri","sat","sun"],"from":"08:00","until":"24:00","time-zone":"Europe/Berlin"}
    `days` is empty: the window would never open
    unknown variant `monday`, expected one of `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`
    `from` is `8:00`: expected hours and minutes such as 08:30
    `from` is `24:00`: expected hours and minutes such as 08:30
    `from` and `until` are both 18:00: a whole day is from 00:00 until 24:00
    `until` is `18:60`: expected hours and minutes such as 08:30
    `until` is `+1:30`: expected hours and minutes such as 08:30
    `time-zone` is `Europe/Bärlin`, which is no name of the IANA time zone database
    `time-zone` is ``, which is no name of the IANA time zone database
    unknown field `zone`, expected one of `days`, `from`, `until`, `time-zone`
    "#);
}
