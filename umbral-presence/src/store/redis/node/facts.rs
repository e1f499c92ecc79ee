//! Who is in one group, by the word of every node: what this node wants to be known, what the store
//! has told, and who is visible for these reasons.
//!
//! ```text
//! want ─▶ here ─────────────┐                      a user is visible while
//!          │ batch          ▼                        · somebody is here, or
//!          ▼              visible? ─▶ View           · another node says so, or
//!        store ─ told ─▶ nodes ─────┘                · our leave has not come back in order
//! ```

use std::mem;

use smallvec::SmallVec;

use super::words::{NodeId, Said, Stored, Version};
use crate::{
    hash::{KeyedMap, KeyedSet},
    name::{GroupName, UserId},
    roster::{Answer, Asked, Payload, PlaceId, View},
};

/// What is known of one group.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    users: KeyedMap<UserId, Entry>,
    /// Those of whom the store is still to be told.
    unsaid: KeyedSet<UserId>,
    /// How many are here.
    here: usize,
    reading: Reading,
    /// The store is out of reach: what it would confirm is not waited for.
    is_alone: bool,
    /// Users about whom somebody [waits](Self::await_stored), and those of them about whom nothing
    /// is waited for any more.
    awaited: KeyedSet<UserId>,
    settled: Vec<UserId>,
}

/// One user in one group.
#[derive(Debug, Default)]
struct Entry {
    /// As the user is shown who is connected to this node, and when that was asked for.
    here: Option<Payload>,
    asked: Asked,
    /// The user is here no more, which is to be said though the store may have no join: only when it
    /// has answered, and all up to that was heard, is it known that no other node has the user.
    leaves: bool,
    sending: Sending,
    /// What was said last was not taken, though the store has answered: the group's key is somebody
    /// else's, say. It is said again after each reading, and is no reason to read.
    is_vain: bool,
    nodes: SmallVec<[Known; 1]>,
    place: Option<PlaceId>,
}

/// What one node says of a user.
#[derive(Clone, Debug)]
struct Known {
    stored: Stored,
    /// The node is this one, by this registration or one before.
    is_ours: bool,
    /// The store does not say so any more, after a loss. It holds until it is released.
    is_held: bool,
}

/// Whether something that was said may still be on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sending {
    #[default]
    Nothing,
    /// There is no answer yet.
    Sent,
    /// The store had it at this version at the latest.
    Stored(Version),
}

/// How much of the group is known.
#[derive(Debug, Default)]
enum Reading {
    /// It has to be read.
    #[default]
    Unread,
    /// It is being read; this was told meanwhile.
    Asked(Vec<Told>),
    /// All up to this version, and what was told since.
    Read(Version),
}

/// One change, as it was told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) version: Version,
    pub(crate) node: NodeId,
    pub(crate) is_ours: bool,
    pub(crate) user: UserId,
    pub(crate) payload: Option<Payload>,
}

/// What was true of the shard when a group was read, and of this node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader {
    pub(crate) version: Version,
    /// Up to which version all has been told by now.
    pub(crate) known: Version,
    /// The registration of this node, and its process.
    pub(crate) us: Option<NodeId>,
    pub(crate) process: u64,
    /// What the store says no more is held.
    pub(crate) holds: bool,
}

/// More is not kept while a group is read: then it is read again.
const MOST_TOLD: usize = 10_000;

impl Facts {
    /// A group of which nothing is known yet.
    pub(crate) fn new(is_alone: bool) -> Self {
        Self { is_alone, ..Self::default() }
    }

    /// Shows a user who is connected to this node like this, unless what is shown was asked for
    /// later, or says that the user is connected no more. Says whether the store is to be told.
    pub(crate) fn want(&mut self, user: &UserId, answer: Option<Answer>, view: &mut View) -> bool {
        if answer.is_none() && !self.users.contains_key(user) {
            return false;
        }
        let entry = self.users.entry(user.clone()).or_default();
        if let Some(answer) = &answer {
            if entry.here.is_some() && entry.asked > answer.asked {
                return false;
            }
            entry.asked = answer.asked;
        }
        self.here += usize::from(answer.is_some());
        self.here -= usize::from(entry.here.is_some());
        entry.here = answer.map(|answer| answer.payload);
        entry.leaves = entry.here.is_none() && entry.place.is_some() && !self.is_alone;
        self.unsaid.insert(user.clone());
        self.settle(user, view);
        self.unsaid.contains(user)
    }

    /// Whether a user who is connected to this node is shown.
    pub(crate) fn is_here(&self, user: &UserId) -> bool {
        self.users.get(user).is_some_and(|entry| entry.here.is_some())
    }

    /// Whether a user is shown, by the word of whatever node.
    pub(crate) fn is_shown(&self, user: &UserId) -> bool {
        self.users.get(user).is_some_and(|entry| entry.place.is_some())
    }

    /// Whether the store is still to confirm what this node says of a user. Then the user is among
    /// the [settled](Self::take_settled) when it has, or when it cannot be waited for.
    pub(crate) fn await_stored(&mut self, user: &UserId) -> bool {
        let is_sent = |entry: &Entry| entry.sending == Sending::Sent;
        let is_open = self.unsaid.contains(user) || self.users.get(user).is_some_and(is_sent);
        let waits = is_open && !self.is_alone;
        if waits {
            self.awaited.insert(user.clone());
        }
        waits
    }

    /// Those who were awaited.
    pub(crate) fn take_settled(&mut self) -> Vec<UserId> {
        mem::take(&mut self.settled)
    }

    /// Whether what other nodes say is known.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.reading, Reading::Read(_))
    }

    /// Whether the node goes on without the store.
    pub(crate) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Takes up to `most` of what the store is to be told.
    pub(crate) fn say(&mut self, group: &GroupName, most: usize, into: &mut Vec<Said>) {
        let users: Vec<_> = self.unsaid.iter().take(most).cloned().collect();
        for user in users {
            self.unsaid.remove(&user);
            let Some(entry) = self.users.get_mut(&user) else {
                continue;
            };
            entry.sending = Sending::Sent;
            entry.leaves = false;
            let payload = entry.here.clone();
            into.push(Said { group: group.clone(), user, payload });
        }
        if self.unsaid.is_empty() {
            self.unsaid = KeyedSet::default();
        }
    }

    /// Whether there is something that the store is to be told.
    pub(crate) fn is_unsaid(&self) -> bool {
        !self.unsaid.is_empty()
    }

    /// What was said of a user is stored, by this version.
    pub(crate) fn stored(&mut self, user: &UserId, by: Version) {
        if let Some(entry) = self.users.get_mut(user) {
            entry.sending = Sending::Stored(by);
        }
        if !self.unsaid.contains(user) && self.awaited.remove(user) {
            self.settled.push(user.clone());
        }
    }

    /// It is not known whether what was said of a user is stored: it is said again.
    pub(crate) fn say_again(&mut self, user: &UserId) {
        if self.users.contains_key(user) {
            self.unsaid.insert(user.clone());
        }
    }

    /// Everything is said again, since nothing of it may be stored.
    pub(crate) fn say_all(&mut self) {
        for (user, entry) in &mut self.users {
            if entry.here.is_some() || entry.sending != Sending::Nothing {
                self.unsaid.insert(user.clone());
            }
        }
    }

    /// Everything up to a version has been told. Where that is not as it was said, something was
    /// missed.
    pub(crate) fn reached(
        &mut self,
        user: &UserId,
        version: Version,
        us: Option<NodeId>,
        view: &mut View,
    ) {
        let (Reading::Read(_), Some(entry)) = (&self.reading, self.users.get_mut(user)) else {
            // What is read will tell.
            return;
        };
        if !matches!(entry.sending, Sending::Stored(at) if at <= version) {
            return;
        }
        entry.sending = Sending::Nothing;
        let is_as_said = self.unsaid.contains(user) || entry.is_stored_as_wanted(us);
        let was_vain = mem::replace(&mut entry.is_vain, !is_as_said);
        self.settle(user, view);
        if !is_as_said && !was_vain {
            self.missed();
        }
    }

    /// Takes in what a node has said of a user.
    pub(crate) fn told(&mut self, told: Told, view: &mut View) {
        match &mut self.reading {
            Reading::Unread => {}
            Reading::Read(floor) if told.version <= *floor => {}
            Reading::Read(_) => self.take_in(told, view),
            Reading::Asked(meanwhile) if meanwhile.len() < MOST_TOLD => meanwhile.push(told),
            Reading::Asked(_) => self.reading = Reading::Unread,
        }
    }

    fn take_in(&mut self, told: Told, view: &mut View) {
        let Told { version, node, is_ours, user, payload } = told;
        if payload.is_none() && !self.users.contains_key(&user) {
            return;
        }
        let entry = self.users.entry(user.clone()).or_default();
        entry.nodes.retain(|known| known.stored.node != node);
        if let Some(payload) = payload {
            // What was held for want of news of that node is not needed any more.
            let is_over = |known: &Known| known.is_held && !known.stored.node.is_later_than(node);
            entry.nodes.retain(|known| !is_over(known));
            let stored = Stored { node, written: version, payload };
            entry.nodes.push(Known { stored, is_ours, is_held: false });
        }
        self.settle(&user, view);
    }

    /// Forgets what a node has said that is dead.
    pub(crate) fn dead(&mut self, version: Version, node: NodeId, view: &mut View) {
        match &mut self.reading {
            Reading::Read(floor) if version > *floor => {}
            Reading::Unread | Reading::Read(_) => return,
            // The reading may or may not know it.
            Reading::Asked(_) => {
                self.reading = Reading::Unread;
                return;
            }
        }
        self.forget(view, |known| known.stored.node == node);
    }

    /// Forgets what was held.
    pub(crate) fn release(&mut self, view: &mut View) {
        self.forget(view, |known| known.is_held);
    }

    fn forget(&mut self, view: &mut View, mut is_over: impl FnMut(&Known) -> bool) {
        let mut changed = Vec::new();
        for (user, entry) in &mut self.users {
            let before = entry.nodes.len();
            entry.nodes.retain(|known| !is_over(known));
            if entry.nodes.len() != before {
                changed.push(user.clone());
            }
        }
        for user in changed {
            self.settle(&user, view);
        }
    }

    /// Whether the group is to be read.
    pub(crate) fn is_unread(&self) -> bool {
        matches!(self.reading, Reading::Unread)
    }

    /// Something may have been missed.
    pub(crate) fn missed(&mut self) {
        self.reading = Reading::Unread;
    }

    /// Something up to this version may have been missed, unless it was read since. A reading that
    /// is under way is not touched.
    pub(crate) fn missed_until(&mut self, version: Version) {
        if matches!(self.reading, Reading::Read(floor) if floor < version) {
            self.reading = Reading::Unread;
        }
    }

    /// The group is about to be read.
    pub(crate) fn asked(&mut self) {
        self.reading = Reading::Asked(Vec::new());
    }

    /// Takes in what was read, unless something was missed meanwhile.
    pub(crate) fn read(&mut self, found: Vec<(UserId, Stored)>, by: &Reader, view: &mut View) {
        let &Reader { version, known, us, process, holds } = by;
        let Reading::Asked(meanwhile) = mem::take(&mut self.reading) else {
            return;
        };
        let mut before: KeyedMap<_, SmallVec<[Known; 1]>> = KeyedMap::default();
        for (user, entry) in &mut self.users {
            before.insert(user.clone(), mem::take(&mut entry.nodes));
        }
        for (user, stored) in found {
            let is_ours = stored.node.process() == process;
            let known = Known { stored, is_ours, is_held: false };
            before.entry(user.clone()).or_default();
            self.users.entry(user).or_default().nodes.push(known);
        }
        self.reading = Reading::Read(version);
        for (user, before) in &before {
            if let Some(entry) = self.users.get_mut(user) {
                entry.hold(before, holds);
                if matches!(entry.sending, Sending::Stored(at) if at <= version) {
                    entry.sending = Sending::Nothing;
                }
                let is_wanted = entry.is_stored_as_wanted(us);
                entry.is_vain &= !is_wanted;
                if !is_wanted && entry.sending == Sending::Nothing {
                    self.unsaid.insert(user.clone());
                }
            }
        }
        for told in meanwhile {
            if told.version > version {
                self.take_in(told, view);
            }
        }
        for user in before.into_keys() {
            self.settle(&user, view);
            // What was stored after the reading may have been told before its answer came.
            self.reached(&user, known, us, view);
        }
    }

    /// The store is out of reach, or within it again.
    pub(crate) fn set_alone(&mut self, is_alone: bool, view: &mut View) {
        if mem::replace(&mut self.is_alone, is_alone) != is_alone {
            self.settled.extend(mem::take(&mut self.awaited));
            if is_alone {
                self.users.values_mut().for_each(|entry| entry.leaves = false);
            }
            let users: Vec<_> = self.users.keys().cloned().collect();
            for user in users {
                self.settle(&user, view);
            }
        }
    }

    /// Shows a user, or shows a user no more, by what is known now.
    fn settle(&mut self, user: &UserId, view: &mut View) {
        let Some(entry) = self.users.get_mut(user) else {
            return;
        };
        let waits = !self.is_alone;
        let is_read = matches!(self.reading, Reading::Read(_));
        match entry.shown(waits, is_read) {
            Shown::Like(payload) => {
                let place = entry.place.or_else(|| view.show_again(user));
                entry.place = Some(match place {
                    Some(place) => {
                        view.show_as(place, payload);
                        place
                    }
                    None => {
                        view.show(user, Answer { payload: payload.clone(), ..Answer::id_only() })
                    }
                });
            }
            Shown::AsBefore => {}
            Shown::Not => {
                if let Some(place) = entry.place.take() {
                    view.hide(place);
                }
            }
        }
        if entry.here.is_none() && !entry.is_open() {
            self.unsaid.remove(user);
            if self.awaited.remove(user) {
                self.settled.push(user.clone());
            }
            if entry.nodes.is_empty() && entry.place.is_none() {
                self.users.remove(user);
            }
        }
    }

    /// What other nodes say, as far as it is known.
    #[cfg(test)]
    pub(crate) fn of_others(&self) -> impl Iterator<Item = (&UserId, &Stored)> {
        self.users.iter().flat_map(|(user, entry)| {
            let others = entry.nodes.iter().filter(|known| !known.is_ours);
            others.map(move |known| (user, &known.stored))
        })
    }

    /// Whether nothing would be lost if the group were forgotten here.
    pub(crate) fn is_idle(&self) -> bool {
        let is_asked = matches!(self.reading, Reading::Asked(_)) && !self.is_alone;
        let is_open = || self.users.values().any(Entry::is_open);
        self.here == 0 && self.unsaid.is_empty() && !is_asked && !is_open()
    }
}

/// How a user is to be shown.
enum Shown<'a> {
    Like(&'a Payload),
    AsBefore,
    Not,
}

impl Entry {
    /// `waits`: for what the store would confirm; `is_read`: what other nodes say is known.
    fn shown(&self, waits: bool, is_read: bool) -> Shown<'_> {
        let by_others = self.nodes.iter().any(|known| !known.is_ours);
        let newest = self.nodes.iter().max_by_key(|known| known.stored.rank());
        match (&self.here, newest) {
            (Some(here), _) if !by_others => Shown::Like(here),
            (_, Some(newest)) if by_others => Shown::Like(&newest.stored.payload),
            // Our leave has not come back: another node's join may come before it.
            _ if waits && self.place.is_some() && (self.is_open() || !is_read) => Shown::AsBefore,
            _ => Shown::Not,
        }
    }

    /// Whether the store has something of this node, or may have.
    fn is_open(&self) -> bool {
        let is_said = self.leaves || self.sending != Sending::Nothing;
        is_said || self.nodes.iter().any(|known| known.is_ours)
    }

    /// Whether the store holds of this node what this node wants.
    fn is_stored_as_wanted(&self, us: Option<NodeId>) -> bool {
        let ours = self.nodes.iter().find(|known| Some(known.stored.node) == us);
        ours.map(|known| &known.stored.payload) == self.here.as_ref()
    }

    /// Keeps what was known before and is not there any more.
    fn hold(&mut self, before: &[Known], holds: bool) {
        for known in before.iter().filter(|known| !known.is_ours) {
            let is_held = known.is_held || holds;
            let is_news = |other: &Known| !known.stored.node.is_later_than(other.stored.node);
            let has_news = self.nodes.iter().any(is_news);
            if is_held && !has_news {
                self.nodes.push(Known { is_held, ..known.clone() });
            }
        }
    }
}

#[cfg(all(test, not(feature = "__shuttle")))]
mod tests {
    use super::*;
    use crate::store::redis::text;

    #[test]
    fn a_leave_that_is_told_before_an_older_reading_is_answered_is_shown() {
        let (group, user) = (text::group("room:1").unwrap(), text::user("7").unwrap());
        let us = NodeId::first(1);
        let (mut facts, mut view) = (Facts::new(false), View::default());
        let by = |version, known| Reader {
            version: Version(version),
            known: Version(known),
            us: Some(us),
            process: us.process(),
            holds: false,
        };
        let told = |version, payload| Told {
            version: Version(version),
            node: us,
            is_ours: true,
            user: user.clone(),
            payload,
        };
        facts.asked();
        facts.read(Vec::new(), &by(1, 1), &mut view);
        facts.want(&user, Some(Answer::id_only()), &mut view);
        facts.say(&group, 1, &mut Vec::new());
        facts.stored(&user, Version(2));
        facts.told(told(2, Some(Payload::IdOnly)), &mut view);
        facts.reached(&user, Version(2), Some(us), &mut view);
        assert!(facts.is_shown(&user));

        facts.asked();
        facts.want(&user, None, &mut view);
        facts.say(&group, 1, &mut Vec::new());
        facts.stored(&user, Version(4));
        facts.told(told(4, None), &mut view);
        facts.reached(&user, Version(4), Some(us), &mut view);
        let stored = Stored { node: us, written: Version(2), payload: Payload::IdOnly };
        facts.read(vec![(user.clone(), stored)], &by(3, 4), &mut view);
        assert!(!facts.is_shown(&user), "it would be shown for ever");
    }

    /// One node has heard all, the other has read it.
    #[test]
    fn who_has_heard_and_who_has_read_show_the_same() {
        let user = text::user("7").unwrap();
        let (mut heard, mut heard_view) = (Facts::new(false), View::default());
        let (mut read, mut read_view) = (Facts::new(false), View::default());
        let by = |version| Reader {
            version: Version(version),
            known: Version(version),
            us: None,
            process: 1,
            holds: false,
        };
        let (old, new) = (NodeId::first(2), NodeId::first(3));
        let told = |version, node, payload| Told {
            version: Version(version),
            node,
            is_ours: false,
            user: user.clone(),
            payload: Some(payload),
        };
        let json = text::payload("{\"name\":\"A\"}").unwrap();
        heard.asked();
        heard.read(Vec::new(), &by(4), &mut heard_view);
        heard.told(told(5, new, json), &mut heard_view);
        heard.told(told(10, old, Payload::IdOnly), &mut heard_view);
        // What `apply.lua` writes for these.
        let found = [(new, "5 {\"name\":\"A\"}"), (old, "")].map(|(node, value)| {
            text::fact(&format!("7\u{1f}{}", text::name(node.0)), value).unwrap()
        });
        read.asked();
        read.read(found.into(), &by(10), &mut read_view);
        let shown = |view: &View| {
            let members = view.now().members();
            members.iter().map(|member| member.payload().get().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown(&heard_view), shown(&read_view));
    }
}
