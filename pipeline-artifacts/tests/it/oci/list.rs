//! The list of what is attached, under the tag of a digest, when two write it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pipeline_artifacts::NewAttachment;
use pipeline_artifacts::oci::Credentials;
use serde_json::Value;

use super::http::{Request, serve};
use super::{Registry, published, remote};
use crate::Bench;

/// What the registry has under a tag.
fn listed(port: u16, tag: &str) -> Value {
    let request = Request {
        method: "GET".to_owned(),
        target: format!("/v2/infra/shop/manifests/{tag}"),
        lines: vec![
            format!("Host: 127.0.0.1:{port}"),
            "Accept: application/vnd.oci.image.index.v1+json".to_owned(),
        ],
        body: Vec::new(),
    };
    let answer = String::from_utf8(request.forward(port)).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_push_the_same_list_it_once() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let artifact = published(&bench, "1.4.0", "first");
    let note = NewAttachment::note("# One\n");
    let note = bench.store.attach(&artifact.digest, &note).unwrap();
    let tag = artifact.digest.to_string().replace(':', "-");

    // The list is looked at before and after the attachment is pushed, and read once more to be written. Just before that
    // somebody else pushes the same, from beginning to end.
    let (list, reads) = (format!("/manifests/{tag}"), Arc::new(AtomicUsize::new(0)));
    let (there, store, other) = (registry.port, bench.store.clone(), artifact.clone());
    let counted = Arc::clone(&reads);
    let port = serve(move |request| {
        let is_read = request.method == "GET" && request.target.ends_with(&list);
        if is_read && counted.fetch_add(1, Ordering::SeqCst) == 2 {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let direct = remote(there, Credentials::Anonymous);
            let pushed = runtime.block_on(direct.push(&store, &other));
            assert_eq!(pushed.unwrap().attachments, 1);
            assert_eq!(listed(there, &tag)["manifests"].as_array().unwrap().len(), 1);
        }
        request.forward(there)
    });
    let pushed = remote(port, Credentials::Anonymous)
        .push(&bench.store, &artifact)
        .await;
    assert_eq!(pushed.unwrap().attachments, 1);
    assert!(reads.load(Ordering::SeqCst) > 2, "the other one pushed, too");

    let tag = artifact.digest.to_string().replace(':', "-");
    let index = listed(registry.port, &tag);
    let digests: Vec<_> = index["manifests"].as_array().unwrap().iter().collect();
    assert_eq!(digests.len(), 1, "{index}");
    assert_eq!(digests[0]["digest"], note.digest.to_string());
}
