//! Pages of sorted names that are spread over reactors, and over nodes.
//!
//! Each reactor answers with its own first names behind the cursor, one more than a page has, so that nothing grows
//! with the length of the list. A name that is among the first of all is among the first wherever it exists, so the
//! sums of a page are whole. A cursor is the last name that was told: names that come and go between two pages
//! neither repeat nor hide others.

use super::bad_request;
use super::look::{self, Look};
use fanfare::{Context, Request, Responder, Response};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::btree_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, BinaryHeap};

/// The length of a page that does not say.
const DEFAULT_LIMIT: usize = 100;
/// The longest page.
const MAX_LIMIT: usize = 1_000;

/// Names with something each.
pub(super) type Names<V> = Vec<(String, V)>;

/// One page of a list, as it is told.
#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// What to ask for the next page with; `null` on the last one.
    pub(super) cursor: Option<String>,
    /// How many there are on all pages, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u64>,
}

/// The parameters of a query, each at most once.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query that has these parameters and no others.
    pub(super) fn read(request: &Request<'_>, known: &[&str]) -> Result<Parameters, Response> {
        let query = request.query().map_err(|error| bad_request(&error.to_string()))?;
        Parameters::from_pairs(query.iter(), known).map_err(|message| bad_request(&message))
    }

    fn from_pairs<'q>(
        pairs: impl Iterator<Item = (&'q str, &'q str)>,
        known: &[&str],
    ) -> Result<Parameters, String> {
        let mut found = Parameters(Vec::new());
        for (name, value) in pairs {
            if !known.contains(&name) {
                return Err(format!("{name}: unknown parameter; known are {}", known.join(", ")));
            }
            if found.get(name).is_some() {
                return Err(format!("{name}: is given more than once"));
            }
            found.0.push((name.to_owned(), value.to_owned()));
        }
        Ok(found)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Answers with a page of names and a number each, which the reactors tell and `item` puts into words.
pub(super) fn answer_numbers<I: Serialize + 'static>(
    cx: &mut Context<'_>,
    page: Page,
    responder: Responder,
    look: impl Look<Part = Names<u64>>,
    item: fn((String, u64)) -> I,
) {
    look::everywhere(cx, look, move |cx, parts| {
        let (names, cursor) = page.sum(parts);
        let items = names.into_iter().map(item).collect();
        responder.send(cx, Response::json(200, &List { items, cursor, total: None }));
    });
}

/// Which page is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    limit: usize,
    /// Empty at the beginning; names have at least one byte.
    after: String,
}

/// Ordered by its name alone.
struct Entry<N, V>(N, V);

impl<N: Ord, V> Ord for Entry<N, V> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<N: Ord, V> PartialOrd for Entry<N, V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<N: Ord, V> PartialEq for Entry<N, V> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<N: Ord, V> Eq for Entry<N, V> {}

impl Page {
    /// The parameters of a page.
    pub(super) const PARAMETERS: [&str; 2] = ["limit", "cursor"];

    /// Reads a query that asks for a page and nothing else.
    pub(super) fn read(request: &Request<'_>) -> Result<Page, Response> {
        Page::of(&Parameters::read(request, &Page::PARAMETERS)?)
    }

    /// The page that is asked for with these parameters.
    pub(super) fn of(parameters: &Parameters) -> Result<Page, Response> {
        Page::from_parameters(parameters).map_err(|message| bad_request(&message))
    }

    fn from_parameters(parameters: &Parameters) -> Result<Page, String> {
        let limit = parameters.get("limit").map_or(Ok(DEFAULT_LIMIT), read_limit)?;
        let after = match parameters.get("cursor") {
            Some(cursor) => decode(cursor).ok_or("cursor: not one of this server")?,
            None => String::new(),
        };
        Ok(Page { limit, after })
    }

    /// The first names of one reactor behind the cursor, one more than a page has.
    pub(super) fn first<N: AsRef<str> + Ord, V>(&self, names: impl Iterator<Item = (N, V)>) -> Names<V> {
        let mut first: BinaryHeap<Entry<N, V>> = BinaryHeap::new();
        for (name, value) in names.filter(|(name, _)| name.as_ref() > self.after.as_str()) {
            if first.len() <= self.limit {
                first.push(Entry(name, value));
            } else if let Some(mut last) = first.peek_mut()
                && name < last.0
            {
                *last = Entry(name, value);
            }
        }
        let sorted = first.into_sorted_vec().into_iter();
        sorted.map(|Entry(name, value)| (name.as_ref().to_owned(), value)).collect()
    }

    /// The page, and the cursor of the next one if there is one. What several reactors tell of one name is added up.
    pub(super) fn merge<V>(
        &self,
        parts: Vec<Names<V>>,
        add: impl Fn(&mut V, V),
    ) -> (Names<V>, Option<String>) {
        let mut all: BTreeMap<String, V> = BTreeMap::new();
        for (name, value) in parts.into_iter().flatten() {
            match all.entry(name) {
                Occupied(mut entry) => add(entry.get_mut(), value),
                Vacant(entry) => {
                    entry.insert(value);
                }
            }
        }
        let more = all.len() > self.limit;
        let page: Names<V> = all.into_iter().take(self.limit).collect();
        let cursor = page.last().filter(|_| more).map(|(name, _)| encode(name));
        (page, cursor)
    }

    /// The same, of names with a number each.
    pub(super) fn sum(&self, parts: Vec<Names<u64>>) -> (Names<u64>, Option<String>) {
        self.merge(parts, |sum, number| *sum += number)
    }
}

fn read_limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("limit: expected a number from 1 to {MAX_LIMIT}"))
}

/// Hexadecimal: safe in a query, and nobody takes it for a name.
fn encode(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(cursor: &str) -> Option<String> {
    let digits: Option<Vec<u32>> = cursor.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len() % 2 == 0)?;
    let bytes = digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect();
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(pairs: &[(&'static str, &'static str)]) -> Result<Page, String> {
        let parameters = Parameters::from_pairs(pairs.iter().copied(), &Page::PARAMETERS)?;
        Page::from_parameters(&parameters)
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(page(&[]), Ok(Page { limit: 100, after: String::new() }));
        assert_eq!(
            page(&[("cursor", "6131"), ("limit", "7")]),
            Ok(Page { limit: 7, after: "a1".to_owned() })
        );
        for limit in ["0", "1001", "", "-1", "1.0", "x", "99999999999999999999"] {
            assert_eq!(page(&[("limit", limit)]).unwrap_err(), "limit: expected a number from 1 to 1000");
        }
        for cursor in ["", "6", "6g", "ff", "a b", "\u{e9}\u{e9}"] {
            assert_eq!(
                page(&[("cursor", cursor)]).unwrap_err(),
                "cursor: not one of this server",
                "{cursor}"
            );
        }
        assert_eq!(page(&[("limit", "1"), ("limit", "1")]).unwrap_err(), "limit: is given more than once");
        assert!(
            page(&[("limt", "1")])
                .unwrap_err()
                .starts_with("limt: unknown parameter; known are limit, cursor")
        );
    }

    #[test]
    fn pages_visit_every_name_once_with_its_whole_sum() {
        let names: Vec<String> = (0..57).map(|i| format!("n{}é", i * 7 % 57)).collect();
        // Every name on one reactor, every third one on two.
        let on = |reactor: usize| {
            let mine = names.iter().enumerate().filter(move |(i, _)| i % 2 == reactor || i % 3 == 0);
            mine.map(|(i, name)| (name.as_str(), i as u64 + 1))
        };
        let mut expected: BTreeMap<String, u64> = BTreeMap::new();
        for (name, number) in on(0).chain(on(1)) {
            *expected.entry(name.to_owned()).or_default() += number;
        }
        for limit in [1, 2, 10, 56, 57, 58] {
            let mut page = Page { limit, after: String::new() };
            let mut seen: Names<u64> = Names::new();
            loop {
                let (names, cursor) = page.sum(vec![page.first(on(0)), page.first(on(1))]);
                assert!(names.len() == limit || cursor.is_none());
                seen.extend(names);
                assert!(seen.len() <= expected.len());
                let Some(cursor) = cursor else { break };
                page.after = decode(&cursor).unwrap();
            }
            assert_eq!(seen, expected.clone().into_iter().collect::<Names<u64>>(), "limit {limit}");
        }
    }
}
