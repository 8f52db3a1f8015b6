//! UDF: what the builder writes, what Linux writes, and what nobody should write.

mod bridge;
mod built;
mod damaged;
mod expected;
mod filled;
mod hostile;
mod many;
