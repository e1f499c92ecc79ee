//! Users whom a batch resolver is asked for.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde_json::Value;

use super::*;

/// The resolver answers after this time.
const ANSWER: Duration = Duration::from_millis(500);

/// A hub whose batch resolver takes a while and says what `name` was when it was asked.
fn slow_hub(name: &Arc<Mutex<&'static str>>, answer: Duration) -> Arc<Hub> {
    let name = name.clone();
    hub_of(PresenceSpec::prefixes(["room:"]).batch_resolver(move |users, _| {
        let is = Value::from(*name.lock());
        async move {
            sleep(answer).await;
            users.into_iter().map(|user| (user, is.clone())).collect::<HashMap<_, _>>()
        }
    }))
}

fn payloads(hub: &Hub) -> Vec<String> {
    hub.members(&room()).iter().map(|member| member.payload().get().to_owned()).collect()
}

/// The rooms' frames that wait for a session, without the envelope.
fn shown(session: &Session) -> Vec<String> {
    texts(&read(session))
        .into_iter()
        .filter_map(|text| Some(text.split_once("\"presence:")?.1.replace('"', "")))
        .map(|text| text.split(",v:").next().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_has_gone_is_not_kept_until_the_resolver_answers() {
    let hub = slow_hub(&Arc::default(), Duration::MAX);
    let (stays, session) = (enter(&hub, "stays"), enter(&hub, "7"));
    let reader = Arc::downgrade(&session.connection().reader);
    drop(session);
    // Longer than a tick, and shorter than a newcomer waits for the answer.
    sleep(Duration::from_millis(500)).await;
    assert!(reader.upgrade().is_none());
    assert!(shown(&stays).is_empty());
    sleep(LONG).await;
    assert_eq!(shown(&stays), ["sync,d:[]"], "without an answer after all");
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_who_goes_and_returns_before_the_answer_gets_one_snapshot_that_holds_it() {
    let hub = slow_hub(&Arc::new(Mutex::new("name")), ANSWER);
    let session = enter(&hub, "7");
    sleep(ANSWER / 2).await;
    hub.unsubscribe(session.connection(), &[room()]);
    come_in(&hub, &session);
    assert!(shown(&session).is_empty());
    sleep(LONG).await;
    assert_eq!(shown(&session), ["sync,d:[name]"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_tab_waits_for_the_same_answer() {
    let hub = slow_hub(&Arc::new(Mutex::new("name")), ANSWER);
    let tabs = [enter(&hub, "7"), enter(&hub, "7")];
    sleep(ANSWER / 2).await;
    assert!(tabs.iter().all(|tab| shown(tab).is_empty()));
    sleep(LONG).await;
    assert!(tabs.iter().all(|tab| shown(tab) == ["sync,d:[name]"]));
}

#[tokio::test(start_paused = true)]
async fn who_is_back_during_a_refresh_is_shown_as_the_refresh_says() {
    let name = Arc::new(Mutex::new("old"));
    let hub = slow_hub(&name, ANSWER);
    let [watcher, neighbour, session] = ["watcher", "neighbour", "7"].map(|id| enter(&hub, id));
    sleep(LONG).await;
    assert_eq!(payloads(&hub), ["\"old\""; 3]);
    read(&watcher);
    *name.lock() = "new";
    let refresh = tokio::spawn({
        let hub = hub.clone();
        async move { hub.refresh(&user("7")).await }
    });
    sleep(ANSWER / 2).await;
    // Within a tick that the neighbour begins, so that nobody is told of it.
    hub.unsubscribe(neighbour.connection(), &[room()]);
    hub.unsubscribe(session.connection(), &[room()]);
    come_in(&hub, &session);
    refresh.await.expect("no panic");
    sleep(LONG).await;
    assert_eq!(payloads(&hub)[1], "\"new\"");
    assert_eq!(shown(&watcher), ["diff,d:[[-,2]]", "diff,d:[[~,3,new]]"]);
}
