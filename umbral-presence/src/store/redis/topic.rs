//! What messages are about, and to which of that this node listens.

use indexmap::IndexSet;

use super::waits::{Wait, Waits};
use crate::{
    hash::{Keyed, KeyedMap, KeyedSet},
    name::{GroupName, UserId},
    store::whom::Whom,
};

/// Whom a letter is for. Each topic has a channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// Those who get an event.
    For(Whom),
    /// The nodes themselves.
    Nodes,
    /// One of them, by its process.
    Node(u64),
}

impl Topic {
    /// Stands between a prefix and the rest of a channel's name.
    const BETWEEN: &'static str = ":t:";

    /// The name of its channel.
    pub(super) fn channel(&self, prefix: &str) -> String {
        let between = Self::BETWEEN;
        match self {
            Self::For(Whom::Group(group)) => format!("{prefix}{between}g:{group}"),
            Self::For(Whom::User(user)) => format!("{prefix}{between}u:{user}"),
            Self::For(Whom::Everybody) => format!("{prefix}{between}a"),
            Self::Nodes => format!("{prefix}{between}n"),
            Self::Node(process) => format!("{prefix}{between}n:{process:x}"),
        }
    }

    /// The topic of a channel, if it is one.
    pub(super) fn of(prefix: &str, channel: &str) -> Option<Self> {
        let rest = channel.strip_prefix(prefix)?.strip_prefix(Self::BETWEEN)?;
        match rest.split_once(':') {
            None if rest == "a" => Some(Self::For(Whom::Everybody)),
            None if rest == "n" => Some(Self::Nodes),
            Some(("g", name)) => GroupName::new(name).ok().map(Whom::Group).map(Self::For),
            Some(("u", id)) => UserId::new(id).ok().map(Whom::User).map(Self::For),
            Some(("n", process)) => u64::from_str_radix(process, 16).ok().map(Self::Node),
            _ => None,
        }
    }
}

/// It does not pay to give back less.
const FEW: usize = 1024;

/// So many channels are subscribed to with one command.
const TOGETHER: usize = 500;

/// What this node listens to.
#[derive(Debug, Default)]
pub(super) struct Topics {
    wanted: KeyedSet<Topic>,
    /// What the server has confirmed on this connection.
    heard: KeyedSet<Topic>,
    /// Those that are wanted and may not be heard.
    to_hear: IndexSet<Topic, Keyed>,
    /// Those that are heard and may not be wanted.
    to_leave: IndexSet<Topic, Keyed>,
    waiting: KeyedMap<Topic, Waits>,
}

/// What to ask the server for.
#[derive(Debug)]
pub(super) enum Listen {
    To(Vec<Topic>),
    NoMoreTo(Vec<Topic>),
}

impl Listen {
    pub(super) fn topics(&self) -> &[Topic] {
        let (Self::To(topics) | Self::NoMoreTo(topics)) = self;
        topics
    }
}

impl Topics {
    /// Listens to a topic from now on, or no more.
    pub(super) fn want(&mut self, topic: Topic, is_wanted: bool) {
        let is_changed = if is_wanted {
            self.wanted.insert(topic.clone())
        } else {
            self.waiting.remove(&topic);
            self.wanted.remove(&topic)
        };
        if is_changed {
            self.differs(topic, is_wanted);
        }
    }

    fn differs(&mut self, topic: Topic, is_wanted: bool) {
        let Self { to_hear, to_leave, .. } = self;
        let (into, out_of) = if is_wanted { (to_hear, to_leave) } else { (to_leave, to_hear) };
        out_of.swap_remove(&topic);
        into.insert(topic);
    }

    /// There is a new connection, on which nothing is heard, or none.
    pub(super) fn begin_again(&mut self) {
        self.heard = KeyedSet::default();
        self.to_leave.clear();
        // First what nodes say to each other: a right that is taken away must be heard of.
        // The last one is asked for first.
        let (others, of_nodes): (Vec<_>, Vec<_>) =
            self.wanted.iter().cloned().partition(|topic| matches!(topic, Topic::For(_)));
        self.to_hear = others.into_iter().chain(of_nodes).collect();
    }

    /// Nobody waits any longer.
    pub(super) fn let_go(&mut self) {
        self.waiting = KeyedMap::default();
    }

    /// What to ask for next. The answer is to be [noted](Self::note).
    pub(super) fn next(&mut self) -> Option<Listen> {
        let hear = next(&mut self.to_hear, |topic| !self.heard.contains(topic));
        if !hear.is_empty() {
            return Some(Listen::To(hear));
        }
        let leave = next(&mut self.to_leave, |topic| self.heard.contains(topic));
        (!leave.is_empty()).then_some(Listen::NoMoreTo(leave))
    }

    /// The server has done what it was asked for.
    pub(super) fn note(&mut self, done: Listen) {
        match done {
            Listen::To(topics) => {
                for topic in topics {
                    self.waiting.remove(&topic);
                    if !self.wanted.contains(&topic) {
                        self.differs(topic.clone(), false);
                    }
                    self.heard.insert(topic);
                }
            }
            Listen::NoMoreTo(topics) => {
                for topic in topics {
                    if self.wanted.contains(&topic) {
                        self.differs(topic.clone(), true);
                    }
                    self.heard.remove(&topic);
                }
            }
        }
        if self.heard.capacity() > 4 * self.heard.len() + FEW {
            self.wanted.shrink_to_fit();
            self.heard.shrink_to_fit();
        }
    }

    /// Whether what nodes say to each other is heard.
    pub(super) fn hears_nodes(&self) -> bool {
        self.heard.contains(&Topic::Nodes)
    }

    /// To be waited for until a topic is heard, where it is not.
    pub(super) fn wait(&mut self, topic: &Topic) -> Option<Wait> {
        if self.heard.contains(topic) {
            return None;
        }
        Some(self.waiting.entry(topic.clone()).or_default().add())
    }
}

/// The first of these that are still to be asked for, taken out.
fn next(topics: &mut IndexSet<Topic, Keyed>, is_due: impl Fn(&Topic) -> bool) -> Vec<Topic> {
    let mut due = Vec::new();
    while due.len() < TOGETHER
        && let Some(topic) = topics.pop()
    {
        if is_due(&topic) {
            due.push(topic);
        }
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> Topic {
        Topic::For(Whom::Group(GroupName::new(name).unwrap()))
    }

    #[test]
    fn a_channel_says_which_topic_it_is_of() {
        let user = Topic::For(Whom::User(UserId::new("a:b é").unwrap()));
        for topic in
            [group("room:1:t:a"), user, Topic::For(Whom::Everybody), Topic::Nodes, Topic::Node(77)]
        {
            assert_eq!(Topic::of("umbral", &topic.channel("umbral")), Some(topic));
        }
        for other in ["umbral:t:", "umbral:t:x:1", "umbral:t:g:a b", "other:t:a", "{umbral:1}:e"] {
            assert_eq!(Topic::of("umbral", other), None, "{other}");
        }
    }

    #[test]
    fn what_is_wanted_and_heard_comes_to_agree() {
        let mut topics = Topics::default();
        topics.want(group("a"), true);
        let mut wait = topics.wait(&group("a")).unwrap();
        assert!(wait.try_recv().is_err());
        let Some(Listen::To(asked)) = topics.next() else { panic!("something to ask for") };
        assert_eq!(asked, [group("a")]);
        assert!(topics.next().is_none());
        topics.want(group("a"), false);
        topics.note(Listen::To(asked));
        let Some(Listen::NoMoreTo(asked)) = topics.next() else { panic!("something to ask for") };
        topics.note(Listen::NoMoreTo(asked));
        topics.want(group("b"), true);
        topics.want(group("b"), false);
        assert!(topics.next().is_none());
        for n in 0..1200 {
            topics.want(group(&format!("room:{n}")), true);
        }
        let mut count = 0;
        while let Some(Listen::To(asked)) = topics.next() {
            assert!(asked.len() <= TOGETHER);
            count += asked.len();
            topics.note(Listen::To(asked));
        }
        assert_eq!(count, 1200);
        topics.begin_again();
        assert!(matches!(topics.next(), Some(Listen::To(asked)) if asked.len() == TOGETHER));
    }

    #[test]
    fn on_a_new_connection_nodes_are_heard_first_and_those_who_leave_meanwhile_slow_nobody() {
        let mut topics = Topics::default();
        topics.want(Topic::Nodes, true);
        topics.want(Topic::Node(7), true);
        for n in 0..5000 {
            topics.want(group(&format!("room:{n}")), true);
        }
        topics.begin_again();
        let mut batches = 0;
        let mut left = 0;
        while let Some(listen) = topics.next() {
            if batches == 0 {
                let asked = listen.topics();
                assert!(asked.contains(&Topic::Nodes) && asked.contains(&Topic::Node(7)));
            }
            // Every other room is left while this is asked for.
            for n in (left..left + 250).filter(|n| *n < 2500) {
                topics.want(group(&format!("room:{}", 2 * n)), false);
            }
            left += 250;
            topics.note(listen);
            batches += 1;
        }
        assert!(topics.hears_nodes());
        assert_eq!(topics.heard, topics.wanted);
        assert_eq!(topics.wanted.len(), 2502);
        assert!(batches < 20, "{batches}");
    }
}
