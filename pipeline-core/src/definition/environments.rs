use super::node::Node;
use super::reader::Reader;
use crate::pipeline::PipelineBuilder;
use crate::registry::{SettingPath, nearest};
use crate::{EnvironmentDescriptor, EnvironmentName, SourcePath, Tier, TypeName};

/// What the engine reads of an environment; the rest are settings of its type.
const KEYS: [&str; 3] = ["type", "tier", "configuration"];

const TIERS: [Tier; 4] = [Tier::Development, Tier::Testing, Tier::Staging, Tier::Production];

impl<'a> Reader<'a> {
    pub(super) fn environment(
        &mut self,
        name: &'a str,
        node: &'a Node,
        builder: PipelineBuilder,
    ) -> PipelineBuilder {
        let before = self.count();
        let Some(descriptor) = self.descriptor(name, node) else {
            return builder.unbuilt_environment(name);
        };
        match self.registry.build_environment(descriptor) {
            Ok(environment) if self.count() == before => builder.environment(environment),
            Ok(_) => builder.unbuilt_environment(name),
            Err(error) => {
                let what = format!("environment `{name}`");
                self.unbuilt(node, &what, &KEYS, &SettingPath::root(), error);
                builder.unbuilt_environment(name)
            }
        }
    }

    /// What is wrong is told and replaced, so that the settings can be looked at in any case; `None` when there
    /// is no type to look at them.
    fn descriptor(&mut self, name: &'a str, node: &'a Node) -> Option<EnvironmentDescriptor> {
        let checked_name = EnvironmentName::new(name).or_else(|error| {
            self.find(node.key_or_start(), error.to_string(), None);
            EnvironmentName::new("unnamed")
        });
        let tier = self.tier(name, node);
        let configuration = self.configuration(node);
        Some(EnvironmentDescriptor {
            name: checked_name.ok()?,
            tier: tier.unwrap_or_default(),
            type_name: self.environment_type(name, node)?,
            settings: node.settings(&KEYS),
            configuration,
        })
    }

    fn environment_type(&mut self, name: &str, node: &'a Node) -> Option<TypeName> {
        if self.lacks(node, "type") {
            let message = format!("environment `{name}` has no `type`");
            let known: Vec<_> = self.registry.environment_types().collect();
            self.find(node.key_or_start(), message, registered(&known));
        }
        let type_name = TypeName::new(self.text(node, "type")?);
        if let Err(error) = &type_name {
            let offset = node.place_of(&SettingPath::root().key("type"));
            self.find(offset, error.to_string(), None);
        }
        type_name.ok()
    }

    fn tier(&mut self, name: &str, node: &'a Node) -> Option<Tier> {
        let known = TIERS.map(|tier| tier.to_string());
        let all = || Some(format!("tiers are `{}`", known.join("`, `")));
        if self.lacks(node, "tier") {
            let message = format!("environment `{name}` has no `tier`");
            self.find(node.key_or_start(), message, all());
        }
        let text = self.text(node, "tier")?;
        let tier = TIERS.into_iter().find(|tier| tier.to_string() == text);
        if tier.is_none() {
            let hint = match nearest(text, known.iter().map(String::as_str)) {
                Some(nearest) => Some(format!("did you mean `{nearest}`?")),
                None => all(),
            };
            let offset = node.place_of(&SettingPath::root().key("tier"));
            self.find(offset, format!("there is no tier `{text}`"), hint);
        }
        tier
    }

    fn configuration(&mut self, node: &'a Node) -> Option<String> {
        let text = self.text(node, "configuration")?;
        if let Err(error) = text.parse::<SourcePath>() {
            let offset = node.place_of(&SettingPath::root().key("configuration"));
            self.find(offset, error.to_string(), None);
        }
        Some(text.to_owned())
    }
}

/// A hint with the types that there are.
pub(super) fn registered(known: &[&str]) -> Option<String> {
    (!known.is_empty()).then(|| format!("registered are `{}`", known.join("`, `")))
}
