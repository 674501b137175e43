//! Asking other servers over HTTP: on threads that may wait, never on reactors.

use std::sync::OnceLock;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// One that waits for a whole answer no longer than this, follows no redirections (a secret that it is given is for one server
/// and no other), and trusts whom the system trusts. What of that cannot be read is not trusted.
pub(crate) fn agent(timeout: Duration, connections: usize) -> Agent {
    let tls = TlsConfig::builder().root_certs(authorities()).build();
    let config = Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .max_idle_connections(connections)
        .max_idle_connections_per_host(connections)
        .user_agent(concat!("fanfare/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls);
    config.build().new_agent()
}

/// Read once: it takes a moment.
fn authorities() -> RootCerts {
    static AUTHORITIES: OnceLock<Vec<Certificate<'static>>> = OnceLock::new();
    let all = AUTHORITIES.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
    });
    RootCerts::new_with_certs(all)
}
