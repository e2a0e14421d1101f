//! The rules of booking as tables, one rule a test, one command a line.

mod changes;
mod desk;
mod holds;
mod operators;
mod passes;
mod proxies;
mod reminders;
mod script;
mod standby;
