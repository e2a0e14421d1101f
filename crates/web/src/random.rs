//! Randomness of the operating system: the only source in this crate.

use crate::problem::Problem;

/// Random bytes.
///
/// # Errors
///
/// A problem of ours when the system has none to give.
pub fn bytes<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            tracing::error!(%error, "the system gives no randomness");
            Err(Problem::ours("The system has no randomness to give. Nothing was changed; try again."))
        }
    }
}

/// A random number below `bound`, each equally likely.
///
/// # Errors
///
/// As [`bytes()`].
pub fn below(bound: u32) -> Result<u32, Problem> {
    let usable = u32::MAX - u32::MAX % bound;
    loop {
        let drawn = u32::from_le_bytes(bytes()?);
        if drawn < usable {
            return Ok(drawn % bound);
        }
    }
}
