//! Byte streams to servers, by TCP, unix socket or TLS, and the questions that are asked before a stream is put to use.

use super::resp::{self, Decoder, Token, Tokens};
use super::url::{Address, Login};
use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What reads and writes bytes.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

pub(crate) type Stream = Box<dyn Bytes>;

/// Why a connection is not, or no longer, of use; in words, without passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble(pub(crate) String);

impl Trouble {
    pub(crate) fn new(text: impl Into<String>) -> Trouble {
        Trouble(text.into())
    }

    /// The same, with the server that it is about.
    pub(crate) fn at(self, address: &Address) -> Trouble {
        Trouble(format!("{address}: {}", self.0))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble(error.to_string())
    }
}

impl From<resp::RespError> for Trouble {
    fn from(error: resp::RespError) -> Trouble {
        Trouble(error.to_string())
    }
}

/// TLS that trusts the authorities of the file, or of the system if there is none.
///
/// # Errors
/// The file cannot be read, or has no certificate.
pub(crate) fn tls(ca_file: Option<&Path>) -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let wrong = |why: String| io::Error::other(format!("{}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("it has no certificate in PEM".to_owned()));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(io::Error::other("this system trusts no authority; name a file of certificates"));
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What every server is greeted with.
pub(crate) struct Greeting<'a> {
    pub(crate) tls: Option<&'a TlsConnector>,
    pub(crate) login: Option<&'a Login>,
    pub(crate) database: u32,
    /// The longest frame that it may send, in bytes.
    pub(crate) frame_bytes: usize,
    /// For each step.
    pub(crate) patience: Duration,
}

/// A connection on which the server was greeted.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) decoder: Decoder,
    patience: Duration,
}

/// The answer to a question.
pub(crate) struct Answer(Vec<u8>);

impl Answer {
    pub(crate) fn tokens(&self) -> Tokens<'_> {
        Tokens::over(&self.0)
    }
}

async fn within<T, E>(
    patience: Duration,
    what: &str,
    task: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble>
where
    Trouble: From<E>,
{
    match tokio::time::timeout(patience, task).await {
        Ok(result) => result.map_err(Trouble::from),
        Err(_) => Err(Trouble::new(format!("{what} took more than {patience:?}"))),
    }
}

async fn dial(address: &Address, tls: Option<&TlsConnector>) -> io::Result<Stream> {
    let (host, port) = match address {
        Address::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
        Address::Tcp(host, port) => (host, *port),
    };
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    // What waits is sent in one piece, so nothing is gained by waiting for more.
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
    Ok(Box::new(tls.connect(name, stream).await?))
}

impl Opened {
    /// Connects and greets: RESP3, login, database; also the major version of the server, 0 if it does not tell.
    pub(crate) async fn to(address: &Address, greeting: &Greeting<'_>) -> Result<(Opened, u32), Trouble> {
        let stream = within(greeting.patience, "connecting", dial(address, greeting.tls)).await;
        let decoder = Decoder::new(greeting.frame_bytes);
        let mut opened =
            Opened { stream: stream.map_err(|t| t.at(address))?, decoder, patience: greeting.patience };
        let version = opened.greet(greeting).await.map_err(|trouble| trouble.at(address))?;
        Ok((opened, version))
    }

    async fn greet(&mut self, greeting: &Greeting<'_>) -> Result<u32, Trouble> {
        let mut hello = vec!["HELLO", "3"];
        if let Some(login) = greeting.login {
            hello.extend(["AUTH", &login.user, &login.password]);
        }
        hello.extend(["SETNAME", "fanfare"]);
        let answer = self.ask(&hello).await.map_err(|trouble| {
            let old = trouble.0.starts_with("ERR unknown command") || trouble.0.starts_with("NOPROTO");
            if old { Trouble(format!("Redis 6 or newer is needed: {trouble}")) } else { trouble }
        })?;
        let database = greeting.database.to_string();
        if greeting.database != 0 {
            self.ask(&["SELECT", &database]).await?;
        }
        Ok(major_version(answer.tokens()).unwrap_or(0))
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// Also if the answer is one: its text is the trouble.
    pub(crate) async fn ask(&mut self, command: &[&str]) -> Result<Answer, Trouble> {
        let patience = self.patience;
        within(patience, "an answer", self.exchange(command)).await
    }

    async fn exchange(&mut self, command: &[&str]) -> Result<Answer, Trouble> {
        let mut out = Vec::new();
        resp::command(&mut out, command);
        self.stream.write_all(&out).await?;
        self.stream.flush().await?;
        loop {
            if let Some(tokens) = self.decoder.next()? {
                return match tokens.clone().next() {
                    Some(Token::Open(b'>', _)) => continue,
                    Some(Token::Error(text)) => Err(Trouble(String::from_utf8_lossy(text).into_owned())),
                    _ => Ok(Answer(tokens.bytes().to_vec())),
                };
            }
            let bytes = self.stream.read(self.decoder.space()).await?;
            if bytes == 0 {
                return Err(Trouble::new("the server closed the connection"));
            }
            self.decoder.filled(bytes);
        }
    }
}

fn major_version(mut hello: Tokens<'_>) -> Option<u32> {
    for _ in 0..hello.open()? / 2 {
        if hello.text()? == b"version" {
            let version = std::str::from_utf8(hello.text()?).ok()?;
            return version.split('.').next()?.parse().ok();
        }
        hello.skip_values(1)?;
    }
    None
}
