//! Writes a message anew, re-encoded where it has to be.

use super::encode::{Base64, QuotedPrintable, Scrub, Watch};
use super::labels::Encoding;
use super::walk::{Field, Head, Kind, Open, Visit, Walk};
use super::{Cannot, Plan, Rules, Target};

/// A pass over a message that re-encodes it.
#[derive(Debug)]
pub struct Downgrade {
    walk: Walk,
    state: State,
}

#[derive(Debug)]
struct State {
    plan: Plan,
    /// This header's Content-Transfer-Encoding was left out.
    dropped: bool,
    leaf: Leaf,
    fields: Watch,
    outside: Watch,
    scrub: Scrub,
    /// What was written last ends a line, or nothing was.
    ended: bool,
    cannot: Option<Cannot>,
}

/// How a body is written.
#[derive(Debug)]
enum Leaf {
    /// As it is; and what is wrong if it offends.
    Same(Watch, Cannot),
    QuotedPrintable(QuotedPrintable),
    Base64(Base64),
}

/// A visit that writes.
struct Writing<'w> {
    state: &'w mut State,
    out: &'w mut Vec<u8>,
    /// Octets in `out` before this visit.
    start: usize,
}

impl Downgrade {
    /// By the plan of a [`Survey`](super::Survey) of the same message.
    pub fn new(plan: Plan) -> Self {
        let target = plan.rules.target;
        let state = State {
            plan,
            dropped: false,
            leaf: Leaf::Same(Watch::new(target), Cannot::Unlabelled),
            fields: Watch::of_header(target),
            outside: Watch::new(target),
            scrub: Scrub::default(),
            ended: true,
            cannot: None,
        };
        Self { walk: Walk::new(), state }
    }

    /// In one pass, by what Content-Transfer-Encoding says of each part: `binary`, and to
    /// [`Target::SevenBit`] also `8bit`, is re-encoded. A part that is so and does not say so
    /// makes it fail.
    pub fn by_labels(rules: Rules) -> Self {
        Self::new(Plan { rules, convert: None, needed: true })
    }

    /// Takes the message's next piece, and appends what becomes of it, which may come later.
    ///
    /// # Errors
    /// The message cannot be re-encoded; nothing more is written, and each further call says
    /// so again.
    pub fn feed(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Result<(), Cannot> {
        self.run(out, |walk, writing| walk.feed(octets, writing))
    }

    /// The message is over: appends the rest. What was written ends with CRLF.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Cannot> {
        self.run(out, |walk, writing| {
            walk.finish(writing);
            writing.end_line();
        })
    }

    fn run(&mut self, out: &mut Vec<u8>, run: impl FnOnce(&mut Walk, &mut Writing<'_>)) -> Result<(), Cannot> {
        if let Some(cannot) = self.state.cannot {
            return Err(cannot);
        }
        let start = out.len();
        run(&mut self.walk, &mut Writing { state: &mut self.state, out, start });
        if let Some(cannot) = self.state.cannot {
            out.truncate(start);
            return Err(cannot);
        }
        if out.len() > start {
            self.state.ended = out.ends_with(b"\n");
        }
        Ok(())
    }
}

impl Writing<'_> {
    fn blame(&mut self, cannot: Cannot) {
        self.state.cannot.get_or_insert(cannot);
    }

    /// Ends the line that was written last, if it has not ended.
    fn end_line(&mut self) {
        if !if self.out.len() > self.start { self.out.ends_with(b"\n") } else { self.state.ended } {
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Adds a field to a header that is over but for its empty line.
    fn put(&mut self, field: &str) {
        self.end_line();
        self.out.extend_from_slice(field.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// Whether this entity's encoding is said anew.
    fn drops(&self, entity: usize, encoding: Encoding) -> bool {
        match (&self.state.plan.convert, encoding) {
            (_, Encoding::Other) => false,
            (Some(convert), _) => convert.get(entity).copied().unwrap_or_default(),
            (None, Encoding::SevenBit) => false,
            (None, Encoding::EightBit) => self.state.plan.rules.target == Target::SevenBit,
            (None, Encoding::Binary) => true,
        }
    }
}

impl Visit for Writing<'_> {
    fn field(&mut self, entity: usize, field: Field, octets: &[u8]) {
        if self.state.fields.offends(octets) {
            self.blame(Cannot::Header);
        }
        match field {
            Field::Encoding(encoding) if self.drops(entity, encoding) => self.state.dropped = true,
            Field::Encoding(_) | Field::Type | Field::Version | Field::Other => self.out.extend_from_slice(octets),
        }
    }

    fn header(&mut self, head: &Head, empty_line: &[u8]) {
        let rules = self.state.plan.rules;
        if self.state.fields.ends_badly() {
            self.blame(Cannot::Header);
        }
        self.state.fields = Watch::of_header(rules.target);
        let dropped = std::mem::take(&mut self.state.dropped);
        let planned = self.state.plan.convert.as_ref();
        let converts = planned.map_or(dropped, |convert| convert.get(head.entity).copied().unwrap_or_default());
        let unfit = head.unfit(rules);
        self.state.leaf = Leaf::Same(Watch::new(rules.target), unfit.unwrap_or(Cannot::Unlabelled));
        if converts {
            if head.unversioned {
                self.put("MIME-Version: 1.0");
            }
            let composite = matches!(head.kind, Kind::Multipart | Kind::Message);
            if let Some(cannot) = unfit {
                self.blame(cannot);
            }
            if !composite && !head.typed {
                // RFC 1428 section 3: nobody knows which.
                self.put("Content-Type: text/plain; charset=unknown-8bit");
            }
            match head.kind {
                Kind::Text => {
                    self.put("Content-Transfer-Encoding: quoted-printable");
                    self.state.leaf = Leaf::QuotedPrintable(QuotedPrintable::default());
                }
                Kind::Octets | Kind::Opaque => {
                    self.put("Content-Transfer-Encoding: base64");
                    self.state.leaf = Leaf::Base64(Base64::default());
                }
                // RFC 2045 section 6.4: no other may be said of them.
                Kind::Multipart | Kind::Message if dropped => match rules.target {
                    Target::SevenBit => self.put("Content-Transfer-Encoding: 7bit"),
                    Target::Lines => self.put("Content-Transfer-Encoding: 8bit"),
                },
                Kind::Multipart | Kind::Message => {}
            }
        }
        self.out.extend_from_slice(empty_line);
    }

    fn body(&mut self, octets: &[u8]) {
        match &mut self.state.leaf {
            Leaf::QuotedPrintable(encoder) => encoder.feed(octets, self.out),
            Leaf::Base64(encoder) => encoder.feed(octets, self.out),
            Leaf::Same(watch, cannot) => {
                if watch.offends(octets) {
                    let cannot = *cannot;
                    self.blame(cannot);
                }
                self.out.extend_from_slice(octets);
            }
        }
    }

    fn body_end(&mut self) {
        match &mut self.state.leaf {
            Leaf::QuotedPrintable(encoder) => encoder.end(self.out),
            Leaf::Base64(encoder) => encoder.end(self.out),
            Leaf::Same(watch, cannot) if watch.ends_badly() => {
                let cannot = *cannot;
                self.blame(cannot);
            }
            Leaf::Same(..) => {}
        }
    }

    fn outside(&mut self, of: &Open, octets: &[u8]) {
        let rules = self.state.plan.rules;
        if of.signed && !rules.break_signatures && self.state.outside.offends(octets) {
            self.blame(Cannot::Signed);
        }
        self.state.scrub.feed(rules.target, octets, self.out);
    }

    fn outside_end(&mut self) {
        self.state.scrub.end(self.out);
        self.state.outside = Watch::new(self.state.plan.rules.target);
    }

    fn delimiter(&mut self, octets: &[u8]) {
        if Watch::of_header(self.state.plan.rules.target).offends(octets) {
            self.blame(Cannot::Header);
        }
        self.out.extend_from_slice(octets);
    }
}
