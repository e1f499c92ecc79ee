//! What the task does with letters: sending and reading them, listening for them, and making up for
//! those that were missed.

use std::time::Duration;

use futures_util::future::OptionFuture;
use serde_json::value::RawValue;

use super::{
    super::{
        host::{Host, Look},
        letter::{self, Content, Letter},
        missed,
        outgoing::Outgoing,
        topic::{Listen, Topic},
    },
    AT_ONCE, Running,
};

impl Running {
    /// Has all nodes know of a letter for an hour, once there is a connection.
    pub(super) fn remember(&mut self, letter: Vec<u8>) {
        let Some(link) = &self.link else {
            self.to_remember.push(letter);
            self.to_remember.truncate(AT_ONCE);
            return;
        };
        let (redis, connection) = (self.redis.clone(), link.first().asks.clone());
        let again = letter.clone();
        tokio::spawn(async move {
            match missed::remember(&redis.settings, connection, letter).await {
                Ok(()) => {}
                // It is remembered over the next connection.
                Err(error) if error.is_io_error() || error.is_connection_dropped() => {
                    let _ = redis.looks.send(Look::Remember(again));
                }
                Err(error) => {
                    tracing::warn!(%error, "a node that is cut off will not learn of a right that was taken away");
                }
            }
        });
    }

    /// Does what all nodes were asked to do while this one could not hear, once it hears again.
    pub(super) fn catch_up(&mut self) {
        let Some(link) = self.link.as_ref().filter(|_| !self.has_caught_up) else {
            return;
        };
        if !self.redis.topics.lock().hears_nodes() {
            return;
        }
        self.has_caught_up = true;
        let (redis, connection) = (self.redis.clone(), link.first().asks.clone());
        tokio::spawn(async move {
            let Some(since) = *redis.deaf_since.lock() else {
                return;
            };
            let letters = match missed::missed(&redis.settings, connection, since.elapsed()).await {
                Ok(letters) => letters,
                Err(error) => {
                    // Where the connection is lost it is asked for again.
                    tracing::warn!(%error, "it is not known yet which rights were taken away meanwhile");
                    return;
                }
            };
            for (letter, age) in letters {
                let Ok(Letter(_, process, content)) = letter::read(&letter) else {
                    continue;
                };
                if let (Content::Ask { ask, .. }, Some(answer)) = (content, redis.answerer.get())
                    && process != redis.process
                {
                    answer(ask, age).await;
                }
            }
            let mut deaf_since = redis.deaf_since.lock();
            if *deaf_since == Some(since) {
                *deaf_since = None;
            }
        });
    }

    pub(super) fn read(&self, topic: &Topic, letter: Letter, host: &dyn Host) {
        let Letter(_, process, content) = letter;
        let redis = &self.redis;
        if process == redis.process {
            return;
        }
        match content {
            Content::Event { event, data } => match (topic, RawValue::from_string(data)) {
                (Topic::For(whom), Ok(data)) => host.deliver(whom, &event, &data),
                _ => host.count_unreadable(),
            },
            Content::Reply { number, reply } => redis.calls.answered(number, process, reply),
            Content::Ask { number, ask } => {
                let Ok(permit) = self.answering.clone().try_acquire_owned() else {
                    // The one who asks is told that this node has not answered.
                    return;
                };
                let redis = redis.clone();
                tokio::spawn(async move {
                    let answer = redis.answerer.get().map(|answer| answer(ask, Duration::ZERO));
                    if let Some(Some(reply)) = OptionFuture::from(answer).await {
                        redis.post(Topic::Node(process), Content::Reply { number, reply });
                    }
                    drop(permit);
                });
            }
        }
    }

    /// Begins what is to be done on the connection besides requests.
    pub(super) fn ask_more(&mut self) {
        let Some(link) = &self.link else {
            return;
        };
        if self.listening.is_none()
            && let Some(listen) = self.redis.topics.lock().next()
        {
            let (mut connection, prefix) =
                (link.first().listens.clone(), &self.redis.settings.prefix);
            let channels: Vec<_> =
                listen.topics().iter().map(|topic| topic.channel(prefix)).collect();
            self.listening = Some(Box::pin(async move {
                let done = match &listen {
                    Listen::To(_) => connection.subscribe(channels).await,
                    Listen::NoMoreTo(_) => connection.unsubscribe(channels).await,
                };
                (listen, done)
            }));
        }
    }

    /// Sends a letter, and those that wait with it.
    pub(super) fn send(&mut self, first: Outgoing, host: &dyn Host) {
        let (redis, Some(shards)) = (&self.redis, &mut self.shards) else {
            return;
        };
        let letters = redis.post.together(first, &mut shards.letters);
        let Some(link) = &self.link else {
            // They are of the moment: what has not been sent is lost.
            host.count_unsent(letters.len() as u64);
            return;
        };
        let mut connection = link.first().asks.clone();
        let mut pipe = redis::pipe();
        for (topic, letter) in letters {
            pipe.publish(topic.channel(&redis.settings.prefix), letter).ignore();
        }
        self.sending = Some(Box::pin(async move { pipe.exec_async(&mut connection).await }));
    }
}
