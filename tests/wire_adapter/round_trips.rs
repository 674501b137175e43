//! Every message that can be said comes back as it was, on both wires.

use std::borrow::Cow;
use std::sync::Arc;

use fanfare::wire::adapter::{
    Body, Broadcast, Channels, Claim, Flags, Heartbeat, Message, Names, Opts, Payload, RemoteSocket, Report,
    Wire, decode, encode,
};
use proptest::prelude::*;

type Text = Cow<'static, str>;

fn text() -> impl Strategy<Value = Text> {
    prop_oneof!["[a-z#\"é/]{1,6}", "\\PC{1,24}"].prop_map(Cow::Owned)
}

fn names() -> impl Strategy<Value = Names<'static>> {
    prop::collection::vec(text(), 0..4)
}

fn opts() -> impl Strategy<Value = Opts<'static>> {
    (names(), names()).prop_map(|(rooms, except)| Opts { rooms, except, flags: Flags::default() })
}

fn flags() -> impl Strategy<Value = Flags> {
    (any::<bool>(), any::<Option<bool>>(), prop::option::of(0..1u64 << 53), any::<bool>())
        .prop_map(|(volatile, compress, timeout_ms, local)| Flags { volatile, compress, timeout_ms, local })
}

/// One element, as both forms write it, and perhaps bytes.
fn element() -> impl Strategy<Value = (String, Option<Arc<[u8]>>)> {
    prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "\\PC{0,40}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        ("[a-z]{0,40}", any::<u32>()).prop_map(|(key, value)| format!("{{\"{key}\":[true,{value}]}}")),
    ]
    .prop_map(|json| (json, None))
    .boxed()
    .prop_union(
        prop::collection::vec(any::<u8>(), 0..300)
            .prop_map(|bytes| (String::new(), Some(Arc::from(bytes))))
            .boxed(),
    )
}

fn payload(first: &'static str) -> impl Strategy<Value = Payload<'static>> {
    prop::collection::vec(element(), 0..20).prop_map(move |elements| {
        let mut attachments = Vec::new();
        let mut parts = vec![format!("\"{first}\"")];
        for (json, bytes) in elements {
            parts.push(match bytes {
                None => json,
                Some(bytes) => {
                    attachments.push(bytes);
                    format!("{{\"_placeholder\":true,\"num\":{}}}", attachments.len() - 1)
                }
            });
        }
        Payload::new(format!("[{}]", parts.join(",")), attachments)
    })
}

fn socket() -> impl Strategy<Value = RemoteSocket<'static>> {
    (text(), payload("h"), names(), payload("d")).prop_map(|(id, handshake, rooms, data)| RemoteSocket {
        id,
        handshake,
        rooms,
        data,
    })
}

fn body() -> impl Strategy<Value = Body<'static>> {
    let claim = prop::option::of((any::<u64>(), text()).prop_map(|(at_us, node)| Claim { at_us, node }));
    prop_oneof![
        4 => (payload("ev"), opts(), flags(), prop::option::of(text()), prop::option::of(text())).prop_map(
            |(data, opts, flags, request, report)| {
                Body::Broadcast(Broadcast { data, opts: Opts { flags, ..opts }, request, report })
            }
        ),
        1 => (opts(), names(), prop::option::of(text())).prop_map(|(opts, rooms, report)| Body::SocketsJoin { opts, rooms, report }),
        1 => (opts(), names(), claim, prop::option::of(text()))
            .prop_map(|(opts, rooms, claim, report)| Body::SocketsLeave { opts, rooms, claim, report }),
        1 => (opts(), any::<bool>(), prop::option::of(text()))
            .prop_map(|(opts, close, report)| Body::DisconnectSockets { opts, close, report }),
        1 => (opts(), text()).prop_map(|(opts, request)| Body::FetchSockets { opts, request }),
        1 => (text(), prop::collection::vec(socket(), 0..3))
            .prop_map(|(request, sockets)| Body::FetchSocketsResponse { request, sockets }),
        1 => (payload("ev"), prop::option::of(text()))
            .prop_map(|(data, request)| Body::ServerSideEmit { data, request }),
        1 => (text(), payload("a")).prop_map(|(request, data)| Body::ServerSideEmitResponse { request, data }),
        1 => (text(), any::<u64>()).prop_map(|(request, count)| Body::BroadcastClientCount { request, count }),
        1 => (text(), payload("a")).prop_map(|(request, data)| Body::BroadcastAck { request, data }),
        1 => (text(), any::<[u64; 7]>()).prop_map(|(request, n)| Body::BroadcastReport {
            request,
            report: Report {
                matched: n[0],
                written: n[1],
                queued: n[2],
                dropped_slow: n[3],
                dropped_volatile: n[4],
                dropped_closed: n[5],
                dropped_busy: n[6],
            },
        }),
        1 => text().prop_map(|request| Body::AllRooms { request }),
        1 => (text(), names()).prop_map(|(request, rooms)| Body::AllRoomsResponse { request, rooms }),
        1 => prop_oneof![Just(Heartbeat::Initial), Just(Heartbeat::Regular), Just(Heartbeat::Close)]
            .prop_map(Body::Heartbeat),
    ]
}

fn message() -> impl Strategy<Value = Message<'static>> {
    let scope = prop_oneof![text(), text().prop_map(|text| Cow::Owned(format!("/{text}")))];
    (scope, prop::option::of(text()), any::<bool>(), prop::option::of(any::<u64>()), body()).prop_map(
        |(scope, from, to_us, seq, body)| {
            let to = (to_us && body.is_response()).then_some(Cow::Borrowed("our own id"));
            Message { scope, from, to, seq, body }
        },
    )
}

proptest! {
    #[test]
    fn there_and_back(message in message(), wire in prop_oneof![Just(Wire::Classic), Just(Wire::Sharded)]) {
        let channels = Channels::new("p", wire);
        let Some((channel, bytes)) = encode(&channels, &message) else {
            prop_assert_eq!(wire, Wire::Classic);
            prop_assert!(matches!(message.body, Body::Heartbeat(_)));
            return Ok(());
        };
        let decoded = decode(&channels, "our own id", &channel, &bytes);
        prop_assert_eq!(decoded, Ok(Some(message)), "{}", bytes.escape_ascii());
    }
}
