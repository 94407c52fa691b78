//! One drive of a run: decide, commit, do what is due, until nothing is left to do here.

mod alone;
mod begin;
mod commit;
mod dispatch;
mod drive_state;
mod execute;
mod flights;
mod work;
