//! A small gateway on std threads that does what it is told to do wrong, and (in `sio`) a Socket.IO server.

pub(crate) mod sio;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use fanfare_flood::target::query_value;
use fanfare_flood::wire::frame::{apply_mask, opcode, put_server_frame};
use serde_json::Value;
use serde_json::value::RawValue;

/// What the server does wrong, to the second recipient and message number 3 (unless it says otherwise).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    Loses,
    Duplicates,
    /// Holds the message back until the next one has gone.
    Reorders,
    /// Changes a byte of the content.
    Corrupts,
    /// Names another sender.
    Renames,
    /// Delivers to another domain as well.
    Leaks,
    /// Closes the recipient with 1008.
    Cuts,
    /// Answers every upgrade with 503.
    Full,
    /// Answers the first upgrade of each client (of Socket.IO: every other) with 503, then takes it.
    FullAtFirst,
    /// Answers everybody after the fourth with 503.
    FullAfterwards,
    /// Answers the fifth to the eighth with 503.
    FullForAWhile,
    /// Socket.IO: sends no ping and answers none.
    Deaf,
    /// Socket.IO: refuses the namespace.
    Denies,
    /// Socket.IO: closes the connection after each answer to a request.
    Closes,
    /// Splits every frame into fragments, and sends a ping before each.
    Fragments,
    /// Says in the receipts that one more was reached.
    Exaggerates,
}

struct Client {
    domain: String,
    name: String,
    groups: Vec<String>,
    stream: TcpStream,
    held: Vec<u8>,
}

type Clients = Arc<Mutex<Vec<Client>>>;

/// Starts the server; it lives as long as the process.
pub(crate) fn serve(wrong: Wrong) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let clients = Clients::default();
    let seen: Arc<Mutex<HashMap<String, u32>>> = Arc::default();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (clients, seen) = (Arc::clone(&clients), Arc::clone(&seen));
            thread::spawn(move || connection(stream, &clients, &seen, wrong));
        }
    });
    address
}

fn connection(
    mut stream: TcpStream,
    clients: &Clients,
    seen: &Mutex<HashMap<String, u32>>,
    wrong: Wrong,
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    let value = |name| query_value(&path, name).unwrap_or_default().to_owned();
    let name = value("clientId");
    let (before, clients_before) = {
        let mut seen = seen.lock().unwrap();
        let all: u32 = seen.values().sum();
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        (*times - 1, all)
    };
    if wrong == Wrong::Full
        || wrong == Wrong::FullAtFirst && before == 0
        || wrong == Wrong::FullAfterwards && clients_before >= 4
        || wrong == Wrong::FullForAWhile && (4..8).contains(&clients_before)
    {
        let body = r#"{"code":"full","message":"no room"}"#;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).ok()?;
        return None;
    }
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))?;
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    // Known before it is told so: whoever has the answer can be reached.
    let groups = value("group").split(',').map(str::to_owned).collect();
    let echo = path.starts_with("/echo");
    let client = Client {
        domain: value("bizCode"),
        name: name.clone(),
        groups,
        stream: stream.try_clone().ok()?,
        held: Vec::new(),
    };
    {
        let mut clients = clients.lock().unwrap();
        stream.write_all(answer.as_bytes()).ok()?;
        // Whoever comes back takes the place of the one that was cut.
        clients.retain(|other| (&other.domain, &other.name) != (&client.domain, &client.name));
        clients.push(client);
    }
    let domain = value("bizCode");
    while let Some((code, payload)) = frame(&mut stream) {
        let mut clients = clients.lock().unwrap();
        let mut out = Vec::new();
        match code {
            opcode::TEXT | opcode::BINARY if echo => put_server_frame(&mut out, code, &payload),
            opcode::TEXT => message(&mut clients, &domain, &name, &payload, &mut out, wrong),
            opcode::CLOSE => {
                put_server_frame(&mut out, opcode::CLOSE, &payload);
                stream.write_all(&out).ok()?;
                clients.retain(|client| (&client.domain, &client.name) != (&domain, &name));
                return None;
            }
            _ => {}
        }
        stream.write_all(&out).ok()?;
    }
    None
}

fn frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let mut length = [0; 8];
    let size = match head[1] & 127 {
        126 => 2,
        127 => 8,
        small => {
            length[7] = small;
            0
        }
    };
    stream.read_exact(&mut length[8 - size..]).ok()?;
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).ok()?;
    let mut payload = vec![0; u64::from_be_bytes(length) as usize];
    stream.read_exact(&mut payload).ok()?;
    apply_mask(&mut payload, mask);
    Some((head[0] & 15, payload))
}

#[derive(serde::Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

fn message(
    clients: &mut [Client],
    domain: &str,
    from: &str,
    payload: &[u8],
    out: &mut Vec<u8>,
    wrong: Wrong,
) {
    let json: Value = serde_json::from_slice(payload).unwrap();
    let (id, mode) = (&json["msgId"], json["mode"].as_u64().unwrap());
    if mode == 1 {
        put_server_frame(
            out,
            opcode::TEXT,
            format!(r#"{{"msgId":{id},"mode":1,"code":0,"time":0}}"#).as_bytes(),
        );
        return;
    }
    let content = serde_json::from_slice::<Content<'_>>(payload).unwrap().content.unwrap().get().to_owned();
    let group = json["group"].as_str().unwrap_or_default().to_owned();
    let number = json["msgId"].as_u64().unwrap();
    let (mut delivered, mut place) = (0, 0);
    for client in clients {
        let leak = wrong == Wrong::Leaks && number == 3;
        let meant = match mode {
            100 => json["targetClientId"] == client.name,
            200 => client.name != from && client.groups.contains(&group),
            _ => client.name != from,
        };
        if !meant || (client.domain != domain && !leak) {
            continue;
        }
        place += 1;
        delivered += 1;
        let hit = number == 3 && (mode == 100 || place == 2);
        let (mut name, mut content) = (from, content.clone());
        match wrong {
            Wrong::Loses if hit => continue,
            Wrong::Renames if hit => name = "nobody",
            Wrong::Corrupts if hit => content = content.replacen(".a", ".b", 1).replacen(".d", ".e", 1),
            Wrong::Cuts if hit => {
                let mut close = Vec::new();
                put_server_frame(&mut close, opcode::CLOSE, b"\x03\xf0slow consumer");
                drop(client.stream.write_all(&close));
                continue;
            }
            _ => {}
        }
        let group = if mode == 200 { format!(r#""group":"{group}","#) } else { String::new() };
        let text = format!(r#"{{"msgId":{id},"mode":{mode},"from":"{name}",{group}"content":{content}}}"#);
        let mut bytes = Vec::new();
        if wrong == Wrong::Fragments {
            let (first, second) = text.as_bytes().split_at(20);
            put_server_frame(&mut bytes, opcode::PING, b"there?");
            let start = bytes.len();
            put_server_frame(&mut bytes, opcode::TEXT, first);
            bytes[start] &= 0x7f;
            put_server_frame(&mut bytes, opcode::PING, b"still there?");
            put_server_frame(&mut bytes, opcode::CONTINUATION, second);
        } else {
            put_server_frame(&mut bytes, opcode::TEXT, text.as_bytes());
        }
        match wrong {
            Wrong::Duplicates if hit => bytes.extend_from_within(..),
            Wrong::Reorders if hit => {
                client.held = bytes;
                continue;
            }
            _ => bytes.append(&mut client.held),
        }
        drop(client.stream.write_all(&bytes));
    }
    if json["receipt"] == true {
        let delivered = delivered + u64::from(wrong == Wrong::Exaggerates && number == 3);
        let text = format!(r#"{{"msgId":{id},"mode":{mode},"code":0,"delivered":{delivered}}}"#);
        put_server_frame(out, opcode::TEXT, text.as_bytes());
    }
}
