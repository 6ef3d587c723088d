//! A TOML tree on its way to being a configuration: what is taken out of it is checked, and
//! every fault is noted with its line.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::values::Read;

/// Faults that are told at once.
const ERRORS_MAX: usize = 100;
/// Characters of a value that an error shows.
const SHOWN: usize = 60;

/// A value and where it stands.
pub(super) type Node<'v, 't> = &'v Spanned<DeValue<'t>>;

/// Collects faults.
pub(super) struct Reader<'t> {
    text: &'t str,
    errors: Vec<ConfigError>,
    /// Lines that are no TOML: what else is wrong with them follows from that.
    broken: Vec<usize>,
}

/// A table of the file, and its name as in `relay`; empty for the file itself.
#[derive(Clone, Copy)]
pub(super) struct Section<'v, 't> {
    pub(super) name: &'static str,
    pub(super) table: &'v DeTable<'t>,
}

impl Section<'_, '_> {
    /// Where the value of a key stands, if it is a list of nothing.
    pub(super) fn empty_list(&self, key: &str) -> Option<usize> {
        let node = self.table.get(key)?;
        node.get_ref().as_array().is_some_and(|list| list.is_empty()).then_some(node.span().start)
    }
}

impl<'t> Reader<'t> {
    /// Parses the text; what of it is TOML can be read further.
    pub(super) fn new(text: &'t str) -> (Self, Spanned<DeTable<'t>>) {
        let (tree, faults) = DeTable::parse_recoverable(text);
        let mut reader = Self { text, errors: Vec::new(), broken: Vec::new() };
        for fault in faults {
            let at = fault.span().map_or(text.len(), |span| span.start);
            reader.blame(at, format!("this is not TOML: {}", fault.message()));
        }
        reader.broken = reader.errors.iter().filter_map(|error| error.line).collect();
        (reader, tree)
    }

    /// Whether all so far was TOML.
    pub(super) fn is_whole(&self) -> bool {
        self.broken.is_empty()
    }

    /// Notes a fault of what stands there.
    pub(super) fn blame(&mut self, at: usize, what: impl Into<String>) {
        let line = line(self.text, at);
        if self.errors.len() < ERRORS_MAX && !self.broken.contains(&line) {
            self.errors.push(ConfigError { line: Some(line), what: what.into() });
        }
    }

    /// Notes a fault of the whole. Nothing can be said of what is missing while part of the
    /// file is not understood.
    pub(super) fn blame_file(&mut self, what: impl Into<String>) {
        if self.errors.len() < ERRORS_MAX && self.is_whole() {
            self.errors.push(ConfigError { line: None, what: what.into() });
        }
    }

    /// All faults, in the order of lines, those of the whole last.
    pub(super) fn finish(mut self) -> Vec<ConfigError> {
        self.errors.sort_by_key(|error| error.line.unwrap_or(usize::MAX));
        self.errors
    }

    /// Notes the keys that nobody knows.
    pub(super) fn known(&mut self, section: Section<'_, 't>, keys: &[&str]) {
        for key in section.table.keys() {
            let name: &str = key.get_ref();
            if !keys.contains(&name) {
                let place = if section.name.is_empty() { "here".into() } else { format!("in [{}]", section.name) };
                self.blame(
                    key.span().start,
                    format!("there is no key {name:?} {place}; there are {}", keys.join(", ")),
                );
            }
        }
    }

    /// The section of that name in the file.
    pub(super) fn section<'v>(&mut self, file: &'v DeTable<'t>, name: &'static str) -> Option<Section<'v, 't>> {
        let (key, node) = file.get_key_value(name)?;
        match node.get_ref() {
            DeValue::Table(table) => Some(Section { name, table }),
            _ => {
                self.blame(key.span().start, format!("{name} is a section: write [{name}] above its keys"));
                None
            }
        }
    }

    /// The value of a key, if it is there and right.
    pub(super) fn value<T>(
        &mut self,
        section: Section<'_, 't>,
        key: &str,
        read: impl FnOnce(&DeValue<'t>) -> Read<T>,
    ) -> Option<T> {
        let node = section.table.get(key)?;
        self.judge(node, &path(section.name, key), read)
    }

    /// The values of a key that takes a list of strings, or one: those that are right, with
    /// where they stand.
    pub(super) fn list<T>(
        &mut self,
        section: Section<'_, 't>,
        key: &str,
        read: impl Fn(&DeValue<'t>) -> Read<T>,
    ) -> Option<Vec<(usize, T)>> {
        let node = section.table.get(key)?;
        Some(self.items(node, &path(section.name, key), read))
    }

    /// As [`Reader::list`], of a value in hand.
    pub(super) fn items<T>(
        &mut self,
        node: Node<'_, 't>,
        path: &str,
        read: impl Fn(&DeValue<'t>) -> Read<T>,
    ) -> Vec<(usize, T)> {
        let nodes = match node.get_ref() {
            DeValue::Array(array) => array.as_ref(),
            _ => core::slice::from_ref(node),
        };
        let mut items = Vec::new();
        for node in nodes {
            if let Some(item) = self.judge(node, path, &read) {
                items.push((node.span().start, item));
            }
        }
        items
    }

    fn judge<T>(&mut self, node: Node<'_, 't>, path: &str, read: impl FnOnce(&DeValue<'t>) -> Read<T>) -> Option<T> {
        match read(node.get_ref()) {
            Ok(value) => Some(value),
            Err(why) => {
                let shown = shown(self.text.get(node.span()).unwrap_or_default());
                self.blame(node.span().start, format!("{path}: {shown} {why}"));
                None
            }
        }
    }
}

/// A key with its section, as people write it.
pub(super) fn path(section: &str, key: &str) -> String {
    if section.is_empty() { key.into() } else { format!("{section}.{key}") }
}

/// The line, from 1, of an octet.
pub(super) fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}

/// A string.
pub(super) fn string<'v>(value: &'v DeValue<'_>) -> Read<&'v str> {
    value.as_str().ok_or_else(|| "must be a string, in quotes".into())
}

/// A whole number in a range.
pub(super) fn number(value: &DeValue<'_>, range: core::ops::RangeInclusive<u64>) -> Read<u64> {
    let number = value.as_integer().and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
    number.filter(|number| range.contains(number)).ok_or_else(|| match (*range.start(), *range.end()) {
        (0, u64::MAX) => "must be a whole number".into(),
        (start, u64::MAX) => format!("must be a whole number, {start} at least"),
        (start, end) => format!("must be a whole number from {start} to {end}"),
    })
}

/// What an error shows of a value: its beginning, on one line.
fn shown(source: &str) -> Cow<'_, str> {
    let end = source.char_indices().find(|&(at, character)| at >= SHOWN || character.is_control());
    match end {
        Some((end, _)) => Cow::Owned(format!("{} ...", source[..end].trim_end())),
        None => Cow::Borrowed(source),
    }
}
