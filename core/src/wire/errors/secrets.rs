//! Vendors repeat keys in their errors ("Incorrect API key provided: sk-..."): what looks like one is masked.

/// Starts of keys that vendors document.
const STARTS: [&str; 17] = [
    "sk-", "sk_", "pk-", "gsk_", "xai-", "key-", "AIza", "ya29.", "hf_", "pplx-", "csk-", "fw_", "AKIA", "ASIA", "eyJ",
    "tgp_", "ABSK",
];
/// Shortest run of key characters that is masked whatever its start: vendors' keys have at least 24, words have fewer.
const LONG: usize = 32;

/// `text` with everything that looks like a key replaced by `[masked]`.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|c: char| !is_key_character(c)).unwrap_or(rest.len());
        if run == 0 {
            let step = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..step]);
            rest = &rest[step..];
            continue;
        }
        let (word, after) = rest.split_at(run);
        out.push_str(if is_key(word) { "[masked]" } else { word });
        rest = after;
    }
    out
}

fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '+' | '=' | '.')
}

fn is_key(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    let starts = word.len() >= 12 && STARTS.iter().any(|start| word.starts_with(start));
    let long = word.len() >= LONG && digits >= 4 && letters >= 4 && !word.contains('.') && !is_uuid(word);
    starts || word.contains("****") || long
}

/// Ids of requests are worth keeping: they have this shape.
fn is_uuid(word: &str) -> bool {
    word.len() == 36 && word.bytes().filter(|b| *b == b'-').count() == 4
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn keys_are_masked_and_words_are_not() {
        for (text, want) in [
            ("Incorrect API key provided: sk-inval*****-key. See", "Incorrect API key provided: [masked] See"),
            ("bad key sk-proj-abcdefghijklmnop1234", "bad key [masked]"),
            ("key AIzaSyA1234567890abcdefghijklmnop is wrong", "key [masked] is wrong"),
            ("token 0123456789abcdef0123456789abcdef, sorry", "token [masked], sorry"),
            (
                "request 7321d3c5-0972-4705-a4d4-3b15cd2df22e failed",
                "request 7321d3c5-0972-4705-a4d4-3b15cd2df22e failed",
            ),
            (
                "messages.2.content.2.document.source.type: Field required",
                "messages.2.content.2.document.source.type: Field required",
            ),
            (
                "the model `claude-sonnet-4-5-20250929` is überlastet",
                "the model `claude-sonnet-4-5-20250929` is überlastet",
            ),
        ] {
            assert_eq!(masked(text), want);
        }
    }
}
