//! The Destination API's `Update`, decoded only as far as the measurement needs.
//!
//! Addresses and pod names are read; weights, identities, hints and all other labels are passed
//! over without being copied: decoding all of it costs six times as much. It shares no code with
//! the reference destination's encoding, so that mistakes cannot cancel out. Field numbers are
//! those of linkerd2-proxy-api's `destination.proto` and `net.proto`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::model::{
    endpoint::{Endpoint, Pod},
    update::Update,
};

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not protobuf.
    #[error(transparent)]
    Protobuf(#[from] prost::DecodeError),
    /// A field says that it is longer than what holds it.
    #[error("a field of {0} bytes is longer than its message")]
    Truncated(u64),
    /// A port that is none.
    #[error("port {0} is above 65535")]
    Port(u64),
}

/// A decoded message; `None` where it says nothing that is known here.
///
/// # Errors
/// If the bytes are not protobuf.
pub fn update(mut message: &[u8]) -> Result<Option<Update>, DecodeError> {
    let mut update = None;
    while message.has_remaining() {
        let (field, wire) = decode_key(&mut message)?;
        match (field, wire) {
            (1, WireType::LengthDelimited) => {
                update = Some(Update::Add(addresses(delimited(&mut message)?, weighted)?));
            }
            (2, WireType::LengthDelimited) => {
                update = Some(Update::Remove(addresses(
                    delimited(&mut message)?,
                    |tcp| Ok(tcp_address(tcp)?.map(Endpoint::bare)),
                )?));
            }
            (3, WireType::LengthDelimited) => {
                let exists = no_endpoints(delimited(&mut message)?)?;
                update = Some(Update::NoEndpoints { exists });
            }
            _ => skip_field(wire, field, &mut message, DecodeContext::default())?,
        }
    }
    Ok(update)
}

/// The repeated field 1 of `WeightedAddrSet` and `AddrSet`.
fn addresses(
    mut set: &[u8],
    decode: impl Fn(&[u8]) -> Result<Option<Endpoint>, DecodeError>,
) -> Result<Vec<Endpoint>, DecodeError> {
    let mut endpoints = Vec::new();
    while set.has_remaining() {
        let (field, wire) = decode_key(&mut set)?;
        match (field, wire) {
            (1, WireType::LengthDelimited) => {
                endpoints.extend(decode(delimited(&mut set)?)?);
            }
            _ => skip_field(wire, field, &mut set, DecodeContext::default())?,
        }
    }
    Ok(endpoints)
}

/// `WeightedAddr`: its address, and the label `pod`.
fn weighted(mut weighted: &[u8]) -> Result<Option<Endpoint>, DecodeError> {
    let (mut address, mut pod) = (None, None);
    while weighted.has_remaining() {
        let (field, wire) = decode_key(&mut weighted)?;
        match (field, wire) {
            (1, WireType::LengthDelimited) => address = tcp_address(delimited(&mut weighted)?)?,
            (4, WireType::LengthDelimited) => {
                if let Some((b"pod", name)) = label(delimited(&mut weighted)?)? {
                    pod = Some(Pod::named(name));
                }
            }
            _ => skip_field(wire, field, &mut weighted, DecodeContext::default())?,
        }
    }
    Ok(address.map(|address| Endpoint { address, pod }))
}

/// An entry of a `map<string, string>`: key and value.
type Entry<'a> = (&'a [u8], &'a [u8]);

/// The entry, if it has a key.
fn label(mut entry: &[u8]) -> Result<Option<Entry<'_>>, DecodeError> {
    let (mut key, mut value) = (None, &[][..]);
    while entry.has_remaining() {
        let (field, wire) = decode_key(&mut entry)?;
        match (field, wire) {
            (1, WireType::LengthDelimited) => key = Some(delimited(&mut entry)?),
            (2, WireType::LengthDelimited) => value = delimited(&mut entry)?,
            _ => skip_field(wire, field, &mut entry, DecodeContext::default())?,
        }
    }
    Ok(key.map(|key| (key, value)))
}

/// `TcpAddress`; `None` if it has no IP.
fn tcp_address(mut tcp: &[u8]) -> Result<Option<SocketAddr>, DecodeError> {
    let (mut ip, mut port) = (None, 0_u16);
    while tcp.has_remaining() {
        let (field, wire) = decode_key(&mut tcp)?;
        match (field, wire) {
            (1, WireType::LengthDelimited) => ip = ip_address(delimited(&mut tcp)?)?,
            (2, WireType::Varint) => {
                let number = decode_varint(&mut tcp)?;
                port = u16::try_from(number).map_err(|_| DecodeError::Port(number))?;
            }
            _ => skip_field(wire, field, &mut tcp, DecodeContext::default())?,
        }
    }
    Ok(ip.map(|ip| SocketAddr::new(ip, port)))
}

/// `IPAddress`: a `fixed32`, or two `fixed64` halves.
fn ip_address(mut ip: &[u8]) -> Result<Option<IpAddr>, DecodeError> {
    let mut address = None;
    while ip.has_remaining() {
        let (field, wire) = decode_key(&mut ip)?;
        match (field, wire) {
            (1, WireType::ThirtyTwoBit) if ip.remaining() >= 4 => {
                address = Some(Ipv4Addr::from_bits(ip.get_u32_le()).into());
            }
            (2, WireType::LengthDelimited) => {
                address = Some(ipv6(delimited(&mut ip)?)?.into());
            }
            _ => skip_field(wire, field, &mut ip, DecodeContext::default())?,
        }
    }
    Ok(address)
}

fn ipv6(mut halves: &[u8]) -> Result<Ipv6Addr, DecodeError> {
    let (mut first, mut last) = (0_u64, 0_u64);
    while halves.has_remaining() {
        let (field, wire) = decode_key(&mut halves)?;
        match (field, wire) {
            (1, WireType::SixtyFourBit) if halves.remaining() >= 8 => first = halves.get_u64_le(),
            (2, WireType::SixtyFourBit) if halves.remaining() >= 8 => last = halves.get_u64_le(),
            _ => skip_field(wire, field, &mut halves, DecodeContext::default())?,
        }
    }
    Ok(Ipv6Addr::from_bits(
        u128::from(first) << 64 | u128::from(last),
    ))
}

fn no_endpoints(mut message: &[u8]) -> Result<bool, DecodeError> {
    let mut exists = false;
    while message.has_remaining() {
        let (field, wire) = decode_key(&mut message)?;
        match (field, wire) {
            (1, WireType::Varint) => exists = decode_varint(&mut message)? != 0,
            _ => skip_field(wire, field, &mut message, DecodeContext::default())?,
        }
    }
    Ok(exists)
}

/// The bytes of a length-delimited field, taken off the front.
fn delimited<'a>(buffer: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = decode_varint(buffer)?;
    let (field, rest) = usize::try_from(length)
        .ok()
        .and_then(|length| buffer.split_at_checked(length))
        .ok_or(DecodeError::Truncated(length))?;
    *buffer = rest;
    Ok(field)
}

#[cfg(test)]
mod tests;
