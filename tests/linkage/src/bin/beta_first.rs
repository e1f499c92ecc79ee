//! Names `beta` before `alpha`.

use beta as _;

use alpha as _;

fn main() {
    linkage::report();
}
