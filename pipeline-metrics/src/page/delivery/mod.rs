//! The page of a delivery: which sections it has, and what they say.

mod counted;
mod delivery_page;
mod estate;
mod further;
mod numbers;
mod survey;
mod times;
mod trends;
mod waits;

pub use delivery_page::DeliveryPage;
