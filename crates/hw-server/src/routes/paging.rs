//! Pages of lists that the store gives whole.
//!
//! A page's token is the key of its last item, so that changes between two pages neither skip nor repeat others.

use hw_store::PageRequest;

use crate::request::Reader;

/// The items of a page, and the token of the next one. The items come in the order of their keys, each key once.
pub(super) fn page_of<T>(items: Vec<T>, page: &Page, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let rest = items
        .into_iter()
        .skip_while(|item| page.after.as_ref().is_some_and(|after| key(item) <= *after));
    let mut rest: Vec<T> = rest.take(page.limit + 1).collect();
    let is_last = rest.len() <= page.limit;
    rest.truncate(page.limit);
    let next = rest.last().filter(|_| !is_last).map(|item| token(&key(item)));
    (rest, next)
}

/// The key of an item in a list that begins with the newest: by the time given, in microseconds since 1970, then by name.
pub(super) fn newest_first(micros: i64, name: &str) -> String {
    let time = u64::try_from(micros).unwrap_or_default();
    format!("{:020} {name}", u64::MAX - time)
}

/// Which page is asked for.
pub(super) struct Page {
    limit: usize,
    after: Option<String>,
}

impl Page {
    /// Reads `limit` and `page`.
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let PageRequest { limit, after } = reader.page();
        let key = after.as_deref().map(|token| (token, key(token)));
        if let Some((token, None)) = &key {
            let message = format!("`page` must be a token of this list, found `{token}`");
            reader.wrong(message, "take `next` of the page before");
        }
        Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            after: key.and_then(|(_, key)| key),
        }
    }
}

fn token(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn key(token: &str) -> Option<String> {
    let digits: Vec<char> = token.chars().collect();
    let byte = |pair: &[char]| match pair {
        [high, low] => u8::from_str_radix(&format!("{high}{low}"), 16).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}
