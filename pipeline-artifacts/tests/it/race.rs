//! The collector beside writers and readers: in threads, and in processes of which the collector is killed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;

use pipeline_artifacts::{CollectError, Collection, LocalStore, Packer, RetentionPolicy};
use pipeline_core::{ArtifactName, SignedDuration};
use proptest::prelude::*;
use semver::Version;

use crate::retention::{at, now, why};
use crate::{Bench, Tree};

/// Where the parent tells the child what to do.
const TASK: &str = "PIPELINE_ARTIFACTS_TEST_RACE";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Writer,
    Reader,
    Collector,
}

/// One that takes part. What it does depends on the seed alone, and on the others.
#[derive(Debug, Clone)]
struct Player {
    dir: PathBuf,
    role: Role,
    seed: u64,
    rounds: u64,
    /// Whether a parent counts its collections.
    counted: bool,
}

impl Player {
    fn store(&self) -> LocalStore {
        LocalStore::open(self.dir.join("store")).unwrap()
    }

    fn play(&self) {
        match self.role {
            Role::Writer => self.write(),
            Role::Reader => self.read(),
            Role::Collector => self.collect(),
        }
    }

    /// Packs trees that share content with those of others, publishes them, and gives up all but the last two.
    fn write(&self) {
        let store = self.store();
        let name: ArtifactName = format!("w{}", self.seed).parse().unwrap();
        let policy = RetentionPolicy::parse("keep-last = 2", "policy").unwrap();
        let mut dice = Dice(self.seed);
        for round in 0..self.rounds {
            let tree = Tree::at(self.dir.join(format!("tree-{}-{round}", self.seed)));
            let mut tree = Some(tree);
            for file in 0..6 {
                let content = vec![dice.roll(3) as u8; 2000];
                tree = tree.map(|tree| tree.file(&format!("f{file}"), content));
            }
            let tree = tree.unwrap().0;
            // What is packed must not be taken before it is published.
            let lease = store.lease().unwrap();
            let packed = Packer::new(&tree).pack(&store).unwrap();
            let version = Version::new(1, round, 0);
            store.publish(&name, &version, &packed.digest).unwrap();
            drop(lease);
            // Acknowledged. Without a lease, publishing what stands already keeps it.
            store.publish(&name, &version, &packed.digest).unwrap();
            fs::remove_dir_all(&tree).unwrap();
            // What others wrote is removed by themselves.
            let plan = store.plan_retention(&only(&policy, &name), &[], now()).unwrap();
            store.carry_out(&plan, &[], &why(), now()).unwrap();
        }
    }

    /// Reads whatever is published. What was opened is read to its end, whatever becomes of it.
    fn read(&self) {
        let store = self.store();
        let mut dice = Dice(self.seed);
        for round in 0..self.rounds {
            let all = store.catalog().all().unwrap();
            let kept: Vec<_> = all
                .iter()
                .flat_map(|versions| versions.kept().map(|entry| entry.reference(versions.name())))
                .collect();
            let Some(artifact) = kept.get(dice.roll(kept.len().max(1) as u64) as usize) else {
                thread::yield_now();
                continue;
            };
            let opened = match store.artifact(artifact) {
                Ok(opened) => opened,
                Err(error) => {
                    let standing = store
                        .catalog()
                        .standing(&artifact.name, &artifact.version)
                        .unwrap();
                    assert!(
                        standing.removed.is_some(),
                        "{artifact} is published and does not open: {error}"
                    );
                    continue;
                }
            };
            let live = self.dir.join(format!("live-{}-{round}", self.seed));
            opened.write_to(&live).unwrap();
            fs::remove_dir_all(&live).unwrap();
        }
    }

    /// Collects again and again, each time so much later that nothing is young: only leases, locks and the time of reuse
    /// keep what is needed.
    fn collect(&self) {
        let store = self.store();
        let mut out = std::io::stdout();
        for round in 0_i64.. {
            if self.dir.join("stop").exists() {
                return;
            }
            let now = at("2030-01-01T00:00:00Z") + SignedDuration::from_hours(24 * 30 * round);
            let how = Collection::new(now).orphans_after(SignedDuration::ZERO);
            match store.collect(&how) {
                // One that was killed holds the lock until the system is done with it.
                Ok(_) | Err(CollectError::Busy) => {}
                Err(error) => panic!("{error:?}"),
            }
            if self.counted {
                // A parent that is gone does not matter.
                let _ = writeln!(out, "collected");
            }
        }
    }
}

/// The policy for one name; every other name keeps everything.
fn only(policy: &RetentionPolicy, name: &ArtifactName) -> RetentionPolicy {
    let mut own = RetentionPolicy::default();
    own.names.insert(name.clone(), policy.clone());
    own
}

/// A sequence of numbers that look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Not a test: what another process does.
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn player() {
    let Some(task) = crate::task(TASK) else { return };
    let words: Vec<_> = task.split('|').collect();
    let role = match words[1] {
        "Writer" => Role::Writer,
        "Reader" => Role::Reader,
        _ => Role::Collector,
    };
    let player = Player {
        dir: words[0].into(),
        role,
        seed: words[2].parse().unwrap(),
        rounds: words[3].parse().unwrap(),
        counted: true,
    };
    player.play();
}

fn start(player: &Player) -> Child {
    let Player {
        dir,
        role,
        seed,
        rounds,
        ..
    } = player;
    let task = format!("{}|{role:?}|{seed}|{rounds}", dir.display());
    let mut command = crate::child("race::player", TASK, &task);
    command.arg("--nocapture");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn players(dir: &Path, seed: u64, writers: u64, rounds: u64) -> Vec<Player> {
    let player = |role, seed| Player {
        dir: dir.to_owned(),
        role,
        seed,
        rounds,
        counted: false,
    };
    let writers = (0..writers).map(|number| player(Role::Writer, seed * 10 + number));
    writers
        .chain([player(Role::Reader, seed * 10 + 8), player(Role::Collector, 0)])
        .collect()
}

/// What was acknowledged is there and whole, and what was given up goes.
fn check(bench: &Bench, writers: u64, rounds: u64) {
    let store = LocalStore::open(bench.path("store")).unwrap();
    let late = |years: i64| {
        Collection::new(at("2200-01-01T00:00:00Z") + SignedDuration::from_hours(24 * 365 * years))
    };
    let orphans = |how: Collection| how.orphans_after(SignedDuration::ZERO);
    for years in 0..3 {
        let report = store.verify().unwrap();
        assert!(report.is_good(), "{report}");
        let all = store.catalog().all().unwrap();
        assert_eq!(all.len() as u64, writers);
        for versions in all {
            assert_eq!(versions.entries().len() as u64, rounds, "a record is gone");
            assert_eq!(versions.kept().count() as u64, rounds.min(2));
            for entry in versions.kept() {
                let artifact = store.artifact(&entry.reference(versions.name())).unwrap();
                let live = bench.path(&format!("check-{years}-{}-{}", versions.name(), entry.version));
                artifact.write_to(&live).unwrap();
            }
        }
        store.collect(&orphans(late(years))).unwrap();
    }
    // Nothing but what is needed is left.
    let needed = store.collect(&orphans(late(9))).unwrap().live;
    let left = fs::read_dir(bench.path("store/blobs/sha256")).unwrap().count() as u64;
    let trash = fs::read_dir(bench.path("store/trash")).unwrap().count();
    assert_eq!((left, trash), (needed, 0));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 128,
        max_shrink_iters: 0,
        // What fails depends on time as well.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn threads_lose_nothing_to_the_collector(seed in 1..1_000_000_u64) {
        let (bench, writers, rounds) = (Bench::on_disk(), 2, 6);
        thread::scope(|scope| {
            let mut busy = Vec::new();
            for player in players(bench.dir.path(), seed, writers, rounds) {
                let role = player.role;
                let running = scope.spawn(move || player.play());
                if role != Role::Collector {
                    busy.push(running);
                }
            }
            let ended: Vec<_> = busy.into_iter().map(|running| running.join().is_ok()).collect();
            fs::write(bench.path("stop"), "").unwrap();
            assert!(ended.iter().all(|well| *well), "a player failed");
        });
        check(&bench, writers, rounds);
    }

    #[test]
    fn processes_lose_nothing_to_a_collector_that_is_killed(seed in 1..1_000_000_u64) {
        let (bench, writers, rounds) = (Bench::on_disk(), 2, 5);
        let (mut collectors, mut busy) = (Vec::new(), Vec::new());
        for player in players(bench.dir.path(), seed, writers, rounds) {
            match player.role {
                Role::Collector => collectors.push(player),
                _ => busy.push(start(&player)),
            }
        }
        let killer = thread::spawn({
            let (collector, stop) = (collectors.remove(0), bench.path("stop"));
            move || {
                let (mut dice, mut killed) = (Dice(seed), 0);
                while !stop.exists() {
                    let mut child = start(&collector);
                    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
                    // Some collections later, wherever it is then.
                    let after = 1 + dice.roll(6) as usize;
                    let collected = lines.by_ref().map_while(Result::ok).filter(|line| line.ends_with("collected"));
                    let _ = collected.take(after).count();
                    // What it says is heard to its end: one that ended by itself ended well.
                    child.kill().unwrap();
                    drop(lines);
                    let ended = child.wait_with_output().unwrap();
                    assert!(ended.status.code().is_none_or(|code| code == 0), "{ended:?}");
                    killed += 1;
                }
                killed
            }
        });
        let ended: Vec<_> = busy.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        fs::write(bench.path("stop"), "").unwrap();
        assert!(killer.join().unwrap() > 0);
        for ended in ended {
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        }
        check(&bench, writers, rounds);
    }
}
