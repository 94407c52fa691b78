//! The same thing twice at the same time, and what is left when nobody waits any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pipeline_artifacts::oci::{Credentials, Remote, RemoteOptions};
use pipeline_artifacts::{Collection, LocalStore, NewAttachment};
use pipeline_core::SignedDuration;
use tokio::sync::Notify;

use super::http::serve_stream;
use super::strange::{Strange, listing};
use super::{Registry, now, published, remote};
use crate::{Bench, files, shop, v};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_pull_and_push_the_same_at_once() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let artifact = published(&bench, "1.4.0", "first");
    for text in ["# One\n", "# Two\n"] {
        bench
            .store
            .attach(&artifact.digest, &NewAttachment::note(text))
            .unwrap();
    }
    // This registry itself mixes up what comes twice at once, for a moment.
    let mut options = RemoteOptions::default();
    options.plain_http = true;
    options.retries.first = Duration::ZERO;
    options.retries.again = 200;
    let name = registry.remote().name().clone();
    let remote = Remote::new(name, options).unwrap();
    let pushes = (0..4).map(|_| {
        let (remote, store, artifact) = (remote.clone(), bench.store.clone(), artifact.clone());
        tokio::spawn(async move { remote.push(&store, &artifact).await })
    });
    for push in pushes.collect::<Vec<_>>() {
        assert_eq!(push.await.unwrap().unwrap().artifact, artifact);
    }
    // Two who write the list at once may lose one of it; the next push mends that.
    remote.push(&bench.store, &artifact).await.unwrap();

    // One store, opened once and twice.
    let path = bench.path("other");
    let store = LocalStore::open(&path).unwrap();
    let pulls = (0..6).map(|number| {
        let store = match number % 2 {
            0 => store.clone(),
            _ => LocalStore::open(&path).unwrap(),
        };
        let remote = remote.clone();
        tokio::spawn(async move { remote.pull(&store, &shop(), &v("1.4.0"), None, now()).await })
    });
    for pull in pulls.collect::<Vec<_>>() {
        let pulled = pull.await.unwrap().unwrap();
        assert_eq!((pulled.artifact, pulled.attachments.len()), (artifact.clone(), 2));
    }
    let report = store.verify().unwrap();
    assert!(report.is_good(), "{report}");
    assert_eq!(store.attachments(&artifact.digest).unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_dropped_leaves_nothing_half() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let note = bench
        .store
        .attach(&artifact.digest, &NewAttachment::note("# One\n"))
        .unwrap();
    let answers = listing(&artifact, &[note.digest]);
    let path = bench.path("other");
    // Dropped in the middle of each answer, one after another.
    for at in 0.. {
        let mut strange = Strange::new(&bench);
        strange.answers.clone_from(&answers);
        let (asked, reached) = (AtomicUsize::new(0), Arc::new(Notify::new()));
        let tell = Arc::clone(&reached);
        let port = serve_stream(move |request, stream| {
            use std::io::Write;
            let mut bytes = strange.answer(request);
            let is_it = asked.fetch_add(1, Ordering::SeqCst) == at;
            if is_it {
                bytes.truncate(bytes.len() - bytes.len() / 3);
            }
            let _ = stream.write_all(&bytes);
            if is_it {
                tell.notify_one();
                // It stays open, until the other side goes.
                let _ = std::io::copy(stream, &mut std::io::sink());
            }
        });
        let store = LocalStore::open(&path).unwrap();
        let remote = remote(port, Credentials::Anonymous);
        let (shop, version) = (shop(), v("1.4.0"));
        let pull = remote.pull(&store, &shop, &version, Some(&artifact.digest), now());
        let done = tokio::select! {
            pulled = pull => Some(pulled.unwrap()),
            () = reached.notified() => None,
        };
        let Some(pulled) = done else {
            assert_eq!(store.find(&shop, &version).unwrap(), None, "answer {at}");
            let report = store.verify().unwrap();
            assert!(report.is_good(), "answer {at}: {report}");
            continue;
        };
        assert!(at > 4, "too few were dropped: {at}");
        assert_eq!(pulled.artifact, artifact);
        // Nothing of the others is held, and what they left goes.
        let how = Collection::new("2100-01-01T00:00:00Z".parse().unwrap())
            .grace(SignedDuration::ZERO)
            .orphans_after(SignedDuration::ZERO);
        store.collect(&how).unwrap();
        let left = files(&path.join("tmp"));
        assert!(
            left.iter().all(|file| file.metadata().unwrap().len() < 100),
            "{left:?}"
        );
        assert!(store.verify().unwrap().is_good());
        return;
    }
}
