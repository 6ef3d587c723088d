//! The little of an X.509 certificate (RFC 5280) that logins need: the hash of its signature,
//! for channel bindings, and the addresses it is for.
//!
//! A certificate that comes here has been verified by TLS. It is read all the same as octets
//! that may be anything: each element lies within the one around it, and nothing is recursive.

use alloc::vec::Vec;

/// Addresses of one certificate that are looked at.
const ADDRESSES: usize = 16;

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
/// `[0]` and `[3]` of a structure, explicit.
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_3: u8 = 0xa3;
/// rfc822Name of a GeneralName: `[1]`, implicit (RFC 5280 section 4.2.1.6).
const RFC822_NAME: u8 = 0x81;

/// 1.2.840.113549.1.1, PKCS #1, without its last number.
const PKCS_1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4, signatures by ECDSA.
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
/// 2.16.840.1.101.3.4.2, hashes.
const HASHES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
/// 2.5.29.17, subjectAltName.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The hash that a certificate is bound by (RFC 5929 section 4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateHash {
    /// SHA-224.
    Sha224,
    /// SHA-256, also where the signature is by MD5 or SHA-1.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The hash of the signature of a certificate (DER), as tls-server-end-point takes it.
///
/// None where RFC 5929 section 4.1 defines none: for a signature without one hash, such as
/// Ed25519, or one that is not known here.
pub fn signature_hash(certificate: &[u8]) -> Option<CertificateHash> {
    let mut outer = Der(Der(certificate).expect(SEQUENCE)?);
    outer.expect(SEQUENCE)?;
    let mut algorithm = Der(outer.expect(SEQUENCE)?);
    let identifier = algorithm.expect(OBJECT_IDENTIFIER)?;
    if let Some(last) = identifier.strip_prefix(PKCS_1) {
        return match last {
            // md5, sha1, sha256, sha384, sha512, sha224, each WithRSAEncryption.
            [4 | 5 | 11] => Some(CertificateHash::Sha256),
            [12] => Some(CertificateHash::Sha384),
            [13] => Some(CertificateHash::Sha512),
            [14] => Some(CertificateHash::Sha224),
            // RSASSA-PSS names its hash (RFC 4055 section 3.1); SHA-1 if it does not.
            [10] => pss_hash(algorithm),
            _ => None,
        };
    }
    match identifier.strip_prefix(ECDSA)? {
        [1] | [3, 2] => Some(CertificateHash::Sha256),
        [3, 1] => Some(CertificateHash::Sha224),
        [3, 3] => Some(CertificateHash::Sha384),
        [3, 4] => Some(CertificateHash::Sha512),
        _ => None,
    }
}

/// The mail addresses that a certificate (DER) is for: rfc822Name of its subjectAltName
/// (RFC 5280 section 4.2.1.6), as they stand there.
///
/// At most sixteen; none of a certificate that cannot be read.
pub fn addresses(certificate: &[u8]) -> Vec<&str> {
    let mut addresses = Vec::new();
    let Some(names) = alternative_names(certificate) else { return addresses };
    let mut names = Der(names);
    while let Some((tag, value)) = names.next()
        && addresses.len() < ADDRESSES
    {
        // An IA5String: ASCII.
        if let Ok(name) = core::str::from_utf8(value)
            && tag == RFC822_NAME
            && name.bytes().all(|octet| octet.is_ascii_graphic())
        {
            addresses.push(name);
        }
    }
    addresses
}

fn pss_hash(mut algorithm: Der<'_>) -> Option<CertificateHash> {
    let mut parameters = Der(algorithm.expect(SEQUENCE)?);
    let Some((CONTEXT_0, hash)) = parameters.next() else { return Some(CertificateHash::Sha256) };
    let identifier = Der(Der(hash).expect(SEQUENCE)?).expect(OBJECT_IDENTIFIER)?;
    match identifier.strip_prefix(HASHES)? {
        [1] => Some(CertificateHash::Sha256),
        [2] => Some(CertificateHash::Sha384),
        [3] => Some(CertificateHash::Sha512),
        [4] => Some(CertificateHash::Sha224),
        _ => None,
    }
}

/// The GeneralNames of subjectAltName.
fn alternative_names(certificate: &[u8]) -> Option<&[u8]> {
    let mut to_be_signed = Der(Der(Der(certificate).expect(SEQUENCE)?).expect(SEQUENCE)?);
    let extensions = loop {
        if let (CONTEXT_3, extensions) = to_be_signed.next()? {
            break extensions;
        }
    };
    let mut extensions = Der(Der(extensions).expect(SEQUENCE)?);
    loop {
        let mut extension = Der(extensions.expect(SEQUENCE)?);
        if extension.expect(OBJECT_IDENTIFIER)? != SUBJECT_ALT_NAME {
            continue;
        }
        let value = match extension.next()? {
            (BOOLEAN, _) => extension.expect(OCTET_STRING)?,
            (OCTET_STRING, value) => value,
            _ => return None,
        };
        return Der(value).expect(SEQUENCE);
    }
}

/// Elements of DER, one after the other.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element's tag and value. Tags above 30 do not occur in certificates.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let [tag, length, rest @ ..] = self.0 else { return None };
        let (len, rest) = match *length {
            short @ 0..=0x7f => (usize::from(short), rest),
            long => {
                let octets = usize::from(long & 0x7f);
                // Four octets of length are more than any certificate has.
                if !(1..=4).contains(&octets) || octets > rest.len() {
                    return None;
                }
                let (length, rest) = rest.split_at(octets);
                let len = length.iter().fold(0u64, |len, &octet| len << 8 | u64::from(octet));
                (usize::try_from(len).ok()?, rest)
            }
        };
        if tag & 0x1f == 0x1f || len > rest.len() {
            return None;
        }
        let (value, rest) = rest.split_at(len);
        self.0 = rest;
        Some((*tag, value))
    }

    fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().filter(|&(tag, _)| tag == wanted).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm, names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.subject_alt_names = names;
        let key = KeyPair::generate_for(algorithm).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (algorithm, hash) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(CertificateHash::Sha256)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(CertificateHash::Sha384)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            assert_eq!(signature_hash(&certificate(algorithm, Vec::new())), hash);
        }
        let signed = |algorithm: &[u8]| {
            let inner = [&[SEQUENCE, 0, SEQUENCE, algorithm.len() as u8], algorithm].concat();
            signature_hash(&[&[SEQUENCE, inner.len() as u8], &inner[..]].concat())
        };
        let rsa = |last: &[u8]| [&[6, 9], PKCS_1, last].concat();
        assert_eq!(signed(&rsa(&[5])), Some(CertificateHash::Sha256));
        assert_eq!(signed(&rsa(&[11, 5, 0])), Some(CertificateHash::Sha256));
        assert_eq!(signed(&rsa(&[13])), Some(CertificateHash::Sha512));
        assert_eq!(signed(&rsa(&[99])), None);
        assert_eq!(signed(&rsa(&[10, SEQUENCE, 0])), Some(CertificateHash::Sha256));
        let pss = [&[10, SEQUENCE, 15, CONTEXT_0, 13, SEQUENCE, 11, 6, 9], HASHES, &[2]].concat();
        assert_eq!(signed(&rsa(&pss)), Some(CertificateHash::Sha384));
    }

    #[test]
    fn addresses_are_those_of_rfc822_name() {
        let mail = |name: &str| SanType::Rfc822Name(name.try_into().unwrap());
        let names = alloc::vec![
            SanType::DnsName("mail.example.org".try_into().unwrap()),
            mail("Bob@example.org"),
            mail("bob@\r\nexample.org"),
            mail("alice@example.org"),
        ];
        let made = certificate(&rcgen::PKCS_ECDSA_P256_SHA256, names);
        assert_eq!(addresses(&made), ["Bob@example.org", "alice@example.org"]);
        assert!(addresses(&certificate(&rcgen::PKCS_ECDSA_P256_SHA256, Vec::new())).is_empty());
        let many = (0..100).map(|n| mail(&alloc::format!("u{n}@example.org"))).collect();
        assert_eq!(addresses(&certificate(&rcgen::PKCS_ECDSA_P256_SHA256, many)).len(), ADDRESSES);
    }

    #[test]
    fn damaged_certificates_are_read_without_harm() {
        let name = SanType::Rfc822Name("bob@example.org".try_into().unwrap());
        let made = certificate(&rcgen::PKCS_ECDSA_P256_SHA256, alloc::vec![name]);
        for len in 0..made.len() {
            assert!(addresses(&made[..len]).is_empty());
            assert_eq!(signature_hash(&made[..len]), None);
        }
        for at in 0..made.len() {
            for octet in [0, 0x1f, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = made.clone();
                damaged[at] = octet;
                let _ = (addresses(&damaged), signature_hash(&damaged));
            }
        }
    }
}
