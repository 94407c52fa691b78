//! The text of a layout's `index.json`: canonical JSON, the tags by the precedence of their versions, then what is attached
//! by its digest. One set of items has one text, in whatever order they came.

use std::borrow::Cow;
use std::cmp::Ordering;

use aho_corasick::AhoCorasick;
use pipeline_core::digest::DigestBuilder;
use pipeline_core::{CanonicalError, Digest, canonical_json};
use semver::Version;

use crate::form::{Descriptor, media};

/// The version of a tag, in `index.json` only (OCI image specification 1.1, "Annotations").
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

const BEGIN: &str = r#"{"manifests":["#;
const END: &str = r#"],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#;

/// Lies between two items, and in no item: within a text, a `\` comes before a `"`.
const BETWEEN: &[u8] = br#"},{""#;
/// A tag begins so. Nothing else has annotations here.
const TAG: &str = r#"{"annotations":{"org.opencontainers.image.ref.name":""#;
const DIGEST: &[u8] = br#""digest":"sha256:"#;

/// What is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    key: Key,
    text: Vec<u8>,
}

/// What items are ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Tag(Version),
    Attached(String),
}

impl Key {
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Tag(a), Self::Tag(b)) => a.cmp_precedence(b),
            (Self::Tag(_), Self::Attached(_)) => Ordering::Less,
            (Self::Attached(_), Self::Tag(_)) => Ordering::Greater,
            (Self::Attached(a), Self::Attached(b)) => a.cmp(b),
        }
    }

    /// Of an item as it stands in the text.
    fn read(item: &[u8]) -> Option<Self> {
        if let Some(rest) = item.strip_prefix(TAG.as_bytes()) {
            let end = rest.iter().position(|byte| *byte == b'"')?;
            let version = std::str::from_utf8(&rest[..end]).ok()?;
            return Some(Self::Tag(version.parse().ok()?));
        }
        let at = item.windows(DIGEST.len()).position(|bytes| bytes == DIGEST)? + DIGEST.len();
        let hex = std::str::from_utf8(item.get(at..at + 64)?).ok()?;
        Some(Self::Attached(hex.to_owned()))
    }
}

impl Item {
    /// A version, without its build metadata, and the manifest that it stands for.
    pub(super) fn tag(version: Version, digest: Digest, size: u64) -> Result<Self, CanonicalError> {
        let mut tag = Descriptor::new(media::MANIFEST, digest, size);
        tag.artifact_type = Some(media::ARTIFACT.to_owned());
        tag.annotations.insert(REF_NAME.to_owned(), version.to_string());
        Self::new(Key::Tag(version), &tag)
    }

    /// Something that is attached.
    pub(super) fn attached(
        digest: Digest,
        size: u64,
        artifact_type: Option<String>,
    ) -> Result<Self, CanonicalError> {
        let mut attached = Descriptor::new(media::MANIFEST, digest, size);
        attached.artifact_type = artifact_type;
        Self::new(Key::Attached(digest.hex()), &attached)
    }

    fn new(key: Key, descriptor: &Descriptor) -> Result<Self, CanonicalError> {
        let text = canonical_json(descriptor)?;
        Ok(Self { key, text })
    }
}

/// Sorts them; of two with one key, the first stays.
fn arrange(items: &mut Vec<Item>) {
    items.sort_by(|a, b| a.key.order(&b.key));
    items.dedup_by(|b, a| a.key.order(&b.key).is_eq());
}

/// The text of these items; of two with one key, the first.
pub(super) fn text_of(mut items: Vec<Item>) -> Vec<u8> {
    arrange(&mut items);
    let mut text = BEGIN.as_bytes().to_vec();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&item.text);
    }
    text.extend_from_slice(END.as_bytes());
    text
}

/// Whether a text has a tag of this manifest.
pub(super) fn has_tag_of(text: &[u8], digest: &Digest) -> bool {
    // Of what is between the two, a version has nothing.
    let tag = format!(r#""}},"artifactType":"{}","digest":"{digest}""#, media::ARTIFACT);
    AhoCorasick::new([tag]).is_ok_and(|tag| tag.is_match(text))
}

/// A text with more items in it.
#[derive(Debug)]
pub(super) struct Spliced<'a> {
    text: &'a [u8],
    /// The new text in pieces. The first is where the old one begins, too.
    pieces: Vec<Cow<'a, [u8]>>,
}

/// Puts items into a text where they belong. Those that are there stay as they are. `None` when the text has another form;
/// whether it says what it should is for its digest to tell.
pub(super) fn splice(text: &[u8], mut items: Vec<Item>) -> Option<Spliced<'_>> {
    let body = Body::of(text)?;
    arrange(&mut items);
    let (mut pieces, mut done) = (Vec::new(), 0);
    let mut is_empty = body.is_empty();
    for item in items {
        let Place::Free(at) = body.place(&item.key)? else {
            continue;
        };
        pieces.push(Cow::Borrowed(&text[done..at]));
        done = at;
        let mut more = item.text;
        if at < body.to {
            more.push(b',');
        } else if !is_empty {
            more.insert(0, b',');
        }
        is_empty = false;
        pieces.push(Cow::Owned(more));
    }
    pieces.push(Cow::Borrowed(&text[done..]));
    Some(Spliced { text, pieces })
}

impl Spliced<'_> {
    /// Whether it is the old text.
    pub(super) fn is_same(&self) -> bool {
        self.pieces.len() == 1
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| &**piece)
    }

    /// The digest of the new text, if the old one has this.
    pub(super) fn digest(&self, old: &Digest) -> Option<Digest> {
        let mut pieces = self.pieces();
        let same = pieces.next().unwrap_or_default();
        let mut hasher = DigestBuilder::new();
        hasher.update(same);
        let mut new = hasher.clone();
        hasher.update(&self.text[same.len()..]);
        let found = hasher.finish();
        if found != *old || self.is_same() {
            return (found == *old).then_some(found);
        }
        pieces.for_each(|piece| new.update(piece));
        Some(new.finish())
    }
}

/// The items of a text, from one byte to another.
struct Body<'a> {
    text: &'a [u8],
    from: usize,
    to: usize,
}

/// Where an item belongs.
enum Place {
    /// It is there.
    Taken,
    /// Before this byte.
    Free(usize),
}

impl<'a> Body<'a> {
    fn of(text: &'a [u8]) -> Option<Self> {
        let (from, to) = (BEGIN.len(), text.len().checked_sub(END.len())?);
        let is = text.starts_with(BEGIN.as_bytes()) && text.ends_with(END.as_bytes()) && from <= to;
        is.then_some(Self { text, from, to })
    }

    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Looks for a key as in a sorted list; only the items on the way are read.
    fn place(&self, key: &Key) -> Option<Place> {
        let (mut from, mut to) = (self.from, self.to);
        while from < to {
            let start = self.start(from, from.midpoint(to));
            let end = self.end(start);
            match Key::read(&self.text[start..end])?.order(key) {
                Ordering::Equal => return Some(Place::Taken),
                // Past the comma, if there is one.
                Ordering::Less => from = self.to.min(end + 1),
                Ordering::Greater => to = start,
            }
        }
        Some(Place::Free(from))
    }

    /// Where the item begins that a byte lies in, or comes behind; one begins at `from`.
    fn start(&self, from: usize, at: usize) -> usize {
        let before = &self.text[from..self.to.min(at + 2)];
        let last = before.windows(BETWEEN.len()).rposition(|bytes| bytes == BETWEEN);
        last.map_or(from, |last| from + last + 2)
    }

    /// Where an item ends that begins at a byte.
    fn end(&self, start: usize) -> usize {
        let behind = &self.text[start..self.to];
        let next = behind.windows(BETWEEN.len()).position(|bytes| bytes == BETWEEN);
        next.map_or(self.to, |next| start + next + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn items() -> impl Strategy<Value = Vec<Item>> {
        let version = (
            "[0-3]",
            "[0-3]",
            prop_oneof![3 => Just(""), 1 => Just("-rc.1"), 1 => Just("-a-.0")],
        );
        let tag = (version, 0..9_u8, 0..2000_u64).prop_map(|((major, minor, pre), digest, size)| {
            let version = format!("{major}.{minor}.0{pre}").parse().unwrap();
            Item::tag(version, Digest::of([digest]), size).unwrap()
        });
        let kind = prop::option::of(prop_oneof![
            2 => "[a-z]{1,9}/[a-z]{1,9}",
            1 => Just(media::ARTIFACT.to_owned()),
            1 => Just(r#"x"},{"digest":"sha256:},{"annotations":{"#.to_owned()),
            1 => ".{0,30}",
        ]);
        let attached = (0..30_u8, 0..2000_u64, kind)
            .prop_map(|(digest, size, kind)| Item::attached(Digest::of([digest]), size, kind).unwrap());
        prop::collection::vec(prop_oneof![tag, attached], 0..30)
    }

    /// As one that does not know the text makes it.
    fn general(items: &[Item]) -> Vec<u8> {
        let (mut tags, mut attached) = (Vec::<(Version, &[u8])>::new(), BTreeMap::new());
        for Item { key, text } in items {
            match key {
                Key::Tag(version) if tags.iter().any(|(known, _)| known == version) => {}
                Key::Tag(version) => tags.push((version.clone(), text)),
                Key::Attached(hex) => drop(attached.entry(hex.clone()).or_insert(text)),
            }
        }
        tags.sort();
        let texts = tags
            .iter()
            .map(|(_, text)| *text)
            .chain(attached.values().map(|text| &text[..]));
        let values = texts.map(|text| serde_json::from_slice::<serde_json::Value>(text).unwrap());
        let manifests: Vec<_> = values.collect();
        let index = json!({ "manifests": manifests, "mediaType": media::INDEX, "schemaVersion": 2 });
        canonical_json(&index).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

        #[test]
        fn step_by_step_it_is_what_it_is_at_once(items in items(), steps in prop::collection::vec(0..5_usize, 0..20)) {
            let mut text = text_of(Vec::new());
            let mut rest = &items[..];
            let mut steps = steps.into_iter();
            while !rest.is_empty() {
                let step = steps.next().unwrap_or(1).min(rest.len());
                let spliced = splice(&text, rest[..step].to_vec()).unwrap();
                let new = spliced.pieces().collect::<Vec<_>>().concat();
                prop_assert_eq!(spliced.is_same(), new == text);
                prop_assert_eq!(spliced.digest(&Digest::of(&text)), Some(Digest::of(&new)));
                prop_assert_eq!(spliced.digest(&Digest::ZERO), None);
                text = new;
                rest = &rest[step..];
            }
            prop_assert_eq!(&text, &text_of(items.clone()));
            prop_assert_eq!(&text, &general(&items));
            for digest in 0..12_u8 {
                let digest = Digest::of([digest]);
                let tagged = |item: &Item| {
                    matches!(item.key, Key::Tag(_)) && item.text.windows(71).any(|text| text == digest.to_string().as_bytes())
                };
                // Of two with one version the first is listed.
                let mut listed = items.clone();
                listed.sort_by(|a, b| a.key.order(&b.key));
                listed.dedup_by(|b, a| a.key.order(&b.key).is_eq());
                prop_assert_eq!(has_tag_of(&text, &digest), listed.iter().any(tagged));
            }
        }

        #[test]
        fn what_is_no_index_is_no_trouble(items in items(), cuts in any::<[prop::sample::Index; 2]>(), byte: u8) {
            let mut text = text_of(items.clone());
            let at = cuts[0].index(text.len());
            text[at] = byte;
            let _ = splice(&text, items.clone());
            text.truncate(cuts[1].index(text.len()));
            let _ = splice(&text, items);
        }
    }
}
