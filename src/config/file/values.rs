//! Values of settings, each of which says what it must be.

use http::HeaderName;
use secrecy::{ExposeSecret, SecretString};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// What is shown of a secret.
pub(super) const HIDDEN: &str = "***";

/// The longest time that can be set: as long as HTTP can say (RFC 9111 §1.2.2).
pub(super) const LONGEST: u64 = 1 << 31;

/// Seconds, fractions allowed, at least `MIN` milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Secs<const MIN: u64>(pub(super) Duration);

impl<const MIN: u64> From<Duration> for Secs<MIN> {
    fn from(time: Duration) -> Self {
        Self(time)
    }
}

impl<'de, const MIN: u64> Deserialize<'de> for Secs<MIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(SecsVisitor::<MIN>)
    }
}

impl<const MIN: u64> Serialize for Secs<MIN> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.subsec_nanos() {
            0 => serializer.serialize_u64(self.0.as_secs()),
            _ => serializer.serialize_f64(self.0.as_secs_f64()),
        }
    }
}

struct SecsVisitor<const MIN: u64>;

impl<const MIN: u64> Visitor<'_> for SecsVisitor<MIN> {
    type Value = Secs<MIN>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = Duration::from_millis(MIN).as_secs_f64();
        write!(f, "a number of seconds, {least} to {LONGEST}")
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Self::Value, E> {
        let time = Duration::from_secs(seconds);
        match seconds <= LONGEST && time >= Duration::from_millis(MIN) {
            true => Ok(Secs(time)),
            false => Err(E::invalid_value(de::Unexpected::Unsigned(seconds), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Self::Value, E> {
        let invalid = || E::invalid_value(de::Unexpected::Signed(seconds), &self);
        let seconds = u64::try_from(seconds).map_err(|_| invalid())?;
        self.visit_u64(seconds)
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Self::Value, E> {
        let time = Duration::try_from_secs_f64(seconds).ok();
        let longest = Duration::from_secs(LONGEST);
        time.filter(|time| (Duration::from_millis(MIN)..=longest).contains(time))
            .map(Secs)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Float(seconds), &self))
    }
}

/// Bytes: a whole number, or one with a unit, `64MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0 as u64)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes, 67108864 or 64MiB, in KiB, MiB or GiB")
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
        let invalid = |_| E::invalid_value(de::Unexpected::Unsigned(bytes), &self);
        usize::try_from(bytes).map(Size).map_err(invalid)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        let bytes = read_size(text);
        bytes.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

fn read_size(text: &str) -> Option<Size> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (number, shift) = units
        .into_iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))?;
    let number: usize = number.trim_end().parse().ok()?;
    number.checked_mul(1 << shift).map(Size)
}

/// Text that no output shows; not empty.
#[derive(Clone, Debug)]
pub(super) struct Secret(pub(super) SecretString);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.is_empty() {
            true => Err(de::Error::invalid_value(
                de::Unexpected::Other("nothing"),
                &"text that is not empty",
            )),
            false => Ok(Self(text.into())),
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl Secret {
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The name of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FieldName(String);

impl FieldName {
    /// `None` cannot be: it was read as one.
    pub(super) fn name(&self) -> Option<HeaderName> {
        self.0.parse().ok()
    }
}

impl From<&HeaderName> for FieldName {
    fn from(name: &HeaderName) -> Self {
        Self(name.as_str().into())
    }
}

impl<'de> Deserialize<'de> for FieldName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name: Result<HeaderName, _> = text.parse();
        let unexpected = de::Unexpected::Other("text");
        name.map(|name| Self(name.as_str().into()))
            .map_err(|_| de::Error::invalid_value(unexpected, &"the name of a header field"))
    }
}

impl Serialize for FieldName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_two() {
        for (text, bytes) in [
            ("64MiB", Some(64 << 20)),
            ("1 KiB", Some(1 << 10)),
            ("3GiB", Some(3 << 30)),
            ("64MB", None),
            ("MiB", None),
            ("-1MiB", None),
            ("1.5MiB", None),
            ("99999999999999999999GiB", None),
            ("18446744073709551615GiB", None),
        ] {
            assert_eq!(read_size(text).map(|size| size.0), bytes, "{text}");
        }
    }
}
