//! What can go wrong in the hands of a program, and what handlers may return.

use crate::app::reply::Gone;
use crate::app::socket::JoinError;
use crate::wire::socketio::args::ArgsError;
use std::fmt;

/// Why something was not done.
#[derive(Debug)]
pub enum Error {
    /// The name of an event that Socket.IO keeps for itself: see [`is_reserved`](super::is_reserved).
    ReservedEvent(String),
    /// A value that cannot be sent as an argument.
    Arguments(ArgsError),
    /// Arguments that are not what was expected; which one, and what is wrong with it.
    BadArguments(serde_json::Error),
    /// A room that cannot be joined.
    Join(JoinError),
    /// An acknowledgement that did not come.
    NoAck(NoAck),
    /// The socket is gone, or is just leaving.
    Disconnected,
    /// The server is gone.
    Stopped,
    /// What a handler of the program has to say.
    Other(String),
}

impl Error {
    /// An error of the program's own.
    pub fn other(message: impl fmt::Display) -> Error {
        Error::Other(message.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::ReservedEvent(name) => write!(f, "{name:?} is an event that Socket.IO keeps for itself"),
            Error::Arguments(error) => write!(f, "the arguments cannot be sent: {error}"),
            Error::BadArguments(error) => error.fmt(f),
            Error::Join(error) => error.fmt(f),
            Error::NoAck(why) => why.fmt(f),
            Error::Disconnected => f.write_str("the socket is gone"),
            Error::Stopped => f.write_str("the server is gone"),
            Error::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Arguments(error) => Some(error),
            Error::BadArguments(error) => Some(error),
            Error::Join(error) => Some(error),
            Error::NoAck(why) => Some(why),
            _ => None,
        }
    }
}

impl From<Gone> for Error {
    fn from(_: Gone) -> Error {
        Error::Stopped
    }
}

impl From<ArgsError> for Error {
    fn from(error: ArgsError) -> Error {
        Error::Arguments(error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::BadArguments(error)
    }
}

impl From<JoinError> for Error {
    fn from(error: JoinError) -> Error {
        Error::Join(error)
    }
}

impl From<NoAck> for Error {
    fn from(why: NoAck) -> Error {
        Error::NoAck(why)
    }
}

/// Why no acknowledgement came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAck {
    /// Not within the time that it had.
    Timeout,
    /// The socket left before.
    Disconnected,
}

impl fmt::Display for NoAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoAck::Timeout => "no acknowledgement came in time",
            NoAck::Disconnected => "the socket left before it acknowledged",
        })
    }
}

impl std::error::Error for NoAck {}

/// What a handler returns: nothing, or a [`Result`] whose error is told to the handlers of
/// [`Namespace::on_error`](super::Namespace::on_error) or, without any, to the log.
pub trait Outcome {
    /// As a result.
    fn into_result(self) -> Result<(), Error>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Error> {
        Ok(())
    }
}

impl Outcome for Result<(), Error> {
    fn into_result(self) -> Result<(), Error> {
        self
    }
}
