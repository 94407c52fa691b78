//! Registries that list by themselves what is attached to a manifest (distribution specification 1.1, "Listing
//! Referrers"). The real one here does not: what it lacks stands in front of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pipeline_artifacts::{LocalStore, NewAttachment};
use pipeline_core::Digest;
use serde_json::{Value, json};

use super::http::{Request, answer, serve};
use super::{Registry, now, published, remote};
use crate::{Bench, shop, v};
use pipeline_artifacts::oci::Credentials;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What is attached to what, and what was asked.
#[derive(Default)]
struct Listing {
    attached: Mutex<BTreeMap<String, Vec<Value>>>,
    asked: Mutex<Vec<String>>,
}

impl Listing {
    fn answer(&self, request: &Request, registry: u16) -> Vec<u8> {
        let asked = format!("{} {}", request.method, request.target);
        self.asked.lock().unwrap().push(asked);
        if let Some(subject) = request.target.strip_prefix("/v2/infra/shop/referrers/") {
            let attached = self.attached.lock().unwrap();
            let manifests = attached.get(subject).cloned().unwrap_or_default();
            let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
            return answer("200 OK", INDEX, &index.to_string());
        }
        let answered = request.forward(registry);
        if request.method == "PUT"
            && answered.starts_with(b"HTTP/1.1 201")
            && let Ok(manifest) = serde_json::from_slice::<Value>(&request.body)
            && let Some(subject) = manifest["subject"]["digest"].as_str()
        {
            let entry = json!({
                "mediaType": manifest["mediaType"], "artifactType": manifest["artifactType"],
                "digest": Digest::of(&request.body), "size": request.body.len(),
            });
            let mut attached = self.attached.lock().unwrap();
            attached.entry(subject.to_owned()).or_default().push(entry);
        }
        answered
    }

    /// What was asked since the last time, as far as it has this in it.
    fn asked(&self, part: &str) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.retain(|asked| asked.contains(part));
        asked
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_lists_by_itself_gets_no_list() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let listing = Arc::new(Listing::default());
    let (own, there) = (Arc::clone(&listing), registry.port);
    let port = serve(move |request| own.answer(request, there));
    let artifact = published(&bench, "1.4.0", "first");
    let attach = |text: &str| {
        let note = NewAttachment::note(text);
        bench.store.attach(&artifact.digest, &note).unwrap()
    };
    attach("# One\n");
    attach("# Two\n");

    let remote = remote(port, Credentials::Anonymous);
    let pushed = remote.push(&bench.store, &artifact).await.unwrap();
    assert_eq!(pushed.attachments, 2);
    let tag = artifact.digest.to_string().replace(':', "-");
    assert_eq!(listing.asked(&tag), [""; 0], "nobody needs the list under a tag");
    remote.push(&bench.store, &artifact).await.unwrap();
    assert_eq!(listing.asked("PUT /v2/infra/shop/manifests"), [""; 0]);
    attach("# Three\n");
    remote.push(&bench.store, &artifact).await.unwrap();
    assert_eq!(listing.asked("PUT /v2/infra/shop/manifests").len(), 1);

    // What a stranger had listed is skipped: it is not there, or it belongs to something else.
    let listed = {
        let mut attached = listing.attached.lock().unwrap();
        let listed = attached.get_mut(&artifact.digest.to_string()).unwrap();
        let mut strange = listed[0].clone();
        for digest in [Digest::of("nowhere"), artifact.digest] {
            strange["digest"] = json!(digest);
            listed.push(strange.clone());
        }
        listed.len()
    };
    let other = LocalStore::open(bench.path("other")).unwrap();
    let pulled = remote
        .pull(&other, &shop(), &v("1.4.0"), None, now())
        .await
        .unwrap();
    assert_eq!(pulled.artifact, artifact);
    assert_eq!(
        (pulled.attachments.len(), pulled.skipped.len()),
        (3, 2),
        "{pulled:?}"
    );
    assert_eq!(listed, 5);
    let attached = |store: &LocalStore| store.attachments(&artifact.digest).unwrap();
    assert_eq!(attached(&other), attached(&bench.store));
}
