//! Where connections come in: TCP with one `SO_REUSEPORT` listener a reactor, and unix sockets that all share.

use super::tls::Certificates;
use mio::event::Source;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::fmt;
use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 65_535;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddr {
    /// An IPv4 or IPv6 address and a port; port 0 picks one. `[::]` takes IPv4 as well, unless `0.0.0.0` with the
    /// same port is listened on too.
    Tcp(SocketAddr),
    /// A unix socket by its path.
    Unix(PathBuf),
}

impl ListenAddr {
    /// Whether only programs on this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            ListenAddr::Tcp(addr) => match addr.ip() {
                IpAddr::V4(ip) => ip.is_loopback(),
                IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
            },
            ListenAddr::Unix(_) => true,
        }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddr::Tcp(addr) => write!(f, "{addr}"),
            ListenAddr::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A text that is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadListenAddr(String);

impl fmt::Display for BadListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no listen address: expected 127.0.0.1:3000, [::1]:3000 or unix:/run/fanfare.sock",
            self.0
        )
    }
}

impl std::error::Error for BadListenAddr {}

impl FromStr for ListenAddr {
    type Err = BadListenAddr;

    fn from_str(text: &str) -> Result<ListenAddr, BadListenAddr> {
        let bad = || BadListenAddr(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            // sun_path has 108 bytes, the last of which is zero.
            let fits = !path.is_empty() && path.len() < 108 && !path.contains('\0');
            return if fits { Ok(ListenAddr::Unix(path.into())) } else { Err(bad()) };
        }
        if let Some(port) = text.strip_prefix("localhost:") {
            let port = port.parse().map_err(|_| bad())?;
            return Ok(ListenAddr::Tcp(SocketAddr::from(([127, 0, 0, 1], port))));
        }
        text.parse().map(ListenAddr::Tcp).map_err(|_| bad())
    }
}

/// The file of a unix socket that this process made. Another one may take its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device, inode, and when it was made: a number is used again. Changing its permissions changes none of them.
    identity: (u64, u64, i64, i64),
}

impl SocketFile {
    /// The one that is there now.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn of(path: &Path) -> io::Result<SocketFile> {
        let metadata = std::fs::symlink_metadata(path)?;
        let identity = (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
        Ok(SocketFile { path: path.to_owned(), identity })
    }

    /// Removes it, unless somebody else has replaced it.
    pub fn remove(&self) {
        if SocketFile::of(&self.path).is_ok_and(|now| now.identity == self.identity) {
            // It is in the way of nobody if somebody else removed it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    addr: ListenAddr,
    /// It is for operators: its links are told apart from those of clients.
    pub(super) admin: bool,
    inherited: bool,
    /// TLS is spoken on it.
    pub(super) certificates: Option<Certificates>,
}

/// A socket that somebody else has opened and that listens already: a service manager, or the program itself.
#[derive(Debug)]
pub struct OpenListener(Socket);

impl From<std::net::TcpListener> for OpenListener {
    fn from(listener: std::net::TcpListener) -> OpenListener {
        OpenListener(listener.into())
    }
}

impl From<std::os::unix::net::UnixListener> for OpenListener {
    fn from(listener: std::os::unix::net::UnixListener) -> OpenListener {
        OpenListener(listener.into())
    }
}

impl OpenListener {
    /// Where it listens.
    ///
    /// # Errors
    /// What the kernel says; also that the socket does not listen, or is neither TCP nor a unix socket with a name.
    pub fn addr(&self) -> io::Result<ListenAddr> {
        if !self.0.is_listener()? || self.0.r#type()? != Type::STREAM {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket does not listen"));
        }
        let addr = self.0.local_addr()?;
        match (addr.as_socket(), addr.as_pathname()) {
            (Some(tcp), _) => Ok(ListenAddr::Tcp(tcp)),
            (None, Some(path)) => Ok(ListenAddr::Unix(path.to_owned())),
            (None, None) => Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket has no address")),
        }
    }
}

impl Listener {
    /// Listens where somebody else has begun to; all reactors share it.
    ///
    /// # Errors
    /// As [`OpenListener::addr`].
    pub fn inherit(open: OpenListener) -> io::Result<Listener> {
        let addr = open.addr()?;
        let socket = open.0;
        socket.set_nonblocking(true)?;
        if matches!(addr, ListenAddr::Tcp(_)) {
            socket.set_tcp_nodelay(true)?;
        }
        Ok(Listener { socket, addr, admin: false, inherited: true, certificates: None })
    }

    /// Listens on an address that several listeners of this process share (`SO_REUSEPORT`) if it is TCP.
    ///
    /// # Errors
    /// What the kernel says, `AddrInUse` also if another program of the same user listens there with
    /// `SO_REUSEPORT`: `first` asks for that check and is for the first listener of an address.
    ///
    /// `[::]` takes IPv4 too if `dual_stack`; any other address takes its own family only. The file of a unix socket gets
    /// the permissions `unix_mode`.
    pub fn bind(addr: &ListenAddr, first: bool, dual_stack: bool, unix_mode: u32) -> io::Result<Listener> {
        match addr {
            ListenAddr::Tcp(tcp) => Listener::bind_tcp(*tcp, first, dual_stack),
            ListenAddr::Unix(path) => {
                // A file that a dead server left is in the way; one that answers is in use.
                if let Ok(metadata) = std::fs::metadata(path)
                    && metadata.file_type().is_socket()
                {
                    let probe = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
                    match probe.connect(&SockAddr::unix(path)?) {
                        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                            std::fs::remove_file(path)?;
                        }
                        // Also if so many wait there that it takes no more now.
                        Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                        _ => return Err(io::ErrorKind::AddrInUse.into()),
                    }
                }
                let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
                socket.bind(&SockAddr::unix(path)?)?;
                // Nobody can connect before it listens.
                std::fs::set_permissions(path, Permissions::from_mode(unix_mode))?;
                socket.listen(BACKLOG)?;
                Ok(Listener {
                    socket,
                    addr: addr.clone(),
                    admin: false,
                    inherited: false,
                    certificates: None,
                })
            }
        }
    }

    fn bind_tcp(addr: SocketAddr, first: bool, dual_stack: bool) -> io::Result<Listener> {
        let open = || -> io::Result<Socket> {
            // AF_INET for IPv4: a dual-stack listener would cost 128 bytes more a connection.
            let socket = Socket::new(
                Domain::for_address(addr),
                Type::STREAM.nonblocking().cloexec(),
                Some(Protocol::TCP),
            )?;
            if addr.is_ipv6() {
                socket.set_only_v6(!(dual_stack && addr.ip().is_unspecified()))?;
            }
            socket.set_reuse_address(true)?;
            Ok(socket)
        };
        if first && addr.port() != 0 {
            // Without SO_REUSEPORT this fails where anybody listens; with it, two servers would silently
            // share the port.
            open()?.bind(&addr.into())?;
        }
        let socket = open()?;
        socket.set_reuse_port(true)?;
        // Accepted sockets inherit it, which saves a system call each.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        let bound = socket.local_addr()?.as_socket().unwrap_or(addr);
        let addr = ListenAddr::Tcp(bound);
        Ok(Listener { socket, addr, admin: false, inherited: false, certificates: None })
    }

    /// Where it listens, with the port that the kernel picked.
    pub fn addr(&self) -> &ListenAddr {
        &self.addr
    }

    /// A second listener on the same queue, for another reactor: unix sockets have no `SO_REUSEPORT`.
    pub fn share(&self) -> io::Result<Listener> {
        let Listener { addr, admin, inherited, certificates, .. } = self;
        let (addr, certificates) = (addr.clone(), certificates.clone());
        let socket = self.socket.try_clone()?;
        Ok(Listener { socket, addr, admin: *admin, inherited: *inherited, certificates })
    }

    /// The same listener for operators, or for connections with TLS.
    pub fn of(self, admin: bool, certificates: Option<Certificates>) -> Listener {
        Listener { admin, certificates, ..self }
    }

    /// The kernel keeps at most about so many bytes of what is sent on each connection that is accepted from now on: they
    /// inherit it.
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub fn limit_send_buffer(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_send_buffer_size(bytes)
    }

    /// Whether somebody else has opened it, and may listen there still when this one does not.
    pub fn is_inherited(&self) -> bool {
        self.inherited
    }

    /// Whether it is for operators.
    pub fn is_admin(&self) -> bool {
        self.admin
    }

    /// Whether TLS is spoken on it.
    pub fn is_secure(&self) -> bool {
        self.certificates.is_some()
    }

    /// The next waiting connection, non-blocking.
    pub(super) fn accept(&self) -> io::Result<(Socket, SockAddr)> {
        self.socket.accept4(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)
    }

    /// The descriptor, for the table that is to keep it.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Source for Listener {
    fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        mio::unix::SourceFd(&self.fd()).register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        mio::unix::SourceFd(&self.fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        mio::unix::SourceFd(&self.fd()).deregister(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        for text in ["127.0.0.1:3000", "[::1]:3000", "unix:/run/fanfare.sock", "0.0.0.0:0"] {
            assert_eq!(text.parse::<ListenAddr>().unwrap().to_string(), text);
        }
        for text in ["", "3000", "127.0.0.1", "host:80", "unix:", "127.0.0.1:70000"] {
            assert!(text.parse::<ListenAddr>().is_err(), "{text}");
        }
        let local = |text: &str| text.parse::<ListenAddr>().unwrap().is_local();
        assert!(local("127.0.0.9:1") && local("[::1]:1") && local("unix:/x") && local("localhost:1"));
        assert!(!local("0.0.0.0:1") && !local("[::]:1") && !local("192.168.0.1:1"));
    }

    #[test]
    fn a_port_that_somebody_has_is_refused_but_shared_among_ourselves() {
        let first = Listener::bind(&"127.0.0.1:0".parse().unwrap(), true, false, 0o600).unwrap();
        let addr = first.addr().clone();
        let second = Listener::bind(&addr, false, false, 0o600).unwrap();
        assert_eq!(second.addr(), &addr);
        assert_eq!(Listener::bind(&addr, true, false, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_unspecified_address_takes_ipv4_where_that_is_asked_for() {
        let takes_ipv4 = |dual_stack| {
            let Ok(listener) = Listener::bind(&"[::]:0".parse().unwrap(), true, dual_stack, 0o600) else {
                return None;
            };
            let ListenAddr::Tcp(addr) = listener.addr() else { unreachable!() };
            let client = std::net::TcpStream::connect(("127.0.0.1", addr.port()));
            let peer = listener.accept().map(|(_, addr)| crate::reactor::peer::Peer::from(addr).ip());
            Some(client.is_ok().then(|| peer.unwrap().unwrap().is_ipv4()))
        };
        // A machine without IPv6 has nothing to show here.
        if let Some(dual) = takes_ipv4(true) {
            assert_eq!(dual, Some(true));
            assert_eq!(takes_ipv4(false), Some(None));
        }
    }

    #[test]
    fn an_ipv4_listener_is_af_inet_and_connections_inherit_nodelay() {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), true, false, 0o600).unwrap();
        assert_eq!(listener.socket.domain().unwrap(), Domain::IPV4);
        let ListenAddr::Tcp(addr) = listener.addr() else { unreachable!() };
        let _client = std::net::TcpStream::connect(addr).unwrap();
        let (socket, _) = listener.accept().unwrap();
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.nonblocking().unwrap());
    }

    #[test]
    fn a_unix_socket_that_somebody_has_is_refused_and_one_that_nobody_has_is_replaced() {
        let path = std::env::temp_dir().join(format!("fanfare-listener-{}.sock", std::process::id()));
        let addr = ListenAddr::Unix(path.clone());
        let busy = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        busy.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        busy.listen(0).unwrap();
        // One waits, and there is no room for another.
        let waiting = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        waiting.connect(&SockAddr::unix(&path).unwrap()).unwrap();
        assert_eq!(Listener::bind(&addr, true, false, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
        drop(busy);
        assert!(Listener::bind(&addr, true, false, 0o600).is_ok());
        std::fs::remove_file(&path).unwrap();
    }
}
