//! Certificates of a test, and clients of rustls that know them.

use crate::support::{Folder, PATIENCE};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

pub(crate) const TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;
pub(crate) const TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;

/// A certificate that signs itself, in files.
pub(crate) struct Cert {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) der: CertificateDer<'static>,
}

impl Cert {
    /// For a server of this name; what the files had before is replaced.
    pub(crate) fn write(folder: &Folder, file: &str, name: &str) -> Cert {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Cert {
            cert: folder.write(&format!("{file}.cert"), &made.cert.pem()),
            key: folder.write(&format!("{file}.key"), &made.signing_key.serialize_pem()),
            der: made.cert.der().clone(),
        }
    }

    pub(crate) fn cert(&self) -> &str {
        self.cert.to_str().expect("a path of this test")
    }

    pub(crate) fn key(&self) -> &str {
        self.key.to_str().expect("a path of this test")
    }
}

/// What clients need to know: the certificates that they trust, and which versions they speak. It remembers tickets.
#[derive(Clone)]
pub(crate) struct Client(Arc<ClientConfig>);

impl Client {
    pub(crate) fn new(trusted: &[&Cert], versions: &[&'static SupportedProtocolVersion]) -> Client {
        let mut roots = RootCertStore::empty();
        trusted.iter().for_each(|cert| roots.add(cert.der.clone()).unwrap());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Client(Arc::new(config))
    }

    pub(crate) fn session(&self, name: &str) -> ClientConnection {
        ClientConnection::new(self.0.clone(), ServerName::try_from(name.to_owned()).unwrap()).unwrap()
    }

    /// A connection on which hands are shaken when something is sent.
    pub(crate) fn over(&self, stream: TcpStream, name: &str) -> Stream {
        StreamOwned::new(self.session(name), stream)
    }

    /// The same, and they are shaken.
    pub(crate) fn connect(&self, addr: SocketAddr, name: &str) -> std::io::Result<Stream> {
        let mut stream = self.over(connect(addr), name);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }
}

/// A connection without TLS.
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}
