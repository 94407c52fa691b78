use super::padding;
use super::tar::END;
use crate::limits;

/// Where the tar is cut into layers. It may be cut anywhere; the layers one after another are the tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cuts(Vec<u64>);

/// Some bytes of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The layer, counted from 0: the manifest has the table of contents before it.
    pub(crate) layer: usize,
    /// Where they begin.
    pub(crate) offset: u64,
    /// How many.
    pub(crate) len: u64,
}

impl Cuts {
    /// The cuts of a tar of `size` bytes into layers of these sizes.
    pub(crate) fn new(layers: impl IntoIterator<Item = u64>, size: u64) -> Result<Self, String> {
        let mut cuts = vec![0];
        let mut end = 0_u64;
        for layer in layers {
            if layer == 0 {
                return Err("a layer is empty".to_owned());
            }
            if cuts.len() > limits::MAX_LAYERS {
                return Err(format!("more than {} layers", limits::MAX_LAYERS));
            }
            end = end.checked_add(layer).ok_or_else(too_much)?;
            cuts.push(end);
        }
        if end != size {
            return Err(format!(
                "it describes a tar of {size} bytes; the layers have {end}"
            ));
        }
        Ok(Self(cuts))
    }

    /// How long the tar is.
    pub(crate) fn size(&self) -> u64 {
        self.0.last().copied().unwrap_or(0)
    }

    /// The sizes of the layers, before compression.
    pub(crate) fn layers(&self) -> impl ExactSizeIterator<Item = u64> {
        self.0.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// Where a layer, counted from 0, begins and ends in the tar.
    pub(crate) fn layer(&self, number: usize) -> (u64, u64) {
        (self.0[number], self.0[number + 1])
    }

    /// A place in the tar, before its end: the layer, counted from 0, and the offset in it.
    pub(crate) fn place(&self, at: u64) -> (usize, u64) {
        // The first cut is 0.
        let layer = self.0.partition_point(|cut| *cut <= at) - 1;
        (layer, at - self.0[layer])
    }

    /// Where a place in a layer is in the tar.
    pub(crate) fn at(&self, (layer, offset): (usize, u64)) -> u64 {
        self.0[layer] + offset
    }

    /// So many bytes of the tar from a place on: one part of each layer that they go through.
    pub(crate) fn parts(&self, mut at: u64, size: u64) -> impl Iterator<Item = Part> {
        let end = at + size;
        std::iter::from_fn(move || {
            (at < end).then(|| {
                let (layer, offset) = self.place(at);
                let to = end.min(self.0[layer + 1]);
                let len = to - at;
                at = to;
                Part { layer, offset, len }
            })
        })
    }
}

/// How long a tar is that grows entry by entry.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TarLength(u64);

impl TarLength {
    /// Goes on behind so many bytes.
    pub(crate) fn behind(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Adds an entry with a header and a content of so many bytes; where the content begins.
    pub(crate) fn add(&mut self, header: u64, size: u64) -> Result<u64, String> {
        let content = self.0.checked_add(header).ok_or_else(too_much)?;
        let end = content.checked_add(size);
        let end = end.and_then(|end| end.checked_add(padding(size) as u64));
        self.0 = end.ok_or_else(too_much)?;
        Ok(content)
    }

    /// How long it is with the blocks that close it.
    pub(crate) fn close(self) -> Result<u64, String> {
        let size = self.0.checked_add(END.len() as u64);
        size.filter(|size| *size <= limits::MAX_FILE).ok_or_else(too_much)
    }
}

fn too_much() -> String {
    "the sizes add up to too much".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_may_go_through_layers() {
        let mut tar = TarLength::default();
        assert_eq!(tar.add(512, 600), Ok(512));
        assert_eq!(tar.add(1024, 0), Ok(512 + 1024 + 1024));
        let size = tar.close().unwrap();
        assert_eq!(size, 2560 + 1024);
        let cuts = Cuts::new([1000, 20, 2564], size).unwrap();
        assert_eq!(cuts.size(), size);
        assert_eq!(cuts.layers().collect::<Vec<_>>(), [1000, 20, 2564]);
        assert_eq!(cuts.place(512), (0, 512));
        assert_eq!(cuts.place(1000), (1, 0));
        let parts: Vec<_> = cuts
            .parts(512, 600)
            .map(|part| (part.layer, part.offset, part.len))
            .collect();
        assert_eq!(parts, [(0, 512, 488), (1, 0, 20), (2, 0, 92)]);
        assert_eq!(cuts.parts(512, 0).count(), 0);
    }

    #[test]
    fn layers_are_the_tar() {
        assert!(Cuts::new([1000, 0, 24], 1024).unwrap_err().contains("empty"));
        assert!(
            Cuts::new([1000], 1024)
                .unwrap_err()
                .contains("1024 bytes; the layers have 1000")
        );
        assert!(Cuts::new([u64::MAX, 1], 1024).is_err());
        // Sizes that come to the right sum only because it overflows.
        assert_eq!(Cuts::new([u64::MAX, 1025], 1024), Err(too_much()));
        assert!(Cuts::new([1; 401], 401).unwrap_err().contains("more than 400"));
        assert!(TarLength(u64::MAX - 600).add(512, 100).is_err());
        assert!(TarLength(limits::MAX_FILE).close().is_err());
    }
}
