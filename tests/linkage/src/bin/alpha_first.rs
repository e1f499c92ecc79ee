//! Names `alpha` before `beta`.

use alpha as _;
use beta as _;

fn main() {
    linkage::report();
}
