//! The versions of the service's own rules: which one counts, and making the next one count.
//!
//! It must never make a version count that this node's build does not know.

use jari_core::Body;
use jari_wire::token::StaffSession;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::operate;
use crate::actions::IdempotencyKey;
use crate::problem::Problem;
use crate::site::Site;

/// The versions of the service's own rules, as this node sees them.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct RulesView {
    /// The version that counts, on every node.
    pub counts: u32,
    /// The newest version that this node's build knows.
    pub knows: u32,
}

/// A version to make count.
#[derive(Copy, Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// The next version: one more than the one that counts.
    pub rules: u32,
}

/// Which version counts, and which one this node knows.
#[must_use]
pub fn rules(site: &Site, _staff: &StaffSession) -> RulesView {
    view(site)
}

/// Makes the next version count, for every node and for good. A node whose build does not know
/// it stops: look at `rules` of every node's `/readyz` first.
///
/// # Errors
///
/// `rules_unknown`: it is not the next one, or this node's build does not know it.
pub async fn upgrade(
    site: &Site,
    staff: &StaffSession,
    upgrade: Upgrade,
    key: Option<&IdempotencyKey>,
) -> Result<RulesView, Problem> {
    operate(site, staff, key, Body::Upgrade { rules: upgrade.rules }).await?;
    Ok(view(site))
}

fn view(site: &Site) -> RulesView {
    let status = site.node.status();
    RulesView { counts: status.rules, knows: status.rules_known }
}
