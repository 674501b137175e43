//! Questions to every reactor of every node: what the lists of the API are made of.

use fanfare::{Builder, Context, View};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A question that each reactor answers from what it owns.
pub(super) trait Look: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What other nodes know it by.
    const NAME: &'static str;

    /// What one reactor answers.
    type Part: Serialize + DeserializeOwned + Send + 'static;

    fn look(&self, view: &View<'_>) -> Self::Part;
}

/// Asks all reactors of this node and of all others; `done` is given what each answered.
pub(super) fn everywhere<L: Look>(
    cx: &mut Context<'_>,
    look: L,
    done: impl FnOnce(&mut Context<'_>, Vec<L::Part>) + Send + 'static,
) {
    let asked = look.clone();
    cx.gather(
        move |view| asked.look(view),
        move |cx, mut parts| {
            cx.ask_nodes(L::NAME, &look, move |cx, theirs: Vec<Vec<L::Part>>| {
                parts.extend(theirs.into_iter().flatten());
                done(cx, parts);
            });
        },
    );
}

/// Answers other nodes that ask this.
pub(super) fn install<L: Look>(builder: Builder) -> Builder {
    builder.answer_nodes(L::NAME, |cx, question, answer| match serde_json::from_str::<L>(question) {
        Ok(look) => cx.gather(move |view| look.look(view), move |cx, parts| answer.send(cx, &parts)),
        Err(error) => log::info!("another node asks for {}, which is not understood: {error}", L::NAME),
    })
}
