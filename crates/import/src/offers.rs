//! What an import comes to in a campaign: clinics as the machine keeps them, and their slots.
//!
//! It must never guess a vaccine: a name that the campaign does not have is an error that says so.
//! Start reading at [`offers`].

use jari_core::booking::{ClinicConfig, SlotSpec};
use jari_core::command::Text;
use jari_core::ids::VaccineId;
use jari_core::{Time, limits};

use crate::{Import, ImportedClinic};

/// A clinic and its slots.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What the public may know of the clinic.
    pub clinic: ClinicConfig,
    /// Its slots.
    pub slots: Vec<SlotSpec>,
}

/// Why an import does not fit a campaign.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// The feed names a vaccine that the campaign does not give.
    #[error(
        "the feed has the vaccine {found:?}, but the campaign has only {known:?}: add it to the campaign"
    )]
    Vaccine {
        /// As the feed has it.
        found: String,
        /// The campaign's.
        known: Vec<String>,
    },
    /// A text of a clinic is too long.
    #[error("clinic {clinic:?}: a text is longer than {max} bytes", max = limits::TEXT_BYTES_MAX)]
    Text {
        /// The publisher's id of the clinic.
        clinic: String,
    },
    /// A slot lies before the year 1970.
    #[error("a slot begins before 1970")]
    Slot,
}

/// The names of all vaccines of a feed, in the order in which they first appear.
#[must_use]
pub fn vaccines(import: &Import) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in import.slots.iter().filter_map(|slot| slot.vaccine.as_deref()) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The offers of an import for a campaign that gives these vaccines. They are found by name; a slot
/// without one gets the campaign's first.
///
/// # Errors
///
/// See [`Unfit`].
pub fn offers(import: &Import, vaccines: &[&str]) -> Result<Vec<Offer>, Unfit> {
    let offer = |clinic| Ok(Offer { clinic: clinic_config(clinic)?, slots: Vec::new() });
    let mut offers = import.clinics.iter().map(offer).collect::<Result<Vec<_>, Unfit>>()?;
    for slot in &import.slots {
        let vaccine = match &slot.vaccine {
            None => VaccineId(0),
            Some(name) => vaccine_named(vaccines, name)?,
        };
        let starts_at = u64::try_from(slot.starts_at_ms).map_err(|_| Unfit::Slot)?;
        let spec = SlotSpec { starts_at: Time(starts_at), vaccine, capacity: slot.capacity };
        offers[slot.clinic].slots.push(spec);
    }
    Ok(offers)
}

fn clinic_config(clinic: &ImportedClinic) -> Result<ClinicConfig, Unfit> {
    let texts = [&clinic.name, &clinic.address, &clinic.region, &clinic.district];
    if texts.iter().any(|text| text.len() > limits::TEXT_BYTES_MAX) {
        return Err(Unfit::Text { clinic: clinic.source_id.clone() });
    }
    // The directory lists every clinic somewhere; what a feed left out shows as a dash.
    let or_dash = |text: &str| -> Text { if text.trim().is_empty() { "—".into() } else { text.into() } };
    Ok(ClinicConfig {
        name: or_dash(&clinic.name),
        address: or_dash(&clinic.address),
        region: or_dash(&clinic.region),
        district: or_dash(&clinic.district),
        postcode: or_dash(&clinic.postcode),
        telephone: clinic.telephone.as_str().into(),
        latitude_e6: clinic.latitude_e6.unwrap_or(0),
        longitude_e6: clinic.longitude_e6.unwrap_or(0),
    })
}

fn vaccine_named(vaccines: &[&str], name: &str) -> Result<VaccineId, Unfit> {
    let found = vaccines.iter().position(|vaccine| vaccine.eq_ignore_ascii_case(name));
    let known = || vaccines.iter().map(|&known| known.to_owned()).collect();
    let found = found.ok_or_else(|| Unfit::Vaccine { found: name.to_owned(), known: known() })?;
    u16::try_from(found).map(VaccineId).map_err(|_| Unfit::Vaccine { found: name.to_owned(), known: known() })
}
