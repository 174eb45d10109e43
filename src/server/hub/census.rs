//! Who is there: how many connections by listener and by address.
//!
//! Owns: the counts. Each connection knows where it is counted ([`Seat`]), so that a departure
//! costs no search; an address is in the table once, as long as a connection from it lasts, and
//! the table is never larger than there are connections. Addresses are counted only where somebody
//! asks for it.
//!
//! Never turns anybody away.

use std::net::IpAddr;

use slab::Slab;

use crate::crowd;
use crate::map::{Map, map};
use crate::persistence::Disk;
use crate::session::{ConnId, Peer};

use super::{Hub, Socket};

/// Where a connection is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Seat {
    listener: u16,
    /// Place in the table of addresses, or [`NOWHERE`].
    address: u32,
}

impl Seat {
    pub(super) const fn listener(self) -> u16 {
        self.listener
    }
}

/// A seat that counts for no address.
const NOWHERE: u32 = u32::MAX;

/// The counts.
pub(super) struct Census {
    /// By the number of the listener.
    listeners: Vec<u32>,
    /// Each address with its count.
    addresses: Slab<(u64, u32)>,
    /// Where it stands in there.
    places: Map<u64, u32>,
    counts_addresses: bool,
}

impl Census {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            listeners: Vec::new(),
            addresses: Slab::new(),
            places: map(seed),
            counts_addresses: false,
        }
    }

    pub(super) const fn count_addresses(&mut self, is_on: bool) {
        self.counts_addresses = is_on;
    }

    pub(super) fn of(&self, listener: u16) -> usize {
        self.listeners.get(usize::from(listener)).map_or(0, |count| *count as usize)
    }

    pub(super) fn from(&self, address: IpAddr) -> u32 {
        let place = self.places.get(&key(address));
        place.and_then(|place| self.addresses.get(*place as usize)).map_or(0, |(_, count)| *count)
    }

    /// Counts a connection.
    pub(super) fn enter(&mut self, peer: &Peer) -> Seat {
        let number = usize::from(peer.listener);
        if number >= self.listeners.len() {
            self.listeners.resize(number + 1, 0);
        }
        self.listeners[number] += 1;
        let address = peer.address.filter(|_| self.counts_addresses);
        let address = address.map_or(NOWHERE, |address| self.enter_from(key(address.ip())));
        Seat { listener: peer.listener, address }
    }

    fn enter_from(&mut self, key: u64) -> u32 {
        let addresses = &mut self.addresses;
        let place = *self.places.entry(key).or_insert_with(|| {
            u32::try_from(addresses.insert((key, 0))).expect("fewer than 2^32 connections")
        });
        addresses[place as usize].1 += 1;
        place
    }

    /// Counts a connection no longer.
    pub(super) fn leave(&mut self, seat: Seat) {
        self.listeners[usize::from(seat.listener)] -= 1;
        if seat.address == NOWHERE {
            return;
        }
        let place = seat.address as usize;
        let (key, count) = &mut self.addresses[place];
        *count -= 1;
        if *count == 0 {
            self.places.remove(key);
            self.addresses.remove(place);
            if crowd::has_left(self.addresses.len(), self.addresses.capacity()) {
                self.addresses.shrink_to_fit();
                self.places.shrink_to_fit();
            }
        }
    }
}

impl<S: Socket, D: Disk> Hub<S, D> {
    /// How many connections came by this listener.
    #[must_use]
    pub fn len_of(&self, listener: u16) -> usize {
        self.census.of(listener)
    }

    /// How many connections came from this address, of IPv6 from its /64 network, since
    /// [addresses are counted](Self::limit_addresses).
    #[must_use]
    pub fn len_from(&self, address: IpAddr) -> u32 {
        self.census.from(address)
    }

    /// How many connections there may be from one address from now on; 0 is no limit, and then
    /// they are not counted by address. Who accepts them asks first; here it counts for those of
    /// whom a proxy says later where they come from.
    pub const fn limit_addresses(&mut self, most: u32) {
        self.most_from_address = most;
        self.census.count_addresses(most > 0);
    }

    /// Counts a connection for the address that it has turned out to come from; whether there may
    /// be as many.
    pub(super) fn reseat(&mut self, conn: ConnId, peer: &Peer) -> bool {
        let seat = self.census.enter(peer);
        let Some(connection) = self.connection(conn) else {
            self.census.leave(seat);
            return true;
        };
        let before = std::mem::replace(&mut connection.seat, seat);
        self.census.leave(before);
        let most = self.most_from_address;
        most == 0 || peer.address.is_none_or(|address| self.census.from(address.ip()) <= most)
    }
}

/// What counts as one address: of IPv6 the network, since whoever has one address of it mostly
/// has all.
fn key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        // No IPv6 network that is in use begins with so many zeros.
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str, listener: u16) -> Peer {
        let ip: IpAddr = address.parse().unwrap();
        Peer { address: Some((ip, 5).into()), listener }
    }

    #[test]
    fn everybody_counts_until_he_leaves() {
        let mut census = Census::new(1);
        let before = census.enter(&peer("192.0.2.1", 0));
        census.count_addresses(true);
        let at = |census: &Census, address: &str| census.from(address.parse().unwrap());
        assert_eq!(at(&census, "192.0.2.1"), 0, "not counted yet");
        let all = [
            census.enter(&peer("192.0.2.1", 0)),
            census.enter(&peer("::ffff:192.0.2.1", 3)),
            census.enter(&peer("192.0.2.2", 3)),
            census.enter(&peer("2001:db8:0:1::1", 3)),
            census.enter(&peer("2001:db8:0:1:8000::2", 3)),
            census.enter(&peer("2001:db8:0:2::1", 3)),
            census.enter(&Peer { address: None, listener: 3 }),
        ];
        assert_eq!((census.of(0), census.of(1), census.of(3), census.of(9)), (2, 0, 6, 0));
        assert_eq!((at(&census, "192.0.2.1"), at(&census, "192.0.2.2")), (2, 1));
        assert_eq!((at(&census, "2001:db8:0:1::7"), at(&census, "2001:db8:0:2::7")), (2, 1));
        assert_eq!(at(&census, "::1"), 0);
        census.count_addresses(false);
        census.leave(before);
        for seat in all {
            census.leave(seat);
        }
        assert_eq!((census.of(0), census.of(3)), (0, 0));
        assert!(census.addresses.is_empty() && census.places.is_empty());
    }

    #[test]
    fn the_table_goes_with_the_crowd() {
        let mut census = Census::new(1);
        census.count_addresses(true);
        let seats: Vec<Seat> = (0..10_000_u32)
            .map(|number| census.enter(&peer(&std::net::Ipv4Addr::from(number).to_string(), 0)))
            .collect();
        assert_eq!(census.places.len(), 10_000);
        for seat in seats {
            census.leave(seat);
        }
        assert!(census.addresses.capacity() < 10 && census.places.capacity() < 10);
    }
}
