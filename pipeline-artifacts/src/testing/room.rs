use super::calls::{absent, failed, listed, put, text, whole};
use super::world::BlobWorld;
use super::{Report, promises as p};
use crate::BlobId;

/// Fills a small store.
pub(super) async fn full(report: &mut Report, world: BlobWorld) {
    let Some((store, most)) = &world.small else {
        let why = "nobody brings a store that can be filled: `BlobWorld::small`";
        return report.not_tried(&[p::FULL_LOSES_NOTHING], why);
    };
    let len = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX / 2);
    let (fits, over) = (text("fits", len(most / 2)), text("over", len(*most) + 1));
    let found = async {
        let blob = put(&**store, &fits).await?;
        store.flush(&[blob]).await.map_err(failed("a flush"))?;
        for _ in 0..2 {
            if put(&**store, &over).await.is_ok() {
                return Err(format!(
                    "{} bytes are stored, where {most} should fit",
                    over.len()
                ));
            }
            absent(&**store, &BlobId::of(&over)).await?;
            whole(&**store, &fits).await?;
            if listed(&**store).await? != [blob] {
                return Err("other blobs are listed than the one that was stored".to_owned());
            }
        }
        Ok(())
    };
    report.check(p::FULL_LOSES_NOTHING, found.await);
}
