//! Rooms of one socket, and what it keeps.

use crate::answer::Answer;
use fanfare::socketio::{Error, Namespace};
use std::collections::BTreeMap;

/// What `keep` keeps.
struct Kept(String);

/// Events that are named after the method that they call.
pub(crate) fn steered(namespace: Namespace) -> Namespace {
    namespace
        .on("join", |socket, event| {
            let rooms: Vec<String> = event.parse()?;
            let result = socket.join(rooms).map_err(Error::from);
            Answer::to(event).result(socket.context(), result);
            Ok(())
        })
        .on("leave", |socket, event| {
            let rooms: Vec<String> = event.parse()?;
            let left = socket.leave(rooms);
            Answer::to(event).done(socket.context(), left);
            Ok(())
        })
        .on("leave_all", |socket, event| {
            socket.leave_all();
            Answer::to(event).done(socket.context(), ());
        })
        .on("claim", |socket, event| {
            let room: String = event.parse()?;
            let result = socket.claim(&room).map_err(Error::from);
            Answer::to(event).result(socket.context(), result);
            Ok(())
        })
        .on("rooms", |socket, event| {
            let rooms: Vec<String> = socket.rooms().map(str::to_owned).collect();
            Answer::to(event).done(socket.context(), rooms);
        })
        .on("is_in", |socket, event| {
            let room: String = event.parse()?;
            let is_in = socket.is_in(&room);
            Answer::to(event).done(socket.context(), is_in);
            Ok(())
        })
        .on("disconnect_me", |socket, event| {
            let close: bool = event.parse()?;
            socket.disconnect(close);
            Ok(())
        })
        .on("keep", |socket, event| {
            let text: String = event.parse()?;
            let before = socket.set(Kept(text)).map(|kept| kept.0);
            Answer::to(event).done(socket.context(), before);
            Ok(())
        })
        .on("kept", |socket, event| {
            let kept = socket.get::<Kept>().map(|kept| kept.0.clone());
            Answer::to(event).done(socket.context(), kept);
        })
        .on("set_data", |socket, event| {
            let value: serde_json::Value = event.parse()?;
            let result = socket.set_data(&value);
            Answer::to(event).result(socket.context(), result);
            Ok(())
        })
        .on("data", |socket, event| {
            let data: Option<serde_json::Value> = socket.data()?;
            Answer::to(event).done(socket.context(), data);
            Ok(())
        })
        .on("of_whom", |socket, event| {
            // Every reactor tells the members that it has.
            let (answer, room): (Answer, Option<String>) = (Answer::to(event), event.parse()?);
            let everybody = fanfare::To::everybody(socket.namespace());
            let to = room.iter().fold(everybody, |to, room| to.and_room(room));
            socket.context().gather(
                move |view| view.sockets(&to).map(|socket| socket.id().to_string()).collect::<Vec<_>>(),
                move |cx, ids| answer.done(cx, ids.concat()),
            );
            Ok(())
        })
        .on("scopes", |socket, event| {
            let answer = Answer::to(event);
            let is_namespace = |(name, _): &(&str, u64)| name.starts_with('/');
            let owned = |(name, count): (&str, u64)| (name.to_owned(), count);
            socket.context().gather(
                move |view| view.scopes().filter(is_namespace).map(owned).collect::<Vec<_>>(),
                move |cx, counts| answer.done(cx, sum(counts)),
            );
        })
        .on("rooms_of_all", |socket, event| {
            let (answer, namespace) = (Answer::to(event), socket.namespace().to_owned());
            let owned = |(name, count): (&str, u64)| (name.to_owned(), count);
            socket.context().gather(
                move |view| view.rooms(&namespace).map(owned).collect::<Vec<_>>(),
                move |cx, counts| answer.done(cx, sum(counts)),
            );
        })
}

/// What each reactor has, by name, added up.
fn sum(counts: Vec<Vec<(String, u64)>>) -> BTreeMap<String, u64> {
    let mut sum = BTreeMap::new();
    for (name, count) in counts.into_iter().flatten() {
        *sum.entry(name).or_default() += count;
    }
    sum
}
