//! Facts out of the events of a journal.

mod delivered;
mod deployed_text;
mod events;
