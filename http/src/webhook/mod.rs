//! Webhooks: what is sent ([`event`]), how it is signed ([`sign`]), when it is sent again
//! ([`schedule`]) and whose turn it is ([`queue`]). Pure; one queue per shard.

pub mod event;
pub mod queue;
pub mod schedule;
pub mod sign;
