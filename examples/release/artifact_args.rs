use std::path::PathBuf;

use clap::Subcommand;

/// What can be done with artifacts. ARTIFACT is a query: `shop` (the newest), `shop@1.4.0`, `shop@^1.2`, `shop@sha256:9e37`,
/// `revision:1f3a`.
#[derive(Debug, Subcommand)]
pub enum ArtifactCommand {
    /// List what is in the store, by name and version.
    List {
        /// One name only.
        name: Option<String>,
    },
    /// Show what an artifact is, where it comes from, and what is attached to it.
    Show {
        /// The artifact.
        artifact: String,
    },
    /// Show what differs between two artifacts, without unpacking them. Exit code 1 when something does.
    Diff {
        /// The one.
        before: String,
        /// The other.
        after: String,
    },
    /// List the files of an artifact.
    Files {
        /// The artifact.
        artifact: String,
    },
    /// Print one file of an artifact.
    Cat {
        /// The artifact.
        artifact: String,
        /// The path in it.
        path: String,
    },
    /// Attach an SBOM, a signed statement or results of tests, as they are.
    Attach {
        /// The artifact.
        artifact: String,
        /// The file; it must say itself what it is, unless `--type` does.
        file: PathBuf,
        /// Its media type, where it does not say it itself.
        #[arg(long = "type", value_name = "MEDIA-TYPE")]
        media_type: Option<String>,
    },
    /// Check every byte of an artifact, or of the whole store; and whether its origin is proven.
    Verify {
        /// The artifact; all of them without it.
        artifact: Option<String>,
        /// What must be proven of the origin: a policy in TOML.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Take what is damaged or missing from another store.
        #[arg(long, value_name = "STORE")]
        heal_from: Option<PathBuf>,
        /// Make anew what other tools read: the layouts, which are views of the catalog.
        #[arg(long)]
        mend: bool,
    },
    /// Show what retention would remove and which bytes nothing needs; with `--yes`, do it.
    Gc {
        /// Which versions to keep: a policy in TOML; all of them without it.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Do it.
        #[arg(long)]
        yes: bool,
        /// Who asks for it.
        #[arg(long, default_value = "operator")]
        by: String,
        /// How long what nothing needs is left alone before it is moved to the trash, and stays there before it is deleted,
        /// such as 24h; a week without it.
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        keep_trash: Option<String>,
    },
    /// Build an artifact again from its recorded revision, and say whether it is the same.
    Rebuild {
        /// The artifact.
        artifact: String,
        /// The directory of its definition, in a clone that has the revision.
        #[arg(long, value_name = "DIR", default_value = ".")]
        source: PathBuf,
        /// Believe only records that this policy finds proven.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// Push an artifact and what is attached to it to a registry.
    Push {
        /// The artifact.
        artifact: String,
        /// The repository, such as `registry.example.com/infra/shop`.
        remote: String,
        /// Without encryption: for registries on this computer.
        #[arg(long)]
        plain_http: bool,
    },
    /// Pull an artifact and what is attached to it from a registry.
    Pull {
        /// The repository, such as `registry.example.com/infra/shop`.
        remote: String,
        /// The name and version, such as `shop@1.4.0`.
        artifact: String,
        /// Take this artifact and no other, wherever the tag points.
        #[arg(long)]
        digest: Option<String>,
        /// The most bytes that it may have as a tar; 256 GiB without it.
        #[arg(long, value_name = "BYTES")]
        max_bytes: Option<u64>,
        /// The most files, directories and links that it may have.
        #[arg(long, value_name = "COUNT")]
        max_entries: Option<u64>,
        /// Without encryption: for registries on this computer.
        #[arg(long)]
        plain_http: bool,
    },
}
