//! Who of the staff may do what, and who did what.
//!
//! `roles` is the one place that decides: a table of roles and deeds, and one that says for every
//! address of the operator's which deed it is. `totp` makes and checks the codes of a second factor.
//! `audit` is the list of what the staff did. It must never hold a password, a code or a secret.
//!
//! Start reading at [`roles::may`].

pub mod audit;
pub mod roles;
pub mod totp;

pub use roles::{Deed, Role};
