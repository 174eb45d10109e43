//! Networks: which addresses are meant.
//!
//! Owns: `ADDRESS/BITS` and what it contains. An IPv4 address is the same whether it comes as
//! itself or mapped into IPv6.
//!
//! Never looks up a name.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// An address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether `address` is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = ();

    /// `10.0.0.0/8`, or an address alone for just that one. Bits behind those that count must be 0,
    /// so that nobody believes that they do.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if bits.starts_with('+') => return Err(()),
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or(())?,
            None => most,
        };
        let zeros = match address {
            IpAddr::V4(address) => address.to_bits().trailing_zeros().min(32),
            IpAddr::V6(address) => address.to_bits().trailing_zeros().min(128),
        };
        let is_whole = u32::from(most - bits) <= zeros;
        is_whole.then_some(Self { address, bits }).ok_or(())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_in_their_networks() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.0"),
            ("192.0.2.1", "::ffff:192.0.2.1", "::192.0.2.1"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "ffff::", "10.0.0.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
        ] {
            assert!(network(text).contains(ip(inside)), "{text} {inside}");
            assert!(!network(text).contains(ip(outside)), "{text} {outside}");
        }
        assert_eq!(network("10.0.0.1").to_string(), "10.0.0.1/32");
    }

    #[test]
    fn what_is_no_network_is_an_error() {
        for text in ["", "10", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "::/129", "a/8", "::1/64"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert!("10.0.0.0/+8".parse::<Network>().is_err());
    }
}
