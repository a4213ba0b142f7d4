//! The header `Accept`: which of several forms a client likes best.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::problem::ApiError;

/// The form that the client likes best; the first one where it likes several equally, `default` where it does not say.
///
/// `form_of` takes media types and ranges of them in lower case. `offered` is what the client is told where none fits.
pub(crate) fn preferred<T: Copy>(
    headers: &HeaderMap,
    default: T,
    form_of: impl Fn(&str) -> Option<T>,
    offered: &'static str,
) -> Result<T, ApiError> {
    let accept: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .collect();
    if accept.is_empty() {
        return Ok(default);
    }
    let accept = accept.join(", ");
    let mut best: Option<(f32, T)> = None;
    for entry in accept.split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let form = form_of(&parts.next().unwrap_or_default().to_ascii_lowercase());
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        if let Some(form) = form.filter(|_| weight > 0.0)
            && best.is_none_or(|(known, _)| weight > known)
        {
            best = Some((weight, form));
        }
    }
    best.map(|(_, form)| form)
        .ok_or(ApiError::NotAcceptable { accept, offered })
}
