use std::collections::BTreeSet;

use pipeline_core::Digest;
use reqwest::Url;
use serde::Deserialize;

use super::error::plain;
use super::failure::Failure;
use super::link::next_page;
use super::request::{Request, body};
use super::{OciError, Remote};
use crate::form::media;
use crate::limits;

/// What a registry says to be attached to a manifest.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// What it calls them. What is no digest is shortened.
    pub(super) digests: BTreeSet<String>,
    /// Whether there is more than is read.
    pub(super) is_cut: bool,
}

/// One page of the list.
struct Page {
    digests: Vec<String>,
    next: Option<Url>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
}

/// The tag of the list, where the registry makes none (distribution specification 1.1, "Referrers Tag Schema").
pub(super) fn list_tag(subject: &Digest) -> String {
    subject.to_string().replace(':', "-")
}

impl Remote {
    /// What the registry says to be attached to a manifest, or what the tag of its digest says.
    pub(super) async fn listed(&self, subject: &Digest) -> Result<Listed, OciError> {
        let doing = format!("list what is attached to {subject} in {}", self.name());
        let mut list = Listed::default();
        let mut asked = BTreeSet::new();
        let mut next = Some(self.address(&format!("referrers/{subject}"))?);
        while let Some(url) = next {
            let is_first = asked.is_empty();
            // One that leads in circles has no end.
            let is_new = asked.insert(url.clone());
            if !is_new || asked.len() > limits::MAX_LIST_PAGES || list.digests.len() > limits::MAX_LISTED {
                list.is_cut = true;
                break;
            }
            let page = self.persist(&doing, || self.list_page(subject, &url)).await?;
            let page = match page {
                Some(page) => page,
                None if is_first => self.list_of_tag(subject).await?,
                None => return Err(self.no_list(subject, "one of its pages is not there")),
            };
            list.digests.extend(page.digests);
            next = page.next;
        }
        while list.digests.len() > limits::MAX_LISTED {
            list.is_cut = true;
            list.digests.pop_last();
        }
        Ok(list)
    }

    async fn list_page(&self, subject: &Digest, url: &Url) -> Result<Option<Page>, Failure> {
        let Some(answer) = self.ask(&Request::get(url.clone(), media::INDEX)).await? else {
            return Ok(None);
        };
        let wrong = |reason: String| self.no_list(subject, &reason);
        let next = next_page(answer.headers(), url).map_err(wrong)?;
        let Some(bytes) = body(answer, limits::MAX_MANIFEST).await? else {
            let most = limits::MAX_MANIFEST;
            return Err(wrong(format!("one of its pages is larger than {most} bytes")).into());
        };
        let digests = digests(&bytes).map_err(wrong)?;
        Ok(Some(Page { digests, next }))
    }

    async fn list_of_tag(&self, subject: &Digest) -> Result<Page, OciError> {
        let digests = match self.manifest(&list_tag(subject)).await? {
            Some(bytes) => digests(&bytes).map_err(|reason| self.no_list(subject, &reason))?,
            None => Vec::new(),
        };
        let next = None;
        Ok(Page { digests, next })
    }

    fn no_list(&self, subject: &Digest, reason: &str) -> OciError {
        let what = format!("the list of what is attached to {subject} in {}", self.name());
        OciError::refused(what, reason)
    }
}

fn digests(index: &[u8]) -> Result<Vec<String>, String> {
    let index: Index = serde_json::from_slice(index).map_err(|error| format!("it is no list: {error}"))?;
    let digest = |entry: Entry| match entry.digest.parse::<Digest>() {
        Ok(_) => entry.digest,
        Err(_) => plain(&entry.digest),
    };
    Ok(index.manifests.into_iter().map(digest).collect())
}
