//! Reading a packet.

use std::borrow::Cow;

use super::source::{Extensions, Item, Source};
use super::text::Data;
use crate::wire::socketio::{BadPacket, MAX_ACK_ID, Packet, PacketType, check_data, check_namespace};

/// Reads a packet, which the bytes have to be from their first to their last.
pub fn decode(bytes: &[u8]) -> Result<Packet, BadPacket> {
    let mut source = Source::new(bytes, Extensions::Package);
    let Item::Map(fields) = source.item()? else { return Err(BadPacket::UnknownType) };
    let (mut kind, mut namespace, mut id, mut data) = (None, None, None, Data::default());
    for _ in 0..fields {
        let key = match source.item()? {
            Item::Text(key) => key,
            Item::Integer(_) => Cow::Borrowed(""),
            _ => return Err(BadPacket::Key),
        };
        match &*key {
            "type" => match source.item()? {
                Item::Integer(number @ 0..=4) => kind = PacketType::from_number(number as u64),
                _ => return Err(BadPacket::UnknownType),
            },
            "nsp" => match source.item()? {
                Item::Text(name) => namespace = Some(name),
                _ => return Err(BadPacket::Namespace),
            },
            "id" => match source.item()? {
                Item::Integer(number) if (0..=i128::from(MAX_ACK_ID)).contains(&number) => {
                    id = Some(number as u64)
                }
                Item::Undefined => id = None,
                _ => return Err(BadPacket::AckId),
            },
            "data" => {
                data = Data::default();
                match source.item()? {
                    Item::Undefined => {}
                    // As JSON they would look like what a payload may be.
                    Item::Binary(_) | Item::Date(_) => return Err(BadPacket::Payload),
                    item => data.value(item, &mut source, 0)?,
                }
            }
            _ => source.skip()?,
        }
    }
    if !source.rest().is_empty() {
        return Err(BadPacket::Trailing);
    }
    let Data { json, attachments, .. } = data.checked()?;
    let kind = kind.ok_or(BadPacket::UnknownType)?;
    let namespace = namespace.ok_or(BadPacket::Namespace)?.into_owned();
    check_namespace(&namespace)?;
    check_data(kind, &json)?;
    Ok(Packet { kind, namespace, query: None, id, data: json, attachments })
}
