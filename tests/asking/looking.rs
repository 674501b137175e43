//! Looking at many sockets, and doing something to one of them from afar.

use crate::client::*;
use crate::support::Received;
use fanfare::Handle;
use fanfare::socketio::{Error, RemoteSocket};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

fn fetch(handle: &Handle, rooms: &[&str]) -> BTreeMap<String, RemoteSocket> {
    let (done, sockets) = fanfare::reply();
    handle.namespace("/").to(rooms).fetch_sockets(done);
    let sockets = sockets.wait().unwrap();
    let count = sockets.len();
    let map: BTreeMap<String, RemoteSocket> =
        sockets.into_iter().map(|socket| (socket.id().to_owned(), socket)).collect();
    assert_eq!(map.len(), count, "each once");
    map
}

#[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
struct User<'a> {
    name: &'a str,
    age: Option<u8>,
}

#[test]
fn sockets_are_seen_from_afar_with_what_is_kept_with_them() {
    let namespace = main_namespace()
        .on("name", |socket, event| {
            let (name, age): (String, Option<u8>) = event.parse()?;
            socket.set_data(&User { name: &name, age })?;
            assert_eq!(socket.data::<User<'_>>()?, Some(User { name: &name, age }));
            assert!(socket.data::<u8>().is_err());
            let no_json = HashMap::from([(vec![1], 2)]);
            assert!(matches!(socket.set_data(&no_json), Err(Error::Arguments(_))));
            socket.emit("synced", ())
        })
        .on("others", |socket, _| {
            let id = socket.id();
            socket.to("r").fetch_sockets(move |cx, sockets| {
                let mut ids: Vec<&str> = sockets.iter().map(RemoteSocket::id).collect();
                ids.sort_unstable();
                cx.namespace("/").to(&id).emit("others", json!(ids)).unwrap();
            });
        });
    let server = serve_on(2, namespace);
    let mut clients = crowd(&server);
    let count = clients.len();
    for (number, client) in clients.iter_mut().enumerate() {
        join(client, "r");
        join(client, &format!("own {number}"));
        if number % 2 == 0 {
            client.send(&format!(r#"42["name","{number}",{}]"#, number % 100));
            assert_eq!(client.event("synced"), json!([]));
        }
    }
    for rooms in [&[][..], &["r"], &["r", "own 1"]] {
        let sockets = fetch(&server.handle(), rooms);
        assert_eq!(sockets.len(), count);
        for (number, client) in clients.iter().enumerate() {
            let socket = &sockets[&client.id];
            let text = number.to_string();
            let user = User { name: &text, age: Some((number % 100) as u8) };
            assert_eq!(socket.data().unwrap(), (number % 2 == 0).then_some(user));
            assert_eq!(socket.rooms().collect::<Vec<_>>(), ["r", &format!("own {number}")]);
            assert_eq!((socket.namespace(), socket.query("EIO")), ("/", None));
            assert_eq!(socket.query("way").as_deref(), Some(if client.way.polling { "1" } else { "0" }));
        }
    }
    assert_eq!(fetch(&server.handle(), &["own 3"]).into_keys().collect::<Vec<_>>(), [clients[3].id.clone()]);
    assert!(fetch(&server.handle(), &["nothing"]).is_empty());

    let mut others: Vec<String> = clients[1..].iter().map(|client| client.id.clone()).collect();
    others.sort();
    clients[0].send(r#"42["others"]"#);
    assert_eq!(clients[0].event("others"), json!([others]));

    let (done, ids) = fanfare::reply();
    server.handle().namespace("/").to("r").except("own 0").ids(done);
    let mut ids: Vec<String> = ids.wait().unwrap();
    ids.sort();
    assert_eq!(ids, others);
}

#[test]
fn what_is_done_to_a_socket_from_afar_reaches_it_and_nobody_else() {
    let namespace = main_namespace().on("greet", |socket, _| {
        socket.broadcast().fetch_sockets(|cx, sockets| {
            for socket in sockets {
                socket.emit(&mut *cx, "greeted", socket.id()).unwrap();
            }
        });
    });
    let server = serve_on(2, namespace);
    let mut clients = crowd(&server);
    clients[0].send(r#"42["greet"]"#);
    for client in &mut clients[1..] {
        assert_eq!(client.event("greeted"), json!([client.id]));
    }
    clients[0].sync();

    let handle = server.handle();
    for (number, client) in clients.iter_mut().enumerate() {
        let id = client.id.clone();
        let remote = fetch(&handle, &[&id]).remove(&id).unwrap();
        remote.join(&handle, ["a", "b"]);
        remote.leave(&handle, "b");
        let now = fetch(&handle, &[&id]);
        assert_eq!(now[&id].rooms().collect::<Vec<_>>(), ["a"]);
        assert_eq!(fetch(&handle, &["a"]).len(), number + 1);
        // What was told before is what was then.
        assert_eq!(remote.rooms().count(), 0);
        remote.emit(&handle, "hello", (1, "x")).unwrap();
        assert_eq!(client.event("hello"), json!([1, "x"]));
        let reply = remote.by(&handle).timeout(Duration::from_secs(1_000)).ask("q", "?").unwrap();
        let question = client.question();
        client.answer(question, &json!([number]));
        let answers = crate::told(reply).complete().unwrap();
        assert_eq!((answers[0].id(), answers[0].parse::<usize>().unwrap()), (id.as_str(), number));
    }
    let id = clients[0].id.clone();
    let remote = fetch(&handle, &[&id]).remove(&id).unwrap();
    remote.disconnect(&handle, true);
    assert_eq!(clients[0].recv(), "41");
    let Line::Ws(ws) = &mut clients[0].line else { unreachable!() };
    assert_eq!(ws.recv(), Received::Close(1005, String::new()));
    assert!(fetch(&handle, &[&id]).is_empty());
    // It is gone, and nobody else is meant.
    remote.emit(&handle, "hello", ()).unwrap();
    clients[1..].iter_mut().for_each(Client::sync);
}
