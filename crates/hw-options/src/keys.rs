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
    pub(crate) const ALL: [Self; 6] = [
        Self::ScriptClass,
        Self::Import,
        Self::JvmOption,
        Self::Jar,
        Self::Environment,
        Self::InstanceLimit,
    ];

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
