#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

mod faults;
mod plans;
mod reads;
mod sharing;
mod store;

pub(crate) use store::World;
