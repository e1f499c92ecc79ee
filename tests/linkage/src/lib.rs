//! Programs that link the same declarations in different ways, and say what they found.

use std::io::{Write, stdout};

use umbral_presence::{RealtimePlugin, declared};

/// Writes down every declaration, and what `build()` says of them.
pub fn report() {
    let mut lines = Vec::new();
    for declaration in declared() {
        lines.push(format!("{}::{}", declaration.module_path, declaration.type_name));
    }
    let built = RealtimePlugin::new().expect_declared(["room:", "hall", "doc:{id}"]).build();
    lines.push(built.map_or_else(|error| error.to_string(), |_| "built".to_owned()));
    // Nobody listens any more: then there is nothing to say either.
    let _ = writeln!(stdout(), "{}", lines.join("\n"));
}
