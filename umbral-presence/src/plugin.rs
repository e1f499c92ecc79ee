//! The builder.

use std::{future::Future, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderName, request::Parts};

use crate::{
    access::{
        AnyPolicy, Door, Gate, GroupPolicy, IdentityResolver, OriginFault, PolicyAsyncFn, PolicyFn,
        PublicGroupsOnly, Recheck,
    },
    error::{BuildError, BuildProblem},
    hub::Hub,
    limits::Limits,
    message::{AnyHandler, MessageHandler},
    open_files,
    realtime::Realtime,
    spec::{
        PresenceSpec,
        declared::{Declaration, declared},
        matcher::Matcher,
        resolver::ResolveContext,
    },
    transport::{ClientAddress, Site},
};

/// Puts a [`Realtime`] together.
///
/// Safe by default: no group has presence until it is declared, a member is shown by id
/// only, nobody is signed in until there is an [identity
/// resolver](Self::identity_resolver), and only `public:*` may be joined until there is a
/// [policy](Self::group_policy).
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
    specs: Vec<PresenceSpec>,
    identity: IdentityResolver,
    policy: Box<dyn AnyPolicy>,
    handler: Option<Box<dyn AnyHandler>>,
    gate: Gate,
    address: ClientAddress,
    recheck_every: Option<Duration>,
    recheck_headers: Vec<HeaderName>,
    limits: Limits,
    context: ResolveContext,
    base: String,
    problems: Vec<BuildProblem>,
}

impl Default for RealtimePlugin {
    fn default() -> Self {
        Self::new()
    }
}

impl RealtimePlugin {
    /// Every `#[presence(..)]` declaration that is linked into the program, and nothing
    /// else.
    pub fn new() -> Self {
        Self {
            use_declared: true,
            expected: Vec::new(),
            specs: Vec::new(),
            identity: IdentityResolver::ANONYMOUS,
            policy: Box::new(PublicGroupsOnly),
            handler: None,
            gate: Gate::default(),
            address: ClientAddress::default(),
            recheck_every: None,
            recheck_headers: Vec::new(),
            limits: Limits::default(),
            context: ResolveContext::default(),
            base: "/realtime".to_owned(),
            problems: Vec::new(),
        }
    }

    /// Ignores the `#[presence(..)]` declarations.
    pub fn without_declared(mut self) -> Self {
        self.use_declared = false;
        self
    }

    /// Has [`build`](Self::build) fail where one of these prefixes, names or patterns is
    /// not declared, which happens when the crate that declares it is not linked.
    pub fn expect_declared<T: Into<String>>(mut self, texts: impl IntoIterator<Item = T>) -> Self {
        self.expected.extend(texts.into_iter().map(Into::into));
        self
    }

    /// Adds a spec to those that are declared. May be called again.
    pub fn with_presence(mut self, spec: PresenceSpec) -> Self {
        self.specs.push(spec);
        self
    }

    /// Says who a request comes from: the signed-in user's primary key as text, or `None`.
    ///
    /// It gets the head of the request with its extensions, so that what a session layer
    /// has put there can be used.
    ///
    /// Where it panics, or gives a text that is no [`UserId`](crate::UserId), the request gets
    /// `500`; where it takes longer than [`Limits::policy_timeout`], `503`. With
    /// [`recheck_every`](Self::recheck_every) it gets only some of the headers.
    pub fn identity_resolver<F, Fut>(mut self, resolve: F) -> Self
    where
        F: Fn(Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<String>> + Send + 'static,
    {
        self.identity = IdentityResolver::new(resolve);
        self
    }

    /// Decides who may join a group, and so see it. Where it panics, the request that asks gets
    /// `500`; where it takes longer than [`Limits::policy_timeout`], `503`.
    pub fn group_policy(mut self, policy: impl GroupPolicy) -> Self {
        self.policy = Box::new(policy);
        self
    }

    /// [`group_policy`](Self::group_policy) from a function.
    pub fn group_policy_fn(
        self,
        can_join: impl Fn(Option<&str>, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.group_policy(PolicyFn(can_join))
    }

    /// [`group_policy`](Self::group_policy) from a function that has to wait for something.
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// # async fn is_friend(_: &str, _: &str) -> bool { true }
    /// let plugin = RealtimePlugin::new().group_policy_async_fn(|user, group| async move {
    ///     match user {
    ///         Some(user) => is_friend(&user, &group).await,
    ///         None => false,
    ///     }
    /// });
    /// # let _ = plugin;
    /// ```
    pub fn group_policy_async_fn<F, Fut>(self, can_join: F) -> Self
    where
        F: Fn(Option<String>, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.group_policy(PolicyAsyncFn(can_join))
    }

    /// Takes what clients send over a WebSocket. Without a handler it is ignored.
    pub fn message_handler(mut self, handler: impl MessageHandler) -> Self {
        self.handler = Some(Box::new(handler));
        self
    }

    /// Lets pages of these origins (`"https://app.example.com"`) connect and read the
    /// answers, besides the server's own. Their requests carry this server's cookies if
    /// those are `SameSite=None; Secure`. A `*`, and what is not scheme and host, with the port
    /// where it is not the scheme's own, is an error of [`build`](Self::build).
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// let plugin = RealtimePlugin::new()
    ///     .allowed_origins(["https://app.example.com"])
    ///     .allowed_hosts(["api.example.com", "127.0.0.1:3000"]);
    /// # let _ = plugin;
    /// ```
    ///
    /// The own origin needs no name where the browser says by `Sec-Fetch-Site` that the page is
    /// of the origin that it calls, as browsers do over TLS and on localhost, or where `Host`
    /// arrives as the browser sent it. Over plain HTTP, and for a WebSocket of a browser that
    /// does not send it with one, name the public origin here too where a proxy changes `Host`.
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

    /// The hosts that the server goes by: `"example.com"` with any port, `"127.0.0.1:3000"`
    /// with this one. A request with another `Host` gets `403`. Without it, or with an empty list,
    /// any will do. What is no host, such as one with a scheme or a `*`, is an error of
    /// [`build`](Self::build).
    ///
    /// It is for a server in a private network or on a developer's machine: a page elsewhere
    /// can have its own name lead there (*DNS rebinding*), and is an own page for the browser
    /// then. Behind a proxy these are the hosts that the proxy sends.
    pub fn allowed_hosts<H: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        for host in hosts {
            let host = host.as_ref();
            if !self.gate.allow_host(host) {
                self.problems.push(BuildProblem::AllowedHost { host: host.to_owned() });
            }
        }
        self
    }

    /// Gives a value, such as a database pool, to the batch resolvers, which find it by its
    /// type in their [`ResolveContext`]. May be called once per type.
    pub fn with_state<T: Clone + Send + Sync + 'static>(mut self, state: T) -> Self {
        if self.context.insert(state) {
            self.problems.push(BuildProblem::State { name: std::any::type_name::<T>() });
        }
        self
    }

    /// Asks the identity resolver and the policy again for every open connection, once in
    /// this time, the questions spread over it. Without it they are asked when a connection
    /// opens or changes its groups, and where the application calls
    /// [`recheck_policy`](Realtime::recheck_policy) or
    /// [`recheck_group`](Realtime::recheck_group).
    ///
    /// A connection whose user has become another, or nobody, is ended. One that has lost the
    /// right to a group gets `@denied`, and its user leaves. Where no answer comes nothing
    /// changes, and an error is logged.
    ///
    /// A user who is in a group by a grace alone is asked about likewise.
    ///
    /// The policy is asked once for a user, however many connections the user has, and about a
    /// user's groups at once, up to eight. A user whose answers do not come holds up nobody else.
    /// Up to 256 users are asked about at once; where that is not enough, so that questions are
    /// late by more than a tenth of the interval and 100 ms, a warning is logged.
    ///
    /// For the identity the method, the path, the extensions and the headers `cookie`,
    /// `authorization` and `host` of the request are kept, and those that
    /// [`recheck_headers`](Self::recheck_headers) names. The identity resolver gets no others
    /// then, neither at first nor again: one that needs another header finds nobody signed in from
    /// the start. [`build`](Self::build) logs which it gets, and [`Limits::recheck_bytes`] says how
    /// long they may be.
    ///
    /// The extensions are those of the request that opened the connection. A session that a layer
    /// has loaded into them (axum-login's `AuthSession`, tower-sessions' `Session`) still says what
    /// it said then: look the session up by the cookie, or ask the store whether the user may still
    /// be signed in, or a sign-out elsewhere is not noticed.
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

    /// Names headers, besides `cookie`, `authorization` and `host`, that the identity resolver
    /// needs when it is asked [again](Self::recheck_every). Without `recheck_every` it gets all
    /// headers, and this changes nothing. What is no header's name is an error of
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

    /// Says where a request comes from, for the limits that each address has
    /// ([`Limits::connections_per_address`], [`Limits::opens_per_address`]); `None` where that is
    /// not known, and then they do not apply.
    ///
    /// Without it the peer of the socket counts where the server is told it, which
    /// `Router::into_make_service_with_connect_info::<SocketAddr>()` does, and unless it is in
    /// a private network: behind a proxy every peer is the proxy. Read there what your proxy
    /// says, of a header that it sets itself and does not pass on from clients:
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

    /// Changes how much one client may ask for.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Checks everything and builds the handle. Every declaration is logged with its place, the
    /// headers that the identity resolver gets where they are not all, and
    /// what would work badly is warned of: limits that have no effect, and more connections
    /// than this process may have files open.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with all that is wrong at once: what is declared twice or overlaps
    /// at equal rank (with both places), names and prefixes that no group can have, what
    /// was expected and is not linked, a path, origin or limit that cannot be.
    pub fn build(mut self) -> Result<Realtime, BuildError> {
        let declarations = if self.use_declared { declared() } else { Vec::new() };
        tracing::info!(count = declarations.len(), "presence declarations");
        for declaration in &declarations {
            log(declaration);
        }
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
        let keeps = (!self.identity.is_anonymous())
            .then_some((self.recheck_headers, self.limits.recheck_bytes));
        let recheck = self.recheck_every.map(|every| Recheck::every(every, keeps));
        if self.identity.is_anonymous() {
            // Nobody else could come in their place.
            self.limits.anonymous = Some(self.limits.connections);
        }
        let hub = Hub::new(matcher, self.limits, self.context);
        Ok(Realtime::new(Site {
            door: Arc::new(Door::new(hub, self.identity, self.policy)),
            handler: self.handler,
            gate: self.gate,
            address: self.address,
            recheck: recheck.unwrap_or_default(),
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
