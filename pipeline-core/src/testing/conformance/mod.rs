//! Conformance suites: they check a stage, gate, store, environment, clock or any other part of one's own against the
//! contract of its trait, and report every promise with how it stands with it.
//!
//! The docs of a trait say what its author owes. Most of that is about moments that a test seldom meets: a worker dies
//! between two awaits, a call comes twice, or too late. A suite makes those moments, one after the other, each in a
//! small world of its own, and compares what is left with what an undisturbed call leaves.
//!
//! # A stage of one's own
//!
//! A test says how to make a fresh world: the stage, its call, what its worker offers, and a *probe*, which tells as
//! text what the stage changed. The suite does the rest.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex};
//!
//! use pipeline_core::testing::conformance::{StageSuite, StageWorld};
//! use pipeline_core::testing::{ManualClock, MemoryArtifacts, TestCall, services};
//! use pipeline_core::{
//!     Abilities, Effect, Inspect, Inspection, NoSecrets, NoSource, Outcome, Stage, StageContext,
//! };
//!
//! /// A service that keeps messages by key, and takes a key twice.
//! type Board = Arc<Mutex<BTreeMap<String, u32>>>;
//!
//! /// Posts a message. Posting it twice would be wrong, but one can look.
//! #[derive(Debug)]
//! struct Post(Board);
//!
//! impl Stage for Post {
//!     const TYPE: &'static str = "post";
//!     type Error = std::convert::Infallible;
//!
//!     fn effect(&self) -> Effect {
//!         Effect::Inspectable
//!     }
//!
//!     async fn run(&self, cx: &StageContext) -> Result<Outcome, Self::Error> {
//!         tokio::task::yield_now().await;
//!         *self.0.lock().unwrap().entry(cx.key().to_string()).or_default() += 1;
//!         tokio::task::yield_now().await; // the answer is on its way
//!         Ok(Outcome::succeeded())
//!     }
//!
//!     fn abilities() -> Abilities<Self> {
//!         Abilities::new().inspect()
//!     }
//! }
//!
//! impl Inspect for Post {
//!     async fn inspect(&self, cx: &StageContext) -> Result<Inspection, Self::Error> {
//!         Ok(match self.0.lock().unwrap().contains_key(cx.key().as_str()) {
//!             true => Inspection::Happened(Box::new(Outcome::succeeded())),
//!             false => Inspection::DidNotHappen,
//!         })
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let report = StageSuite::new(|| async {
//!     let board = Board::default();
//!     let clock = ManualClock::at("2026-11-20T12:00:00Z");
//!     let services = services(clock, Arc::new(MemoryArtifacts::new()), Arc::new(NoSource), Arc::new(NoSecrets));
//!     StageWorld::new(Post(Arc::clone(&board)), TestCall::new("post"), services).probe(move || {
//!         let posted = format!("{:?}", board.lock().unwrap());
//!         async move { posted }
//!     })
//! })
//! .run()
//! .await;
//!
//! report.assert_kept(); // panics with the whole table, so that all that is broken is seen at once
//! assert!(report.kept().contains(&"recovers"));
//! assert_eq!(report.not_tried_names(), [""; 0]);
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The promises have names that stay: [`StageSuite::PROMISES`] lists them. What a stage does not promise is left out by
//! itself: an at-most-once stage is not called twice. What the suite cannot try, such as the world without a probe, is
//! *not tried* in the report, and [`Report::assert_kept`] does not fail for it: a test that wants to be sure compares
//! [`Report::not_tried_names`].
//!
//! # What is done to a stage
//!
//! | check | what the suite does |
//! |---|---|
//! | once | calls it, reads its outcome back, opens its artifacts, looks for secrets in what it says |
//! | twice | calls a pure or idempotent stage again with the same key |
//! | dropped | drops the call at each await point, right after the poll and once more when it would be polled again; then calls it again, or inspects first, as its [`Effect`](crate::Effect) says, and compares the world |
//! | stopped | asks it to stop at each await point; it must end, and what it says must be true: a success is one, a failure leaves the world so that a next attempt does it |
//! | late | shows the environment a higher fence first |
//! | planned | plans twice, in two runs and at two times; calls it with the plan of another release; lets somebody [meddle](StageWorld::meddle) between plan and call |
//! | verified, undone | with those [abilities](crate::Abilities); undoing is dropped at each await point, too |
//!
//! # What it does not show
//!
//! Await points are counted as polls. A stage that waits for other threads or programs may have more or fewer of them
//! from call to call; the suite drops it somewhere each time, but not at the same place. Work that goes on when a
//! future is dropped, such as a blocking call, is met as it happens to be. A stage that reads the source through
//! [`Source::root`](crate::Source::root) is not seen reading. And a stage is only as good as its probe.
//!
//! # The other suites
//!
//! | for | suite | its author brings |
//! |---|---|---|
//! | [`ArtifactStore`](crate::ArtifactStore) | [`store()`] | stores with an artifact, ways to spoil bytes and to publish |
//! | [`Environment`](crate::Environment), [`Fenced`](crate::Fenced) | [`environment()`] | empty environments, two releases, a way to meddle |
//! | [`Gate`](crate::Gate) | [`gate()`] | questions: one for each sort of verdict |
//! | [`Clock`](crate::Clock), [`Entropy`](crate::Entropy) | [`clock()`], [`entropy()`] | nothing |
//! | `Leases` | `leases` (feature `runtime`) | another worker's view |
//! | [`Source`](crate::Source), [`SecretSource`](crate::SecretSource) | [`source()`], [`secrets()`] | what is known of it |
//! | [`Journal`](crate::Journal) | [`testing::journal::conforms`](crate::testing::journal::conforms) | empty journals |

mod environment;
mod gate;
#[cfg(feature = "runtime")]
mod leases;
mod promises;
mod report;
mod secrets;
mod source;
mod stage;
mod store;
mod time;
mod watch;

pub use environment::{EnvironmentWorld, environment};
pub use gate::{GateCase, gate};
#[cfg(feature = "runtime")]
pub use leases::leases;
pub use report::{Promise, Report, Standing};
pub use secrets::secrets;
pub use source::{SourceWorld, source};
pub use stage::{StageSuite, StageWorld};
pub use store::{StoreWorld, store};
pub use time::{clock, entropy};
