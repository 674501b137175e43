//! Which servers hold the data now: the one that was named, the master that the sentinels know, or the nodes of a Cluster;
//! and connections to them, made by the `redis` crate, on which the server was greeted.

use super::Settings;
use super::url::{Address, Login, RedisUrl, Servers};
use redis::aio::MultiplexedConnection;
use redis::cluster_routing::Slot;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo,
    ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError, TlsCertificates, TlsMode, Value, cmd,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How many slots a Cluster has.
const SLOTS: u16 = 16_384;

/// What a connection, by its number, was told without a question; or that it broke.
pub(crate) type Said = (u32, PushInfo);

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

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Trouble {
        Trouble(match (error.kind(), error.code()) {
            (ErrorKind::RESP3NotSupported, _) | (_, Some("NOPROTO")) => {
                format!("Redis 6 or newer is needed: {error}")
            }
            // What a server says, as it says it.
            (_, Some(code)) => format!("{code} {}", error.detail().unwrap_or_default()),
            _ => error.to_string(),
        })
    }
}

/// What finding and connecting takes.
pub(crate) struct Seeker {
    pub(crate) url: RedisUrl,
    sharded: bool,
    patience: Duration,
    /// Of the authorities that TLS trusts; with none in it, those of the system.
    certificates: Option<TlsCertificates>,
    /// Where connections tell what was said on them.
    said: UnboundedSender<Said>,
    last_node: AtomicU32,
}

/// The servers, and who has which slots.
#[derive(Debug, Default)]
pub(crate) struct Map {
    pub(crate) servers: Vec<Place>,
    /// An index of `servers`; empty if there are no slots.
    pub(crate) slots: HashMap<Slot, usize>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) address: Address,
    /// Without it the link is not up; otherwise it is only asked for counts.
    pub(crate) needed: bool,
}

/// A connection with its number, which is never 0.
pub(crate) struct Opened {
    pub(crate) address: Address,
    pub(crate) id: u32,
    pub(crate) connection: MultiplexedConnection,
}

/// A map, and a connection for every server of it that had none.
pub(crate) struct Found {
    pub(crate) map: Map,
    pub(crate) fresh: Vec<Opened>,
}

impl Seeker {
    /// # Errors
    /// The file of authorities cannot be read, or has no certificate.
    pub(crate) fn new(url: RedisUrl, settings: &Settings, said: UnboundedSender<Said>) -> io::Result<Seeker> {
        let certificates = if url.tls { Some(trusted(settings.ca_file.as_deref())?) } else { None };
        let (sharded, patience) = (settings.sharded, settings.connect_timeout);
        Ok(Seeker { url, sharded, patience, certificates, said, last_node: AtomicU32::new(0) })
    }

    /// Finds the servers and connects to those to which there is no connection yet.
    pub(crate) async fn seek(&self, connected: &[Address]) -> Result<Found, Trouble> {
        let map = match &self.url.servers {
            Servers::One(address) => Map::one(address.clone()),
            Servers::Sentinel { sentinels, master } => Map::one(self.ask_sentinels(sentinels, master).await?),
            Servers::Cluster(seeds) => self.ask_cluster(connected, seeds).await?,
        };
        let mut fresh = Vec::new();
        for place in map.servers.iter().filter(|place| !connected.contains(&place.address)) {
            match self.open(&place.address).await {
                Ok(opened) => fresh.push(opened),
                Err(trouble) if place.needed => return Err(trouble),
                Err(trouble) => log::debug!("redis: {trouble}"),
            }
        }
        Ok(Found { map, fresh })
    }

    async fn within<T, E>(&self, task: impl Future<Output = Result<T, E>>) -> Result<T, Trouble>
    where
        Trouble: From<E>,
    {
        match tokio::time::timeout(self.patience, task).await {
            Ok(result) => result.map_err(Trouble::from),
            Err(_) => Err(Trouble::new(format!("an answer took more than {:?}", self.patience))),
        }
    }

    async fn ask<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
        command: &Cmd,
    ) -> Result<T, Trouble> {
        self.within(command.query_async(connection)).await
    }

    /// Connects and greets: RESP3, login, database, a name.
    async fn open(&self, address: &Address) -> Result<Opened, Trouble> {
        self.open_and_greet(address).await.map_err(|trouble| trouble.at(address))
    }

    async fn open_and_greet(&self, address: &Address) -> Result<Opened, Trouble> {
        let id = self.last_node.fetch_add(1, Ordering::Relaxed) + 1;
        let said = self.said.clone();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            // Silence is judged by pings.
            .set_response_timeout(None)
            .set_push_sender(move |push| said.send((id, push)));
        let client = self.client(address)?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut hello = cmd("HELLO");
        hello.arg(3).arg("SETNAME").arg("fanfare");
        let version = major_version(&self.ask(&mut connection, &hello).await?);
        if let Some(version) = version.filter(|version| self.sharded && *version < 7) {
            let why = format!("Redis {version} has no sharded Pub/Sub, which came with 7");
            return Err(Trouble(why));
        }
        Ok(Opened { address: address.clone(), id, connection })
    }

    fn client(&self, address: &Address) -> Result<Client, RedisError> {
        let mut settings = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(self.url.database.into())
            .set_skip_set_lib_name();
        if let Some(Login { user, password }) = &self.url.login {
            settings = settings.set_username(user).set_password(password);
        }
        // What waits is sent in one piece, so nothing is gained by waiting for more.
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = self.place(address).into_connection_info()?;
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
        match (&self.certificates, address) {
            (Some(certificates), Address::Tcp(..)) => Client::build_with_tls(info, certificates.clone()),
            _ => Client::open(info),
        }
    }

    fn place(&self, address: &Address) -> ConnectionAddr {
        match address {
            Address::Unix(path) => ConnectionAddr::Unix(path.clone()),
            Address::Tcp(host, port) if self.certificates.is_some() => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
            Address::Tcp(host, port) => ConnectionAddr::Tcp(host.clone(), *port),
        }
    }

    /// The master that a sentinel names and that calls itself one.
    async fn ask_sentinels(&self, sentinels: &[Address], master: &str) -> Result<Address, Trouble> {
        let places = sentinels.iter().map(|sentinel| self.place(sentinel));
        let mut builder = SentinelClientBuilder::new(places, master, SentinelServerType::Master)?;
        if let Some(certificates) = &self.certificates {
            builder = builder
                .set_client_to_sentinel_certificates(certificates.clone())
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone());
        }
        if let Some(Login { user, password }) = &self.url.sentinel_login {
            builder = builder.set_client_to_sentinel_username(user).set_client_to_sentinel_password(password);
        }
        if let Some(Login { user, password }) = &self.url.login {
            builder = builder.set_client_to_redis_username(user).set_client_to_redis_password(password);
        }
        let mut sentinels = builder.set_client_to_redis_db(self.url.database.into()).build()?;
        match sentinels.async_get_client().await {
            Ok(client) => match client.get_connection_info().addr() {
                ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                    Ok(Address::Tcp(host.clone(), *port))
                }
                _ => Err(Trouble::new("the sentinels name a master without an address")),
            },
            Err(error) if error.kind() == ErrorKind::MasterNameNotFoundBySentinel => {
                Err(Trouble(format!("the sentinels know no master {master:?}")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Nodes that are connected are asked first, they are likely to answer.
    async fn ask_cluster(&self, connected: &[Address], seeds: &[Address]) -> Result<Map, Trouble> {
        let mut last = Trouble::new("there is no node");
        for node in connected.iter().chain(seeds) {
            match self.ask_node(node).await {
                Ok(map) => return Ok(map),
                Err(trouble) => last = trouble,
            }
        }
        Err(last)
    }

    async fn ask_node(&self, node: &Address) -> Result<Map, Trouble> {
        let mut connection = self.open(node).await?.connection;
        let mut command = cmd("CLUSTER");
        command.arg("SLOTS");
        let slots = self.ask(&mut connection, &command).await.map_err(|trouble| trouble.at(node))?;
        let map = read_slots(slots, node, !self.sharded)
            .ok_or_else(|| Trouble::new("its map of the slots is not understood").at(node))?;
        // In the classic mode any node does.
        if self.sharded && map.slots.len() < usize::from(SLOTS) {
            return Err(Trouble::new("slots of the Cluster have no node").at(node));
        }
        if map.servers.is_empty() {
            return Err(Trouble::new("the Cluster has no slots").at(node));
        }
        Ok(map)
    }
}

/// The authorities of the file, or of the system if there is none.
fn trusted(ca_file: Option<&Path>) -> io::Result<TlsCertificates> {
    // The crate takes the provider of the process; whoever has chosen one keeps it, also if both are compiled in.
    if CryptoProvider::get_default().is_none() {
        // An error says that someone was faster.
        let _ = ring::default_provider().install_default();
    }
    let Some(path) = ca_file else { return Ok(TlsCertificates { client_tls: None, root_cert: None }) };
    let wrong = |why: String| io::Error::other(format!("{}: {why}", path.display()));
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    match CertificateDer::pem_slice_iter(&pem).next() {
        Some(Ok(_)) => Ok(TlsCertificates { client_tls: None, root_cert: Some(pem) }),
        Some(Err(error)) => Err(wrong(error.to_string())),
        None => Err(wrong("it has no certificate in PEM".to_owned())),
    }
}

fn major_version(hello: &HashMap<String, Value>) -> Option<u32> {
    let Value::BulkString(version) = hello.get("version")? else { return None };
    std::str::from_utf8(version).ok()?.split('.').next()?.parse().ok()
}

impl Map {
    fn one(address: Address) -> Map {
        Map { servers: vec![Place { address, needed: true }], slots: HashMap::new() }
    }
}

/// The answer to `CLUSTER SLOTS`, in which a node without a host is the one that was asked. `all` takes replicas, too,
/// and needs the first node only: the others are there to be counted.
fn read_slots(ranges: Vec<Vec<Value>>, asked: &Address, all: bool) -> Option<Map> {
    let mut map = Map::default();
    for range in &ranges {
        let [Value::Int(first), Value::Int(last), nodes @ ..] = &range[..] else { return None };
        let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
        if last < first || last >= SLOTS {
            return None;
        }
        for (number, node) in nodes.iter().enumerate().filter(|(number, _)| *number == 0 || all) {
            let Value::Array(node) = node else { return None };
            let [host, Value::Int(port), ..] = &node[..] else { return None };
            let host = match (host, asked) {
                (Value::Nil, Address::Tcp(host, _)) => host.clone(),
                (Value::BulkString(host), Address::Tcp(asked, _)) if matches!(&host[..], b"" | b"?") => {
                    asked.clone()
                }
                (Value::BulkString(host), _) => String::from_utf8(host.clone()).ok()?,
                _ => return None,
            };
            let address = Address::Tcp(host, u16::try_from(*port).ok()?);
            let known = map.servers.iter().position(|place| place.address == address);
            let index = known.unwrap_or_else(|| {
                let needed = !all || map.servers.is_empty();
                map.servers.push(Place { address, needed });
                map.servers.len() - 1
            });
            if number == 0 && !all {
                map.slots.extend((first..=last).filter_map(Slot::new).map(|slot| (slot, index)));
            }
        }
    }
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], all: bool) -> Option<Map> {
        let value = redis::parse_redis_value(bytes).unwrap();
        read_slots(redis::from_redis_value(value).ok()?, &tcp("asked", 9), all)
    }

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.to_owned(), port)
    }

    const ANSWER: &[u8] = b"*2\r\n\
        *4\r\n:8192\r\n:16383\r\n*4\r\n$1\r\nb\r\n:2\r\n$2\r\nid\r\n*2\r\n+hostname\r\n+x\r\n*3\r\n$1\r\nr\r\n:3\r\n$2\r\nid\r\n\
        *3\r\n:0\r\n:8191\r\n*3\r\n_\r\n:1\r\n$2\r\nid\r\n";

    #[test]
    fn a_cluster_has_its_masters_and_all_slots() {
        let map = read(ANSWER, false).unwrap();
        let addresses: Vec<_> = map.servers.iter().map(|place| place.address.clone()).collect();
        assert_eq!(addresses, [tcp("b", 2), tcp("asked", 1)]);
        let of = |slot| map.slots[&Slot::new(slot).unwrap()];
        assert_eq!([of(0), of(8191), of(8192), of(16383)], [1, 1, 0, 0]);
        assert!(map.servers.iter().all(|place| place.needed) && map.slots.len() == 16_384);
    }

    #[test]
    fn the_classic_mode_needs_one_node_and_counts_at_all() {
        let map = read(ANSWER, true).unwrap();
        let needed: Vec<_> =
            map.servers.iter().map(|place| (place.address.to_string(), place.needed)).collect();
        assert_eq!(needed, [("b:2".into(), true), ("r:3".into(), false), ("asked:1".into(), false)]);
        assert!(map.slots.is_empty());
    }

    #[test]
    fn a_gap_in_the_slots_and_nonsense_are_seen() {
        let gap = read(b"*1\r\n*3\r\n:1\r\n:16383\r\n*2\r\n$1\r\na\r\n:1\r\n", false).unwrap();
        assert_eq!(gap.slots.len(), 16_383);
        for bytes in [
            &b"+OK\r\n"[..],
            b"*1\r\n*1\r\n:1\r\n",
            b"*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
            b"*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
            b"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:70000\r\n",
            b"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n",
        ] {
            assert!(read(bytes, false).is_none());
        }
    }
}
