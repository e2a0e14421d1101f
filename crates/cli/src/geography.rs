//! Korea's districts, and clinics made up from them for the demo and the drills.
//!
//! The districts are real (`data/korea.csv`, sources in `data/ATTRIBUTION.md`); every clinic is made
//! up and says so in its name, in both languages. Nothing here may ever be shown as a real place.
//! The same seed and count give the same clinics on every machine: integers only, one generator of
//! our own, no hash maps.
//!
//! Start reading at [`generate_clinics`].

use std::fmt;
use std::sync::OnceLock;

use serde::Deserialize;

const KOREA_CSV: &str = include_str!("../data/korea.csv");

/// One district of 2020: a city, county or ward.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct District {
    /// Two digits, legal code.
    pub province_code: String,
    /// Korean name of the province.
    pub province_ko: String,
    /// English name of the province.
    pub province_en: String,
    /// Five digits, legal code; begins with the province's.
    pub district_code: String,
    /// Korean name, for example `종로구` or `수원시 장안구`.
    pub district_ko: String,
    /// English name, for example `Jongno-gu` or `Jangan-gu, Suwon-si`.
    pub district_en: String,
    /// Persons in all households, 2020.
    pub population: u32,
    /// Latitude of the centre, microdegrees.
    pub latitude_e6: i32,
    /// Longitude of the centre, microdegrees.
    pub longitude_e6: i32,
    /// Radius of a circle with the area of the district's largest polygon, metres.
    pub reach_m: u32,
}

/// A clinic that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeUpClinic {
    /// Korean name, beginning with `[가상]`.
    pub name_ko: String,
    /// English name, beginning with `[made up]`.
    pub name_en: String,
    /// Index into [`districts`].
    pub district: usize,
    /// Five digits, a zero in front kept; the first two are those of the province.
    pub postcode: String,
    /// Latitude, microdegrees.
    pub latitude_e6: i32,
    /// Longitude, microdegrees.
    pub longitude_e6: i32,
    /// Places in half an hour, 2 to 12.
    pub capacity_per_half_hour: u32,
}

/// A line of the table that cannot be right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("district table, line {line}: {why}")]
pub struct TableError {
    /// Line, from 1, comments counted.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}

/// Reads a table in the form of `data/korea.csv`.
///
/// # Errors
///
/// The first line that is malformed, out of range, or not in the order of district codes.
pub fn parse_districts(text: &str) -> Result<Vec<District>, TableError> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let mut districts: Vec<District> = Vec::new();
    let headers = reader.headers().map_err(|error| broken(&error))?.clone();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| broken(&error))? {
        let line = record.position().map_or(0, csv::Position::line);
        let fail = |why: &dyn fmt::Display| TableError { line, why: why.to_string() };
        let row: District = record.deserialize(Some(&headers)).map_err(|error| fail(&error))?;
        let digits =
            |code: &str, length| code.len() == length && code.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(&row.province_code, 2) || !digits(&row.district_code, 5) {
            return Err(fail(&"a code has the wrong number of digits"));
        }
        if !row.district_code.starts_with(&row.province_code) {
            return Err(fail(&"the district's code is not of its province"));
        }
        if districts.last().is_some_and(|last| last.district_code >= row.district_code) {
            return Err(fail(&"district codes must rise"));
        }
        // The box of the country, islands included.
        let inside = (32_000_000..39_500_000).contains(&row.latitude_e6)
            && (124_000_000..132_000_000).contains(&row.longitude_e6);
        if !inside {
            return Err(fail(&"the centre is not in Korea"));
        }
        if row.population == 0 || row.reach_m == 0 {
            return Err(fail(&"population and reach_m must be above 0"));
        }
        districts.push(row);
    }
    if districts.is_empty() {
        return Err(TableError { line: 1, why: "there are no districts".to_owned() });
    }
    Ok(districts)
}

fn broken(error: &csv::Error) -> TableError {
    let line = error.position().map_or(0, csv::Position::line);
    TableError { line, why: error.to_string() }
}

/// The 250 districts of 2020, by code.
pub fn districts() -> &'static [District] {
    static DISTRICTS: OnceLock<Vec<District>> = OnceLock::new();
    DISTRICTS.get_or_init(|| parse_districts(KOREA_CSV).expect("the built-in table is tested"))
}

/// The generator SplitMix64 (Steele, Lea and Flood, 2014; constants as in Vigna's public-domain
/// `splitmix64.c`). Small, and its output will never change with a library's version.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, by the high half of a product: its bias is below `bound` / 2^64.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `-reach` to `reach`.
    fn within(&mut self, reach: i64) -> i64 {
        self.below(2 * reach as u64 + 1) as i64 - reach
    }
}

/// Makes up `count` clinics. Each district gets its share by population, by largest remainder: the
/// whole part first, then one more each to the largest fractions, equal ones by district code.
///
/// Every district takes its numbers from a generator of its own, so that a larger count adds
/// clinics to a district without moving those it had.
pub fn generate_clinics(seed: u64, count: usize) -> Vec<MadeUpClinic> {
    let districts = districts();
    let shares = largest_remainder(districts, count);
    let mut clinics = Vec::with_capacity(count);
    for (index, (district, share)) in districts.iter().zip(shares).enumerate() {
        let code: u64 = district.district_code.parse().expect("codes are digits");
        let mut random = SplitMix64(SplitMix64(seed ^ (code << 32)).next());
        for number in 1..=share {
            clinics.push(make_up(&mut random, district, index, number));
        }
    }
    clinics
}

fn largest_remainder(districts: &[District], count: usize) -> Vec<usize> {
    let total: u128 = districts.iter().map(|district| u128::from(district.population)).sum();
    let exact = |district: &District| u128::from(district.population) * count as u128;
    let mut shares: Vec<usize> =
        districts.iter().map(|district| (exact(district) / total) as usize).collect();
    let mut order: Vec<usize> = (0..districts.len()).collect();
    // The sort is stable, so that equal remainders stay in the order of codes.
    order.sort_by_key(|index| std::cmp::Reverse(exact(&districts[*index]) % total));
    let left = count - shares.iter().sum::<usize>();
    for index in &order[..left] {
        shares[*index] += 1;
    }
    shares
}

/// First and last of the two digits with which a province's postcodes begin, as assigned in 2015.
fn postcode_prefixes(province_code: &str) -> (u64, u64) {
    match province_code {
        "11" => (1, 9),
        "41" => (10, 20),
        "28" => (21, 23),
        "42" => (24, 26),
        "43" => (27, 29),
        "36" => (30, 30),
        "44" => (31, 33),
        "30" => (34, 35),
        "47" => (36, 40),
        "27" => (41, 43),
        "31" => (44, 45),
        "26" => (46, 49),
        "48" => (50, 53),
        "45" => (54, 56),
        "46" => (57, 60),
        "29" => (61, 62),
        // Jeju, and what a later table may bring.
        _ => (63, 63),
    }
}

fn make_up(random: &mut SplitMix64, district: &District, index: usize, number: usize) -> MadeUpClinic {
    // Half of the reach keeps most of them inside without knowing the border. A degree of latitude
    // has 111.3 km, one of longitude 88.8 km at 37 degrees north: 9 and 11.26 microdegrees a metre.
    let reach_m = i64::from(district.reach_m / 2);
    let north = random.within(reach_m * 9) as i32;
    let east = random.within(reach_m * 1_126 / 100) as i32;
    let (first, last) = postcode_prefixes(&district.province_code);
    let prefix = first + random.below(last - first + 1);
    let postcode = format!("{prefix:02}{:03}", random.below(1_000));
    MadeUpClinic {
        name_ko: format!("[가상] {} {number}의원", district.district_ko),
        name_en: format!("[made up] {} Clinic {number}", district.district_en),
        district: index,
        postcode,
        latitude_e6: district.latitude_e6 + north,
        longitude_e6: district.longitude_e6 + east,
        capacity_per_half_hour: 2 + random.below(11) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_pairs_korean_and_english_names() {
        let districts = districts();
        assert_eq!(districts.len(), 250);
        let population: u64 = districts.iter().map(|row| u64::from(row.population)).sum();
        assert_eq!(population, 49_941_605);
        for (code, korean, english) in [
            ("11110", "종로구", "Jongno-gu"),
            ("28177", "미추홀구", "Michuhol-gu"),
            ("41111", "수원시 장안구", "Jangan-gu, Suwon-si"),
            ("43112", "청주시 서원구", "Seowon-gu, Cheongju-si"),
            ("47940", "울릉군", "Ulleung-gun"),
            ("50130", "서귀포시", "Seogwipo-si"),
        ] {
            let row = districts.iter().find(|row| row.district_code == code).expect(code);
            assert_eq!((&*row.district_ko, &*row.district_en), (korean, english));
        }
        // Seoul's city hall stands in Jung-gu: 37.5663 N, 126.9779 E.
        let jung = districts.iter().find(|row| row.district_code == "11140").expect("11140");
        assert!((jung.latitude_e6 - 37_566_300).abs() < 20_000);
        assert!((jung.longitude_e6 - 126_977_900).abs() < 20_000);
    }

    #[test]
    fn a_broken_table_is_refused_with_its_line() {
        let (head, rows) = KOREA_CSV.split_at(KOREA_CSV.find("11,").expect("a row"));
        let row = rows.lines().next().expect("a row");
        let line = head.lines().count() as u64 + 1;
        for (broken, why) in [
            (row.replace("11110", "1111"), "digits"),
            (row.replace("11110", "26110"), "province"),
            (row.replace("37594917", "57594917"), "not in Korea"),
            (row.replace("139858", "0"), "above 0"),
            (row.replace("139858", "many"), "invalid digit"),
            (row.replace("139858,", ""), "fields"),
        ] {
            let error = parse_districts(&format!("{head}{broken}\n")).expect_err(why);
            assert!(error.why.contains(why), "{error} / {why}");
            assert_eq!(error.line, line, "{error}");
        }
        let error = parse_districts(&format!("{head}{row}\n{row}\n")).expect_err("repeat");
        assert_eq!((error.line, &*error.why), (line + 1, "district codes must rise"));
        assert_eq!(parse_districts(head).expect_err("empty").why, "there are no districts");
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // Vigna's splitmix64.c from state 1234567.
        let mut random = SplitMix64(1_234_567);
        let found: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(found, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,]);
    }

    #[test]
    fn clinics_follow_the_population_and_say_that_they_are_made_up() {
        let clinics = generate_clinics(7, 3_000);
        assert_eq!(clinics.len(), 3_000);
        let total: f64 = districts().iter().map(|row| f64::from(row.population)).sum();
        for (index, district) in districts().iter().enumerate() {
            let found = clinics.iter().filter(|clinic| clinic.district == index).count() as f64;
            let exact = f64::from(district.population) * 3_000.0 / total;
            assert!((found - exact).abs() < 1.0, "{}: {found}, {exact}", district.district_en);
        }
        for clinic in &clinics {
            let district = &districts()[clinic.district];
            assert!(clinic.name_ko.starts_with("[가상] "), "{}", clinic.name_ko);
            assert!(clinic.name_en.starts_with("[made up] "), "{}", clinic.name_en);
            assert!((2..=12).contains(&clinic.capacity_per_half_hour));
            assert_eq!(clinic.postcode.len(), 5);
            assert!(clinic.postcode.bytes().all(|byte| byte.is_ascii_digit()));
            assert_eq!(clinic.postcode.starts_with('0'), district.province_code == "11");
            let north_m = (clinic.latitude_e6 - district.latitude_e6).unsigned_abs() / 9;
            assert!(north_m <= district.reach_m, "{}", clinic.name_en);
        }
        for capacity in 2..=12 {
            assert!(clinics.iter().any(|clinic| clinic.capacity_per_half_hour == capacity));
        }
    }

    #[test]
    fn the_same_seed_makes_up_the_same_clinics() {
        let clinics = generate_clinics(20_210_714, 1_000);
        assert_eq!(clinics, generate_clinics(20_210_714, 1_000));
        assert_ne!(clinics, generate_clinics(20_210_715, 1_000));
        // Golden: what is printed in a drill's report must be found again years later.
        let first = &clinics[0];
        assert_eq!(first.name_ko, "[가상] 종로구 1의원");
        assert_eq!(first.name_en, "[made up] Jongno-gu Clinic 1");
        let first = (&*first.postcode, first.latitude_e6, first.longitude_e6);
        assert_eq!(first, ("06851", 37_592_350, 126_982_531));
        // A larger count adds to a district and moves nothing.
        let more = generate_clinics(20_210_714, 5_000);
        assert_eq!(more[0], clinics[0]);
    }

    #[test]
    fn any_count_is_dealt_out_in_full() {
        for count in [0, 1, 2, 249, 250, 251, 10_007] {
            assert_eq!(generate_clinics(1, count).len(), count);
        }
    }
}
