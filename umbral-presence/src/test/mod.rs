//! For tests of applications, with the feature `test`: people who come and go, in memory, through the
//! real routes.
//!
//! ```standalone_crate
//! use std::time::Duration;
//! use umbral_presence::{RealtimePlugin, presence, test::World};
//!
//! #[presence(prefix = "room:")]
//! struct Room(u64);
//!
//! # async fn a_user_who_loses_the_network_is_seen_to_leave_after_the_grace() -> Result<(), Box<dyn std::error::Error>> {
//! // The application's own plugin, with its policy and its resolvers.
//! let plugin = RealtimePlugin::new().group_policy_fn(|user: Option<&str>, _: &str| user.is_some());
//! let world = World::new(plugin)?;
//!
//! let mut ann = world.user("ann").join(Room(42)).await?;
//! let ben = world.user("ben").join(Room(42)).await?;
//! ann.sees(Room(42), ["ann", "ben"]).await?;
//!
//! ben.lose();
//! world.after(Duration::from_secs(2)).await;
//! world.settled().await?;
//! assert_eq!(ann.ids(Room(42)), ["ann", "ben"]);
//! ann.sees(Room(42), ["ann"]).await?;
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?
//! #     .block_on(a_user_who_loses_the_network_is_seen_to_leave_after_the_grace())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A test with `#[tokio::test(start_paused = true)]` waits for nothing: tokio moves its clock on as soon
//! as everything else stands still, so a grace of three seconds takes no time. It needs tokio's feature
//! `test-util`. With a clock that runs the same tests take as long as they say.

mod person;
mod roster;
mod seen;
mod tab;
mod unmet;
mod world;

pub use self::{person::Person, seen::Seen, tab::Tab, unmet::Unmet, world::World};
