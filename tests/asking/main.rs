//! Asking many sockets at once, and looking at them, on several reactors.

mod client;
#[path = "../embedded/mod.rs"]
mod embedded;
mod looking;
#[path = "../support/mod.rs"]
mod support;

use client::{Client, Line, POLLING, WS, crowd, join, main_namespace, serve_on};
use embedded::Embedded;
use fanfare::socketio::{Answers, Binary, Error};
use fanfare::wire::frame::Opcode;
use fanfare::{Gone, Reply};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, mpsc};
use std::time::Duration;
use support::{PATIENCE, Received};

/// Longer than a test waits.
const LONG: Duration = Duration::from_secs(1_000);
const SHORT: Duration = Duration::from_millis(50);

fn ask(server: &Embedded, room: &str, timeout: Duration) -> Reply<Answers> {
    server.handle().namespace("/").to(room).timeout(timeout).ask("q", "?").unwrap()
}

fn told(reply: Reply<Answers>) -> Answers {
    reply.wait_timeout(PATIENCE).unwrap().expect("the answers in time")
}

fn by_id<T: for<'de> serde::Deserialize<'de>>(answers: &Answers) -> HashMap<String, T> {
    answers.iter().map(|answer| (answer.id().to_owned(), answer.parse().unwrap())).collect()
}

#[test]
fn everybody_on_every_reactor_is_asked_under_one_id_and_answers() {
    let server = serve_on(2, main_namespace());
    let mut clients = crowd(&server);
    let mut stranger = Client::new(&server, WS);
    clients.iter_mut().for_each(|client| join(client, "r"));
    for round in 0..2 {
        let reply = ask(&server, "r", LONG);
        let ids: HashSet<u64> = clients.iter_mut().map(Client::question).collect();
        assert_eq!(ids.len(), 1);
        let id = ids.into_iter().next().unwrap();
        assert_eq!(reply.wait_timeout(Duration::ZERO).unwrap().map(|answers| answers.asked()), None);
        for (number, client) in clients.iter_mut().enumerate() {
            client.answer(id, &json!([number, {"round": round}]));
        }
        let answers = told(reply);
        assert_eq!((answers.asked(), answers.missing(), answers.busy()), (clients.len() as u64, 0, 0));
        let expected: HashMap<String, (usize, Value)> = clients
            .iter()
            .enumerate()
            .map(|(number, client)| (client.id.clone(), (number, json!({"round": round}))))
            .collect();
        assert_eq!(by_id(&answers), expected);
        assert_eq!(answers.complete().unwrap().len(), clients.len());
    }
    stranger.sync();
}

#[test]
fn a_handler_asks_all_but_the_sender_and_is_told_after_it_has_returned() {
    let namespace = main_namespace().on("ask", |socket, event| {
        let (room, id): (String, _) = (event.parse()?, socket.id());
        socket.to(&room).timeout(LONG).emit_with_ack("q", "?", move |cx, answers| {
            let mut names: Vec<String> = answers.iter().map(|answer| answer.parse().unwrap()).collect();
            names.sort();
            let told = (answers.asked(), names, answers.is_complete());
            cx.namespace("/").to(&id).emit("told", told).unwrap();
        })?;
        socket.emit("asked", ())
    });
    let server = serve_on(2, namespace);
    let mut clients = crowd(&server);
    clients.iter_mut().for_each(|client| join(client, "r"));
    let (asker, others) = clients.split_first_mut().unwrap();
    asker.send(r#"42["ask","nobody"]"#);
    assert_eq!((asker.event("asked"), asker.event("told")), (json!([]), json!([0, [], true])));

    asker.send(r#"42["ask","r"]"#);
    assert_eq!(asker.event("asked"), json!([]));
    let mut names = Vec::new();
    for (number, client) in others.iter_mut().enumerate() {
        let id = client.question();
        names.push(format!("{number:03}"));
        client.answer(id, &json!([names[number], "more"]));
    }
    assert_eq!(asker.event("told"), json!([others.len(), names, true]));
}

#[test]
fn an_answer_may_be_bytes() {
    let server = serve_on(1, main_namespace());
    let mut client = Client::new(&server, WS);
    let reply = ask(&server, &client.id, LONG);
    let id = client.question();
    client.send(&format!(r#"461-{id}["x",{{"_placeholder":true,"num":0}}]"#));
    let Line::Ws(ws) = &mut client.line else { unreachable!() };
    ws.send_frame(Opcode::Binary, &[1, 2, 3]);
    let answers = told(reply).complete().unwrap();
    assert_eq!(answers[0].id(), client.id);
    assert_eq!(answers[0].parse::<(String, Binary)>().unwrap(), ("x".into(), vec![1, 2, 3].into()));
    assert!(matches!(answers[0].parse::<u8>(), Err(Error::BadArguments(_))));
}

#[test]
fn who_does_not_answer_in_time_is_missing_and_late_answers_are_passed_over() {
    let server = serve_on(2, main_namespace());
    let mut clients = crowd(&server);
    clients.iter_mut().for_each(|client| join(client, "r"));
    let reply = ask(&server, "r", SHORT);
    let answers = told(reply);
    assert_eq!((answers.asked(), answers.len()), (clients.len() as u64, 0));
    let count = clients.len();
    for client in &mut clients {
        let id = client.question();
        client.answer(id, &json!(["late"]));
        client.sync();
    }
    let incomplete = answers.complete().unwrap_err();
    assert_eq!(incomplete.to_string(), format!("{count} of {count} sockets have not acknowledged"));

    // Some answer, and nobody knows in time whether the others will.
    let reply = ask(&server, "r", Duration::from_millis(300));
    let id = clients.iter_mut().map(Client::question).last().unwrap();
    clients[0].answer(id, &json!(["here"]));
    clients[0].sync();
    let incomplete = told(reply).complete().unwrap_err();
    // Only on a machine that stands still the first one is late too.
    assert!(incomplete.answers().missing() >= count as u64 - 1);
    assert_eq!(incomplete.into_answers().asked(), count as u64);
}

#[test]
fn who_leaves_is_not_waited_for() {
    let (sender, left) = mpsc::channel();
    let sender = Mutex::new(sender);
    let namespace = main_namespace().on_disconnect(move |socket, _| {
        sender.lock().unwrap().send(socket.id()).unwrap();
    });
    let server = serve_on(2, namespace);
    let mut clients = crowd(&server);
    clients.iter_mut().for_each(|client| join(client, "r"));
    let handle = server.handle();
    let reply = ask(&server, "r", LONG);
    let id = clients.iter_mut().map(Client::question).last().unwrap();
    let mut clients = VecDeque::from(clients);
    let (mut leaves, mut answers) = (clients.pop_front().unwrap(), clients.pop_back().unwrap());
    leaves.send("41");
    assert_eq!(left.recv_timeout(PATIENCE).unwrap(), leaves.id);
    // It comes back to the slot that it had, as another socket.
    if leaves.way.revision == 4 {
        leaves.enter();
        leaves.answer(id, &json!(["not mine"]));
        leaves.sync();
    }
    answers.answer(id, &json!(["mine"]));
    let mut gone = HashSet::new();
    for client in clients {
        match client.line {
            // Its connection ends.
            Line::Ws(ws) => drop(ws),
            Line::Polling(..) => {
                let (done, count) = fanfare::reply();
                handle.namespace("/").to(&client.id).disconnect_sockets_with_report(true, done);
                assert_eq!(count.wait().map(|report| report.matched), Ok(1));
            }
        }
        gone.insert(client.id);
    }
    let answered = told(reply);
    assert_eq!(by_id::<String>(&answered), HashMap::from([(answers.id.clone(), "mine".to_owned())]));
    assert_eq!((answered.missing() as usize, answered.busy()), (gone.len() + 1, 0));
    let all: HashSet<String> = gone.iter().map(|_| left.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(all, gone);
}

#[test]
fn a_slot_that_is_used_again_does_not_answer_for_who_had_it() {
    let (sender, left) = mpsc::channel();
    let sender = Mutex::new(sender);
    let namespace = main_namespace().on_disconnect(move |_, _| sender.lock().unwrap().send(()).unwrap());
    let server = serve_on(1, namespace);
    let (mut stays, mut goes) = (Client::new(&server, WS), Client::new(&server, WS));
    join(&mut stays, "r");
    join(&mut goes, "r");
    let reply = ask(&server, "r", LONG);
    let id = goes.question();
    drop(goes);
    left.recv_timeout(PATIENCE).unwrap();
    // One of these has the slot: the table gives what is free first.
    let mut next: Vec<Client<'_>> = (0..4).map(|_| Client::new(&server, WS)).collect();
    for client in &mut next {
        join(client, "r");
        client.answer(id, &json!(["not mine"]));
        client.sync();
    }
    assert_eq!(stays.question(), id);
    stays.answer(id, &json!(["mine"]));
    let answers = told(reply);
    assert_eq!(by_id::<String>(&answers), HashMap::from([(stays.id.clone(), "mine".to_owned())]));
    assert_eq!((answers.asked(), answers.missing()), (2, 1));
}

#[test]
fn only_who_was_asked_answers_and_only_once() {
    let server = serve_on(2, main_namespace());
    let mut clients = crowd(&server);
    let mut strangers = clients.split_off(clients.len() / 2);
    clients.iter_mut().for_each(|client| join(client, "r"));
    let reply = ask(&server, "r", LONG);
    let id = clients.iter_mut().map(Client::question).last().unwrap();
    for stranger in &mut strangers {
        stranger.answer(id, &json!(["stranger"]));
        stranger.sync();
    }
    let (last, first) = clients.split_last_mut().unwrap();
    for client in first {
        // Numbers of nothing, of what other reactors may ask, and of no acknowledgement at all.
        for wrong in [id + 1, id + 2, u64::from(u32::MAX), (1 << 53) - 1] {
            client.answer(wrong, &json!(["wrong"]));
        }
        client.answer(id, &json!(["first"]));
        client.answer(id, &json!(["second"]));
        client.sync();
    }
    // Nor in another namespace.
    let prefix = "40/b,";
    last.send(prefix);
    assert!(last.recv().starts_with(prefix));
    last.send(&format!(r#"43/b,{id}["elsewhere"]"#));
    last.sync();
    assert_eq!(reply.wait_timeout(Duration::ZERO).unwrap().map(|answers| answers.asked()), None);
    last.answer(id, &json!(["first"]));
    let answers = told(reply).complete().unwrap();
    assert_eq!(answers.len(), clients.len());
    assert!(answers.iter().all(|answer| answer.parse::<String>().unwrap() == "first"));
}

#[test]
fn who_misses_a_volatile_question_is_not_waited_for() {
    let server = serve_on(1, main_namespace());
    let (mut ws, mut polling) = (Client::new(&server, WS), Client::new(&server, POLLING));
    join(&mut ws, "r");
    join(&mut polling, "r");
    let reply = server.handle().namespace("/").to("r").volatile().timeout(LONG).ask("q", "?").unwrap();
    let id = ws.question();
    polling.answer(id, &json!(["not asked"]));
    polling.sync();
    ws.answer(id, &json!(["asked"]));
    let answers = told(reply);
    assert_eq!((answers.asked(), answers.len()), (1, 1));
    // Nobody at all gets it.
    let reply =
        server.handle().namespace("/").to(&polling.id).volatile().timeout(LONG).ask("q", "?").unwrap();
    assert_eq!(told(reply).asked(), 0);
}

#[test]
fn what_cannot_be_sent_is_not_asked() {
    let server = serve_on(1, main_namespace());
    let handle = server.handle();
    assert!(matches!(handle.namespace("/").ask("disconnect", ()), Err(Error::ReservedEvent(_))));
    let no_json = HashMap::from([(vec![1], 2)]);
    assert!(matches!(handle.namespace("/").ask("q", &no_json), Err(Error::Arguments(_))));
}

#[test]
fn a_reactor_lets_so_many_broadcasts_wait_and_no_more() {
    let server = serve_on(1, main_namespace());
    let mut client = Client::new(&server, WS);
    let handle = server.handle();
    let everybody = || handle.namespace("/").timeout(LONG);
    let mut waiting: VecDeque<_> = (0..1_024).map(|_| everybody().ask("q", "?").unwrap()).collect();
    let refused = told(everybody().ask("q", "?").unwrap());
    assert_eq!((refused.asked(), refused.busy(), refused.is_complete()), (0, 1, false));
    assert!(
        refused
            .complete()
            .unwrap_err()
            .to_string()
            .ends_with("and 1 reactors or nodes have not asked theirs")
    );
    let first = client.question();
    client.answer(first, &json!([]));
    assert!(told(waiting.pop_front().unwrap()).is_complete());
    waiting.push_back(everybody().ask("q", "?").unwrap());
    for reply in waiting {
        let id = client.question();
        client.answer(id, &json!([]));
        assert!(told(reply).is_complete());
    }
}

#[test]
fn a_server_that_ends_leaves_nobody_waiting() {
    let server = serve_on(1, main_namespace());
    let client = Client::new(&server, WS);
    let handle = server.handle();
    let under_way = ask(&server, &client.id, LONG);
    // It was sent.
    let (done, ids) = fanfare::reply();
    handle.namespace("/").ids(done);
    assert_eq!(ids.wait().unwrap(), [client.id.as_str()]);
    let Line::Ws(mut ws) = client.line else { unreachable!() };
    let end = std::thread::spawn(move || drop(server));
    let answers = told(under_way);
    assert_eq!((answers.asked(), answers.missing()), (1, 1));
    while !matches!(ws.recv(), Received::Close(..)) {}
    drop(ws);
    end.join().unwrap();
    assert!(matches!(handle.namespace("/").ask("q", "?"), Err(Error::Stopped)));
    let (done, sockets) = fanfare::reply();
    handle.namespace("/").fetch_sockets(done);
    assert_eq!(sockets.wait().unwrap_err(), Gone);
}

#[test]
fn a_handler_that_waits_for_a_reply_is_ended() {
    let namespace = main_namespace().on("wait", |socket, _| {
        let reply = socket.context().handle().namespace("/").ask("q", "?")?;
        reply.wait().map(drop).map_err(Error::from)
    });
    let mut server = serve_on(1, namespace);
    server.panics = 1;
    let mut client = Client::new(&server, WS);
    client.send(r#"42["wait"]"#);
    assert_eq!(client.recv(), "41");
}

#[cfg(feature = "async")]
#[test]
fn a_task_awaits_the_answers() {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    struct Unpark(std::thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    let server = serve_on(2, main_namespace());
    let mut clients = crowd(&server);
    clients.iter_mut().for_each(|client| join(client, "r"));
    let handle = server.handle();
    let count = clients.len();
    let task = std::thread::spawn(move || {
        block_on(async {
            let answers = handle.namespace("/").to("r").ask("q", "?").unwrap().await.unwrap();
            let (done, sockets) = fanfare::reply();
            handle.namespace("/").fetch_sockets(done);
            (answers.complete().unwrap().len(), sockets.await.unwrap().len())
        })
    });
    for client in &mut clients {
        let id = client.question();
        client.answer(id, &json!([]));
    }
    assert_eq!(task.join().unwrap(), (count, count));
}
