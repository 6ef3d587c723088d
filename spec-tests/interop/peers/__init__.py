"""Mail servers of other makes, started when a check needs them and ended with the run."""

from peers.dovecot import Dovecot
from peers.exim import Exim
from peers.opensmtpd import Opensmtpd
from peers.peer import free_port
from peers.postfix import Postfix


class Peers:
    """All of them, for one server of ours."""

    def __init__(self, pki):
        # They know it before our binary runs, which then takes it.
        self.smtp = free_port()
        self.all = [kind(pki, self.smtp) for kind in [Postfix, Exim, Opensmtpd, Dovecot]]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for peer in self.all:
            peer.stop()

    def __getitem__(self, name):
        """The peer of that name, running."""
        peer = next(peer for peer in self.all if peer.name == name)
        if peer.process is None:
            peer.start()
        return peer
