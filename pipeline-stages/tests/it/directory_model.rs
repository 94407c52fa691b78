//! Any sequence of calls and damages: `current` names a complete release, and `observe` tells the truth.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pipeline_core::testing::MemoryArtifacts;
use pipeline_core::{Configuration, Environment, LiveRelease, Release};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{configuration, environment, release, request};

#[derive(Debug, Clone)]
enum Op {
    Deploy(usize, usize),
    /// A deployment that the store fails.
    DeployDamaged(usize, usize),
    Retire(usize),
    Tamper(Tampering),
    /// A crash while building left something.
    Litter,
}

#[derive(Debug, Clone, Copy)]
enum Tampering {
    Change,
    Remove,
    Add,
    Manifest,
}

fn op() -> impl Strategy<Value = Op> {
    use Tampering::{Add, Change, Manifest, Remove};
    prop_oneof![
        4 => (0..3_usize, 0..2_usize).prop_map(|(a, b)| Op::Deploy(a, b)),
        1 => (0..3_usize, 0..2_usize).prop_map(|(a, b)| Op::DeployDamaged(a, b)),
        2 => (0..3_usize).prop_map(Op::Retire),
        2 => prop::sample::select(vec![Change, Remove, Add, Manifest]).prop_map(Op::Tamper),
        1 => Just(Op::Litter),
    ]
}

/// What should be true.
#[derive(Debug, Default)]
struct Model {
    live: Option<(usize, usize)>,
    drifted: bool,
    unknown: bool,
    kept: BTreeSet<(usize, usize)>,
}

struct World {
    store: MemoryArtifacts,
    releases: Vec<Release>,
    configurations: Vec<Configuration>,
}

fn world() -> World {
    let store = MemoryArtifacts::new();
    let page = |i: usize| format!("page {i}");
    let make = |i: usize| {
        let (page, version) = (page(i), format!("{i}.0.0"));
        release(&[&store.add(
            "app",
            &version,
            &[
                ("page", page.as_bytes(), false),
                ("a.template", b"{{ n }}", false),
            ],
        )])
    };
    let releases = (0..3).map(make).collect();
    World {
        releases,
        store,
        configurations: (0..2).map(|n| configuration(json!({"n": n}))).collect(),
    }
}

fn tamper(live: &Path, how: Tampering) {
    match how {
        Tampering::Change => fs::write(live.join("config/a"), "tampered").unwrap(),
        Tampering::Remove => {
            let _ = fs::remove_file(live.join("app/page"));
        }
        Tampering::Add => fs::write(live.join("added"), "").unwrap(),
        Tampering::Manifest => fs::write(live.join("deployment.json"), "{}").unwrap(),
    }
}

async fn check(ops: Vec<Op>) {
    let world = world();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let environment = environment(root);
    let mut model = Model::default();
    for op in ops {
        match op {
            Op::Deploy(r, c) => {
                let request = request(&world.store, &world.releases[r], &world.configurations[c], None);
                environment.deploy(&request).await.unwrap();
                (model.live, model.drifted, model.unknown) = (Some((r, c)), false, false);
                model.kept.insert((r, c));
            }
            Op::DeployDamaged(r, c) => {
                let needed = !model.kept.contains(&(r, c)) || (model.live == Some((r, c)) && model.drifted);
                let request = request(&world.store, &world.releases[r], &world.configurations[c], None);
                let page = format!("page {r}");
                world.store.damage(&pipeline_core::Digest::of(&page));
                assert_eq!(
                    environment.deploy(&request).await.is_err(),
                    needed,
                    "{op:?} {model:?}"
                );
                if !needed {
                    (model.live, model.drifted, model.unknown) = (Some((r, c)), false, false);
                }
                pipeline_core::ArtifactStore::put_blob(&world.store, page.as_bytes())
                    .await
                    .unwrap();
            }
            Op::Retire(r) => {
                let retired = environment
                    .retire(&world.releases[r].digest().unwrap(), None)
                    .await;
                let is_live = model.live.is_some_and(|(live, _)| live == r);
                assert_eq!(retired.is_err(), is_live, "{op:?} {model:?}");
                if !is_live {
                    model.kept.retain(|(kept, _)| *kept != r);
                }
            }
            Op::Tamper(how) if model.live.is_some() => {
                tamper(&root.join("current"), how);
                model.drifted = true;
                model.unknown |= matches!(how, Tampering::Manifest);
            }
            Op::Tamper(_) => {}
            Op::Litter => fs::create_dir_all(root.join("releases/.unfinished-x/app")).unwrap(),
        }
        // What drifted is not used again, even if it was replaced meanwhile.
        if let (Some(live), true) = (model.live, model.drifted) {
            model.kept.remove(&live);
        }
        let found = environment.observe().await.unwrap().live;
        assert_eq!(found.is_some(), model.live.is_some());
        let (Some(found), Some((r, c))) = (found, model.live) else {
            continue;
        };
        let LiveRelease {
            release,
            configuration,
            drift,
        } = found;
        assert_eq!(drift.is_empty(), !model.drifted, "{drift:?}");
        if model.unknown {
            assert_eq!(release, pipeline_core::Digest::ZERO);
        } else {
            assert_eq!(release, world.releases[r].digest().unwrap());
            assert_eq!(configuration, world.configurations[c].digest().unwrap());
        }
        if !model.drifted {
            let page = fs::read_to_string(root.join("current/app/page")).unwrap();
            let config = fs::read_to_string(root.join("current/config/a")).unwrap();
            assert_eq!((page, config), (format!("page {r}"), c.to_string()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn observe_tells_the_truth_whatever_happens(ops in prop::collection::vec(op(), 1..10)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(ops));
    }
}
