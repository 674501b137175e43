//! The description and the server say the same.

use crate::http::{Answer, Http};
use crate::schema::{faults, resolve};
use crate::server::Server;
use crate::sio::{EIO4, Sio};
use crate::ws::Client;
use serde_json::{Map, Value, json};

const KEY: (&str, &str) = ("Authorization", "Bearer k");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A server with what the examples name, and its description.
struct Fixture {
    server: Server,
    document: Value,
    _client: Client,
    socket: Sio,
}

impl Fixture {
    fn start() -> Fixture {
        let server = Server::start_with_key(2, "k");
        let client = Client::connect(&server, "d1", "c1", "g1,g2");
        let mut socket = Sio::register(&server, EIO4, &["g1", "g3"]);
        socket.ask(r#"["register",{"user":"u1"}]"#);
        let document = server.http().request("GET", "/api/v1/openapi.json", &[KEY], b"").ok();
        Fixture { server, document, _client: client, socket }
    }

    /// Every path with its methods, except the parameters of a path.
    fn operations(&self) -> impl Iterator<Item = (&str, String, &Map<String, Value>)> {
        self.document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| {
                (path.as_str(), method.to_uppercase(), operation.as_object().unwrap())
            })
        })
    }

    /// Holds an answer against what the description says about this path, method and status.
    fn check(&self, path: &str, method: &str, answer: &Answer) {
        let operation = &self.document["paths"][path][method.to_lowercase()];
        let described = operation["responses"].get(answer.status.to_string()).unwrap_or_else(|| {
            panic!("{method} {path}: {} is not described: {}", answer.status, answer.text())
        });
        let described = resolve(&self.document, described);
        for header in described["headers"].as_object().into_iter().flatten().map(|(name, _)| name) {
            assert!(answer.header(&header.to_lowercase()).is_some(), "{method} {path}: no {header}");
        }
        let content = described["content"].as_object().unwrap();
        let essence = answer.header("content-type").unwrap().split(';').next().unwrap();
        let schema = &content.get(essence).unwrap_or_else(|| panic!("{path}: {essence}"))["schema"];
        let value = if essence == "application/json" { answer.json() } else { json!(answer.text()) };
        assert_eq!(faults(&self.document, schema, &value), [""; 0], "{method} {path} {}", answer.status);
    }

    /// The target of an operation, its parameters filled with their examples.
    fn target(&self, path: &str, operation: &Map<String, Value>, with_cursor: bool) -> String {
        let mut target = path.to_owned();
        let mut query = Vec::new();
        for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let parameter = resolve(&self.document, parameter);
            let name = parameter["name"].as_str().unwrap();
            let example = &parameter["example"];
            assert_eq!(faults(&self.document, &parameter["schema"], example), [""; 0], "{name}");
            // Nobody can guess an id, and an example cannot either.
            let text = match example.as_str() {
                Some(_) if name == "id" => self.socket.id.clone(),
                Some(text) => text.to_owned(),
                None => example.to_string(),
            };
            match parameter["in"].as_str().unwrap() {
                "path" => target = target.replace(&format!("{{{name}}}"), &text),
                "query" if name != "cursor" || with_cursor => query.push(format!("{name}={text}")),
                "query" => {}
                place => panic!("{place}"),
            }
        }
        assert!(!target.contains('{'), "{target}: a parameter is not described");
        if query.is_empty() { target } else { format!("{target}?{}", query.join("&")) }
    }
}

/// The description of what an operation takes, and examples of that.
fn body_of(operation: &Value) -> (&Value, Vec<(&String, &Value)>) {
    let content = &operation["requestBody"]["content"]["application/json"];
    let examples = content["examples"].as_object().unwrap().iter();
    (&content["schema"], examples.map(|(name, example)| (name, &example["value"])).collect())
}

fn post(http: &mut Http, body: &str) -> Answer {
    post_to(http, "/api/v1/publish", body)
}

fn post_to(http: &mut Http, path: &str, body: &str) -> Answer {
    http.request("POST", path, &[KEY, JSON], body.as_bytes())
}

#[test]
fn whatever_is_described_is_served_as_described() {
    let fixture = Fixture::start();
    let mut http = fixture.server.http();
    let mut count = 0;
    for (path, method, operation) in fixture.operations() {
        count += 1;
        if path == "/api/v1/drain" {
            // Nothing is served after it: see below.
            continue;
        }
        for with_cursor in [false, true] {
            let target = fixture.target(path, operation, with_cursor);
            let operation = Value::from(operation.clone());
            let body = match method.as_str() {
                "POST" => body_of(&operation).1[0].1.to_string(),
                _ => String::new(),
            };
            let answer = http.request(&method, &target, &[KEY], body.as_bytes());
            assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
            fixture.check(path, &method, &answer);

            let answer = http.request(&method, &target, &[], body.as_bytes());
            let open = operation.get("security") == Some(&json!([]));
            assert_eq!(answer.status, if open { 200 } else { 401 }, "{method} {target}");
            fixture.check(path, &method, &answer);
        }
        assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{path}");
    }
    assert_eq!(count, 20);
}

#[test]
fn a_drain_is_served_as_described_and_is_the_end() {
    let mut fixture = Fixture::start();
    let path = "/api/v1/drain";
    let mut http = fixture.server.http();
    for (headers, body, status) in [
        (&[][..], "", 401),
        (&[KEY], "7", 400),
        (&[KEY], r#"{"over_s":86401}"#, 400),
        (&[KEY], r#"{"over_s":1.5}"#, 400),
        (&[KEY], r#"{"seconds":1}"#, 400),
    ] {
        let answer = http.request("POST", path, headers, body.as_bytes());
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        fixture.check(path, "POST", &answer);
    }
    assert_eq!(http.get("/readyz").status, 200, "none of these was a wish to end");
    let (schema, examples) = body_of(&fixture.document["paths"][path]["post"]);
    assert_eq!(faults(&fixture.document, schema, examples[0].1), [""; 0]);
    let answer = http.request("POST", path, &[KEY], examples[0].1.to_string().as_bytes());
    assert_eq!((answer.status, answer.json()), (202, json!({"connections": 2, "over_s": 60})));
    fixture.check(path, "POST", &answer);
    fixture.server.0.wait_for_log("no longer listening");
    fixture.server.0.signal("INT");
    assert_eq!(fixture.server.0.wait().code(), Some(0));
}

#[test]
fn examples_of_messages_work() {
    let fixture = Fixture::start();
    let mut http = fixture.server.http();
    let (schema, examples) = body_of(&fixture.document["paths"]["/api/v1/publish"]["post"]);
    assert!(examples.len() >= 7);
    for (name, value) in examples {
        assert_eq!(faults(&fixture.document, schema, value), [""; 0], "{name}");
        let answer = post(&mut http, &value.to_string());
        let reports = answer.ok();
        fixture.check("/api/v1/publish", "POST", &answer);
        assert_eq!(reports.is_array(), value.is_array());
        let single = [reports.clone()];
        for report in reports.as_array().map_or(&single[..], Vec::as_slice) {
            assert_eq!(report["written"], 1, "{name}");
        }
    }
}

#[test]
fn examples_of_actions_work() {
    let fixture = Fixture::start();
    let mut http = fixture.server.http();
    let mut act = |action: &str| {
        let path = format!("/api/v1/sockets/{action}");
        let (schema, examples) = body_of(&fixture.document["paths"][&path]["post"]);
        assert_eq!(faults(&fixture.document, schema, examples[0].1), [""; 0], "{action}");
        let answer = post_to(&mut http, &path, &examples[0].1.to_string());
        fixture.check(&path, "POST", &answer);
        let target = format!("/api/v1/sockets/{}", fixture.socket.id);
        let rooms = http.request("GET", &target, &[KEY], b"").ok()["rooms"].clone();
        (answer.ok()["matched"].clone(), rooms)
    };
    assert_eq!(act("join"), (json!(1), json!(["g1", "g3", "u1", "g2"])));
    assert_eq!(act("leave"), (json!(1), json!(["g1", "u1"])));
    assert_eq!(act("disconnect").0, 0, "nobody is banned");
}

#[test]
fn examples_of_answers_fit_their_schemas() {
    let fixture = Fixture::start();
    let mut count = 0;
    for (path, _, operation) in fixture.operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = resolve(&fixture.document, response);
            for media in response["content"].as_object().unwrap().values() {
                for example in media["examples"].as_object().into_iter().flatten().map(|(_, e)| e) {
                    let wrong = faults(&fixture.document, &media["schema"], &example["value"]);
                    assert_eq!(wrong, [""; 0], "{path} {status}");
                    count += 1;
                }
            }
        }
    }
    assert!(count > 10);
}

#[test]
fn errors_are_as_described() {
    let fixture = Fixture::start();
    let mut http = fixture.server.http();
    let many = vec![r#"{"bizCode":"d1","mode":300,"content":1}"#; 1_001].join(",");
    for (body, status) in [("{}", 400), ("[7]", 400), ("", 400), (&format!("[{many}]"), 413)] {
        let answer = post(&mut http, body);
        assert_eq!(answer.status, status, "{}", answer.text());
        fixture.check("/api/v1/publish", "POST", &answer);
    }
    let answer = http.request("POST", "/api/v1/publish", &[KEY, ("Content-Type", "text/plain")], b"{}");
    assert_eq!(answer.status, 415);
    fixture.check("/api/v1/publish", "POST", &answer);
    let answer = post(&mut fixture.server.http(), &" ".repeat(1_000_001));
    assert_eq!(answer.status, 413);
    fixture.check("/api/v1/publish", "POST", &answer);
    for (path, target, status) in [
        ("/api/v1/domains", "/api/v1/domains?limit=0", 400),
        ("/api/v1/domains/{bizCode}/groups", "/api/v1/domains/d1/groups?cursor=x", 400),
        ("/api/v1/domains/{bizCode}/clients", "/api/v1/domains/d1/clients?page=2", 400),
        ("/api/v1/domains/{bizCode}/groups", "/api/v1/domains/d9/groups", 404),
        ("/api/v1/domains/{bizCode}/clients", "/api/v1/domains/d9/clients", 404),
        ("/api/v1/slow", "/api/v1/slow?limit=0", 400),
        ("/console/{file}", "/console/app", 404),
        ("/api/v1/namespaces", "/api/v1/namespaces?limit=x", 400),
        ("/api/v1/rooms", "/api/v1/rooms?cursor=x", 400),
        ("/api/v1/rooms", "/api/v1/rooms?namespace=/old", 404),
        ("/api/v1/rooms/{room}", "/api/v1/rooms/g1?room=g1", 400),
        ("/api/v1/rooms/{room}", "/api/v1/rooms/g9", 404),
        ("/api/v1/sockets/{id}", "/api/v1/sockets/x?limit=1", 400),
        ("/api/v1/sockets/{id}", "/api/v1/sockets/x", 404),
    ] {
        let answer = http.request("GET", target, &[KEY], b"");
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        fixture.check(path, "GET", &answer);
    }
    for (path, body, status) in [
        ("/api/v1/publish", r#"{"namespace":"/old","event":"E"}"#, 404),
        ("/api/v1/publish", r#"{"event":"disconnect"}"#, 400),
        ("/api/v1/sockets/join", "{}", 400),
        ("/api/v1/sockets/leave", r#"{"rooms":7}"#, 400),
        ("/api/v1/sockets/disconnect", r#"{"namespace":"/old"}"#, 404),
    ] {
        let answer = post_to(&mut http, path, body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        fixture.check(path, "POST", &answer);
    }
    let error = &fixture.document["components"]["schemas"]["Error"];
    for (method, target, status) in [("GET", "/nothing", 404), ("DELETE", "/api/v1/stats", 405)] {
        let answer = http.request(method, target, &[KEY], b"");
        assert_eq!(answer.status, status);
        assert_eq!(faults(&fixture.document, error, &answer.json()), [""; 0]);
    }
}

#[test]
fn the_schema_and_the_server_refuse_the_same_messages() {
    let fixture = Fixture::start();
    let mut http = fixture.server.http();
    let schema = json!({ "$ref": "#/components/schemas/Message" });
    let good = [
        json!({"bizCode": "d1", "mode": 100, "targetClientId": "c1", "content": null}),
        json!({"bizCode": "d1", "mode": 200, "group": "g1", "content": {}, "msgId": "x"}),
        json!({"bizCode": "d1", "mode": 300, "content": [], "msgId": 1.5}),
        json!({"bizCode": "d1", "mode": 300, "content": 0, "msgId": null, "group": null, "targetClientId": null}),
    ];
    let changes = [
        ("bizCode", json!("")),
        ("bizCode", json!(1)),
        ("bizCode", Value::Null),
        ("mode", json!(1)),
        ("mode", json!("100")),
        ("mode", Value::Null),
        ("targetClientId", json!(7)),
        ("targetClientId", json!("")),
        ("group", json!(["g1"])),
        ("group", json!("")),
        ("msgId", json!({})),
        ("msgId", json!(true)),
        ("from", json!("c1")),
        ("receipt", json!(true)),
        ("Mode", json!(100)),
    ];
    for message in good {
        assert_eq!(faults(&fixture.document, &schema, &message), [""; 0]);
        assert_eq!(post(&mut http, &message.to_string()).status, 200, "{message}");
        for (name, value) in &changes {
            let mut changed = message.clone();
            changed[*name] = value.clone();
            assert_ne!(faults(&fixture.document, &schema, &changed), [""; 0], "{changed}");
            assert_eq!(post(&mut http, &changed.to_string()).status, 400, "{changed}");
        }
        for name in ["bizCode", "mode", "content"] {
            let mut without = message.clone();
            without.as_object_mut().unwrap().remove(name);
            assert_ne!(faults(&fixture.document, &schema, &without), [""; 0], "{without}");
            let (status, _, text) = post(&mut http, &without.to_string()).error();
            assert_eq!((status, text), (400, format!("{name}: is missing")));
        }
    }
}

#[test]
fn the_schema_and_the_server_refuse_the_same_events() {
    let fixture = Fixture::start();
    let mut http = fixture.server.http();
    let mut check = |schema: &str, path: &str, value: &Value, taken: bool| {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        assert_eq!(faults(&fixture.document, &schema, value).is_empty(), taken, "{value}");
        let status = post_to(&mut http, path, &value.to_string()).status;
        assert_eq!(status == 200, taken, "{status}: {value}");
    };
    let publish = "/api/v1/publish";
    let event = json!({"to": ["g9"], "event": "E"});
    let info = json!({"roomName": "g9", "eventName": "E", "text": null});
    let action = json!({"in": "g9", "rooms": "g1"});
    let leave = "/api/v1/sockets/leave";
    for (schema, path, good) in
        [("Message", publish, &event), ("Message", publish, &info), ("Move", leave, &action)]
    {
        check(schema, path, good, true);
        for unknown in ["from", "Event", "bizCode"] {
            let mut changed = good.clone();
            changed[unknown] = json!("x");
            check(schema, path, &changed, false);
        }
    }
    let mut change =
        |schema: &str, path: &str, good: &Value, name: &str, values: [Value; 8], taken: [bool; 8]| {
            for (value, taken) in values.into_iter().zip(taken) {
                let mut changed = good.clone();
                changed[name] = value;
                check(schema, path, &changed, taken);
            }
        };
    let values = || {
        [
            json!(null),
            json!("g8"),
            json!(""),
            json!([]),
            json!(["a", "b"]),
            json!([7]),
            json!(true),
            json!({}),
        ]
    };
    const ROOMS: [bool; 8] = [true, true, false, true, true, false, false, false];
    const STRING: [bool; 8] = [false, true, false, false, false, false, false, false];
    const FLAG: [bool; 8] = [true, false, false, false, false, false, true, false];
    for (name, taken) in [
        ("to", ROOMS),
        ("except", ROOMS),
        ("event", STRING),
        ("args", [true, false, false, true, true, true, false, false]),
        ("volatile", FLAG),
        ("compress", FLAG),
        ("local", FLAG),
    ] {
        change("Message", publish, &event, name, values(), taken);
    }
    for (name, taken) in [("roomName", STRING), ("eventName", STRING), ("text", [true; 8])] {
        change("Message", publish, &info, name, values(), taken);
    }
    for (name, taken) in
        [("in", ROOMS), ("except", ROOMS), ("rooms", [false, true, false, false, true, false, false, false])]
    {
        change("Move", leave, &action, name, values(), taken);
    }
    let disconnect = "/api/v1/sockets/disconnect";
    change("Disconnect", disconnect, &json!({"in": ["g9"]}), "close", values(), FLAG);
    for reserved in
        ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]
    {
        let mut changed = event.clone();
        changed["event"] = json!(reserved);
        check("Message", publish, &changed, false);
    }
}
