use super::node::{Data, Node};
use crate::pipeline::{Pipeline, PipelineBuilder, Problem};
use crate::registry::{BuildError, BuildProblem, PathSegment, Registry, SettingPath, nearest, with_causes};

/// What the engine reads of a pipeline.
const PIPELINE_KEYS: [&str; 7] = [
    "name",
    "component",
    "runs",
    "on-failure",
    "parallel",
    "timeout",
    "clean-up-timeout",
];

/// Something that is wrong, and where its text starts.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) offset: usize,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// Reads a definition; goes on after mistakes, and collects them.
pub(super) struct Reader<'a> {
    root: &'a Node,
    pub(super) registry: &'a Registry,
    findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a Node, registry: &'a Registry) -> Self {
        Self {
            root,
            registry,
            findings: Vec::new(),
        }
    }

    pub(super) fn read(mut self) -> Result<Pipeline, Vec<Finding>> {
        for (offset, why) in self.root.refused() {
            self.find(offset, why.to_owned(), None);
        }
        self.known_keys(
            self.root,
            "a definition",
            &["format", "pipeline", "environments", "pools", "stages"],
        );
        self.format();
        let mut builder = self.pipeline();
        for (name, node) in self.tables("environments") {
            builder = self.environment(name, node, builder);
        }
        builder = self.pools(self.root, builder);
        for (name, node) in self.tables("stages") {
            let stage = self.stage(name, node);
            builder = builder.stage(stage);
        }
        match builder.finish() {
            Ok(pipeline) if self.findings.is_empty() => Ok(pipeline),
            Ok(_) => Err(self.findings),
            Err(found) => {
                // What is there and no table was told already, and is no stage.
                let stages = self.root.find(&SettingPath::root().key("stages"));
                let some = stages.1 && stages.0.table().is_none_or(|table| !table.is_empty());
                for found in found {
                    if some && matches!(found.problem, Problem::NoStages) {
                        continue;
                    }
                    let offset = self.root.place_of(&found.path);
                    self.find(offset, with_causes(&found.problem), found.problem.hint());
                }
                Err(self.findings)
            }
        }
    }

    pub(super) fn find(&mut self, offset: usize, message: String, hint: Option<String>) {
        self.findings.push(Finding {
            offset,
            message,
            hint,
        });
    }

    /// How much is wrong so far.
    pub(super) fn count(&self) -> usize {
        self.findings.len()
    }

    fn format(&mut self) {
        let Some(node) = self.root.table().and_then(|table| table.get("format")) else {
            return;
        };
        let format = match &node.data {
            Data::Scalar { value, .. } => value.as_u64(),
            _ => None,
        };
        if format != Some(1) {
            let message = "the definition has a format that this program does not know".to_owned();
            self.find(node.start, message, Some("write `format = 1`".to_owned()));
        }
    }

    fn pipeline(&mut self) -> PipelineBuilder {
        let hint = || Some("write `[pipeline]` and `name = \"…\"` below it".to_owned());
        let Some(node) = self.root.table().and_then(|table| table.get("pipeline")) else {
            self.find(0, "there is no table `pipeline`".to_owned(), hint());
            return Pipeline::builder("pipeline");
        };
        if node.table().is_none() {
            self.expected(node, "pipeline", "a table", hint());
            return Pipeline::builder("pipeline");
        }
        self.known_keys(node, "the pipeline", &PIPELINE_KEYS);
        let name = self.text(node, "name");
        if name.is_none() && self.lacks(node, "name") {
            self.find(node.key_or_start(), "the pipeline has no `name`".to_owned(), None);
        }
        let builder = Pipeline::builder(name.unwrap_or("pipeline"));
        let builder = match self.text(node, "component") {
            Some(component) => builder.component(component),
            None => builder,
        };
        self.rules(node, builder)
    }

    /// The tables below a key of the document, as they are written.
    fn tables(&mut self, key: &str) -> Vec<(&'a str, &'a Node)> {
        let Some(node) = self.root.table().and_then(|table| table.get(key)) else {
            return Vec::new();
        };
        if node.table().is_none() {
            self.expected(node, key, "a table of tables", None);
        }
        let mut entries = node.entries();
        entries.retain(|(name, entry)| {
            if entry.table().is_none() {
                self.expected(entry, &format!("{key}.{name}"), "a table", None);
            }
            entry.table().is_some()
        });
        entries
    }

    pub(super) fn lacks(&self, node: &Node, key: &str) -> bool {
        node.table().is_none_or(|table| !table.contains_key(key))
    }

    /// A text below a key, if it is there and a text.
    pub(super) fn text(&mut self, node: &'a Node, key: &str) -> Option<&'a str> {
        let value = node.table()?.get(key)?;
        let text = value.text();
        if text.is_none() {
            self.expected(value, key, "a text", None);
        }
        text
    }

    /// Tells that a value has the wrong kind.
    pub(super) fn expected(&mut self, node: &Node, what: &str, expected: &str, hint: Option<String>) {
        let article = if matches!(node.kind(), "integer" | "array") {
            "an"
        } else {
            "a"
        };
        let message = format!("`{what}` is {article} {}, expected {expected}", node.kind());
        self.find(node.start, message, hint);
    }

    pub(super) fn known_keys(&mut self, node: &'a Node, what: &str, known: &[&str]) {
        for (key, value) in node.entries() {
            if !known.contains(&key) {
                let hint = match nearest(key, known.iter().copied()) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("known are `{}`", known.join("`, `")),
                };
                self.find(
                    value.key_or_start(),
                    format!("{what} has no key `{key}`"),
                    Some(hint),
                );
            }
        }
    }

    /// Tells why something could not be built. `node` has the settings, `keys` are those that the engine reads
    /// there, `within` is where it is in what `what` names.
    pub(super) fn unbuilt(
        &mut self,
        node: &Node,
        what: &str,
        keys: &[&str],
        within: &SettingPath,
        error: BuildError,
    ) {
        let paths: Vec<_> = error.problems.iter().map(BuildProblem::path).collect();
        for (path, problem) in paths.iter().zip(&error.within(within).problems) {
            let mut hint = problem.hint();
            let mut offset = node.place_of(path);
            if let BuildProblem::Unread { known, .. } = problem {
                offset = node.find(path).0.key_or_start();
                if let [PathSegment::Key(key)] = path.segments() {
                    let known = known.iter().map(String::as_str).chain(keys.iter().copied());
                    if let Some(nearest) = nearest(key, known) {
                        hint = Some(format!("did you mean `{nearest}`?"));
                    }
                }
            }
            self.find(offset, format!("{what}: {}", with_causes(problem)), hint);
        }
    }
}
