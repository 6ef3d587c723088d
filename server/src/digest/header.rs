//! The fields of a header as they stand (RFC 5322 section 2.2): nothing is decoded, nothing
//! refused.

use std::borrow::Cow;

/// A field, or a line that is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'m> {
    /// As written; empty if the line is no field.
    pub(crate) name: &'m [u8],
    /// What follows the colon, with its folds, without its last line end.
    pub(crate) value: &'m [u8],
    /// All of it, with its last line end.
    pub(crate) whole: &'m [u8],
}

/// Walks the fields of a header up to its empty line.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'m>(&'m [u8]);

impl<'m> Fields<'m> {
    pub(crate) fn new(header: &'m [u8]) -> Self {
        Self(header)
    }

    /// The empty line behind the last field, if the walk has come to it.
    pub(crate) fn empty_line(&self) -> &'m [u8] {
        let (line, _) = split_line(self.0);
        if is_empty_line(line) { line } else { b"" }
    }
}

impl<'m> Iterator for Fields<'m> {
    type Item = Field<'m>;

    fn next(&mut self) -> Option<Field<'m>> {
        let (line, mut rest) = split_line(self.0);
        if line.is_empty() || is_empty_line(line) {
            return None;
        }
        while let [b' ' | b'\t', ..] = rest {
            rest = split_line(rest).1;
        }
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        let colon = memchr::memchr(b':', line).unwrap_or(0);
        // White space before the colon is obsolete, and still comes (RFC 5322 section 4.5).
        let name = line[..colon].trim_ascii_end();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return Some(Field { name: b"", value: b"", whole });
        }
        Some(Field { name, value: chomp(&whole[colon + 1..]), whole })
    }
}

/// Where the header at the start of a message ends, its empty line included.
pub(crate) fn header_len(message: &[u8]) -> usize {
    let mut rest = message;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        rest = after;
        if is_empty_line(line) {
            break;
        }
    }
    message.len() - rest.len()
}

/// The first line with its line end, and the rest.
pub(crate) fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(memchr::memchr(b'\n', text).map_or(text.len(), |at| at + 1))
}

/// CRLF or LF alone.
pub(crate) fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

/// The text of a field: without its folds (RFC 5322 section 2.2.3) and without white space
/// around it.
pub(crate) fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr::memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut text = Vec::with_capacity(value.len());
    let mut rest = value;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        text.extend_from_slice(chomp(line));
        rest = after;
    }
    Cow::Owned(text)
}

/// The line without its line end.
fn chomp(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_walked() {
        for (header, are, end) in [
            (&b"A: 1\r\nB:2\r\n\r\n"[..], &[("A", " 1"), ("B", "2")][..], &b"\r\n"[..]),
            (b"A: 1\n b\n\tc\nB : 2\n\nrest", &[("A", " 1\n b\n\tc"), ("B", " 2")], b"\n"),
            (b"A:", &[("A", "")], b""),
            (b"From x y\r\n: z\r\n a\r\nB:\r\n", &[("", ""), ("", ""), ("B", "")], b""),
            (b" begins folded\r\nA: 1\r\n  \r\n\r\n", &[("", ""), ("A", " 1\r\n  ")], b"\r\n"),
            (b"a b: 1\r\n", &[("", "")], b""),
            (b"\r\nA: 1", &[], b"\r\n"),
            (b"", &[], b""),
        ] {
            let mut fields = Fields::new(header);
            let found: Vec<_> = fields
                .by_ref()
                .map(|field| (str::from_utf8(field.name).unwrap(), str::from_utf8(field.value).unwrap()))
                .collect();
            assert_eq!(found, are, "{header:?}");
            assert_eq!(fields.empty_line(), end, "{header:?}");
        }
    }

    #[test]
    fn folds_are_taken_out() {
        for (value, is) in [
            (&b" plain "[..], &b"plain"[..]),
            (b" one\r\n two\n\tthree", b"one two\tthree"),
            (b"\r\n only folded", b"only folded"),
            (b" a\rb", b"a\rb"),
            (b"", b""),
        ] {
            assert_eq!(*unfold(value), *is, "{value:?}");
        }
    }
}
