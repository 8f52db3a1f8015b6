//! A writer of UDF images that can also write what no formatting tool writes.
//!
//! ```ignore
//! let image = Image::new(0x0250).maps(&[Map::Physical, Map::metadata()])
//!     .add("/docs/read.me", Node::text("hello").mode(0o600))
//!     .add("/sparse", Node::file(Content::Holes { len: 1 << 40, marks }).sparse());
//! let layout = image.write(path)?;                   // where every ICB, FID and extent lies
//! let mut disc = image.disc();                       // in memory, for those who damage it
//! disc.put(disc.layout.icb("/docs/read.me") + 56, &u64::MAX.to_le_bytes());
//! disc.sign(disc.layout.icb("/docs/read.me"));
//! ```
//!
//! Clauses are those of ECMA-167 (part/clause) and of OSTA UDF 2.60.

pub mod allocation;
pub mod attribute;
pub mod damage;
pub mod directory;
pub mod entry;
pub mod flat;
pub mod hostile;
pub mod image;
pub mod layout;
pub mod map;
pub mod node;
pub mod plan;
pub mod samples;
pub mod sequence;
pub mod space;
pub mod tag;
pub mod text;
pub mod time;
pub mod volume;

pub use allocation::{Form, Run};
pub use damage::{Copy, Damage, Disc};
pub use flat::Flat;
pub use image::{Anchor, Image, Integrity, Recognition};
pub use layout::Layout;
pub use map::Map;
pub use node::{Fid, Kind, Node};
pub use space::Address;
pub use text::Name;
pub use time::Stamp;
