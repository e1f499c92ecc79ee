//! One roster on several nodes: what every node says of its users stands in a store that all of
//! them reach. `README.md` beside this file tells the algorithm.

mod message;
mod node;
mod scripts;
mod testing;
mod tests;
mod text;
