use std::path::Path;

use toml::de::DeTable;

use super::diagnostic::{DefinitionError, Diagnostic};
use super::node::Node;
use super::place::Lines;
use super::reader::{Finding, Reader};
use crate::{Digest, Pipeline, Registry};

/// A pipeline as text.
///
/// ```
/// use pipeline_core::{Definition, Registry};
/// # use pipeline_core::{Effect, Outcome, Stage, StageContext};
/// # use serde::Deserialize;
/// # #[derive(Debug, Deserialize)]
/// # struct Command { program: String }
/// # impl Stage for Command {
/// #     const TYPE: &'static str = "command";
/// #     type Error = std::io::Error;
/// #     fn effect(&self) -> Effect { Effect::AtMostOnce }
/// #     async fn run(&self, _: &StageContext) -> std::io::Result<Outcome> { Ok(Outcome::succeeded()) }
/// # }
///
/// let text = r#"
/// [pipeline]
/// name = "infra"
///
/// [stages.lint]
/// type = "command"
/// timeout = "5m"
/// program = "shellcheck"
///
/// [stages.build]
/// type = "command"
/// after = ["lint"]
/// program = "make"
/// "#;
///
/// let mut registry = Registry::new();
/// registry.stage::<Command>(); // its one setting is `program`
///
/// let pipeline = Definition::parse(text, "pipeline.toml")?.pipeline(&registry)?;
/// assert_eq!(pipeline.stages().len(), 2);
///
/// let text = text.replace("[\"lint\"]", "[\"lnt\"]");
/// let error = Definition::parse(&text, "pipeline.toml")?.pipeline(&registry).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "pipeline.toml:12:10: stage `build` comes after `lnt`, which does not exist
///   hint: did you mean `lint`?",
/// );
/// # Ok::<(), pipeline_core::definition::DefinitionError>(())
/// ```
///
/// # Form
///
/// ```toml
/// format = 1                  # the form of the definition; 1 if it is not given
///
/// [pipeline]
/// name = "infra"
/// component = "edge-proxy"    # what it releases; the pipeline's name if it is not given
/// runs = "queue"              # what runs do with each other: parallel (the default), queue or supersede
/// on-failure = "stop"         # what a failure does to the rest: finish (the default), stop or continue
/// parallel = 8                # how many stages may be at work at once; as many as there are if it is not given
/// timeout = "2h"              # of a run, from its creation
/// clean-up-timeout = "10m"    # of what runs after a failure or a request to stop
///
/// [pools]                     # what there is only so much of; shared by all pipelines of a journal
/// terraform-state = 1
///
/// [environments.production]
/// type = "directory"
/// tier = "production"         # development, testing, staging or production
/// configuration = "config/production.toml"  # optional, below the source's root
/// path = "/srv/production"    # all other keys are settings of the type
///
/// [stages.deploy]
/// type = "deploy"
/// after = ["test"]            # stages that come first
/// needs = ["bundle"]          # artifacts that other stages produce
/// produces = ["report"]       # artifacts that no other stage produces
/// environment = "production"
/// timeout = "1h30m"           # of an attempt
/// gates = [{ type = "approval", count = 2 }]
/// pools = ["terraform-state"] # an attempt takes a slot of each
/// when = "success"            # or always, or failure: those run as the clean-up, too
/// retry = { attempts = 3, on = ["errored"], delay = "5s", factor = 2, most = "5m", jitter = 50, budget = "30m" }
/// each = ["eu", "us"]         # once for each item, or { stage = "list", fact = "targets", most = 50 }
/// strategy = "rolling"        # all other keys are settings of the type
/// ```
///
/// Dates and times are read as texts. The order in which stages are written decides where the graph does not.
#[derive(Debug)]
pub struct Definition {
    file: String,
    text: String,
    root: Node,
}

impl Definition {
    /// Parses TOML. What it says is looked at by [`pipeline`](Definition::pipeline), so that all that is wrong
    /// is told at once. `file` is for messages only.
    ///
    /// # Errors
    ///
    /// When the text is not TOML.
    pub fn parse(text: &str, file: &str) -> Result<Self, DefinitionError> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let lines = Lines::new(text);
            let findings = errors.iter().map(|error| Finding {
                offset: error.span().map_or(0, |span| span.start),
                message: error.message().to_owned(),
                hint: None,
            });
            let mut diagnostics = sorted(file, &lines, findings.collect());
            // What comes after the first mistake of a line mostly comes of it.
            diagnostics.dedup_by_key(|diagnostic| diagnostic.line);
            return Err(DefinitionError::Invalid { diagnostics });
        }
        Ok(Self {
            file: file.to_owned(),
            text: text.to_owned(),
            root: Node::document(&table),
        })
    }

    /// Reads and parses a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is not UTF-8, or is not TOML.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, DefinitionError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(DefinitionError::Read { file, source }),
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text, &file),
            Err(error) => {
                let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let finding = Finding {
                    offset: good.len(),
                    message: "the file is not UTF-8 from here on".to_owned(),
                    hint: None,
                };
                Err(DefinitionError::Invalid {
                    diagnostics: sorted(&file, &Lines::new(&good), vec![finding]),
                })
            }
        }
    }

    /// Builds the pipeline that the text describes, with the types of a registry.
    ///
    /// # Errors
    ///
    /// When anything is wrong: a key that nobody knows, a setting that does not fit, a type that is not
    /// registered, stages that wait for each other. The error tells all of it.
    pub fn pipeline(&self, registry: &Registry) -> Result<Pipeline, DefinitionError> {
        Reader::new(&self.root, registry)
            .read()
            .map_err(|findings| DefinitionError::Invalid {
                diagnostics: sorted(&self.file, &Lines::new(&self.text), findings),
            })
    }

    /// The digest of the text, byte for byte.
    pub fn text_digest(&self) -> Digest {
        Digest::of(&self.text)
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file, as it was named to the parser.
    pub fn file(&self) -> &str {
        &self.file
    }
}

fn sorted(file: &str, lines: &Lines<'_>, mut findings: Vec<Finding>) -> Vec<Diagnostic> {
    findings.sort_by_key(|finding| finding.offset);
    let diagnostics = findings.into_iter().map(|finding| {
        let (line, column) = lines.place(finding.offset);
        Diagnostic {
            file: file.to_owned(),
            line,
            column,
            message: finding.message,
            hint: finding.hint,
        }
    });
    diagnostics.collect()
}
