//! The parameters of an Engine.IO request.
//!
//! Owns: finding those that Engine.IO itself reads, out of whatever stands behind the `?`.
//! Leaves to others: which of them a request needs; the application's own parameters.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::jsonp::digits_of;
use super::packet::Revision;

/// How a session's packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    /// The name in requests and in the open packet.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Polling => "polling",
            Transport::WebSocket => "websocket",
        }
    }

    /// The transport of that name.
    pub fn from_name(name: &str) -> Option<Transport> {
        [Transport::Polling, Transport::WebSocket].into_iter().find(|transport| transport.name() == name)
    }
}

/// What a request asks for. Of a parameter that is repeated, the first counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// `EIO`: the revision; `None` if it is missing or not spoken here.
    pub revision: Option<Revision>,
    /// `transport`; `None` if it is missing or does not exist.
    pub transport: Option<Transport>,
    /// `sid`: the session, if the request is not a handshake.
    pub sid: Option<Cow<'a, str>>,
    /// `b64`: the client takes no binary data.
    pub base64: bool,
    /// `j`: the digits of the callback, if the answer shall be a script.
    pub jsonp: Option<String>,
}

impl<'a> Query<'a> {
    /// Reads the part of a request target behind the `?`. Nothing makes it fail: what is malformed is text
    /// that means nothing.
    pub fn parse(query: &'a str) -> Query<'a> {
        let (mut eio, mut transport, mut sid, mut b64, mut j) = (None, None, None, None, None);
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let place = match &*decode(name) {
                "EIO" => &mut eio,
                "transport" => &mut transport,
                "sid" => &mut sid,
                "b64" => &mut b64,
                "j" => &mut j,
                _ => continue,
            };
            place.get_or_insert_with(|| decode(value));
        }
        let has_text = |value: &Cow<'_, str>| !value.is_empty();
        Query {
            revision: eio.and_then(|value| Revision::from_query(&value)),
            transport: transport.and_then(|value| Transport::from_name(&value)),
            // The reference takes a request with an empty id for a handshake.
            sid: sid.filter(has_text),
            base64: b64.is_some_and(|value| has_text(&value)),
            jsonp: j.map(|value| digits_of(&value)),
        }
    }
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8_lossy();
    }
    let blanks = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&blanks).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Query<'_> =
        Query { revision: None, transport: None, sid: None, base64: false, jsonp: None };

    #[test]
    fn requests_of_clients() {
        let polling = Query { transport: Some(Transport::Polling), ..NOTHING };
        assert_eq!(Query::parse("EIO=4&transport=polling&t=abc"), {
            Query { revision: Some(Revision::Four), ..polling.clone() }
        });
        assert_eq!(Query::parse("EIO=3&transport=polling&b64=1&j=0&sid=a_B-1&token=x%26sid=y"), {
            Query {
                revision: Some(Revision::Three),
                sid: Some("a_B-1".into()),
                base64: true,
                jsonp: Some("0".into()),
                ..polling
            }
        });
        assert_eq!(Query::parse("transport=websocket&EIO=4"), {
            Query { revision: Some(Revision::Four), transport: Some(Transport::WebSocket), ..NOTHING }
        });
    }

    #[test]
    fn names_and_values_are_decoded() {
        let query = Query::parse("%45IO=%34&transpor%74=poll%69ng&sid=%E2%82%AC+%2b&j=1%5D(2)");
        assert_eq!(query.revision, Some(Revision::Four));
        assert_eq!(query.transport, Some(Transport::Polling));
        assert_eq!(query.sid.as_deref(), Some("€ +"));
        assert_eq!(query.jsonp.as_deref(), Some("12"));
    }

    #[test]
    fn the_first_counts() {
        let query = Query::parse("sid=a&sid=b&transport=x&transport=polling&EIO&EIO=4&b64=&b64=1&j=&j=1");
        assert_eq!(query, Query { sid: Some("a".into()), jsonp: Some(String::new()), ..NOTHING });
    }

    #[test]
    fn what_means_nothing() {
        for query in [
            "",
            "&",
            "=",
            "&=&=",
            "%",
            "%%%=%zz",
            "EIO",
            "EIO=5&transport=webtransport",
            "transport=__proto__&EIO=__proto__",
            "transport=constructor&__proto__=1",
            "transport=Polling&eio=4&SID=x&B64=1&J=1",
            "transport=polling%00&EIO=4%20",
            "sid=&b64=",
            "transport[]=polling&EIO[0]=4",
        ] {
            assert_eq!(Query::parse(query), NOTHING, "{query}");
        }
        assert_eq!(Query::parse("sid=%ff%41").sid.as_deref(), Some("\u{fffd}A"));
    }
}
