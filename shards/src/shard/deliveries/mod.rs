//! Receipts and inbound messages on their way to customers' binds.
mod queue;
