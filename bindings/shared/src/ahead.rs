//! Answers read ahead on the library's own thread, for a host that reads streams from a thread of its own.
//!
//! The connection hands on one piece at a time and is woken for the next. Where the reader is on another thread, each of
//! these wakes goes through the system. Here a task beside the connection takes the pieces, and the reader takes all at once
//! that have come: it wakes that task only where it had stopped, because too many bytes were waiting.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tierway::ProviderError;
use tierway::transport::{BodyStream, Incoming, Outgoing, Transport};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Bytes that may wait for a reader before no more are taken from the connection: far above what a vendor sends between two
/// looks, and little beside what a process holds.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// A transport whose answers are read ahead.
#[derive(Debug)]
pub(crate) struct Ahead<T>(pub(crate) T);

#[async_trait]
impl<T: Transport> Transport for Ahead<T> {
    async fn post(&self, outgoing: Outgoing) -> Result<Incoming, ProviderError> {
        let Incoming { status, headers, body } = self.0.post(outgoing).await?;
        Ok(Incoming { status, headers, body: Box::pin(Reader::of(body)) })
    }
}

type Piece = Result<Bytes, ProviderError>;

/// What has come and is not read.
#[derive(Default)]
struct Waiting {
    pieces: VecDeque<Piece>,
    bytes: usize,
    reader: Option<Waker>,
    is_over: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Told where there is room again.
    room: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the reader that no more will come, however the task ends.
struct Writer(Arc<Shared>);

impl Writer {
    /// Puts a piece to the others. Whether there is room for more.
    fn put(&self, piece: Piece) -> bool {
        let mut waiting = self.0.lock();
        waiting.bytes += size_of::<Piece>() + piece.as_ref().map_or(0, Bytes::len);
        waiting.pieces.push_back(piece);
        let (has_room, reader) = (waiting.bytes < WAITING_BYTES_MAX, waiting.reader.take());
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
        has_room
    }

    async fn read(self, mut body: BodyStream) {
        while let Some(piece) = body.next().await {
            let mut has_room = self.put(piece);
            while !has_room {
                self.0.room.notified().await;
                has_room = self.0.lock().bytes < WAITING_BYTES_MAX;
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.is_over = true;
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// A body that is read ahead of its reader, from when a piece is first waited for: most whole answers need no task. Dropping
/// it lets go of the connection.
enum Reader {
    Direct(Option<BodyStream>),
    Ahead(Queue),
}

impl Reader {
    fn of(body: BodyStream) -> Reader {
        Reader::Direct(Some(body))
    }
}

impl Stream for Reader {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        if let Reader::Direct(body) = &mut *self {
            if let Some(Poll::Ready(piece)) = body.as_mut().map(|body| body.poll_next_unpin(context)) {
                return Poll::Ready(piece);
            }
            let Ok(runtime) = Handle::try_current() else { return Poll::Pending };
            let Some(body) = body.take() else { return Poll::Ready(None) };
            *self = Reader::Ahead(Queue::of(body, &runtime));
        }
        match &mut *self {
            Reader::Ahead(queue) => queue.poll(context),
            Reader::Direct(_) => Poll::Pending,
        }
    }
}

/// What the task has put by for the reader.
struct Queue {
    shared: Arc<Shared>,
    taken: VecDeque<Piece>,
    task: JoinHandle<()>,
}

impl Queue {
    fn of(body: BodyStream, runtime: &Handle) -> Queue {
        let shared = Arc::new(Shared::default());
        let task = runtime.spawn(Writer(shared.clone()).read(body));
        Queue { shared, taken: VecDeque::new(), task }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        if let Some(piece) = self.taken.pop_front() {
            return Poll::Ready(Some(piece));
        }
        let mut waiting = self.shared.lock();
        if waiting.pieces.is_empty() {
            if waiting.is_over {
                return Poll::Ready(None);
            }
            waiting.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        std::mem::swap(&mut waiting.pieces, &mut self.taken);
        let was_full = std::mem::take(&mut waiting.bytes) >= WAITING_BYTES_MAX;
        drop(waiting);
        if was_full {
            self.shared.room.notify_one();
        }
        Poll::Ready(self.taken.pop_front())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::stream;

    use super::*;

    fn piece(bytes: usize) -> Piece {
        Ok(Bytes::from(vec![b'a'; bytes]))
    }

    fn ahead(body: impl Stream<Item = Piece> + Send + 'static) -> Reader {
        Reader::Ahead(Queue::of(Box::pin(body), &Handle::current()))
    }

    #[tokio::test]
    async fn what_is_there_needs_no_task() {
        let mut reader = Reader::of(Box::pin(stream::iter([piece(3)]).chain(stream::pending())));
        assert_eq!(reader.next().await.unwrap().unwrap().len(), 3);
        assert!(matches!(reader, Reader::Direct(_)));
        assert!(reader.poll_next_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(matches!(reader, Reader::Ahead(_)));
    }

    #[tokio::test]
    async fn all_comes_in_its_order_with_the_error_last() {
        let said = ["a", "b", "c"].map(|text| Ok(Bytes::from(text)));
        let broke =
            ProviderError::new(tierway::error::Kind::Network, tierway::Retry::Elsewhere, "the connection broke");
        let body = stream::iter(said.into_iter().chain([Err(broke)]));
        let got: Vec<Piece> = ahead(body).collect().await;
        let words: Vec<&[u8]> = got.iter().filter_map(|piece| piece.as_deref().ok()).collect();
        assert_eq!(words, [b"a", b"b", b"c"]);
        assert_eq!(got[3].as_ref().unwrap_err().to_string(), "network: the connection broke");
        assert_eq!(got.len(), 4);
    }

    #[tokio::test]
    async fn a_slow_reader_stops_it_and_a_dropped_one_ends_it() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let endless = stream::repeat_with(move || {
            count.fetch_add(1, Ordering::Relaxed);
            piece(64 << 10)
        });
        let mut reader = ahead(endless);
        let settle = async || {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        settle().await;
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        assert!(reader.next().await.is_some());
        settle().await;
        assert_eq!(asked.load(Ordering::Relaxed), 8);
        let Reader::Ahead(queue) = &reader else { panic!("it is not read ahead") };
        let shared = Arc::downgrade(&queue.shared);
        drop(reader);
        settle().await;
        assert!(shared.upgrade().is_none(), "the task holds on");
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_for_a_piece_and_for_the_end() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Piece>();
        let body = stream::unfold(receiver, |mut pieces| async { pieces.recv().await.map(|piece| (piece, pieces)) });
        let mut reader = ahead(body);
        let waiting = tokio::spawn(async move { (reader.next().await.is_some(), reader.next().await.is_none()) });
        tokio::task::yield_now().await;
        sender.send(piece(1)).unwrap();
        tokio::task::yield_now().await;
        drop(sender);
        assert_eq!(waiting.await.unwrap(), (true, true));
    }
}
