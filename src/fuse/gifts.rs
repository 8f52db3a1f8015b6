//! Small files given to the kernel before it asks for them.
//!
//! Whoever reads the first files of a directory in its order will read the next ones. A thread of its own puts their
//! data into the kernel's cache (FUSE_NOTIFY_STORE), which knows them from the listing; so most small files of a walk
//! cost no request. A page that somebody waits for is locked until an event loop has answered, so an event loop must
//! never give: it could wait for an answer that it is to give itself.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use nix::errno::Errno;

use super::attr::{Inodes, Packer};
use super::connection::Connection;
use super::pages::Pages;
use super::reply::{Notice, notify};
use crate::tree::Tree;
use crate::volume::{Directory, FileType, NodeId};

/// Files given at a time.
const BATCH: usize = 64;
/// Of so many files one is left to be asked for, which tells how far the reader is.
const MILESTONE: usize = BATCH / 2;
/// Bytes of the largest file that is given.
const LARGEST: u64 = 128 * 1024;
/// Listings that are remembered: a walk goes down from one to the next, and several may go on at once.
const LISTINGS: usize = 8;

/// A directory that the kernel has been told of entry by entry.
#[derive(Debug)]
struct Listing {
    id: NodeId,
    directory: Arc<Directory>,
    /// Files by number, each with its position; made when the first of them is read.
    positions: Option<Arc<[(NodeId, u32)]>>,
    /// Everything before this position has been given or passed.
    given: usize,
    /// The position that was read last.
    last: Option<usize>,
}

/// An order to the thread that gives.
#[derive(Debug)]
struct Order {
    directory: Arc<Directory>,
    from: usize,
    to: usize,
}

#[derive(Debug)]
pub struct Gifts {
    listings: Mutex<Vec<Listing>>,
    giver: Giver,
    /// To the thread that gives, which the first order starts. `None` where there can't be one: then the kernel asks
    /// for everything.
    orders: OnceLock<Option<SyncSender<Order>>>,
}

impl Gifts {
    pub fn new(tree: Arc<Tree>, inodes: Inodes, connection: Arc<Connection>) -> Self {
        Self { listings: Mutex::default(), giver: Giver { tree, connection, inodes }, orders: OnceLock::new() }
    }

    fn start(&self) -> Option<SyncSender<Order>> {
        let (orders, receiver) = sync_channel(4);
        let giver = self.giver.clone();
        let started = thread::Builder::new().name("gifts".to_owned()).spawn(move || giver.run(&receiver));
        started.map(|_| orders).inspect_err(|error| log::debug!("small files are not given in advance: {error}")).ok()
    }

    /// A directory is being listed.
    pub fn listed(&self, id: NodeId, directory: &Arc<Directory>) {
        let Ok(mut listings) = self.listings.lock() else { return };
        if let Some(at) = listings.iter().position(|listing| listing.id == id) {
            if Arc::ptr_eq(&listings[at].directory, directory) {
                return;
            }
            listings.remove(at);
        }
        if listings.len() >= LISTINGS {
            listings.remove(0);
        }
        listings.push(Listing { id, directory: Arc::clone(directory), positions: None, given: 0, last: None });
    }

    /// The body of a file of so many bytes has been asked for.
    pub fn asked(&self, file: NodeId, size: u64) {
        if size > LARGEST {
            return;
        }
        let Ok(mut listings) = self.listings.lock() else { return };
        // The newest listing is the likeliest.
        let found = listings.iter_mut().enumerate().rev().find_map(|(at, listing)| Some((at, listing.position(file)?)));
        let Some((at, position)) = found else { return };
        if at + 1 < listings.len() {
            let listing = listings.remove(at);
            listings.push(listing);
        }
        let Some(listing) = listings.last_mut() else { return };
        if let Some(order) = listing.order(position)
            && let Some(orders) = self.orders.get_or_init(|| self.start())
        {
            // When the thread is behind, the reader asks for itself.
            let _ = orders.try_send(order);
        }
    }
}

impl Listing {
    fn position(&mut self, file: NodeId) -> Option<usize> {
        let directory = &self.directory;
        let positions = self.positions.get_or_insert_with(|| {
            let files = (0_u32..).zip(directory.iter()).filter(|(_, entry)| entry.kind == FileType::Regular);
            let mut positions: Vec<_> = files.map(|(position, entry)| (entry.id, position)).collect();
            positions.sort_unstable();
            positions.into()
        });
        let found = positions.binary_search_by_key(&file, |(id, _)| *id).ok()?;
        usize::try_from(positions.get(found)?.1).ok()
    }

    /// What to give now that the file at a position is being read, if that looks like a walk.
    fn order(&mut self, position: usize) -> Option<Order> {
        let last = self.last.replace(position);
        let walks = match last {
            Some(last) => position > last && position - last <= BATCH,
            // The first files of a directory are rarely read for another reason.
            None => position < MILESTONE,
        };
        if !walks || position + MILESTONE < self.given {
            return None;
        }
        let from = self.given.max(position + 1);
        let to = (position + 1 + BATCH).min(self.directory.len());
        if from >= to {
            return None;
        }
        self.given = to;
        Some(Order { directory: Arc::clone(&self.directory), from, to })
    }
}

/// The thread's own.
#[derive(Debug, Clone)]
struct Giver {
    tree: Arc<Tree>,
    connection: Arc<Connection>,
    inodes: Inodes,
}

impl Giver {
    fn run(&self, orders: &Receiver<Order>) {
        let mut pages = Pages::default();
        while let Ok(order) = orders.recv() {
            for position in order.from..order.to {
                if position % MILESTONE == MILESTONE - 1 {
                    continue;
                }
                let Some(entry) = order.directory.get(position).filter(|entry| entry.kind == FileType::Regular) else {
                    continue;
                };
                // The drive has been taken off. Any other trouble (the kernel has forgotten the file, the data can't be
                // had) is for the reader, who will ask, and see.
                if let Err(Errno::ENODEV | Errno::ENOTCONN) = self.give(entry.id, &mut pages) {
                    return;
                }
            }
        }
    }

    fn give(&self, file: NodeId, pages: &mut Pages) -> Result<(), Errno> {
        let Ok(body) = self.tree.file(file) else { return Ok(()) };
        let size = body.len();
        if size == 0 || size > LARGEST {
            return Ok(());
        }
        // Whatever has to be decoded or copied together would cost as much now as later.
        if body.in_file(0).is_none_or(|place| place.len < size) {
            return Ok(());
        }
        let Ok(buffer) = pages.of(usize::try_from(size).unwrap_or(0)) else { return Ok(()) };
        if body.read_exact_at(buffer, 0).is_err() {
            return Ok(());
        }
        let Some(queue) = self.connection.first() else { return Ok(()) };
        let length = u32::try_from(size).unwrap_or(0);
        let mut place = Packer::with_capacity(24);
        place.u64(self.inodes.inode(file).named).u64(0).u32(length).u32(0);
        notify(queue, Notice::Store, place.bytes(), buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::DirectoryBuilder;

    fn listing(files: u64) -> Listing {
        let mut builder = DirectoryBuilder::default();
        for number in 1..=files {
            builder.push(format!("{number:05}").as_bytes(), NodeId::new(number * 2048).unwrap(), FileType::Regular);
        }
        let directory = Arc::new(builder.finish(crate::volume::NameMatch::Exact, |_, _| ()));
        Listing { id: NodeId::new(1).unwrap(), directory, positions: None, given: 0, last: None }
    }

    fn read(listing: &mut Listing, position: usize) -> Option<(usize, usize)> {
        let id = listing.directory.get(position).unwrap().id;
        let found = listing.position(id).unwrap();
        assert_eq!(found, position);
        listing.order(found).map(|order| (order.from, order.to))
    }

    #[test]
    fn a_walk_is_met_with_gifts_and_nothing_is_given_twice() {
        let mut listing = listing(200);
        assert_eq!(read(&mut listing, 0), Some((1, 65)));
        assert_eq!(read(&mut listing, 1), None);
        assert_eq!(read(&mut listing, 31), None);
        assert_eq!(read(&mut listing, 63), Some((65, 128)));
        assert_eq!(read(&mut listing, 95), None);
        assert_eq!(read(&mut listing, 127), Some((128, 192)));
        assert_eq!(read(&mut listing, 191), Some((192, 200)));
        assert_eq!(read(&mut listing, 199), None);
    }

    #[test]
    fn one_file_here_and_there_is_no_walk() {
        let mut listing = listing(2000);
        for position in [700, 300, 1500, 100] {
            assert_eq!(read(&mut listing, position), None, "{position}");
        }
    }
}
