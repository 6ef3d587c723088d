//! Octets as text: escapes and repeats.

/// Octets from text with `\r \n \t \0 \" \\ \xNN` and `{x*3000}`.
///
/// # Errors
/// What is no escape, or a repeat past 16 MiB.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((unit, times, after)) = repeat(rest) {
            let unit = unescape(unit)?;
            if unit.len().saturating_mul(times) > 16 << 20 {
                return Err(format!("a repeat of {times} is too long"));
            }
            octets.extend(unit.repeat(times));
            rest = after;
            continue;
        }
        rest = &rest[first.len_utf8()..];
        if first != '\\' {
            octets.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escape = rest.chars().next().ok_or("a backslash at the end")?;
        rest = &rest[escape.len_utf8()..];
        octets.push(match escape {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => 0,
            '"' => b'"',
            '\\' => b'\\',
            'x' => {
                let digits = rest.get(..2).ok_or("\\x wants two digits")?;
                rest = &rest[2..];
                u8::from_str_radix(digits, 16).map_err(|_| format!("\\x{digits} is no octet"))?
            }
            other => return Err(format!("\\{other} is no escape")),
        });
    }
    Ok(octets)
}

/// `{unit*times}` at the start of the text, and what follows it. A brace of other form, as of
/// a literal, is itself.
fn repeat(text: &str) -> Option<(&str, usize, &str)> {
    let (inner, after) = text.strip_prefix('{')?.split_once('}')?;
    let (unit, times) = inner.rsplit_once('*')?;
    (!unit.is_empty()).then_some(())?;
    Some((unit, times.parse().ok()?, after))
}

/// Octets as readable text on one line.
pub fn escaped(octets: &[u8]) -> String {
    octets.iter().map(|&octet| escape(octet)).collect()
}

/// As [`escaped`], with runs of one octet past 40 written as repeats.
pub fn shown(octets: &[u8]) -> String {
    let runs = octets.chunk_by(|a, b| a == b);
    runs.map(|run| match run.len() {
        0..=40 => escaped(run),
        len => format!("{{{}*{len}}}", escape(run[0])),
    })
    .collect()
}

fn escape(octet: u8) -> String {
    match octet {
        b'\r' => "\\r".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\t' => "\\t".to_owned(),
        0 => "\\0".to_owned(),
        b'"' => "\\\"".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b' '..=b'~' => char::from(octet).to_string(),
        _ => format!("\\x{octet:02x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_repeats() {
        for (text, octets) in [
            ("a\\r\\n", &b"a\r\n"[..]),
            ("\\0\\xff\\\\", b"\0\xff\\"),
            ("{ab*3}c", b"abababc"),
            ("{\\r\\n*2}", b"\r\n\r\n"),
            ("{5}{5+}{*}", b"{5}{5+}{*}"),
            ("ä", "ä".as_bytes()),
        ] {
            assert_eq!(unescape(text).unwrap(), octets, "{text}");
        }
        for bad in ["\\", "\\q", "\\x1", "\\xzz", "{x*99999999}"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
        let octets = [&b"GET\r\n"[..], &[b'x'; 50]].concat();
        assert_eq!(shown(&octets), "GET\\r\\n{x*50}");
        assert_eq!(unescape(&shown(&octets)).unwrap(), octets);
        assert_eq!(unescape(&escaped(&octets)).unwrap(), octets);
    }
}
