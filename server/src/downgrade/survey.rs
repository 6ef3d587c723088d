//! What of a message has to be re-encoded: found by a pass over it.

use super::encode::Watch;
use super::labels::Encoding;
use super::walk::{Field, Head, Kind, Open, Visit, Walk};
use super::{Cannot, Plan, Rules};

/// A pass over a message that finds what has to be re-encoded, part by part, so that the rest
/// keeps its form and its signatures.
#[derive(Debug)]
pub struct Survey {
    walk: Walk,
    found: Found,
}

#[derive(Debug)]
struct Found {
    rules: Rules,
    /// Of each entity the one that it is in, itself for the message; at most `PARTS_MAX` + 1.
    parents: Vec<u32>,
    convert: Vec<bool>,
    /// Something offends.
    needed: bool,
    cannot: Option<Cannot>,
    fields: Watch,
    body: Watch,
    /// The leaf's number, and why it could not be re-encoded; none once it has offended.
    leaf: Option<(usize, Option<Cannot>)>,
}

impl Survey {
    /// Before the message's first octet.
    pub fn new(rules: Rules) -> Self {
        let watch = Watch::new(rules.target);
        let found = Found {
            rules,
            parents: Vec::new(),
            convert: Vec::new(),
            needed: false,
            cannot: None,
            fields: Watch::of_header(rules.target),
            body: watch,
            leaf: None,
        };
        Self { walk: Walk::new(), found }
    }

    /// Takes the message's next piece.
    pub fn feed(&mut self, octets: &[u8]) {
        self.walk.feed(octets, &mut self.found);
    }

    /// The message is over: what is to be done.
    ///
    /// # Errors
    /// Something has to be re-encoded, and it or something else cannot.
    pub fn finish(mut self) -> Result<Plan, Cannot> {
        self.walk.finish(&mut self.found);
        let Found { rules, convert, needed, cannot, .. } = self.found;
        match cannot {
            Some(cannot) => Err(cannot),
            None => Ok(Plan { rules, convert: Some(convert), needed }),
        }
    }
}

impl Found {
    fn blame(&mut self, cannot: Cannot) {
        self.needed = true;
        self.cannot.get_or_insert(cannot);
    }

    /// The leaf offends.
    fn offended(&mut self) {
        let Some((mut entity, cannot)) = self.leaf.take() else { return };
        if let Some(cannot) = cannot {
            return self.blame(cannot);
        }
        self.needed = true;
        // What it is in says how it is encoded too. Whatever is marked, is marked upwards.
        while !std::mem::replace(&mut self.convert[entity], true) {
            entity = self.parents[entity] as usize;
        }
    }
}

impl Visit for Found {
    fn field(&mut self, _: usize, _: Field, octets: &[u8]) {
        if self.fields.offends(octets) {
            self.blame(Cannot::Header);
        }
    }

    fn header(&mut self, head: &Head, _: &[u8]) {
        if self.fields.ends_badly() {
            self.blame(Cannot::Header);
        }
        self.fields = Watch::of_header(self.rules.target);
        self.body = Watch::new(self.rules.target);
        self.parents.push(head.parent.unwrap_or(head.entity) as u32);
        self.convert.push(false);
        self.leaf = matches!(head.kind, Kind::Text | Kind::Octets | Kind::Opaque)
            .then(|| (head.entity, head.unfit(self.rules)));
    }

    fn body(&mut self, octets: &[u8]) {
        if self.leaf.is_some() && self.body.offends(octets) {
            self.offended();
        }
    }

    fn body_end(&mut self) {
        if self.body.ends_badly() {
            self.offended();
        }
        self.body = Watch::new(self.rules.target);
        self.leaf = None;
    }

    fn outside(&mut self, of: &Open, octets: &[u8]) {
        if self.body.offends(octets) {
            self.needed = true;
            if of.signed && !self.rules.break_signatures {
                self.blame(Cannot::Signed);
            }
        }
    }

    fn outside_end(&mut self) {
        self.needed |= self.body.ends_badly();
        self.body = Watch::new(self.rules.target);
    }

    fn delimiter(&mut self, octets: &[u8]) {
        if Watch::of_header(self.rules.target).offends(octets) {
            self.blame(Cannot::Header);
        }
        self.body = Watch::new(self.rules.target);
    }
}

impl Head {
    /// Why what is in it could not be re-encoded.
    pub(super) fn unfit(&self, rules: Rules) -> Option<Cannot> {
        match () {
            () if self.kind == Kind::Opaque => Some(Cannot::Composite),
            () if self.encoding == Some(Encoding::Other) => Some(Cannot::Encoded),
            () if self.signed && !rules.break_signatures => Some(Cannot::Signed),
            () => None,
        }
    }
}
