//! What a run may do and must do: a model with generated plans, and one file for each topic.

mod generate;
mod model;
mod properties;
mod world;
