//! The site as its users meet it: the real front and routes over a node in memory, with a
//! clock that stands until it is moved. Start reading at `harness`.

mod abuse;
mod audit;
mod booking;
mod certificate;
mod cluster;
mod console;
mod desks;
mod eligibility;
mod errands;
mod harness;
mod identity;
mod messages;
mod opening;
mod operator;
mod pages_booking;
mod pages_browser;
mod pages_desks;
mod pages_operator;
mod pages_path;
mod privacy;
#[path = "../../../messenger/tests/receivers/mod.rs"]
mod receivers;
mod server;
mod shared;
mod staff;
mod table;
mod waiting;

use jari_web::vault::{Asked, Changed, Changes, Created, Kept, SharedTable, Standing, TableFault};
