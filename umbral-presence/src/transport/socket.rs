//! The settings of the sockets that an application accepts.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// A peer that acknowledges nothing for this time is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// An idle peer is asked for a sign of life after this time.
const IDLE: Duration = Duration::from_secs(15);

/// This number of unanswered questions ends the connection.
const QUESTIONS: u32 = 3;

/// Makes the operating system notice a peer that has vanished, such as a phone that has lost its
/// network, within about 45 seconds.
///
/// Use it if there is no proxy between the browsers and this server. Behind a proxy the proxy must
/// do the same. It is for plain event streams, and for sockets on which nothing has been asked for
/// yet. The library itself watches streams with `v=1` and every WebSocket.
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
/// It sets `SO_KEEPALIVE` with its intervals, and on Linux `TCP_USER_TIMEOUT`. Without that one, data
/// that nobody acknowledges keeps a socket open for a quarter of an hour. A setting that the system
/// refuses is logged and left as it was.
pub fn notice_dead_peers(stream: &mut TcpStream) {
    let socket = SockRef::from(&*stream);
    let keepalive =
        TcpKeepalive::new().with_time(IDLE).with_interval(IDLE / 3).with_retries(QUESTIONS);
    let result = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let result = result.and_then(|()| socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED)));
    if let Err(error) = result {
        tracing::warn!(%error, "a socket refuses its settings");
    }
}
