//! The task that connects to the store, asks what the rules want to ask, and hands them what comes.
//!
//! ```text
//!   looks, letters to send ─▶ ┌──────┐ ─▶ requests ─▶ ┌───────┐
//!   the time                ─▶│ task │                │ store │
//!   host ◀─ facts, letters ── └──────┘ ◀─ answers, ── └───────┘
//!                                         pushes
//! ```
//!
//! It owns the shards. A shard is turned when something has come for it, or at the time that it has
//! named: it is told the time, and its requests are sent.

mod letters;

use std::{
    collections::BTreeSet,
    fmt::Display,
    mem,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, OptionFuture},
    stream::FuturesUnordered,
};
use redis::{RedisError, Value, aio::MultiplexedConnection};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
    time::{sleep, sleep_until},
};

use super::{
    handle::Redis,
    host::{Host, Look},
    letter,
    link::{LONG_PAUSE, Link, PAUSE, PAUSE_MORE},
    message,
    node::{Answer, Request, Timing},
    outgoing::Outgoing,
    scripts::{Failed, Scripts},
    server::{ANSWER, Push},
    shards::Shards,
    topic::{Listen, Topic},
    unusable::Unusable,
};
use crate::{
    chance,
    clock::now,
    figures::{Stopwatch, Timed},
    store::whom::Whom,
};

/// Why a connection was lost that has said nothing.
const CLOSED: &str = "the server has closed the connection";
const MOVED: &str = "a part of the cluster is another server's now";

/// So many things of one kind are taken at once.
const AT_ONCE: usize = 1024;

/// So many questions of other nodes are answered at once.
const ANSWERS: usize = 1024;

impl Redis {
    /// Starts the task for this host, where it does not run and there is a runtime.
    pub(crate) fn start<H: Host>(self: &Arc<Self>, host: impl FnOnce() -> Weak<H>) {
        self.host.get_or_init(|| host());
        self.go_on();
    }

    /// Starts the task again where it does not run: it is lost with its runtime.
    pub(crate) fn go_on(self: &Arc<Self>) {
        let (Ok(runtime), Some(host)) = (Handle::try_current(), self.host.get().cloned()) else {
            return;
        };
        if let Some(shards) = self.idle.lock().take() {
            runtime.spawn(run(self.clone(), shards, host));
        }
    }
}

/// Runs the task for as long as there is a host.
async fn run(redis: Arc<Redis>, shards: Box<Shards>, host: Weak<dyn Host>) {
    let mut running = Running {
        redis,
        host,
        shards: Some(shards),
        scripts: Arc::new(Scripts::new(false)),
        connecting: None,
        link: None,
        requests: FuturesUnordered::new(),
        listening: None,
        sending: None,
        answering: Arc::new(Semaphore::new(ANSWERS)),
        live_later: Vec::new(),
        to_remember: Vec::new(),
        has_caught_up: false,
    };
    running.go().await;
}

/// The task while it runs.
struct Running {
    redis: Arc<Redis>,
    host: Weak<dyn Host>,
    /// Given back at the end.
    shards: Option<Box<Shards>>,
    scripts: Arc<Scripts>,
    connecting: Option<BoxFuture<'static, Result<Link, Unusable>>>,
    link: Option<Link>,
    requests: FuturesUnordered<BoxFuture<'static, Answered>>,
    listening: Option<BoxFuture<'static, (Listen, Result<(), RedisError>)>>,
    sending: Option<BoxFuture<'static, Result<(), RedisError>>>,
    /// For what other nodes ask.
    answering: Arc<Semaphore>,
    /// Who is to be told which nodes are alive, once there is a connection.
    live_later: Vec<oneshot::Sender<Vec<u64>>>,
    /// What is to be remembered, likewise.
    to_remember: Vec<Vec<u8>>,
    /// What was missed is being asked for, or has been, over this connection.
    has_caught_up: bool,
}

/// An answer about a shard.
type Answered = (usize, Result<Answer, Failed>);

/// Something that has happened.
enum Event {
    Look(Option<Look>),
    Connected(Result<Link, Unusable>),
    Answered(Answered),
    Pushed(Option<Push>),
    Listened(Listen, Result<(), RedisError>),
    Letter(Option<Outgoing>),
    Sent(Result<(), RedisError>),
    Time,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Some(mut shards), Some(host)) = (self.shards.take(), self.host.upgrade()) {
            shards.disconnected(&*host);
            *self.redis.idle.lock() = Some(shards);
        }
    }
}

impl Running {
    async fn go(&mut self) {
        if let (Some(shards), Some(host)) = (&mut self.shards, self.host.upgrade()) {
            let active = shards.active();
            shards.all.iter_mut().for_each(|one| one.shard.begin(now()));
            self.connect(Duration::ZERO);
            self.turn(active, &*host);
        }
        loop {
            self.ask_more();
            let event = self.next().await;
            let Some(host) = self.host.upgrade() else {
                return;
            };
            let mut touched = BTreeSet::new();
            if !self.take(event, &*host, &mut touched) {
                return;
            }
            if let Some(shards) = &mut self.shards {
                shards.due(now(), &mut touched);
            }
            self.turn(touched, &*host);
        }
    }

    /// Waits until something happens.
    async fn next(&mut self) -> Event {
        let Self {
            redis,
            shards: Some(shards),
            connecting,
            link,
            requests,
            listening,
            sending,
            ..
        } = self
        else {
            return Event::Look(None);
        };
        let wakes_at = shards.wakes_at().unwrap_or_else(|| now() + Duration::from_secs(3600));
        // While there is no connection letters wait for one, though not for long.
        let is_alone = redis.is_alone();
        let may_send = sending.is_none() && (link.is_some() || is_alone);
        let pushes = OptionFuture::from(link.as_mut().map(|link| link.pushes.next()));
        tokio::select! {
            look = shards.looks.recv() => Event::Look(look),
            Some(link) = OptionFuture::from(connecting.as_mut()) => Event::Connected(link),
            Some(answered) = requests.next() => Event::Answered(answered),
            Some(push) = pushes => Event::Pushed(push),
            Some((listen, done)) = OptionFuture::from(listening.as_mut()) => {
                Event::Listened(listen, done)
            }
            letter = shards.letters.recv(), if may_send => Event::Letter(letter),
            Some(sent) = OptionFuture::from(sending.as_mut()) => Event::Sent(sent),
            () = sleep_until(wakes_at.into()) => Event::Time,
        }
    }

    /// Takes in what has happened, and more of the same. Says whether there is more to come.
    fn take(&mut self, event: Event, host: &dyn Host, touched: &mut BTreeSet<usize>) -> bool {
        match event {
            Event::Look(None) | Event::Letter(None) => return false,
            Event::Look(Some(look)) => {
                self.look(look, host, touched);
                for _ in 0..AT_ONCE {
                    let Some(look) =
                        self.shards.as_mut().and_then(|shards| shards.looks.try_recv().ok())
                    else {
                        break;
                    };
                    self.look(look, host, touched);
                }
            }
            Event::Connected(connected) => {
                self.connecting = None;
                match connected {
                    Ok(link) => self.connected(link, host, touched),
                    Err(why) => {
                        let is_lasting = why.is_lasting();
                        self.redis.status.failed(&why, is_lasting);
                        self.connect(if is_lasting { LONG_PAUSE } else { PAUSE });
                    }
                }
            }
            Event::Answered(answered) => {
                let mut next = Some(answered);
                while let Some((at, answer)) = next {
                    match (answer, &mut self.shards) {
                        (Ok(answer), Some(shards)) => {
                            touched.insert(at);
                            let now = now();
                            shards.with(at, host, |shard, groups| {
                                shard.answered(answer, now, groups);
                            });
                        }
                        (Err(why), _) => {
                            self.lose(&why, why.pause(), host, touched);
                            break;
                        }
                        (Ok(_), None) => {}
                    }
                    next = self.requests.next().now_or_never().flatten();
                }
            }
            Event::Pushed(None) => self.lose(&CLOSED, PAUSE, host, touched),
            Event::Pushed(Some(push)) => {
                let mut next = Some(push);
                for _ in 0..AT_ONCE {
                    let Some(push) = next else { break };
                    self.pushed(&push, host, touched);
                    next = self.link.as_mut().and_then(|link| link.pushes.try_next());
                }
                if let Some(push) = next {
                    self.pushed(&push, host, touched);
                }
            }
            Event::Listened(listen, done) => {
                self.listening = None;
                match done {
                    Ok(()) => {
                        self.redis.topics.lock().note(listen);
                        self.catch_up();
                    }
                    Err(why) => self.lose(&why, PAUSE, host, touched),
                }
            }
            Event::Letter(Some(first)) => self.send(first, host),
            Event::Sent(sent) => {
                self.sending = None;
                if let Err(why) = sent {
                    self.lose(&why, PAUSE, host, touched);
                }
            }
            Event::Time => {}
        }
        true
    }

    fn look(&mut self, look: Look, host: &dyn Host, touched: &mut BTreeSet<usize>) {
        let Some(shards) = &mut self.shards else {
            return;
        };
        match look {
            Look::At(topic) => {
                let Topic::For(whom) = &topic else {
                    return;
                };
                let is_wanted = host.serves(whom);
                if let Whom::Group(group) = whom {
                    touched.insert(shards.look(group, self.link.as_ref(), host));
                }
                self.redis.topics.lock().want(topic, is_wanted);
            }
            Look::Remember(letter) => self.remember(letter),
            Look::Live(sender) => {
                let Some(link) = &self.link else {
                    if !self.redis.is_alone() {
                        self.live_later.push(sender);
                    }
                    return;
                };
                let (scripts, mut connection) = (self.scripts.clone(), link.first().asks.clone());
                let (key, timing) = (shards.all[0].key.clone(), shards.timing);
                let us = self.redis.process;
                tokio::spawn(async move {
                    let request = Request::Read { groups: Vec::new() };
                    let random = chance::number();
                    let answer = scripts.ask(&mut connection, &key, request, &timing, random);
                    if let Ok(Answer::Read { live, .. }) = answer.await {
                        let live = live.iter().map(|node| node.process());
                        let _ = sender.send(live.filter(|process| *process != us).collect());
                    }
                });
            }
            Look::Leave(after, sender) => {
                shards.leaving.push(sender);
                shards.all.iter_mut().for_each(|one| one.shard.leave(after));
                touched.extend(shards.active());
            }
        }
    }

    /// Begins to connect, after a pause.
    fn connect(&mut self, pause: Duration) {
        let settings = self.redis.settings.clone();
        self.connecting = Some(Box::pin(async move {
            if !pause.is_zero() {
                sleep(pause + chance::part_of(PAUSE_MORE)).await;
            }
            Link::connect(settings).await
        }));
    }

    fn connected(&mut self, link: Link, host: &dyn Host, touched: &mut BTreeSet<usize>) {
        if let Some(shards) = &mut self.shards {
            let active = shards.active();
            for at in &active {
                shards.all[*at].shard.connected(link.server(*at).id);
            }
            touched.extend(active);
        }
        self.redis.status.connected();
        self.redis.topics.lock().begin_again();
        self.scripts = Arc::new(Scripts::new(link.is_cluster()));
        self.link = Some(link);
        for sender in mem::take(&mut self.live_later) {
            self.look(Look::Live(sender), host, touched);
        }
        for letter in mem::take(&mut self.to_remember) {
            // The others may have heard all along.
            self.redis.post.send(Topic::Nodes, letter.clone());
            self.look(Look::Remember(letter), host, touched);
        }
        self.has_caught_up = false;
    }

    /// The connection is gone, and everything with it that was under way.
    fn lose(
        &mut self,
        why: &dyn Display,
        pause: Duration,
        host: &dyn Host,
        touched: &mut BTreeSet<usize>,
    ) {
        if self.link.take().is_none() {
            return;
        }
        // A server that falls silent is noticed when it has not answered.
        self.redis
            .deaf_since
            .lock()
            .get_or_insert_with(|| now().checked_sub(ANSWER).unwrap_or_else(now));
        self.redis.status.failed(&why, false);
        self.requests = FuturesUnordered::new();
        (self.listening, self.sending) = (None, None);
        if let Some(shards) = &mut self.shards {
            shards.disconnected(host);
            touched.extend(shards.active());
        }
        self.redis.topics.lock().begin_again();
        self.connect(pause);
    }

    /// Takes in a message: of a shard, or a letter.
    fn pushed(&mut self, push: &Push, host: &dyn Host, touched: &mut BTreeSet<usize>) {
        let Some(shards) = &mut self.shards else {
            return;
        };
        let (channel, body) = match push {
            Push::Message { channel, body } => (channel, body),
            Push::Closed => return self.lose(&CLOSED, PAUSE, host, touched),
            Push::Moved => return self.lose(&MOVED, PAUSE, host, touched),
        };
        let prefix = &self.redis.settings.prefix;
        let read = if let Some(topic) = Topic::of(prefix, channel) {
            letter::read(body).map(|letter| self.read(&topic, letter, host))
        } else if let Some(at) = self.redis.settings.shard(channel) {
            message::read(body).map(|message| {
                touched.insert(at);
                shards.with(at, host, |shard, groups| shard.heard(message, now(), groups));
            })
        } else {
            return;
        };
        if let Err(error) = read {
            tracing::debug!(%error, channel, "a message of another node was not read");
            host.count_unreadable();
        }
    }

    /// Tells shards the time, and sends their requests.
    fn turn(&mut self, touched: impl IntoIterator<Item = usize>, host: &dyn Host) {
        let Some(shards) = &mut self.shards else {
            return;
        };
        let now = now();
        let alone_before = shards.is_alone();
        for at in touched {
            if !shards.all[at].is_active {
                continue;
            }
            shards.with(at, host, |shard, groups| shard.advanced(now, groups));
            if let Some(link) = &self.link {
                while let Some(request) =
                    shards.with(at, host, |shard, groups| shard.next(now, groups))
                {
                    let server = link.server(at);
                    let connection = match request {
                        Request::Subscribe => server.listens.clone(),
                        Request::Read { .. } => server.reads.clone(),
                        _ => server.asks.clone(),
                    };
                    let scripts = self.scripts.clone();
                    let (key, timing) = (shards.all[at].key.clone(), shards.timing);
                    self.requests.push(Box::pin(async move {
                        (at, ask(&scripts, connection, &key, request, &timing).await)
                    }));
                }
            }
            shards.turned(at);
        }
        if !shards.leaving.is_empty()
            && self.requests.is_empty()
            && shards.all.iter().all(|one| one.shard.has_left())
        {
            shards.leaving.clear();
        }
        let is_alone = shards.is_alone();
        if is_alone != alone_before {
            self.redis.is_alone.store(is_alone, Ordering::Relaxed);
            self.redis.status.set_alone(is_alone);
            if is_alone {
                self.redis.topics.lock().let_go();
                self.live_later.clear();
            }
        }
    }
}

/// Asks the store, and times it. What fails has no time.
async fn ask(
    scripts: &Scripts,
    connection: MultiplexedConnection,
    key: &str,
    request: Request,
    timing: &Timing,
) -> Result<Answer, Failed> {
    let (timed, stopwatch) = (Timed::Store(request.name()), Stopwatch::start());
    let answer = ask_store(scripts, connection, key, request, timing).await?;
    stopwatch.stop(timed);
    Ok(answer)
}

async fn ask_store(
    scripts: &Scripts,
    mut connection: MultiplexedConnection,
    key: &str,
    request: Request,
    timing: &Timing,
) -> Result<Answer, Failed> {
    if let Request::Subscribe = request {
        let subscribe = scripts.subscribe(key);
        let _: Value = subscribe.query_async(&mut connection).await?;
        return Ok(Answer::Subscribed);
    }
    scripts.ask(&mut connection, key, request, timing, chance::number()).await
}
