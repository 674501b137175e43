//! The messages of a publish, in the three forms in which they come: events of Socket.IO, those of application 1, and
//! messages of the gateway.
//!
//! A field belongs to one form only, so that the first field that is known tells the form.

use super::fields::{BadBody, Body, Fault, Fields};
use super::target::Target;
use crate::events::{self, check_event, check_name};
use crate::gateway::{Address, Outgoing, check_id, scope_of};
use fanfare::socketio::Args;
use fanfare::{Context, DeliveryReport, Frame, NAME_BYTES, To};
use serde_json::value::RawValue;

struct Form {
    fields: &'static [&'static str],
    /// Reads an object with these fields and no others; the names are those of the namespaces that are served.
    read: fn(&Fields<'_>, &[String]) -> Result<Message, Fault>,
}

const FORMS: [Form; 3] = [
    Form {
        fields: &["namespace", "to", "except", "event", "args", "volatile", "compress", "local"],
        read: read_event,
    },
    Form { fields: &["roomName", "eventName", "text"], read: read_info },
    Form { fields: &["bizCode", "mode", "targetClientId", "group", "content", "msgId"], read: read_gateway },
];

/// One message, ready to be delivered.
#[derive(Debug)]
pub(super) enum Message {
    /// To clients of the gateway.
    Frame { to: To, frame: Frame },
    /// To sockets of a namespace.
    Event(Event),
}

#[derive(Debug)]
pub(super) struct Event {
    target: Target,
    name: String,
    args: Args,
    volatile: bool,
    compress: bool,
    local: bool,
}

impl Message {
    /// Reads all of a body, or nothing.
    pub(super) fn parse(text: &str, served: &[String]) -> Result<Body<Message>, BadBody> {
        Body::parse(text, |fields| Message::read(fields, served))
    }

    fn read(fields: &Fields<'_>, served: &[String]) -> Result<Message, Fault> {
        let form = fields.names().find_map(|name| FORMS.iter().find(|form| form.fields.contains(&name)));
        match (form, fields.names().next()) {
            (Some(form), _) => {
                fields.check(form.fields)?;
                (form.read)(fields, served)
            }
            (None, Some(name)) => {
                let forms: Vec<String> = FORMS.iter().map(|form| form.fields.join(", ")).collect();
                Err(Fault::of(name, format!("unknown field; known are {}", forms.join("; or "))))
            }
            (None, None) => Err(Fault::whole("is empty; expected event, roomName or bizCode")),
        }
    }

    /// Delivers it; `done` is told what became of it.
    pub(super) fn publish(
        &self,
        cx: &mut Context<'_>,
        done: impl FnOnce(&mut Context<'_>, DeliveryReport) + Send + 'static,
    ) {
        match self {
            Message::Frame { to, frame } => cx.publish_with(to, frame, done),
            Message::Event(Event { target, name, args, volatile, compress, local }) => {
                let emit = target.emit(cx).compress(*compress);
                let emit = if *volatile { emit.volatile() } else { emit };
                let emit = if *local { emit.local() } else { emit };
                let sent = emit.emit_with_report(name, args, done);
                debug_assert!(sent.is_ok(), "names and arguments were checked: {sent:?}");
            }
        }
    }
}

fn read_event(fields: &Fields<'_>, served: &[String]) -> Result<Message, Fault> {
    let name = fields.string("event")?;
    check_event("event", &name).map_err(|fault| Fault::of_event("event", &fault))?;
    let args = match fields.get_some("args") {
        Some(list) => read_args(list)?,
        None => Args::new(),
    };
    let (volatile, compress) = (fields.flag("volatile", false)?, fields.flag("compress", true)?);
    let local = fields.flag("local", false)?;
    let target = Target::read(fields, "to", served)?;
    Ok(Message::Event(Event { target, name, args, volatile, compress, local }))
}

/// The arguments keep their bytes.
fn read_args(list: &RawValue) -> Result<Args, Fault> {
    let list: Vec<&RawValue> =
        serde_json::from_str(list.get()).map_err(|_| Fault::of("args", "expected an array"))?;
    let mut args = Args::new();
    for (place, arg) in list.into_iter().enumerate() {
        args.push_raw(arg.get()).map_err(|error| Fault::of(&format!("args[{place}]"), error.to_string()))?;
    }
    Ok(args)
}

fn read_info(fields: &Fields<'_>, _: &[String]) -> Result<Message, Fault> {
    let room = fields.string("roomName")?;
    check_name("roomName", &room).map_err(|fault| Fault::of_event("roomName", &fault))?;
    let name = fields.string("eventName")?;
    check_event("eventName", &name).map_err(|fault| Fault::of_event("eventName", &fault))?;
    let mut args = Args::new();
    let text = fields.required("text")?;
    args.push_raw(text.get()).map_err(|error| Fault::of("text", error.to_string()))?;
    let target = Target::room(events::NAMESPACE, room);
    Ok(Message::Event(Event { target, name, args, volatile: false, compress: true, local: false }))
}

fn read_gateway(fields: &Fields<'_>, _: &[String]) -> Result<Message, Fault> {
    let domain = fields.string("bizCode")?;
    if !(1..=NAME_BYTES).contains(&domain.len()) {
        return Err(Fault::of("bizCode", format!("has 1 to {NAME_BYTES} bytes")));
    }
    let mode = fields.required("mode")?;
    let (mode, own, other) = match mode.get() {
        "100" => (100, "targetClientId", &["group"][..]),
        "200" => (200, "group", &["targetClientId"][..]),
        "300" => (300, "", &["targetClientId", "group"][..]),
        _ => return Err(Fault::of("mode", "expected 100, 200 or 300")),
    };
    if let Some(name) = other.iter().find(|name| fields.get_some(name).is_some()) {
        return Err(Fault::of(name, format!("mode {mode} does not take it")));
    }
    let (target, group) = (fields.get_some("targetClientId"), fields.get_some("group"));
    let address = Address::read(mode, target, group).map_err(|fault| {
        // A fault of the gateway begins with the name of the field as part of its sentence.
        let what = fault.message.strip_prefix(own).unwrap_or(&fault.message);
        Fault::of(own, what.trim_start_matches(':').trim_start())
    })?;
    let content = fields.required("content")?;
    let msg_id = fields.get_some("msgId");
    check_id(msg_id).map_err(|_| Fault::of("msgId", "expected a string or a number"))?;
    let frame = Outgoing { msg_id, mode, group, content }.frame(None);
    Ok(Message::Frame { to: address.to(&scope_of(&domain)), frame })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fields::parse_one;

    fn parse(text: &str) -> Result<Body<Message>, BadBody> {
        Message::parse(text, &["/".to_owned(), "/news".to_owned()])
    }

    fn refusal(text: &str) -> BadBody {
        parse(text).err().unwrap_or_else(|| panic!("{text}"))
    }

    fn fault(text: &str) -> String {
        let refusal = refusal(text);
        assert_eq!((refusal.status, refusal.code), (400, "bad_request"), "{text}");
        refusal.message
    }

    fn one(text: &str) -> Message {
        match parse(text) {
            Ok(Body::One(message)) => message,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn frame(text: &str) -> (To, Frame) {
        match one(text) {
            Message::Frame { to, frame } => (to, frame),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn event(text: &str) -> Event {
        match one(text) {
            Message::Event(event) => event,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn payload(text: &str) -> String {
        let (_, frame) = frame(text);
        // Two bytes of header, or four when the payload has 126 bytes and more.
        let header = if frame[1] == 126 { 4 } else { 2 };
        String::from_utf8(frame[header..].to_vec()).unwrap()
    }

    #[test]
    fn content_and_id_keep_their_bytes() {
        let text = r#" {"content": {"b":1.0, "a":"\u00e9\/","a":1e400} ,"msgId":18446744073709551617,
            "bizCode":"d1","mode":300}"#;
        let expected =
            r#"{"msgId":18446744073709551617,"mode":300,"content":{"b":1.0, "a":"\u00e9\/","a":1e400}}"#;
        assert_eq!(payload(text), expected);
        let text = r#"{"bizCode":"d1","mode":200,"group":"g\u0031,g2","targetClientId":null,"content":null}"#;
        assert_eq!(payload(text), r#"{"msgId":null,"mode":200,"group":"g\u0031,g2","content":null}"#);
        assert_eq!(frame(text).0, To::room("d1", "#g1").and_room("#g2"));
    }

    #[test]
    fn domains_are_no_namespaces() {
        let to = |domain: &str| frame(&format!(r#"{{"bizCode":"{domain}","mode":300,"content":1}}"#)).0;
        assert_eq!(to("d1"), To::everybody("d1"));
        assert_eq!(to("/"), To::everybody("./"));
        assert_eq!(to(".x"), To::everybody("..x"));
    }

    #[test]
    fn events_have_names_rooms_and_arguments() {
        let text = r#" {"namespace":"/news","to":["R","S"],"except":"T","event":"E\u0021",
            "args":[ {"b":1.0, "a":"\u00e9\/"} ,1e400,"x"],"volatile":true,"compress":false,"local":true}"#;
        let Event { target, name, args, volatile, compress, local } = event(text);
        let expected = r#"{"namespace":"/news","in":["R","S"],"except":["T"]}"#;
        let served = ["/news".to_owned()];
        let expected = parse_one(expected, |fields| Target::read(fields, "in", &served)).unwrap();
        assert_eq!((target, name.as_str()), (expected, "E!"));
        assert_eq!(args.as_ref().json(), r#"{"b":1.0, "a":"\u00e9\/"},1e400,"x""#);
        assert_eq!((volatile, compress, local), (true, false, true));

        let nulls = r#"{"event":"E","namespace":null,"to":null,"except":null,"args":null,"volatile":null}"#;
        for least in [r#"{"event":"E"}"#, r#"{"event":"E","to":[],"except":[],"args":[]}"#, nulls] {
            let Event { target, args, volatile, compress, local, .. } = event(least);
            let everybody = parse_one("{}", |fields| Target::read(fields, "in", &["/".to_owned()])).unwrap();
            assert_eq!(target, everybody, "{least}");
            assert_eq!((args.as_ref().json(), volatile, compress, local), ("", false, true, false));
        }

        let Event { target, name, args, volatile, compress, local } =
            event(r#"{"roomName":"R","eventName":"E","text":{"a":[null , 1]}}"#);
        assert_eq!((target, name.as_str()), (Target::room("/", "R".to_owned()), "E"));
        assert_eq!(
            (args.as_ref().json(), volatile, compress, local),
            (r#"{"a":[null , 1]}"#, false, true, false)
        );
        assert_eq!(event(r#"{"roomName":"R","eventName":"E","text":null}"#).args.as_ref().json(), "null");
    }

    #[test]
    fn events_that_cannot_be_are_refused() {
        let deep = format!(r#"{{"event":"E","args":[1,{}{}]}}"#, "[".repeat(200), "]".repeat(200));
        let long = format!(r#"{{"event":"{}"}}"#, "x".repeat(257));
        for (text, message) in [
            (r#"{"to":"R"}"#, "event: is missing"),
            (r#"{"event":7}"#, "event: expected a string"),
            (r#"{"event":""}"#, "event: a name has 1 to 256 bytes"),
            (&long, "event: a name has 1 to 256 bytes"),
            (r#"{"event":"E","to":7}"#, "to: expected a string or an array of strings"),
            (r#"{"event":"E","except":[""]}"#, "except: a name has 1 to 256 bytes"),
            (r#"{"event":"E","args":{}}"#, "args: expected an array"),
            (r#"{"event":"E","args":"x"}"#, "args: expected an array"),
            (&deep, "args[1]: JSON is nested too deeply at byte 120"),
            (r#"{"event":"E","volatile":1}"#, "volatile: expected true or false"),
            (r#"{"event":"E","compress":"no"}"#, "compress: expected true or false"),
            (r#"{"event":"E","local":[]}"#, "local: expected true or false"),
            (r#"{"event":"E","namespace":[]}"#, "namespace: expected a string"),
            (r#"{"event":"E","event":"F"}"#, "event: is given more than once"),
            (r#"{"eventName":"E","text":1}"#, "roomName: is missing"),
            (r#"{"roomName":"R","text":1}"#, "eventName: is missing"),
            (r#"{"roomName":"R","eventName":"E"}"#, "text: is missing"),
            (r#"{"roomName":"","eventName":"E","text":1}"#, "roomName: a name has 1 to 256 bytes"),
            (r#"[{"event":"E"},{"event":"E","args":1}]"#, "[1].args: expected an array"),
            ("{}", "is empty; expected event, roomName or bizCode"),
        ] {
            assert_eq!(fault(text), message, "{text}");
        }
        for mixed in [r#"{"event":"E","bizCode":"d"}"#, r#"{"namespace":"/","bizCode":"d","mode":300}"#] {
            assert!(
                fault(mixed).starts_with("bizCode: unknown field; known here are namespace, to,"),
                "{mixed}"
            );
        }
        let unknown = fault(r#"{"evnt":"E"}"#);
        assert!(unknown.starts_with("evnt: unknown field; known are namespace,"), "{unknown}");

        for name in
            ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]
        {
            for (field, text) in [
                ("event", format!(r#"{{"event":"{name}"}}"#)),
                ("eventName", format!(r#"{{"roomName":"R","eventName":"{name}","text":1}}"#)),
            ] {
                let message = format!("{field}: Socket.IO reserves {name:?}");
                assert_eq!(refusal(&text), BadBody { status: 400, code: "reserved_event", message });
            }
        }
        let message = r#"[1].namespace: "/old" is not served"#.to_owned();
        let text = r#"[{"event":"E"},{"event":"E","namespace":"/old"}]"#;
        assert_eq!(refusal(text), BadBody { status: 404, code: "unknown_namespace", message });
    }

    #[test]
    fn faults_name_the_place() {
        for (text, message) in [
            ("", "the body is empty"),
            (" ", "the body is empty"),
            ("3", "expected an object or an array of objects"),
            (r#"{"mode":300,"content":1}"#, "bizCode: is missing"),
            (r#"{"bizCode":1,"mode":300,"content":1}"#, "bizCode: expected a string"),
            (r#"{"bizCode":"","mode":300,"content":1}"#, "bizCode: has 1 to 256 bytes"),
            (r#"{"bizCode":"d","content":1}"#, "mode: is missing"),
            (r#"{"bizCode":"d","mode":1,"content":1}"#, "mode: expected 100, 200 or 300"),
            (r#"{"bizCode":"d","mode":"100","content":1}"#, "mode: expected 100, 200 or 300"),
            (r#"{"bizCode":"d","mode":100,"content":1}"#, "targetClientId: is missing"),
            (
                r#"{"bizCode":"d","mode":100,"targetClientId":7,"content":1}"#,
                "targetClientId: expected a string",
            ),
            (
                r#"{"bizCode":"d","mode":100,"targetClientId":"","content":1}"#,
                "targetClientId: has 1 to 256 bytes",
            ),
            (r#"{"bizCode":"d","mode":200,"content":1}"#, "group: is missing"),
            (
                r#"{"bizCode":"d","mode":200,"group":"a,","content":1}"#,
                "group: the name of a group has 1 to 256 bytes",
            ),
            (r#"{"bizCode":"d","mode":300,"group":"a","content":1}"#, "group: mode 300 does not take it"),
            (r#"{"bizCode":"d","mode":300}"#, "content: is missing"),
            (r#"{"bizCode":"d","mode":300,"content":1,"msgId":[]}"#, "msgId: expected a string or a number"),
            (r#"{"bizCode":"d","bizCode":"e","mode":300,"content":1}"#, "bizCode: is given more than once"),
            (
                r#"[{"bizCode":"d","mode":300,"content":1},{"bizCode":"d","mode":4,"content":1}]"#,
                "[1].mode: expected 100, 200 or 300",
            ),
            ("[[]]", "[0]: expected an object"),
        ] {
            assert_eq!(fault(text), message, "{text}");
        }
        let unknown = r#"[{"bizCode":"d","mode":300,"content":1,"from":"x"}]"#;
        assert!(fault(unknown).starts_with("[0].from: unknown field; known here are"));
        assert!(fault(r#"{"bizCode":"d","mode":300,"content":01}"#).starts_with("the body is not JSON: "));
        let long = format!(r#"{{"{}":1}}"#, "é".repeat(100_000));
        assert!(fault(&long).len() < 1_000);
        let many: Vec<String> = (0..33).map(|i| format!("\"f{i}\":1")).collect();
        assert!(fault(&format!("{{{}}}", many.join(","))).starts_with("more than 32 fields"));
    }

    #[test]
    fn a_thousand_and_no_more() {
        let item = r#"{"bizCode":"d","mode":300,"content":1}"#;
        let array = |count: usize| format!("[{}]", vec![item; count].join(","));
        assert!(matches!(parse(&array(1_000)), Ok(Body::Many(all)) if all.len() == 1_000));
        let message = "1000 messages at most in one request".to_owned();
        assert_eq!(refusal(&array(1_001)), BadBody { status: 413, code: "too_large", message });
        assert!(matches!(parse("[]"), Ok(Body::Many(all)) if all.is_empty()));
    }

    #[test]
    fn a_deep_content_is_only_text() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(r#"{{"bizCode":"d","mode":300,"content":{deep}}}"#);
        assert!(parse(&text).is_ok());
    }
}
