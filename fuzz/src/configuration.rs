//! The configuration file: read, or an error that says something.

use crate::config::Config;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text) {
        Ok(config) => {
            assert!(
                config.partners.iter().all(|partner| partner.channel >= 16 && partner.secret_hash().is_ok())
            );
        }
        Err(error) => assert!(!format!("{error:#}").is_empty()),
    }
}
