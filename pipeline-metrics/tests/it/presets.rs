//! The presets on the synthetic year, against the same rules written once more and plainly.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pipeline_metrics::{
    Delivery, Deployment, DeploymentKind, DeploymentResult, Facts, Measures, Options, Preset, Scope, Window,
};

use crate::fixture::folder;
use crate::synthetic::year;

fn overall(facts: &Facts, preset: Preset, window: Window) -> Measures {
    let delivery = Delivery::of(facts, &preset.options()).unwrap();
    delivery.select(&Scope::Overall, window).measures()
}

fn all() -> Window {
    Window::new(
        "2024-01-01T00:00:00Z".parse().unwrap(),
        "2027-01-01T00:00:00Z".parse().unwrap(),
    )
    .unwrap()
}

fn ms(time: jiff::SignedDuration) -> f64 {
    time.as_millis() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn near(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= expected.abs() * 1e-9,
        "{found} {expected}"
    );
}

fn live(facts: &Facts) -> Vec<Deployment<'_>> {
    let mut live: Vec<_> = facts
        .deployments()
        .filter(|each| each.environment == "production" && each.result == DeploymentResult::Success)
        .collect();
    live.sort_by_key(|each| (each.finished, each.id.to_owned()));
    live
}

type Commits = HashMap<(String, String), jiff::Timestamp>;

fn commits(facts: &Facts) -> Commits {
    facts
        .changes()
        .map(|change| ((change.component.to_owned(), change.sha.to_string()), change.at))
        .collect()
}

/// Component, finish and time of each first delivery.
fn deliveries(facts: &Facts) -> Vec<(String, jiff::Timestamp, f64)> {
    let (commits, mut seen) = (commits(facts), BTreeSet::new());
    let mut times = Vec::new();
    for deployment in live(facts) {
        for sha in &deployment.changes {
            let key = (deployment.component.to_owned(), sha.to_string());
            if let Some(at) = commits.get(&key)
                && seen.insert(key)
            {
                times.push((
                    deployment.component.to_owned(),
                    deployment.finished,
                    ms(deployment.finished.duration_since(*at)),
                ));
            }
        }
    }
    times
}

fn recoveries(facts: &Facts) -> Vec<(String, jiff::Timestamp, f64)> {
    let over: HashMap<_, _> = facts.recoveries().map(|each| (each.incident, each.at)).collect();
    let mut times = Vec::new();
    for incident in facts.incidents() {
        if let Some(at) = over.get(incident.id) {
            times.push((
                incident.component.to_owned(),
                *at,
                ms(at.duration_since(incident.opened)),
            ));
        }
    }
    times
}

fn by<K: Ord>(
    times: &[(String, jiff::Timestamp, f64)],
    key: impl Fn(&(String, jiff::Timestamp, f64)) -> K,
) -> Vec<Vec<f64>> {
    let mut groups: BTreeMap<K, Vec<f64>> = BTreeMap::new();
    for time in times {
        groups.entry(key(time)).or_default().push(time.2);
    }
    groups.into_values().collect()
}

/// There is one environment with users.
fn day(time: &(String, jiff::Timestamp, f64)) -> (String, i64) {
    (time.0.clone(), time.1.as_second().div_euclid(86_400))
}

#[test]
fn the_default_is_the_first_preset_and_names_lead_to_presets() {
    assert_eq!(Preset::Dora.options(), Options::default());
    for preset in Preset::ALL {
        assert_eq!(preset.name().parse(), Ok(preset));
        let options = preset.options();
        let stored = serde_json::to_string(&options).unwrap();
        assert_eq!(
            serde_json::from_str::<Options>(&stored).unwrap(),
            options,
            "{stored}"
        );
        assert_eq!(serde_json::to_value(preset).unwrap(), preset.name());
    }
    insta::assert_snapshot!(
        "doar".parse::<Preset>().unwrap_err(),
        @"there is no preset `doar`; known are dora, four_keys, devlake, gitlab, metrik, pelorus, middleware, redgate"
    );
}

#[test]
fn gitlab() {
    let Some(folder) = folder("synthetic") else { return };
    let facts = year(&folder, 1);
    let found = overall(&facts, Preset::GitLab, all());
    let daily =
        |times: &[(String, jiff::Timestamp, f64)]| median(by(times, day).into_iter().map(median).collect());
    near(found.lead_time.unwrap().ms, daily(&deliveries(&facts)));
    near(found.recovery_time.unwrap().ms, daily(&recoveries(&facts)));
    let rate = found.change_fail_rate.unwrap();
    assert_eq!(
        (rate.part(), rate.whole()),
        (facts.incidents().count(), live(&facts).len())
    );
}

#[test]
fn pelorus() {
    let Some(folder) = folder("synthetic") else { return };
    let facts = year(&folder, 1);
    let found = overall(&facts, Preset::Pelorus, all());
    let means = |times: &[(String, jiff::Timestamp, f64)]| {
        mean(
            &by(times, |time| time.0.clone())
                .iter()
                .map(|times| mean(times))
                .collect::<Vec<_>>(),
        )
    };
    near(found.lead_time.unwrap().ms, means(&deliveries(&facts)));
    near(found.recovery_time.unwrap().ms, means(&recoveries(&facts)));
    let commits = commits(&facts);
    let known = |each: &&Deployment<'_>| {
        let mut shas = each.changes.iter();
        shas.any(|sha| commits.contains_key(&(each.component.to_owned(), sha.to_string())))
    };
    let whole = live(&facts).iter().filter(known).count();
    let rate = found.change_fail_rate.unwrap();
    assert_eq!((rate.part(), rate.whole()), (facts.incidents().count(), whole));
}

#[test]
fn four_keys() {
    let Some(folder) = folder("synthetic") else { return };
    let facts = year(&folder, 1);
    let found = overall(&facts, Preset::FourKeys, all());
    let commits = commits(&facts);
    let (mut minutes, mut counted) = (Vec::new(), 0);
    for deployment in live(&facts) {
        let mut known = false;
        for sha in &deployment.changes {
            if let Some(at) = commits.get(&(deployment.component.to_owned(), sha.to_string())) {
                known = true;
                let whole = (ms(deployment.finished.duration_since(*at)) / 60_000.0).floor();
                minutes.extend((whole > 0.0).then_some(whole * 60_000.0));
            }
        }
        counted += usize::from(known);
    }
    assert_eq!((found.deployments, found.changes), (counted, minutes.len()));
    near(found.lead_time.unwrap().ms, median(minutes));
    // No incident of the year names a revision: its clock starts where it was opened.
    let hours = recoveries(&facts)
        .into_iter()
        .map(|time| (time.2 / 3_600_000.0).floor() * 3_600_000.0);
    near(found.recovery_time.unwrap().ms, median(hours.collect()));
    assert_eq!(found.change_fail_rate.unwrap().part(), 0);
}

#[test]
fn metrik() {
    let Some(folder) = folder("synthetic") else { return };
    let facts = year(&folder, 1);
    let found = overall(&facts, Preset::Metrik, all());
    let mut runs: Vec<_> = facts
        .deployments()
        .filter(|each| each.environment == "production")
        .collect();
    runs.sort_by_key(|each| (each.component.to_owned(), each.finished, each.id.to_owned()));
    let (commits, mut seen) = (commits(&facts), BTreeSet::new());
    let (mut leads, mut spells) = (Vec::new(), Vec::new());
    for runs in runs.chunk_by(|a, b| a.component == b.component) {
        let (mut waiting, mut failed) = (Vec::new(), None);
        for run in runs {
            waiting.extend(
                run.changes
                    .iter()
                    .map(|sha| (run.component.to_owned(), sha.to_string())),
            );
            if run.result == DeploymentResult::Failure {
                failed = failed.or(Some(run.finished));
                continue;
            }
            for key in waiting.drain(..) {
                if let Some(at) = commits.get(&key)
                    && seen.insert(key)
                {
                    leads.push(ms(run.finished.duration_since(*at)));
                }
            }
            spells.extend(
                failed
                    .take()
                    .map(|failed| ms(run.finished.duration_since(failed))),
            );
        }
    }
    near(found.lead_time.unwrap().ms, mean(&leads));
    near(found.recovery_time.unwrap().ms, mean(&spells));
    let failures = runs
        .iter()
        .filter(|run| run.result == DeploymentResult::Failure)
        .count();
    let rate = found.change_fail_rate.unwrap();
    assert_eq!((rate.part(), rate.whole()), (failures, runs.len()));
}

#[test]
fn middleware_and_devlake() {
    let Some(folder) = folder("synthetic") else { return };
    let facts = year(&folder, 1);
    let found = overall(&facts, Preset::Middleware, all());
    let positive: Vec<_> = deliveries(&facts)
        .into_iter()
        .map(|time| time.2)
        .filter(|time| *time >= 0.0)
        .collect();
    near(found.lead_time.unwrap().ms, mean(&positive));
    let live = live(&facts);
    let failed = |component: Option<&str>, incident: &pipeline_metrics::Incident<'_>, strict: bool| {
        let before = |each: &&Deployment<'_>| {
            let here = component.is_none_or(|component| component == each.component);
            here && if strict {
                each.finished < incident.opened
            } else {
                each.finished <= incident.opened
            }
        };
        live.iter().rfind(before).map(|each| each.id.to_owned())
    };
    let of_component: BTreeSet<_> = facts
        .incidents()
        .filter_map(|each| failed(Some(each.component), &each, false))
        .collect();
    assert_eq!(found.change_fail_rate.unwrap().part(), of_component.len());
    let of_project: BTreeSet<_> = facts
        .incidents()
        .filter_map(|each| failed(None, &each, true))
        .collect();
    let found = overall(&facts, Preset::DevLake, all());
    assert_eq!(found.change_fail_rate.unwrap().part(), of_project.len());
}

#[test]
fn redgate() {
    let Some(folder) = folder("synthetic") else { return };
    let facts = year(&folder, 1);
    let (commits, component) = (commits(&facts), "svc-000");
    let delivery = Delivery::of(&facts, &Preset::Redgate.options()).unwrap();
    let found = delivery.select(&Scope::Component(component), all()).measures();
    let mut releases = live(&facts);
    releases.retain(|each| each.component == component);
    let known = |each: &Deployment<'_>| {
        each.changes
            .iter()
            .any(|sha| commits.contains_key(&(component.to_owned(), sha.to_string())))
    };
    let fix = |each: &Deployment<'_>| each.kind != DeploymentKind::Planned;
    let (mut intervals, mut fixes, mut spells) = (Vec::new(), 0, Vec::new());
    let mut good = releases[0].finished;
    for at in 1..releases.len() {
        let (before, this) = (&releases[at - 1], &releases[at]);
        if !fix(before) {
            good = before.finished;
        }
        if !known(this) {
            continue;
        }
        intervals.push(ms(this.finished.duration_since(before.finished)) / 86_400_000.0);
        fixes += usize::from(fix(this));
        if fix(this) && releases.get(at + 1).is_none_or(|next| !fix(next)) {
            spells.push(ms(this.finished.duration_since(good)));
        }
    }
    assert_eq!(found.deployments, intervals.len());
    near(found.deployment_frequency.unwrap().value, mean(&intervals));
    assert_eq!(found.change_fail_rate.unwrap().part(), fixes);
    near(found.recovery_time.unwrap().ms, mean(&spells));
}
