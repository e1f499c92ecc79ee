//! The members of a group as its subscribers were told, in order of joining.
//!
//! A roll is cut into pages. A copy of it shares them, so that taking one costs next to
//! nothing, however many members there are, and a change afterwards copies one page. A page
//! is written as JSON at most once between two changes of it, for every reader of every copy.
//! A page that only copies still have is written anew for each reader and its text is not kept, so
//! that slow readers of many copies hold no text.

use std::{io::Write, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;

use super::member::Member;

/// The most members of a page.
const PAGE_MEMBERS: usize = 512;

/// About the most bytes of payloads of a page: so much is written at once.
const PAGE_BYTES: usize = 32 * 1024;

/// The members at one version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roll {
    pages: Arc<Vec<Leaf>>,
    len: usize,
    bytes: usize,
}

/// A page and the key of its first member, by which it is found.
#[derive(Clone, Debug)]
struct Leaf {
    first: u64,
    page: Arc<Page>,
}

/// Some members who follow one another.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// By key, which is never given out twice and grows. Never empty in a roll.
    members: Vec<(u64, Member)>,
    /// What their payloads take, a comma for each counted in.
    bytes: usize,
    text: Mutex<Text>,
}

/// What is written of a page, a comma before each value, once somebody has asked for it.
#[derive(Debug, Default)]
struct Text {
    payloads: Option<Bytes>,
    keys: Option<Bytes>,
    /// The roll has another page in its place.
    is_old: bool,
}

impl Roll {
    /// About how many bytes it takes to write them.
    pub(crate) fn bytes(&self) -> usize {
        /// The digits of a key, and its comma.
        const KEY_BYTES: usize = 8;
        self.bytes + self.len * KEY_BYTES
    }

    pub(crate) fn pages(&self) -> impl ExactSizeIterator<Item = &Arc<Page>> {
        self.pages.iter().map(|entry| &entry.page)
    }

    /// The page at this place, in order.
    pub(crate) fn page(&self, at: usize) -> Option<&Arc<Page>> {
        self.pages.get(at).map(|entry| &entry.page)
    }

    /// Everybody, in order of joining.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.pages().flat_map(|page| page.members.iter().map(|(_, member)| member))
    }

    /// Adds a member, usually behind all others.
    pub(crate) fn insert(&mut self, member: Member) {
        self.len += 1;
        self.bytes += bytes_of(&member);
        let key = member.key();
        let pages = Arc::make_mut(&mut self.pages);
        let at = match pages.last() {
            Some(last) if last.first <= key => pages.len() - 1,
            _ => place(pages, key),
        };
        let Some(entry) = pages.get_mut(at) else {
            pages.push(Leaf::of(Page::default().with(member)));
            return;
        };
        let is_behind_all = entry.page.last() < key && at + 1 == pages.len();
        if is_behind_all && pages[at].page.is_full() {
            pages.push(Leaf::of(Page::default().with(member)));
            return;
        }
        let rest = pages[at].change(|page| {
            let at = page.members.partition_point(|(other, _)| *other < key);
            page.bytes += bytes_of(&member);
            page.members.insert(at, (key, member));
            page.split()
        });
        pages.splice(at + 1..at + 1, rest.map(Leaf::of));
    }

    /// Takes the member with this key out.
    pub(crate) fn remove(&mut self, key: u64) {
        let pages = Arc::make_mut(&mut self.pages);
        let at = place(pages, key);
        let Some(found) = pages.get(at).and_then(|entry| entry.page.find(key)) else {
            return;
        };
        if pages[at].page.members.len() == 1 {
            let page = pages.remove(at).page;
            page.grow_old();
            self.bytes -= page.bytes;
        } else {
            self.bytes -= pages[at].change(|page| {
                let (_, member) = page.members.remove(found);
                page.bytes -= bytes_of(&member);
                bytes_of(&member)
            });
            if let Some(before) = at.checked_sub(1)
                && pages[before].page.takes(&pages[at].page)
            {
                let page = pages.remove(at).page;
                page.grow_old();
                pages[before].change(|into| {
                    into.bytes += page.bytes;
                    into.members.extend(page.members.iter().cloned());
                });
            }
        }
        self.len -= 1;
    }

    /// Puts a member in the place of the one with the same key.
    pub(crate) fn replace(&mut self, member: Member) {
        let key = member.key();
        let pages = Arc::make_mut(&mut self.pages);
        let at = place(pages, key);
        let Some(found) = pages.get(at).and_then(|entry| entry.page.find(key)) else {
            return;
        };
        let (more, rest) = pages[at].change(|page| {
            let more = bytes_of(&member);
            let less = bytes_of(&page.members[found].1);
            page.members[found].1 = member;
            page.bytes = page.bytes + more - less;
            ((more, less), page.split())
        });
        self.bytes = self.bytes + more.0 - more.1;
        pages.splice(at + 1..at + 1, rest.map(Leaf::of));
    }
}

/// The page where a key stands, or would.
fn place(pages: &[Leaf], key: u64) -> usize {
    pages.partition_point(|entry| entry.first <= key).saturating_sub(1)
}

/// What a member's payload takes, with its comma.
fn bytes_of(member: &Member) -> usize {
    member.payload_bytes() + 1
}

impl Leaf {
    fn of(page: Page) -> Self {
        Self { first: page.first(), page: Arc::new(page) }
    }

    /// Changes the page, which is copied where another roll has it too.
    fn change<T>(&mut self, change: impl FnOnce(&mut Page) -> T) -> T {
        if Arc::get_mut(&mut self.page).is_none() {
            self.page.grow_old();
        }
        let page = Arc::make_mut(&mut self.page);
        page.text = Mutex::default();
        let changed = change(page);
        self.first = page.first();
        changed
    }
}

impl Page {
    fn with(mut self, member: Member) -> Self {
        self.bytes += bytes_of(&member);
        self.members.push((member.key(), member));
        self
    }

    fn first(&self) -> u64 {
        self.members.first().map_or(0, |(key, _)| *key)
    }

    fn last(&self) -> u64 {
        self.members.last().map_or(0, |(key, _)| *key)
    }

    fn find(&self, key: u64) -> Option<usize> {
        self.members.binary_search_by_key(&key, |(key, _)| *key).ok()
    }

    fn is_full(&self) -> bool {
        self.members.len() >= PAGE_MEMBERS || self.bytes >= PAGE_BYTES
    }

    /// Whether another page is so small that it belongs into this one.
    fn takes(&self, next: &Self) -> bool {
        self.members.len() + next.members.len() <= PAGE_MEMBERS / 2
            && self.bytes + next.bytes <= PAGE_BYTES / 2
    }

    /// Halves a page that has become too large; gives the latter half.
    fn split(&mut self) -> Option<Self> {
        let is_too_large = self.members.len() > PAGE_MEMBERS || self.bytes > PAGE_BYTES;
        if !is_too_large || self.members.len() < 2 {
            return None;
        }
        let members = self.members.split_off(self.members.len() / 2);
        let bytes = members.iter().map(|(_, member)| bytes_of(member)).sum();
        self.bytes -= bytes;
        Some(Self { members, bytes, text: Mutex::default() })
    }

    /// The payloads as text, shared by all who read a page of the roll.
    pub(crate) fn payloads(&self) -> Bytes {
        let write = || {
            let mut payloads = Vec::with_capacity(self.bytes);
            self.write_payloads(&mut payloads);
            payloads.into()
        };
        self.text(|text| &mut text.payloads, write)
    }

    /// The keys, likewise.
    pub(crate) fn keys(&self) -> Bytes {
        let write = || {
            let mut keys = Vec::new();
            self.write_keys(&mut keys);
            keys.into()
        };
        self.text(|text| &mut text.keys, write)
    }

    fn text(
        &self,
        part: impl FnOnce(&mut Text) -> &mut Option<Bytes>,
        write: impl FnOnce() -> Bytes,
    ) -> Bytes {
        let mut text = self.text.lock();
        if text.is_old {
            drop(text);
            return write();
        }
        part(&mut text).get_or_insert_with(write).clone()
    }

    /// The roll has another page in its place, or none.
    fn grow_old(&self) {
        *self.text.lock() = Text { is_old: true, ..Text::default() };
    }

    pub(crate) fn write_payloads(&self, into: &mut Vec<u8>) {
        for (_, member) in &self.members {
            into.push(b',');
            member.write_payload(into);
        }
    }

    pub(crate) fn write_keys(&self, into: &mut Vec<u8>) {
        for (key, _) in &self.members {
            // Writing to memory does not fail.
            let _ = write!(into, ",{key}");
        }
    }
}

/// The text is not copied: a page is copied to be changed.
impl Clone for Page {
    fn clone(&self) -> Self {
        Self { members: self.members.clone(), bytes: self.bytes, text: Mutex::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        name::UserId,
        roster::{Answer, Asked, Payload},
    };

    fn member(key: u64, payload_bytes: usize) -> Member {
        let text = "x".repeat(payload_bytes);
        let payload = serde_json::value::to_raw_value(&text).unwrap();
        Member::new(
            UserId::new("7").unwrap(),
            key,
            Answer { payload: Payload::Json(payload.into()), asked: Asked::default() },
        )
    }

    /// Whatever is promised of a roll.
    fn check(roll: &Roll, model: &BTreeMap<u64, usize>) {
        let shown: Vec<_> =
            roll.members().map(|m| (m.key(), m.payload().get().len() - 2)).collect();
        assert!(shown.iter().copied().eq(model.iter().map(|(key, bytes)| (*key, *bytes))));
        assert_eq!(roll.len, model.len());
        let mut bytes = 0;
        for entry in roll.pages.iter() {
            let page = &entry.page;
            assert_eq!(entry.first, page.members[0].0);
            assert!(page.members.len() <= PAGE_MEMBERS);
            assert!(page.bytes <= PAGE_BYTES || page.members.len() == 1);
            assert_eq!(page.payloads().len(), page.bytes);
            bytes += page.bytes;
        }
        assert_eq!(roll.bytes, bytes);
    }

    proptest! {
        #[test]
        fn a_roll_is_what_was_put_in_and_a_copy_stays_as_it_was(
            steps in prop::collection::vec((0..8_u8, any::<prop::sample::Index>(), 0..6000_usize), 1..400),
        ) {
            let (mut roll, mut model, mut last) = (Roll::default(), BTreeMap::new(), 0_u64);
            let mut copy = (roll.clone(), model.clone());
            for (step, which, bytes) in steps {
                let one = |model: &BTreeMap<u64, usize>| {
                    (!model.is_empty()).then(|| *model.keys().nth(which.index(model.len())).unwrap())
                };
                match step {
                    0..=3 => {
                        // Some are told in another order than that of their keys.
                        last += 2;
                        let key = last - 5 * u64::from(step == 3 && last > 10);
                        if model.insert(key, bytes).is_none() {
                            roll.insert(member(key, bytes));
                        } else {
                            roll.replace(member(key, bytes));
                        }
                    }
                    4 | 5 => if let Some(key) = one(&model) {
                        model.remove(&key);
                        roll.remove(key);
                    }
                    6 => if let Some(key) = one(&model) {
                        model.insert(key, bytes);
                        roll.replace(member(key, bytes));
                    }
                    _ => {
                        check(&copy.0, &copy.1);
                        copy = (roll.clone(), model.clone());
                    }
                }
            }
            check(&roll, &model);
            check(&copy.0, &copy.1);
        }
    }

    #[test]
    fn a_crowd_that_goes_leaves_no_crumbs() {
        let mut roll = Roll::default();
        for key in 0..100_000 {
            roll.insert(member(key, 10));
        }
        assert!(roll.pages.len() < 300, "{}", roll.pages.len());
        for key in (0..100_000).filter(|key| key % 100 != 0) {
            roll.remove(key);
        }
        assert_eq!(roll.len, 1000);
        assert!(roll.pages.len() < 20, "{}", roll.pages.len());
    }

    #[test]
    fn of_what_copies_alone_still_have_no_text_is_kept() {
        let mut roll = Roll::default();
        for key in 0..10_000 {
            roll.insert(member(key, 100));
        }
        let copy = roll.clone();
        let kept = |roll: &Roll| roll.pages().filter(|p| p.text.lock().payloads.is_some()).count();
        let texts: Vec<_> = copy.pages().map(|page| (page.payloads(), page.keys())).collect();
        assert_eq!(kept(&copy), roll.pages().len());
        for key in 0..10_000 {
            if key < 5000 { roll.replace(member(key, 10)) } else { roll.remove(key) }
        }
        let again: Vec<_> = copy.pages().map(|page| (page.payloads(), page.keys())).collect();
        assert!(texts == again);
        assert_eq!((kept(&copy), kept(&roll)), (0, 0));
        let shared = roll.pages().map(|page| page.payloads().as_ptr().addr());
        assert!(shared.eq(roll.pages().map(|page| page.payloads().as_ptr().addr())));
    }

    #[test]
    fn a_change_leaves_the_pages_of_a_copy_shared() {
        let mut roll = Roll::default();
        for key in 0..10_000 {
            roll.insert(member(key, 10));
        }
        let copy = roll.clone();
        roll.remove(5000);
        let pages = roll.pages().zip(copy.pages());
        assert_eq!(pages.filter(|(one, other)| !Arc::ptr_eq(one, other)).count(), 1);
    }
}
