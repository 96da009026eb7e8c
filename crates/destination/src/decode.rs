//! The Destination API's `Update`, decoded only as far as the measurement needs.
//!
//! Addresses and pod names are read; weights, identities, hints and all other labels are passed
//! over without being copied or even looked at: docs/performance says what decoding all of it
//! would cost. It shares no code with the reference destination's encoding, so that mistakes
//! cannot cancel out. Field numbers are
//! those of linkerd2-proxy-api's `destination.proto` and `net.proto`.

mod wire;

use std::{
    cell::Cell,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use dst_load_oracle::{
    endpoint::{Endpoint, Pod},
    update::Update,
};

use self::wire::{Wire, delimited, fixed32, fixed64, varint};

/// Why a message cannot be read.
// Without numbers: it is returned for every field, and then fits into a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not protobuf.
    #[error("it is not protobuf")]
    Malformed,
    /// A field says that it is longer than what holds it.
    #[error("a field is longer than its message")]
    Truncated,
    /// A port that is none.
    #[error("a port is above 65535")]
    Port,
}

/// The most endpoints that room is made for before they have been read.
const AT_ONCE: usize = 1_024;

thread_local! {
    /// Room for the endpoints of the next message.
    static SPARE: Cell<Vec<Endpoint>> = const { Cell::new(Vec::new()) };
}

/// Takes an update back that was decoded on this thread, so that the next needs no memory.
pub fn recycle(update: Update) {
    if let Update::Add(mut endpoints) | Update::Remove(mut endpoints) = update
        && endpoints.capacity() <= AT_ONCE
    {
        endpoints.clear();
        SPARE.set(endpoints);
    }
}

/// A decoded message; `None` where it says nothing that is known here.
///
/// # Errors
/// If the bytes are not protobuf.
pub fn update(message: &[u8]) -> Result<Option<Update>, DecodeError> {
    const ADD: u64 = delimited(1);
    const REMOVE: u64 = delimited(2);
    const NO_ENDPOINTS: u64 = delimited(3);
    let mut update = None;
    let mut fields = Wire::new(message);
    while let Some(key) = fields.key()? {
        match key {
            ADD => update = Some(Update::Add(addresses(fields.delimited()?, weighted)?)),
            REMOVE => {
                let bare = |tcp| Ok(tcp_address(tcp)?.map(Endpoint::bare));
                update = Some(Update::Remove(addresses(fields.delimited()?, bare)?));
            }
            NO_ENDPOINTS => {
                let exists = no_endpoints(fields.delimited()?)?;
                update = Some(Update::NoEndpoints { exists });
            }
            _ => fields.skip(key)?,
        }
    }
    Ok(update)
}

/// The repeated field 1 of `WeightedAddrSet` and `AddrSet`.
fn addresses<'a>(
    set: &'a [u8],
    decode: impl Fn(&'a [u8]) -> Result<Option<Endpoint>, DecodeError>,
) -> Result<Vec<Endpoint>, DecodeError> {
    const ADDRESS: u64 = delimited(1);
    let mut endpoints = SPARE.take();
    let mut fields = Wire::new(set);
    while let Some(key) = fields.key()? {
        if key != ADDRESS {
            fields.skip(key)?;
            continue;
        }
        let address = fields.delimited()?;
        if endpoints.is_empty() {
            // All are about as long as the first, which has a key and a length too.
            let about = set.len() / (address.len() + 2) + 1;
            endpoints.reserve(about.min(AT_ONCE));
        }
        endpoints.extend(decode(address)?);
    }
    Ok(endpoints)
}

/// `WeightedAddr`: its address, and the label `pod`.
fn weighted(weighted: &[u8]) -> Result<Option<Endpoint>, DecodeError> {
    const ADDRESS: u64 = delimited(1);
    const LABEL: u64 = delimited(4);
    let (mut address, mut pod) = (None, None);
    let mut fields = Wire::new(weighted);
    while let Some(key) = fields.key()? {
        match key {
            ADDRESS => address = tcp_address(fields.delimited()?)?,
            LABEL => {
                let entry = fields.delimited()?;
                if may_be_of(entry, b"pod")
                    && let Some((b"pod", name)) = label(entry)?
                {
                    pod = Some(Pod::named(name));
                }
            }
            _ => fields.skip(key)?,
        }
    }
    Ok(address.map(|address| Endpoint { address, pod }))
}

/// Whether a map's entry may have this key: not where it begins with another, as an entry that any
/// library has encoded begins with its key.
fn may_be_of(entry: &[u8], key: &[u8]) -> bool {
    const KEY: u64 = delimited(1);
    match entry {
        [first, length, rest @ ..] if u64::from(*first) == KEY => {
            usize::from(*length) == key.len() && rest.starts_with(key)
        }
        _ => true,
    }
}

/// An entry of a `map<string, string>`: key and value.
type Entry<'a> = (&'a [u8], &'a [u8]);

/// The entry, if it has a key.
fn label(entry: &[u8]) -> Result<Option<Entry<'_>>, DecodeError> {
    const KEY: u64 = delimited(1);
    const VALUE: u64 = delimited(2);
    let (mut name, mut value) = (None, &[][..]);
    let mut fields = Wire::new(entry);
    while let Some(key) = fields.key()? {
        match key {
            KEY => name = Some(fields.delimited()?),
            VALUE => value = fields.delimited()?,
            _ => fields.skip(key)?,
        }
    }
    Ok(name.map(|name| (name, value)))
}

/// `TcpAddress`; `None` if it has no IP.
fn tcp_address(tcp: &[u8]) -> Result<Option<SocketAddr>, DecodeError> {
    const IP: u64 = delimited(1);
    const PORT: u64 = varint(2);
    let (mut ip, mut port) = (None, 0_u16);
    let mut fields = Wire::new(tcp);
    while let Some(key) = fields.key()? {
        match key {
            IP => ip = ip_address(fields.delimited()?)?,
            PORT => port = u16::try_from(fields.varint()?).map_err(|_| DecodeError::Port)?,
            _ => fields.skip(key)?,
        }
    }
    Ok(ip.map(|ip| SocketAddr::new(ip, port)))
}

/// `IPAddress`: a `fixed32`, or two `fixed64` halves.
fn ip_address(ip: &[u8]) -> Result<Option<IpAddr>, DecodeError> {
    const V4: u64 = fixed32(1);
    const V6: u64 = delimited(2);
    let mut address = None;
    let mut fields = Wire::new(ip);
    while let Some(key) = fields.key()? {
        match key {
            V4 => {
                let bits = u32::from_le_bytes(fields.fixed()?);
                address = Some(Ipv4Addr::from_bits(bits).into());
            }
            V6 => address = Some(ipv6(fields.delimited()?)?.into()),
            _ => fields.skip(key)?,
        }
    }
    Ok(address)
}

fn ipv6(halves: &[u8]) -> Result<Ipv6Addr, DecodeError> {
    const FIRST: u64 = fixed64(1);
    const LAST: u64 = fixed64(2);
    let (mut first, mut last) = (0_u64, 0_u64);
    let mut fields = Wire::new(halves);
    while let Some(key) = fields.key()? {
        match key {
            FIRST => first = u64::from_le_bytes(fields.fixed()?),
            LAST => last = u64::from_le_bytes(fields.fixed()?),
            _ => fields.skip(key)?,
        }
    }
    Ok(Ipv6Addr::from_bits(
        u128::from(first) << 64 | u128::from(last),
    ))
}

fn no_endpoints(message: &[u8]) -> Result<bool, DecodeError> {
    const EXISTS: u64 = varint(1);
    let mut exists = false;
    let mut fields = Wire::new(message);
    while let Some(key) = fields.key()? {
        match key {
            EXISTS => exists = fields.varint()? != 0,
            _ => fields.skip(key)?,
        }
    }
    Ok(exists)
}

#[cfg(test)]
mod tests;
