use std::future::poll_fn;

use bytes::Bytes;
use futures_util::FutureExt;

use super::*;

/// Room for `entries` of ten bytes each.
fn outbox(entries: usize) -> Outbox {
    Outbox::new(entries * (ENTRY_BYTES + 10), Arc::default())
}

/// Ten bytes that begin with `text`.
fn frames(text: &str) -> Frames {
    Bytes::from(format!("{text:-<10}")).into()
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

/// The next thing, in short: a frame's text, `sync:` and a group, `missed:` and a number.
async fn next(outbox: &Outbox) -> Result<String, End> {
    Ok(match poll_fn(|cx| outbox.poll_next(cx)).await? {
        Next::Frames(frames) => {
            let text = String::from_utf8(frames.iter().flatten().copied().collect());
            text.unwrap().trim_end_matches('-').to_owned()
        }
        Next::Snapshot(place) => format!("sync:{}", place.group),
        Next::Missed(count) => format!("missed:{count}"),
    })
}

/// The place of the snapshot that is next.
fn place(outbox: &Outbox) -> Place {
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
    let (outbox, room, hall) = (outbox(4), group("room"), group("hall"));
    outbox.push_delta(&room, &frames("+1"));
    outbox.push_message(frames("hello"));
    outbox.push_delta(&hall, &frames("+2"));
    outbox.push_delta(&room, &frames("+3"));
    outbox.push_delta(&room, &frames("+4"));
    // What comes before the snapshot is taken will be in it.
    outbox.push_delta(&room, &frames("+5"));
    assert_eq!(next(&outbox).now_or_never().unwrap(), Ok("hello".into()));
    let place = place(&outbox);
    assert_eq!(place.group, room);
    assert_eq!(rest(&outbox), ["sync:hall"]);
    assert_eq!(outbox.counters.resyncs.get(), 2);
    assert!(outbox.take_due(&place), "the group is asked once");
    assert!(!outbox.take_due(&place));
    outbox.push_delta(&room, &frames("+6"));
    assert_eq!(rest(&outbox), ["+6"]);
}

#[test]
fn a_place_of_an_earlier_time_in_the_group_counts_for_nothing() {
    let (outbox, room) = (outbox(4), group("room"));
    outbox.want_snapshot(&room);
    let earlier = place(&outbox);
    outbox.forget(&room);
    outbox.push_control(frames("denied"));
    outbox.want_snapshot(&room);
    assert!(!outbox.take_due(&earlier));
    assert_eq!(next(&outbox).now_or_never().unwrap(), Ok("denied".into()));
    assert!(outbox.take_due(&place(&outbox)));
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
    outbox.push_delta(&group("room"), &frames("+1"));
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
    let (outbox, room, hall) = (outbox(9), group("room"), group("hall"));
    outbox.want_snapshot(&room);
    outbox.push_delta(&hall, &frames("+1"));
    outbox.forget(&room);
    outbox.forget(&hall);
    outbox.want_snapshot(&room);
    assert_eq!(rest(&outbox), ["sync:room"]);
    assert_eq!(outbox.state.lock().cost, 0);
}

#[test]
fn a_group_that_is_joined_again_gets_its_snapshot_however_it_was_left() {
    let (outbox, room) = (outbox(3), group("room"));
    outbox.push_delta(&room, &frames("+1"));
    // Wanted once more behind a change, which then has to give way too.
    outbox.want_snapshot(&room);
    outbox.push_message(frames("a"));
    outbox.push_message(frames("b"));
    outbox.forget(&room);
    outbox.want_snapshot(&room);
    assert_eq!(rest(&outbox), ["a", "b", "sync:room"]);
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
