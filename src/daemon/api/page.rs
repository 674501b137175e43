//! Pages of sorted names that are spread over reactors.
//!
//! Each reactor answers with its own first names behind the cursor, one more than a page has, so that nothing grows
//! with the length of the list. A name that is among the first of all is among the first wherever it exists, so the
//! sums of a page are whole. A cursor is the last name that was told: names that come and go between two pages
//! neither repeat nor hide others.

use super::bad_request;
use fanfare::{Request, Response};
use std::collections::{BTreeMap, BinaryHeap};

/// The length of a page that does not say.
const DEFAULT_LIMIT: usize = 100;
/// The longest page.
const MAX_LIMIT: usize = 1_000;

/// Names with a number each.
pub(super) type Names = Vec<(String, u64)>;

/// Which page is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    limit: usize,
    /// Empty at the beginning; names have at least one byte.
    after: String,
}

impl Page {
    /// Reads `limit` and `cursor`.
    pub(super) fn read(request: &Request<'_>) -> Result<Page, Response> {
        let query = request.query().map_err(|error| bad_request(&error.to_string()))?;
        Page::from_pairs(query.iter()).map_err(|message| bad_request(&message))
    }

    fn from_pairs<'q>(pairs: impl Iterator<Item = (&'q str, &'q str)>) -> Result<Page, String> {
        let (mut limit, mut after) = (None, None);
        for (name, value) in pairs {
            let twice = match name {
                "limit" => limit.replace(read_limit(value)?).is_some(),
                "cursor" => after.replace(decode(value).ok_or("cursor: not one of this server")?).is_some(),
                _ => return Err(format!("{name}: unknown parameter; known are limit and cursor")),
            };
            if twice {
                return Err(format!("{name}: is given more than once"));
            }
        }
        Ok(Page { limit: limit.unwrap_or(DEFAULT_LIMIT), after: after.unwrap_or_default() })
    }

    /// The first names of one reactor behind the cursor, one more than a page has.
    pub(super) fn first<'n>(&self, names: impl Iterator<Item = (&'n str, u64)>) -> Names {
        let mut first: BinaryHeap<(&str, u64)> = BinaryHeap::new();
        for entry in names.filter(|(name, _)| *name > self.after.as_str()) {
            if first.len() <= self.limit {
                first.push(entry);
            } else if let Some(mut last) = first.peek_mut()
                && entry < *last
            {
                *last = entry;
            }
        }
        first.into_sorted_vec().into_iter().map(|(name, number)| (name.to_owned(), number)).collect()
    }

    /// The page, and the cursor of the next one if there is one.
    pub(super) fn merge(&self, parts: Vec<Names>) -> (Names, Option<String>) {
        let mut all = BTreeMap::new();
        for (name, number) in parts.into_iter().flatten() {
            *all.entry(name).or_insert(0) += number;
        }
        let more = all.len() > self.limit;
        let page: Names = all.into_iter().take(self.limit).collect();
        let cursor = page.last().filter(|_| more).map(|(name, _)| encode(name));
        (page, cursor)
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
        Page::from_pairs(pairs.iter().copied())
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
        assert!(page(&[("limt", "1")]).unwrap_err().starts_with("limt: unknown parameter"));
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
            let mut seen = Names::new();
            loop {
                let (names, cursor) = page.merge(vec![page.first(on(0)), page.first(on(1))]);
                assert!(names.len() == limit || cursor.is_none());
                seen.extend(names);
                assert!(seen.len() <= expected.len());
                let Some(cursor) = cursor else { break };
                page.after = decode(&cursor).unwrap();
            }
            assert_eq!(seen, expected.clone().into_iter().collect::<Names>(), "limit {limit}");
        }
    }
}
