use pipeline_core::{Digest, StoreError};

use super::BlobStore;

/// The bytes of a blob of any store, verified, and not more than `limit` of them.
pub(crate) async fn blob_bytes(
    store: &dyn BlobStore,
    digest: &Digest,
    limit: u64,
) -> Result<Vec<u8>, StoreError> {
    let mut source = store.get(digest).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = source.next().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() as u64 > limit {
            return Err(StoreError::Damaged {
                what: format!("blob {digest}"),
                reason: format!("it has more than the {limit} bytes that are allowed here"),
            });
        }
    }
    Ok(bytes)
}
