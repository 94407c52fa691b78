//! What the change records and their gates promise.
#![expect(clippy::unwrap_used, reason = "what tests share may fail as tests do")]

mod change_gate;
mod follower;
mod log;
mod record;
mod settings;
mod state;
mod support;
mod text;
mod window_gate;
