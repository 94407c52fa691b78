/// Where the lines of a text start, to tell places in it to people.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            // A byte-order mark is no column.
            starts: std::iter::once(text.len() - text.trim_start_matches('\u{feff}').len())
                .chain(ends)
                .collect(),
        }
    }

    /// The line and the column, in characters, both from 1. What is beyond the end is at the end.
    pub(crate) fn place(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|&start| start <= offset).max(1);
        let start = self.starts[line - 1];
        (line, self.text[start..offset.max(start)].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let lines = Lines::new("ä = 1\r\nöx\n");
        for (offset, place) in [
            (0, (1, 1)),
            (1, (1, 1)),
            (2, (1, 2)),
            (8, (2, 1)),
            (10, (2, 2)),
            (12, (3, 1)),
            (99, (3, 1)),
        ] {
            assert_eq!(lines.place(offset), place, "{offset}");
        }
        assert_eq!(Lines::new("").place(0), (1, 1));
        assert_eq!(Lines::new("\u{feff}ab").place(0), (1, 1));
        assert_eq!(Lines::new("\u{feff}ab").place(4), (1, 2));
    }
}
