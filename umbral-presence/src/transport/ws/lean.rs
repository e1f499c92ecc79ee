//! A WebSocket that gives its buffers back. They grow with what passes through them, and cannot be
//! made smaller. So a fresh WebSocket replaces the old one over the same connection, at a moment
//! when nothing is under way in either direction.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::metered::Metered;

/// A longer message leaves buffers that are too large to be kept.
const LONG: usize = 2 * 1024;

/// The server's side of a WebSocket.
#[derive(Debug)]
pub(super) struct Lean<IO> {
    /// `None` only while a fresh one replaces it.
    socket: Option<WebSocketStream<Metered<IO>>>,
    /// Whether a long message has passed through it.
    has_grown: bool,
}

const ALWAYS_THERE: &str = "a fresh WebSocket replaces the old one at once";

impl<IO: AsyncRead + AsyncWrite + Unpin> Lean<IO> {
    pub(super) fn new(io: Metered<IO>, config: WebSocketConfig) -> Self {
        Self { socket: Some(open(io, config)), has_grown: false }
    }

    /// Tells the peer why the connection ends, and reads until the peer ends it too.
    pub(super) async fn end(&mut self, frame: Option<CloseFrame>) {
        // No fresh WebSocket from here on: it would not know that a close frame has been sent.
        let socket = self.get();
        if let Some(frame) = frame {
            // The connection ends even if the peer does not take the frame.
            let _ = socket.send(Message::Close(Some(frame))).await;
        }
        while let Some(Ok(_)) = socket.next().await {}
    }

    fn get(&mut self) -> &mut WebSocketStream<Metered<IO>> {
        self.socket.as_mut().expect(ALWAYS_THERE)
    }

    /// Replaces a WebSocket that has grown and has read everything. Returns whether it was replaced.
    fn poll_renew(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        if !self.has_grown || !self.get().get_ref().is_between_messages() {
            return Poll::Ready(Ok(false));
        }
        ready!(self.get().poll_flush_unpin(cx))?;
        let socket = self.socket.take().expect(ALWAYS_THERE);
        let config = *socket.get_config();
        self.socket = Some(open(socket.into_inner(), config));
        self.has_grown = false;
        Poll::Ready(Ok(true))
    }
}

fn open<IO: AsyncRead + AsyncWrite + Unpin>(
    io: Metered<IO>,
    config: WebSocketConfig,
) -> WebSocketStream<Metered<IO>> {
    let opened = WebSocketStream::from_raw_socket(io, Role::Server, Some(config));
    opened.now_or_never().expect("without a handshake nothing is waited for")
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Stream for Lean<IO> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.get().poll_next_unpin(cx) {
                Poll::Ready(message) => {
                    if let Some(Ok(message)) = &message {
                        self.has_grown |= message.len() > LONG;
                    }
                    return Poll::Ready(message);
                }
                // Everything that was read has been handed out.
                Poll::Pending => match ready!(self.poll_renew(cx)) {
                    // The fresh one is polled once, so that it wakes this task.
                    Ok(true) => {}
                    Ok(false) => return Poll::Pending,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sink<Message> for Lean<IO> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get().poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.has_grown |= message.len() > LONG;
        self.get().start_send_unpin(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get().poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get().poll_close_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        task::unconstrained,
        time::timeout,
    };
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };

    use super::*;

    fn lean(io: DuplexStream) -> Lean<DuplexStream> {
        Lean::new(Metered::new(io, usize::MAX), WebSocketConfig::default().read_buffer_size(1024))
    }

    /// A message that a client may send, in its frames.
    fn message() -> impl Strategy<Value = Vec<Message>> {
        let length = prop_oneof![0..10_usize, 0..3000_usize, 60_000..70_000_usize];
        (length, 0..4_usize, "[a-z]{1}").prop_map(|(length, kind, letter)| {
            let text = letter.repeat(length);
            let fragment = |text: &str, kind, is_last| {
                let bytes = text.as_bytes().to_vec();
                Message::Frame(Frame::message(bytes, OpCode::Data(kind), is_last))
            };
            match kind {
                0 => vec![Message::text(text)],
                1 => vec![Message::binary(text)],
                2 => vec![Message::Ping(text.into_bytes()[..length.min(125)].to_vec().into())],
                _ => vec![
                    fragment(&text, Data::Text, false),
                    Message::Ping("between".into()),
                    fragment("", Data::Continue, false),
                    fragment(&text, Data::Continue, true),
                ],
            }
        })
    }

    /// The messages that arrive.
    fn arrives(sent: &[Message]) -> Vec<Message> {
        let mut text = Vec::new();
        let mut arrived = Vec::new();
        for message in sent {
            match message {
                Message::Frame(frame) => {
                    text.extend_from_slice(frame.payload());
                    if frame.header().is_final {
                        arrived.push(Message::text(String::from_utf8(text.clone()).unwrap()));
                    }
                }
                other => arrived.push(other.clone()),
            }
        }
        arrived
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn nothing_is_lost_wherever_it_is_renewed(
            messages in prop::collection::vec(message(), 1..20),
            step in prop_oneof![1..20_usize, 500..3000_usize, 30_000..140_000_usize],
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                // The bytes that a client sends.
                let (ours, mut theirs) = duplex(16 * 1024 * 1024);
                let mut client = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
                for message in messages.iter().flatten() {
                    client.send(message.clone()).await.unwrap();
                }
                client.get_mut().shutdown().await.unwrap();
                let mut bytes = Vec::new();
                theirs.read_to_end(&mut bytes).await.unwrap();

                let (mut ours, theirs) = duplex(16 * 1024 * 1024);
                let mut server = lean(theirs);
                let mut heard = Vec::new();
                for chunk in bytes.chunks(step) {
                    ours.write_all(chunk).await.unwrap();
                    while let Some(message) = unconstrained(server.next()).now_or_never() {
                        heard.push(message.unwrap().unwrap());
                    }
                }
                let sent: Vec<_> = messages.iter().flat_map(|sent| arrives(sent)).collect();
                assert!(heard == sent, "{} of {}", heard.len(), sent.len());
                assert!(!server.has_grown);
            });
        }
    }

    #[tokio::test]
    async fn what_is_long_is_not_kept_and_a_goodbye_is_answered_once() {
        let (ours, theirs) = duplex(1024);
        let mut client = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
        let mut server = lean(theirs);
        let served = tokio::spawn(async move {
            let mut renewed = 0;
            while let Some(Ok(message)) = server.next().await {
                if message.is_close() {
                    break;
                }
                server.send(message).await.unwrap();
                assert!(server.has_grown);
                assert!(server.next().now_or_never().is_none());
                renewed += usize::from(!server.has_grown);
            }
            server.end(None).await;
            renewed
        });
        for _ in 0..3 {
            let text = Message::text("x".repeat(60_000));
            client.send(text.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), text);
        }
        client.close(None).await.unwrap();
        let mut closes = 0;
        let rest = async {
            while let Some(Ok(message)) = client.next().await {
                closes += usize::from(message.is_close());
            }
        };
        timeout(std::time::Duration::from_secs(10), rest).await.unwrap();
        assert_eq!(closes, 1);
        assert_eq!(served.await.unwrap(), 3);
    }
}
