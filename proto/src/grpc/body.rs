//! Streams of messages as the bodies of an HTTP request and its response.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use tonic::body::Body;
use tonic::{Code, Status};

use super::decode::{Decoder, FramingError};
use super::encode::StreamMessage;
use super::status;
use crate::local::{Direction, Incoming, Outgoing, SharedTensorError, Sharing};
use crate::text::printable;

/// Which end of the stream a body is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that called: its requests just end, its responses end with a status.
    Client,
    /// The one that was called.
    Server,
}

impl Side {
    fn direction_out(self) -> Direction {
        match self {
            Self::Client => Direction::ToCoordinator,
            Self::Server => Direction::ToWorker,
        }
    }

    fn direction_in(self) -> Direction {
        match self {
            Self::Client => Direction::ToWorker,
            Self::Server => Direction::ToCoordinator,
        }
    }
}

/// Messages on their way out. It ends when `messages` do.
#[derive(Debug)]
pub struct OutgoingBody<S> {
    messages: S,
    side: Side,
    /// The way of tensors that need not go over the stream.
    beside: Outgoing,
    /// The tensor of the message whose head has been sent.
    tensor: Bytes,
    ended: bool,
}

impl<S> OutgoingBody<S> {
    pub(super) fn new(messages: S, side: Side, sharing: Sharing) -> Self {
        Self {
            messages,
            side,
            beside: Outgoing::new(sharing, side.direction_out()),
            tensor: Bytes::new(),
            ended: false,
        }
    }

    /// The last frame: the server says how it went, the client resets the stream if something is wrong.
    fn end(&mut self, status: Status) -> Option<Result<Frame<Bytes>, Status>> {
        self.ended = true;
        match self.side {
            Side::Server => Some(Ok(Frame::trailers(status::trailers(&status)))),
            Side::Client if status.code() == Code::Ok => None,
            Side::Client => Some(Err(status)),
        }
    }
}

impl<S> HttpBody for OutgoingBody<S>
where
    S: Stream<Item: StreamMessage> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let body = &mut *self;
        if !body.tensor.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut body.tensor)))));
        }
        if body.ended {
            return Poll::Ready(None);
        }
        let Some(mut message) = ready!(Pin::new(&mut body.messages).poll_next(context)) else {
            return Poll::Ready(body.end(Status::ok("")));
        };
        let beside = &mut body.beside;
        if let Some(place) = message.tensor_mut().and_then(|tensor| beside.put(tensor)) {
            message.tensor_mut().map(std::mem::take);
            *message.shared_mut() = Some(place);
        }
        Poll::Ready(match message.into_pieces() {
            Ok(pieces) => {
                body.tensor = pieces.tensor;
                Some(Ok(Frame::data(pieces.head)))
            }
            Err(error) => body.end(error.into()),
        })
    }
}

/// Why a stream has no more messages, although it has not ended well.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The other end sent bytes that are no message.
    #[error(transparent)]
    Garbled(#[from] FramingError),
    /// The other end said of shared memory what cannot be.
    #[error(transparent)]
    Shared(#[from] SharedTensorError),
    /// The other end closed the stream with this status, or the connection broke.
    #[error("{}", printable(.0.message()))]
    Broken(Status),
}

/// Messages that come in.
#[derive(Debug)]
pub struct IncomingBody<M> {
    body: Body,
    side: Side,
    /// The way of tensors that do not come over the stream.
    beside: Incoming,
    decoder: Decoder<M>,
    ended: bool,
}

impl<M: StreamMessage> IncomingBody<M> {
    pub(super) fn new(body: Body, side: Side, sharing: Sharing) -> Self {
        Self {
            body,
            side,
            beside: Incoming::new(sharing, side.direction_in()),
            decoder: Decoder::new(),
            ended: false,
        }
    }

    /// The next message; `None` at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`StreamError`] if the stream ends otherwise than it should. After it there is nothing more.
    pub async fn message(&mut self) -> Result<Option<M>, StreamError> {
        poll_fn(|context| self.poll_message(context)).await
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<M>, StreamError>> {
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        let result = ready!(self.poll_next(context));
        self.ended = !matches!(result, Ok(Some(_)));
        Poll::Ready(result)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<M>, StreamError>> {
        loop {
            if let Some(mut message) = self.decoder.next_message()? {
                self.complete(&mut message)?;
                return Poll::Ready(Ok(Some(message)));
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                // A client that is gone has cancelled its call. That is how it ends it.
                Some(Err(status)) if self.side == Side::Server && status.code() == Code::Cancelled => {
                    return Poll::Ready(Ok(None));
                }
                Some(Err(status)) => return Poll::Ready(Err(StreamError::Broken(status))),
                None => return Poll::Ready(self.end(HeaderMap::new())),
            };
            match frame.into_data() {
                Ok(data) => self.decoder.push(data),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return Poll::Ready(self.end(trailers));
                    }
                }
            }
        }
    }

    /// Fetches the tensor of a message if it came another way.
    fn complete(&mut self, message: &mut M) -> Result<(), SharedTensorError> {
        let Some(place) = message.shared_mut().take() else {
            return Ok(());
        };
        let tensor = message.tensor_mut().ok_or(SharedTensorError::NoTensor)?;
        if !tensor.is_empty() {
            return Err(SharedTensorError::Twice(tensor.len()));
        }
        *tensor = self.beside.take(place)?;
        Ok(())
    }

    /// What the end of the stream means.
    fn end(&self, trailers: HeaderMap) -> Result<Option<M>, StreamError> {
        if self.side == Side::Client {
            let missing = || Status::unknown("the stream ended without a grpc-status");
            let status = status::read(trailers).unwrap_or_else(missing);
            if status.code() != Code::Ok {
                return Err(StreamError::Broken(status));
            }
        }
        self.decoder.finish()?;
        Ok(None)
    }
}
