//! From a builder to threads, and back.
//!
//! Each reactor gets a descriptor table of its own. What it needs of the descriptors that exist before (its poll, all
//! wake-ups, its listeners, the standard three) is made here first; then each thread parts with the
//! common table and closes its copies of everything else, and this thread closes its copies of what the
//! reactors took over.

use super::addresses::Addresses;
use super::balance::Coming;
use super::builder::{Builder, StartError};
use super::worker::{Shared, Worker};
use crate::app::{
    Cluster, Core, Drain, Gateway, Handle, Mail, ReactorStats, Router, Stats, mark_reactor_thread,
};
use crate::base::ids::{MAX_REACTORS, ReactorId};
use crate::base::limits::Limits;
use crate::base::proxies::{LiveProxies, Proxies};
use crate::base::sid::{MAX_NODE, MAX_SLOTS, SidKey};
use crate::cluster::Peers;
use crate::hub::{Hub, Interest};
use crate::reactor::gate::Gate;
use crate::reactor::listener::{ListenAddr, Listener, OpenListener, SocketFile};
use crate::reactor::mail::Mailbox;
use crate::reactor::outlet::Outlet;
use crate::reactor::pressure::Pressure;
use crate::reactor::tls::Certificates;
use crate::reactor::{Depot, Doors, Plumbing, Reactor, Scales};
use crate::sys;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak, mpsc};
use std::thread::JoinHandle;

/// Descriptors of a reactor that are not connections with a socket: its poll, wake-ups, listeners, files that
/// are read, and a few connections that only ask for metrics or are told that the server is full.
const SPARE_DESCRIPTORS: u64 = 128;

/// Time that each reactor thread is given to become ready.
const READY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// A running server. Dropping it does not stop it; [`Running::stop`] does.
pub struct Running {
    addrs: Vec<ListenAddr>,
    tls_addrs: Vec<ListenAddr>,
    admin_addrs: Vec<ListenAddr>,
    /// Files of unix sockets that are ours to remove.
    files: Vec<SocketFile>,
    proxies: Arc<LiveProxies>,
    mailboxes: Arc<[Arc<Mailbox<Mail>>]>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    stats: Stats,
    router: Weak<Router>,
    /// How many handles were given.
    handles: AtomicUsize,
    /// By reactor, when they were looked at.
    turns: Mutex<Vec<Option<u64>>>,
    /// Ends when nobody needs it any more, this last.
    cluster: Option<Arc<Peers>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("addrs", &self.addrs).finish_non_exhaustive()
    }
}

impl Running {
    /// Where it listens without TLS, with the ports that the kernel picked.
    pub fn addrs(&self) -> &[ListenAddr] {
        &self.addrs
    }

    /// Where it listens with TLS.
    pub fn tls_addrs(&self) -> &[ListenAddr] {
        &self.tls_addrs
    }

    /// Where operators have an address of their own.
    pub fn admin_addrs(&self) -> &[ListenAddr] {
        &self.admin_addrs
    }

    /// Replaces the proxies of [`Builder::proxies`]: connections and requests that come from now on are judged by these.
    pub fn set_proxies(&self, proxies: Proxies) {
        self.proxies.set(proxies);
    }

    /// How many reactors it has.
    pub fn reactors(&self) -> usize {
        self.mailboxes.len()
    }

    /// The counters of its reactors.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The server for other threads: to publish, to emit, to have something done. Each handle has a reactor of its own,
    /// which clones of it share.
    pub fn handle(&self) -> Handle {
        let home = self.handles.fetch_add(1, Ordering::Relaxed) % self.mailboxes.len();
        Handle::new(self.mailboxes.clone(), self.router.clone(), self.stats.clone(), ReactorId(home as u8))
    }

    /// Empties the server and then stops it; [`Running::join`] waits for that.
    ///
    /// It is not ready any more ([`Stats::is_draining`]) and, after the plan's grace, no longer listens for clients: another
    /// program can listen on its addresses. Who waits to be accepted, or asks for a WebSocket or a session on a
    /// connection that is here already, gets 503 with a `Retry-After` that differs. Then connections are closed one by one,
    /// WebSockets with code 1012 and reason `service restart`, in an order of chance and evenly over the time of the plan; clients of
    /// Socket.IO see the end of their transport, after which they come back by themselves. Addresses for operators are
    /// listened on until the end.
    ///
    /// Another call changes the pace of what is left.
    pub fn drain(&self, plan: Drain) {
        let chance = RandomState::new();
        for (number, mailbox) in self.mailboxes.iter().enumerate() {
            mailbox.post_anyway(Mail::Drain { plan, chance: chance.hash_one(number) }, 0);
        }
    }

    /// From now on these limits hold. Each is looked at when it is used next: connections that are here already keep the
    /// time until which they may be idle and, while they speak HTTP, the size of heads and bodies.
    pub fn set_limits(&self, limits: Limits) {
        let limits = Arc::new(limits);
        for mailbox in self.mailboxes.iter() {
            mailbox.post_anyway(Mail::Limits(limits.clone()), 0);
        }
    }

    /// Whether every reactor that has not ended has turned since the last call, for which those that sleep are woken. So a
    /// reactor whose handler blocks is found by calls that are seconds apart. The first call says yes.
    pub fn has_turned(&self) -> bool {
        let mut seen = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = true;
        let reactors = self.stats.reactors().iter().zip(self.mailboxes.iter()).zip(&self.threads);
        for (seen, ((reactor, mailbox), thread)) in seen.iter_mut().zip(reactors) {
            let turns = reactor.gauges.begun.get();
            if thread.is_finished() {
                // When they are stopped, some end before the others.
                continue;
            }
            if *seen == Some(turns) {
                all = false;
            } else {
                *seen = Some(turns);
                mailbox.post_anyway(Mail::Wake, 0);
            }
        }
        all
    }

    /// Stops accepting, closes every WebSocket with code 1001 and ends within a few seconds; [`Running::join`]
    /// waits for that.
    pub fn stop(&self) {
        for mailbox in self.mailboxes.iter() {
            mailbox.post_anyway(Mail::Stop, 0);
        }
    }

    /// Whether every reactor is still running. One that ended by itself, without [`Running::stop`] or
    /// [`Running::drain`], has failed.
    pub fn is_healthy(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    /// Whether every reactor has ended: [`Running::join`] returns at once.
    pub fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits until every reactor has ended.
    ///
    /// # Errors
    /// The error with which a reactor ended, also if it panicked.
    pub fn join(self) -> io::Result<()> {
        let mut result = Ok(());
        for thread in self.threads {
            let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("a reactor panicked")));
            result = result.and(ended);
        }
        // What its reactors said last, the others shall hear.
        if let Some(cluster) = self.cluster {
            cluster.stop();
        }
        self.files.iter().for_each(SocketFile::remove);
        result
    }
}

/// Stops every reactor when it is dropped, also by a panic; the last thing that one of them does.
struct StopAll(Arc<[Arc<Mailbox<Mail>>]>, ReactorId);

impl Drop for StopAll {
    fn drop(&mut self) {
        for mailbox in self.0.iter() {
            mailbox.post_anyway(Mail::Stop, 0);
        }
        // Whoever waits for an answer of this one waits in vain.
        self.0[usize::from(self.1.0)].close();
    }
}

/// What one reactor thread is given.
struct Parts {
    poll: mio::Poll,
    listeners: Vec<Listener>,
}

impl Parts {
    fn fds(&self) -> Vec<RawFd> {
        let listeners = self.listeners.iter().map(Listener::fd);
        listeners.chain([self.poll.as_raw_fd()]).collect()
    }
}

pub(super) fn start(builder: Builder) -> Result<Running, StartError> {
    let mut files = Vec::new();
    start_on(builder, &mut files).inspect_err(|_| files.iter().for_each(SocketFile::remove))
}

/// `files` gets those of the unix sockets that are made, one by one.
fn start_on(builder: Builder, files: &mut Vec<SocketFile>) -> Result<Running, StartError> {
    let system = |what| move |error| StartError::System(what, error);
    let Builder {
        listen,
        listen_tls,
        admin,
        open,
        reactors,
        limits,
        compression,
        mut router,
        cluster,
        node,
        balance,
        proxies,
        unix_mode,
    } = builder;
    router.compression = compression;
    if listen.is_empty() && listen_tls.is_empty() && open.iter().all(|(_, admin)| *admin) {
        return Err(StartError::NoAddress);
    }
    if reactors > MAX_REACTORS {
        return Err(StartError::TooManyReactors(reactors));
    }
    if let Some(number) = node.filter(|number| *number > MAX_NODE) {
        return Err(StartError::NodeTooLarge(number));
    }
    if !router.has_settled_parsers() {
        return Err(StartError::MixedParsers);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let count = if reactors == 0 { cores.min(MAX_REACTORS) } else { reactors };
    sys::steady_allocator();
    sys::warm_up_code();
    let descriptors = sys::raise_descriptor_limit().map_err(system("cannot raise the descriptor limit"))?;

    let listen = listen.into_iter().map(|addr| Place { addr, admin: false, certificates: None });
    let with_tls = listen_tls.into_iter().map(|(addr, certificates)| Place {
        addr,
        admin: false,
        certificates: Some(certificates),
    });
    let admin = admin.into_iter().map(|addr| Place { addr, admin: true, certificates: None });
    let places: Vec<Place> = listen.chain(with_tls).chain(admin).collect();
    let mut listeners = bind(&places, count, unix_mode, files)?;
    inherit(open, &mut listeners)?;
    if let Some(bytes) = limits.send_buffer_bytes {
        let all = listeners.iter().flatten().filter(|listener| !listener.is_admin());
        for listener in all {
            listener.limit_send_buffer(bytes).map_err(system("cannot limit the kernel's send buffers"))?;
        }
    }
    let addrs = |is_meant: fn(&Listener) -> bool| {
        let listeners = listeners.iter().take(1).flatten().filter(|listener| is_meant(listener));
        listeners.map(|listener| listener.addr().clone()).collect()
    };
    let addrs_of_clients = addrs(|listener| !listener.is_admin() && !listener.is_secure());
    let tls_addrs = addrs(|listener| !listener.is_admin() && listener.is_secure());
    let (addrs, admin_addrs) = (addrs_of_clients, addrs(Listener::is_admin));
    let mut parts = Vec::new();
    let mut wakeups = Vec::new();
    for listeners in listeners {
        let poll = mio::Poll::new().map_err(system("cannot create a poll"))?;
        parts.push(Parts { poll, listeners });
        wakeups.push(Arc::new(sys::Wakeup::new().map_err(system("cannot create an eventfd"))?));
    }
    let mailboxes: Arc<[_]> = wakeups.iter().map(|wakeup| Arc::new(Mailbox::new(wakeup.clone()))).collect();
    router.start_compressor().map_err(system("cannot start a thread"))?;
    let stats = Stats {
        reactors: (0..count).map(|_| ReactorStats::default()).collect(),
        cluster: cluster.as_ref().map(|_| Arc::default()),
        memory: Arc::new(Pressure::new(count)),
    };
    let links = usize::try_from(descriptors.saturating_sub(SPARE_DESCRIPTORS)).unwrap_or(usize::MAX);
    let gate = Arc::new(Gate::new());
    let shared = Arc::new(Shared {
        router: Arc::new(router),
        proxies: Arc::new(LiveProxies::new(proxies)),
        sockets: AtomicUsize::new(0),
        max_sockets: AtomicUsize::new(limits.connections.unwrap_or(usize::MAX)),
        undrained: AtomicUsize::new(count),
        max_links_per_reactor: links.clamp(1, MAX_SLOTS / 2),
        coming: Coming::new(count, balance),
        addresses: Addresses::new(),
        pressure: stats.memory.clone(),
        gate: gate.clone(),
    });
    shared.hold(&limits);
    let limits = Arc::new(limits);
    let sids = Arc::new(node.map_or_else(SidKey::random, SidKey::of_node));
    let mut interest = Interest::new();
    let ears: Arc<OnceLock<Weak<Peers>>> = Arc::default();
    if cluster.is_some() {
        let ears = ears.clone();
        interest.observe(move |scope, room, is_there| {
            if let Some(peers) = ears.get().and_then(Weak::upgrade) {
                peers.interest(scope, room, is_there);
            }
        });
    }
    let interest = Arc::new(interest);
    let mut cluster_fd = None;
    let peers = match (&cluster, &stats.cluster) {
        (Some(options), Some(counts)) => {
            let wakeup = Arc::new(sys::Wakeup::new().map_err(system("cannot create an eventfd"))?);
            cluster_fd = Some(wakeup.fd());
            let (mailboxes, interest, router) = (mailboxes.clone(), interest.clone(), shared.router.clone());
            let (sids, stats, order) = (sids.clone(), stats.clone(), Arc::default());
            let gateway = Gateway { mailboxes, interest, router, sids, stats, order };
            let peers = Peers::start(options, gateway, wakeup, counts.clone())
                .map_err(system("cannot start the link to Redis"))?;
            // It is set once.
            let _ = ears.set(Arc::downgrade(&peers));
            Some(peers)
        }
        _ => None,
    };
    let doors: Vec<_> = (0..count)
        .map(|_| sys::door())
        .collect::<io::Result<_>>()
        .map_err(system("cannot create a socket pair"))?;
    let (entrances, ways): (Vec<_>, Vec<_>) = doors.into_iter().unzip();
    let ways: Arc<[_]> = ways.into();
    let depot = Depot::default();

    let handed_over: Vec<Vec<RawFd>> = parts.iter().map(Parts::fds).collect();
    let (ready, is_ready) = mpsc::channel();
    let mut threads = Vec::new();
    let mut failed = None;
    for (number, (parts, entrance)) in parts.into_iter().zip(entrances).enumerate() {
        let reactor_id = ReactorId(number as u8);
        let mut keep = parts.fds();
        keep.push(entrance.fd());
        keep.extend(ways.iter().map(sys::DoorOut::fd));
        keep.extend(wakeups.iter().map(|wakeup| wakeup.fd()).chain(cluster_fd).chain([0, 1, 2]));
        let wakeup_fd = wakeups[number].fd();
        let mailbox = mailboxes[number].clone();
        let gauges = stats.reactors[number].gauges.clone();
        let (mailboxes, stats, shared) = (mailboxes.clone(), stats.clone(), shared.clone());
        let all = mailboxes.clone();
        let (limits, interest, ready) = (limits.clone(), interest.clone(), ready.clone());
        let (sids, ways, router) = (sids.clone(), ways.clone(), shared.router.clone());
        let (depot, proxies) = (depot.clone(), shared.proxies.clone());
        let (peers, gate) = (peers.clone(), gate.clone());
        let run = move || -> io::Result<()> {
            mark_reactor_thread();
            let prepare = || -> io::Result<Reactor<Worker>> {
                sys::close_all_but(&keep)?;
                let outlet = Outlet::new(limits.outbox_bytes);
                let pressure = stats.memory.clone();
                let hub = Hub::new(reactor_id, interest);
                let mut core = Core::new(reactor_id, hub, limits, sids, router, mailboxes, stats);
                core.cluster = peers.map(|peers| peers as Arc<dyn Cluster>);
                let worker = Worker::new(core, shared);
                let doors = Doors::new(reactor_id, entrance, ways, depot);
                let scales = Scales::new(reactor_id, pressure);
                let Parts { poll, listeners } = parts;
                let plumbing = Plumbing { poll, wakeup_fd, listeners, doors, gate, scales, proxies };
                Reactor::new(plumbing, mailbox, gauges, outlet, worker)
            };
            let own_table = sys::own_descriptor_table();
            let took_over = own_table.is_ok();
            let prepared = own_table.and_then(|()| prepare());
            // The receiver is there until every thread has reported.
            let _ = ready.send((number, took_over, prepared.as_ref().err().map(io::Error::kind)));
            drop(ready);
            let reactor = prepared?;
            // However it ends: what the others ask it for would never be answered.
            let _stop = StopAll(all, reactor_id);
            reactor.run()
        };
        let spawn = || std::thread::Builder::new().name(format!("reactor-{number}")).spawn(run);
        match sys::with_signals_blocked(spawn) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                failed = Some(StartError::System("cannot start a thread", error));
                break;
            }
        }
    }
    drop(ready);
    let did_not_start = |error| Some(StartError::System("a reactor did not start", error));
    for _ in 0..threads.len() {
        match is_ready.recv_timeout(READY_TIMEOUT) {
            Ok((number, took_over, error)) => {
                // From here on the reactor's own table has them; in this one they would keep the listeners open.
                // One that got no table of its own has closed, or closes, those here itself.
                if took_over {
                    handed_over[number].iter().copied().for_each(sys::close_one);
                }
                failed = error.map_or(failed, |kind| did_not_start(kind.into()));
            }
            Err(_) => failed = did_not_start(io::ErrorKind::TimedOut.into()),
        }
    }
    let router = Arc::downgrade(&shared.router);
    let running = Running {
        addrs,
        tls_addrs,
        admin_addrs,
        files: std::mem::take(files),
        proxies: shared.proxies.clone(),
        mailboxes,
        threads,
        stats,
        router,
        handles: AtomicUsize::new(0),
        turns: Mutex::new(vec![None; count]),
        cluster: peers,
    };
    match failed {
        None => Ok(running),
        Some(error) => {
            running.stop();
            // The first error says more than how the others ended.
            let _ = running.join();
            Err(error)
        }
    }
}

/// Where to listen, and for whom.
struct Place {
    addr: ListenAddr,
    admin: bool,
    certificates: Option<Certificates>,
}

/// Listeners by reactor; `files` gets those of unix sockets.
fn bind(
    places: &[Place],
    reactors: usize,
    unix_mode: u32,
    files: &mut Vec<SocketFile>,
) -> Result<Vec<Vec<Listener>>, StartError> {
    let mut by_reactor: Vec<Vec<Listener>> = (0..reactors).map(|_| Vec::new()).collect();
    for Place { addr, admin, certificates } in places {
        let failed = |error| StartError::Listen(addr.clone(), error);
        let dual_stack = !places.iter().any(|other| is_ipv4_wildcard_beside(&other.addr, addr));
        let bind = |addr, first| Listener::bind(addr, first, dual_stack, unix_mode);
        let first = bind(addr, true).map_err(failed)?.of(*admin, certificates.clone());
        let bound = first.addr().clone();
        if let ListenAddr::Unix(path) = &bound {
            files.push(SocketFile::of(path).map_err(failed)?);
        }
        for listeners in by_reactor.iter_mut().skip(1) {
            let listener = match &bound {
                ListenAddr::Tcp(_) => bind(&bound, false),
                ListenAddr::Unix(_) => first.share(),
            };
            listeners.push(listener.map_err(failed)?.of(*admin, certificates.clone()));
        }
        by_reactor[0].push(first);
    }
    Ok(by_reactor)
}

/// Adds listeners that are open already, those for operators being marked.
fn inherit(open: Vec<(OpenListener, bool)>, by_reactor: &mut [Vec<Listener>]) -> Result<(), StartError> {
    for (open, admin) in open {
        let failed = |error| StartError::System("cannot listen on a socket that was given", error);
        let first = Listener::inherit(open).map_err(failed)?.of(admin, None);
        for listeners in by_reactor.iter_mut().skip(1) {
            listeners.push(first.share().map_err(failed)?);
        }
        by_reactor[0].push(first);
    }
    Ok(())
}

/// Whether the first is `0.0.0.0` with the port of the second: then the second leaves IPv4 to it.
fn is_ipv4_wildcard_beside(wildcard: &ListenAddr, addr: &ListenAddr) -> bool {
    match (wildcard, addr) {
        (ListenAddr::Tcp(a), ListenAddr::Tcp(b)) => {
            a.is_ipv4() && a.ip().is_unspecified() && a.port() == b.port()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Server;

    #[test]
    fn nothing_is_left_of_a_server_that_did_not_start() {
        let path = std::env::temp_dir().join(format!("fanfare-start-{}.sock", std::process::id()));
        let somebody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = ListenAddr::Tcp(somebody.local_addr().unwrap());
        let builder = Server::builder().reactors(2).listen(ListenAddr::Unix(path.clone())).listen(taken);
        assert!(matches!(builder.start(), Err(StartError::Listen(..))));
        assert!(!path.exists());
    }
}
