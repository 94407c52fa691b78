use std::future::Future;

use super::world::BlobWorld;
use super::{Report, dropped, holding, promises as p, reading, room, storing};

/// Checks a store against the contract of [`BlobStore`](crate::BlobStore). `fresh` makes a store that is empty; each check
/// takes its own.
///
/// ```
/// use pipeline_artifacts::testing::{BlobWorld, blob_store};
/// use pipeline_artifacts::{BlobLimits, Limited, LocalStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let report = blob_store(|| async {
///     let dir = tempfile::tempdir().unwrap();
///     let (root, blobs) = (dir.path().join("store"), dir.path().join("store/blobs/sha256"));
///     let small = LocalStore::open(dir.path().join("small")).unwrap();
///     BlobWorld::new(LocalStore::open(&root).unwrap())
///         .damage(move |digest| {
///             let file = blobs.join(digest.hex());
///             std::fs::remove_file(&file).unwrap(); // files of blobs are read-only
///             std::fs::write(&file, "rust").unwrap();
///             async {}
///         })
///         .reopen(move || std::future::ready(LocalStore::open(&root).unwrap()))
///         .small(Limited::open(small, BlobLimits::default().bytes(1000)).await.unwrap(), 1000)
///         .keep(dir)
/// })
/// .await;
/// report.assert_kept();
/// assert_eq!(report.not_tried_names(), [""; 0]);
/// # Ok(())
/// # }
/// ```
pub async fn blob_store<F, Fut>(fresh: F) -> Report
where
    F: Fn() -> Fut,
    Fut: Future<Output = BlobWorld>,
{
    let mut report = Report::new("blob store", p::ALL);
    let world = fresh().await;
    reading::absent_blobs(&mut report, &*world.store).await;
    if let Some(held) = &world.held {
        holding::held(&mut report, &world, held).await;
        return report;
    }
    report.not_promised(&[p::REFUSES_WRITES], "the store can be written to");
    reading::given(&mut report, &*world.store).await;
    reading::list_of_new(&mut report, &*fresh().await.store).await;
    storing::twice(&mut report, &*fresh().await.store).await;
    storing::watched(&mut report, &fresh().await.store).await;
    storing::refused(&mut report, &*fresh().await.store).await;
    storing::too_many(&mut report, &*fresh().await.store).await;
    storing::many(&mut report, &fresh().await.store).await;
    storing::trashed(&mut report, &*fresh().await.store).await;
    dropped::dropped(&mut report, &*fresh().await.store).await;
    holding::damaged(&mut report, fresh().await).await;
    holding::flushed(&mut report, fresh().await).await;
    room::full(&mut report, fresh().await).await;
    report
}
