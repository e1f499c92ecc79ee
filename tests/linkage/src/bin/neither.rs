//! Depends on both crates and names neither, so that neither is linked.

fn main() {
    linkage::report();
}
