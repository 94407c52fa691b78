/// The methods that set what all stages with a program have in common. `serde(flatten)` would share the
/// fields, too, but accepts unknown keys.
macro_rules! program_methods {
    () => {
        /// With arguments more.
        #[must_use]
        pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
            self.args.extend(args.into_iter().map(Into::into));
            self
        }

        /// In this directory of the source.
        #[must_use]
        pub fn directory(mut self, directory: SourcePath) -> Self {
            self.directory = directory;
            self
        }

        /// With an environment variable more.
        #[must_use]
        pub fn env(mut self, name: VariableName, value: impl Into<String>) -> Self {
            self.env.insert(name, value.into());
            self
        }

        /// With a variable more of the worker's environment.
        #[must_use]
        pub fn inherit(mut self, name: VariableName) -> Self {
            self.inherit.push(name);
            self
        }

        /// With an environment variable more that holds a secret.
        #[must_use]
        pub fn secret(mut self, name: VariableName, reference: SecretRef) -> Self {
            self.secrets.insert(name, reference);
            self
        }

        /// With this long, in seconds, between asking the program to end and killing it.
        #[must_use]
        pub fn grace_seconds(mut self, seconds: u32) -> Self {
            self.grace_seconds = seconds;
            self
        }
    };
}

pub(crate) use program_methods;
