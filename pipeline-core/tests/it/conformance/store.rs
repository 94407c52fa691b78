use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use pipeline_core::testing::MemoryArtifacts;
use pipeline_core::testing::conformance::{self, Report, StoreWorld};
use pipeline_core::{Artifact, ArtifactEntry, ArtifactName, ArtifactRef, ArtifactStore, Digest, StoreError};
use semver::Version;

use super::{assert_all_kept, assert_only, block_on, names, pause};

/// What a store does wrong; each name is that of the promise which it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    NamesByDigest,
    ReturnsTheSame,
    StoresTwice,
    MissingIsNotFound,
    ManyAtOnce,
    DropsWhole,
    VerifiesReads,
    Heals,
    Resolves,
    Opens,
    OpensInParts,
    OpensEach,
    OpensByDigest,
    Materialises,
    WritesNoDamage,
    VersionsStay,
    OneWinner,
    PublishesWhole,
}

/// A store in memory with a flaw.
#[derive(Debug)]
struct Flawed {
    flaw: Flaw,
    store: MemoryArtifacts,
    puts: AtomicU32,
    at_once: AtomicU32,
    part: Mutex<Option<Digest>>,
    spoilt: std::sync::Arc<Mutex<Option<Digest>>>,
}

/// Counts down again, also when it is dropped.
struct Inside<'a>(&'a AtomicU32);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Flawed {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }
}

fn io(what: &str) -> StoreError {
    StoreError::Refused {
        what: what.to_owned(),
        reason: "it is flawed".to_owned(),
    }
}

#[async_trait]
impl ArtifactStore for Flawed {
    async fn resolve(
        &self,
        name: &ArtifactName,
        version: &Version,
    ) -> Result<Option<ArtifactRef>, StoreError> {
        match self.flaw {
            Flaw::Resolves => Ok(None),
            _ => self.store.resolve(name, version).await,
        }
    }

    async fn open(&self, artifact: &ArtifactRef) -> Result<Box<dyn Artifact>, StoreError> {
        let opened = self.store.open(artifact).await?;
        if self.has(Flaw::OpensByDigest) && artifact.name.as_str() != "app" {
            return Err(io("another name"));
        }
        let mut entries = opened.entries(None, usize::MAX).await?;
        if self.has(Flaw::Opens) {
            entries.reverse();
        }
        Ok(Box::new(Opened {
            flaw: self.flaw,
            entries,
            opened,
        }))
    }

    async fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let there = self.store.blob(&digest).await.is_ok();
        if self.has(Flaw::StoresTwice) && there && bytes == b"twice" {
            return Err(io("it is there already"));
        }
        let others = self.at_once.fetch_add(1, Ordering::SeqCst);
        let _inside = Inside(&self.at_once);
        if self.has(Flaw::ManyAtOnce) && others > 0 {
            return Err(io("somebody else is storing"));
        }
        if self.has(Flaw::DropsWhole) {
            *self.part.lock().unwrap() = Some(digest);
        }
        pause().await;
        *self.part.lock().unwrap() = None;
        let spoilt = self.spoilt.lock().unwrap().is_some();
        if !(self.has(Flaw::Heals) && spoilt) {
            self.store.put_blob(bytes).await?;
            *self.spoilt.lock().unwrap() = None;
        }
        if self.has(Flaw::ManyAtOnce) {
            // Others find it taken while this thread stands still.
            (0..1_000).for_each(|_| std::thread::yield_now());
        }
        let first = self.puts.fetch_add(1, Ordering::SeqCst) == 0;
        match self.flaw {
            // A digest of something else that is stored, under which the same bytes come back.
            Flaw::NamesByDigest if first && bytes.is_empty() => self.store.put_blob(b"elsewhere").await,
            _ => Ok(digest),
        }
    }

    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        if *self.part.lock().unwrap() == Some(*digest) {
            return Ok(b"par".to_vec());
        }
        let read = self.store.blob(digest).await;
        match self.flaw {
            Flaw::NamesByDigest if *digest == Digest::of(b"elsewhere") => Ok(Vec::new()),
            Flaw::ReturnsTheSame => read.map(|mut bytes| {
                bytes.retain(|byte| *byte != b'\r');
                bytes
            }),
            Flaw::MissingIsNotFound => match read {
                Err(StoreError::NotFound { .. }) if *digest == Digest::of(b"nobody stored this") => {
                    Err(io("nobody knows it"))
                }
                other => other,
            },
            Flaw::VerifiesReads if *self.spoilt.lock().unwrap() == Some(*digest) => Ok(b"spoilt".to_vec()),
            _ => read,
        }
    }
}

#[derive(Debug)]
struct Opened {
    flaw: Flaw,
    entries: Vec<ArtifactEntry>,
    opened: Box<dyn Artifact>,
}

#[async_trait]
impl Artifact for Opened {
    fn reference(&self) -> &ArtifactRef {
        self.opened.reference()
    }

    async fn entries(&self, after: Option<&str>, most: usize) -> Result<Vec<ArtifactEntry>, StoreError> {
        let passed = |entry: &&ArtifactEntry| match self.flaw {
            // The one after which the next come is among them.
            Flaw::OpensInParts => after.is_some_and(|after| entry.path.as_str() < after),
            Flaw::Opens => false,
            _ => after.is_some_and(|after| entry.path.as_str() <= after),
        };
        Ok(self
            .entries
            .iter()
            .skip_while(passed)
            .take(most)
            .cloned()
            .collect())
    }

    async fn entry(&self, path: &str) -> Result<Option<ArtifactEntry>, StoreError> {
        match self.flaw {
            Flaw::OpensEach => Ok(self
                .entries
                .iter()
                .find(|entry| entry.path.as_str() >= path)
                .cloned()),
            _ => self.opened.entry(path).await,
        }
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        self.opened.read(path).await
    }

    async fn materialise(&self, into: &Path) -> Result<(), StoreError> {
        if self.flaw == Flaw::Materialises {
            let _ = std::fs::remove_dir_all(into);
        }
        if self.flaw == Flaw::WritesNoDamage && into.ends_with("spoilt") {
            return Ok(());
        }
        self.opened.materialise(into).await
    }
}

fn world(flaw: Flaw) -> StoreWorld {
    let store = MemoryArtifacts::new();
    let app = store.add("app", "1.0.0", &[("a", b"a", false), ("bin/b", b"b", true)]);
    let other = store.add("app", "0.9.0", &[("a", b"other", false)]);
    let catalog = store.clone();
    let spoilt = std::sync::Arc::default();
    let scratch = tempfile::tempdir().unwrap();
    let flawed = Flawed {
        flaw,
        store: store.clone(),
        puts: AtomicU32::new(0),
        at_once: AtomicU32::new(0),
        part: Mutex::default(),
        spoilt: std::sync::Arc::clone(&spoilt),
    };
    StoreWorld::new(flawed)
        .artifact(app)
        .damage(move |digest| {
            store.damage(&digest);
            *spoilt.lock().unwrap() = Some(digest);
            async {}
        })
        .publish(other.digest, move |artifact| {
            let published = publish(flaw, &catalog, artifact);
            async { published }
        })
        .scratch(scratch.path())
        .keep(scratch)
}

fn publish(flaw: Flaw, store: &MemoryArtifacts, artifact: ArtifactRef) -> Result<ArtifactRef, StoreError> {
    let races = artifact.version.major == 7;
    match store.publish(&artifact) {
        // Other content is taken as if it were the same.
        Err(StoreError::Taken { .. }) if flaw == Flaw::VersionsStay && !races => Ok(artifact),
        // Whoever comes later believes that it won.
        Err(StoreError::Taken { .. }) if flaw == Flaw::OneWinner && races => Ok(artifact),
        Err(StoreError::NotFound { .. }) if flaw == Flaw::PublishesWhole => Ok(artifact),
        published => published,
    }
}

fn check(flaw: Flaw) -> Report {
    block_on(conformance::store(|| async { world(flaw) }))
}

#[test]
fn an_honest_store_keeps_everything() {
    let report = check(Flaw::None);
    assert_all_kept(&report);
    assert_eq!(report.kept(), names(&report));
}

#[test]
fn each_flaw_is_found_under_its_name_and_no_other() {
    let flaws = [
        (Flaw::NamesByDigest, "names-by-digest"),
        (Flaw::ReturnsTheSame, "returns-the-same"),
        (Flaw::StoresTwice, "stores-twice"),
        (Flaw::MissingIsNotFound, "missing-is-not-found"),
        (Flaw::ManyAtOnce, "many-at-once"),
        (Flaw::DropsWhole, "drops-whole"),
        (Flaw::VerifiesReads, "verifies-reads"),
        (Flaw::Heals, "heals"),
        (Flaw::Resolves, "resolves"),
        (Flaw::Opens, "opens"),
        (Flaw::OpensInParts, "opens"),
        (Flaw::OpensEach, "opens"),
        (Flaw::OpensByDigest, "opens-by-digest"),
        (Flaw::Materialises, "materialises"),
        (Flaw::WritesNoDamage, "writes-no-damage"),
        (Flaw::VersionsStay, "versions-stay"),
        (Flaw::OneWinner, "one-winner"),
        (Flaw::PublishesWhole, "publishes-whole"),
    ];
    for (flaw, name) in flaws {
        assert_only(&check(flaw), name);
    }
    for name in names(&check(Flaw::None)) {
        assert!(
            flaws.iter().any(|flaw| flaw.1 == name),
            "nothing shows that `{name}` is looked at"
        );
    }
}

#[test]
fn a_shared_store_is_a_store() {
    let fresh = || async { StoreWorld::new(std::sync::Arc::new(MemoryArtifacts::new())) };
    let report = block_on(conformance::store(fresh));
    report.assert_kept();
    assert_eq!(
        report.not_tried_names(),
        [
            "verifies-reads",
            "heals",
            "resolves",
            "opens",
            "opens-by-digest",
            "materialises",
            "writes-no-damage",
            "versions-stay",
            "one-winner",
            "publishes-whole"
        ]
    );
}
