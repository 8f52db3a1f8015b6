//! The FUSE side: fuser lives only here.
