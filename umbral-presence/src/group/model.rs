//! One group with its subscribers against a model that is too simple to be wrong: whatever
//! happens in whatever order, every subscriber who reads ends up with the truth.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use serde_json::{Value, json, value::to_raw_value};

use super::{Delivery, GroupCell, SubscriberId, Teller, testing::Witness};
use crate::{
    connection::{FeedId, Next, Outbox, Reader},
    limits::Limits,
    name::{ConnectionId, GroupName, UserId},
    roster::{Answer, Asked, Farewell, Member, Payload, SeatId},
    spec::PresenceSpec,
    store::Roster,
    wakes::Wakes,
    wire::{Dialect, Pieces, Transport},
};

const TICK: u64 = 25;
const GRACE: u64 = 3000;
/// After that nothing is held back any more, and no grace is left.
const REST: u64 = 5000;
const CONNECTIONS: u8 = 12;
const USERS: u8 = 5;
/// So little that two or three messages fill it.
const OUTBOX_BYTES: usize = 1500;

/// What is true, as it would be written down by hand.
#[derive(Clone, Debug, Default)]
struct Model {
    /// In milliseconds.
    now: u64,
    connections: BTreeMap<u8, Open>,
    /// Those that are open and have left the group.
    outside: BTreeMap<u8, Open>,
    /// Until when a user stays after the last connection broke off.
    graces: BTreeMap<u8, u64>,
    /// How often what is shown of a user has changed.
    editions: BTreeMap<u8, u64>,
}

#[derive(Clone, Debug)]
struct Open {
    user: Option<u8>,
    /// Messages sent while it was in the group.
    messages: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Join {
        connection: u8,
        user: Option<u8>,
        dialect: u8,
    },
    /// One that has left comes in again.
    Return {
        connection: u8,
    },
    Leave {
        connection: u8,
        goodbye: bool,
    },
    /// The goodbye of a connection that has left already.
    LeaveAgain {
        connection: u8,
    },
    Pass {
        milliseconds: u64,
    },
    Read {
        connection: u8,
        entries: u8,
    },
    Resync {
        connection: u8,
    },
    Send {
        bytes: usize,
    },
    Refresh {
        user: u8,
    },
    /// A connection says goodbye and comes in again, as fast as it is told of.
    Flap {
        connection: u8,
        times: u8,
    },
    /// Changes that are on their way go some of it.
    Deliver {
        rows: u8,
    },
    /// Some time passes, what is on its way arrives, and everybody reads everything.
    Settle {
        milliseconds: u64,
    },
}

impl Model {
    fn present(&self) -> BTreeMap<u8, u64> {
        let connected = self.connections.values().filter_map(|open| open.user);
        let staying = self.graces.iter().filter(|(_, until)| self.now < **until);
        let users: BTreeSet<u8> = connected.chain(staying.map(|(user, _)| *user)).collect();
        users.into_iter().map(|user| (user, self.edition(user))).collect()
    }

    fn edition(&self, user: u8) -> u64 {
        self.editions.get(&user).copied().unwrap_or_default()
    }

    fn enter(&mut self, connection: u8, open: Open) {
        if let Some(user) = open.user {
            self.graces.remove(&user);
        }
        self.connections.insert(connection, open);
    }

    fn leave(&mut self, connection: u8, goodbye: bool) {
        let Some(open) = self.connections.remove(&connection) else {
            return;
        };
        if let (Some(user), false) = (open.user, goodbye) {
            self.graces.insert(user, self.now + GRACE);
        }
        self.outside.insert(connection, open);
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        self.graces.retain(|_, until| self.now < *until);
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        let (open, free): (Vec<u8>, Vec<u8>) =
            (0..CONNECTIONS).partition(|n| state.connections.contains_key(n));
        let pass = prop_oneof![0..TICK, TICK..200, GRACE - 100..GRACE + 100]
            .prop_map(|milliseconds| Step::Pass { milliseconds });
        let send = (0..900_usize).prop_map(|bytes| Step::Send { bytes });
        let settle = prop_oneof![3 => Just(4 * TICK), 1 => Just(REST)]
            .prop_map(|milliseconds| Step::Settle { milliseconds });
        let deliver = (1..4_u8).prop_map(|rows| Step::Deliver { rows });
        let mut steps =
            vec![(4, pass.boxed()), (2, send.boxed()), (3, deliver.boxed()), (1, settle.boxed())];
        if !free.is_empty() {
            let free = prop::sample::select(free);
            let join = (free, prop::option::weighted(0.9, 0..USERS), 0..4_u8)
                .prop_map(|(connection, user, dialect)| Step::Join { connection, user, dialect });
            steps.push((6, join.boxed()));
        }
        let outside: Vec<u8> = state.outside.keys().copied().collect();
        if !outside.is_empty() {
            let outside = prop::sample::select(outside);
            let again = outside.clone().prop_map(|connection| Step::LeaveAgain { connection });
            let back = outside.prop_map(|connection| Step::Return { connection });
            steps.extend([(1, again.boxed()), (4, back.boxed())]);
        }
        if !open.is_empty() {
            let open = prop::sample::select(open);
            let leave = (open.clone(), any::<bool>())
                .prop_map(|(connection, goodbye)| Step::Leave { connection, goodbye });
            let read = (open.clone(), 1..4_u8)
                .prop_map(|(connection, entries)| Step::Read { connection, entries });
            let flap = (open.clone(), 1..8_u8)
                .prop_map(|(connection, times)| Step::Flap { connection, times });
            let resync = open.prop_map(|connection| Step::Resync { connection });
            steps.extend([(5, leave.boxed()), (4, read.boxed()), (1, resync.boxed())]);
            steps.push((2, flap.boxed()));
        }
        let present: Vec<u8> = state.present().into_keys().collect();
        if !present.is_empty() {
            let refresh = prop::sample::select(present).prop_map(|user| Step::Refresh { user });
            steps.push((1, refresh.boxed()));
        }
        prop::strategy::Union::new_weighted(steps).boxed()
    }

    /// Steps that others have made possible may not be once a failure is being shortened.
    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::Join { connection, .. } => !state.connections.contains_key(connection),
            Step::Return { connection } | Step::LeaveAgain { connection } => {
                state.outside.contains_key(connection)
            }
            Step::Leave { connection, .. }
            | Step::Read { connection, .. }
            | Step::Flap { connection, .. }
            | Step::Resync { connection } => state.connections.contains_key(connection),
            Step::Refresh { user } => state.present().contains_key(user),
            Step::Pass { .. } | Step::Send { .. } | Step::Deliver { .. } | Step::Settle { .. } => {
                true
            }
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        match *step {
            Step::Join { connection, user, .. } => {
                state.outside.remove(&connection);
                state.enter(connection, Open { user, messages: 0 });
            }
            Step::Return { connection } => {
                if let Some(open) = state.outside.remove(&connection) {
                    state.enter(connection, open);
                }
            }
            Step::Leave { connection, goodbye } => state.leave(connection, goodbye),
            Step::Pass { milliseconds } | Step::Settle { milliseconds } => state.pass(milliseconds),
            Step::Flap { connection, times } => {
                for _ in 0..times {
                    state.leave(connection, true);
                    state.pass(TICK);
                    if let Some(open) = state.outside.remove(&connection) {
                        state.enter(connection, open);
                    }
                    state.pass(TICK);
                }
            }
            Step::Refresh { user } => *state.editions.entry(user).or_default() += 1,
            Step::Send { .. } => {
                state.connections.values_mut().for_each(|open| open.messages += 1);
            }
            Step::LeaveAgain { .. }
            | Step::Read { .. }
            | Step::Deliver { .. }
            | Step::Resync { .. } => {}
        }
        state
    }
}

/// The group itself, and what each subscriber has made of what it has read.
struct Real {
    cell: Arc<GroupCell>,
    teller: Teller,
    /// Changes that are on their way.
    delivery: Option<Delivery>,
    /// The seats of users, some of which are over.
    seats: BTreeMap<u8, SeatId>,
    start: Instant,
    now: Instant,
    readers: BTreeMap<u8, Client>,
    /// Those that have left.
    outside: BTreeMap<u8, Client>,
    last_connection: u64,
    questions: u64,
}

/// A reader, and what it is in the middle of.
struct Client {
    witness: Witness,
    user: Option<u8>,
    /// What it has got by joining, or had.
    place: (SubscriberId, Option<SeatId>),
    feed: FeedId,
    /// To it every snapshot is large.
    in_pieces: bool,
    under_way: Option<Pieces>,
    written: Vec<u8>,
}

impl Client {
    /// Reads what a session would write next. Says whether there was something.
    fn read(&mut self) -> bool {
        if let Some(piece) = self.under_way.as_mut().and_then(Pieces::next) {
            self.written.extend_from_slice(&piece.bytes);
            if piece.is_last {
                self.under_way = None;
                let whole = bytes::Bytes::from(std::mem::take(&mut self.written));
                self.witness.take(&whole.into());
            }
            return true;
        }
        let (witness, mut context) = (&mut self.witness, Context::from_waker(Waker::noop()));
        match witness.reader.outbox.poll_next(&mut context) {
            Poll::Ready(Ok(Next::Frames(frames))) => witness.take(&frames),
            Poll::Ready(Ok(Next::Missed(missed))) => witness.messages += missed,
            Poll::Ready(Ok(Next::Snapshot(place))) => {
                let dialect = witness.reader.dialect;
                match place.snapshot(&witness.reader.outbox) {
                    Some(snapshot) if self.in_pieces => {
                        self.under_way = Some(snapshot.pieces(dialect));
                    }
                    due => {
                        let frames = due.and_then(|snapshot| snapshot.whole(dialect));
                        frames.iter().for_each(|frames| witness.take(frames));
                    }
                }
            }
            Poll::Ready(Err(end)) => panic!("ended: {end:?}"),
            Poll::Pending => return false,
        }
        true
    }
}

impl Real {
    fn new() -> Self {
        let spec = PresenceSpec::prefixes(["room:"]).grace(Duration::from_millis(GRACE));
        let name = GroupName::new("room:1").expect("a name");
        let limits = Limits { tick: Duration::from_millis(TICK), ..Limits::default() };
        let start = Instant::now();
        Self {
            cell: Arc::new(GroupCell::new(name, Some(Arc::new(spec)), Roster::default(), &limits)),
            // Both ways of telling are gone: under the lock, and without it.
            teller: Teller { at_once: 3, ..Teller::default() },
            delivery: None,
            seats: BTreeMap::new(),
            start,
            now: start,
            readers: BTreeMap::new(),
            outside: BTreeMap::new(),
            last_connection: 0,
            questions: 0,
        }
    }

    /// What the hub does after every use of a group.
    fn settle(&mut self) {
        let mut wakes = Wakes::default();
        let mut group = self.cell.lock_always();
        group.roster.expire(self.now);
        let delivery = group.settle(&self.cell.name, self.now, &self.teller, &mut wakes);
        assert!(delivery.is_none() || self.delivery.is_none(), "one at a time");
        self.delivery = self.delivery.take().or(delivery);
    }

    /// What is on its way goes some of it. Says whether it has arrived.
    fn deliver(&mut self, rows: u8) -> bool {
        let (teller, mut wakes) = (&self.teller, Wakes::default());
        let Some(delivery) = &mut self.delivery else {
            return true;
        };
        if (0..rows).all(|_| delivery.go_on(teller, &mut wakes)) {
            return false;
        }
        self.cell.lock_always().delivered(delivery, self.now);
        self.delivery = None;
        self.settle();
        self.delivery.is_none()
    }

    /// Time passes, and the group is woken whenever it has asked for it.
    fn pass(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        loop {
            let wake = self.cell.lock_always().next_wake(self.now);
            let Some(wake) = wake.filter(|wake| *wake <= end) else {
                break;
            };
            self.now = wake.max(self.now);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    fn answer(&mut self, user: u8, edition: u64) -> Answer {
        self.questions += 1;
        let payload = to_raw_value(&payload(user, edition)).expect("JSON");
        Answer { payload: Payload::Json(payload.into()), asked: Asked(self.questions) }
    }

    fn join(&mut self, connection: u8, user: Option<u8>, dialect: u8, edition: u64) {
        let transport = if dialect < 2 { Transport::Sse } else { Transport::WebSocket };
        self.last_connection += 1;
        let reader = Arc::new(Reader::new(
            ConnectionId::of(self.last_connection),
            user.map(user_id),
            Dialect { transport, v1: dialect % 2 == 1 },
            Outbox::new(OUTBOX_BYTES, self.teller.counters.clone()),
            tracing::Span::none(),
        ));
        self.outside.remove(&connection);
        let (place, feed) = self.enter(&reader, user, edition);
        let client = Client {
            witness: Witness::of(reader),
            user,
            place,
            feed,
            in_pieces: connection.is_multiple_of(2),
            under_way: None,
            written: Vec::new(),
        };
        self.readers.insert(connection, client);
    }

    fn enter(
        &mut self,
        reader: &Arc<Reader>,
        user: Option<u8>,
        edition: u64,
    ) -> ((SubscriberId, Option<SeatId>), FeedId) {
        // A resolver is asked as the hub asks it.
        let seat = user.and_then(|user| self.seats.get(&user)).copied();
        let is_shown = seat.is_some_and(|seat| self.cell.lock_always().roster.is_shown(seat));
        let answer = user.filter(|_| !is_shown).map(|user| self.answer(user, edition));
        let mut group = self.cell.lock_always();
        let joined =
            group.subscribe(self.cell.spec.as_deref(), self.cell.open_feed(reader), seat, self.now);
        let seat = joined.seat.map(|(seat, _)| seat);
        if let (Some(user), Some(seat)) = (user, seat) {
            self.seats.insert(user, seat);
            if let Some(answer) = answer {
                group.roster.show(seat, answer);
            }
        }
        ((joined.subscriber, seat), joined.feed)
    }

    fn leave(&mut self, connection: u8, goodbye: bool) {
        if let Some(mut client) = self.readers.remove(&connection) {
            let reader = &client.witness.reader;
            let mut group = self.cell.lock_always();
            group.unsubscribe(
                self.cell.spec.as_deref(),
                reader,
                client.place,
                goodbye,
                None,
                self.now,
            );
            drop(group);
            reader.outbox.close(client.feed);
            // Nothing comes any more but the rest of what is under way, unless it comes in again,
            // and then a snapshot is first.
            client.witness.members = None;
            self.outside.insert(connection, client);
        }
    }

    fn come_back(&mut self, connection: u8, model: &Model) {
        if let Some(mut client) = self.outside.remove(&connection) {
            let edition = client.user.map_or(0, |user| model.edition(user));
            let reader = client.witness.reader.clone();
            (client.place, client.feed) = self.enter(&reader, client.user, edition);
            self.readers.insert(connection, client);
        }
    }

    fn read(&mut self, connection: u8, entries: usize) {
        let inside = self.readers.get_mut(&connection);
        let Some(client) = inside.or_else(|| self.outside.get_mut(&connection)) else {
            return;
        };
        for _ in 0..entries {
            if !client.read() {
                return;
            }
        }
    }
}

impl StateMachineTest for Real {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        Self::new()
    }

    fn apply(mut real: Self, model: &Model, step: Step) -> Self {
        match step {
            Step::Join { connection, user, dialect } => {
                let edition = user.map_or(0, |user| model.edition(user));
                real.join(connection, user, dialect, edition);
            }
            Step::Leave { connection, goodbye } => real.leave(connection, goodbye),
            Step::LeaveAgain { connection } => {
                if let Some(client) = real.outside.get(&connection)
                    && let (_, Some(seat)) = client.place
                {
                    // Somebody else may have the place among the subscribers by now.
                    let id = client.witness.reader.id;
                    let roster = &mut real.cell.lock_always().roster;
                    roster.leave(seat, id, Farewell::Goodbye, real.now);
                    client.witness.reader.outbox.close(client.feed);
                }
            }
            Step::Return { connection } => real.come_back(connection, model),
            Step::Flap { connection, times } => {
                for _ in 0..times {
                    real.leave(connection, true);
                    real.settle();
                    real.pass(TICK);
                    real.come_back(connection, model);
                    real.settle();
                    real.pass(TICK);
                }
            }
            Step::Pass { milliseconds } => real.pass(milliseconds),
            Step::Read { connection, entries } => real.read(connection, entries.into()),
            Step::Resync { connection } => {
                let client = &real.readers[&connection];
                client.witness.reader.outbox.resync(client.feed);
            }
            Step::Send { bytes } => {
                let text = "x".repeat(bytes);
                let encoder = &real.teller.encoder;
                let encode = |dialect| encoder.message(dialect, "room:1", "chat", &text);
                real.cell.send(encode, &mut Wakes::default());
            }
            Step::Refresh { user } => {
                let answer = real.answer(user, model.edition(user));
                let seat = real.seats[&user];
                real.cell.lock_always().roster.show(seat, answer);
            }
            Step::Deliver { rows } => {
                real.deliver(rows);
            }
            Step::Settle { milliseconds } => {
                while !real.deliver(u8::MAX) {}
                real.pass(milliseconds);
                while !real.deliver(u8::MAX) {}
                // A flush that this machine has taken long for makes the tick longer.
                let (now, mut late) = (real.now, real.now);
                while real.cell.lock_always().is_dirty(late) {
                    late += Duration::from_millis(TICK);
                    real.now = late;
                    real.settle();
                    while !real.deliver(u8::MAX) {}
                }
                real.now = now;
                let is_held = real.cell.lock_always().roster.view.held_until().is_some();
                assert!(milliseconds < REST || !is_held, "held back for ever");
                for connection in 0..CONNECTIONS {
                    real.read(connection, usize::MAX);
                }
            }
        }
        real.settle();
        if matches!(step, Step::Settle { .. }) {
            real.is_as(model);
        }
        real
    }

    fn check_invariants(real: &Self, model: &Model) {
        assert_eq!(real.now - real.start, Duration::from_millis(model.now));
        let group = real.cell.lock_always();
        let members: BTreeSet<_> = group
            .roster
            .view
            .now()
            .members()
            .iter()
            .map(|member| member.id().to_string())
            .collect();
        let present: BTreeSet<_> = model.present().keys().map(ToString::to_string).collect();
        assert_eq!(members, present, "the truth of this moment");
        assert_eq!(group.roster.view.count(), members.len());
    }
}

impl Real {
    /// What every subscriber has been told is what everybody was, which is the truth unless it
    /// is held back, and of its messages none is lost without a word.
    fn is_as(&self, model: &Model) {
        let mut present: Vec<Value> =
            model.present().into_iter().map(|(user, edition)| payload(user, edition)).collect();
        present.sort_by_key(ToString::to_string);
        let shown = |member: &Member| serde_json::from_str(member.payload().get());
        let group = self.cell.lock_always();
        let view = &group.roster.view;
        let told: Result<Vec<Value>, _> = view.told().members().map(shown).collect();
        let mut told = told.expect("JSON");
        told.sort_by_key(ToString::to_string);
        if view.held_until().is_none() {
            assert_eq!(told, present);
        }
        assert_eq!(self.readers.len(), model.connections.len());
        for (connection, Client { witness, .. }) in &self.readers {
            assert!(witness.members.is_some(), "a snapshot");
            assert_eq!(witness.shown(), told, "connection {connection}");
            assert_eq!(witness.messages, model.connections[connection].messages);
        }
    }
}

fn user_id(user: u8) -> UserId {
    UserId::new(user.to_string()).expect("an id")
}

fn payload(user: u8, edition: u64) -> Value {
    json!({ "id": user.to_string(), "edition": edition })
}

prop_state_machine! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn every_subscriber_ends_up_with_the_truth(sequential 1..200 => Real);
}
