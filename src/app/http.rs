//! HTTP requests as handlers see them, and how they answer.

use super::context::{Context, Job};
use super::handle::{Handle, Via};
use crate::base::ids::LinkId;
use crate::reactor::peer::Peer;
use crate::session::http as session;
use crate::wire::cookie;
use crate::wire::response::Response;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt;

/// A whole request, lent for the call.
#[derive(Debug)]
pub struct Request<'a> {
    pub(crate) inner: session::Request<'a>,
    pub(crate) peer: Peer,
    pub(crate) secure: bool,
}

impl<'a> Request<'a> {
    /// The method, as sent.
    pub fn method(&self) -> &'a str {
        self.inner.head.method
    }

    /// The path of the target, not decoded.
    pub fn path(&self) -> &'a str {
        self.inner.head.path()
    }

    /// The first header field of this name, without regard to case.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.inner.head.header(name)
    }

    /// The value of the first cookie of this name, without the double quotes around it; nothing if it is not UTF-8.
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        self.inner.head.all("cookie").find_map(|field| cookie::find(field, name))
    }

    /// The body, without its framing; at most `message_bytes` long.
    pub fn body(&self) -> &'a [u8] {
        self.inner.body
    }

    /// The body, read as JSON, whatever its Content-Type says.
    ///
    /// # Errors
    /// It is not JSON, or not that of such a value. What the error says may be told to the client.
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.body())
    }

    /// Who sent it: whoever connected, unless that is a proxy whose word is taken
    /// ([`Builder::proxies`](crate::Builder::proxies)).
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether it came over TLS, here or, if a proxy says so whose word is taken, there.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The parameters of the query, decoded as `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// A parameter that is not UTF-8 once decoded.
    pub fn query(&self) -> Result<Query<'a>, BadQuery> {
        Query::parse(self.inner.head.query())
    }
}

/// A query with a parameter that is not text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuery;

impl fmt::Display for BadQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the query is not percent-encoded UTF-8")
    }
}

impl std::error::Error for BadQuery {}

/// Decoded parameters in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads `a=1&b=2`. A `+` is a blank; a name without `=` has an empty value.
    ///
    /// # Errors
    /// A parameter that is not UTF-8 once decoded.
    pub fn parse(text: &'a str) -> Result<Query<'a>, BadQuery> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        decoded.collect::<Result<_, _>>().map(Query)
    }

    /// The first parameter of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_ref())
    }

    /// How many parameters have the name.
    pub fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(found, _)| found == name).count()
    }

    /// All parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, BadQuery> {
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8().map_err(|_| BadQuery);
    }
    let blanks = text.replace('+', " ");
    let decoded = percent_decode_str(&blanks).decode_utf8().map_err(|_| BadQuery)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

/// The duty to answer one request, now, later or from another thread.
///
/// A request that is not answered within 30 seconds is answered with 503; one whose responder is dropped, with 500.
#[derive(Debug)]
#[must_use = "a request without an answer holds its connection"]
pub struct Responder(Option<Unanswered>);

#[derive(Debug)]
struct Unanswered {
    /// Its home is the reactor that has the link.
    handle: Handle,
    link: LinkId,
    /// Which request of the link, so that an answer that comes too late does not answer the next.
    number: u32,
}

impl Responder {
    pub(crate) fn new(cx: &Context<'_>, link: LinkId, number: u32) -> Responder {
        Responder(Some(Unanswered { handle: cx.handle(), link, number }))
    }

    /// Answers. If the client is gone by now, nothing happens.
    pub fn send(mut self, via: impl Via, response: Response) {
        if let Some(Unanswered { handle, link, number }) = self.0.take() {
            respond(via, &handle, link, number, response);
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(Unanswered { handle, link, number }) = self.0.take() {
            let response = Response::error(500, "internal", "the handler of this path did not answer");
            respond(&handle, &handle, link, number, response);
        }
    }
}

fn respond(via: impl Via, home: &Handle, link: LinkId, number: u32, response: Response) {
    via.carry_to(home.home(), response.body.len() + 256, move |cx| {
        cx.core.jobs.push_back(Job::Respond { link, number, response });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("a=1&b=x%20y+z&&c&a=2&d=%C3%A9").unwrap();
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.count("a"), 2);
        assert_eq!(query.get("b"), Some("x y z"));
        assert_eq!(query.get("c"), Some(""));
        assert_eq!(query.get("d"), Some("é"));
        assert_eq!(query.get("e"), None);
        assert_eq!(Query::parse("a=%FF"), Err(BadQuery));
        assert_eq!(Query::parse("a=+%FF"), Err(BadQuery));
    }
}
