//! The builder.

use std::{future::Future, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderName, request::Parts};

#[cfg(feature = "redis")]
use crate::store::redis::RedisStore;
use crate::{
    access::{
        Answering, AnyPolicy, Decision, Door, Expiry, Gate, GroupPolicy, IdentityResolver, Keeps,
        KeptExtension, OriginFault, PolicyAsyncFn, PolicyFn, Recheck, WhoAsks,
    },
    error::{BuildError, BuildProblem},
    handle::{AnyHandler, MessageHandler},
    hub::Hub,
    limits::Limits,
    open_files,
    realtime::Realtime,
    spec::{
        PresenceSpec,
        declared::{Declaration, Declared, declared},
        matcher::Matcher,
        resolver::ResolveContext,
    },
    store::Nodes,
    transport::{ClientAddress, Site},
};

/// Builds a [`Realtime`].
///
/// It is safe by default. No group has presence until it is declared. A member is shown by id
/// only. Without an [identity resolver](Self::identity_resolver) nobody is signed in. Without a
/// [policy](Self::group_policy) only `public:*` may be joined.
///
/// ```
/// use umbral_presence::{PresenceSpec, RealtimePlugin};
///
/// # async fn user_id_of(_: &http::request::Parts) -> Option<String> { None }
/// let realtime = RealtimePlugin::new()
///     .with_presence(PresenceSpec::prefixes(["table:"]))
///     .identity_resolver(|parts: http::request::Parts| async move { user_id_of(&parts).await })
///     .group_policy_fn(|user: Option<&str>, group: &str| {
///         user.is_some() || group.starts_with("public:")
///     })
///     .build()?;
/// let app: axum::Router = axum::Router::new().merge(realtime.router());
/// # Ok::<(), umbral_presence::BuildError>(())
/// ```
#[must_use = "nothing is served until `build` is called"]
pub struct RealtimePlugin {
    use_declared: bool,
    expected: Vec<String>,
    expected_types: Vec<&'static Declaration>,
    specs: Vec<PresenceSpec>,
    identity: IdentityResolver,
    policy: Option<Box<dyn AnyPolicy>>,
    handler: Option<Box<dyn AnyHandler>>,
    gate: Gate,
    address: ClientAddress,
    recheck_every: Option<Duration>,
    recheck_headers: Vec<HeaderName>,
    recheck_extensions: Vec<KeptExtension>,
    limits: Limits,
    context: ResolveContext,
    base: String,
    #[cfg(feature = "redis")]
    redis: Option<RedisStore>,
    problems: Vec<BuildProblem>,
}

impl Default for RealtimePlugin {
    fn default() -> Self {
        Self::new()
    }
}

impl RealtimePlugin {
    /// Begins with every `#[presence(..)]` declaration that is linked into the program.
    pub fn new() -> Self {
        Self {
            use_declared: true,
            expected: Vec::new(),
            expected_types: Vec::new(),
            specs: Vec::new(),
            identity: IdentityResolver::ANONYMOUS,
            policy: None,
            handler: None,
            gate: Gate::default(),
            address: ClientAddress::default(),
            recheck_every: None,
            recheck_headers: Vec::new(),
            recheck_extensions: Vec::new(),
            limits: Limits::default(),
            context: ResolveContext::default(),
            base: "/realtime".to_owned(),
            #[cfg(feature = "redis")]
            redis: None,
            problems: Vec::new(),
        }
    }

    /// Ignores the `#[presence(..)]` declarations, and the policies that they name. The policy for all
    /// groups decides alone then.
    pub fn without_declared(mut self) -> Self {
        self.use_declared = false;
        self
    }

    /// Makes [`build`](Self::build) fail if one of these prefixes, names or patterns is not
    /// declared. A declaration is missing if its crate is not linked.
    pub fn expect_declared<T: Into<String>>(mut self, texts: impl IntoIterator<Item = T>) -> Self {
        self.expected.extend(texts.into_iter().map(Into::into));
        self
    }

    /// Makes [`build`](Self::build) fail if the declaration of this struct is not found. To name the
    /// struct links its crate, so it also sees to it that the declaration is there.
    ///
    /// ```standalone_crate
    /// use umbral_presence::{RealtimePlugin, presence};
    ///
    /// #[presence(prefix = "room:")]
    /// pub struct Room(pub u64);
    ///
    /// let realtime = RealtimePlugin::new().expect_declaration::<Room>().build()?;
    /// # Ok::<(), umbral_presence::BuildError>(())
    /// ```
    pub fn expect_declaration<D: Declared>(mut self) -> Self {
        self.expected_types.push(D::DECLARATION);
        self
    }

    /// Adds a spec to the declared ones. It may be called again.
    pub fn with_presence(mut self, spec: PresenceSpec) -> Self {
        self.specs.push(spec);
        self
    }

    /// Sets the function that finds the user of a request: the signed-in user's primary key as
    /// text, or `None`. A function that may fail to find it out returns
    /// `Result<Option<String>, E>` ([`WhoAsks`]).
    ///
    /// The function gets the head of the request. Its extensions hold what a session layer has
    /// put there. With [`recheck_every`](Self::recheck_every) the function gets only some of the
    /// headers, and no extensions.
    ///
    /// The request gets `500` if the function panics or returns a text that is not a
    /// [`UserId`](crate::UserId), and `503` if it returns an error or takes longer than
    /// [`Limits::policy_timeout`].
    pub fn identity_resolver<F, Fut>(mut self, resolve: F) -> Self
    where
        F: Fn(Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: WhoAsks> + Send + 'static,
    {
        self.identity = IdentityResolver::new(resolve);
        self
    }

    /// Sets the policy, which decides who may join a group and see it. Where the group's declaration
    /// has a policy of its own, both must agree. The request gets `500` if
    /// the policy panics, and `503` if it returns an error ([`Decision`]) or takes longer than
    /// [`Limits::policy_timeout`].
    pub fn group_policy<D: Decision>(mut self, policy: impl GroupPolicy<D>) -> Self {
        self.policy = Some(Box::new(Answering::new(policy)));
        self
    }

    /// [`group_policy`](Self::group_policy) from a function.
    pub fn group_policy_fn<D: Decision>(
        self,
        can_join: impl Fn(Option<&str>, &str) -> D + Send + Sync + 'static,
    ) -> Self {
        self.group_policy(PolicyFn(can_join))
    }

    /// [`group_policy`](Self::group_policy) from a function that waits for something.
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// # async fn is_friend(_: &str, _: &str) -> std::io::Result<bool> { Ok(true) }
    /// let plugin = RealtimePlugin::new().group_policy_async_fn(|user, group| async move {
    ///     match user {
    ///         Some(user) => is_friend(&user, &group).await,
    ///         None => Ok(false),
    ///     }
    /// });
    /// # let _ = plugin;
    /// ```
    pub fn group_policy_async_fn<F, Fut>(self, can_join: F) -> Self
    where
        F: Fn(Option<String>, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Decision> + Send + 'static,
    {
        self.group_policy(PolicyAsyncFn(can_join))
    }

    /// Sets the handler of what clients send over a WebSocket. Without a handler it is ignored.
    pub fn message_handler(mut self, handler: impl MessageHandler) -> Self {
        self.handler = Some(Box::new(handler));
        self
    }

    /// Lets pages of these origins connect and read the answers, as the server's own pages do.
    /// Their requests carry this server's cookies if those are `SameSite=None; Secure`.
    ///
    /// An origin is scheme and host, and the port if it is not the scheme's own:
    /// `"https://app.example.com"`. A `*` or another text is an error of [`build`](Self::build).
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// let plugin = RealtimePlugin::new()
    ///     .allowed_origins(["https://app.example.com"])
    ///     .allowed_hosts(["api.example.com", "127.0.0.1:3000"]);
    /// # let _ = plugin;
    /// ```
    ///
    /// The server's own origin needs no name here if one of these holds:
    ///
    /// - The browser sends `Sec-Fetch-Site`, which says that the page comes from this server.
    ///   Browsers send it over TLS and on localhost. Chromium does not send it with a WebSocket.
    /// - `Host` arrives as the browser sent it.
    ///
    /// If a proxy changes `Host`, name the public origin here for plain HTTP and for every WebSocket.
    pub fn allowed_origins<O: AsRef<str>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        for origin in origins {
            let origin = origin.as_ref();
            if let Err(fault) = self.gate.allow_origin(origin) {
                let origin = origin.to_owned();
                self.problems.push(match fault {
                    OriginFault::Wildcard => BuildProblem::WildcardOrigin { origin },
                    OriginFault::Form => BuildProblem::AllowedOrigin { origin },
                });
            }
        }
        self
    }

    /// Names the hosts of the server: `"example.com"` with any port, `"127.0.0.1:3000"` with this
    /// one. A request with another `Host` gets `403`. Without this list, and with an empty one,
    /// every `Host` is accepted. Behind a proxy these are the hosts that the proxy sends. A text
    /// that is not a host, such as one with a scheme or a `*`, is an error of
    /// [`build`](Self::build).
    ///
    /// Use it for a server in a private network or on a developer's machine. A page elsewhere can
    /// make its own name point there (*DNS rebinding*), and the browser then takes it for a page
    /// of the server.
    pub fn allowed_hosts<H: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        for host in hosts {
            let host = host.as_ref();
            if !self.gate.allow_host(host) {
                self.problems.push(BuildProblem::AllowedHost { host: host.to_owned() });
            }
        }
        self
    }

    /// Gives a value, such as a database pool, to the batch resolvers and to the policies of
    /// declarations. They find it in their [`ResolveContext`] by its type. It may be called once for
    /// each type.
    pub fn with_state<T: Clone + Send + Sync + 'static>(mut self, state: T) -> Self {
        if self.context.insert(state) {
            self.problems.push(BuildProblem::State { name: std::any::type_name::<T>() });
        }
        self
    }

    /// Asks the identity resolver and the policy again for every open connection, once in this
    /// interval. The questions are spread over the interval. Without it they are asked when a
    /// connection opens or changes its groups, and when the application calls
    /// [`recheck_policy`](Realtime::recheck_policy) or
    /// [`recheck_group`](Realtime::recheck_group).
    ///
    /// A connection ends if its user is another one now, or nobody. A user who has lost the right
    /// to a group leaves it, and the connection gets `@denied`. If no answer comes, nothing
    /// changes, and an error is logged. A user whose grace is running is asked about too.
    ///
    /// The policy is asked once for a user with several connections, and about up to eight of the
    /// user's groups at once. Up to 256 users are asked about at once. A user whose answers do not
    /// come delays nobody else. A warning is logged if questions are late by more than a tenth of
    /// the interval and 100 ms.
    ///
    /// # What the identity resolver gets
    ///
    /// The library keeps the method and the path of a request, its headers `cookie`,
    /// `authorization` and `host`, and the headers that [`recheck_headers`](Self::recheck_headers)
    /// names. The identity resolver gets no other header, not even when the connection opens: a
    /// resolver that needs another one finds nobody signed in from the start. [`build`](Self::build)
    /// logs which headers it gets. [`Limits::recheck_bytes`] bounds how long they may be.
    ///
    /// It gets no extensions either. A session that a layer has loaded into them (axum-login's
    /// `AuthSession`, tower-sessions' `Session`) would say for ever what it said when the connection
    /// opened. Look the session up by the cookie. What is no session, such as a tenant or a database
    /// pool, is named by [`recheck_extension`](Self::recheck_extension).
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// # async fn user_of_session(_: Option<&http::HeaderValue>) -> Option<String> { None }
    /// let plugin = RealtimePlugin::new()
    ///     .identity_resolver(|parts: http::request::Parts| async move {
    ///         user_of_session(parts.headers.get("cookie")).await // asks the store each time
    ///     })
    ///     .recheck_every(std::time::Duration::from_secs(60));
    /// # let _ = plugin;
    /// ```
    ///
    /// # Errors
    ///
    /// An interval of zero is an error of [`build`](Self::build).
    pub fn recheck_every(mut self, interval: Duration) -> Self {
        if interval.is_zero() {
            self.problems.push(BuildProblem::RecheckInterval);
        }
        self.recheck_every = Some(interval);
        self
    }

    /// Names the headers that the identity resolver needs besides `cookie`, `authorization` and
    /// `host` when it is asked [again](Self::recheck_every). Without `recheck_every` it gets all
    /// headers, and this changes nothing. A text that is not a header's name is an error of
    /// [`build`](Self::build).
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// let plugin = RealtimePlugin::new()
    ///     .recheck_every(std::time::Duration::from_secs(60))
    ///     .recheck_headers(["x-forwarded-user"]);
    /// # let _ = plugin;
    /// ```
    pub fn recheck_headers<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        for name in names {
            match HeaderName::from_bytes(name.as_ref().as_bytes()) {
                Ok(name) => self.recheck_headers.push(name),
                Err(_) => {
                    let name = name.as_ref().to_owned();
                    self.problems.push(BuildProblem::RecheckHeader { name });
                }
            }
        }
        self
    }

    /// Keeps the extensions of this type for the identity resolver, which gets no others with
    /// [`recheck_every`](Self::recheck_every). Each connection keeps what its own request had. Do
    /// not keep a session: it would say for ever that its user is signed in.
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// #[derive(Clone)]
    /// struct Tenant(u32);
    ///
    /// let plugin = RealtimePlugin::new()
    ///     .recheck_every(std::time::Duration::from_secs(60))
    ///     .recheck_extension::<Tenant>();
    /// # let _ = plugin;
    /// ```
    pub fn recheck_extension<T: Clone + Send + Sync + 'static>(mut self) -> Self {
        self.recheck_extensions.push(KeptExtension::of::<T>());
        self
    }

    /// Sets the function that finds the address of a request, for the limits of each address
    /// ([`Limits::connections_per_address`], [`Limits::opens_per_address`]). The limits do not
    /// apply to a request without an address.
    ///
    /// Without this function the address is the peer of the socket. The server knows the peer if
    /// the router is served by `into_make_service_with_connect_info::<SocketAddr>()`. A peer in a
    /// private network does not count, because behind a proxy every peer is the proxy. There, read
    /// a header that the proxy sets itself and does not pass on from clients:
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// let plugin = RealtimePlugin::new().client_address(|request| {
    ///     request.headers.get("x-real-ip")?.to_str().ok()?.parse().ok()
    /// });
    /// # let _ = plugin;
    /// ```
    pub fn client_address(
        mut self,
        find: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.address = ClientAddress::new(find);
        self
    }

    /// Serves everything under another path than `/realtime`.
    pub fn at(mut self, base: impl Into<String>) -> Self {
        self.base = base.into();
        self
    }

    /// Sets how much a client may make the server hold or do.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Shows one roster on several nodes, with a Redis server (7 or later) or Valkey between them.
    /// Without it a node knows its own users only.
    ///
    /// [`build`](Self::build) checks the address. The connection is made afterwards, and made again
    /// whenever it is lost; what is wrong with the server is logged, and is in
    /// [`Health::degraded`](crate::Health::degraded). Meanwhile this node goes on alone.
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// let plugin = RealtimePlugin::new().redis("redis://127.0.0.1:6379");
    /// # let _ = plugin;
    /// ```
    #[cfg(feature = "redis")]
    pub fn redis(mut self, store: impl Into<RedisStore>) -> Self {
        self.redis = Some(store.into());
        self
    }

    /// Has users of tests be who they are.
    #[cfg(feature = "test")]
    pub(crate) fn for_tests(mut self) -> Self {
        self.identity = self.identity.for_tests();
        self.recheck_extension::<crate::access::TestUser>()
    }

    /// Checks everything and builds the handle.
    ///
    /// It logs every declaration with its place, and which headers the identity resolver gets if
    /// it does not get all. It warns of limits that have no effect, and of more connections than
    /// this process may have files open.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with everything that is wrong: a name or prefix that is declared twice and
    /// patterns that overlap at equal rank (with both places), a name or prefix that no group can
    /// have, an expected declaration that is not linked, and a path, origin, host, header or limit
    /// that cannot work.
    pub fn build(mut self) -> Result<Realtime, BuildError> {
        let declarations = if self.use_declared { declared() } else { Vec::new() };
        tracing::info!(count = declarations.len(), "presence declarations");
        for declaration in &declarations {
            log(declaration);
        }
        let is_found = |expected: &&Declaration| {
            declarations.iter().any(|found| found.place() == expected.place())
        };
        let not_found: Vec<_> =
            self.expected_types.into_iter().filter(|it| !is_found(it)).collect();
        let not_found = not_found.into_iter().map(|it| it.type_name);
        let specs = declarations.into_iter().map(PresenceSpec::declared);
        let (matcher, of_specs) = Matcher::new(specs.chain(self.specs).collect());
        let mut problems = self.problems;
        problems.extend(of_specs.into_iter().map(BuildProblem::from));
        problems.extend(self.limits.problems().into_iter().map(BuildProblem::from));
        if !is_base_path(&self.base) {
            problems.push(BuildProblem::BasePath { path: self.base.clone() });
        }
        let missing = self.expected.into_iter().filter(|text| !matcher.declares(text));
        problems.extend(missing.map(|text| BuildProblem::NotDeclared { text }));
        problems.extend(not_found.map(|type_name| BuildProblem::NotFound { type_name }));
        #[cfg(feature = "redis")]
        let settings = match self.redis.map(RedisStore::check).transpose() {
            Ok(settings) => settings,
            Err(of_redis) => {
                problems.extend(of_redis.into_iter().map(BuildProblem::from));
                None
            }
        };
        if !problems.is_empty() {
            return Err(BuildError::new(problems));
        }
        if self.identity.is_anonymous() && !matcher.is_empty() {
            tracing::warn!(
                "presence is declared and there is no identity resolver: \
                 everybody is anonymous, so nobody will ever be shown"
            );
        }
        let too_many = open_files::warning(self.limits.connections);
        for warning in self.limits.warnings().into_iter().chain(too_many) {
            tracing::warn!("{warning}");
        }
        let (headers, extensions) = (self.recheck_headers, self.recheck_extensions);
        let most = self.limits.recheck_bytes;
        let keeps = (!self.identity.is_anonymous()).then(|| Keeps::new(headers, most, extensions));
        let recheck = self.recheck_every.map(|every| Recheck::every(every, keeps));
        if self.identity.is_anonymous() {
            // No signed-in user could need a place that is kept free.
            self.limits.anonymous = Some(self.limits.connections);
        }
        #[cfg(feature = "redis")]
        let nodes = Nodes::at(settings)
            .map_err(|error| BuildError::new(vec![BuildProblem::Randomness { error }]))?;
        #[cfg(not(feature = "redis"))]
        let nodes = Nodes::default();
        let hub = Hub::new(matcher, self.limits, self.context, nodes);
        hub.nodes.start(&Arc::downgrade(&hub));
        Ok(Realtime::new(Site {
            door: Arc::new(Door::new(hub, self.identity, self.policy)),
            handler: self.handler,
            gate: self.gate,
            address: self.address,
            recheck: recheck.unwrap_or_default(),
            expiry: Expiry::default(),
            base: self.base,
        }))
    }
}

fn log(declaration: &Declaration) {
    tracing::info!(
        groups = ?declaration.matcher,
        "{}::{} has presence, declared at {}",
        declaration.module_path,
        declaration.type_name,
        declaration.place(),
    );
}

/// Whether axum can serve below `path` as it is written.
fn is_base_path(path: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "{}*?#:".contains(c);
    path.starts_with('/') && !path.ends_with('/') && !path.contains("//") && !path.contains(bad)
}
