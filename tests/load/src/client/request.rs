//! The head of a request, as long as a browser's.

use super::{Surroundings, Transport, Visitor};

/// What every request of a browser says besides.
const USUAL: &str = "\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Cookie: session=5f2b7c1e9d3a48c6b0e4f1a2d7c8935e; theme=dark\r\n\
    Sec-Fetch-Dest: empty\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n";

/// The example of RFC 6455: nothing here depends on chance.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Asks for the stream of a visitor.
pub(super) fn head(visitor: &Visitor, around: &Surroundings) -> String {
    let host = around.host;
    let version = if around.is_plain { "" } else { "&v=1" };
    let (path, kind) = match visitor.transport {
        Transport::Sse => {
            ("sse", "Accept: text/event-stream\r\nSec-Fetch-Mode: cors\r\n".to_owned())
        }
        Transport::WebSocket => (
            "ws",
            format!(
                "Accept: */*\r\nSec-Fetch-Mode: websocket\r\nOrigin: http://{host}\r\n\
                 Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
            ),
        ),
    };
    let user = visitor.user.map(|user| format!("x-user: {user}\r\n")).unwrap_or_default();
    let group = visitor.room;
    format!(
        "GET /realtime/{path}?groups={group}{version} HTTP/1.1\r\nHost: {host}\r\n{USUAL}{kind}{user}\r\n"
    )
}
