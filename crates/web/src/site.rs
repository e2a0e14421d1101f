//! The site: everything that a request may need, in one place, shared by all of them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use jari_core::time::Date;
use jari_messenger::Messenger;
use jari_node::{Handle, SeedSource};
use jari_wire::KeyRing;
use tokio::sync::Semaphore;

use crate::actions::earliest::Orders;
use crate::actions::operator::rehearsal::Rehearse;
use crate::actions::partner::PartnerCredential;
use crate::actions::places::Counts;
use crate::actions::staff::{Budgets, WrongCodes};
use crate::certificate::Ending;
use crate::codes::Codes;
use crate::health::Health;
use crate::messages::{MessageOptions, Messages};
use crate::outbox::Outbox;
use crate::prefix::{PrefixOptions, Prefixes};
use crate::series::Series;
use crate::shed::{Shed, ShedOptions};
use crate::staff::audit::SignIns;
use crate::traffic::Traffic;
use crate::vault::Vault;

/// Renders the metrics, as Prometheus reads them.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Settings of the site.
#[derive(Clone)]
pub struct SiteOptions {
    /// Shows the outbox to everyone: for demonstrations only.
    pub demo: bool,
    /// Cookies without `Secure`: for plain HTTP on a loopback address only.
    pub plain_http: bool,
    /// Anonymous joins per network prefix.
    pub joins: PrefixOptions,
    /// One-time codes per network prefix.
    pub codes: PrefixOptions,
    /// Sign-ins of the staff per network prefix.
    pub sign_ins: PrefixOptions,
    /// One-time codes that may be sent within twenty seconds, and challenges whose tries may be
    /// remembered at once.
    pub codes_max: usize,
    /// Messages that the outbox keeps.
    pub messages_max: usize,
    /// What carries messages to people; without, they stay in the outbox.
    pub messenger: Option<Arc<Messenger>>,
    /// How messages are sent.
    pub messages: MessageOptions,
    /// `X-Forwarded-For` counts from these peers only.
    pub trusted_proxies: Vec<IpNetwork>,
    /// Partner channels.
    pub partners: Vec<PartnerCredential>,
    /// How long a person's session lasts.
    pub session_ms: u64,
    /// How long an operator's session lasts.
    pub staff_session_ms: u64,
    /// The telephone code of the country, without `+`.
    pub country_code: String,
    /// The service's own clock, minutes ahead of UTC.
    pub utc_offset_min: i16,
    /// Everyone of the staff has to set up a second factor before anything else.
    pub require_totp: bool,
    /// How long contacts are kept, and who answers for it.
    pub privacy: PrivacyOptions,
    /// Shedding of writes.
    pub shed: ShedOptions,
    /// Where the minutes of the console's plots are kept over a restart; in memory only without.
    pub series_file: Option<PathBuf>,
    /// How an opening is rehearsed; it cannot be without.
    pub rehearse: Option<Rehearse>,
    /// Host and port at which people reach the service over TLS, to watch when its certificate ends.
    pub certificate_of: Option<String>,
    /// How `/metrics` is rendered; it is not there without.
    pub metrics: Option<RenderMetrics>,
}

/// What people are told of their data, where the service itself cannot know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrivacyOptions {
    /// Who runs the service; not said where it is empty.
    pub controller: String,
    /// How to reach them; not said where it is empty.
    pub contact: String,
    /// A name and a number are kept for so many days after they were needed last.
    pub keep_contact_days: u32,
    /// Backups are deleted after so many days. The operator's promise: nothing here enforces it.
    pub backup_days: u32,
}

impl Default for PrivacyOptions {
    fn default() -> Self {
        let (controller, contact) = (String::new(), String::new());
        PrivacyOptions { controller, contact, keep_contact_days: 90, backup_days: 7 }
    }
}

impl Default for SiteOptions {
    fn default() -> Self {
        SiteOptions {
            demo: false,
            plain_http: false,
            joins: PrefixOptions::default(),
            codes: PrefixOptions { joins_per_second: 20, burst: 400, buckets: 16_384 },
            sign_ins: PrefixOptions { joins_per_second: 1, burst: 10, buckets: 1_024 },
            codes_max: 262_144,
            messages_max: 4_096,
            messenger: None,
            messages: MessageOptions::default(),
            trusted_proxies: Vec::new(),
            partners: Vec::new(),
            session_ms: 7 * 24 * 60 * 60 * 1000,
            staff_session_ms: 8 * 60 * 60 * 1000,
            country_code: "82".into(),
            utc_offset_min: 540,
            require_totp: false,
            privacy: PrivacyOptions::default(),
            shed: ShedOptions::default(),
            series_file: None,
            rehearse: None,
            certificate_of: None,
            metrics: None,
        }
    }
}

/// A network: an address and how many of its leading bits count.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct IpNetwork {
    address: IpAddr,
    bits: u8,
}

impl IpNetwork {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or one address.
    #[must_use]
    pub fn parse(text: &str) -> Option<IpNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, Some(bits.parse::<u8>().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(bits_max);
        (bits <= bits_max).then_some(IpNetwork { address, bits })
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shared = |one: u128, other: u128, width: u32| {
            let dropped = width - u32::from(self.bits);
            dropped >= width || one >> dropped == other >> dropped
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => shared(one.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(one), IpAddr::V6(other)) => shared(one.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

/// See the module's documentation.
pub struct Site {
    /// The way to the node.
    pub node: Handle,
    /// Signs and opens what people carry.
    pub keys: KeyRing,
    /// Keys of contacts, and the staff.
    pub vault: Vault,
    /// Messages to people, as a demonstration shows them.
    pub outbox: Outbox,
    /// Settings.
    pub options: SiteOptions,
    /// Anonymous joins per network prefix.
    pub(crate) prefixes: Prefixes,
    /// One-time codes per network prefix.
    pub(crate) code_prefixes: Prefixes,
    /// Staff sign-ins per network prefix.
    pub(crate) sign_in_prefixes: Prefixes,
    /// Messages to people, on their way.
    pub(crate) messages: Messages,
    /// Makes one-time codes and takes them back.
    pub(crate) codes: Codes,
    /// Free places by region, at most a second old.
    pub(crate) counts: ArcSwap<Counts>,
    /// Held by the one request that works them out anew.
    pub(crate) counting: Mutex<()>,
    /// Clinics by region, those with the earliest free place first.
    pub(crate) orders: Orders,
    /// Tables that are read at once: each takes some hundred megabytes.
    pub(crate) imports: Semaphore,
    /// Rehearsals that run at once: each takes a core.
    pub(crate) rehearsals: Semaphore,
    /// Passwords that are checked at once: each takes 19 MB and a core.
    pub(crate) password_checks: Semaphore,
    /// Sign-ins that are not in the audit list yet.
    pub(crate) sign_ins: SignIns,
    /// Wrong codes of a second factor.
    pub(crate) wrong_codes: WrongCodes,
    /// What accounts did in this hour.
    pub(crate) budgets: Budgets,
    /// Held by whoever changes accounts, so that two do not take each other's role away.
    pub(crate) staff_changes: tokio::sync::Mutex<()>,
    /// What booking felt lately.
    pub(crate) health: Health,
    /// What people's requests come to.
    pub(crate) traffic: Traffic,
    /// When the certificate ends that people see.
    pub(crate) certificate: Ending,
    /// What the operator's plots and alarms show.
    pub series: Series,
    /// Writes in flight, and how many may be.
    pub(crate) shed: Arc<Shed>,
    /// It serves on, but says that it is not ready.
    draining: AtomicBool,
}

impl Site {
    /// A site in front of a node.
    #[must_use]
    pub fn new(node: Handle, keys: KeyRing, vault: Vault, options: SiteOptions) -> Arc<Site> {
        Arc::new(Site {
            outbox: Outbox::new(options.messages_max),
            messages: Messages::new(options.messenger.clone(), options.messages, &keys),
            prefixes: Prefixes::new(options.joins),
            code_prefixes: Prefixes::new(options.codes),
            sign_in_prefixes: Prefixes::new(options.sign_ins),
            codes: Codes::new(options.codes_max),
            counts: ArcSwap::from_pointee(Counts::default()),
            counting: Mutex::new(()),
            orders: Orders::default(),
            imports: Semaphore::new(1),
            rehearsals: Semaphore::new(1),
            password_checks: Semaphore::new(2),
            sign_ins: SignIns::default(),
            wrong_codes: WrongCodes::default(),
            budgets: Budgets::default(),
            staff_changes: tokio::sync::Mutex::default(),
            health: Health::default(),
            traffic: Traffic::default(),
            certificate: Ending::default(),
            series: Series::new(),
            shed: Shed::new(options.shed),
            draining: AtomicBool::new(false),
            node,
            keys,
            vault,
            options,
        })
    }

    /// The day at the place, by the service's clock.
    pub(crate) fn today(&self) -> Date {
        self.node.now().date(self.options.utc_offset_min)
    }

    /// Whether messages are put into the outbox: it is shown, or there is nothing else.
    pub(crate) fn keeps_outbox(&self) -> bool {
        self.options.demo || self.messages.messenger.is_none()
    }

    /// Says from now on that it is not ready (`/readyz`), so that balancers send nobody here any more.
    /// Whoever comes is served as before.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// The seed of a room's draw, and so its commitment, follows from the key ring, the
/// room's number and its name. A name is never changed; choose another number or name
/// when a room is made again under the same keys, or its seed would be known already.
#[must_use]
pub fn room_seed(keys: &KeyRing, room: jari_core::ids::RoomId, name: &str) -> [u8; 32] {
    keys.room_seed(room, name.as_bytes())
}

/// Finds the seeds of rooms that were made here: for `NodeOptions::seeds`.
#[must_use]
pub fn seed_source(keys: KeyRing) -> SeedSource {
    Arc::new(move |room, config| {
        let seed = room_seed(&keys, room, &config.name);
        // A room that was committed to something else waits for its operator.
        (jari_core::waiting_room::draw::commitment(&seed) == config.commitment).then_some(seed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_own_addresses_only() {
        let network = IpNetwork::parse("10.1.0.0/16").unwrap();
        assert!(network.contains([10, 1, 255, 3].into()));
        assert!(!network.contains([10, 2, 0, 0].into()));
        assert!(IpNetwork::parse("::1").unwrap().contains("::1".parse().unwrap()));
        assert!(IpNetwork::parse("0.0.0.0/0").unwrap().contains([8, 8, 8, 8].into()));
        assert_eq!(IpNetwork::parse("10.0.0.0/33"), None);
        assert_eq!(IpNetwork::parse("rubbish"), None);
    }
}
