use std::fs::File;
use std::io::{self, Read};

use pipeline_core::{Digest, EntryKind};
use serde::Deserialize;

use super::entry_json::{Json, MAX_ENTRY, read_entry};
use super::source::{Source, Windows};
use super::tar::END as TAR_END;
use super::toc::EntryList;
use super::toc_walk::LayerBegin;
use super::toc_writer::{BEGIN, END, END_OF_ENTRIES, FORMAT, LAYERS};
use super::{Cuts, EntryCheck, Lead, Links, Placed, TarLength, Toc, TocFault, header_len, padding};
use crate::limits;

impl Toc {
    /// Reads a table of contents that [`TocWriter`](super::TocWriter) wrote, and nothing else. It stays in memory.
    ///
    /// It is checked: each path once and well-formed, sorted by its bytes, its directory listed; each link inside the
    /// tree. So no path leads through a link.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, TocFault> {
        let mut reading = Reading::Bytes { all: &bytes, at: 0 };
        let listed = Listed::read(&mut reading);
        let listed = listed.map_err(|fault| of_format(fault, &bytes[..]))?;
        listed.finish(Source::Bytes(bytes))
    }

    /// The same, with another limit of how often links lead through others.
    #[cfg(test)]
    pub(crate) fn parse_up_to(bytes: Vec<u8>, hops: usize) -> Result<Self, TocFault> {
        let mut listed = Listed::read(&mut Reading::Bytes { all: &bytes, at: 0 })?;
        listed.links = listed.links.at_most(hops);
        listed.finish(Source::Bytes(bytes))
    }

    /// The same for the first `size` bytes of a file, of which little is in memory at a time; and the digest of these bytes,
    /// whatever they are.
    pub(crate) fn read(
        file: File,
        size: usize,
        window: usize,
    ) -> Result<(Digest, Result<Self, TocFault>), TocFault> {
        let mut reading = Reading::File {
            windows: Windows::new(file, size, window),
            held: Vec::new(),
            at: 0,
            skipped: 0,
        };
        let listed = Listed::read(&mut reading);
        let Reading::File {
            mut windows,
            mut held,
            ..
        } = reading
        else {
            return Err(TocFault::Changed);
        };
        loop {
            held.clear();
            if !windows.first(&mut held)? {
                break;
            }
        }
        let digest = windows.hashed().finish();
        let listed = listed.map_err(|fault| of_format(fault, io::BufReader::new(windows.all())));
        Ok((
            digest,
            listed.and_then(|listed| listed.finish(Source::File(windows))),
        ))
    }
}

/// Only the version, so that another form is refused by its number and not by a detail.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// What is wrong: that it has another format, if it has.
fn of_format(fault: TocFault, json: impl Read) -> TocFault {
    match (&fault, serde_json::from_reader(json)) {
        (TocFault::Wrong(_), Ok(Version { format })) if format != FORMAT => unknown(format.into()).into(),
        _ => fault,
    }
}

fn unknown(format: u64) -> String {
    format!("it has format {format}; this version reads format {FORMAT}")
}

/// Bytes that are read for the first time, from front to back.
enum Reading<'a> {
    Bytes {
        all: &'a [u8],
        at: usize,
    },
    File {
        windows: Windows,
        held: Vec<u8>,
        /// The place in what is held.
        at: usize,
        /// How many bytes were dropped before it.
        skipped: usize,
    },
}

impl Reading<'_> {
    /// The next bytes: more than an entry can have, or all to the end.
    fn ahead(&mut self) -> Result<&[u8], TocFault> {
        match self {
            Self::Bytes { all, at } => Ok(&all[*at..]),
            Self::File {
                windows,
                held,
                at,
                skipped,
            } => {
                if held.len() - *at < MAX_ENTRY {
                    held.drain(..*at);
                    *skipped += std::mem::take(at);
                    while held.len() < MAX_ENTRY && windows.first(held)? {}
                }
                Ok(&held[*at..])
            }
        }
    }

    /// Goes past so many of them.
    fn take(&mut self, count: usize) {
        let (Self::Bytes { at, .. } | Self::File { at, .. }) = self;
        *at += count;
    }

    /// How many bytes were gone past.
    fn position(&self) -> usize {
        match self {
            Self::Bytes { at, .. } => *at,
            Self::File { at, skipped, .. } => at + skipped,
        }
    }

    /// Reads something that is shorter than an entry can be.
    fn read<T>(&mut self, what: impl FnOnce(&mut Json<'_>) -> Result<T, String>) -> Result<T, TocFault> {
        let mut json = Json {
            bytes: self.ahead()?,
            at: 0,
        };
        let found = what(&mut json);
        let at = json.at;
        self.take(at);
        let found = found.map_err(|reason| format!("byte {}: {reason}", self.position()));
        Ok(found?)
    }
}

/// What is kept of an entry until all places are checked.
struct Item {
    /// Its place in the order of the tar.
    key: u64,
    size: u64,
    index: u32,
    header: u32,
}

/// Keys of directories are indices; those of files have this bit, and a layer above an offset; those of links have
/// the next bit, and an index.
const FILE: u64 = 1 << 62;
const LINK: u64 = 1 << 63;
const OFFSET_BITS: u32 = 53;
const _: () = assert!(limits::MAX_FILE < 1 << OFFSET_BITS && limits::MAX_LAYERS < 1 << (62 - OFFSET_BITS));

impl Item {
    fn new(index: u32, placed: &Placed) -> Result<Self, String> {
        let key = match (&placed.entry.kind, placed.place) {
            (EntryKind::Directory, _) => u64::from(index),
            (EntryKind::Symlink { .. }, _) => LINK | u64::from(index),
            (EntryKind::File { .. }, Some((layer, offset)))
                if layer < limits::MAX_LAYERS && offset <= limits::MAX_FILE =>
            {
                FILE | (layer as u64) << OFFSET_BITS | offset
            }
            (EntryKind::File { .. }, _) => {
                return Err(format!("{:?} lies in no layer of the tar", placed.entry.path));
            }
        };
        let header = u32::try_from(header_len(&placed.entry)).map_err(|error| error.to_string())?;
        Ok(Self {
            key,
            size: placed.size(),
            index,
            header,
        })
    }

    /// The layer and the offset of a file.
    fn place(&self) -> Option<(usize, u64)> {
        let layer = (self.key & !FILE) >> OFFSET_BITS;
        // It was a `usize` before.
        (self.key & (FILE | LINK) == FILE).then_some((layer as usize, self.key & ((1 << OFFSET_BITS) - 1)))
    }
}

/// A table of contents whose places and links are not checked yet.
struct Listed {
    starts: Vec<u32>,
    items: Vec<Item>,
    links: Links,
    layers: Vec<u64>,
}

impl Listed {
    fn read(reading: &mut Reading<'_>) -> Result<Self, TocFault> {
        let mut listed = Self {
            starts: Vec::new(),
            items: Vec::new(),
            links: Links::default(),
            layers: Vec::new(),
        };
        reading.read(|json| json.expect(BEGIN))?;
        listed.entries(reading)?;
        let format = reading.read(|json| json.expect(END_OF_ENTRIES).and_then(|()| json.number()))?;
        if format != u64::from(FORMAT) {
            return Err(unknown(format).into());
        }
        reading.read(|json| json.expect(LAYERS))?;
        let mut is_last = reading.ahead()?.starts_with(b"]");
        while !is_last {
            listed.layers.push(reading.read(|json| json.number())?);
            if listed.layers.len() > limits::MAX_LAYERS {
                return Err(format!("more than {} layers", limits::MAX_LAYERS).into());
            }
            is_last = !reading.read(|json| Ok(json.skip(",")))?;
        }
        reading.read(|json| json.expect(END))?;
        match reading.ahead()? {
            [] => Ok(listed),
            _ => Err("something follows its end".to_owned().into()),
        }
    }

    fn entries(&mut self, reading: &mut Reading<'_>) -> Result<(), TocFault> {
        let mut check = EntryCheck::default();
        let mut is_last = reading.ahead()?.starts_with(b"]");
        let start = |reading: &Reading<'_>| {
            u32::try_from(reading.position())
                .map_err(|_| format!("it is larger than {} bytes", limits::MAX_TOC))
        };
        while !is_last {
            self.starts.push(start(reading)?);
            let wrong = |index: usize, reason| format!("entry {}: {reason}", index + 1);
            let (placed, length) =
                read_entry(reading.ahead()?).map_err(|reason| wrong(self.items.len(), reason))?;
            check.next(&placed.entry.path, &placed.entry.kind)?;
            // Their number is limited.
            let index = self.items.len() as u32;
            if let EntryKind::Symlink { .. } = placed.entry.kind {
                self.links.add(&placed.entry.path, index);
            }
            self.items.push(Item::new(index, &placed)?);
            reading.take(length);
            is_last = !reading.read(|json| Ok(json.skip(",")))?;
        }
        // As if a comma came.
        self.starts.push(start(reading)? + 1);
        Ok(())
    }

    /// Checks what needs all entries.
    fn finish(mut self, source: Source) -> Result<Toc, TocFault> {
        let list = EntryList {
            source,
            starts: self.starts,
        };
        check_links(&list, &self.items, self.links)?;
        self.items.sort_unstable_by_key(|item| item.key);
        let mut tar = TarLength::default();
        for item in &self.items {
            tar.add(item.header.into(), item.size)?;
        }
        let cuts = Cuts::new(self.layers, tar.close()?)?;
        let begins = place(&list, &self.items, &cuts)?;
        let directories = self.items.iter().take_while(|item| item.key < FILE).count();
        let links = self
            .items
            .iter()
            .rev()
            .take_while(|item| item.key >= LINK)
            .count();
        Ok(Toc {
            list,
            cuts,
            order: self.items.iter().map(|item| item.index).collect(),
            directories,
            links,
            begins,
        })
    }
}

fn check_links(list: &EntryList, items: &[Item], mut links: Links) -> Result<(), TocFault> {
    if links.is_empty() {
        return Ok(());
    }
    links.sort();
    let (mut reader, mut others) = (list.reader(), list.reader());
    let mut other = |index: u32| Ok::<_, TocFault>(others.entry(index as usize)?.entry);
    for item in items.iter().filter(|item| item.key >= LINK) {
        let entry = reader.entry(item.index as usize)?.entry;
        let EntryKind::Symlink { target } = &entry.kind else {
            continue;
        };
        let path = &entry.path;
        let reason = match links.follow(path, target, &mut other)? {
            Lead::Inside => continue,
            Lead::Out => format!("{path:?} is a link to {target:?}, which leads out of the tree"),
            Lead::Unknown => format!(
                "{path:?} is a link to {target:?}: with it, links lead through other links more than {} times",
                limits::MAX_LINK_HOPS
            ),
        };
        return Err(reason.into());
    }
    Ok(())
}

/// Checks that every file lies where we would put it, and tells where each layer begins.
fn place(list: &EntryList, items: &[Item], cuts: &Cuts) -> Result<Vec<LayerBegin>, TocFault> {
    let count = cuts.layers().len();
    let (mut firsts, mut contents) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut tar = TarLength::default();
    for (position, item) in items.iter().enumerate() {
        let content = tar.add(item.header.into(), item.size)?;
        let found = cuts.place(content);
        if item.place().is_some_and(|place| place != found) {
            let path = list.reader().entry(item.index as usize)?.entry.path;
            let (layer, offset) = found;
            let reason = format!(
                "{path:?} lies at {offset} of layer {}, and not where it says",
                layer + 1
            );
            return Err(reason.into());
        }
        let at = content - u64::from(item.header);
        let end = content + item.size + padding(item.size) as u64;
        while firsts.len() < count && cuts.layer(firsts.len()).0 < end {
            firsts.push((position, at));
        }
        while contents.len() <= found.0 {
            contents.push(position);
        }
    }
    // Only the blocks that close the tar lie in the others.
    firsts.resize(count, (items.len(), cuts.size() - TAR_END.len() as u64));
    contents.resize(count, items.len());
    let begins = firsts.into_iter().zip(contents);
    let begins = begins.map(|((first, at), contents)| LayerBegin { first, at, contents });
    Ok(begins.collect())
}
