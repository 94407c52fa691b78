use std::collections::BTreeMap;

use crate::limits;

/// What kind of statement an envelope holds, as those who attach it say; BuildKit writes it, too.
pub(super) const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

/// What is wrong with some annotations.
pub(super) fn check(annotations: &BTreeMap<String, String>) -> Result<(), String> {
    let bytes = |(key, value): (&String, &String)| key.len() + value.len();
    if annotations.iter().map(bytes).sum::<usize>() > limits::MAX_ANNOTATIONS {
        return Err(format!(
            "its annotations have more than {} bytes",
            limits::MAX_ANNOTATIONS
        ));
    }
    let bad = |key: &&String| key.is_empty() || key.contains(char::is_control);
    match annotations.keys().find(bad) {
        Some(key) => Err(format!("{key:?} is no name of an annotation")),
        None => Ok(()),
    }
}

/// Whether a text is a media type: `type/subtype` of few characters (RFC 6838, section 4.2).
pub(super) fn is_media_type(text: &str) -> bool {
    let part = |part: &str| {
        let first = part.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        first
            && part.len() <= 127
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    text.split_once('/')
        .is_some_and(|(kind, subtype)| part(kind) && part(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_has_two_parts() {
        for good in ["text/spdx", "application/vnd.cyclonedx+json", "a/b"] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in [
            "",
            "text",
            "text/",
            "/spdx",
            "a/b/c",
            "a b/c",
            "a/b; charset=utf-8",
            "a/\n",
            "ä/b",
        ] {
            assert!(!is_media_type(bad), "{bad}");
        }
    }
}
