//! What `figures` can measure, area by area.

use crate::measure::{Area, Measure};
use crate::{artifacts, metrics, scheduler};

/// All areas.
pub const ALL: &[Area] = &[scheduler::AREA, artifacts::AREA, metrics::AREA];

/// The measures that some words choose, `AREA` or `AREA/MEASURE`; all of them when there are none.
///
/// # Errors
///
/// When a word names nothing.
pub fn choose(words: &[String]) -> Result<Vec<&'static Measure>, Unknown> {
    let known = || {
        let measures = |area: &'static Area| area.measures.iter().map(move |measure| (area.name, measure));
        ALL.iter().flat_map(measures)
    };
    for word in words {
        if !known().any(|(area, measure)| names(word, area, measure)) {
            return Err(Unknown { word: word.clone() });
        }
    }
    let chosen = |(area, measure): &(&str, &Measure)| {
        words.is_empty() || words.iter().any(|word| names(word, area, measure))
    };
    Ok(known().filter(chosen).map(|(_, measure)| measure).collect())
}

fn names(word: &str, area: &str, measure: &Measure) -> bool {
    match word.split_once('/') {
        None => word == area,
        Some((first, second)) => first == area && second == measure.name,
    }
}

/// A word that names no area and no measure.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    word: String,
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no area `{}`; known are:", self.word)?;
        for area in ALL {
            write!(f, "\n  {}", area.name)?;
            for measure in area.measures {
                write!(f, "\n    {}/{}", area.name, measure.name)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Unknown {}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(words: &[&str]) -> Result<Vec<&'static str>, Unknown> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Ok(choose(&words)?.iter().map(|measure| measure.name).collect())
    }

    #[test]
    fn words_choose_areas_and_measures() {
        let all = chosen(&[]).unwrap();
        assert_eq!(chosen(&["metrics", "artifacts", "scheduler"]).unwrap(), all);
        assert!(all.starts_with(&chosen(&["scheduler"]).unwrap()));
        assert_eq!(
            chosen(&["scheduler/million", "scheduler/chain"]).unwrap(),
            ["chain", "million"]
        );
        for unknown in ["sheduler", "scheduler/", "scheduler/million/x", "/chain"] {
            let text = chosen(&[unknown]).unwrap_err().to_string();
            assert!(
                text.contains(&format!("`{unknown}`")) && text.contains("\n  scheduler\n"),
                "{text}"
            );
        }
    }
}
