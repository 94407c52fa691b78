use pipeline_metrics::{Facts, LogReader, render_text};
use serde_json::Value;

use crate::worked::{WEEK, facts, week};

fn tidy(text: &str) -> String {
    text.lines().map(|line| format!("|{line}\n")).collect()
}

#[test]
fn a_week_as_a_table() {
    let mut facts = facts(WEEK);
    let more = "{\"type\":\"deployment\",\"ts\":\"2025-01-06T09:00:00Z\",\"service\":\"a\\u001b[2Jb\",\"id\":\"p7\",\
                \"environment\":\"production\",\"result\":\"success\",\"kind\":\"planned\"}\n1\n2\n3\n4\n5\n6\n7\n";
    LogReader::new("more").read(more.as_bytes(), &mut facts).unwrap();
    insta::assert_snapshot!(tidy(&render_text(&week(&facts))), @r#"
    |delivery from 2025-01-06T00:00:00Z up to 2025-01-13T00:00:00Z
    |
    |component  deployments  lead time  change fail rate  recovery time  rework rate
    |a�[2Jb     1 on 1 day   -          0.0 % (0 of 1)    -              0.0 % (0 of 1)
    |shop       3 on 2 days  3 h 0 min  66.7 % (2 of 3)   2 h 30 min     33.3 % (1 of 3)
    |(all)      4 on 2 days  3 h 0 min  50.0 % (2 of 4)   2 h 30 min     25.0 % (1 of 4)
    |
    |left out:
    |      1  of no component: recovery, the incident is unknown
    |      1  shop, deployments: deployment, not in production
    |      1  shop, deployments: deployment, the deployment never went live
    |      1  shop, lead time: change, ended before it began
    |      1  shop, lead time: change, not delivered yet
    |      1  shop, lead time: deployment, lists a revision that no change is known for
    |      1  shop, recovery time: incident, names an unknown deployment
    |      1  shop, recovery time: incident, no deployment before it
    |      1  shop, recovery time: incident, not in production
    |      1  shop, recovery time: incident, not over yet
    |      1  shop, recovery time: incident, the deployment never went live
    |
    |not read: 7
    |  more:2: not a JSON object
    |  more:3: not a JSON object
    |  more:4: not a JSON object
    |  more:5: not a JSON object
    |  more:6: not a JSON object
    |  and 2 more
    "#);
}

#[test]
fn nothing_as_a_table() {
    insta::assert_snapshot!(tidy(&render_text(&week(&Facts::new()))), @r#"
    |delivery from 2025-01-06T00:00:00Z up to 2025-01-13T00:00:00Z
    |
    |nothing was observed
    "#);
}

#[test]
fn the_json_form_stands_alone() {
    let facts = facts(WEEK);
    let json = serde_json::to_value(week(&facts)).unwrap();
    assert_eq!(json["format"], 1);
    let measures = &json["components"][0]["measures"];
    let mut lead_time: Value = measures["lead_time"].clone();
    for list in ["counted", "left_out"] {
        lead_time[list].as_array_mut().unwrap().truncate(1);
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&lead_time).unwrap(), @r#"
    {
      "counted": [
        {
          "fact": {
            "at": "2025-01-06T08:00:00Z",
            "id": "a",
            "kind": "change",
            "source": {
              "line": {
                "file": "log",
                "line": 2
              }
            }
          },
          "link": {
            "at": "2025-01-06T12:00:00Z",
            "id": "p1",
            "kind": "deployment",
            "source": {
              "line": {
                "file": "log",
                "line": 8
              }
            }
          }
        }
      ],
      "definition": "median time from a change's commit to the end of the first successful production deployment of its component that lists it, of the changes whose deployment finished in the window",
      "left_out": [
        {
          "fact": {
            "at": "2025-01-07T17:00:00Z",
            "id": "p4",
            "kind": "deployment",
            "source": {
              "line": {
                "file": "log",
                "line": 13
              }
            }
          },
          "reason": {
            "unknown-revision": "e"
          }
        }
      ],
      "value": {
        "mean_ms": 10800000.0,
        "median_ms": 10800000.0
      }
    }
    "#);
    insta::assert_snapshot!(measures["rework_rate"]["value"], @r#"{"part":1,"value":0.3333333333333333,"whole":3}"#);
    insta::assert_snapshot!(measures["deployment_frequency"]["value"], @r#"{"days":2,"deployments":3,"per_day":0.42857142857142855}"#);
}
