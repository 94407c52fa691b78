//! Which versions are kept, shown before it is done.

use pipeline_artifacts::{
    Because, CarryOutError, Collection, Fate, InUse, Publication, RetentionPlan, RetentionPolicy, Versions,
};
use pipeline_core::journal::{Batch, Expected};
use pipeline_core::{
    Actor, ArtifactName, ArtifactRef, Configuration, Deployed, Digest, EnvironmentEvent, Estate, Journal,
    JournalExt, MemoryJournal, NewEvent, SignedDuration, StreamId, Timestamp, Verified,
};
use proptest::prelude::*;
use semver::Version;
use serde_json::json;

use crate::{Bench, shop, v};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    at("2026-11-25T12:00:00Z")
}

pub(crate) fn why() -> Because {
    Because::new("retention", Actor::service("nightly").unwrap(), now()).unwrap()
}

fn policy(text: &str) -> RetentionPolicy {
    RetentionPolicy::parse(text, "retention.toml").unwrap()
}

/// Publishes a version with content of its own, so many days ago.
fn publish(bench: &Bench, name: &str, version: &str, days: i64) -> ArtifactRef {
    let tree = bench
        .tree(&format!("{name}-{version}"))
        .file("same", vec![b's'; 5000])
        .file("a", version);
    let artifact = ArtifactRef {
        name: name.parse().unwrap(),
        version: v(version),
        digest: bench.pack(&tree).digest,
    };
    let published = now() - SignedDuration::from_hours(24 * days);
    bench
        .store
        .publish_with(Publication::new(artifact).at(published))
        .unwrap()
        .artifact
}

fn shops(bench: &Bench) {
    for (version, days) in [
        ("1.0.0", 400),
        ("1.0.1", 390),
        ("1.1.0", 300),
        ("1.1.1", 200),
        ("1.2.0-rc.1", 120),
        ("1.2.0", 100),
        ("1.2.1", 50),
        ("2.0.0-rc.1", 40),
        ("2.0.0-rc.2", 3),
        ("2.0.0", 1),
    ] {
        publish(bench, "shop", version, days);
    }
}

fn fates(plan: &RetentionPlan) -> Vec<(String, Fate)> {
    plan.decisions
        .iter()
        .map(|decision| (decision.artifact.version.to_string(), decision.fate))
        .collect()
}

/// The sizes of an artifact are the form's business.
fn without_sizes(plan: &RetentionPlan) -> String {
    let text = plan.to_string();
    let lines = text.lines().map(|line| {
        let mut words: Vec<_> = line.split("  ").collect();
        words.retain(|word| word.trim().parse::<u64>().is_err());
        words
            .join("  ")
            .split(", which frees")
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_plan_shows_every_version_and_why() {
    let bench = Bench::new();
    shops(&bench);
    publish(&bench, "tool", "0.1.0", 1000);
    let old = bench.store.find(&shop(), &v("1.0.0")).unwrap().unwrap();
    let catalog = bench.store.catalog();
    catalog.yank(&shop(), &v("1.2.1"), &why()).unwrap();
    let policy = policy(
        r#"
        keep-last = 2
        keep-per-minor = 1
        younger-than = "60d"
        pinned = ["=1.1.0"]
        [pre-releases]
        younger-than = "1 week"
        [names.tool]
        keep-last = 1
        "#,
    );
    let in_use = [
        InUse::new(old.digest, "production runs it"),
        InUse::new(old.digest, "staging could roll back to it"),
    ];
    let plan = bench.store.plan_retention(&policy, &in_use, now()).unwrap();
    insta::assert_snapshot!(without_sizes(&plan), @r"
        shop
          keep    1.0.0      production runs it; staging could roll back to it
          keep    1.0.1      it is the last of 1.0
          keep    1.1.0      it is pinned by `=1.1.0`
          keep    1.1.1      it is the last of 1.1
          remove  1.2.0-rc.1  no rule keeps it, and nobody needs it
          keep    1.2.0      it is among the last 2
          keep    1.2.1      it is younger than 60d
          remove  2.0.0-rc.1  no rule keeps it, and nobody needs it
          keep    2.0.0-rc.2  it is younger than 1w
          keep    2.0.0      it is among the last 2
        tool
          keep    0.1.0      it is the last
        2 of 11 versions would be removed
        ");
    assert!(plan.frees > 0 && plan.frees < plan.of, "{plan}");

    // As data it is the same.
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<RetentionPlan>(&text).unwrap(), plan);

    let done = bench.store.carry_out(&plan, &in_use, &why(), now()).unwrap();
    let removed: Vec<_> = plan.removed().map(|decision| decision.artifact.clone()).collect();
    assert_eq!(done.removed, removed);
    for decision in &plan.decisions {
        let found = bench
            .store
            .find(&decision.artifact.name, &decision.artifact.version)
            .unwrap();
        assert_eq!(found.is_some(), decision.fate == Fate::Kept, "{decision:?}");
    }
    // What it frees is what a collection takes.
    let later = Collection::new(at("2100-01-01T00:00:00Z")).in_use(in_use.clone());
    assert_eq!(bench.store.collect(&later).unwrap().moved_bytes(), plan.frees);
    assert!(bench.store.verify().unwrap().is_good());
    // A version that was removed stays taken.
    let other = bench.pack(&bench.tree("other").file("a", "other")).digest;
    let taken = bench.store.publish(&shop(), &v("1.0.1"), &other).unwrap_err();
    assert!(taken.to_string().contains("is published already as"), "{taken}");

    // Twice is fine, and does nothing.
    let again = bench.store.carry_out(&plan, &in_use, &why(), now()).unwrap();
    assert_eq!((again.removed.len(), again.already), (0, removed));
    let plan = bench.store.plan_retention(&plan.policy, &in_use, now()).unwrap();
    assert_eq!((plan.removed().count(), plan.frees), (0, 0));
}

#[test]
fn a_plan_is_refused_when_something_is_needed_since() {
    let bench = Bench::new();
    shops(&bench);
    let store = &bench.store;
    let plan = store
        .plan_retention(&policy("keep-last = 3"), &[], now())
        .unwrap();
    assert_eq!(plan.removed().count(), 7);
    let kept = |version: &str| store.find(&shop(), &v(version)).unwrap();

    let rolled_back = InUse::new(kept("1.1.0").unwrap().digest, "production runs it");
    let error = store.carry_out(&plan, &[rolled_back], &why(), now()).unwrap_err();
    assert!(
        matches!(&error, CarryOutError::Needed { artifact, .. } if artifact.version == v("1.1.0")),
        "{error}"
    );
    // A version that was yanked makes room for another among the last.
    store.catalog().yank(&shop(), &v("2.0.0"), &why()).unwrap();
    let error = store.carry_out(&plan, &[], &why(), now()).unwrap_err();
    assert!(
        matches!(&error, CarryOutError::Needed { artifact, .. } if artifact.version == v("1.2.1")),
        "{error}"
    );
    assert!(kept("1.0.0").is_some(), "nothing was removed");

    store.catalog().unyank(&shop(), &v("2.0.0"), &why()).unwrap();
    // A new version pushes none of the plan's out.
    publish(&bench, "shop", "2.1.0", 0);
    store.carry_out(&plan, &[], &why(), now()).unwrap();
    assert!(kept("1.0.0").is_none() && kept("2.0.0-rc.1").is_some());
    // What the plan kept stays, although it would be removed now.
    assert_eq!(store.catalog().versions(&shop()).unwrap().kept().count(), 4);

    // A plan of another store.
    let other = Bench::new();
    let error = other.store.carry_out(&plan, &[], &why(), now()).unwrap_err();
    assert!(matches!(error, CarryOutError::Unknown { .. }), "{error}");
}

/// The plan names digests: a version that stands for something else is not meant, whatever became of it.
#[test]
fn a_plan_is_of_the_artifacts_that_it_names() {
    let (bench, other) = (Bench::new(), Bench::new());
    let plan = |bench: &Bench| {
        let policy = policy("keep-last = 1");
        bench.store.plan_retention(&policy, &[], now()).unwrap()
    };
    publish(&bench, "shop", "1.0.0", 9);
    publish(&bench, "shop", "1.1.0", 1);
    let first = plan(&bench);
    assert_eq!(first.removed().count(), 1);
    // The same versions with other content.
    for version in ["1.0.0", "1.1.0"] {
        let tree = other.tree(&format!("other-{version}")).file("b", version);
        other.publish(&tree, version);
    }
    let unknown = || {
        let error = other.store.carry_out(&first, &[], &why(), now()).unwrap_err();
        assert!(matches!(error, CarryOutError::Unknown { .. }), "{error}");
    };
    unknown();
    assert!(other.store.find(&shop(), &v("1.0.0")).unwrap().is_some());
    // Also when it was removed: that was not this plan.
    other.store.carry_out(&plan(&other), &[], &why(), now()).unwrap();
    assert!(other.store.find(&shop(), &v("1.0.0")).unwrap().is_none());
    unknown();
}

#[test]
fn policies_say_what_is_wrong_with_them_and_where() {
    let errors: Vec<_> = [
        "keep-last = -1",
        "\nkeep-lats = 1",
        "younger-than = \"soon\"",
        "younger-than = \"-3d\"",
        "pinned = [\"one\"]",
        "[names.Shop]",
        "[names.shop.names.shop]\nkeep-last = 1",
        "keep-last = 1\n[pre-releases]\nkeep = 2",
        "keep-last = ",
    ]
    .iter()
    .map(|text| {
        RetentionPolicy::parse(text, "retention.toml")
            .unwrap_err()
            .to_string()
    })
    .collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
        retention.toml:1:13: invalid value: integer `-1`, expected u32
        retention.toml:2:1: unknown field `keep-lats`, expected one of `keep-last`, `keep-per-major`, `keep-per-minor`, `younger-than`, `pinned`, `pre-releases`, `names`
        retention.toml:1:16: `soon` is no span of time such as `90d`: failed to parse input in the "friendly" duration format: expected duration to start with a unit value (a decimal integer) after an optional sign, but no integer was found
        retention.toml:1:16: `-3d` is no span of time such as `90d`: it lies in the future
        retention.toml:1:11: unexpected character 'o' while parsing major version number
        retention.toml:1:8: artifact `Shop` is not a name: it must start with a lower-case letter or a digit
        retention.toml:1:1: the rules of `shop` have `names` themselves
        retention.toml:3:1: unknown field `keep`, expected one of `keep-last`, `keep-per-major`, `keep-per-minor`, `younger-than`, `pinned`
        retention.toml:1:13: string values must be quoted, expected literal string
        "#);
    let text = "keep-last = 3\nyounger-than = '90d'\npinned = ['=1.0.0']\n[pre-releases]\nkeep-last = 1\n[names.shop]\nkeep-per-major = 2\n";
    let read = policy(text);
    let json = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<RetentionPolicy>(&json).unwrap(), read);
}

#[tokio::test]
async fn what_environments_run_and_could_go_back_to_is_in_use() {
    assert_eq!(InUse::in_estate(&Estate::default()), []);
    let bench = Bench::new();
    shops(&bench);
    let journal = MemoryJournal::new();
    let mut position = 0;
    let mut append = async |event: EnvironmentEvent| {
        let production = StreamId::environment(&"production".parse().unwrap());
        let batch = Batch::new(now()).event(&production, Expected::At(position), NewEvent::engine(event));
        let _ = journal.append(batch).await.unwrap();
        position += 1;
    };
    let configuration = Configuration::parse("production".parse().unwrap(), "", "c.toml").unwrap();
    let deployed = |version: &str| {
        let artifact = bench.store.find(&shop(), &v(version)).unwrap().unwrap();
        let release = json!({"component": "shop", "version": version, "artifacts": {"shop": artifact}});
        let event = json!({
            "run": "1", "stage": "deploy", "pipeline": "shop", "tier": "production",
            "release": release, "release_digest": Digest::of(version),
            "configuration": configuration, "configuration_digest": Digest::of("c"), "started_at": now(),
        });
        EnvironmentEvent::from(serde_json::from_value::<Deployed>(event).unwrap())
    };
    append(deployed("1.0.0")).await;
    append(EnvironmentEvent::from(Verified {
        run: "1".parse().unwrap(),
        stage: "verify".try_into().unwrap(),
        release_digest: Digest::of("1.0.0"),
        configuration_digest: Digest::of("c"),
    }))
    .await;
    // Live, and not verified: a rollback goes back to the one before.
    append(deployed("1.1.0")).await;
    let mut estate = Estate::default();
    for event in journal.read_everything(0).await.unwrap() {
        estate.apply(&event).unwrap();
    }
    let in_use = InUse::in_estate(&estate);
    let policy = policy("keep-last = 1");
    let plan = bench.store.plan_retention(&policy, &in_use, now()).unwrap();
    let kept: Vec<_> = plan
        .decisions
        .iter()
        .filter(|decision| decision.fate == Fate::Kept)
        .map(|decision| format!("{} {}", decision.artifact.version, decision.reason))
        .collect();
    assert_eq!(
        kept,
        [
            "1.0.0 production could roll back to it",
            "1.1.0 production runs it",
            "2.0.0 it is the last"
        ]
    );
    bench.store.carry_out(&plan, &in_use, &why(), now()).unwrap();
    let how = Collection::new(at("2100-01-01T00:00:00Z")).in_use(in_use);
    bench.store.collect(&how).unwrap();
    for version in ["1.0.0", "1.1.0", "2.0.0"] {
        let artifact = bench.store.find(&shop(), &v(version)).unwrap().unwrap();
        let opened = bench.store.artifact(&artifact).unwrap();
        opened.write_to(&bench.path(&format!("live-{version}"))).unwrap();
    }
}

#[test]
fn an_age_ends_when_it_is_reached_and_what_has_none_stays() {
    let bench = Bench::new();
    publish(&bench, "shop", "1.0.0", 60);
    publish(&bench, "shop", "1.1.0", 59);
    publish(&bench, "shop", "3.0.0", 500);
    let unknown = bench.publish(&bench.tree("unknown").file("a", "unknown"), "2.0.0");
    let policy = policy("younger-than = '60d'\nkeep-per-major = 1");
    let plan = bench.store.plan_retention(&policy, &[], now()).unwrap();
    insta::assert_snapshot!(without_sizes(&plan), @r"
    shop
      remove  1.0.0  no rule keeps it, and nobody needs it
      keep    1.1.0  it is the last of 1
      keep    2.0.0  it is the last of 2
      keep    3.0.0  it is the last of 3
    1 of 4 versions would be removed
    ");
    let policy = self::policy("younger-than = '60d'");
    let plan = bench.store.plan_retention(&policy, &[], now()).unwrap();
    insta::assert_snapshot!(without_sizes(&plan), @r"
    shop
      remove  1.0.0  no rule keeps it, and nobody needs it
      keep    1.1.0  it is younger than 60d
      keep    2.0.0  nobody knows when it was published
      remove  3.0.0  no rule keeps it, and nobody needs it
    2 of 4 versions would be removed
    ");
    // It is judged at the time at which it is done: a day before, the first was young.
    let before = now() - SignedDuration::from_hours(24);
    let error = bench.store.carry_out(&plan, &[], &why(), before).unwrap_err();
    assert!(
        matches!(&error, CarryOutError::Needed { artifact, .. } if artifact.version == v("1.0.0")),
        "{error}"
    );
    // A plan that means other bytes under the version means another store.
    let mut data = serde_json::to_value(&plan).unwrap();
    data["decisions"][0]["artifact"]["digest"] = json!(unknown.digest);
    let other: RetentionPlan = serde_json::from_value(data).unwrap();
    let error = bench.store.carry_out(&other, &[], &why(), now()).unwrap_err();
    assert!(matches!(error, CarryOutError::Unknown { .. }), "{error}");
    assert_eq!(bench.store.catalog().versions(&shop()).unwrap().kept().count(), 4);

    // What is removed is in no layout any more.
    let tags = || {
        let index = std::fs::read(bench.path("store/layouts/shop/index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        let tags = index["manifests"].as_array().unwrap().iter();
        tags.map(|tag| tag["annotations"]["org.opencontainers.image.ref.name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(tags(), ["1.0.0", "1.1.0", "2.0.0", "3.0.0"]);
    bench.store.carry_out(&plan, &[], &why(), now()).unwrap();
    assert_eq!(tags(), ["1.1.0", "2.0.0"]);
}

/// Versions, with the day that each was published on and whether it was yanked.
fn versions() -> impl Strategy<Value = Vec<(Version, i64, bool)>> {
    let one = (
        0..3_u64,
        0..3_u64,
        0..3_u64,
        prop::option::of(0..2_u64),
        0..200_i64,
        any::<bool>(),
    );
    prop::collection::vec(one, 0..20).prop_map(|all| {
        let mut versions: Vec<_> = all
            .into_iter()
            .map(|(major, minor, patch, pre, days, yanked)| {
                let pre = pre.map(|pre| format!("-rc.{pre}")).unwrap_or_default();
                (v(&format!("{major}.{minor}.{patch}{pre}")), days, yanked)
            })
            .collect();
        versions.sort_by(|a, b| a.0.cmp(&b.0));
        versions.dedup_by(|a, b| a.0 == b.0);
        versions
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 16, ..ProptestConfig::default() })]

    /// The rules against what they say, spelt out.
    #[test]
    fn rules_keep_what_they_say(
        all in versions(),
        last in prop::option::of(1..5_usize),
        minor in prop::option::of(1..3_usize),
        days in prop::option::of(0..200_i64),
        used in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let bench = Bench::new();
        let digest = bench.pack(&bench.tree("one").file("a", "1")).digest;
        for (version, age, yanked) in &all {
            let artifact = ArtifactRef { name: shop(), version: version.clone(), digest };
            let published = now() - SignedDuration::from_hours(24 * age);
            bench.store.publish_with(Publication::new(artifact).at(published)).unwrap();
            if *yanked {
                bench.store.catalog().yank(&shop(), version, &why()).unwrap();
            }
        }
        let mut text = String::new();
        for (rule, value) in [("keep-last", last), ("keep-per-minor", minor)] {
            if let Some(value) = value {
                text += &format!("{rule} = {value}\n");
            }
        }
        if let Some(days) = days {
            text += &format!("younger-than = '{days}d'\n");
        }
        let policy = policy(&text);
        let versions: std::sync::Arc<Versions> = bench.store.catalog().versions(&shop()).unwrap();
        let decided = policy.decide(&versions, &[], now());
        prop_assert_eq!(decided.len(), all.len());
        for (at, (version, age, yanked)) in all.iter().enumerate() {
            let newer = || all[at + 1..].iter().filter(|(_, _, yanked)| !yanked);
            let same = |other: &Version| (other.major, other.minor) == (version.major, version.minor);
            let kept = text.is_empty()
                || days.is_some_and(|days| *age < days)
                || !yanked && last.is_some_and(|last| newer().count() < last)
                || !yanked && minor.is_some_and(|most| newer().filter(|(other, ..)| same(other)).count() < most);
            prop_assert_eq!(decided[at].fate == Fate::Kept, kept, "{} in {:?}", version, fates(&plan(&bench, &policy)));
        }
        // Whatever is in use is kept, and nothing else changes: all have one digest here, so all are.
        if !used.is_empty() {
            let in_use = [InUse::new(digest, "production runs it")];
            prop_assert!(policy.decide(&versions, &in_use, now()).iter().all(|found| found.fate == Fate::Kept));
        }
    }
}

fn plan(bench: &Bench, policy: &RetentionPolicy) -> RetentionPlan {
    bench.store.plan_retention(policy, &[], now()).unwrap()
}

/// Removes a version, as retention does.
pub(crate) fn remove(bench: &Bench, name: &ArtifactName, version: &str) -> Digest {
    let found = bench.store.find(name, &v(version)).unwrap().unwrap();
    let others = bench.store.catalog().versions(name).unwrap();
    let pins: Vec<_> = others
        .kept()
        .filter(|entry| entry.version != v(version))
        .map(|entry| format!("'={}'", entry.version))
        .collect();
    let policy = policy(&format!(
        "[names.{name}]\nkeep-last = 0\npinned = [{}]",
        pins.join(", ")
    ));
    let plan = plan(bench, &policy);
    assert_eq!(plan.removed().count(), 1, "{plan}");
    bench.store.carry_out(&plan, &[], &why(), now()).unwrap();
    found.digest
}
