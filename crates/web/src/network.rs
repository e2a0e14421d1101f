//! Where a request came from.
//!
//! `X-Forwarded-For` counts only when the peer is a configured proxy, and then only its
//! last entry that is no configured proxy itself: whatever stands before it was written
//! by the caller.

use std::net::{IpAddr, Ipv4Addr};

use http::request::Parts;
use http::{HeaderMap, HeaderName};

use crate::site::Site;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The peer's address, put into a request's extensions by the server.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Peer(pub IpAddr);

/// Where a request came from. Without a peer (in a test) it is the loopback address.
#[must_use]
pub fn address(parts: &Parts, site: &Site) -> IpAddr {
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0);
    address_of(&parts.headers, peer, site)
}

/// As [`address`], from the headers and the peer.
#[must_use]
pub fn address_of(headers: &HeaderMap, peer: IpAddr, site: &Site) -> IpAddr {
    let trusted =
        |address: IpAddr| site.options.trusted_proxies.iter().any(|network| network.contains(address));
    if !trusted(peer) {
        return peer.to_canonical();
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev().filter_map(|line| line.to_str().ok());
    let hops = lines.flat_map(|line| line.rsplit(',')).map(|hop| hop.trim().parse::<IpAddr>());
    let mut nearest = peer;
    // A hop that is no address ends the walk: nothing before it can be believed.
    for hop in hops.map_while(Result::ok) {
        nearest = hop;
        if !trusted(hop) {
            break;
        }
    }
    nearest.to_canonical()
}
