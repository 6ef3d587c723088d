//! What TLS knows that logins use: channel bindings, and who the peer is.

use alloc::vec::Vec;
use core::fmt;

/// What the layer below a connection has established; all is none without TLS.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct TlsFacts {
    /// The channel binding tls-exporter (RFC 9266 section 2).
    ///
    /// Only where it is unique to the connection: TLS 1.3, or TLS 1.2 with the extended master
    /// secret.
    pub exporter: Option<[u8; 32]>,
    /// The channel binding tls-server-end-point (RFC 5929 section 4).
    pub end_point: Option<EndPoint>,
    /// The peer's certificate in DER, once the layer has verified it as it was told to.
    pub peer_certificate: Option<Vec<u8>>,
}

impl TlsFacts {
    /// The binding of this name, as it stands behind `p=` (RFC 5802 section 7).
    ///
    /// # Deviation
    /// RFC 5802 section 6.1 asks for tls-unique. It is not defined for TLS 1.3 (RFC 8446
    /// appendix C.5), and with TLS 1.2 was broken by resumption (RFC 9266 section 1).
    pub fn binding(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_ref().map(<[u8; 32]>::as_slice),
            "tls-server-end-point" => self.end_point.as_ref().map(EndPoint::as_slice),
            _ => None,
        }
    }

    /// The strongest that there is, with its name.
    pub fn strongest_binding(&self) -> Option<(&'static str, &[u8])> {
        ["tls-exporter", "tls-server-end-point"].into_iter().find_map(|name| Some((name, self.binding(name)?)))
    }

    /// Whether there is any binding.
    pub fn may_bind(&self) -> bool {
        self.strongest_binding().is_some()
    }
}

impl fmt::Debug for TlsFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFacts")
            .field("exporter", &self.exporter.is_some())
            .field("end_point", &self.end_point.is_some())
            .field("peer_certificate", &self.peer_certificate.is_some())
            .finish()
    }
}

/// The hash of a server's certificate: 64 octets at most.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EndPoint {
    octets: [u8; 64],
    len: u8,
}

impl EndPoint {
    /// Out of the hash's octets; none if they are none or too many.
    pub fn new(hash: &[u8]) -> Option<Self> {
        let mut octets = [0; 64];
        octets.get_mut(..hash.len()).filter(|octets| !octets.is_empty())?.copy_from_slice(hash);
        Some(Self { octets, len: hash.len() as u8 })
    }

    /// The hash.
    pub fn as_slice(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }
}

/// What a certificate (DER) is bound by (RFC 5929 section 4.1); none where that is not defined.
#[cfg(feature = "scram")]
pub fn end_point(certificate: &[u8]) -> Option<EndPoint> {
    use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

    use super::certificate::{CertificateHash, signature_hash};
    match signature_hash(certificate)? {
        CertificateHash::Sha224 => EndPoint::new(&Sha224::digest(certificate)),
        CertificateHash::Sha256 => EndPoint::new(&Sha256::digest(certificate)),
        CertificateHash::Sha384 => EndPoint::new(&Sha384::digest(certificate)),
        CertificateHash::Sha512 => EndPoint::new(&Sha512::digest(certificate)),
    }
}
