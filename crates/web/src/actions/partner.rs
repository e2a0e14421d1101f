//! Partner channels: a messenger or a portal that identifies people itself and books for
//! them through the same API, under its own channel number.

use jari_core::ids::ChannelId;

use super::identity::{Claim, SessionGiven, identify, sign_in};
use crate::problem::Problem;
use crate::site::Site;

/// A partner, as configured. Only the hash of its secret is kept.
#[derive(Clone, Debug)]
pub struct PartnerCredential {
    /// Its name, for logs and metrics.
    pub name: String,
    /// Its channel: 16 and up.
    pub channel: ChannelId,
    /// BLAKE3 of its secret.
    pub secret_hash: [u8; 32],
}

/// The partner that a bearer secret belongs to. All are compared, each in constant time.
///
/// # Errors
///
/// `partner_unknown`.
pub fn authenticate<'a>(site: &'a Site, secret: &str) -> Result<&'a PartnerCredential, Problem> {
    let presented = blake3::hash(secret.as_bytes());
    let mut found = None;
    for partner in &site.options.partners {
        // Equality of whole hashes takes the same time for any bytes.
        if presented == blake3::Hash::from_bytes(partner.secret_hash) {
            found = Some(partner);
        }
    }
    found.ok_or_else(|| {
        Problem::caller(
            http::StatusCode::UNAUTHORIZED,
            "partner_unknown",
            "Not a partner's credential",
            "This credential belongs to no partner channel. Nothing was changed.",
        )
    })
}

/// A session for a person whom the partner has identified.
///
/// # Errors
///
/// `unfit` for a field that does not fit; passing problems.
pub async fn assert_person(
    site: &Site,
    partner: &PartnerCredential,
    claim: &Claim,
) -> Result<SessionGiven, Problem> {
    let identified = identify(site, claim)?;
    sign_in(site, identified, partner.channel).await
}
