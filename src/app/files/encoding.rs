//! Which content coding an Accept-Encoding field asks for (RFC 9110, sections 12.5.3 and 12.4.2).

/// A form in which a file can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    Gzip,
    Brotli,
}

impl Coding {
    /// All, the shortest last.
    pub(super) const ALL: [Coding; 3] = [Coding::Identity, Coding::Gzip, Coding::Brotli];

    /// Its registered name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Coding::Identity => "identity",
            Coding::Gzip => "gzip",
            Coding::Brotli => "br",
        }
    }

    fn is(self, name: &str) -> bool {
        // Section 8.4.1.3: x-gzip is another name of gzip.
        name.eq_ignore_ascii_case(self.name()) || self == Coding::Gzip && name.eq_ignore_ascii_case("x-gzip")
    }
}

/// The codings that a client takes, the best one first; of those that it likes as much, the shortest. A client that
/// takes none of them, or does not say, gets the file as it is.
pub(super) fn accepted(field: &[u8]) -> impl Iterator<Item = Coding> {
    let field = std::str::from_utf8(field).unwrap_or_default();
    let weights = Coding::ALL.map(|coding| weight(field, coding));
    let mut order = [2, 1, 0];
    // Stable: what weighs the same stays in this order.
    order.sort_by_key(|place: &usize| std::cmp::Reverse(weights[*place]));
    order.into_iter().filter(move |place| weights[*place].is_some()).map(|place| Coding::ALL[place])
}

/// How much a coding is liked, in thousandths; nothing if it is refused.
fn weight(field: &str, coding: Coding) -> Option<u16> {
    let named = |wanted: &dyn Fn(&str) -> bool| {
        field.split(',').find_map(|item| {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            wanted(name.trim()).then(|| quality(parameters))?
        })
    };
    match named(&|name| coding.is(name)).or_else(|| named(&|name| name == "*")) {
        Some(0) => None,
        Some(quality) => Some(quality),
        // What nobody speaks of: only the file as it is, and only if there is nothing better.
        None => (coding == Coding::Identity).then_some(0),
    }
}

/// The value of `q` in thousandths; nothing if it is malformed.
fn quality(parameters: &str) -> Option<u16> {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return Some(1_000);
    }
    let (name, value) = parameters.split_once('=')?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !name.eq_ignore_ascii_case("q") || !is_number {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Brotli, Gzip, Identity};

    fn order(field: &str) -> Vec<Coding> {
        accepted(field.as_bytes()).collect()
    }

    #[test]
    fn what_browsers_send() {
        assert_eq!(order("gzip, deflate, br, zstd"), [Brotli, Gzip, Identity]);
        assert_eq!(order("gzip, deflate"), [Gzip, Identity]);
        assert_eq!(order("identity"), [Identity]);
        assert_eq!(order(""), [Identity]);
        assert_eq!(accepted(b"\xff").collect::<Vec<_>>(), [Identity]);
    }

    #[test]
    fn qualities_decide() {
        assert_eq!(order("br;q=0.5, gzip;q=0.8"), [Gzip, Brotli, Identity]);
        assert_eq!(order("gzip;q=0.001"), [Gzip, Identity]);
        assert_eq!(order("identity, gzip;q=0.5"), [Identity, Gzip]);
        assert_eq!(order("br;q=0, gzip;q=0.000"), [Identity]);
        assert_eq!(order("GZIP ; Q=1.000 ,\tBr;q=0.9"), [Gzip, Brotli, Identity]);
        assert_eq!(order("x-gzip"), [Gzip, Identity]);
    }

    #[test]
    fn a_star_is_everything_else() {
        assert_eq!(order("*"), [Brotli, Gzip, Identity]);
        assert_eq!(order("*;q=0.5, gzip"), [Gzip, Brotli, Identity]);
        assert_eq!(order("gzip, *;q=0"), [Gzip]);
        assert_eq!(order("br, identity;q=0"), [Brotli]);
        assert_eq!(order("*;q=0"), []);
    }

    #[test]
    fn what_is_malformed_is_not_there() {
        for bad in [
            "gzip;q=2",
            "gzip;q=1.1",
            "gzip;q=0.0001",
            "gzip;q=-1",
            "gzip;q=",
            "gzip;x=1",
            "gzip;q",
            "gzip;q=0.5;q=1",
            "gzip;q=0.é",
            "gzi",
            ";q=1",
            ",,;,",
        ] {
            assert_eq!(order(bad), [Identity], "{bad}");
        }
        assert_eq!(order("gzip;q=2, br;q=1."), [Brotli, Identity]);
    }
}
