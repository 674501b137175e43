//! Questions from one node of a cluster to the others, by the program's own handlers.

use super::cluster::Order;
use super::context::Context;
use super::mail::Mail;
use super::socketio::ServerAck;
use crate::wire::socketio::args::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// The scope in which nodes speak about themselves. No domain and no namespace is called so: a program has the whole of
/// what endpoints admit to, and the gateway puts another character behind a dot.
pub(crate) const NODES: &str = ".";

/// A handler of questions; it is given the question as JSON.
pub(crate) type OnQuestion = Box<dyn Fn(&mut Context<'_>, &str, NodeAnswer) + Send + Sync>;

/// The duty to answer another node. One that is dropped lets it wait until its time is up.
#[must_use = "another node waits for it"]
pub struct NodeAnswer(Option<ServerAck>);

impl fmt::Debug for NodeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeAnswer")
    }
}

impl NodeAnswer {
    /// Answers.
    pub fn send(self, cx: &mut Context<'_>, answer: &impl Serialize) {
        let mut args = Args::new();
        match args.push(answer) {
            Ok(()) => {
                if let Some(ack) = self.0 {
                    ack(cx, args);
                }
            }
            Err(error) => log::error!("an answer for another node has no JSON form: {error}"),
        }
    }
}

impl Context<'_> {
    /// Asks the other nodes of this program, by the handlers of
    /// [`Builder::answer_nodes`](crate::Builder::answer_nodes); `done` is called, once, on this reactor with the answers that
    /// came within 5 s and could be read, in no order. A server that is in no cluster has nobody to ask.
    ///
    /// A question that has no JSON form is asked of nobody.
    pub fn ask_nodes<T: DeserializeOwned + Send + 'static>(
        &mut self,
        name: &str,
        question: &impl Serialize,
        done: impl FnOnce(&mut Context<'_>, Vec<T>) + Send + 'static,
    ) {
        let mut args = Args::new();
        let pushed = args.push(question);
        if let Err(error) = &pushed {
            log::error!("a question for other nodes has no JSON form: {error}");
        }
        let Some(cluster) = self.core.cluster.clone().filter(|_| pushed.is_ok()) else {
            return self.guarded("the callback of a question", |cx| done(cx, Vec::new()));
        };
        let number = self.core.wait(1, move |cx, all: Vec<Vec<Args>>| {
            let read = |args: Args| serde_json::from_str(args.as_ref().iter().next()?.raw()).ok();
            done(cx, all.into_iter().flatten().filter_map(read).collect());
        });
        let back = self.core.back(number, |number, answers: Option<Vec<Args>>| Mail::Answer {
            number,
            answer: Box::new(answers.unwrap_or_default()),
        });
        let (scope, event) = (NODES.into(), name.to_owned());
        cluster.tell(Order::ServerSide { scope, event, args, back: Some(back) });
    }

    /// Another node asks.
    pub(crate) fn asked_by_node(&mut self, name: &str, question: &Args, ack: Option<ServerAck>) {
        let router = self.core.router.clone();
        let (Some(handler), Some(question)) = (router.question(name), question.as_ref().iter().next()) else {
            return;
        };
        self.guarded("a handler of other nodes' questions", |cx| {
            handler(cx, question.raw(), NodeAnswer(ack));
        });
    }
}
