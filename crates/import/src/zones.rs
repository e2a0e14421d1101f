//! Time zones by state or province: enough to check that an offset suits the season.
//!
//! Several zones for one region mean that an offset is right if it is right in any of them. The
//! assignments follow the tz database's zones and the U.S. rules in 49 CFR part 71.

use jiff::tz::TimeZone;
use std::collections::HashMap;

const EASTERN: &str = "America/New_York";
const CENTRAL: &str = "America/Chicago";
const MOUNTAIN: &str = "America/Denver";
const PACIFIC: &str = "America/Los_Angeles";
const SEOUL: &str = "Asia/Seoul";

/// Names of the zones of a region, empty if it is not known.
fn zone_names(region: &str) -> &'static [&'static str] {
    match region {
        "CT" | "DC" | "DE" | "GA" | "MA" | "MD" | "ME" | "NC" | "NH" | "NJ" | "NY" | "OH" | "PA" | "RI"
        | "SC" | "VA" | "VT" | "WV" => &[EASTERN],
        "FL" | "IN" | "KY" | "MI" | "TN" => &[EASTERN, CENTRAL],
        "AL" | "AR" | "IA" | "IL" | "LA" | "MN" | "MO" | "MS" | "OK" | "WI" => &[CENTRAL],
        "KS" | "ND" | "NE" | "SD" | "TX" => &[CENTRAL, MOUNTAIN],
        "CO" | "MT" | "NM" | "UT" | "WY" => &[MOUNTAIN],
        "AZ" => &["America/Phoenix", MOUNTAIN],
        "ID" | "OR" => &[MOUNTAIN, PACIFIC],
        "CA" | "WA" => &[PACIFIC],
        // West Wendover keeps mountain time.
        "NV" => &[PACIFIC, MOUNTAIN],
        "AK" => &["America/Anchorage", "America/Adak"],
        "HI" => &["Pacific/Honolulu"],
        "PR" | "VI" => &["America/Puerto_Rico"],
        "GU" | "MP" => &["Pacific/Guam"],
        "AS" => &["Pacific/Pago_Pago"],
        _ if is_korean_province(region) => &[SEOUL],
        _ => &[],
    }
}

/// Whether a region is a Korean province, in any of its usual spellings.
pub(super) fn is_korean_province(region: &str) -> bool {
    const STEMS: [&str; 34] = [
        "서울",
        "부산",
        "대구",
        "인천",
        "광주",
        "대전",
        "울산",
        "세종",
        "경기",
        "강원",
        "충청북",
        "충청남",
        "전라북",
        "전북",
        "전라남",
        "경상북",
        "경상남",
        "제주",
        "충북",
        "충남",
        "전남",
        "경북",
        "경남",
        "Seoul",
        "Busan",
        "Daegu",
        "Incheon",
        "Gwangju",
        "Daejeon",
        "Ulsan",
        "Sejong",
        "Gyeonggi",
        "Gangwon",
        "Jeju",
    ];
    const ENDINGS: [&str; 9] = ["", "시", "도", "특별시", "광역시", "특별자치시", "특별자치도", "-do", "-si"];
    const ROMANISED: [&str; 6] = [
        "Chungcheongbuk-do",
        "Chungcheongnam-do",
        "Jeollabuk-do",
        "Jeollanam-do",
        "Gyeongsangbuk-do",
        "Gyeongsangnam-do",
    ];
    let iso = region.strip_prefix("KR-").is_some_and(|code| code.len() == 2);
    iso || ROMANISED.contains(&region)
        || STEMS.iter().any(|stem| region.strip_prefix(stem).is_some_and(|ending| ENDINGS.contains(&ending)))
}

/// Whether a region is a US state or territory by its two letters.
pub(super) fn is_us_state(region: &str) -> bool {
    region.len() == 2 && !zone_names(region).is_empty()
}

/// Zones by region, looked up once each.
pub(super) struct Zones {
    /// The zone of everything, if the caller named one.
    fixed: Option<TimeZone>,
    known: HashMap<String, Vec<TimeZone>>,
}

impl Zones {
    /// With the zone of everything, or none.
    pub fn new(fixed: Option<TimeZone>) -> Zones {
        Zones { fixed, known: HashMap::new() }
    }

    /// The zones a region may have; empty if unknown, or if the machine has no zone data.
    pub fn of(&mut self, region: &str) -> &[TimeZone] {
        if let Some(zone) = &self.fixed {
            return std::slice::from_ref(zone);
        }
        let region = region.trim();
        if zone_names(region).is_empty() {
            return &[];
        }
        self.known.entry(region.to_owned()).or_insert_with(|| {
            let zones = zone_names(region).iter().map(|name| TimeZone::get(name));
            // All or none: with a part of a region's zones, a right offset could be called wrong.
            zones.collect::<Result<_, _>>().unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_provinces_are_known_in_every_spelling() {
        for region in [
            "서울특별시",
            "서울",
            "부산광역시",
            "경기도",
            "세종특별자치시",
            "강원특별자치도",
            "전북특별자치도",
            "충북",
            "제주특별자치도",
            "Seoul",
            "Jeju-do",
            "Gyeongsangnam-do",
            "KR-11",
        ] {
            assert!(is_korean_province(region), "{region}");
        }
        for region in ["", "서울대", "MA", "Ontario", "KR-"] {
            assert!(!is_korean_province(region), "{region}");
        }
    }
}
