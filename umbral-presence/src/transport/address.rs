//! The address that a request comes from, if it can be known.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use axum::extract::ConnectInfo;
use http::request::Parts;

type AddressFn = dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync;

/// The application's function that finds the address of a client, if it has one.
#[derive(Clone, Default)]
pub(crate) struct ClientAddress(Option<Arc<AddressFn>>);

impl ClientAddress {
    pub(crate) fn new(find: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(find)))
    }

    /// The address that the limits per address count. For IPv6 it is the network of 64 bits, because
    /// one client has all addresses of it.
    pub(crate) fn of(&self, parts: &Parts) -> Option<IpAddr> {
        let address = match &self.0 {
            Some(find) => find(parts)?,
            None => {
                let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
                // A peer in a private network is a proxy, which stands for all clients.
                Some(peer.ip().to_canonical()).filter(is_public)?
            }
        };
        Some(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        })
    }
}

/// Whether an address is a public one that belongs to one client.
fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            // 100.64.0.0/10 is shared by a provider's customers.
            let is_shared = first == 100 && second & 0xc0 == 64;
            let is_own = v4.is_loopback() || v4.is_private() || v4.is_link_local();
            !(is_own || is_shared || v4.is_unspecified())
        }
        IpAddr::V6(v6) => {
            let is_own = v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local();
            !(is_own || v6.is_unspecified())
        }
    }
}

impl fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientAddress").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str) -> Parts {
        let request = http::Request::new(());
        let mut parts = request.into_parts().0;
        let peer: IpAddr = peer.parse().unwrap();
        parts.extensions.insert(ConnectInfo(SocketAddr::from((peer, 1))));
        parts
    }

    #[test]
    fn the_peer_counts_unless_it_is_a_proxy_s() {
        let of = |peer| ClientAddress::default().of(&from(peer)).map(|address| address.to_string());
        for (peer, address) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(of(peer).as_deref(), Some(address));
        }
        for proxy in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.0.1",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(of(proxy), None, "{proxy}");
        }
        assert_eq!(ClientAddress::default().of(&http::Request::new(()).into_parts().0), None);
    }

    #[test]
    fn the_application_may_say_who_it_is() {
        let address =
            ClientAddress::new(|parts| parts.headers.get("x-real-ip")?.to_str().ok()?.parse().ok());
        let mut parts = from("127.0.0.1");
        assert_eq!(address.of(&parts), None);
        parts.headers.insert("x-real-ip", "10.0.0.9".parse().unwrap());
        assert_eq!(address.of(&parts), Some([10, 0, 0, 9].into()));
    }
}
