//! A writer of ISO 9660 images that can also write what no mastering tool writes.
//!
//! ```ignore
//! let image = Image::new().rock_ridge(Rock::V1_12).joliet(3)
//!     .add("/docs/read.me", Node::text("hello").mode(0o600))
//!     .add("/link", Node::link("docs/read.me"));
//! let layout = image.layout();                       // where every record and extent lies
//! let image = image.patch(layout.record("/docs/read.me") + 25, &[0x80]);
//! image.write(path)?;                                // sparse: holes of the content stay holes
//! ```
//!
//! Only the standard library and (for zisofs) flate2 are needed, so benches may include this tree too.

#![allow(dead_code, unused_imports, reason = "every user of the builder needs another part of it")]

pub mod content;
pub mod descriptor;
pub mod encode;
pub mod flat;
pub mod hostile;
pub mod image;
pub mod layout;
pub mod node;
pub mod sparse;
pub mod susp;
pub mod tree;
pub mod udf;
pub mod zisofs;

pub use content::Content;
pub use descriptor::Descriptor;
pub use flat::Flat;
pub use image::{Image, Rock};
pub use layout::Layout;
pub use node::{Continuation, Kind, Node};
