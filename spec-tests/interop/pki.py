"""A certificate for this host, and the authority that signed it."""

from checks import program


def make(folder):
    """Writes ca.pem, host.pem and host.key, good for a day.

    The key is RSA, which every server here takes."""

    def request(name, *words):
        program("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / f"{name}.key", *words)

    request("ca", "-x509", "-subj", "/CN=Interop CA", "-days", "1", "-out", folder / "ca.pem")
    request("host", "-subj", "/CN=localhost", "-out", folder / "host.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signed = ["-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", "1"]
    program("openssl", "x509", "-req", "-in", folder / "host.csr", *signed, "-extfile", folder / "names", "-out", folder / "host.pem")
