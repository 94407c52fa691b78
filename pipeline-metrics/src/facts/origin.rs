use super::names::Names;
use crate::FactSource;

/// Where a fact was read, in eight bytes: whether it is an event, what it was read from, and the number in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceId(u64);

const NUMBER: u32 = 35;
const LARGEST: u64 = (1 << NUMBER) - 1;
const EVENT: u64 = 1 << 63;

impl SourceId {
    /// Of what was only named and never read.
    pub(crate) const NOWHERE: Self = Self(0);

    /// A line of a file whose name is kept. A number above 34 thousand million is told as that.
    pub(crate) fn line(origin: u32, line: u64) -> Self {
        Self(u64::from(origin) << NUMBER | line.min(LARGEST))
    }

    pub(crate) fn new(source: FactSource<'_>, names: &mut Names) -> Self {
        match source {
            FactSource::Line { file, line } => Self::line(names.intern(file), line),
            FactSource::Event { stream, position } => {
                Self(Self::line(names.intern(stream), position).0 | EVENT)
            }
        }
    }

    pub(crate) fn get(self, names: &Names) -> FactSource<'_> {
        let origin = names.get(((self.0 & !EVENT) >> NUMBER) as u32);
        let number = self.0 & LARGEST;
        if self.0 & EVENT == 0 {
            FactSource::Line {
                file: origin,
                line: number,
            }
        } else {
            FactSource::Event {
                stream: origin,
                position: number,
            }
        }
    }
}
