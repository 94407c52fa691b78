use std::fmt;

/// A text that names others: `*` stands for any characters but `/`, `**` for any at all, everything else for itself.
/// No other character is special, since `?`, `[` and `@` occur in URIs.
///
/// ```
/// use pipeline_core::attestation::Pattern;
///
/// let tags = Pattern::new("refs/tags/v*");
/// assert!(tags.matches("refs/tags/v1.2.3"));
/// assert!(!tags.matches("refs/tags/v1/x"));
/// assert!(Pattern::new("git+https://git.example.com/**").matches("git+https://git.example.com/infra/shop"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

#[derive(Clone, Copy)]
enum Part {
    One(char),
    Within,
    Any,
}

impl Pattern {
    /// A pattern.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it names a text. Takes time in proportion to the product of both lengths at most.
    pub fn matches(&self, text: &str) -> bool {
        let parts = self.parts();
        // Which parts may come next: a set, so that no choice is ever taken back.
        let mut next = vec![false; parts.len() + 1];
        next[0] = true;
        skip(&parts, &mut next);
        for c in text.chars() {
            let mut after = vec![false; parts.len() + 1];
            for (at, part) in parts.iter().enumerate().filter(|(at, _)| next[*at]) {
                match part {
                    Part::One(one) if *one == c => after[at + 1] = true,
                    Part::Within if c != '/' => after[at] = true,
                    Part::Any => after[at] = true,
                    Part::One(_) | Part::Within => {}
                }
            }
            skip(&parts, &mut after);
            next = after;
        }
        next[parts.len()]
    }

    fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        for c in self.0.chars() {
            match (c, parts.last()) {
                ('*', Some(Part::Within)) => {
                    parts.pop();
                    parts.push(Part::Any);
                }
                ('*', _) => parts.push(Part::Within),
                _ => parts.push(Part::One(c)),
            }
        }
        parts
    }
}

/// Stars may stand for nothing.
fn skip(parts: &[Part], next: &mut [bool]) {
    for (at, part) in parts.iter().enumerate() {
        if next[at] && !matches!(part, Part::One(_)) {
            next[at + 1] = true;
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is accepted in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// Anything, also nothing: it is not asked.
    Any,
    /// What one of the patterns names; an empty list accepts nothing.
    Only(Vec<Pattern>),
}

impl Accepted {
    /// What some patterns name.
    pub fn only<T: Into<String>>(patterns: impl IntoIterator<Item = T>) -> Self {
        Self::Only(patterns.into_iter().map(Pattern::new).collect())
    }

    /// Whether it is accepted; what is not there is only where it is not asked.
    pub fn accepts(&self, found: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Only(patterns) => {
                found.is_some_and(|found| patterns.iter().any(|pattern| pattern.matches(found)))
            }
        }
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Only(patterns) = self else {
            return f.write_str("any");
        };
        for (index, pattern) in patterns.iter().enumerate() {
            write!(f, "{}`{pattern}`", if index == 0 { "" } else { " or " })?;
        }
        match patterns.is_empty() {
            true => f.write_str("nothing"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stop_at_slashes_unless_there_are_two() {
        for (pattern, yes, no) in [
            ("", &[""][..], &["a"][..]),
            ("a", &["a"], &["", "b", "aa", "A"]),
            ("*", &["", "ab", "é"], &["/", "a/b"]),
            ("**", &["", "a", "a/b/"], &[]),
            ("a*c", &["ac", "abc", "abcc"], &["a/c", "ab", "abcd"]),
            ("a/**/c", &["a//c", "a/b/b/c"], &["a/c", "a/b/c/d"]),
            ("a**", &["a", "a/b"], &["b"]),
            ("*/b*", &["/b", "a/bc"], &["a/a/b"]),
            (
                "x?[a]@v1.*",
                &["x?[a]@v1.2"],
                &["xy[a]@v1.2", "x?a@v1.2", "x?[a]@v1x2"],
            ),
            ("***", &["a/b"], &[]),
        ] {
            let pattern = Pattern::new(pattern);
            for text in yes {
                assert!(pattern.matches(text), "{pattern} and {text}");
            }
            for text in no {
                assert!(!pattern.matches(text), "{pattern} and {text}");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_accepted() {
        assert!(Accepted::Any.accepts(None));
        assert!(!Accepted::only(["**"]).accepts(None));
        assert!(Accepted::only(["b", "a*"]).accepts(Some("ab")));
        assert!(!Accepted::Only(Vec::new()).accepts(Some("")));
    }
}
