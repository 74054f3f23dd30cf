//! The headers of an answer, kept in one piece: most answers are read without a look at any of them.

use std::fmt;

/// Names in lower case and values, in the order in which they came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// All names and values, one after the other.
    text: String,
    /// Where each name and each value ends.
    ends: Vec<(usize, usize)>,
}

impl Headers {
    /// No headers.
    pub const NONE: &'static Headers = &Headers::new();

    /// No headers yet.
    pub const fn new() -> Headers {
        Headers { text: String::new(), ends: Vec::new() }
    }

    /// Room for so many headers of ordinary length.
    pub fn with_capacity(count: usize) -> Headers {
        Headers { text: String::with_capacity(48 * count), ends: Vec::with_capacity(count) }
    }

    /// Adds one; its name is kept in lower case.
    pub fn push(&mut self, name: &str, value: &str) {
        let from = self.text.len();
        self.text.push_str(name);
        self.text[from..].make_ascii_lowercase();
        let name_end = self.text.len();
        self.text.push_str(value);
        self.ends.push((name_end, self.text.len()));
    }

    /// The first value of a name; `name` in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Every name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut from = 0;
        self.ends.iter().map(move |(name_end, end)| {
            let header = (&self.text[from..*name_end], &self.text[*name_end..*end]);
            from = *end;
            header
        })
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Headers {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(all: T) -> Headers {
        let mut headers = Headers::new();
        all.into_iter().for_each(|(name, value)| headers.push(name.as_ref(), value.as_ref()));
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_order_and_are_found_by_name() {
        let headers: Headers = [("Content-Type", "text/plain"), ("x", ""), ("", "y"), ("x", "z")].into_iter().collect();
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [("content-type", "text/plain"), ("x", ""), ("", "y"), ("x", "z")]);
        assert_eq!(
            (headers.get("content-type"), headers.get("x"), headers.get("z")),
            (Some("text/plain"), Some(""), None)
        );
        assert_eq!(Headers::NONE.iter().count(), 0);
    }
}
