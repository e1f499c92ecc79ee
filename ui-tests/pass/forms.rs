//! Every form that the attribute takes.

use std::collections::HashMap;

use serde_json::{Value, json};
use umbral_presence::{
    Declared, DeclaredMatcher, DeclaredResolver, Group, GroupName, ResolveContext, UserId,
    declared, presence,
};

const TABLE: &str = "table:";

fn display(id: &str) -> Value {
    json!({ "id": id })
}

async fn names(users: Vec<UserId>, _: ResolveContext) -> HashMap<UserId, Value> {
    users.into_iter().map(|user| (user.clone(), json!({ "id": user }))).collect()
}

fn is_long(name: &str) -> bool {
    name.len() > 100
}

/// The people in a chat room.
///
/// There may be many.
#[presence(prefix = "room:", resolver = display, grace = "500ms")]
#[derive(Debug, PartialEq)]
struct Room(u64);

#[presence(prefix = TABLE)]
struct Table;

#[presence(prefix = ["a:", "b:"])]
struct Several;

#[presence(exact = "lobby", grace = "0s")]
struct Lobby;

#[presence(exact = ["hall", "yard"], grace = "10m")]
struct Places;

#[presence(pattern = "org:{org}:doc:{doc}", grace = "1m")]
#[derive(Debug, PartialEq)]
struct Doc {
    doc: String,
    org: i32,
}

/// Its fields are not in the order of the placeholders.
#[presence(pattern = "seat:{hall}/{row}/{seat}/{door}:end")]
#[derive(Debug, PartialEq)]
struct Seat {
    row: u8,
    seat: char,
    door: bool,
    hall: String,
}

#[presence(matching = is_long, batch_resolver = names, crate = umbral_presence)]
struct Long;

/// The two forms of a policy.
#[presence(prefix = "shelf:", policy = is_low)]
struct Shelf(u8);

fn is_low(_user: Option<&UserId>, shelf: &Shelf) -> bool {
    shelf.0 < 3
}

#[presence(exact = "attic", policy = is_allowed)]
struct Attic;

async fn is_allowed(
    user: Option<UserId>,
    _attic: GroupName,
    _context: ResolveContext,
) -> Result<bool, std::io::Error> {
    Ok(user.is_some())
}

fn main() {
    let name = |group: &dyn Group| group.group_name().map(|name| name.to_string()).ok();
    assert_eq!(name(&Room(42)).as_deref(), Some("room:42"));
    assert_eq!("room:42".parse(), Ok(Room(42)));
    for foreign in ["room:x", "room:042", "room:+42", "room:", "table:42", "room:4 2"] {
        assert!(foreign.parse::<Room>().is_err(), "{foreign}");
    }
    assert_eq!(Table::group(7).as_ref().map(GroupName::as_str), Ok("table:7"));
    assert!(Table::group("a b").is_err());
    assert_eq!(name(&Lobby).as_deref(), Some("lobby"));

    let doc = Doc { org: -7, doc: "a:doc:b".to_owned() };
    assert_eq!(name(&doc).as_deref(), Some("org:-7:doc:a:doc:b"));
    assert_eq!("org:-7:doc:a:doc:b".parse(), Ok(doc));
    assert!("org:x:doc:b".parse::<Doc>().is_err());
    assert_eq!(name(&Doc { org: 1, doc: String::new() }), None);
    let error =
        Doc { org: 1, doc: String::new() }.group_name().expect_err("an empty text").to_string();
    assert!(error.contains("`{doc}` is empty"), "{error}");

    let seat = Seat { hall: "red".to_owned(), row: 7, seat: 'b', door: true };
    assert_eq!(name(&seat).as_deref(), Some("seat:red/7/b/true:end"));
    assert_eq!("seat:red/7/b/true:end".parse(), Ok(seat));
    assert!("seat:red/7/bb/true:end".parse::<Seat>().is_err());

    let all = declared();
    let types: Vec<_> = all.iter().map(|declaration| declaration.type_name).collect();
    assert_eq!(
        types,
        ["Room", "Table", "Several", "Lobby", "Places", "Doc", "Seat", "Long", "Shelf", "Attic"]
    );
    assert_eq!(all[0].docs, "The people in a chat room.\n\nThere may be many.");
    assert!(all[0].file.ends_with("forms.rs") && all[0].line == 28, "{}", all[0].line);
    assert!(matches!(all[1].matcher, DeclaredMatcher::Prefixes(["table:"])));
    let [is_number] = all[0].fields else { panic!("one field") };
    assert!(is_number("1") && !is_number("x") && !is_number("01"));
    let [hall, row, _, door] = all[6].fields else { panic!("four fields") };
    assert!(hall("red") && row("7") && !row("red") && door("true") && !door("7"));
    assert!(matches!(all[0].resolver, DeclaredResolver::Plain(_)));
    assert!(matches!(all[1].resolver, DeclaredResolver::IdOnly));
    assert!(matches!(all[7].resolver, DeclaredResolver::Batch(_)));
    let has_policy: Vec<_> = all.iter().map(|declaration| declaration.policy.is_some()).collect();
    assert_eq!(has_policy, [false, false, false, false, false, false, false, false, true, true]);
    assert_eq!(Shelf::DECLARATION.type_name, "Shelf");
}
