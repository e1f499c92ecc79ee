//! Declarations that a macro of the user writes.

use umbral_presence::{DeclaredMatcher, Group, declared, presence};

mod reexport {
    pub(crate) use umbral_presence as runtime;
}

macro_rules! family {
    ($name:ident, $prefix:literal, $field:ty, $resolver:path, $grace:literal) => {
        #[presence(prefix = $prefix, resolver = $resolver, grace = $grace)]
        struct $name($field);
    };
}

macro_rules! place {
    ($(#[$docs:meta])* $name:ident: $($text:expr),+) => {
        $(#[$docs])*
        #[presence(exact = [$($text),+], crate = $crate::reexport::runtime)]
        struct $name;
    };
}

macro_rules! document {
    ($name:ident { $field:ident: $type:ty }, $pattern:literal) => {
        #[presence(pattern = $pattern)]
        struct $name {
            $field: $type,
        }
    };
}

mod people {
    pub(crate) fn display(id: &str) -> serde_json::Value {
        id.into()
    }
}

family!(Room, "room:", u64, people::display, "2s");
place! {
    /// Two places.
    Places: "hall", "yard"
}
document!(Doc { id: std::num::NonZeroU8 }, "doc:{id}");

fn main() {
    let room: Room = "room:7".parse().expect("a good name");
    assert_eq!(room.group_name().expect("a good name").as_str(), "room:7");
    let error = "room:x".parse::<Room>().err().expect("no number").to_string();
    assert!(error.ends_with("a name of the form room:{u64} (`Room`) was expected"), "{error}");
    assert!("doc:0".parse::<Doc>().is_err() && "doc:1".parse::<Doc>().is_ok());

    let all = declared();
    assert_eq!(all.len(), 3);
    assert_eq!(all[1].docs, "Two places.");
    assert!(matches!(all[1].matcher, DeclaredMatcher::Exact(["hall", "yard"])));
}
