//! What is written beside the code agrees with it, and with itself.

mod features;
mod links;
mod page;
