use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::settings::read;
use super::{BuildError, BuildProblem, TypeKind, nearest};
use crate::{AnyGate, AnyStage, Environment, EnvironmentDescriptor, Gate, Stage};

type Build<In, Out> = Arc<dyn Fn(In) -> Result<Out, Vec<BuildProblem>> + Send + Sync>;
type BuildOf<Out> = Arc<dyn Fn(&Value) -> Result<Out, Vec<BuildProblem>> + Send + Sync>;

/// The types that a definition can name: from names to builders of stages, gates and environments.
///
/// A name that is registered again gets the new builder: a host overrides what a crate registers.
///
/// Settings are read by serde. Those that a type does not know are mistakes, whether it denies unknown fields
/// or not; all mistakes in settings are found at once. serde keeps to itself what it reads into `flatten`ed
/// fields and into untagged or internally tagged enums: there it tells only the first mistake, and unknown
/// fields only where the type denies them. A type without settings may be a unit struct.
///
/// ```
/// use pipeline_core::registry::Registry;
/// # use pipeline_core::{Effect, Outcome, Stage, StageContext};
/// # use serde::Deserialize;
/// use serde_json::json;
///
/// #[derive(Debug, Deserialize)]
/// struct Greet {
///     name: String,
/// }
///
/// impl Stage for Greet {
///     const TYPE: &'static str = "greet";
///     // …
/// #   type Error = std::io::Error;
/// #   fn effect(&self) -> Effect { Effect::Pure }
/// #   async fn run(&self, _: &StageContext) -> std::io::Result<Outcome> { Ok(Outcome::succeeded()) }
/// }
///
/// let mut registry = Registry::new();
/// registry.stage::<Greet>();
///
/// let stage = registry.build_stage("greet", &json!({"name": "Ada"}))?;
/// assert_eq!(stage.type_name(), "greet");
///
/// let error = registry.build_stage("greet", &json!({"nam": "Ada"})).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "stage type `greet` cannot be built: the settings do not fit: missing field `name`; nobody reads setting `nam`",
/// );
/// # Ok::<(), pipeline_core::registry::BuildError>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    stages: BTreeMap<&'static str, Entry<BuildOf<AnyStage>>>,
    gates: BTreeMap<&'static str, Entry<BuildOf<AnyGate>>>,
    environments: BTreeMap<&'static str, Build<EnvironmentDescriptor, Arc<dyn Environment>>>,
}

#[derive(Clone)]
struct Entry<B> {
    version: u32,
    build: B,
}

fn refused(type_name: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Vec<BuildProblem> {
    vec![BuildProblem::Refused {
        type_name: type_name.to_owned(),
        source: source.into(),
    }]
}

impl Registry {
    /// A registry that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a stage type that is read from its settings as it is.
    pub fn stage<S: Stage + DeserializeOwned>(&mut self) -> &mut Self {
        self.stage_with(Ok::<S, Infallible>)
    }

    /// Registers a stage type that is made out of settings of type `T`: one that holds a client, say, that
    /// no text can describe.
    pub fn stage_with<S, T, E>(
        &mut self,
        build: impl Fn(T) -> Result<S, E> + Send + Sync + 'static,
    ) -> &mut Self
    where
        S: Stage,
        T: DeserializeOwned,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let build = move |settings: &Value| {
            let stage = build(read(settings)?).map_err(|error| refused(S::TYPE, error))?;
            Ok(AnyStage::new(stage))
        };
        let entry = Entry {
            version: S::VERSION,
            build: Arc::new(build) as BuildOf<AnyStage>,
        };
        self.stages.insert(S::TYPE, entry);
        self
    }

    /// Registers a gate type that is read from its settings as it is.
    pub fn gate<G: Gate + DeserializeOwned>(&mut self) -> &mut Self {
        self.gate_with(Ok::<G, Infallible>)
    }

    /// Registers a gate type that is made out of settings of type `T`.
    pub fn gate_with<G, T, E>(
        &mut self,
        build: impl Fn(T) -> Result<G, E> + Send + Sync + 'static,
    ) -> &mut Self
    where
        G: Gate,
        T: DeserializeOwned,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let build = move |settings: &Value| {
            let gate = build(read(settings)?).map_err(|error| refused(G::TYPE, error))?;
            Ok(AnyGate::new(gate))
        };
        let entry = Entry {
            version: G::VERSION,
            build: Arc::new(build) as BuildOf<AnyGate>,
        };
        self.gates.insert(G::TYPE, entry);
        self
    }

    /// Registers an environment type that is made out of what the definition says of the environment and
    /// settings of type `T`.
    pub fn environment<E, T, Err>(
        &mut self,
        type_name: &'static str,
        build: impl Fn(EnvironmentDescriptor, T) -> Result<E, Err> + Send + Sync + 'static,
    ) -> &mut Self
    where
        E: Environment,
        T: DeserializeOwned,
        Err: Into<Box<dyn Error + Send + Sync>>,
    {
        let build = move |descriptor: EnvironmentDescriptor| {
            let settings = read(&descriptor.settings)?;
            let environment = build(descriptor, settings).map_err(|error| refused(type_name, error))?;
            Ok(Arc::new(environment) as Arc<dyn Environment>)
        };
        self.environments.insert(type_name, Arc::new(build));
        self
    }

    /// Builds a stage. Settings of `null` are an empty table.
    ///
    /// # Errors
    ///
    /// When the type is not registered or its settings are wrong.
    pub fn build_stage(&self, type_name: &str, settings: &Value) -> Result<AnyStage, BuildError> {
        let entry = lookup(TypeKind::Stage, &self.stages, type_name)?;
        (entry.build)(settings).map_err(|problems| BuildError {
            kind: TypeKind::Stage,
            type_name: type_name.to_owned(),
            problems,
        })
    }

    /// Builds a gate. Settings of `null` are an empty table.
    ///
    /// # Errors
    ///
    /// When the type is not registered or its settings are wrong.
    pub fn build_gate(&self, type_name: &str, settings: &Value) -> Result<AnyGate, BuildError> {
        let entry = lookup(TypeKind::Gate, &self.gates, type_name)?;
        (entry.build)(settings).map_err(|problems| BuildError {
            kind: TypeKind::Gate,
            type_name: type_name.to_owned(),
            problems,
        })
    }

    /// Builds an environment. Settings of `null` are an empty table.
    ///
    /// # Errors
    ///
    /// When the type is not registered or its settings are wrong.
    pub fn build_environment(
        &self,
        descriptor: EnvironmentDescriptor,
    ) -> Result<Arc<dyn Environment>, BuildError> {
        let type_name = descriptor.type_name.clone();
        let build = lookup(TypeKind::Environment, &self.environments, type_name.as_str())?;
        build(descriptor).map_err(|problems| BuildError {
            kind: TypeKind::Environment,
            type_name: type_name.into(),
            problems,
        })
    }

    /// The version of a stage type, if it is registered.
    pub fn stage_version(&self, type_name: &str) -> Option<u32> {
        self.stages.get(type_name).map(|entry| entry.version)
    }

    /// The version of a gate type, if it is registered.
    pub fn gate_version(&self, type_name: &str) -> Option<u32> {
        self.gates.get(type_name).map(|entry| entry.version)
    }

    /// The registered stage types, sorted.
    pub fn stage_types(&self) -> impl Iterator<Item = &'static str> {
        self.stages.keys().copied()
    }

    /// The registered gate types, sorted.
    pub fn gate_types(&self) -> impl Iterator<Item = &'static str> {
        self.gates.keys().copied()
    }

    /// The registered environment types, sorted.
    pub fn environment_types(&self) -> impl Iterator<Item = &'static str> {
        self.environments.keys().copied()
    }
}

fn lookup<'a, B>(
    kind: TypeKind,
    entries: &'a BTreeMap<&'static str, B>,
    name: &str,
) -> Result<&'a B, BuildError> {
    entries.get(name).ok_or_else(|| BuildError {
        kind,
        type_name: name.to_owned(),
        problems: vec![BuildProblem::UnknownType {
            kind,
            name: name.to_owned(),
            nearest: nearest(name, entries.keys().copied()).map(str::to_owned),
            known: entries.keys().map(|&name| name.to_owned()).collect(),
        }],
    })
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("stages", &self.stages.keys())
            .field("gates", &self.gates.keys())
            .field("environments", &self.environments.keys())
            .finish()
    }
}
