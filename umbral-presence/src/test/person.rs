//! Somebody with a browser.

use std::sync::{Arc, Weak};

use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;

use super::{
    tab::{Calls, Shared, Tab},
    unmet::Unmet,
};
use crate::name::Group;

/// Somebody who opens tabs: made by [`World::user`](super::World::user) and
/// [`World::visitor`](super::World::visitor).
#[derive(Clone, Debug)]
pub struct Person {
    calls: Calls,
    problem: Option<String>,
    tabs: Arc<Mutex<Vec<Weak<Shared>>>>,
}

impl Person {
    pub(super) fn new(calls: Calls, tabs: Arc<Mutex<Vec<Weak<Shared>>>>) -> Self {
        Self { calls, problem: None, tabs }
    }

    /// Sends this header with each request: a cookie or a token that the application knows, say.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => {
                self.calls.headers.append(name, value);
            }
            _ => self.problem = Some(name.to_owned()),
        }
        self
    }

    /// Opens a tab that is in no group yet.
    ///
    /// # Errors
    ///
    /// [`Unmet::Refused`] if the server does not let this person connect.
    pub async fn open(&self) -> Result<Tab, Unmet> {
        if let Some(name) = &self.problem {
            return Err(Unmet::Header(name.clone()));
        }
        let tab = Tab::open(self.calls.clone()).await?;
        let mut tabs = self.tabs.lock();
        tabs.retain(|tab| tab.strong_count() > 0);
        tabs.push(tab.shared());
        Ok(tab)
    }

    /// Opens a tab in a group.
    ///
    /// # Errors
    ///
    /// [`Unmet::Refused`] if the server does not let this person connect, and [`Unmet::Denied`] if the
    /// policy does not let it into the group.
    pub async fn join(&self, group: impl Group) -> Result<Tab, Unmet> {
        let mut tab = self.open().await?;
        tab.join(group).await?;
        Ok(tab)
    }
}
