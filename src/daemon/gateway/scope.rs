//! The scopes of business domains.
//!
//! Scopes whose names begin with a slash are namespaces of Socket.IO, and domains may have any name. One that begins with
//! a slash gets a dot in front of it, and so does one that begins with a dot, so that no two meet.

use std::borrow::Cow;

/// The scope of a domain.
pub(crate) fn scope_of(domain: &str) -> Cow<'_, str> {
    if domain.starts_with(['/', '.']) { format!(".{domain}").into() } else { domain.into() }
}

/// The domain of a scope; nothing if that is a namespace.
pub(crate) fn domain_of(scope: &str) -> Option<&str> {
    if scope.starts_with('/') { None } else { Some(scope.strip_prefix('.').unwrap_or(scope)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_domain_has_a_scope_of_its_own_that_is_no_namespace() {
        let domains = ["d1", "/", ".", "./", "//", "..", "../", ".d1", "/d1", "d1/", "d1.", "é", " /"];
        let scopes: BTreeSet<_> = domains.iter().map(|domain| scope_of(domain)).collect();
        assert_eq!(scopes.len(), domains.len());
        for domain in domains {
            let scope = scope_of(domain);
            assert!(!scope.starts_with('/'), "{domain}");
            assert_eq!(domain_of(&scope), Some(domain));
        }
        assert_eq!((domain_of("/"), domain_of("/news")), (None, None));
        assert_eq!(scope_of("d1"), "d1");
    }
}
