use super::environments::registered;
use super::node::Node;
use super::reader::Reader;
use crate::pipeline::{Listed, StageSpec};
use crate::registry::SettingPath;

/// What the engine reads of a stage; the rest are settings of its type.
const KEYS: [&str; 11] = [
    "type",
    "after",
    "needs",
    "produces",
    "environment",
    "gates",
    "timeout",
    "pools",
    "when",
    "retry",
    "each",
];

/// What the engine reads of a gate.
const GATE_KEYS: [&str; 1] = ["type"];

impl<'a> Reader<'a> {
    pub(super) fn stage(&mut self, name: &'a str, node: &'a Node) -> StageSpec {
        let mut spec = self.built(name, node);
        spec.after = self.names(node, "after");
        spec.needs = self.names(node, "needs");
        spec.produces = self.names(node, "produces");
        spec.environment = self.text(node, "environment").map(str::to_owned);
        spec.timeout = self.duration(node, "timeout");
        let spec = self.stage_rules(node, spec);
        self.gates(name, node, spec)
    }

    fn built(&mut self, name: &str, node: &'a Node) -> StageSpec {
        let Some(type_name) = self.type_name(&format!("stage `{name}`"), node, |registry| {
            registry.stage_types().collect()
        }) else {
            return StageSpec::unbuilt(name);
        };
        let settings = node.settings(&KEYS);
        match self.registry.build_stage(type_name, &settings) {
            Ok(stage) => StageSpec::any(name, stage, settings),
            Err(error) => {
                let what = format!("stage `{name}`");
                self.unbuilt(node, &what, &KEYS, &SettingPath::root(), error);
                StageSpec::unbuilt(name)
            }
        }
    }

    fn type_name(
        &mut self,
        what: &str,
        node: &'a Node,
        known: impl Fn(&crate::Registry) -> Vec<&'static str>,
    ) -> Option<&'a str> {
        if self.lacks(node, "type") {
            let known = known(self.registry);
            self.find(
                node.key_or_start(),
                format!("{what} has no `type`"),
                registered(&known),
            );
        }
        self.text(node, "type")
    }

    /// A list of names, with the places in the list of those that are texts.
    pub(super) fn names(&mut self, node: &'a Node, key: &str) -> Vec<Listed> {
        let Some(value) = node.table().and_then(|table| table.get(key)) else {
            return Vec::new();
        };
        let Some(elements) = value.array() else {
            let hint = value.text().map(|text| format!("write `{key} = [\"{text}\"]`"));
            self.expected(value, key, "an array of texts", hint);
            return Vec::new();
        };
        let mut names = Vec::with_capacity(elements.len());
        for (at, element) in elements.iter().enumerate() {
            match element.text() {
                Some(text) => names.push(Listed {
                    at,
                    name: text.to_owned(),
                }),
                None => self.expected(element, &format!("{key}[{at}]"), "a text", None),
            }
        }
        names
    }

    fn gates(&mut self, name: &str, node: &'a Node, mut spec: StageSpec) -> StageSpec {
        let Some(value) = node.table().and_then(|table| table.get("gates")) else {
            return spec;
        };
        let Some(elements) = value.array() else {
            let hint = Some("write `gates = [{ type = \"…\" }]`".to_owned());
            self.expected(value, "gates", "an array of tables", hint);
            return spec;
        };
        for (at, element) in elements.iter().enumerate() {
            spec = self.gate(name, at, element, spec);
        }
        spec
    }

    fn gate(&mut self, name: &str, at: usize, node: &'a Node, spec: StageSpec) -> StageSpec {
        if node.table().is_none() {
            let hint = node.text().map(|text| format!("write `{{ type = \"{text}\" }}`"));
            self.expected(node, &format!("gates[{at}]"), "a table", hint);
            return spec.unbuilt_gate();
        }
        let what = format!("`gates[{at}]` of stage `{name}`");
        let Some(type_name) = self.type_name(&what, node, |registry| registry.gate_types().collect()) else {
            return spec.unbuilt_gate();
        };
        let settings = node.settings(&GATE_KEYS);
        match self.registry.build_gate(type_name, &settings) {
            Ok(gate) => spec.any_gate(gate, settings),
            Err(error) => {
                let within = SettingPath::root().key("gates").index(at);
                self.unbuilt(node, &format!("stage `{name}`"), &GATE_KEYS, &within, error);
                spec.unbuilt_gate()
            }
        }
    }
}
