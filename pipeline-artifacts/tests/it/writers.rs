//! Many writers at once, in processes of their own, beside readers: whatever they do, and in whatever order they come
//! to it, a version has one content, and everything that is listed is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use pipeline_artifacts::{LocalStore, Packer};
use pipeline_core::{Digest, StoreError};
use proptest::prelude::*;

use crate::{Bench, shop, v};

/// Where the parent tells the child what to do: the directory of the test, the number of the child.
const TASK: &str = "PIPELINE_ARTIFACTS_TEST_WRITERS";

/// What one writer does, in this order: publishes a tree under a version.
type Plan = Vec<(u8, u8)>;

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let step = (0..3_u8, 0..3_u8);
    prop::collection::vec(prop::collection::vec(step, 1..4), 2..5)
}

fn version(number: u8) -> String {
    format!("1.{number}.0")
}

/// Not a test: what a writer does.
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn child() {
    let Some(task) = crate::task(TASK) else { return };
    let (dir, number) = task.rsplit_once(':').unwrap();
    let dir = Path::new(dir);
    let plan = fs::read_to_string(dir.join(format!("plan-{number}"))).unwrap();
    let store = LocalStore::open(dir.join("store")).unwrap();
    let mut ended = String::new();
    for step in plan.lines() {
        let (version, tree) = step.split_once(' ').unwrap();
        let packed = Packer::new(dir.join(tree)).pack(&store).unwrap();
        let how = match store.publish(&shop(), &v(version), &packed.digest) {
            Ok(_) => "published".to_owned(),
            Err(StoreError::Taken { published, .. }) => format!("taken {published}"),
            Err(error) => format!("failed {}", crate::text(&error, dir)),
        };
        ended += &format!("{version} {} {how}\n", packed.digest);
    }
    fs::write(dir.join(format!("ended-{number}")), ended).unwrap();
}

fn start(dir: &Path, number: usize) -> Child {
    let mut command = crate::child("writers::child", TASK, &format!("{}:{number}", dir.display()));
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// Reads whatever is listed; how much that was.
fn read_all(store: &LocalStore, out: &Path) -> usize {
    let listed = crate::listed(store);
    for artifact in &listed {
        store.artifact(artifact).unwrap().write_to(out).unwrap();
        fs::remove_dir_all(out).unwrap();
    }
    listed.len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 24, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn writers_in_processes_come_to_one_content_for_each_version(plans in plans()) {
        let bench = Bench::new();
        for number in 0..3 {
            // Partly the same, so that blobs are shared.
            bench.tree(&format!("tree-{number}")).filled().file("number", format!("{number}"));
        }
        for (number, plan) in plans.iter().enumerate() {
            let steps: String = plan.iter().map(|(at, tree)| format!("{} tree-{tree}\n", version(*at))).collect();
            fs::write(bench.path(&format!("plan-{number}")), steps).unwrap();
        }
        let mut children: Vec<Child> = (0..plans.len()).map(|number| start(bench.dir.path(), number)).collect();
        while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
            read_all(&bench.store, &bench.path("out"));
        }
        for child in &mut children {
            prop_assert!(child.wait().unwrap().success());
        }

        let mut published: BTreeMap<String, BTreeSet<Digest>> = BTreeMap::new();
        let mut refused = Vec::new();
        for number in 0..plans.len() {
            let ended = fs::read_to_string(bench.path(&format!("ended-{number}"))).unwrap();
            for line in ended.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                match words[..] {
                    [version, digest, "published"] => {
                        published.entry(version.to_owned()).or_default().insert(digest.parse().unwrap());
                    }
                    [version, digest, "taken", there] => {
                        prop_assert_ne!(digest, there, "the same content is no conflict");
                        refused.push((version.to_owned(), there.parse::<Digest>().unwrap()));
                    }
                    _ => prop_assert!(false, "{}", line),
                }
            }
        }
        let asked: BTreeSet<String> = plans.iter().flatten().map(|(at, _)| version(*at)).collect();
        prop_assert_eq!(published.keys().cloned().collect::<BTreeSet<_>>(), asked);
        for (version, digests) in &published {
            prop_assert_eq!(digests.len(), 1, "{} has several contents", version);
            let found = bench.store.find(&shop(), &v(version)).unwrap().unwrap();
            prop_assert!(digests.contains(&found.digest));
        }
        for (version, there) in refused {
            prop_assert!(published[&version].contains(&there), "refused for what is not there");
        }
        prop_assert_eq!(read_all(&bench.store, &bench.path("out")), published.len());
        let report = bench.store.verify().unwrap();
        prop_assert!(report.is_good(), "{}", report);
    }
}
