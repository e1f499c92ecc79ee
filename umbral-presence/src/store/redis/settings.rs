//! Where the store is, and how an application uses it.

use std::fmt;

use parking_lot::Mutex;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError,
};

/// The prefix of an application that names none.
const PREFIX: &str = "umbral";

/// The longest prefix, in bytes.
const MAX_PREFIX_BYTES: usize = 64;

/// The number of shards where none is given, and the greatest one.
const SHARDS: u16 = 16;
const MAX_SHARDS: u16 = 4096;

/// Where a server listens: a host, empty where it is that of the server that says so, and a port.
pub(super) type Place = (String, u16);

/// A Redis or Valkey server through which several nodes show one roster, for
/// [`RealtimePlugin::redis`](crate::RealtimePlugin::redis).
///
/// ```
/// use umbral_presence::{RealtimePlugin, RedisStore};
///
/// let plugin = RealtimePlugin::new().redis("redis://127.0.0.1:6379");
/// // Two applications on one server:
/// let plugin = RealtimePlugin::new()
///     .redis(RedisStore::at("redis://127.0.0.1:6379").prefix("shop"));
/// # let _ = plugin;
/// ```
#[derive(Clone)]
pub struct RedisStore {
    url: String,
    prefix: String,
    shards: u16,
    cluster: Vec<String>,
    #[cfg(feature = "redis-sentinel")]
    sentinels: Vec<String>,
}

/// The address, which may hold a password, is not shown.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("prefix", &self.prefix)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

impl<T: Into<String>> From<T> for RedisStore {
    fn from(url: T) -> Self {
        Self::at(url)
    }
}

impl RedisStore {
    /// The server at this address: `redis://host`, `redis://host:port/database`,
    /// `redis://user:password@host`, or `unix:///path/of/a/socket`. Of the
    /// address only host and port are ever logged.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: PREFIX.to_owned(),
            shards: SHARDS,
            cluster: Vec::new(),
            #[cfg(feature = "redis-sentinel")]
            sentinels: Vec::new(),
        }
    }

    /// Further servers of a Redis Cluster, `host:port` each, for when the one of the address is not
    /// reached. That the server of the address is part of a cluster is found out, and so are the
    /// others once one of them has been reached.
    ///
    /// ```
    /// # use umbral_presence::RedisStore;
    /// let store = RedisStore::at("redis://user:password@10.0.0.1:6379")
    ///     .cluster(["10.0.0.2:6379", "10.0.0.3:6379"]);
    /// # let _ = store;
    /// ```
    #[must_use]
    pub fn cluster<S: Into<String>>(mut self, servers: impl IntoIterator<Item = S>) -> Self {
        self.cluster.extend(servers.into_iter().map(Into::into));
        self
    }

    /// Asks these sentinels, `host:port` each, which server is the master, whenever a connection is
    /// made. The host of the address is then the name by which they know the master, and the rest of
    /// the address (user, password, database, `rediss`) is for the master.
    ///
    /// ```
    /// # use umbral_presence::RedisStore;
    /// let store = RedisStore::at("redis://user:password@mymaster/0")
    ///     .sentinels(["10.0.0.1:26379", "10.0.0.2:26379", "10.0.0.3:26379"]);
    /// # let _ = store;
    /// ```
    #[cfg(feature = "redis-sentinel")]
    #[must_use]
    pub fn sentinels<S: Into<String>>(mut self, sentinels: impl IntoIterator<Item = S>) -> Self {
        self.sentinels.extend(sentinels.into_iter().map(Into::into));
        self
    }

    /// What the names of all keys and channels begin with, `umbral` if it is not given. Nodes with
    /// the same prefix show one roster. Letters, digits, `.`, `_` and `-`, at most 64.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Into how many parts the groups are divided, 16 if it is not given, at most 4,096. A node
    /// hears of all changes in a part. Of more than 64 parts it takes part only in those of which
    /// it has served a group. The first node that uses a
    /// prefix sets the number for all. A node that is given another one says so in its log and in
    /// [`Health`](crate::Health), and stays alone.
    #[must_use]
    pub fn shards(mut self, shards: u16) -> Self {
        self.shards = shards;
        self
    }

    /// Checks what can be checked without the server.
    pub(crate) fn check(self) -> Result<Settings, Vec<RedisProblem>> {
        let Self { url, prefix, shards, .. } = &self;
        let (url, shards) = (url.as_str(), *shards);
        let mut problems = Vec::new();
        let cluster = places(&self.cluster, "server of a cluster", &mut problems);
        #[cfg(feature = "redis-sentinel")]
        let sentinels = places(&self.sentinels, "sentinel", &mut problems)
            .into_iter()
            .map(|(host, port)| ConnectionAddr::Tcp(host, port))
            .collect();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if prefix.is_empty() || prefix.len() > MAX_PREFIX_BYTES || !prefix.chars().all(is_plain) {
            problems.push(RedisProblem::Prefix { prefix: prefix.clone() });
        }
        if !(1..=MAX_SHARDS).contains(&shards) {
            problems.push(RedisProblem::Shards { shards });
        }
        let wants_tls = url.starts_with("rediss:") || url.starts_with("valkeys:");
        #[cfg(feature = "redis-tls")]
        if wants_tls {
            // It stays as it is where the application has chosen one.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        match url.into_connection_info() {
            _ if wants_tls && cfg!(not(feature = "redis-tls")) => problems.push(RedisProblem::Tls),
            // The error of the crate may hold the address.
            Err(_) => problems.push(RedisProblem::Url),
            Ok(info) if problems.is_empty() => {
                let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
                let info = info.set_redis_settings(redis);
                return Ok(Settings {
                    info,
                    prefix: prefix.clone(),
                    shards,
                    seeds: cluster,
                    learned: Mutex::default(),
                    #[cfg(feature = "redis-sentinel")]
                    sentinels,
                });
            }
            Ok(_) => {}
        }
        Err(problems)
    }
}

/// Where servers are. What is no address is a problem.
fn places(texts: &[String], what: &'static str, problems: &mut Vec<RedisProblem>) -> Vec<Place> {
    let place = |text: &String| {
        let (host, port) = text.rsplit_once(':')?;
        let is_plain = !host.is_empty() && !host.contains(['/', '@']);
        Some((host.to_owned(), port.parse().ok().filter(|_| is_plain)?))
    };
    let mut places = Vec::new();
    for text in texts {
        match place(text) {
            Some(place) => places.push(place),
            None => problems.push(RedisProblem::Place { what, text: text.clone() }),
        }
    }
    places
}

/// Why a [`RedisStore`] cannot work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisProblem {
    #[error(
        "the address of the Redis server cannot be read (it is not shown here, since it may hold a password); \"redis://user:password@host:6379/0\" is an example"
    )]
    Url,
    #[error(
        "the address of the Redis server asks for TLS; turn on the feature `redis-tls` of umbral-presence"
    )]
    Tls,
    #[error(
        "the prefix {prefix:?} of the Redis keys is not usable: it has 1 to 64 letters, digits, '.', '_' and '-'; \"umbral\" is an example"
    )]
    Prefix { prefix: String },
    #[error("{text:?} is no address of a {what}; \"10.0.0.1:6379\" is an example")]
    Place { what: &'static str, text: String },
    #[error("there are to be {shards} shards in Redis; 1 to 4096 are possible, and 16 are usual")]
    Shards { shards: u16 },
}

/// Settings that can work.
pub(crate) struct Settings {
    pub(super) info: ConnectionInfo,
    pub(super) prefix: String,
    pub(super) shards: u16,
    /// Further servers of a cluster, as the application has named them.
    seeds: Vec<Place>,
    /// Those that the cluster itself has named.
    pub(super) learned: Mutex<Vec<Place>>,
    #[cfg(feature = "redis-sentinel")]
    sentinels: Vec<ConnectionAddr>,
}

impl Settings {
    /// Where the server is, without a password.
    pub(super) fn place(&self) -> &ConnectionAddr {
        self.info.addr()
    }

    /// The server to connect to now.
    pub(super) async fn client(&self) -> Result<Client, RedisError> {
        #[cfg(feature = "redis-sentinel")]
        if !self.sentinels.is_empty() {
            return self.master().await;
        }
        Client::open(self.info.clone())
    }

    /// All servers of the cluster that are known besides the one of the address.
    pub(super) fn others(&self) -> Vec<Client> {
        let learned = self.learned.lock();
        let places = self.seeds.iter().chain(&*learned);
        places.filter_map(|place| self.client_at(place).ok()).collect()
    }

    /// Another server, which is to be spoken to as the one of the address.
    pub(super) fn client_at(&self, (host, port): &Place) -> Result<Client, RedisError> {
        let mut address = self.place().clone();
        match &mut address {
            ConnectionAddr::Tcp(our_host, our_port)
            | ConnectionAddr::TcpTls { host: our_host, port: our_port, .. } => {
                if !host.is_empty() {
                    our_host.clone_from(host);
                }
                *our_port = *port;
            }
            _ => address = ConnectionAddr::Tcp(host.clone(), *port),
        }
        Client::open(self.info.clone().set_addr(address))
    }

    /// The server that the sentinels say is the master.
    #[cfg(feature = "redis-sentinel")]
    async fn master(&self) -> Result<Client, RedisError> {
        use redis::{
            TlsMode,
            sentinel::{SentinelClientBuilder, SentinelServerType},
        };
        let (ConnectionAddr::Tcp(name, _) | ConnectionAddr::TcpTls { host: name, .. }) =
            self.place()
        else {
            return Client::open(self.info.clone());
        };
        let (sentinels, redis) = (self.sentinels.clone(), self.info.redis_settings());
        let mut builder = SentinelClientBuilder::new(sentinels, name, SentinelServerType::Master)?
            .set_client_to_redis_protocol(redis.protocol())
            .set_client_to_redis_db(redis.db());
        if let Some(user) = redis.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = redis.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let ConnectionAddr::TcpTls { .. } = self.place() {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        builder.build()?.async_get_client().await
    }

    /// What the names of all keys of a shard begin with. The braces are a hash tag: a cluster keeps
    /// all of them on one server.
    pub(super) fn key(&self, shard: usize) -> String {
        format!("{{{}:{shard}}}", self.prefix)
    }

    /// The name of a key that belongs to no shard. It is where the first one is.
    pub(super) fn own_key(&self, name: &str) -> String {
        format!("{}:{name}", self.key(0))
    }

    /// The shard of a channel, if it is one's.
    pub(super) fn shard(&self, channel: &str) -> Option<usize> {
        let rest = channel.strip_prefix('{')?.strip_prefix(&self.prefix)?.strip_prefix(':')?;
        let shard = rest.strip_suffix("}:e")?.parse().ok()?;
        (shard < usize::from(self.shards)).then_some(shard)
    }
}

/// The address may hold a password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_said_without_the_password() {
        let problems = |store: RedisStore| -> Vec<String> {
            let problems = store.check().err().unwrap_or_default();
            problems.iter().map(ToString::to_string).collect()
        };
        assert!(problems("redis://u:secret@localhost/1".into()).is_empty());
        assert!(problems("unix:///tmp/socket".into()).is_empty());
        let bad =
            ["", "localhost:6379", "http://u:secret@h", "redis://u:secret@h:port", "redis://"];
        for url in bad {
            let found = problems(url.into());
            assert!(found.len() == 1 && found[0].contains("cannot be read"), "{url}: {found:?}");
            assert!(!found[0].contains("secret"), "{found:?}");
        }
        let several = RedisStore::at("x").prefix("a{b").shards(0);
        assert!(!format!("{several:?}").contains("\"x\""));
        assert_eq!(problems(several).len(), 3);
    }

    #[test]
    fn settings_do_not_show_the_password() {
        let settings = RedisStore::at("redis://u:secret@h:1").check().unwrap();
        let shown = format!("{settings:?} {}", settings.place());
        assert!(!shown.contains("secret") && shown.contains("h:1"), "{shown}");
    }
}
