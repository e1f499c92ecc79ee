//! Events of the application, for those who are connected here.

use serde_json::value::RawValue;

use super::core::Hub;
use crate::{
    store::whom::Whom,
    wakes::Wakes,
    wire::{BROADCAST_CHANNEL, Encoded},
};

impl Hub {
    /// Queues an event for every connection here that is to get it.
    pub(crate) fn send(&self, whom: &Whom, event: &str, data: &RawValue) {
        let encoder = self.encoder();
        let mut wakes = Wakes::default();
        let (channel, connections) = match whom {
            Whom::Group(name) => {
                if let Some(cell) = self.groups.get(name) {
                    let encode = |dialect| encoder.message(dialect, name.as_str(), event, &data);
                    cell.send(encode, &mut wakes);
                }
                return;
            }
            Whom::User(user) => (format!("@user:{user}"), self.connections_of(user)),
            Whom::Everybody => (BROADCAST_CHANNEL.to_owned(), self.all_connections()),
        };
        let message = Encoded::default();
        for connection in connections {
            let frames = message.get(connection.dialect(), |dialect| {
                encoder.message(dialect, &channel, event, &data)
            });
            wakes.add(connection.outbox().push_message(frames.clone()));
        }
    }
}
