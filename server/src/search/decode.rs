//! From octets to text: transfer encodings (RFC 2045 section 6), charsets, encoded words (RFC
//! 2047). Lenient, since what cannot be decoded can still be searched as it stands; linear.
//!
//! mail-parser knows the charsets and base64. Its reading of encoded words begins anew at
//! each `=?` and runs to the end of the field, which takes quadratic time; its
//! quoted-printable gives up at the first mistake. Those two are ours.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;

/// Octets of a charset's name.
const CHARSET_MAX: usize = 64;

/// Undoes a content transfer encoding; unknown ones leave the octets as they are.
pub(super) fn unencode<'m>(encoding: &[u8], body: &'m [u8]) -> Cow<'m, [u8]> {
    if encoding.eq_ignore_ascii_case(b"base64") {
        Cow::Owned(base64(body))
    } else if encoding.eq_ignore_ascii_case(b"quoted-printable") {
        Cow::Owned(quoted_printable(body, false))
    } else {
        Cow::Borrowed(body)
    }
}

/// Text from its charset. Without a charset, in US-ASCII and in one we do not know, it is read
/// as UTF-8, and if it is not that either, as Windows-1252.
pub(super) fn decode<'t>(charset: &[u8], octets: &'t [u8]) -> Cow<'t, str> {
    let is = |of: &str| charset.eq_ignore_ascii_case(of.as_bytes());
    let decoder = if is("us-ascii") || is("ascii") || is("utf-8") || charset.len() > CHARSET_MAX {
        None
    } else {
        charset_decoder(charset)
    };
    if let Some(decoder) = decoder {
        return Cow::Owned(decoder(octets));
    }
    match (str::from_utf8(octets), charset_decoder(b"windows-1252")) {
        (Ok(text), _) => Cow::Borrowed(text),
        (Err(_), Some(decoder)) if !is("utf-8") => Cow::Owned(decoder(octets)),
        (Err(_), _) => String::from_utf8_lossy(octets),
    }
}

/// The text of a field: encoded words decoded, white space between two of them taken out
/// (RFC 2047 section 6.2).
///
/// Neighbours of one charset are put together before they are decoded, since some senders cut
/// characters in two.
pub(super) fn words(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    let mut encoded: Option<(&[u8], Vec<u8>)> = None;
    let flush = |encoded: Option<(&[u8], Vec<u8>)>, text: &mut String| {
        if let Some((charset, octets)) = encoded {
            text.push_str(&decode(charset, &octets));
        }
    };
    let (mut plain, mut at) = (0, 0);
    while let Some(found) = memchr::memmem::find(&value[at..], b"=?") {
        at += found;
        let Some((charset, octets, len)) = word(&value[at..]) else {
            at += 2;
            continue;
        };
        let between = &value[plain..at];
        let neighbours = encoded.is_some() && between.iter().all(u8::is_ascii_whitespace);
        match &mut encoded {
            Some((of, before)) if neighbours && of.eq_ignore_ascii_case(charset) => before.extend_from_slice(&octets),
            _ => {
                flush(encoded.take(), &mut text);
                if !neighbours {
                    text.push_str(&decode(b"", between));
                }
                encoded = Some((charset, octets));
            }
        }
        at += len;
        plain = at;
    }
    flush(encoded, &mut text);
    text.push_str(&decode(b"", &value[plain..]));
    text
}

/// The encoded word at the start of the text: its charset, its octets, its length. Looks no
/// further than the fourth question mark, so that a field of many `=?` takes linear time.
fn word(text: &[u8]) -> Option<(&[u8], Vec<u8>, usize)> {
    let mut parts = text.strip_prefix(b"=?")?.splitn(4, |&byte| byte == b'?');
    let (charset, encoding, encoded, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let rest = rest.strip_prefix(b"=")?;
    // RFC 2231 section 5: a language may follow the charset.
    let charset = charset.split(|&byte| byte == b'*').next()?;
    let named = (1..=CHARSET_MAX).contains(&charset.len()) && charset.iter().all(u8::is_ascii_graphic);
    let octets = match encoding {
        _ if !named => return None,
        b"b" | b"B" => base64(encoded),
        b"q" | b"Q" => quoted_printable(encoded, true),
        _ => return None,
    };
    Some((charset, octets, text.len() - rest.len()))
}

/// What base64 there is; other octets do not count (RFC 2045 section 6.8).
fn base64(encoded: &[u8]) -> Vec<u8> {
    base64_decode(encoded).unwrap_or_else(|| {
        let of_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        let encoded: Vec<u8> = encoded.iter().copied().filter(of_alphabet).collect();
        base64_decode(&encoded).unwrap_or_default()
    })
}

/// Quoted-printable, or the Q encoding of words, in which an underscore is a space. An equals
/// sign that begins nothing stays.
fn quoted_printable(encoded: &[u8], word: bool) -> Vec<u8> {
    let mut octets = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'=', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: &u8| (*byte as char).to_digit(16).unwrap_or_default() as u8;
                octets.push(digit(high) << 4 | digit(low));
                rest = after;
            }
            // A soft line break; in transport it may have got white space.
            (b'=', after) if !word => {
                let line = after.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r')).unwrap_or(after.len());
                match after.get(line) {
                    Some(b'\n') => rest = &after[line + 1..],
                    None => rest = b"",
                    Some(_) => octets.push(b'='),
                }
            }
            (b'_', _) if word => octets.push(b' '),
            (byte, _) => octets.push(byte),
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_decoded() {
        for (value, is) in [
            ("plain", "plain"),
            ("=?utf-8?q?=C3=A4_b?= c", "ä b c"),
            ("a =?ISO-8859-1*de?Q?=E4?=  =?utf-8?B?w7Y=?= b", "a äö b"),
            ("=?utf-8?b?ww==?= =?utf-8?b?tg==?=", "ö"),
            ("=?utf-8?q?=C3?= =?UTF-8?q?=B6?=", "ö"),
            ("(=?utf-8?q?a?=)", "(a)"),
            ("=?utf-8?q?a b?=", "a b"),
            ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
            ("=?utf-8?q?a", "=?utf-8?q?a"),
            ("=?utf-8?q?a?b", "=?utf-8?q?a?b"),
            ("=?=?utf-8?q?a?=", "=?a"),
            ("=??q?a?=", "=??q?a?="),
            ("=?unknown?q?=C3=B6?=", "ö"),
            ("=?shift_jis?B?g26DjYFb?=", "ハロー"),
        ] {
            assert_eq!(words(value.as_bytes()), is, "{value}");
        }
        assert_eq!(words(b"\xc3\xb6 \xe4"), "Ã¶ ä");
    }

    #[test]
    fn broken_encodings_are_read() {
        for (encoding, body, is) in [
            ("base64", "QUJD\r\nREVG", "ABCDEF"),
            ("BASE64", "QUJD-- list footer", "ABC\u{96}++"),
            ("base64", "QQ==QQ==", "AA"),
            ("quoted-printable", "a=3D=\r\nb= \nc=zz=", "a=bc=zz"),
            ("Quoted-Printable", "=4", "=4"),
            ("x-unknown", "QUJD", "QUJD"),
        ] {
            let octets = unencode(encoding.as_bytes(), body.as_bytes());
            if !body.contains("footer") {
                assert_eq!(str::from_utf8(&octets), Ok(is), "{body}");
            } else {
                assert!(octets.starts_with(b"ABC"), "{body}");
            }
        }
    }

    /// Every charset that mail-parser has, with the shortest of texts.
    #[test]
    fn charsets_do_not_panic() {
        let charsets = [
            "850",
            "866",
            "big5",
            "cp1250",
            "cp1251",
            "cp1252",
            "cp1253",
            "cp1254",
            "cp1255",
            "cp1256",
            "cp1257",
            "cp1258",
            "euc-jp",
            "euc-kr",
            "gb18030",
            "gbk",
            "hz-gb-2312",
            "iso-2022-jp",
            "iso-2022-kr",
            "iso-8859-1",
            "iso-8859-2",
            "iso-8859-5",
            "iso-8859-7",
            "iso-8859-11",
            "iso-8859-15",
            "koi8-r",
            "koi8-u",
            "macintosh",
            "shift_jis",
            "tis-620",
            "utf-7",
            "utf-16",
            "utf-16be",
            "utf-16le",
            "windows-874",
            "x-mac-cyrillic",
            "x-user-defined",
            "",
        ];
        let octets =
            [0, 0x1b, b'$', b'(', b'B', b'J', b'+', b'-', b'~', b'{', b'0', 0x80, 0x81, 0x8e, 0xa1, 0xfe, 0xff];
        for charset in charsets {
            for first in octets {
                for second in octets {
                    for third in octets {
                        let text = [first, second, third];
                        for len in 0..=3 {
                            decode(charset.as_bytes(), &text[..len]);
                        }
                        decode(charset.as_bytes(), &[first, second, third, first, second]);
                    }
                }
            }
        }
    }
}
