//! The FUSE side: the kernel's requests come in here, and answers go out.

mod activity;
mod ahead;
mod attr;
mod connection;
mod count;
mod drive;
mod gifts;
mod handshake;
mod loops;
mod pages;
mod passthrough;
mod renewal;
mod reply;
mod request;
mod survey;
mod thrift;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use crate::mount::{Confinement, Idleness, Legacy, RENEWAL, RENEWAL_OF_ANOTHER, Server, Whereabouts};
use crate::source::Version;
use crate::tree::{Presentation, Tree};
use crate::volume::Parts;
pub use activity::{Activity, Listener};
use attr::{FOREVER, Inodes, Kin};
use connection::Connection;
use drive::Drive;
use gifts::Gifts;
use handshake::{Protocol, handshake};
use loops::Loops;
use passthrough::{Hidden, Passthrough};
pub use renewal::Renewal;
use reply::{Notice, notify};

/// Event loops that pay off: the kernel's page cache is the bottleneck beyond a few.
const MAX_LOOPS: usize = 8;

/// A tree that is served on an opened /dev/fuse whose file system is mounted already.
#[derive(Debug)]
pub struct Service {
    tree: Arc<Tree>,
    presentation: Presentation,
    loops: usize,
    /// Another process may go on where one was killed.
    restarts: bool,
    activity: Arc<Activity>,
    /// How long nobody may use the drive.
    idle_limit: Option<Duration>,
    confinement: Confinement,
    renewal: Option<Renewal>,
    /// How often the image has been read anew.
    generation: u64,
    /// The generations that were of the first image.
    kin: Vec<u64>,
    agreed: Option<(Protocol, Arc<Connection>)>,
    /// The kernel is to read large files by itself, if it can.
    wants_passthrough: bool,
    passthrough: Option<Arc<Passthrough>>,
    /// What the kernel tells of memory; opened early, as a worker can open nothing.
    memory: Option<Arc<File>>,
}

impl Service {
    /// `loops`: event loops; `None`: as many as there are processors, up to 4. `restarts`: another process may go on
    /// where one was killed.
    pub fn new(tree: Tree, presentation: Presentation, loops: Option<usize>, restarts: bool) -> Self {
        // Not by the library, which reads of control groups besides: that takes as long as opening an image.
        let processors = |set: CpuSet| (0..CpuSet::count()).filter(|one| set.is_set(*one).unwrap_or(false)).count();
        let available = || sched_getaffinity(Pid::from_raw(0)).map_or(2, processors).min(4);
        let loops = loops.unwrap_or_else(available).clamp(1, MAX_LOOPS);
        let size = tree.info().blocks.saturating_mul(tree.info().block_size.into());
        let memory = (size >= thrift::LEAST).then(|| File::open("/proc/meminfo").ok()).flatten().map(Arc::new);
        Self {
            tree: Arc::new(tree),
            presentation,
            loops,
            restarts,
            activity: Arc::default(),
            idle_limit: None,
            confinement: Confinement::Descriptors,
            renewal: None,
            generation: 0,
            kin: Vec::new(),
            agreed: None,
            wants_passthrough: false,
            passthrough: None,
            memory,
        }
    }

    /// Has the image watched, and read anew when it has changed.
    #[must_use]
    pub fn with_renewal(mut self, renewal: Option<Renewal>) -> Self {
        self.renewal = renewal;
        self
    }

    /// Has the kernel read large files by itself, if it can.
    #[must_use]
    pub fn with_passthrough(mut self, wanted: bool) -> Self {
        self.wants_passthrough = wanted;
        self
    }

    /// Where hidden file systems can be mounted; `None`, and why in the log, where they can't.
    fn hidden(&self) -> Option<Hidden> {
        if !self.wants_passthrough {
            return None;
        }
        let image = self.renewal.as_ref().ok_or_else(|| io::Error::other("the image is no file"));
        let hidden = image.and_then(Renewal::image).and_then(|image| Hidden::new(&image));
        hidden.inspect_err(|error| log::info!("no file is passed through: {error}")).ok()
    }

    /// What the serving process may do.
    #[must_use]
    pub fn confined(mut self, confinement: Confinement) -> Self {
        self.confinement = confinement;
        self
    }

    /// What is to be shown: as it was found at first, or as it is now.
    fn content(&self) -> (Arc<Tree>, Presentation) {
        let former = || (Arc::clone(&self.tree), self.presentation.clone());
        let Some(renewal) = self.renewal.as_ref().filter(|_| self.generation > 0) else { return former() };
        renewal.begin();
        match renewal.reopen() {
            Ok((tree, presentation)) => (Arc::new(tree), presentation),
            Err(reason) => {
                log::warn!("{reason}: what is readable of the former image stays");
                former()
            }
        }
    }

    /// Goes on where a service of another program has stopped.
    #[must_use]
    pub fn resumed(mut self, legacy: Legacy) -> Self {
        let Legacy { queues, version, generation, kin, passed_through, .. } = legacy;
        // Only of connections like that is anything left.
        let protocol = Protocol { resends: true, passes_through: passed_through.is_some() };
        self.passthrough = passed_through.and_then(|table| pass(self.hidden(), table));
        self.agreed = Some((protocol, Arc::new(Connection::of_queues(queues))));
        (self.generation, self.kin) = (generation, kin);
        let now = self.renewal.as_ref().and_then(Renewal::version).map(Version::parts);
        // What the kernel remembers is of the image as it was.
        if generation > 0 || version != now {
            self.renew(true);
        }
        self
    }

    /// Has the drive unmounted when nobody has used it for so long.
    #[must_use]
    pub fn with_idle_limit(mut self, limit: Option<Duration>) -> Self {
        self.idle_limit = limit;
        self
    }
}

impl Service {
    fn forget_passed_through(&self, keeps: impl Fn(u64) -> bool) {
        if let (Some(passthrough), Some((_, connection))) = (&self.passthrough, &self.agreed)
            && let Some(queue) = connection.first()
        {
            passthrough.forget(keeps, queue.as_fd());
        }
    }
}

/// `None`, and why in the log, when descriptors are short.
fn pass(hidden: Option<Hidden>, table: HashMap<u64, i32>) -> Option<Arc<Passthrough>> {
    let passthrough = Passthrough::new(hidden, table);
    passthrough.inspect_err(|error| log::warn!("no file is passed through: {error}")).ok().map(Arc::new)
}

impl Server for Service {
    fn greet(&mut self, device: Arc<OwnedFd>) -> io::Result<()> {
        let hidden = self.hidden();
        let protocol = handshake(device.as_fd(), hidden.is_some())?;
        self.passthrough =
            hidden.filter(|_| protocol.passes_through).and_then(|hidden| pass(Some(hidden), HashMap::new()));
        self.agreed = Some((protocol, Arc::new(Connection::new(device, self.loops))));
        Ok(())
    }

    fn questions(&self) -> Option<BorrowedFd<'_>> {
        self.renewal.as_ref()?;
        self.passthrough.as_deref().map(Passthrough::questions)
    }

    fn answer(&self) {
        let (Some(passthrough), Some(renewal)) = (&self.passthrough, &self.renewal) else { return };
        let Some(queue) = self.agreed.as_ref().and_then(|(_, connection)| connection.first()) else { return };
        passthrough.answer(renewal.file(), queue.as_fd());
    }

    fn can_take_over(&self) -> bool {
        self.restarts && self.agreed.as_ref().is_some_and(|(protocol, _)| protocol.resends)
    }

    fn tell_of_failures(&self, listener: Listener) {
        self.activity.listen(listener);
    }

    fn search(&self) -> Whereabouts {
        self.renewal.as_ref().map_or(Whereabouts::Here, Renewal::search)
    }

    fn follow(&mut self) -> io::Result<()> {
        if let Some(renewal) = &mut self.renewal {
            renewal.follow()?;
            self.renew(true);
            // They are of the medium that has failed.
            self.forget_passed_through(|_| false);
        }
        Ok(())
    }

    fn legacy(&self) -> io::Result<Option<Legacy>> {
        let Some((_, connection)) = self.agreed.as_ref().filter(|_| self.can_take_over()) else { return Ok(None) };
        let renewal = self.renewal.as_ref();
        Ok(Some(Legacy {
            queues: connection.queues(),
            image: renewal.map(Renewal::image).transpose()?,
            ledger: self.tree.parts().map(Parts::ledger).transpose()?,
            version: renewal.and_then(Renewal::version).map(Version::parts),
            generation: self.generation,
            // For the next program the image as it is now is the first.
            passed_through: self.passthrough.as_deref().map(Passthrough::table),
            kin: if renewal.is_none_or(Renewal::is_first) { self.kin.clone() } else { Vec::new() },
        }))
    }

    fn renew(&mut self, was_first: bool) {
        if was_first {
            self.kin.push(self.generation);
        }
        self.generation = self.generation.saturating_add(1);
        let inodes =
            Inodes { root: self.tree.root(), generation: self.generation, kin: self.kin.iter().copied().collect() };
        self.forget_passed_through(|file| inodes.is_of_kin(file));
    }

    fn confinement(&self) -> Confinement {
        self.confinement
    }

    fn idleness(&self) -> Option<Idleness> {
        let activity = Arc::clone(&self.activity);
        activity.touch();
        self.idle_limit.map(|limit| Idleness { limit, clock: Box::new(move || activity.idle()) })
    }

    fn serve(&self, takes_over: bool) -> io::Result<()> {
        let Some((_, connection)) = &self.agreed else { return Err(io::Error::other("no connection to the kernel")) };
        let (tree, presentation) = self.content();
        // What has not been read anew is the first by its name.
        let is_first = self.generation == 0
            || (self.renewal.as_ref().is_none_or(Renewal::is_first) && tree.root() == self.tree.root());
        let kin = if is_first { self.kin.iter().copied().collect() } else { Kin::default() };
        let inodes = Inodes { root: tree.root(), generation: self.generation, kin };
        let gifts = Gifts::new(Arc::clone(&tree), inodes, Arc::clone(connection));
        // Where use is to be seen the kernel has to ask again now and then.
        let valid = self.idle_limit.map_or(FOREVER, |limit| limit.as_secs() / 4);
        let passthrough = match (&self.passthrough, &self.renewal) {
            (Some(passthrough), Some(renewal)) => Some((Arc::clone(passthrough), renewal.image()?)),
            _ => None,
        };
        let drive = Drive::new(Arc::clone(&tree), presentation, inodes, gifts, self.memory.clone(), valid)
            .passing_through(passthrough);
        if let Some(parts) = tree.parts().filter(|_| takes_over) {
            parts.recover().map_err(io::Error::other)?;
        }
        if takes_over && let Some(queue) = connection.first() {
            // What the former process had been asked and had not answered.
            notify(queue, Notice::Resend, &[], &[])?;
        }
        if let Some(renewal) = &self.renewal {
            renewal.watch(if is_first { RENEWAL } else { RENEWAL_OF_ANOTHER })?;
        }
        if self.generation > 0 {
            // Asks the kernel for locks that it may hold while it waits for us, so the loops must be running.
            let (former, tree, connection) = (Arc::clone(&self.tree), Arc::clone(&tree), Arc::clone(connection));
            thread::Builder::new()
                .name("renewal".to_owned())
                .spawn(move || renewal::forget(&former, &tree, &connection))?;
        }
        if let Some(pause) = self.tree.tidies() {
            let tree = Arc::clone(&self.tree);
            let tidy = move || {
                loop {
                    thread::sleep(pause);
                    tree.tidy();
                }
            };
            thread::Builder::new().name("tidy".to_owned()).spawn(tidy)?;
        }
        Loops::new(drive, Arc::clone(connection), Arc::clone(&self.activity)).run(self.loops)
    }
}
