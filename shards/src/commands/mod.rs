//! The program's commands: each reads its arguments, does its work and gives an exit status. On
//! the main thread.

mod admin;
pub mod audit;
mod carrier_tlvs;
pub mod check;
pub mod config_file;
pub mod demo;
pub mod erase;
mod lines;
pub mod pdu;
pub mod plan;
pub mod ported;
pub mod receipt;
pub mod reload;
pub mod route;
pub mod serve;
pub mod store;
pub mod tables;
pub mod text;
