//! Pictures, documents, films and sounds as Converse names their formats.

use serde_json::{Map, Value, json};

use crate::error::ProviderError;
use crate::message::{Content, Source};
use crate::wire::turns::unsupported;

/// The vendor's format names and the media types they stand for; the first of a name or type counts.
const FORMATS: &[(&str, &str, &str)] = &[
    ("image", "png", "image/png"),
    ("image", "jpeg", "image/jpeg"),
    ("image", "gif", "image/gif"),
    ("image", "webp", "image/webp"),
    ("document", "pdf", "application/pdf"),
    ("document", "csv", "text/csv"),
    ("document", "doc", "application/msword"),
    ("document", "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("document", "xls", "application/vnd.ms-excel"),
    ("document", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("document", "html", "text/html"),
    ("document", "txt", "text/plain"),
    ("document", "md", "text/markdown"),
    ("video", "mkv", "video/x-matroska"),
    ("video", "mov", "video/quicktime"),
    ("video", "mp4", "video/mp4"),
    ("video", "webm", "video/webm"),
    ("video", "flv", "video/x-flv"),
    ("video", "mpeg", "video/mpeg"),
    ("video", "mpg", "video/mpg"),
    ("video", "wmv", "video/x-ms-wmv"),
    ("video", "three_gp", "video/3gpp"),
    ("audio", "mp3", "audio/mpeg"),
    ("audio", "mp3", "audio/mp3"),
    ("audio", "wav", "audio/wav"),
    ("audio", "wav", "audio/x-wav"),
    ("audio", "opus", "audio/opus"),
    ("audio", "aac", "audio/aac"),
    ("audio", "flac", "audio/flac"),
    ("audio", "mp4", "audio/mp4"),
    ("audio", "ogg", "audio/ogg"),
    ("audio", "webm", "audio/webm"),
    ("audio", "m4a", "audio/x-m4a"),
    ("audio", "mpeg", "audio/mpeg3"),
    ("audio", "mka", "audio/x-matroska"),
    ("audio", "pcm", "audio/pcm"),
    ("audio", "x-aac", "audio/x-aac"),
];

/// Writes media of `kind` (`image`, `document`, `video`, `audio`); documents have a name.
pub(super) fn written(kind: &str, source: &Source, name: Option<&str>) -> Result<Value, ProviderError> {
    let (format, at) = match source {
        Source::Base64 { media_type, data } => (format_of(kind, media_type)?, json!({"bytes": data})),
        Source::Url { url, media_type } | Source::File { id: url, media_type } if url.starts_with("s3://") => {
            let told = media_type.as_deref().map(|media_type| format_of(kind, media_type)).transpose()?;
            let format = told.or_else(|| by_ending(kind, url));
            let format = format.ok_or_else(|| unsupported(format!("say the media type of the {kind} in S3")))?;
            (format, json!({"s3Location": {"uri": url}}))
        }
        Source::Text { text, media_type } if kind == "document" => {
            (format_of(kind, media_type).unwrap_or("txt"), json!({"text": text}))
        }
        _ => return Err(unsupported(format!("a {kind} at an address: send its bytes, or one in S3"))),
    };
    let mut block = Map::from_iter([("format".to_owned(), Value::from(format))]);
    if kind == "document" {
        block.insert("name".to_owned(), name.unwrap_or("document").into());
    }
    block.insert("source".to_owned(), at);
    Ok(json!({kind: block}))
}

fn format_of(kind: &str, media_type: &str) -> Result<&'static str, ProviderError> {
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    let found = FORMATS.iter().find(|(of, _, media)| *of == kind && *media == plain);
    found
        .map(|(_, format, _)| *format)
        .ok_or_else(|| unsupported(format!("this format takes no {kind} of {media_type}: convert it")))
}

fn by_ending(kind: &str, url: &str) -> Option<&'static str> {
    let ending = url.rsplit('.').next()?.to_ascii_lowercase();
    let ending = if ending == "jpg" { "jpeg" } else { &ending };
    FORMATS.iter().find(|(of, format, _)| *of == kind && *format == ending).map(|(_, format, _)| *format)
}

/// Reads a block `{kind: {format, source, name}}`; `None` where it says what our parts cannot.
pub(super) fn read(kind: &str, block: &Value) -> Option<Content> {
    let fields = block.as_object()?;
    let format = fields.get("format")?.as_str()?;
    let (_, _, media) = FORMATS.iter().find(|(of, name, _)| *of == kind && *name == format)?;
    let media_type = (*media).to_owned();
    let at = fields.get("source")?.as_object().filter(|at| at.len() == 1)?;
    let text = |name: &str| at.get(name).and_then(Value::as_str).map(str::to_owned);
    let source = if let Some(data) = text("bytes") {
        Source::Base64 { media_type, data }
    } else if let Some(text) = text("text") {
        Source::Text { text, media_type }
    } else {
        let place = at.get("s3Location")?.as_object().filter(|place| place.len() == 1)?;
        Source::Url { url: place.get("uri")?.as_str()?.to_owned(), media_type: Some(media_type) }
    };
    let name = fields.get("name").and_then(Value::as_str).map(str::to_owned);
    let is_whole = fields.len() == 2 + usize::from(name.is_some());
    match kind {
        "image" if is_whole && name.is_none() => Some(Content::Image { source }),
        "video" if is_whole && name.is_none() => Some(Content::Video { source }),
        "audio" if is_whole && name.is_none() => Some(Content::Audio { source }),
        "document" if is_whole => Some(Content::Document { source, name }),
        _ => None,
    }
}

/// A document's name as the vendor takes it: letters, digits, single spaces, hyphens and brackets.
pub(super) fn tame(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "-()[]".contains(c) { c } else { ' ' };
    let plain: String = name.chars().take(200).map(fits).collect();
    let tamed = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if tamed.is_empty() { "document".to_owned() } else { tamed }
}
