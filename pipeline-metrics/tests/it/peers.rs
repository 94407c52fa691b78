//! What the suites of other programs expect of them, as small cases of our own with the same figures or the same
//! rule. Each names the suite that it restates.

use jiff::{SignedDuration, Timestamp};
use pipeline_metrics::{
    Change, Delivery, Deployment, DeploymentKind, DeploymentResult, Fact, FactSource, Facts, Incident,
    Measures, Metric, Phases, Preset, Ratio, Recovery, Scope, Sha, Window,
};

use crate::week::at;

const SOURCE: FactSource<'_> = FactSource::Line {
    file: "case",
    line: 1,
};
const DAY: i64 = 86_400;
/// Milliseconds.
const MS_DAY: f64 = 86_400_000.0;

/// Facts whose moments are seconds after the start of 2021.
#[derive(Default)]
struct Case(Facts);

fn moment(seconds: i64) -> Timestamp {
    at("2021-01-01T00:00:00Z") + SignedDuration::from_secs(seconds)
}

impl Case {
    fn change(self, component: &str, sha: &str, at: i64) -> Self {
        self.phased(component, sha, at, Phases::default())
    }

    fn phased(mut self, component: &str, sha: &str, at: i64, phases: Phases) -> Self {
        self.0.add(Fact::Change(Change {
            component,
            sha: Sha::new(sha),
            at: moment(at),
            phases,
            source: SOURCE,
        }));
        self
    }

    /// Of a deployment: its component, id and finish, what it lists, and how it differs from a success.
    fn deployment(
        mut self,
        (component, id, finished): (&str, &str, i64),
        changes: &[&str],
        with: impl FnOnce(&mut Deployment<'_>),
    ) -> Self {
        let mut deployment = Deployment {
            id,
            component,
            environment: "production",
            production: None,
            started: None,
            finished: moment(finished),
            result: DeploymentResult::Success,
            kind: DeploymentKind::Planned,
            version: None,
            release: None,
            team: None,
            changes: changes.iter().map(|sha| Sha::new(sha)).collect(),
            source: SOURCE,
        };
        with(&mut deployment);
        self.0.add(Fact::Deployment(deployment));
        self
    }

    fn incident(mut self, component: &str, id: &str, opened: i64, over: Option<i64>) -> Self {
        self.0.add(Fact::Incident(Incident {
            id,
            component,
            environment: None,
            opened: moment(opened),
            deployment: None,
            changes: Vec::new(),
            source: SOURCE,
        }));
        if let Some(over) = over {
            self.0.add(Fact::Recovery(Recovery {
                incident: id,
                at: moment(over),
                source: SOURCE,
            }));
        }
        self
    }

    fn of(&self, preset: Preset, scope: Scope<'_>, from: i64, to: i64) -> Measures {
        let delivery = Delivery::of(&self.0, &preset.options()).unwrap();
        let window = Window::new(moment(from), moment(to)).unwrap();
        let selection = delivery.select(&scope, window);
        let measures = selection.measures();
        for metric in Metric::ALL {
            assert_eq!(selection.explain(metric).value, measures.value(metric));
        }
        if let Some(recovery) = measures.recovery_time {
            // What is behind the number is as many facts as it was made of.
            let explained = selection.explain(Metric::RecoveryTime);
            let sum: i64 = explained.counted.iter().filter_map(|one| one.micros).sum();
            let mean = sum as f64 / 1000.0 / explained.counted.len() as f64;
            assert!((mean - recovery.mean_ms).abs() < 1e-3);
            assert_eq!(selection.recoveries().len(), measures.incidents);
        }
        measures
    }
}

fn plain(_: &mut Deployment<'_>) {}

fn failed(deployment: &mut Deployment<'_>) {
    deployment.result = DeploymentResult::Failure;
}

fn fix(deployment: &mut Deployment<'_>) {
    deployment.kind = DeploymentKind::Hotfix;
}

/// thoughtworks/metrik, `ChangeFailureRateCalculatorTest`: of a failure and two successes in the window, with one
/// success before it and one of another environment; NaN without any.
#[test]
fn metrik_counts_failed_runs() {
    let case = Case::default()
        .deployment(("1", "b1", 0), &[], plain)
        .deployment(("1", "b2", 31 * DAY), &[], failed)
        .deployment(("1", "b3", 45 * DAY), &[], plain)
        .deployment(("1", "b4", 60 * DAY), &[], plain)
        .deployment(("1", "b5", 61 * DAY), &[], |one| one.environment = "uat")
        .deployment(("2", "c2", 31 * DAY), &[], plain)
        .deployment(("2", "c3", 45 * DAY), &[], plain);
    let rate = |scope, from| {
        let measures = case.of(Preset::Metrik, scope, from, 62 * DAY);
        measures.change_fail_rate
    };
    assert_eq!(rate(Scope::Component("1"), 31 * DAY), Ratio::new(1, 3));
    assert_eq!(rate(Scope::Overall, 31 * DAY), Ratio::new(1, 5));
    assert_eq!(rate(Scope::Overall, 61 * DAY), None);
}

/// thoughtworks/metrik, `MeanTimeToRestoreCalculatorTest`, cases 1 to 5.
#[test]
fn metrik_restores_from_the_first_failure_to_the_next_success() {
    let runs = |runs: &[(&str, i64, bool)]| {
        runs.iter()
            .enumerate()
            .fold(Case::default(), |case, (number, &(pipeline, finished, good))| {
                let id = format!("b{number}");
                case.deployment((pipeline, &id, finished), &[], if good { plain } else { failed })
            })
    };
    let (from, to) = (3 * DAY, 6 * DAY);
    let restored = |case: &Case| {
        let recovery = case.of(Preset::Metrik, Scope::Overall, from, to).recovery_time;
        recovery.map(|time| time.ms / MS_DAY)
    };
    // Failed on day 1 and again on day 2, well on day 3: 2 days from the first. Failed on 4 and well on 5: 1 day.
    let one = runs(&[
        ("1", 0, true),
        ("1", DAY, false),
        ("1", 2 * DAY, false),
        ("1", 3 * DAY, true),
        ("1", 4 * DAY, false),
        ("1", 5 * DAY, true),
        ("1", 7 * DAY, true),
    ]);
    assert_eq!(restored(&one), Some(1.5));
    // All failures before the window, and never a success: 3 days; the other pipeline: 1 day.
    let two = runs(&[
        ("1", 0, false),
        ("1", DAY, false),
        ("1", 2 * DAY, false),
        ("1", 3 * DAY, true),
        ("2", 4 * DAY, false),
        ("2", 5 * DAY, true),
    ]);
    assert_eq!(restored(&two), Some(2.0));
    // Only successes, only failures, and a failure that nothing followed yet.
    assert_eq!(restored(&runs(&[("1", 0, true), ("2", 4 * DAY, true)])), None);
    assert_eq!(restored(&runs(&[("1", 0, false), ("2", 4 * DAY, false)])), None);
    assert_eq!(
        restored(&runs(&[("1", 4 * DAY, true), ("1", 5 * DAY, false)])),
        None
    );
}

/// thoughtworks/metrik, `LeadTimeForChangeCalculatorTest`: the moments are its own, as seconds for its milliseconds.
#[test]
fn metrik_delivers_what_failed_with_the_next_success() {
    let lead = |case: &Case, from, to| {
        let measures = case.of(Preset::Metrik, Scope::Overall, from, to);
        measures.lead_time.map(|time| time.ms / 1000.0)
    };
    // Case 2: 7 and 6 of one pipeline, 2 of another: 15 / 3. Nothing was delivered in a later window (case 1).
    let two = Case::default()
        .change("1", "a", 1)
        .change("1", "b", 2)
        .change("2", "c", 6)
        .deployment(("1", "b1", 8), &["a", "b"], plain)
        .deployment(("2", "c1", 8), &["c"], plain);
    assert_eq!(lead(&two, 0, 21), Some(5.0));
    assert_eq!(lead(&two, 8, 21), Some(5.0));
    assert_eq!(lead(&two, 9, 21), None);
    // Case 5-2: no time at all is a time.
    let none = Case::default()
        .change("1", "a", 8)
        .deployment(("1", "b1", 8), &["a"], plain);
    assert_eq!(lead(&none, 8, 9), Some(0.0));
    // Case 6: pipeline 1 has 15 + 14 of what failed at 11, and 6 + 5; pipeline 2 has 10 + 10 and 0 + 0: 60 / 8.
    let six = ["1", "2"].into_iter().fold(Case::default(), |case, pipeline| {
        let times = if pipeline == "1" {
            [4, 5, 13, 14]
        } else {
            [9, 9, 19, 19]
        };
        let id = |build: &str| format!("{pipeline}-{build}");
        case.change(pipeline, "a", 1)
            .change(pipeline, "c", times[0])
            .change(pipeline, "d", times[1])
            .change(pipeline, "e", times[2])
            .change(pipeline, "f", times[3])
            .change(pipeline, "g", 28)
            .deployment((pipeline, &id("1"), 8), &["a"], plain)
            .deployment((pipeline, &id("2"), 11), &["c", "d"], failed)
            .deployment((pipeline, &id("4"), 19), &["e", "f"], plain)
            .deployment((pipeline, &id("7"), 36), &["g"], plain)
    });
    assert_eq!(lead(&six, 13, 27), Some(60.0 / 8.0));
    // What failed in one pipeline is not delivered by another one.
    let apart = Case::default()
        .change("1", "a", 1)
        .change("2", "b", 2)
        .deployment(("1", "b1", 5), &["a"], failed)
        .deployment(("2", "c1", 8), &["b"], plain);
    assert_eq!(lead(&apart, 0, 10), Some(6.0));
}

/// thoughtworks/metrik, `DeploymentFrequencyCalculatorTest`: successes in the window, of all pipelines.
#[test]
fn metrik_counts_successes() {
    let case = Case::default()
        .deployment(("1", "b1", 0), &[], plain)
        .deployment(("1", "b2", 14 * DAY), &[], plain)
        .deployment(("1", "b3", 16 * DAY), &[], failed)
        .deployment(("1", "b4", 31 * DAY), &[], plain)
        .deployment(("2", "c2", 14 * DAY), &[], plain);
    let measures = case.of(Preset::Metrik, Scope::Overall, 9 * DAY, 19 * DAY);
    assert_eq!(measures.deployment_frequency.unwrap().value, 2.0);
}

/// dora-metrics/pelorus, `_test/prometheus/test.yaml`, the first test: means of the applications' means. One commit
/// in three images counts with each; what names no known commit is no part of the rate; an application without
/// deployments has no rate.
#[test]
fn pelorus_takes_means_of_applications() {
    let image = |name: &'static str| move |one: &mut Deployment<'_>| one.release = Some(name);
    let case = Case::default()
        .change("nginx", "a", 1_000)
        .change("nginx", "b", 2_000)
        .change("nginx", "c", 3_000)
        .change("boot", "x", 1_000)
        .deployment(("nginx", "d1", 1_111), &["a"], image("n1"))
        .deployment(("nginx", "d2", 2_282), &["b"], image("n2"))
        .deployment(("nginx", "d3", 5_000), &["c"], image("n3"))
        .deployment(("nginx", "d4", 6_000), &["unknown"], image("n4"))
        .deployment(("boot", "e1", 1_300), &["x"], image("b1"))
        .deployment(("boot", "e2", 1_600), &["x"], image("b2"))
        .deployment(("boot", "e3", 1_900), &["x"], image("b3"))
        .incident("nginx", "i1", 1_500, Some(6_075))
        .incident("nginx", "i2", 1_500, Some(1_537))
        .incident("boot", "i3", 1_500, Some(1_778))
        .incident("foo", "i4", 1_500, None);
    let of = |scope| case.of(Preset::Pelorus, scope, 0, DAY);
    let (nginx, boot) = (of(Scope::Component("nginx")), of(Scope::Component("boot")));
    let seconds = |measures: Measures| measures.lead_time.unwrap().ms / 1000.0;
    // 111, 282 and 2,000; 300, 600 and 900.
    assert!((seconds(nginx) - 2_393.0 / 3.0).abs() < 1e-9);
    assert_eq!(seconds(boot), 600.0);
    // 2 of 3 with a known commit, 1 of 3.
    assert_eq!(nginx.change_fail_rate, Ratio::new(2, 3));
    assert_eq!(boot.change_fail_rate, Ratio::new(1, 3));
    let all = of(Scope::Overall);
    assert!((seconds(all) - (2_393.0 / 3.0 + 600.0) / 2.0).abs() < 1e-9);
    // 4,575 and 37: 2,306; 278. Their mean is 1,292, as there.
    assert_eq!(all.recovery_time.unwrap().ms / 1000.0, 1_292.0);
    assert_eq!(all.change_fail_rate.unwrap().value(), 0.5);
    assert_eq!(all.deployment_frequency.unwrap().value, 7.0);
}

/// dora-metrics/pelorus, `_test/prometheus/test.yaml`, the third test: rates of 1/3, 1/3 and 1 are 0.556 together, and
/// not 3 of 7; an application without a failure is a rate of 0.
#[test]
fn pelorus_takes_the_mean_of_rates() {
    let deployed = |case: Case, app: &str, count: i64| {
        (0..count).fold(case, |case, number| {
            let (sha, id) = (format!("{app}{number}"), format!("{app}-{number}"));
            case.change(app, &sha, number)
                .deployment((app, &id, 1_000 + number), &[&sha], plain)
        })
    };
    let case = ["1", "2"]
        .iter()
        .fold(Case::default(), |case, app| deployed(case, app, 3));
    let case = deployed(case, "3", 1)
        .incident("1", "i1", 2_000, Some(2_665))
        .incident("2", "i2", 2_000, Some(10_000))
        .incident("3", "i3", 2_000, None);
    let all = case.of(Preset::Pelorus, Scope::Overall, 0, DAY);
    let rate = all.change_fail_rate.unwrap();
    assert!(rate.is_mean());
    assert_eq!((rate.part(), rate.whole()), (3, 7));
    assert!((rate.value() - 5.0 / 9.0).abs() < 1e-12);
    // 665 and 8,000 seconds; what is open is of no mean.
    assert_eq!(all.recovery_time.unwrap().ms / 1000.0, 4_332.5);
    let calm = deployed(Case::default(), "1", 2).incident("1", "i1", 2_000, None);
    let calm = deployed(calm, "2", 1).of(Preset::Pelorus, Scope::Overall, 0, DAY);
    assert_eq!(calm.change_fail_rate.unwrap().value(), 0.25);
}

/// dora-metrics/pelorus, the rule `sdp:lead_time:by_commit`: the least over the places of an image, so its first one.
#[test]
fn pelorus_counts_an_image_where_it_came_first() {
    let image = |environment: &'static str| {
        move |one: &mut Deployment<'_>| {
            (one.release, one.environment) = (Some("n1"), environment);
            one.production = Some(true);
        }
    };
    let case = Case::default()
        .change("nginx", "a", 0)
        .deployment(("nginx", "d1", 100), &["a"], image("east"))
        .deployment(("nginx", "d2", 900), &["a"], image("west"));
    let measures = case.of(Preset::Pelorus, Scope::Overall, 0, DAY);
    assert_eq!(measures.lead_time.unwrap().ms, 100_000.0);
    assert_eq!(measures.changes, 1);
    // The same image of another application is another one.
    let two = ["nginx", "proxy"].into_iter().fold(Case::default(), |case, app| {
        let id = |build: &str| format!("{app}-{build}");
        case.change(app, "a", 0)
            .deployment((app, &id("1"), 100), &["a"], |one| one.release = Some("n1"))
            .deployment((app, &id("2"), 300), &["a"], |one| one.release = Some("n2"))
    });
    assert_eq!(two.of(Preset::Pelorus, Scope::Overall, 0, DAY).changes, 4);
    // Where no image is named, it may be the same.
    let unnamed = Case::default()
        .change("nginx", "a", 0)
        .deployment(("nginx", "d1", 100), &["a"], plain)
        .deployment(("nginx", "d2", 900), &["a"], plain);
    assert_eq!(unnamed.of(Preset::Pelorus, Scope::Overall, 0, DAY).changes, 1);
}

/// gitlab-org/gitlab, `ee/spec/models/dora/daily_metrics_spec.rb`: a row of each environment of a project on each day.
#[test]
fn gitlab_takes_medians_of_days_of_environments() {
    // Two environments with medians of 100 and 90, 80 and 70, 60 and 50 seconds on three days: 75.
    let medians = [(0, [100, 90]), (1, [80, 70]), (2, [60, 50])];
    let mut case = Case::default();
    for (day, seconds) in medians {
        for (project, median) in ["shop", "search"].into_iter().zip(seconds) {
            let finished = day * DAY + 3_600;
            // More changes of a day weigh no more: all three of the search take as long.
            let count = if project == "search" { 3 } else { 1 };
            let shas: Vec<_> = (0..count).map(|number| format!("{day}{number}")).collect();
            for sha in &shas {
                case = case.change(project, sha, finished - median);
            }
            let shas: Vec<_> = shas.iter().map(String::as_str).collect();
            let id = format!("{project}{day}");
            case = case.deployment((project, &id, finished), &shas, plain);
        }
    }
    let lead = |from, to| {
        let measures = case.of(Preset::GitLab, Scope::Overall, from, to);
        measures.lead_time.unwrap().ms / 1000.0
    };
    assert_eq!(lead(0, 4 * DAY), 75.0);
    for (day, expected) in [(0, 95.0), (1, 75.0), (2, 55.0)] {
        assert_eq!(lead(day * DAY, (day + 1) * DAY), expected, "day {day}");
    }
    // Two environments of one project are two as well: 10 and 30 seconds on one day.
    let place = |environment: &'static str| {
        move |one: &mut Deployment<'_>| {
            (one.environment, one.production) = (environment, Some(true));
        }
    };
    let case = Case::default()
        .change("shop", "a", 0)
        .change("shop", "b", 0)
        .change("shop", "c", 0)
        .deployment(("shop", "d1", 10), &["a", "b"], place("eu"))
        .deployment(("shop", "d2", 30), &["c"], place("us"));
    let both = case.of(Preset::GitLab, Scope::Component("shop"), 0, DAY);
    assert_eq!(both.lead_time.unwrap().ms, 20_000.0);
    // Merged one, two and three days before: the median is two days, whenever the commits were made.
    let merged = |days: i64| Phases {
        merged: Some(moment(days * DAY)),
        ..Phases::default()
    };
    let case = Case::default()
        .phased("shop", "a", 0, merged(4))
        .phased("shop", "b", 0, merged(3))
        .phased("shop", "c", 0, merged(2))
        .deployment(("shop", "d", 5 * DAY), &["a", "b", "c"], plain)
        .deployment(("shop", "e", 5 * DAY), &[], failed);
    let found = case.of(Preset::GitLab, Scope::Overall, 5 * DAY, 6 * DAY);
    assert_eq!(found.lead_time.unwrap().ms, 2.0 * MS_DAY);
    assert_eq!(found.deployments, 1);
}

/// gitlab-org/gitlab, specs of `TimeToRestoreServiceMetric`, `ChangeFailureRateMetric` and the aggregator: a median of 7,
/// 5, 3 and 1 days; incidents by the day of their opening, set against at least one deployment; 17 in 43 days.
#[test]
fn gitlab_counts_incidents_by_day() {
    let incidents = [7, 5, 3, 1].into_iter().fold(Case::default(), |case, days| {
        case.incident("shop", &format!("i{days}"), (10 - days) * DAY, Some(10 * DAY))
    });
    let closed = incidents.of(Preset::GitLab, Scope::Overall, 10 * DAY, 11 * DAY);
    assert_eq!(closed.recovery_time.unwrap().ms, 4.0 * MS_DAY);
    assert_eq!(closed.change_fail_rate, None);
    let opened = |from, to| {
        incidents
            .of(Preset::GitLab, Scope::Overall, from, to)
            .change_fail_rate
    };
    // Two were opened from day 3 to day 5, and nothing was deployed.
    assert_eq!(opened(3 * DAY, 6 * DAY), Ratio::new(2, 1));
    let case = incidents.deployment(("shop", "d", 4 * DAY), &[], plain);
    let case = (0..16).fold(case, |case, number| {
        case.deployment(("shop", &format!("e{number}"), 20 * DAY), &[], plain)
    });
    let all = case.of(Preset::GitLab, Scope::Overall, 0, 43 * DAY);
    assert_eq!(all.change_fail_rate, Ratio::new(4, 17));
    assert_eq!(all.deployment_frequency.unwrap().value, 17.0 / 43.0);
}

/// red-gate/RedGate.Metrics, `Get-BucketedReleaseMetricsForReport`: windows of fourteen days, both ends of which belong
/// to it there; it writes commit ages of 3.5 and 0.5 days, which its shell takes for 4 and 0.
#[test]
fn redgate_averages_over_a_window() {
    let may = |day: i64| (120 + day - 1) * DAY;
    let released = |case: Case, id: &str, finished, age: i64, with: fn(&mut Deployment<'_>)| {
        let case = case.change("shop", id, finished - age * DAY);
        case.deployment(("shop", id, finished), &[id], with)
    };
    // The first of April is the end of a release that nothing is known of.
    let case = Case::default().deployment(("shop", "0.0", may(1) - 30 * DAY), &[], plain);
    let case = released(case, "0.1", may(13), 20, plain);
    let case = released(case, "0.2", may(21), 4, plain);
    let case = released(case, "0.3/fix", may(22), 0, fix);
    let case = released(case, "0.4", may(28), 2, plain);
    let case = released(case, "0.5", may(35), 4, plain);
    let of = |end: i64| {
        let measures = case.of(
            Preset::Redgate,
            Scope::Component("shop"),
            may(end - 14),
            may(end) + 1,
        );
        (
            measures.deployments,
            measures.deployment_frequency.map(|frequency| frequency.value),
            measures.lead_time.map(|time| time.ms / MS_DAY),
            measures.change_fail_rate.map(|rate| (rate.part(), rate.whole())),
            measures.recovery_time.map(|time| time.ms / 3_600_000.0),
        )
    };
    assert_eq!(of(38), (2, Some(6.5), Some(3.0), Some((0, 2)), None));
    assert_eq!(of(31), (3, Some(5.0), Some(2.0), Some((1, 3)), Some(24.0)));
    assert_eq!(of(24), (3, Some(17.0), Some(4.0), Some((1, 3)), Some(24.0)));
    assert_eq!(of(17), (1, Some(42.0), Some(20.0), Some((0, 1)), None));
    assert_eq!(of(10), (0, None, None, None, None));
}

/// Releases with a commit of their own, of several components: of what, on which day; a `!` marks a fix, and the first of
/// each component is where what is known begins.
fn releases(list: &[(&str, i64)]) -> Case {
    list.iter().fold(Case::default(), |case, &(name, day)| {
        let (component, fixes) = match name.strip_suffix('!') {
            Some(component) => (component, true),
            None => (name, false),
        };
        let id = format!("{component}@{day}");
        case.change(component, &id, day * DAY - 3_600).deployment(
            (component, &id, day * DAY),
            &[&id],
            if fixes { fix } else { plain },
        )
    })
}

/// Mean interval in days, fixes and releases, recovery in days.
fn merged(case: &Case, from: i64, to: i64) -> (Option<f64>, Option<(usize, usize)>, Option<f64>) {
    let measures = case.of(Preset::Redgate, Scope::Overall, from * DAY, to * DAY);
    (
        measures.deployment_frequency.map(|frequency| frequency.value),
        measures.change_fail_rate.map(|rate| (rate.part(), rate.whole())),
        measures.recovery_time.map(|time| time.ms / MS_DAY),
    )
}

/// red-gate/RedGate.Metrics, `Get-ReleaseMetrics`: a fix after a bad release; two attempts; a row that begins and ends
/// with a fix.
#[test]
fn redgate_recovers_with_the_last_fix_of_a_row() {
    assert_eq!(
        merged(&releases(&[("a", 1), ("a!", 2)]), 0, 9),
        (Some(1.0), Some((1, 1)), Some(1.0))
    );
    assert_eq!(
        merged(&releases(&[("a", 1), ("a!", 2), ("a!", 3)]), 0, 9),
        (Some(1.0), Some((2, 2)), Some(2.0))
    );
    assert_eq!(
        merged(&releases(&[("a!", 1), ("a", 2), ("a!", 3)]), 0, 9),
        (Some(1.0), Some((1, 2)), Some(1.0))
    );
}

/// red-gate/RedGate.Metrics, `Merge-ReleaseMetricsIntoOnePseudoRepository`, its three cases: days of May, and the first
/// interval of 42 days from the first of April.
#[test]
fn redgate_merges_components_into_one_row() {
    let apart = releases(&[("a", -29), ("a", 13), ("a", 21), ("a!", 24), ("b", 12), ("b", 22)]);
    // 42 days before the 13th, then to the 21st, the 22nd and the 24th; the fix mends what came on the 21st.
    assert_eq!(
        merged(&apart, 0, 40),
        (Some(f64::from(42 + 8 + 1 + 2) / 4.0), Some((1, 4)), Some(3.0))
    );
    assert_eq!(merged(&apart, 22, 25), (Some(1.5), Some((1, 2)), Some(3.0)));

    // The oldest is a fix: it is as it is by itself.
    let oldest = releases(&[("a", -29), ("a!", 13), ("a", 21), ("b", 12), ("b", 22)]);
    assert_eq!(
        merged(&oldest, 0, 40),
        (Some(f64::from(42 + 8 + 1) / 3.0), Some((1, 3)), Some(42.0))
    );

    // Both are broken at once: one failure, from the 13th, when a was good, to the 23rd.
    let overlapping = releases(&[
        ("a", -29),
        ("a", 13),
        ("a!", 21),
        ("a", 24),
        ("b", -8),
        ("b", 15),
        ("b!", 23),
        ("b", 25),
    ]);
    assert_eq!(
        merged(&overlapping, 0, 40),
        (
            Some(f64::from(42 + 2 + 6 + 2 + 1 + 1) / 6.0),
            Some((1, 6)),
            Some(10.0)
        )
    );
    // By themselves there are two, of 8 days each.
    for component in ["a", "b"] {
        let one = overlapping.of(Preset::Redgate, Scope::Component(component), 0, 40 * DAY);
        assert_eq!(one.change_fail_rate, Ratio::new(1, 3));
        assert_eq!(one.recovery_time.unwrap().ms, 8.0 * MS_DAY);
    }
    // What happens after all is well again is a failure of its own.
    let twice = releases(&[
        ("a", 0),
        ("a", 1),
        ("a!", 2),
        ("a", 3),
        ("b", 0),
        ("b", 4),
        ("b!", 6),
        ("b", 7),
    ]);
    assert_eq!(merged(&twice, 1, 40), (Some(7.0 / 6.0), Some((2, 6)), Some(1.5)));
    // Of another component only its first release is there, of which nothing is known: the row has those of one, and
    // of three fixes of it the last is the failure, and the oldest is what it is by itself.
    let other = [("a", 0), ("a!", 2), ("a!", 3), ("a!", 4), ("b", 1)];
    assert_eq!(
        merged(&releases(&other), 0, 40),
        (Some(4.0 / 3.0), Some((2, 3)), Some(4.0))
    );
    // Of one component alone there is nothing to merge.
    assert_eq!(merged(&releases(&other[..4]), 0, 40).1, Some((3, 3)));
    // Nor of the deployments of one environment, if only one component went live there.
    let elsewhere = releases(&other[..4]).deployment(("b", "b", DAY), &[], |one| {
        (one.environment, one.production) = ("us", Some(true));
    });
    let eu = elsewhere.of(Preset::Redgate, Scope::Environment("production"), 0, 40 * DAY);
    assert_eq!(eu.change_fail_rate, Ratio::new(3, 3));
    // Nothing is known from before the fixes: the failure began with the oldest that is.
    let unknown = releases(&[("a", 0), ("b", 1), ("b!", 3), ("a!", 5)]);
    assert_eq!(merged(&unknown, 1, 40).1, Some((2, 2)));
    assert_eq!(merged(&unknown, 5, 40).2, Some(4.0));
}

/// middlewarehq/middleware, `test_deployment_frequency.py`: an integer division, so three in four days are none a day.
#[test]
fn middleware_cuts_its_frequency() {
    let deployed = |count: i64| {
        let case = (0..count).fold(Case::default(), |case, number| {
            case.deployment(("team", &format!("d{number}"), number * 3_600), &[], plain)
        });
        let measures = case.of(Preset::Middleware, Scope::Overall, 0, 4 * DAY);
        measures.deployment_frequency.unwrap().value
    };
    assert_eq!([3, 4, 11].map(deployed), [0.0, 1.0, 2.0]);
}

/// middlewarehq/middleware, `test_lead_time_service.py`: each phase is averaged by the count of pull requests, and lead
/// time is the sum; a phase that did not happen is 0, so what nobody reviewed does not wait for it.
#[test]
fn middleware_sums_phases() {
    let hours = |count: i64| Some(moment(count * 3_600));
    let phases = |first, opened, reviewed: Option<i64>, merged| Phases {
        first_commit: hours(first),
        opened: hours(opened),
        reviewed: reviewed.and_then(hours),
        merged: hours(merged),
    };
    let case = Case::default()
        // 1 + 4 + 11 + 1 hours.
        .phased("team", "a", 3_600, phases(0, 1, Some(5), 16))
        // 2 + 1 hours: the ten between opening and merge are of no phase.
        .phased("team", "b", 3_600, phases(2, 4, None, 16))
        // Opened before its first commit: 0 + 3 + 7 + 1.
        .phased("team", "c", 3_600, phases(8, 6, Some(9), 16))
        .deployment(("team", "d", 17 * 3_600), &["a", "b", "c"], plain);
    let measures = case.of(Preset::Middleware, Scope::Overall, 0, DAY);
    assert_eq!(
        measures.lead_time.unwrap().ms / 3_600_000.0,
        f64::from(17 + 3 + 11) / 3.0
    );
}
