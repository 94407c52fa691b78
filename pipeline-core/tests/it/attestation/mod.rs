//! Where artifacts come from: statements, envelopes, keys, policies.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use pipeline_core::attestation::{Algorithm, Envelope, PrivateKey, PublicKey, Signer, Verifier};
use pipeline_core::testing::RepeatableEntropy;

mod checkpoint;
mod envelope;
mod fixtures;
mod keys;
mod openssl;
mod policy;
mod policy_form;
mod provenance;
mod statement;

/// Keys that are the same each time.
fn key(algorithm: Algorithm, seed: u64) -> PrivateKey {
    PrivateKey::generate(algorithm, &RepeatableEntropy::new(seed))
}

fn ed25519(seed: u64) -> PrivateKey {
    key(Algorithm::Ed25519, seed)
}

fn verifiers<'a>(keys: &'a [&'a PublicKey]) -> impl Iterator<Item = &'a dyn Verifier> {
    keys.iter().map(|&key| key as &dyn Verifier)
}

fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

async fn signed(mut envelope: Envelope, keys: &[&PrivateKey]) -> Envelope {
    for &key in keys {
        envelope.sign(key as &dyn Signer).await.unwrap();
    }
    envelope
}

fn public(key: &PrivateKey) -> Arc<PublicKey> {
    Arc::new(key.public().clone())
}

/// A folder of the fixtures; `None` where they are absent.
#[expect(
    clippy::disallowed_methods,
    reason = "where the fixtures are depends on the machine"
)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn fixtures(folder: &str) -> Option<PathBuf> {
    let fixtures = match std::env::var_os("PIPELINE_FIXTURES") {
        Some(fixtures) => PathBuf::from(fixtures),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
    };
    let folder = fixtures.join("change").join(folder);
    if !folder.is_dir() {
        eprintln!("SKIPPED: there is no {}; set PIPELINE_FIXTURES", folder.display());
        return None;
    }
    Some(folder)
}
