//! Settings of the sockets that an application accepts.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// A peer that acknowledges nothing for so long is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// An idle peer is asked for a sign of life after this time, and so often again.
const IDLE: Duration = Duration::from_secs(15);

/// So many unanswered questions end the connection.
const QUESTIONS: u32 = 3;

/// Has the operating system notice peers that are gone without a word, such as a phone that
/// has lost its network, within about 45 seconds.
///
/// Streams with `v=1` and every WebSocket are watched over all the same; this is for plain event
/// streams, and for sockets on which nothing has been asked for yet. Use it where nothing
/// stands between the browsers and this server; behind a proxy it is the proxy's to do.
///
/// ```no_run
/// use axum::serve::ListenerExt;
///
/// # async fn example(app: axum::Router) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// axum::serve(listener.tap_io(umbral_presence::notice_dead_peers), app).await
/// # }
/// ```
///
/// It sets `SO_KEEPALIVE` with its intervals everywhere, and on Linux `TCP_USER_TIMEOUT`,
/// without which data that nobody acknowledges keeps a socket open for a quarter of an hour.
/// What a system does not take is logged and left as it was.
pub fn notice_dead_peers(stream: &mut TcpStream) {
    let socket = SockRef::from(&*stream);
    let keepalive =
        TcpKeepalive::new().with_time(IDLE).with_interval(IDLE / 3).with_retries(QUESTIONS);
    let result = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let result = result.and_then(|()| socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED)));
    if let Err(error) = result {
        tracing::warn!(%error, "a socket does not take its settings");
    }
}
