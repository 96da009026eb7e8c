//! `client.stalled`: clients that do not read.

use std::{num::NonZeroU16, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    check::{self, Checker},
    either::Either,
    placed::{Key, Placed, key, value},
};
use crate::{
    quantity::{Bytes, DECIMAL, QuantityError, Share, readable},
    scenario::{
        ClientPath, Reader, Stalled,
        path::{DEFAULT_RATE, DEFAULT_WINDOW, ReaderKey},
    },
};

/// Clients that do not read: how many, or also how.
pub(super) type StalledForm = Either<Portion, StalledSection>;

/// Clients that do not read.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct StalledSection {
    /// How many of a replica's clients: a number, or a percentage.
    clients: Placed<Portion>,
    /// How they read; `never` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reader: Key<ReaderKey>,
    /// With the reader `trickle`: bytes a second of each stream. 1KiB if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Key<Bytes>,
    /// With the reader `smallWindows`: bytes that the controller may send ahead on each stream, at most
    /// as many as HTTP/2 begins with. 1024 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Key<NonZeroU16>,
}

/// A number of clients, or a percentage of a replica's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Portion {
    Clients(u32),
    Share(Share),
}

impl Checker<'_> {
    /// The stalled ones among this many clients of a replica; `None` if that is none.
    pub(super) fn stalled(
        &self,
        form: Placed<StalledForm>,
        clients: u32,
        path: ClientPath,
    ) -> check::Result<Option<Stalled>> {
        let Placed { value: form, at } = form;
        let (portion, at, reader) = match form {
            Either::Value(portion) => (portion, at, Reader::Never),
            Either::Section(section) => {
                let Placed { value: portion, at } = section.clients;
                let reader = self.reader(section.reader, section.rate, section.window, path)?;
                (portion, at, reader)
            }
        };
        let count = portion.of(clients);
        if count >= clients && count > 0 {
            let message = format!(
                "all {clients} clients of a replica would be stalled, and none judged; it is fewer \
                 than client.clients"
            );
            return Err(self.tree.error(at, &message));
        }
        Ok((count > 0).then_some(Stalled {
            clients: count,
            reader,
        }))
    }

    fn reader(
        &self,
        reader: Key<ReaderKey>,
        rate: Key<Bytes>,
        window: Key<NonZeroU16>,
        path: ClientPath,
    ) -> check::Result<Reader> {
        let named = value(reader).unwrap_or_default();
        if named != ReaderKey::Trickle && rate.is_some() {
            return Err(self.error(rate, "only with reader: trickle is there a rate"));
        }
        if named != ReaderKey::SmallWindows && window.is_some() {
            return Err(self.error(window, "only with reader: smallWindows is there a window"));
        }
        match named {
            ReaderKey::Never => Ok(Reader::Never),
            ReaderKey::Trickle => match value(rate).unwrap_or(DEFAULT_RATE) {
                Bytes(0) => {
                    Err(self.error(rate, "nothing is read at a rate of 0; write reader: never"))
                }
                rate => Ok(Reader::Trickle { rate }),
            },
            ReaderKey::SmallWindows if path != ClientPath::Direct => Err(self.error(
                reader,
                "with client.path: sidecar the windows at the controller are the sidecar's; \
                 smallWindows needs path: direct",
            )),
            ReaderKey::SmallWindows => Ok(Reader::SmallWindows {
                window: value(window).unwrap_or(DEFAULT_WINDOW).get(),
            }),
        }
    }
}

impl From<Stalled> for StalledForm {
    fn from(stalled: Stalled) -> Self {
        let clients = Portion::Clients(stalled.clients);
        match stalled.reader {
            Reader::Never => Self::Value(clients),
            Reader::Trickle { rate } => Self::Section(StalledSection {
                clients: clients.into(),
                reader: key(ReaderKey::Trickle),
                rate: key(rate),
                window: None,
            }),
            Reader::SmallWindows { window } => Self::Section(StalledSection {
                clients: clients.into(),
                reader: key(ReaderKey::SmallWindows),
                rate: None,
                window: NonZeroU16::new(window).and_then(key),
            }),
        }
    }
}

// === impl Portion ===

impl Portion {
    /// The clients that this is of so many: at least one, where it is more than nothing.
    fn of(self, clients: u32) -> u32 {
        match self {
            Self::Clients(count) => count,
            Self::Share(Share(share)) if share > 0.0 => {
                // The cast saturates, and a share is at least zero.
                ((f64::from(clients) * share).round() as u32).max(1)
            }
            Self::Share(_) => 0,
        }
    }
}

impl FromStr for Portion {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.ends_with('%') {
            return text.parse().map(Self::Share);
        }
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(clients) if digits => Ok(Self::Clients(clients)),
            _ => Err(QuantityError::new(
                text,
                "is neither a number of clients nor a percentage",
            )),
        }
    }
}

readable!(Portion, "a number of clients, or a percentage such as 5%", {
    "type": ["string", "integer"],
    "pattern": format!("^([0-9]{{1,9}}|{DECIMAL}%)$"),
    "minimum": 0,
    "maximum": u32::MAX,
});
