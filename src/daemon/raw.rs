//! Fields of JSON that are kept as they were sent.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// `null` is a value like any other; only an absent field is absent.
pub(crate) fn present<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}
