//! The keys that mean something to the database or to the Java handler.

/// A known key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    ScriptClass,
    Import,
    JvmOption,
    Jar,
    /// `%env NAME=value;`: of the database, for every language.
    Environment,
    /// `%perNodeAndCallInstanceLimit n;`: of the database, for every language.
    InstanceLimit,
}

impl Key {
    /// The key of exactly this name.
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"scriptclass" => Some(Self::ScriptClass),
            b"import" => Some(Self::Import),
            b"jvmoption" => Some(Self::JvmOption),
            b"jar" => Some(Self::Jar),
            b"env" => Some(Self::Environment),
            b"perNodeAndCallInstanceLimit" => Some(Self::InstanceLimit),
            _ => None,
        }
    }

    /// The key whose keyword `text` begins with.
    #[inline]
    pub(crate) fn begun_by(text: &[u8]) -> Option<Self> {
        let key = match text {
            [_, b's', ..] => Self::ScriptClass,
            [_, b'i', ..] => Self::Import,
            [_, b'j', b'v', ..] => Self::JvmOption,
            [_, b'j', ..] => Self::Jar,
            [_, b'e', ..] => Self::Environment,
            _ => Self::InstanceLimit,
        };
        text.starts_with(key.keyword().as_bytes()).then_some(key)
    }

    /// With its percent sign.
    pub(crate) const fn keyword(self) -> &'static str {
        match self {
            Self::ScriptClass => "%scriptclass",
            Self::Import => "%import",
            Self::JvmOption => "%jvmoption",
            Self::Jar => "%jar",
            Self::Environment => "%env",
            Self::InstanceLimit => "%perNodeAndCallInstanceLimit",
        }
    }

    /// Whether the database takes it, before the script reaches a language.
    pub(crate) const fn is_of_database(self) -> bool {
        matches!(self, Self::Environment | Self::InstanceLimit)
    }
}

/// Whether a known key begins with this byte.
pub(crate) const fn may_be_known(byte: u8) -> bool {
    matches!(byte, b's' | b'i' | b'j' | b'e' | b'p')
}
