use std::collections::BTreeMap;
use std::error::Error;

use serde::Serialize;

use crate::FactSource;

/// Something that could not be read, and so is in no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Problem<'f> {
    /// Where.
    pub source: FactSource<'f>,
    /// Why, outermost cause first.
    pub reason: &'f str,
}

/// Problems, one for each source, in the order of the sources.
#[derive(Debug, Clone, Default)]
pub(crate) struct Problems(BTreeMap<(bool, Box<str>, u64), Box<str>>);

impl Problems {
    pub(crate) fn add(&mut self, source: FactSource<'_>, error: &dyn Error) {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            reason.push_str(": ");
            reason.push_str(&error.to_string());
            cause = error.source();
        }
        let key = match source {
            FactSource::Event { stream, position } => (false, stream.into(), position),
            FactSource::Line { file, line } => (true, file.into(), line),
        };
        self.0.insert(key, reason.into());
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Problem<'_>> {
        self.0.iter().map(|((is_line, origin, number), reason)| Problem {
            source: if *is_line {
                FactSource::Line {
                    file: origin,
                    line: *number,
                }
            } else {
                FactSource::Event {
                    stream: origin,
                    position: *number,
                }
            },
            reason,
        })
    }
}
