//! What a run may do and must do: a model with generated plans, and one file for each topic.

mod bench;
mod blocking;
mod failing;
mod generate;
mod keeping;
mod lists;
mod model;
mod on_the_spot;
mod properties;
mod retrying;
mod sharing;
mod taking_turns;
mod world;
