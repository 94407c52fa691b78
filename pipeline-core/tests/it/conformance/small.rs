//! Clocks, chance, leases, secrets and sources.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pipeline_core::testing::conformance::{self, SourceWorld};
use pipeline_core::testing::{ManualClock, RepeatableEntropy};
use pipeline_core::{
    Clock, Digest, DirectorySource, Entropy, FileLeases, Lease, LeaseError, Leases, MemoryLeases, NoSecrets,
    NoSource, RunId, Secret, SecretError, SecretRef, SecretSource, Source, SourceError, SourcePath,
    SystemClock, SystemEntropy, Timestamp,
};

use super::{assert_all_kept, assert_only, block_on};

#[test]
fn our_own_clocks_and_chance() {
    assert_all_kept(&conformance::clock(SystemClock));
    assert_all_kept(&conformance::clock(ManualClock::at("2026-11-20T12:00:00Z")));
    assert_all_kept(&conformance::entropy(|| SystemEntropy));
    let seeds = AtomicU64::new(1);
    let seeded = || RepeatableEntropy::new(seeds.fetch_add(1, Ordering::SeqCst));
    assert_all_kept(&conformance::entropy(seeded));
}

#[derive(Debug)]
struct BadClock;

impl Clock for BadClock {
    fn now(&self) -> Timestamp {
        panic!("on purpose")
    }
}

#[test]
fn bad_clocks_are_found() {
    assert_only(&conformance::clock(BadClock), "answers");
}

#[derive(Debug)]
struct BadChance(&'static str, AtomicU64);

impl Entropy for BadChance {
    fn next_u64(&self) -> u64 {
        let number = self.1.fetch_add(1, Ordering::SeqCst);
        let good = RepeatableEntropy::new(number.wrapping_mul(0x1234_5678_9abc_def1)).next_u64();
        match self.0 {
            "panics" => panic!("on purpose"),
            "repeats" => RepeatableEntropy::new(number % 15_900).next_u64(),
            "uneven" => good | 1,
            _ => good,
        }
    }
}

#[test]
fn bad_chance_is_found() {
    for (what, name) in [
        ("panics", "answers"),
        ("repeats", "never-repeats"),
        ("uneven", "is-even"),
        ("alike", "is-independent"),
    ] {
        let starts = AtomicU64::new(0);
        let start = || {
            if what == "alike" {
                0
            } else {
                starts.fetch_add(1 << 32, Ordering::SeqCst)
            }
        };
        let report = conformance::entropy(|| BadChance(what, AtomicU64::new(start())));
        assert_eq!(report.broken(), [name], "{report}");
    }
}

#[test]
fn our_own_leases() {
    let memory = MemoryLeases::default();
    assert_all_kept(&conformance::leases(|| Arc::new(memory.clone())));
    let directory = tempfile::tempdir().unwrap();
    let files = || Arc::new(FileLeases::new(directory.path().join("leases"))) as Arc<dyn Leases>;
    assert_all_kept(&conformance::leases(files));
}

#[derive(Debug)]
struct BadLeases {
    flaw: &'static str,
    good: MemoryLeases,
    given: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
}

impl Leases for BadLeases {
    fn take(&self, run: &RunId) -> Result<Option<Lease>, LeaseError> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        match self.flaw {
            "gives" => Ok(None),
            // The second and the third call ask for a lease that is out.
            "one-at-a-time" if asked == 2 => Ok(Some(Lease::new(()))),
            "by-run" => self.good.take(&RunId::new("one").unwrap()),
            "ends-when-dropped" if run.as_str() == "conformance-a" && asked == 5 => Ok(None),
            "holds-in-a-crowd" if asked > 5 => Ok(Some(Lease::new(()))),
            _ => {
                self.given.store(true, Ordering::SeqCst);
                self.good.take(run)
            }
        }
    }
}

#[test]
fn bad_leases_are_found() {
    for flaw in [
        "gives",
        "one-at-a-time",
        "by-run",
        "ends-when-dropped",
        "holds-in-a-crowd",
    ] {
        let (good, given, asked) = (MemoryLeases::default(), Arc::default(), Arc::default());
        let view = || {
            Arc::new(BadLeases {
                flaw,
                good: good.clone(),
                given: Arc::clone(&given),
                asked: Arc::clone(&asked),
            }) as Arc<dyn Leases>
        };
        assert_only(&conformance::leases(view), flaw);
    }
}

struct BadSecrets(&'static str);

impl std::fmt::Debug for BadSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            "keeps-quiet" => f.write_str("BadSecrets(hunter2)"),
            _ => f.write_str("BadSecrets"),
        }
    }
}

#[async_trait]
impl SecretSource for BadSecrets {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        if reference.name() == "KNOWN" {
            return Ok(Secret::new(if self.0 == "resolves" {
                "other"
            } else {
                "hunter2"
            }));
        }
        Err(SecretError {
            reference: match self.0 {
                "names-the-unknown" => "test:KNOWN".parse().unwrap(),
                _ => reference.clone(),
            },
            reason: "nobody knows it".to_owned(),
        })
    }
}

#[test]
fn secrets_are_looked_at() {
    let (known, unknown) = ("test:KNOWN".parse().unwrap(), "test:UNKNOWN".parse().unwrap());
    let check = |flaw| {
        block_on(conformance::secrets(
            &BadSecrets(flaw),
            Some((&known, "hunter2")),
            &unknown,
        ))
    };
    assert_all_kept(&check("none"));
    for flaw in ["resolves", "names-the-unknown", "keeps-quiet"] {
        assert_only(&check(flaw), flaw);
    }
    block_on(conformance::secrets(&NoSecrets, None, &unknown)).assert_kept();
}

/// Files in memory.
#[derive(Debug, Clone)]
struct Files {
    flaw: &'static str,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    digests: Arc<AtomicU64>,
}

#[async_trait]
impl Source for Files {
    fn root(&self) -> Option<&Path> {
        None
    }

    async fn read(&self, path: &SourcePath) -> Result<Vec<u8>, SourceError> {
        let found = self.files.lock().unwrap().get(path.as_str()).cloned();
        let mut bytes = found.ok_or_else(|| SourceError {
            path: match self.flaw {
                "names-the-missing" => "something".to_owned(),
                _ => path.to_string(),
            },
            reason: "it is not there".to_owned(),
            source: None,
        })?;
        if self.flaw == "reads" {
            bytes.pop();
        }
        Ok(bytes)
    }

    async fn digest(&self, paths: &[SourcePath]) -> Result<Digest, SourceError> {
        let number = self.digests.fetch_add(1, Ordering::SeqCst);
        for path in paths.iter().filter(|path| **path != SourcePath::root()) {
            self.read(path).await?;
        }
        Ok(match self.flaw {
            "digests-equally" => Digest::of(number.to_string()),
            "digests-differently" => {
                let text = format!("{:?}", self.files.lock().unwrap());
                Digest::of(text)
            }
            "sees-changes" => Digest::of(paths[0].as_str()),
            _ => {
                let text = format!("{paths:?} {:?}", self.files.lock().unwrap());
                Digest::of(text)
            }
        })
    }
}

fn path(text: &str) -> SourcePath {
    text.parse().unwrap()
}

#[test]
fn sources_are_looked_at() {
    let check = |flaw| {
        let files = Files {
            flaw,
            files: Arc::new(Mutex::new(
                [("a".into(), b"1".to_vec()), ("b".into(), b"2".to_vec())].into(),
            )),
            digests: Arc::default(),
        };
        let changed = files.clone();
        let known = vec![(path("a"), b"1".to_vec()), (path("b"), b"2".to_vec())];
        let world = SourceWorld::new(files, known, path("gone")).change(move || {
            changed.files.lock().unwrap().insert("a".into(), b"3".to_vec());
            async {}
        });
        block_on(conformance::source(world))
    };
    assert_all_kept(&check("none"));
    for flaw in [
        "reads",
        "names-the-missing",
        "digests-equally",
        "digests-differently",
        "sees-changes",
    ] {
        assert_only(&check(flaw), flaw);
    }
}

#[test]
fn our_own_sources() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    std::fs::create_dir(root.join("d")).unwrap();
    std::fs::write(root.join("a"), "1").unwrap();
    std::fs::write(root.join("d/b"), "2").unwrap();
    let known = vec![(path("d/b"), b"2".to_vec()), (path("a"), b"1".to_vec())];
    let world = SourceWorld::new(DirectorySource::new(&root), known, path("gone")).change(move || {
        std::fs::write(root.join("d/b"), "3").unwrap();
        async {}
    });
    assert_all_kept(&block_on(conformance::source(world)));
    let report = block_on(conformance::source(SourceWorld::new(
        NoSource,
        Vec::new(),
        path("gone"),
    )));
    report.assert_kept();
}
