//! Walks a directory and says everything about it, a line to an entry.
//!
//! The same code walks what Linux itself shows of an image and what our mount shows, so that both are measured alike.
//! Only the standard library: it is compiled alone for the guest, too.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

pub const COLUMNS: &str = "path\ttype\tmode\tuid\tgid\tsize\tnlink\tmtime\trdev\ttarget\tsha256\terr";

/// Where a walk ends, whatever the tree says.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub entries: u64,
    pub depth: u32,
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: 2_000_000, depth: 256, time: Duration::from_secs(600) }
    }
}

/// Writes the manifest of the tree at `root`.
pub fn walk(root: &Path, bounds: Bounds, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "#manifest\t1\n#cols\t{COLUMNS}")?;
    let mut walker = Walker { bounds, start: Instant::now(), entries: 0, cut: false, out };
    walker.entry(root, b"/", 0, false)?;
    let (entries, cut) = (walker.entries, walker.cut);
    writeln!(out, "#end\tentries={entries}\ttruncated={}", u8::from(cut))
}

struct Walker<'a> {
    bounds: Bounds,
    start: Instant,
    entries: u64,
    cut: bool,
    out: &'a mut dyn Write,
}

impl Walker<'_> {
    fn over(&mut self) -> bool {
        self.cut |= self.entries >= self.bounds.entries || self.start.elapsed() > self.bounds.time;
        self.cut
    }

    fn entry(&mut self, at: &Path, path: &[u8], depth: u32, twice: bool) -> io::Result<()> {
        self.entries += 1;
        let name = escaped(path);
        let mut error = String::new();
        let data = match fs::symlink_metadata(at) {
            Ok(data) => data,
            Err(e) => return writeln!(self.out, "{name}\t?\t-\t-\t-\t-\t-\t-\t-\t-\t-\tstat:{}", word(&e)),
        };
        let kind = data.file_type();
        let letter = match kind {
            kind if kind.is_file() => 'f',
            kind if kind.is_dir() => 'd',
            kind if kind.is_symlink() => 'l',
            kind if kind.is_char_device() => 'c',
            kind if kind.is_block_device() => 'b',
            kind if kind.is_fifo() => 'p',
            kind if kind.is_socket() => 's',
            _ => '?',
        };
        let (mut rdev, mut target, mut hash) = (String::from("-"), String::from("-"), String::from("-"));
        match letter {
            'f' => match self.hash(at, data.size()) {
                Ok(digest) => hash = digest,
                Err(what) => error = what,
            },
            'c' | 'b' => {
                let dev = data.rdev();
                let major = (dev >> 8 & 0xFFF) | (dev >> 32 & !0xFFF);
                let minor = (dev & 0xFF) | (dev >> 12 & !0xFF & 0xFFFF_FFFF);
                rdev = format!("{major}:{minor}");
            }
            'l' => match fs::read_link(at) {
                Ok(link) if link.as_os_str().is_empty() => {}
                Ok(link) => target = escaped(link.as_os_str().as_bytes()),
                Err(e) => error = format!("readlink:{}", word(&e)),
            },
            _ => {}
        }
        if twice {
            error = if error.is_empty() { "dup".into() } else { format!("{error},dup") };
        }
        if error.is_empty() {
            error = "-".into();
        }
        writeln!(
            self.out,
            "{name}\t{letter}\t{:04o}\t{}\t{}\t{}\t{}\t{}\t{rdev}\t{target}\t{hash}\t{error}",
            data.mode() & 0o7777,
            data.uid(),
            data.gid(),
            data.size(),
            data.nlink(),
            data.mtime(),
        )?;
        if letter == 'd' { self.directory(at, path, depth) } else { Ok(()) }
    }

    fn directory(&mut self, at: &Path, path: &[u8], depth: u32) -> io::Result<()> {
        let name = escaped(path);
        if depth >= self.bounds.depth {
            self.cut = true;
            return writeln!(self.out, "#direrr\t{name}\tmaxdepth");
        }
        let mut names = Vec::new();
        match fs::read_dir(at) {
            Ok(list) => {
                for entry in list {
                    match entry {
                        Ok(entry) => names.push(entry.file_name()),
                        Err(e) => {
                            writeln!(self.out, "#direrr\t{name}\treaddir:{}", word(&e))?;
                            break;
                        }
                    }
                    // A directory that never ends must not fill the memory.
                    if names.len() as u64 > self.bounds.entries || self.over() {
                        break;
                    }
                }
            }
            Err(e) => writeln!(self.out, "#direrr\t{name}\topen:{}", word(&e))?,
        }
        names.sort();
        for (index, child) in names.iter().enumerate() {
            if self.over() {
                break;
            }
            let mut longer = if path == b"/" { Vec::new() } else { path.to_vec() };
            longer.push(b'/');
            longer.extend(child.as_bytes());
            let twice = index > 0 && names[index - 1] == *child;
            self.entry(&at.join(OsStr::from_bytes(child.as_bytes())), &longer, depth + 1, twice)?;
        }
        Ok(())
    }

    fn hash(&mut self, at: &Path, size: u64) -> Result<String, String> {
        let file = File::open(at).map_err(|e| format!("open:{}", word(&e)))?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        let mut offset = 0;
        loop {
            let n = file.read_at(&mut buffer, offset).map_err(|e| format!("read:{}@{offset}", word(&e)))?;
            if n == 0 {
                break;
            }
            hash.add(&buffer[..n]);
            offset += n as u64;
            if self.over() {
                return Err(format!("time@{offset}"));
            }
        }
        if offset == size { Ok(hash.hex()) } else { Err(format!("short@{offset}")) }
    }
}

/// The name of an error, as C spells it.
fn word(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(2) => "ENOENT".into(),
        Some(5) => "EIO".into(),
        Some(13) => "EACCES".into(),
        Some(20) => "ENOTDIR".into(),
        Some(22) => "EINVAL".into(),
        Some(36) => "ENAMETOOLONG".into(),
        Some(40) => "ELOOP".into(),
        Some(95) => "EOPNOTSUPP".into(),
        Some(107) => "ENOTCONN".into(),
        Some(116) => "ESTALE".into(),
        Some(117) => "EUCLEAN".into(),
        Some(number) => format!("E{number}"),
        None => "E?".into(),
    }
}

/// Bytes outside 0x21..=0x7e, and the backslash, as \xNN.
pub fn escaped(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\x5c"),
            0x21..=0x7E => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// FIPS 180-4.
pub struct Sha256 {
    state: [u32; 8],
    block: Vec<u8>,
    len: u64,
}

const ROUND: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
];

impl Sha256 {
    #[allow(clippy::new_without_default, reason = "nobody asks for a default hash")]
    pub fn new() -> Self {
        let state = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
        Self { state, block: Vec::with_capacity(64), len: 0 }
    }

    pub fn add(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if !self.block.is_empty() {
            let n = bytes.len().min(64 - self.block.len());
            self.block.extend(&bytes[..n]);
            bytes = &bytes[n..];
            if self.block.len() < 64 {
                return;
            }
            let block = std::mem::take(&mut self.block);
            self.mix(&block);
        }
        let (whole, rest) = bytes.split_at(bytes.len() / 64 * 64);
        for block in whole.chunks_exact(64) {
            self.mix(block);
        }
        self.block.extend(rest);
    }

    pub fn hex(mut self) -> String {
        let bits = self.len * 8;
        let zeros = (119 - self.len % 64) % 64;
        self.add(&[0x80]);
        self.add(&vec![0; zeros as usize]);
        self.add(&bits.to_be_bytes());
        self.state.iter().map(|word| format!("{word:08x}")).collect()
    }

    fn mix(&mut self, block: &[u8]) {
        let mut w = [0u32; 64];
        for (word, bytes) in w.iter_mut().zip(block.chunks_exact(4)) {
            *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        for i in 16..64 {
            let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ w[i - 15] >> 3;
            let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = self.state;
        for i in 0..64 {
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = (e & f) ^ (!e & g);
            let t1 = h.wrapping_add(s1).wrapping_add(choice).wrapping_add(ROUND[i]).wrapping_add(w[i]);
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let t2 = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
        }
        for (state, word) in self.state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *state = state.wrapping_add(word);
        }
    }
}
