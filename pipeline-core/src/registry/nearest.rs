/// The candidate that is most like `name`, if one is like it enough to be what was meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let length = wanted.chars().count();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let limit = (length.max(candidate.len()) / 3).max(1);
        if length.abs_diff(candidate.chars().count()) > limit {
            continue;
        }
        let distance = strsim::osa_distance(&wanted, &candidate.to_lowercase());
        if distance <= limit && distance < length && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Hints for many unknown names. Comparing each with every candidate would be quadratic, so after a number of
/// comparisons there are no more hints.
pub(crate) struct Suggestions {
    left: usize,
}

impl Suggestions {
    pub(crate) fn new() -> Self {
        Self { left: 2_000_000 }
    }

    /// Whether there are hints out of that many candidates.
    pub(crate) fn can_afford(&self, count: usize) -> bool {
        count <= self.left
    }

    /// The nearest of `count` candidates.
    pub(crate) fn nearest<'a>(
        &mut self,
        name: &str,
        count: usize,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Option<String> {
        self.left = self.left.checked_sub(count)?;
        // Longer ones are no names, and comparing takes the product of the lengths.
        if name.len() > 2 * crate::name::MAX_NAME_LEN {
            return None;
        }
        nearest(name, candidates).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_mistakes_are_found() {
        let known = ["command", "approval", "deploy", "soak"];
        for (name, meant) in [
            ("comand", "command"),
            ("aproval", "approval"),
            ("Deploy", "deploy"),
        ] {
            assert_eq!(nearest(name, known), Some(meant));
        }
        for name in ["terraform", "", "x"] {
            assert_eq!(nearest(name, known), None);
        }
    }

    #[test]
    fn hints_end_when_they_would_take_too_long() {
        let mut suggestions = Suggestions { left: 3 };
        assert_eq!(suggestions.nearest("aa", 2, ["ab", "b"]), Some("ab".to_owned()));
        assert_eq!(suggestions.nearest("aa", 2, ["ab", "b"]), None);
    }
}
