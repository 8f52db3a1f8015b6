//! UDF (ECMA-167 and OSTA UDF 1.02 to 2.60).

mod allocation;
mod attribute;
mod descriptor;
mod directory;
mod examine;
mod icb;
mod options;
mod partition;
mod space;
mod tag;
mod text;
mod timestamp;
mod volume;

pub use options::UdfOptions;
pub use volume::{Udf, UdfVolume, is_session};
