//! Many connections, to one server or to several, and whether each of them knows the truth.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    time::sleep,
};

use crate::{
    Failure,
    arrivals::Part,
    client::{Client, Room, Stream, Surroundings, Visitor},
    subject::Subject,
};

/// How many may be opening at once, unless a scenario says so: fewer than the kernel lets wait
/// for a server to accept them.
const OPENINGS: usize = 256;

/// Where nothing has come for so long, nothing more will.
const QUIET: Duration = Duration::from_secs(3);

/// Far more than anything here takes, so that a run ends.
const DEADLINE: Duration = Duration::from_secs(100);

/// How often it is looked whether everybody knows the truth.
const LOOK: Duration = Duration::from_millis(5);

/// The connections, which end when this is dropped.
#[derive(Debug)]
pub(crate) struct Crowd {
    subject: Subject,
    around: Surroundings,
    pub(crate) clients: Vec<Client>,
    /// How many have been opened, of which each has an address of its own.
    opened: u32,
}

/// What has become of a crowd.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    /// When the last byte came to anybody.
    pub(crate) last: Instant,
    /// How many do not know the truth.
    pub(crate) wrong: usize,
}

impl Crowd {
    /// Nobody yet.
    pub(crate) fn new(subject: Subject, host: SocketAddr) -> Self {
        let openings = Arc::new(Semaphore::new(OPENINGS));
        let is_versioned = subject.is_versioned();
        let around =
            Surroundings { host, openings, part: Part::None, is_versioned, is_plain: false };
        Self { subject, around, clients: Vec::new(), opened: 0 }
    }

    /// Each is opened when the one before is open.
    pub(crate) fn one_by_one(mut self) -> Self {
        self.around.openings = Arc::new(Semaphore::new(1));
        self
    }

    /// Without `v=1`, whose clients have to show now and then that they live.
    pub(crate) fn plain(mut self) -> Self {
        self.around.is_plain = true;
        self
    }

    /// Where those go who are opened from now on.
    pub(crate) fn goes_to(&mut self, host: SocketAddr) {
        self.around.host = host;
    }

    /// Closes the connection of a user to a server. Gives whether that was the last one of the user.
    pub(crate) fn close(&mut self, user: u32, host: SocketAddr) -> bool {
        let is_theirs = |client: &Client| client.visitor.user == Some(user);
        let found = |client: &Client| is_theirs(client) && client.host == host;
        if let Some(at) = self.clients.iter().position(found) {
            self.clients.swap_remove(at);
        }
        !self.clients.iter().any(is_theirs)
    }

    /// Waits until each connection has its answer.
    pub(crate) async fn opened(&self) -> Result<(), Failure> {
        let start = Instant::now();
        while let Some(client) = self.clients.iter().find(|client| !client.seen().stream.is_open())
        {
            if let Some(fault) = &client.seen().fault {
                return Err(format!("{:?}: {fault}", client.visitor).into());
            }
            if start.elapsed() > DEADLINE {
                return Err(format!("{:?} has no answer", client.visitor).into());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// What those who are opened from now on have to do with arrivals and leaves.
    pub(crate) fn takes_part(&mut self, part: Part) {
        self.around.part = part;
    }

    /// Opens a connection for each visitor, as many at once as may be.
    pub(crate) fn open(&mut self, visitors: impl IntoIterator<Item = Visitor>) {
        let host = self.around.host;
        self.open_on(visitors, |number| connect(address(number), host));
    }

    /// Opens a connection for each visitor on what `connect` gives for its number.
    pub(crate) fn open_on<IO, C>(
        &mut self,
        visitors: impl IntoIterator<Item = Visitor>,
        connect: impl Fn(u32) -> C,
    ) where
        IO: AsyncRead + AsyncWrite + Unpin + Send,
        C: Future<Output = io::Result<IO>> + Send + 'static,
    {
        for visitor in visitors {
            self.opened += 1;
            let connecting = connect(self.opened);
            self.clients.push(Client::open(visitor, self.around.clone(), connecting));
        }
    }

    /// Waits until everybody knows the truth, or nothing more comes. Of anybody but the peer
    /// each wrong roster is a failure.
    pub(crate) async fn settle(&self) -> Result<Settled, Failure> {
        let (truth, start) = (self.truth(), Instant::now());
        let mut waiting: Vec<&Client> = self.clients.iter().collect();
        let mut last = start;
        let wrong = loop {
            last = waiting.iter().filter_map(|client| client.seen().last).fold(last, Instant::max);
            let is_over = last.elapsed() > QUIET || start.elapsed() > DEADLINE;
            // The number of members is soon compared; who they are is, once that is right. Of many
            // that takes a while, and what is measured is not this.
            let look = Instant::now();
            waiting.retain(|client| !self.has_as_many(client, &truth));
            let pause = LOOK.max(look.elapsed() * 50);
            if waiting.is_empty() || is_over {
                let complaint = |client| Some((client, self.complaint(client, &truth)?));
                let wrong: Vec<_> = self.clients.iter().filter_map(complaint).collect();
                if wrong.is_empty() || is_over {
                    break wrong;
                }
                waiting = wrong.into_iter().map(|(client, _)| client).collect();
            }
            sleep(pause).await;
        };
        let (count, all) = (wrong.len(), self.clients.len());
        match wrong.first() {
            Some((_, first)) if self.subject != Subject::Peer => {
                Err(format!("{count} of {all} connections are wrong; the first one: {first}")
                    .into())
            }
            _ => {
                let last = self.clients.iter().filter_map(|client| client.seen().last).max();
                Ok(Settled { last: last.unwrap_or(start), wrong: count })
            }
        }
    }

    /// Who is in which room, by the connections that are open; sorted.
    pub(crate) fn truth(&self) -> BTreeMap<Room, Vec<u32>> {
        let mut truth = BTreeMap::<_, Vec<u32>>::new();
        for Visitor { room, user, .. } in self.clients.iter().map(|client| client.visitor) {
            truth.entry(room).or_default().extend(user);
        }
        for users in truth.values_mut() {
            users.sort_unstable();
            users.dedup();
        }
        truth
    }

    fn has_as_many(&self, client: &Client, truth: &BTreeMap<Room, Vec<u32>>) -> bool {
        let seen = client.seen();
        let count = truth[&client.visitor.room].len();
        self.knows(&seen.stream, || seen.stream.roster.len() == Some(count))
    }

    fn knows(&self, stream: &Stream, roster: impl FnOnce() -> bool) -> bool {
        stream.is_open()
            && match self.subject {
                Subject::Bare => stream.is_greeted,
                _ => roster(),
            }
    }

    /// What is wrong with a connection.
    fn complaint(&self, client: &Client, truth: &BTreeMap<Room, Vec<u32>>) -> Option<String> {
        let (seen, Visitor { room, user, .. }) = (client.seen(), client.visitor);
        if let Some(fault) = &seen.fault {
            return Some(format!("{user:?} in {room}: {fault}"));
        }
        let (users, truth) = (seen.stream.roster.users(), &truth[&room]);
        let knows = self.knows(&seen.stream, || users == *truth);
        (!knows).then(|| format!("{user:?} in {room} sees {} of {}", users.len(), truth.len()))
    }

    /// Bytes that have come to those who are open.
    pub(crate) fn bytes(&self) -> u64 {
        self.clients.iter().map(|client| client.seen().bytes).sum()
    }
}

/// One of 127.0.0.0/8 for each connection, as clients have.
fn address(number: u32) -> Ipv4Addr {
    let [_, a, b, c] = number.to_be_bytes();
    Ipv4Addr::new(127, a + 1, b, c)
}

async fn connect(from: Ipv4Addr, host: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(host).await
}
