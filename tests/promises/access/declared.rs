//! Policies that declarations name, beside the one for all groups.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::response::Response;
use http::request::Parts;
use serde_json::json;
use tests::{Client, Kind, Server, USER_HEADER, call, code, get, json as body};
use umbral_presence::{
    GroupName, MessageContext, MessageHandler, RealtimePlugin, ResolveContext, UserId, presence,
};

/// Members are those whose id is the club's number.
#[presence(prefix = "club:", policy = is_of_the_club)]
struct Club(u64);

fn is_of_the_club(user: Option<&UserId>, club: &Club) -> bool {
    user.and_then(|user| user.parse().ok()) == Some(club.0)
}

/// The database of the policy below.
#[derive(Clone, Default)]
struct Database {
    is_away: Arc<AtomicBool>,
}

#[presence(pattern = "team:{team}:doc:{doc}", policy = is_of_the_team)]
struct Doc {
    team: u64,
    doc: String,
}

async fn is_of_the_team(
    user: Option<UserId>,
    doc: Doc,
    context: ResolveContext,
) -> Result<bool, io::Error> {
    let database: &Database = context.get().expect("a value that was given");
    tokio::task::yield_now().await;
    if database.is_away.load(Ordering::SeqCst) {
        return Err(io::Error::other("the database is away"));
    }
    let team = user.and_then(|user| user.parse().ok());
    Ok(team == Some(doc.team) && doc.doc != "secret")
}

/// One that is given a name, since a unit struct stands for no single group.
#[presence(exact = ["gallery", "stage"], policy = is_open)]
struct Places;

fn is_open(_user: Option<&UserId>, place: &GroupName) -> Result<bool, &'static str> {
    match place.as_str() {
        "gallery" => Ok(true),
        _ => Err("nobody knows"),
    }
}

/// Has no policy of its own.
#[presence(prefix = "plain:")]
struct Plain(u64);

/// Its matcher panics, while it is told to, for names of its own.
#[presence(matching = is_a_riddle, policy = has_solved)]
struct Riddle;

static IS_HARD: AtomicBool = AtomicBool::new(false);

fn is_a_riddle(name: &str) -> bool {
    let is_its = name.starts_with("riddle:");
    assert!(!is_its || !IS_HARD.load(Ordering::SeqCst), "told to");
    is_its
}

/// Whoever asks about the last riddle makes it hard.
fn has_solved(user: Option<&UserId>, riddle: &GroupName) -> bool {
    IS_HARD.store(riddle.as_str() == "riddle:last", Ordering::SeqCst);
    user.is_some_and(|user| user.as_str() == "7")
}

fn plugin(database: &Database) -> RealtimePlugin {
    let identified = RealtimePlugin::new().identity_resolver(|parts: Parts| async move {
        let id = parts.headers.get(USER_HEADER)?;
        id.to_str().ok().map(str::to_owned)
    });
    identified.with_state(database.clone())
}

/// The status of a request to join a group, and the code of its refusal.
async fn join(plugin: RealtimePlugin, user: Option<&str>, group: &str) -> (u16, String) {
    let realtime = plugin.build().expect("a plugin that can be built");
    found(call(&realtime, get(&format!("sse?groups={group}"), user)).await).await
}

async fn found(response: Response) -> (u16, String) {
    match response.status().as_u16() {
        200 => (200, String::new()),
        status => (status, code(&body(response).await).to_owned()),
    }
}

#[tokio::test]
async fn a_declared_policy_alone_decides_where_there_is_no_other() {
    let database = Database::default();
    for (user, group, status) in [
        (Some("7"), "club:7", 200),
        (Some("8"), "club:7", 403),
        (None, "club:7", 403),
        (Some("7"), "team:7:doc:budget", 200),
        (Some("7"), "team:7:doc:secret", 403),
        (Some("8"), "team:7:doc:budget", 403),
        (None, "gallery", 200),
        (None, "stage", 503),
        // Where neither is given, the default decides.
        (Some("7"), "plain:7", 403),
        (None, "public:square", 200),
        // A name that is none of the struct's belongs to nobody's declaration.
        (Some("7"), "club:x", 403),
    ] {
        let (found, code) = join(plugin(&database), user, group).await;
        assert_eq!(found, status, "{user:?} {group} {code}");
    }
}

#[tokio::test]
async fn both_policies_must_agree() {
    let database = Database::default();
    let but_odd =
        || plugin(&database).group_policy_fn(|_: Option<&str>, group: &str| !group.ends_with('1'));
    for (user, group, status) in [
        (Some("7"), "club:7", 200),
        (Some("1"), "club:1", 403),
        (Some("8"), "club:7", 403),
        (Some("7"), "plain:7", 200),
    ] {
        assert_eq!(join(but_odd(), user, group).await.0, status, "{user:?} {group}");
    }
}

#[tokio::test]
async fn a_declared_policy_that_fails_is_no_answer() {
    let database = Database::default();
    database.is_away.store(true, Ordering::SeqCst);
    let answer = join(plugin(&database), Some("7"), "team:7:doc:budget").await;
    assert_eq!(answer, (503, "policy".to_owned()));
}

#[tokio::test]
async fn nobody_joins_a_group_while_it_is_not_known_whose_policy_decides() {
    // It would let everybody in who is signed in.
    let plugin =
        plugin(&Database::default()).group_policy_fn(|user: Option<&str>, _: &str| user.is_some());
    let realtime = plugin.build().expect("a plugin that can be built");
    let join = async |user: &str, group: &str| {
        call(&realtime, get(&format!("sse?groups={group}"), Some(user))).await
    };
    assert_eq!(found(join("8", "riddle:1").await).await.0, 403);
    IS_HARD.store(true, Ordering::SeqCst);
    for user in ["7", "8"] {
        let answer = found(join(user, "riddle:1").await).await;
        assert_eq!(answer, (500, "policy".to_owned()), "{user}");
    }
    // The application looks at it meanwhile, so that it is there.
    let watch = realtime.presence().watch("riddle:1").expect("a name");
    IS_HARD.store(false, Ordering::SeqCst);
    assert_eq!(found(join("8", "riddle:1").await).await.0, 403);
    drop(watch);

    // The policy's answer is there, and then the name cannot be matched: the group that is made
    // is still the declaration's.
    let seven = join("7", "riddle:last").await;
    assert_eq!(seven.status(), 200);
    assert!(IS_HARD.swap(false, Ordering::SeqCst));
    assert_eq!(found(join("8", "riddle:last").await).await.0, 403);
    drop(seven);
}

/// Passes on what it can read.
struct Chat;

impl MessageHandler for Chat {
    async fn on_message(&self, context: &MessageContext, text: &str) {
        assert_eq!(context.text(), text);
        let done = match context.message::<String>() {
            Ok(message) => context.publish(message.group, &message.event, &message.data).await,
            Err(error) => context.reply("unreadable", &error.to_string()),
        };
        if let Err(error) = done {
            context.reply("refused", &error.to_string()).expect("a name and a text");
        }
    }
}

#[tokio::test]
async fn a_message_is_read_and_sent_where_both_policies_allow_it() {
    let server = Server::start(plugin(&Database::default()).message_handler(Chat)).await;
    let mut seven = Client::open(&server, Kind::WsV1, Some("7"), "club:7").await;
    seven.send(&json!({ "group": "club:7", "event": "chat", "data": "hi" })).await;
    assert_eq!(seven.event("chat").await.data, json!("hi"));
    seven.send(&json!({ "group": "club:8", "event": "chat", "data": "hi" })).await;
    let refused = seven.event("refused").await.data.to_string();
    assert!(refused.contains("club:8"), "{refused}");
    for (text, why) in [
        (json!({ "group": "club:7", "event": "chat", "data": 7 }), "expected a string"),
        (json!({ "group": "club:7", "event": "chat" }), "missing field `data`"),
        (json!({ "group": "a b", "event": "chat", "data": "" }), "\"a b\""),
        (json!(7), "invalid type"),
    ] {
        seven.send(&text).await;
        let unreadable = seven.event("unreadable").await.data;
        let unreadable = unreadable.as_str().expect("a text");
        assert!(unreadable.contains(why), "{unreadable}");
    }
}

#[test]
fn an_expected_declaration_is_one_that_is_used() {
    let database = Database::default();
    let plugin = || plugin(&database).expect_declaration::<Club>().expect_declaration::<Plain>();
    plugin().build().expect("both are linked");
    let error = plugin().without_declared().build().expect_err("none is used").to_string();
    assert!(error.contains("`Club`") && error.contains("`Plain`"), "{error}");
}

#[test]
fn a_uuid_is_a_user_id() {
    let id = uuid::Uuid::new_v4();
    assert_eq!(UserId::from(id).parse(), Ok(id));
}
