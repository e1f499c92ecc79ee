//! Who is visible in one group, and what of that has not been told yet.
//!
//! A place holds what is true of a user and what subscribers were told of the user:
//!
//! ```text
//!            show ─▶ here, untold ──── flush ───▶ here, told ◀─┐
//! (nothing) ◀─ hide ─────┘    ▲                    │  ▲        │ flush
//!     ▲                       │               hide │  │ return │
//!     │                       └ (a new place)      ▼  │        │
//!     └──────────────── flush ────────────────── gone, told   updated, told
//! ```

use std::{collections::HashSet, time::Instant};

#[cfg(feature = "redis")]
use super::member::Payload;
use super::{
    member::{Answer, Member},
    pace::Paces,
    roll::Roll,
    slab::{Id, Slab},
};
use crate::{hash::KeyedMap, name::UserId};

/// Names the place of a user in a view. One that is gone is never named again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlaceId(Id);

/// The visible members of one group, versioned.
///
/// `places` is the truth of this moment. What subscribers have been told is `roll`. A version
/// counts one change told.
#[derive(Debug, Default)]
pub(crate) struct View {
    version: u64,
    roll: Roll,
    last_key: u64,
    places: Slab<Place>,
    /// How many users are here.
    visible: usize,
    untold: Untold,
    /// Users who are gone and whose subscribers have not been told so.
    leaving: KeyedMap<UserId, PlaceId>,
    paces: Paces,
    /// Changes that came to nothing since the last look.
    cancelled: u64,
}

/// A user who is here, or was when subscribers were told last.
#[derive(Debug)]
struct Place {
    /// As the user is shown, or was last.
    member: Member,
    is_here: bool,
    /// What subscribers were told: the roll has it.
    told: Option<Member>,
    /// The place is on the list of those that have changed.
    is_listed: bool,
    /// What is true is not what was told.
    is_untold: bool,
    /// The change is not told before then, since the user comes and goes too often.
    not_before: Option<Instant>,
}

/// The places that have changed since they were told.
#[derive(Debug, Default)]
struct Untold {
    /// Each once, and some whose changes have come to nothing.
    list: Vec<PlaceId>,
    /// How many have changes, and of how many they are held back.
    count: usize,
    held: usize,
    /// Until when the first of them is held back. That may be earlier than needed, where its
    /// change came to nothing.
    first_held: Option<Instant>,
}

/// What happened to a member, between what was told before and what is true now.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Joined(Member),
    Left(Member),
    Updated(Member),
}

impl Change {
    pub(crate) fn member(&self) -> &Member {
        match self {
            Self::Joined(member) | Self::Left(member) | Self::Updated(member) => member,
        }
    }
}

/// Who is present at one moment: what was told, and what has changed since. It is looked at
/// without the group's lock.
#[derive(Debug)]
pub(crate) struct Present {
    told: Roll,
    /// The key under which a user was told to be there, and who is there now.
    changed: Vec<(Option<u64>, Option<Member>)>,
}

impl View {
    /// Shows a user who has no place.
    pub(crate) fn show(&mut self, user: &UserId, answer: Answer) -> PlaceId {
        self.last_key += 1;
        self.visible += 1;
        let member = Member::new(user.clone(), self.last_key, answer);
        let place = PlaceId(self.places.insert(Place {
            member,
            is_here: true,
            told: None,
            is_listed: false,
            is_untold: false,
            not_before: None,
        }));
        self.compare(place);
        place
    }

    /// Shows a user like this from now on, unless what is shown was asked for later.
    pub(crate) fn update(&mut self, place: PlaceId, answer: Answer) {
        if let Some(at) = self.places.get(place.0)
            && at.member.asked() <= answer.asked
        {
            self.replace(place, answer);
        }
    }

    /// Shows a user with this payload from now on, whenever it was asked for.
    #[cfg(feature = "redis")]
    pub(crate) fn show_as(&mut self, place: PlaceId, payload: &Payload) {
        if self.places.get(place.0).is_some_and(|at| !at.member.is_shown_as(payload)) {
            self.replace(place, Answer { payload: payload.clone(), ..Answer::id_only() });
        }
    }

    fn replace(&mut self, place: PlaceId, answer: Answer) {
        if let Some(at) = self.places.get_mut(place.0) {
            let (user, key) = (at.member.id().clone(), at.member.key());
            at.member = Member::new(user, key, answer);
            self.compare(place);
        }
    }

    /// Shows a user no more.
    pub(crate) fn hide(&mut self, place: PlaceId) {
        let Some(at) = self.places.get_mut(place.0).filter(|at| at.is_here) else {
            return;
        };
        at.is_here = false;
        self.visible -= 1;
        if at.told.is_some() {
            self.leaving.insert(at.member.id().clone(), place);
        }
        self.compare(place);
    }

    /// Shows a user again as before, where nobody has been told that the user was gone.
    pub(crate) fn show_again(&mut self, user: &UserId) -> Option<PlaceId> {
        if self.leaving.is_empty() {
            return None;
        }
        let place = self.leaving.remove(user)?;
        self.places.get_mut(place.0)?.is_here = true;
        self.visible += 1;
        self.compare(place);
        Some(place)
    }

    /// Compares what is true of a place with what was told.
    fn compare(&mut self, id: PlaceId) {
        let (untold, Some(place)) = (&mut self.untold, self.places.get_mut(id.0)) else {
            return;
        };
        let is_same = match &place.told {
            Some(told) => place.is_here && *told == place.member,
            None => !place.is_here,
        };
        if is_same {
            if std::mem::replace(&mut place.is_untold, false) {
                self.cancelled += 1;
                untold.count -= 1;
                untold.held -= usize::from(place.not_before.take().is_some());
                if untold.held == 0 {
                    untold.first_held = None;
                }
            }
            if !place.is_here {
                self.places.remove(id.0);
            }
        } else if !std::mem::replace(&mut place.is_untold, true) {
            place.not_before = self.paces.not_before(place.member.id());
            untold.count += 1;
            untold.held += usize::from(place.not_before.is_some());
            untold.first_held = untold.first_held.into_iter().chain(place.not_before).min();
            if !std::mem::replace(&mut place.is_listed, true) {
                untold.list.push(id);
            }
        }
    }

    /// Takes the net changes since the last call, save those that are held back; the version
    /// moves on by one for each, in this order.
    pub(crate) fn take_changes(&mut self, now: Instant) -> Vec<Change> {
        let Self { untold, places, paces, roll, leaving, .. } = self;
        let listed = std::mem::take(&mut untold.list);
        let mut changes = Vec::with_capacity(untold.count - untold.held);
        (untold.count, untold.held, untold.first_held) = (0, 0, None);
        for id in listed {
            let Some(place) = places.get_mut(id.0) else {
                continue;
            };
            if !place.is_untold {
                place.is_listed = false;
                continue;
            }
            if let Some(until) = place.not_before.filter(|until| *until > now) {
                untold.count += 1;
                untold.held += 1;
                untold.first_held = untold.first_held.into_iter().chain([until]).min();
                untold.list.push(id);
                continue;
            }
            (place.is_listed, place.is_untold, place.not_before) = (false, false, None);
            let member = place.member.clone();
            changes.push(match (place.told.take(), place.is_here) {
                (None, _) => {
                    paces.joined(member.id(), now);
                    place.told = Some(member.clone());
                    roll.insert(member.clone());
                    Change::Joined(member)
                }
                // One who is back is the same member, under the same key.
                (Some(_), true) => {
                    place.told = Some(member.clone());
                    roll.replace(member.clone());
                    Change::Updated(member)
                }
                (Some(told), false) => {
                    paces.left(told.id(), now);
                    roll.remove(told.key());
                    leaving.remove(told.id());
                    places.remove(id.0);
                    Change::Left(told)
                }
            });
        }
        if leaving.is_empty() {
            // A crowd that has gone leaves no table behind.
            *leaving = KeyedMap::default();
        }
        self.version += changes.len() as u64;
        changes
    }

    /// How many changes came to nothing since the last call: a user was back before anybody was
    /// told of the leave, or gone before the join was.
    pub(crate) fn take_cancelled(&mut self) -> u64 {
        std::mem::take(&mut self.cancelled)
    }

    /// Whether there are changes that are to be told now.
    pub(crate) fn has_changes(&self, now: Instant) -> bool {
        let Untold { count, held, first_held, .. } = self.untold;
        count > held || first_held.is_some_and(|at| at <= now)
    }

    /// When changes that are held back are to be told.
    pub(crate) fn held_until(&self) -> Option<Instant> {
        self.untold.first_held
    }

    /// When to [forget](Self::forget) again.
    pub(crate) fn forget_at(&self) -> Option<Instant> {
        self.paces.look_at()
    }

    /// Forgets, when it is time to, how often users came and went who do so no more.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.paces.look(now);
    }

    /// The number of the last change told.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Everybody who was present at the last flush, in order of joining: what belongs to
    /// [`version`](Self::version).
    pub(crate) fn told(&self) -> &Roll {
        &self.roll
    }

    /// Everybody who is present now.
    pub(crate) fn now(&self) -> Present {
        let listed = self.untold.list.iter().filter_map(|id| self.places.get(id.0));
        let changed = listed.filter(|place| place.is_untold).map(|place| {
            let is = place.is_here.then(|| place.member.clone());
            (place.told.as_ref().map(Member::key), is)
        });
        Present { told: self.roll.clone(), changed: changed.collect() }
    }

    /// How many are present now.
    pub(crate) fn count(&self) -> usize {
        self.visible
    }

    /// Whether nobody is here and nothing is left to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many there is room for in all its tables.
    #[cfg(all(test, not(feature = "__shuttle")))]
    pub(crate) fn capacity(&self) -> usize {
        let Self { places, untold, leaving, paces, .. } = self;
        places.capacity() + untold.list.capacity() + leaving.capacity() + paces.capacity()
    }

    /// As a user with this place is shown.
    #[cfg(test)]
    pub(crate) fn member(&self, place: PlaceId) -> Option<&Member> {
        self.places.get(place.0).map(|place| &place.member)
    }
}

impl Present {
    /// Everybody, in order of joining.
    pub(crate) fn members(self) -> Vec<Member> {
        let Self { told, changed } = self;
        if changed.is_empty() {
            return told.members().cloned().collect();
        }
        let gone: HashSet<u64> = changed.iter().filter_map(|(told, _)| *told).collect();
        let stayed = told.members().filter(|member| !gone.contains(&member.key())).cloned();
        let mut members: Vec<_> = stayed.collect();
        members.extend(changed.into_iter().filter_map(|(_, is)| is));
        members.sort_by_key(Member::key);
        members
    }
}
