//! The scripts and the model give the same answers, and tell the same, whatever is asked.

use std::{collections::BTreeMap, time::Duration};

use proptest::{prelude::*, test_runner::TestRunner};
use redis::{PushKind, Value, aio::MultiplexedConnection};
use tokio::time::timeout;

use super::{
    message,
    node::{
        Answer, Epoch, Message, News, NodeId, Request, Said, Stored, Timing, Version,
        simulation::Model,
    },
    scripts::Scripts,
    testing::Server,
    text,
};
use crate::{name::GroupName, roster::Payload};

const LEASE: Duration = Duration::from_millis(540);

/// Something that is asked, or a time that goes by.
#[derive(Clone, Debug)]
enum Step {
    Ask(Request),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = (1..4_u64).prop_map(NodeId);
    let epoch = (1..3_u64).prop_map(Epoch);
    let group = (0..3_u8).prop_map(|n| text::group(&format!("room:{n}")).expect("a name"));
    let user = (0..3_u8).prop_map(|n| text::user(&format!("user {n}")).expect("an id"));
    let payload = prop_oneof![
        Just(Payload::IdOnly),
        Just(text::payload(r#"{"name":"a b"}"#).expect("JSON")),
        Just(text::payload(r#""é""#).expect("JSON")),
    ];
    let said = (group.clone(), user, prop::option::of(payload));
    let said = said.prop_map(|(group, user, payload)| Said { group, user, payload });
    let step = prop_oneof![
        4 => (node.clone(), epoch.clone(), any::<bool>()).prop_map(|(node, epoch, is_new)| {
            Step::Ask(Request::Heartbeat { node, epoch, is_new })
        }),
        8 => (node.clone(), epoch, prop::collection::vec(said, 1..5)).prop_map(
            |(node, epoch, said)| Step::Ask(Request::Apply { node, epoch, said })
        ),
        3 => prop::collection::vec(group, 1..4).prop_map(|groups| {
            Step::Ask(Request::Read { groups })
        }),
        1 => (node.clone(), prop_oneof![Just(0_u64), Just(60)]).prop_map(|(node, after)| {
            Step::Ask(Request::Retire { node, after: Duration::from_millis(after) })
        }),
        2 => node.prop_map(|node| Step::Ask(Request::Clear { node })),
        1 => prop_oneof![Just(120_u64), Just(840)].prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..40)
}

/// Versions and generations are not the same in both: each is known by when it was first seen.
#[derive(Default)]
struct Names(BTreeMap<u64, usize>);

impl Names {
    fn name(&mut self, number: u64) -> usize {
        let next = self.0.len();
        *self.0.entry(number).or_insert(next)
    }
}

/// What can be compared.
#[derive(Default)]
struct Seen {
    versions: Names,
    generations: Names,
}

impl Seen {
    fn stored(&mut self, mut facts: Vec<(crate::name::UserId, Stored)>) -> Vec<String> {
        facts.sort_by(|(one, a), (other, b)| (one, a.node).cmp(&(other, b.node)));
        facts
            .into_iter()
            .map(|(user, Stored { node, written, payload })| {
                // What is shown by the id alone needs no version.
                let written =
                    if let Payload::IdOnly = payload { Version::default() } else { written };
                format!("{user} {node:?} {} {payload:?}", self.versions.name(written.0))
            })
            .collect()
    }

    fn answer(&mut self, answer: Answer) -> String {
        let mut at = |at: super::node::Position| {
            (self.generations.name(at.generation.0), self.versions.name(at.version.0))
        };
        match answer {
            Answer::Alive { at: place, dead, .. } => {
                format!("alive {:?} {}", at(place), dead.is_some())
            }
            Answer::Applied { at: place } => format!("applied {:?}", at(place)),
            Answer::Read { at: place, mut live, groups } => {
                let place = at(place);
                live.sort();
                let found: Vec<(GroupName, Vec<String>)> =
                    groups.into_iter().map(|(group, facts)| (group, self.stored(facts))).collect();
                format!("read {place:?} {live:?} {found:?}")
            }
            other => format!("{other:?}"),
        }
    }

    /// An answer and what has been told beside it.
    fn all(&mut self, answer: Answer, told: &[Message]) -> Vec<String> {
        let told: Vec<_> = told.iter().map(|message| self.message(message)).collect();
        std::iter::once(self.answer(answer)).chain(told).collect()
    }

    fn message(&mut self, message: &Message) -> String {
        let Message { at, before, node, news } = message;
        let (generation, before) =
            (self.generations.name(at.generation.0), self.versions.name(before.0));
        let version = self.versions.name(at.version.0);
        let news = match news {
            News::Said(said) => {
                let said: Vec<_> =
                    said.iter().map(|said| (&said.group, &said.user, &said.payload)).collect();
                format!("{said:?}")
            }
            News::Dead => "dead".into(),
        };
        format!("{generation} {before} {version} {node:?} {news}")
    }
}

async fn clock(connection: &mut MultiplexedConnection) -> Duration {
    let (seconds, micros): (u64, u64) =
        redis::cmd("TIME").query_async(connection).await.expect("a clock");
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

async fn play(server: &Server, steps: Vec<Step>, number: u64) -> Result<(), TestCaseError> {
    let timing =
        Timing { lease: LEASE, stand_still: Duration::from_millis(300), ..Timing::default() };
    let scripts = Scripts::new(false);
    let (mut connection, mut pushes) = server.connect().await;
    let shard = format!("{{test:{number}}}");
    connection.subscribe(format!("{shard}:e")).await.expect("a subscription");
    let (mut model, mut of_model, mut of_scripts) =
        (Model::default(), Seen::default(), Seen::default());
    // The longest time between two looks at the clock.
    let mut longest = Duration::ZERO;
    for step in steps {
        let request = match step {
            Step::Wait(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                continue;
            }
            Step::Ask(request) => request,
        };
        let before = clock(&mut connection).await;
        let answer = scripts.ask(&mut connection, &shard, request.clone(), &timing, number).await;
        let (mut answer, after) = (answer.expect("an answer"), clock(&mut connection).await);
        // A lease of the scripts may have begun later than the model's, and be asked about later.
        let others = [before.saturating_sub(longest), after].map(|at| {
            let (answer, told) = model.clone().answer(request.clone(), at, &timing, 1);
            Seen::default().all(answer, &told)
        });
        longest = longest.max(after.saturating_sub(before));
        let (mut expected, told) = model.answer(request.clone(), before, &timing, 1);
        let usual = Seen::default().all(expected.clone(), &told);
        if others.into_iter().any(|other| other != usual) {
            // A lease ends just now: it is not known what the scripts saw of it.
            return Ok(());
        }
        // Both take away a part at a time, and the parts differ in size.
        while matches!(answer, Answer::Cleared { is_all: false }) {
            let next = scripts.ask(&mut connection, &shard, request.clone(), &timing, number);
            answer = next.await.expect("an answer");
        }
        while matches!(expected, Answer::Cleared { is_all: false }) {
            expected = model.answer(request.clone(), before, &timing, 1).0;
        }
        for message in told {
            let push = loop {
                let push = timeout(Duration::from_secs(10), pushes.recv()).await;
                let push = push.expect("a message in time").expect("a message");
                if push.kind == PushKind::Message {
                    break push;
                }
            };
            let bytes: Vec<u8> = match push.data.into_iter().nth(1) {
                Some(Value::BulkString(bytes)) => bytes,
                other => panic!("{other:?}"),
            };
            let heard = message::read(&bytes).expect("a message");
            prop_assert_eq!(of_scripts.message(&heard), of_model.message(&message));
        }
        prop_assert_eq!(of_scripts.answer(answer), of_model.answer(expected), "{:?}", request);
    }
    what_nodes_hold_is_counted(&mut connection, &shard).await
}

/// For each node the groups in which it has facts, and how many: by that they are found when it is
/// dead.
async fn what_nodes_hold_is_counted(
    connection: &mut MultiplexedConnection,
    shard: &str,
) -> Result<(), TestCaseError> {
    let (of_groups, of_nodes) = (format!("{shard}:g:"), format!("{shard}:n:"));
    let keys = redis::cmd("KEYS").arg(format!("{shard}:[gn]:*")).query_async(connection).await;
    let keys: Vec<String> = keys.expect("keys");
    let (mut there, mut counted) = (BTreeMap::new(), BTreeMap::new());
    for key in keys {
        let fields = redis::cmd("HGETALL").arg(&key).query_async(connection).await;
        let fields: BTreeMap<String, String> = fields.expect("a hash");
        if let Some(group) = key.strip_prefix(&of_groups) {
            for field in fields.keys() {
                let (_, node) = field.split_once('\x1f').expect("a user and a node");
                *there.entry((node.to_owned(), group.to_owned())).or_insert(0) += 1;
            }
        } else if let Some(node) = key.strip_prefix(&of_nodes) {
            for (group, count) in fields {
                counted.insert((node.to_owned(), group), count.parse::<i32>().expect("a number"));
            }
        }
    }
    prop_assert_eq!(counted, there);
    Ok(())
}

#[test]
fn the_scripts_answer_as_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(Server::start());
    let mut number = 0;
    let mut runner = TestRunner::new(ProptestConfig { cases: 30, ..ProptestConfig::default() });
    let numbers = std::cell::RefCell::new(&mut number);
    let result = runner.run(&steps(), |steps| {
        let number = {
            let mut number = numbers.borrow_mut();
            **number += 1;
            **number
        };
        runtime.block_on(play(&server, steps, number))
    });
    result.expect("the same answers");
}
