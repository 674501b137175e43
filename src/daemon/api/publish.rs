//! `POST /api/v1/publish`: messages from other programs, and the report of what became of each.

use super::Api;
use super::body::Message;
use super::fields::{Body, text_of};
use fanfare::{Context, DeliveryReport, Params, Request, Responder, Response};
use serde::Serialize;
use std::iter::Enumerate;
use std::sync::{Arc, Mutex, PoisonError};
use std::vec::IntoIter;

pub(super) fn serve(
    api: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    _: &Params,
    responder: Responder,
) {
    // Nothing is sent before all of it is understood.
    match text_of(request).and_then(|text| Message::parse(text, &api.namespaces)) {
        Ok(Body::One(message)) => message.publish(cx, move |cx, report| {
            responder.send(cx, Response::json(200, &Report::from(report)));
        }),
        Ok(Body::Many(messages)) if messages.is_empty() => {
            responder.send(cx, Response::json(200, &[(); 0]));
        }
        Ok(Body::Many(messages)) => {
            let batch = Arc::new(Mutex::new(Batch::new(messages.len(), responder)));
            publish(cx, messages.into_iter().enumerate(), batch);
        }
        Err(refusal) => {
            log::info!("{}: publish refused with {}: {}", request.peer(), refusal.status, refusal.message);
            responder.send(cx, refusal.response());
        }
    }
}

/// Publishes one after the other; when so much is queued that it should be sent first, the rest comes after that.
fn publish(cx: &mut Context<'_>, mut messages: Enumerate<IntoIter<Message>>, batch: Arc<Mutex<Batch>>) {
    while let Some((place, message)) = messages.next() {
        let reports = batch.clone();
        message.publish(cx, move |cx, report| {
            let whole = reports.lock().unwrap_or_else(PoisonError::into_inner).reported(place, report);
            if let Some((responder, response)) = whole {
                responder.send(cx, response);
            }
        });
        if cx.is_congested() {
            return cx.later(move |cx| publish(cx, messages, batch));
        }
    }
}

/// The reports of an array, in its order.
struct Batch {
    reports: Vec<Report>,
    /// How many of them are still to come.
    missing: usize,
    responder: Option<Responder>,
}

impl Batch {
    fn new(count: usize, responder: Responder) -> Batch {
        let reports = vec![Report::from(DeliveryReport::default()); count];
        Batch { reports, missing: count, responder: Some(responder) }
    }

    /// Keeps one report; the last one makes the answer.
    fn reported(&mut self, place: usize, report: DeliveryReport) -> Option<(Responder, Response)> {
        self.reports[place] = report.into();
        self.missing -= 1;
        if self.missing > 0 {
            return None;
        }
        let response = Response::json(200, &self.reports);
        self.responder.take().map(|responder| (responder, response))
    }
}

/// A delivery report as it is told.
#[derive(Clone, Debug, Serialize)]
struct Report {
    matched: u64,
    written: u64,
    queued: u64,
    dropped: Dropped,
    nodes: Nodes,
}

#[derive(Clone, Debug, Serialize)]
struct Dropped {
    slow: u64,
    volatile: u64,
    closed: u64,
    busy: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Nodes {
    pub(super) asked: u64,
    pub(super) answered: u64,
}

impl From<DeliveryReport> for Report {
    fn from(report: DeliveryReport) -> Report {
        let DeliveryReport {
            matched,
            written,
            queued,
            dropped_slow,
            dropped_volatile,
            dropped_closed,
            dropped_busy,
            nodes_asked,
            nodes_answered,
        } = report;
        Report {
            matched,
            written,
            queued,
            dropped: Dropped {
                slow: dropped_slow,
                volatile: dropped_volatile,
                closed: dropped_closed,
                busy: dropped_busy,
            },
            nodes: Nodes { asked: nodes_asked, answered: nodes_answered },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_every_reason() {
        let report = DeliveryReport {
            matched: 9,
            written: 3,
            nodes_asked: 2,
            nodes_answered: 1,
            ..Default::default()
        };
        let text = serde_json::to_string(&Report::from(report)).unwrap();
        let expected = r#"{"matched":9,"written":3,"queued":0,"dropped":{"slow":0,"volatile":0,"closed":0,"busy":0},"nodes":{"asked":2,"answered":1}}"#;
        assert_eq!(text, expected);
    }
}
