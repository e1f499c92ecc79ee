use std::future::poll_fn;

use bytes::Bytes;
use futures_util::FutureExt;

use super::*;
use crate::limits::ENTRY_BYTES;

/// Room for `entries` of ten bytes each.
fn outbox(entries: usize) -> Outbox {
    Outbox::new(entries * (ENTRY_BYTES + 10), Arc::default())
}

/// Ten bytes that begin with `text`.
fn frames(text: &str) -> Frames {
    Bytes::from(format!("{text:-<10}")).into()
}

/// A group whose members nobody asks for.
struct Nobody;

impl Source for Nobody {
    fn take_due(&self, _: &Outbox, _: &DueSnapshot) -> Option<Arc<Snapshot>> {
        None
    }
}

/// A feed whose reader knows the members at version 0.
fn feed(outbox: &Outbox) -> FeedId {
    let feed = outbox.open(Arc::new(Nobody));
    assert!(outbox.want_snapshot(feed).is_none(), "nobody waits");
    assert!(outbox.take_due(&place(outbox), 0));
    feed
}

/// Changes from one version to the next.
fn push(outbox: &Outbox, feed: FeedId, from: u64, text: &str) {
    outbox.push_delta(feed, (from, from + 1), &frames(text));
}

/// The next thing, in short: a frame's text, `sync:` and the slot of a feed, `missed:` and a
/// number.
async fn next(outbox: &Outbox) -> Result<String, End> {
    Ok(match poll_fn(|cx| outbox.poll_next(cx)).await? {
        Next::Frames(frames) => {
            let text = String::from_utf8(frames.iter().flatten().copied().collect());
            text.unwrap().trim_end_matches('-').to_owned()
        }
        Next::Snapshot(place) => format!("sync:{}", place.feed.slot),
        Next::Missed(count) => format!("missed:{count}"),
    })
}

/// The place of the snapshot that is next.
fn place(outbox: &Outbox) -> DueSnapshot {
    match poll_fn(|cx| outbox.poll_next(cx)).now_or_never() {
        Some(Ok(Next::Snapshot(place))) => place,
        other => panic!("{other:?}"),
    }
}

/// Everything that waits.
fn rest(outbox: &Outbox) -> Vec<String> {
    std::iter::from_fn(|| next(outbox).now_or_never()?.ok()).collect()
}

#[tokio::test]
async fn what_was_queued_is_read_before_the_end() {
    let outbox = outbox(9);
    outbox.push_message(frames("a"));
    outbox.end(End::Disconnected);
    outbox.push_message(frames("late"));
    assert_eq!(next(&outbox).await, Ok("a".into()));
    assert_eq!(next(&outbox).await, Err(End::Disconnected));
}

#[test]
fn changes_that_do_not_fit_give_way_to_one_snapshot_and_messages_stay() {
    let outbox = outbox(4);
    let (room, hall) = (feed(&outbox), feed(&outbox));
    push(&outbox, room, 0, "+1");
    outbox.push_message(frames("hello"));
    push(&outbox, hall, 0, "+2");
    push(&outbox, room, 1, "+3");
    push(&outbox, room, 2, "+4");
    // What comes before the snapshot is taken will be in it.
    push(&outbox, room, 3, "+5");
    assert_eq!(next(&outbox).now_or_never().unwrap(), Ok("hello".into()));
    let place = place(&outbox);
    assert_eq!(place.feed, room);
    assert_eq!(rest(&outbox), ["sync:1"]);
    assert_eq!(outbox.counters.resyncs.get(), 2);
    assert!(outbox.take_due(&place, 4), "the group is asked once");
    assert!(!outbox.take_due(&place, 4));
    push(&outbox, room, 4, "+6");
    assert_eq!(rest(&outbox), ["+6"]);
}

#[test]
fn changes_that_a_snapshot_holds_do_not_come_after_it() {
    let outbox = outbox(9);
    let room = feed(&outbox);
    outbox.resync(room);
    // Others are just being told of version 2, which has been given out.
    assert!(outbox.take_due(&place(&outbox), 2));
    push(&outbox, room, 1, "+2");
    push(&outbox, room, 2, "+3");
    assert_eq!(rest(&outbox), ["+3"]);
}

#[test]
fn changes_are_not_for_a_reader_who_knows_nothing_yet() {
    let outbox = outbox(9);
    let room = outbox.open(Arc::new(Nobody));
    push(&outbox, room, 0, "+1");
    assert!(outbox.resync(room).is_none());
    assert!(rest(&outbox).is_empty(), "its first snapshot comes with the others'");
    outbox.want_snapshot(room);
    outbox.want_snapshot(room);
    assert_eq!(rest(&outbox), ["sync:0"]);
}

#[test]
fn a_place_of_an_earlier_time_in_the_group_counts_for_nothing() {
    let outbox = outbox(4);
    let room = outbox.open(Arc::new(Nobody));
    outbox.want_snapshot(room);
    let earlier = place(&outbox);
    outbox.close(room);
    outbox.push_control(frames("denied"));
    let again = outbox.open(Arc::new(Nobody));
    outbox.want_snapshot(again);
    assert!(!outbox.take_due(&earlier, 0));
    assert_eq!(next(&outbox).now_or_never().unwrap(), Ok("denied".into()));
    assert!(outbox.take_due(&place(&outbox), 0));
}

#[test]
fn the_oldest_messages_are_dropped_and_counted() {
    let outbox = outbox(3);
    outbox.push_control(frames("hello"));
    for n in 0..10 {
        outbox.push_message(frames(&n.to_string()));
    }
    assert_eq!(rest(&outbox), ["missed:8", "hello", "8", "9"]);
    assert_eq!(outbox.counters.missed.get(), 8);
    outbox.push_message(frames("10"));
    assert_eq!(rest(&outbox), ["10"]);
}

#[test]
fn a_message_that_never_fits_costs_nothing_else() {
    let outbox = outbox(3);
    let room = feed(&outbox);
    push(&outbox, room, 0, "+1");
    outbox.push_message(frames("a"));
    outbox.push_message(Bytes::from(vec![b'x'; 1000]).into());
    assert_eq!(rest(&outbox), ["missed:1", "+1", "a"]);
}

#[tokio::test]
async fn who_does_not_read_answers_is_closed() {
    let outbox = outbox(3);
    for _ in 0..4 {
        outbox.push_control(frames("refused"));
    }
    assert_eq!(next(&outbox).await, Err(End::Overflow));
}

#[test]
fn nothing_more_is_written_of_a_group_that_was_left() {
    let outbox = outbox(9);
    let (room, hall) = (feed(&outbox), feed(&outbox));
    outbox.resync(room);
    push(&outbox, hall, 0, "+1");
    outbox.close(room);
    outbox.close(hall);
    // Somebody who has looked before still tells them something.
    push(&outbox, hall, 1, "+2");
    outbox.push_group_message(room, frames("late"));
    let again = outbox.open(Arc::new(Nobody));
    outbox.want_snapshot(again);
    assert_eq!(rest(&outbox), ["sync:0"]);
    assert_eq!(outbox.state.lock().queue.cost(), 0);
}

#[test]
fn a_snapshot_that_is_wanted_behind_changes_takes_their_place_too() {
    let outbox = outbox(3);
    let room = feed(&outbox);
    push(&outbox, room, 0, "+1");
    outbox.resync(room);
    outbox.push_message(frames("a"));
    outbox.push_message(frames("b"));
    assert_eq!(rest(&outbox), ["sync:0", "a", "b"]);
}

#[test]
fn a_connection_outside_of_all_groups_keeps_nothing_of_them() {
    let outbox = outbox(3);
    let feeds: Vec<_> = (0..100).map(|_| outbox.open(Arc::new(Nobody))).collect();
    feeds.iter().for_each(|feed| outbox.close(*feed));
    assert!(!outbox.state.lock().feeds.spilled());
    let [one, other] = [(), ()].map(|()| outbox.open(Arc::new(Nobody)));
    outbox.close(one);
    assert_eq!(outbox.open(Arc::new(Nobody)).slot, one.slot);
    assert_ne!(other.slot, one.slot);
}

#[tokio::test]
async fn what_is_ended_at_once_is_not_read() {
    let outbox = outbox(9);
    outbox.push_message(frames("a"));
    outbox.end_now(End::Lost);
    assert_eq!(next(&outbox).await, Err(End::Lost));
}

#[test]
fn progress_is_seen_while_something_waits() {
    let outbox = outbox(9);
    assert_eq!(outbox.progress(), None);
    outbox.push_message(frames("a"));
    outbox.push_message(frames("b"));
    assert_eq!(outbox.progress(), Some(0));
    assert!(next(&outbox).now_or_never().is_some());
    assert_eq!(outbox.progress(), Some(1));
}

#[tokio::test]
async fn a_waiting_reader_is_woken() {
    let outbox = Arc::new(outbox(9));
    let reader = tokio::spawn({
        let outbox = outbox.clone();
        async move { next(&outbox).await }
    });
    tokio::task::yield_now().await;
    outbox.push_message(frames("a")).expect("the reader waits").wake();
    assert_eq!(reader.await.unwrap(), Ok("a".into()));
}
