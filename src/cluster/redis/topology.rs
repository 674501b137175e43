//! Which servers hold the data now: the one that was named, the master that the sentinels know, or the nodes of a Cluster.

use super::resp::{Token, Tokens};
use super::slot::SLOTS;
use super::stream::{Greeting, Opened, Trouble};
use super::url::{Address, RedisUrl, Servers};
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// What finding and connecting takes.
pub(crate) struct Seeker {
    pub(crate) url: RedisUrl,
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) sharded: bool,
    pub(crate) frame_bytes: usize,
    pub(crate) patience: Duration,
}

/// The servers, and who has which slots.
#[derive(Debug, Default)]
pub(crate) struct Map {
    pub(crate) servers: Vec<Place>,
    /// First slot, last slot, and an index of `servers`; empty if there are no slots.
    pub(crate) slots: Vec<(u16, u16, usize)>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) address: Address,
    /// Without it the link is not up; otherwise it is only asked for counts.
    pub(crate) needed: bool,
}

/// A map, and a connection for every server of it that had none.
pub(crate) struct Found {
    pub(crate) map: Map,
    pub(crate) fresh: Vec<(Address, Opened)>,
}

impl Seeker {
    /// Finds the servers and connects to those to which there is no connection yet.
    pub(crate) async fn seek(&self, connected: &[Address]) -> Result<Found, Trouble> {
        let map = match &self.url.servers {
            Servers::One(address) => {
                let servers = vec![Place { address: address.clone(), needed: true }];
                Map { servers, slots: Vec::new() }
            }
            Servers::Sentinel { sentinels, master } => {
                let servers =
                    vec![Place { address: self.ask_sentinels(sentinels, master).await?, needed: true }];
                Map { servers, slots: Vec::new() }
            }
            Servers::Cluster(seeds) => self.ask_cluster(connected, seeds).await?,
        };
        let mut fresh = Vec::new();
        for place in map.servers.iter().filter(|place| !connected.contains(&place.address)) {
            match self.open(&place.address).await {
                Ok(opened) => fresh.push((place.address.clone(), opened)),
                Err(trouble) if place.needed => return Err(trouble),
                Err(trouble) => log::debug!("redis: {trouble}"),
            }
        }
        Ok(Found { map, fresh })
    }

    fn greeting(&self) -> Greeting<'_> {
        Greeting {
            tls: self.tls.as_ref(),
            login: self.url.login.as_ref(),
            database: self.url.database,
            frame_bytes: self.frame_bytes,
            patience: self.patience,
        }
    }

    async fn open(&self, address: &Address) -> Result<Opened, Trouble> {
        let (mut opened, version) = Opened::to(address, &self.greeting()).await?;
        if self.sharded && (1..7).contains(&version) {
            let why = format!("Redis {version} has no sharded Pub/Sub, which came with 7");
            return Err(Trouble(why).at(address));
        }
        if matches!(self.url.servers, Servers::Sentinel { .. }) {
            let role = opened.ask(&["ROLE"]).await.map_err(|trouble| trouble.at(address))?;
            if !is_master(role.tokens()) {
                return Err(Trouble::new("the sentinels call it the master, it does not").at(address));
            }
        }
        Ok(opened)
    }

    async fn ask_sentinels(&self, sentinels: &[Address], master: &str) -> Result<Address, Trouble> {
        let greeting = Greeting { login: self.url.sentinel_login.as_ref(), database: 0, ..self.greeting() };
        let mut last = Trouble::new("there is no sentinel");
        for sentinel in sentinels {
            let asked = async {
                let (mut opened, _) = Opened::to(sentinel, &greeting).await?;
                let answer = opened.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master]).await;
                let answer = answer.map_err(|trouble| trouble.at(sentinel))?;
                master_address(answer.tokens())
                    .ok_or_else(|| Trouble(format!("it knows no master {master:?}")).at(sentinel))
            };
            match asked.await {
                Ok(address) => return Ok(address),
                Err(trouble) => last = trouble,
            }
        }
        Err(last)
    }

    /// Nodes that are connected are asked first, they are likely to answer.
    async fn ask_cluster(&self, connected: &[Address], seeds: &[Address]) -> Result<Map, Trouble> {
        let mut last = Trouble::new("there is no node");
        for node in connected.iter().chain(seeds) {
            let asked = async {
                let (mut opened, _) = Opened::to(node, &self.greeting()).await?;
                let answer = opened.ask(&["CLUSTER", "SLOTS"]).await.map_err(|trouble| trouble.at(node))?;
                let map = read_slots(answer.tokens(), node, !self.sharded)
                    .ok_or_else(|| Trouble::new("its map of the slots is not understood").at(node))?;
                // In the classic mode any node does.
                if self.sharded && !covers_all(&map) {
                    return Err(Trouble::new("slots of the Cluster have no node").at(node));
                }
                if map.servers.is_empty() {
                    return Err(Trouble::new("the Cluster has no slots").at(node));
                }
                Ok(map)
            };
            match asked.await {
                Ok(map) => return Ok(map),
                Err(trouble) => last = trouble,
            }
        }
        Err(last)
    }
}

/// Whether an answer to `ROLE` comes from a master.
pub(crate) fn is_master(mut tokens: Tokens<'_>) -> bool {
    tokens.open().is_some() && tokens.text() == Some(b"master")
}

fn master_address(mut tokens: Tokens<'_>) -> Option<Address> {
    tokens.open()?;
    let host = std::str::from_utf8(tokens.text()?).ok()?;
    let port = std::str::from_utf8(tokens.text()?).ok()?;
    Some(Address::Tcp(host.to_owned(), port.parse().ok()?))
}

/// The answer to `CLUSTER SLOTS`, in which a node without a host is the one that was asked. `all` takes replicas, too,
/// and needs the first node only: the others are there to be counted.
fn read_slots(mut tokens: Tokens<'_>, asked: &Address, all: bool) -> Option<Map> {
    let mut map = Map::default();
    for _ in 0..tokens.open()? {
        let nodes = tokens.open()?.checked_sub(2)?;
        let first = u16::try_from(tokens.integer()?).ok()?;
        let last = u16::try_from(tokens.integer()?).ok()?;
        if last < first || last >= SLOTS {
            return None;
        }
        for node in 0..nodes {
            let fields = tokens.open()?.checked_sub(2)?;
            let host = match tokens.next()? {
                Token::Text(host) => std::str::from_utf8(host).ok()?,
                Token::Null => "",
                _ => return None,
            };
            let port = u16::try_from(tokens.integer()?).ok()?;
            tokens.skip_values(fields)?;
            let host = match (host, asked) {
                ("" | "?", Address::Tcp(host, _)) => host,
                (host, _) => host,
            };
            let address = Address::Tcp(host.to_owned(), port);
            let index = map.servers.iter().position(|place| place.address == address);
            if node == 0 || all {
                let index = index.unwrap_or_else(|| {
                    let needed = !all || map.servers.is_empty();
                    map.servers.push(Place { address, needed });
                    map.servers.len() - 1
                });
                if node == 0 && !all {
                    map.slots.push((first, last, index));
                }
            }
        }
    }
    map.slots.sort_unstable();
    Some(map)
}

fn covers_all(map: &Map) -> bool {
    let next = map.slots.iter().try_fold(0, |next, (first, last, _)| (*first == next).then_some(last + 1));
    next == Some(SLOTS)
}

#[cfg(test)]
mod tests {
    use super::super::resp::Decoder;
    use super::*;

    fn read<T>(bytes: &[u8], reader: impl FnOnce(Tokens<'_>) -> T) -> T {
        let mut decoder = Decoder::new(1 << 20);
        decoder.space()[..bytes.len()].copy_from_slice(bytes);
        decoder.filled(bytes.len());
        reader(decoder.next().unwrap().unwrap())
    }

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.to_owned(), port)
    }

    const SLOTS_ANSWER: &[u8] = b"*2\r\n\
        *4\r\n:8192\r\n:16383\r\n*4\r\n$1\r\nb\r\n:2\r\n$2\r\nid\r\n*2\r\n+hostname\r\n+x\r\n*3\r\n$1\r\nr\r\n:3\r\n$2\r\nid\r\n\
        *3\r\n:0\r\n:8191\r\n*3\r\n_\r\n:1\r\n$2\r\nid\r\n";

    #[test]
    fn a_cluster_has_its_masters_and_all_slots() {
        let map = read(SLOTS_ANSWER, |tokens| read_slots(tokens, &tcp("asked", 9), false)).unwrap();
        let addresses: Vec<_> = map.servers.iter().map(|place| place.address.clone()).collect();
        assert_eq!(addresses, [tcp("b", 2), tcp("asked", 1)]);
        assert_eq!(map.slots, [(0, 8191, 1), (8192, 16383, 0)]);
        assert!(map.servers.iter().all(|place| place.needed) && covers_all(&map));
    }

    #[test]
    fn the_classic_mode_needs_one_node_and_counts_at_all() {
        let map = read(SLOTS_ANSWER, |tokens| read_slots(tokens, &tcp("asked", 9), true)).unwrap();
        let needed: Vec<_> =
            map.servers.iter().map(|place| (place.address.to_string(), place.needed)).collect();
        assert_eq!(needed, [("b:2".into(), true), ("r:3".into(), false), ("asked:1".into(), false)]);
        assert!(map.slots.is_empty());
    }

    #[test]
    fn a_gap_in_the_slots_and_nonsense_are_seen() {
        let gap = b"*1\r\n*3\r\n:1\r\n:16383\r\n*2\r\n$1\r\na\r\n:1\r\n";
        assert!(!covers_all(&read(gap, |tokens| read_slots(tokens, &tcp("x", 1), false)).unwrap()));
        for bytes in [
            &b"+OK\r\n"[..],
            b"*1\r\n*1\r\n:1\r\n",
            b"*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
            b"*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
            b"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:70000\r\n",
        ] {
            assert!(read(bytes, |tokens| read_slots(tokens, &tcp("x", 1), false)).is_none());
        }
    }

    #[test]
    fn the_answer_of_a_sentinel_is_an_address() {
        let answer = b"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6380\r\n";
        assert_eq!(read(answer, master_address), Some(tcp("127.0.0.1", 6380)));
        assert_eq!(read(b"_\r\n", master_address), None);
        assert!(read(b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", is_master));
        assert!(!read(b"*2\r\n$5\r\nslave\r\n:0\r\n", is_master));
    }
}
