use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeFloat, DeInteger, DeTable, DeValue};

use crate::registry::{PathSegment, SettingPath};

/// A value of a definition, and where it is. As deep as the parser allows, so recursion is fine.
#[derive(Debug)]
pub(super) struct Node {
    /// Where its key starts; `None` for elements of arrays and the whole.
    pub(super) key: Option<usize>,
    /// Where it starts itself.
    pub(super) start: usize,
    pub(super) data: Data,
}

#[derive(Debug)]
pub(super) enum Data {
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
    Scalar {
        value: Value,
        /// What kind of value TOML calls it.
        kind: &'static str,
        /// Why it cannot be used. The value is then another one of the kind.
        refused: Option<String>,
    },
}

impl Node {
    pub(super) fn document(table: &Spanned<DeTable<'_>>) -> Self {
        Self {
            key: None,
            start: 0,
            data: table_of(table.get_ref()),
        }
    }

    fn of(key: Option<usize>, value: &Spanned<DeValue<'_>>) -> Self {
        let scalar = |value, kind| Data::Scalar {
            value,
            kind,
            refused: None,
        };
        let data = match value.get_ref() {
            DeValue::Table(table) => table_of(table),
            DeValue::Array(elements) => {
                Data::Array(elements.iter().map(|node| Self::of(None, node)).collect())
            }
            DeValue::String(text) => scalar(text.as_ref().into(), "text"),
            DeValue::Boolean(truth) => scalar((*truth).into(), "boolean"),
            DeValue::Datetime(time) => scalar(time.to_string().into(), "time"),
            DeValue::Integer(number) => integer(number),
            DeValue::Float(number) => float(number),
        };
        Self {
            key,
            start: value.span().start,
            data,
        }
    }

    /// What people call its kind.
    pub(super) fn kind(&self) -> &'static str {
        match &self.data {
            Data::Table(_) => "table",
            Data::Array(_) => "array",
            Data::Scalar { kind, .. } => kind,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar {
                value: Value::String(text),
                kind: "text",
                ..
            } => Some(text),
            _ => None,
        }
    }

    pub(super) fn table(&self) -> Option<&BTreeMap<String, Node>> {
        match &self.data {
            Data::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn array(&self) -> Option<&[Node]> {
        match &self.data {
            Data::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// What is in this table, in the order in which it is written.
    pub(super) fn entries(&self) -> Vec<(&str, &Node)> {
        let Some(table) = self.table() else {
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().map(|(key, node)| (key.as_str(), node)).collect();
        entries.sort_by_key(|(_, node)| node.key);
        entries
    }

    /// Where its key starts, or else itself.
    pub(super) fn key_or_start(&self) -> usize {
        self.key.unwrap_or(self.start)
    }

    /// The node at the path, or the last one on the way to it, and whether it is the one.
    pub(super) fn find(&self, path: &SettingPath) -> (&Node, bool) {
        let mut node = self;
        for segment in path.segments() {
            let next = match (segment, &node.data) {
                (PathSegment::Key(key), Data::Table(table)) => table.get(key),
                (PathSegment::Index(index), Data::Array(elements)) => elements.get(*index),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => return (node, false),
            }
        }
        (node, true)
    }

    /// Where a person should look for what is at the path: at a plain value, else at a key.
    pub(super) fn place_of(&self, path: &SettingPath) -> usize {
        match self.find(path) {
            (node, true) if node.table().is_none() => node.start,
            (node, _) => node.key_or_start(),
        }
    }

    /// The table without some keys, as JSON.
    pub(super) fn settings(&self, without: &[&str]) -> Value {
        let mut settings = self.json();
        if let Value::Object(table) = &mut settings {
            for key in without {
                table.remove(*key);
            }
        }
        settings
    }

    pub(super) fn json(&self) -> Value {
        match &self.data {
            Data::Table(table) => {
                let entries = table.iter().map(|(key, node)| (key.clone(), node.json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
            Data::Array(elements) => Value::Array(elements.iter().map(Node::json).collect()),
            Data::Scalar { value, .. } => value.clone(),
        }
    }

    /// Every value in it that cannot be used: where it is, and why.
    pub(super) fn refused(&self) -> Vec<(usize, &str)> {
        match &self.data {
            Data::Table(table) => table.values().flat_map(Node::refused).collect(),
            Data::Array(elements) => elements.iter().flat_map(Node::refused).collect(),
            Data::Scalar { refused, .. } => refused.iter().map(|why| (self.start, why.as_str())).collect(),
        }
    }
}

fn table_of(table: &DeTable<'_>) -> Data {
    let entries = table.iter().map(|(key, value)| {
        let node = Node::of(Some(key.span().start), value);
        (key.get_ref().clone().into_owned(), node)
    });
    Data::Table(entries.collect())
}

fn integer(number: &DeInteger<'_>) -> Data {
    let value = i64::from_str_radix(number.as_str(), number.radix());
    Data::Scalar {
        refused: value
            .is_err()
            .then(|| format!("{number} does not fit into 64 bits")),
        value: value.unwrap_or_default().into(),
        kind: "integer",
    }
}

fn float(number: &DeFloat<'_>) -> Data {
    let value = number.as_str().parse().ok().and_then(Number::from_f64);
    Data::Scalar {
        refused: value
            .is_none()
            .then(|| format!("{number} is not a finite number")),
        value: value.map_or_else(|| 0.0.into(), Value::Number),
        kind: "float",
    }
}
