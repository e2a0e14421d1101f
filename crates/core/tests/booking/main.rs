//! The rules of booking as tables, one rule a test, one command a line.

mod changes;
mod holds;
mod operators;
mod passes;
mod reminders;
mod script;
