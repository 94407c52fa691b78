//! `CDEvents`: the vocabulary of the Continuous Delivery Foundation.

mod collector;
mod event;
mod join;
mod text;

pub use collector::{CdEvents, CdEventsOptions};
