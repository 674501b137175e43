//! Patterns of names: `*` stands for any number of characters, `?` for one, `{user}` for the client's own name.

use compact_str::CompactString;

/// The longest pattern, in bytes.
pub(crate) const PATTERN_BYTES: usize = 512;

/// What stands for the client's own name.
const USER: &str = "{user}";

/// A pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(CompactString);

impl Pattern {
    /// Reads a pattern; nothing if it is empty, too long, or has braces that mean nothing.
    pub(crate) fn parse(text: &str) -> Option<Pattern> {
        let fits = (1..=PATTERN_BYTES).contains(&text.len());
        let rest = text.replace(USER, "");
        (fits && !rest.contains(['{', '}'])).then(|| Pattern(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name is meant; `user` is the client's own, and without one a pattern that needs it means nobody.
    pub(crate) fn is_match(&self, name: &str, user: Option<&str>) -> bool {
        if !self.0.contains(USER) {
            return matches(self.0.chars().map(Part::from), name);
        }
        let Some(user) = user else { return false };
        // Characters of a name are those characters, whatever they mean in a pattern.
        let mut parts = Vec::new();
        for (place, text) in self.0.split(USER).enumerate() {
            if place > 0 {
                parts.extend(user.chars().map(Part::Is));
            }
            parts.extend(text.chars().map(Part::from));
        }
        matches(parts.into_iter(), name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Is(char),
}

impl From<char> for Part {
    fn from(c: char) -> Part {
        match c {
            '*' => Part::Any,
            '?' => Part::One,
            c => Part::Is(c),
        }
    }
}

/// Follows the pattern and the name side by side, and goes back to the last `*` only: both are short, and no pattern
/// takes more steps than the product of their lengths.
fn matches(parts: impl Iterator<Item = Part>, name: &str) -> bool {
    let (parts, name): (Vec<Part>, Vec<char>) = (parts.collect(), name.chars().collect());
    let (mut at, mut place) = (0, 0);
    let mut last: Option<(usize, usize)> = None;
    while at < name.len() {
        match parts.get(place) {
            Some(Part::Any) => {
                place += 1;
                last = Some((place, at));
                continue;
            }
            Some(Part::One) => {}
            Some(Part::Is(c)) if *c == name[at] => {}
            _ => {
                // The last `*` takes one character more.
                let Some((behind, from)) = last else { return false };
                last = Some((behind, from + 1));
                (place, at) = (behind, from + 1);
                continue;
            }
        }
        (place, at) = (place + 1, at + 1);
    }
    parts[place.min(parts.len())..].iter().all(|part| *part == Part::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_whole_names() {
        for (pattern, yes, no) in [
            ("news", &["news"][..], &["new", "newss", "", "News"][..]),
            ("news-*", &["news-", "news-a", "news-*"], &["news", "xnews-a"]),
            ("*", &["", "a", "é*"], &[]),
            ("a?c", &["abc", "a?c", "aéc"], &["ac", "abbc"]),
            ("*-*-x", &["--x", "a-b-x", "a-x-b-x", "-x-x"], &["-x", "a-bx"]),
            ("a**b", &["ab", "axb", "abab"], &["a", "aba"]),
            ("?*", &["a", "ab"], &[""]),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            for name in yes {
                assert!(pattern.is_match(name, None), "{pattern:?} {name:?}");
            }
            for name in no {
                assert!(!pattern.is_match(name, None), "{pattern:?} {name:?}");
            }
        }
    }

    #[test]
    fn the_own_name_is_no_pattern() {
        let inbox = Pattern::parse("inbox-{user}-*").unwrap();
        assert!(inbox.is_match("inbox-ann-1", Some("ann")));
        assert!(!inbox.is_match("inbox-bob-1", Some("ann")));
        assert!(!inbox.is_match("inbox-ann-1", None));
        // A client that calls itself so is nobody else.
        assert!(!inbox.is_match("inbox-bob-1", Some("*")));
        assert!(inbox.is_match("inbox-*-1", Some("*")));
        let twice = Pattern::parse("{user}{user}").unwrap();
        assert!(twice.is_match("aa", Some("a")) && !twice.is_match("a", Some("a")));
    }

    #[test]
    fn patterns_have_bounds() {
        for bad in ["", "{", "}", "{name}", "a{user", &"x".repeat(PATTERN_BYTES + 1)] {
            assert_eq!(Pattern::parse(bad), None, "{bad}");
        }
        let slow = Pattern::parse(&format!("{}b", "*a".repeat(200))).unwrap();
        assert!(!slow.is_match(&"a".repeat(256), None));
    }
}
