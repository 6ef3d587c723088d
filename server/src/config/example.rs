//! The configuration that `postkern init` writes.

/// A configuration with comments, for a server of this name that receives mail for this
/// domain. It listens on the standard ports, on IPv4: a host without IPv6 could not start
/// with more. `data`, `certificate.pem` and `key.pem` lie beside the file. Parses, if both
/// names are domain names.
pub fn example(hostname: &str, domain: &str) -> String {
    format!(
        r#"# Postkern's configuration. Lines that begin with # are comments; those that show
# a key show its default, or an example. Paths are relative to this file's folder.
# Check the file after a change:   postkern config check

# Our name, as other servers know it. It should resolve to this host's address, and the
# address back to the name.
hostname = "{hostname}"

# The folder that holds all mail and the queue.
data = "data"

# Domains whose mail ends here.
domains = ["{domain}"]

# Addresses of ours that stand for others, here or elsewhere: one, or a list. An address in
# its own list keeps a copy.
[aliases]
# "postmaster@{domain}" = "you@{domain}"
# "team@{domain}" = ["ann@{domain}", "bob@elsewhere.example"]

# Mail for "user+anything" is for "user", unless there is an account or alias of that name.
# An empty subaddress turns that off. Mail for nobody of a domain goes to its catch-all.
[local]
# subaddress = "+"
# catch_all = {{ "{domain}" = "you@{domain}" }}

# Where to listen. For IPv6 as well, add addresses such as "[::]:25"; a host where that
# takes IPv4 along (Linux's default) then needs "[::]:25" alone.
[listen]
# Mail from other servers.
smtp = ["0.0.0.0:25"]
# Mail from our users' programs: with STARTTLS, and over TLS from the start.
submission = ["0.0.0.0:587"]
submissions = ["0.0.0.0:465"]
# Reading mail: with STARTTLS, and over TLS from the start.
pop3 = ["0.0.0.0:110"]
pop3s = ["0.0.0.0:995"]
imap = ["0.0.0.0:143"]
imaps = ["0.0.0.0:993"]
# Mail from another server on this host (LMTP); it has no passwords, so keep it local.
# lmtp = ["127.0.0.1:24"]

# The server's certificate, with its chain, and its private key (PEM).
[tls]
certificate = "certificate.pem"
key = "key.pem"
# Whose certificates our users may log in with (EXTERNAL): clients are asked for one then, and
# need not have any. The account is the certificate's mail address.
# client_ca = "ca.pem"

# What is asked of servers that bring mail.
[inbound]
# How long the greeting is held back: who talks before it is no mail server, and is refused.
# greet_pause = "0s"
# Refuse clients that send commands before the answers they must wait for.
# forbid_pipelining = true
# CR or LF alone in a message: "refuse" it, or "normalise" it to CRLF.
# bare_newline = "refuse"
# Let VRFY tell those who may relay who has a mailbox here.
# vrfy = false
# Who may say in whose name it speaks (XCLIENT): content filters in front of us.
# xclient_from = ["127.0.0.1"]

# Ask strangers to come again, which programs that send spam seldom do. Off without a delay.
[greylist]
# delay = "5m"                     # from the first attempt
# window = "2d"                    # in which the second must come
# lifetime = "36d"                 # for which who came again is known
# entries = 200000                 # that are remembered

# Proxies in front of us that tell by the PROXY protocol (version 1 or 2) who connects. They
# must, on these listeners; from others the header is not taken.
[proxy]
# networks = ["127.0.0.1"]
# listeners = ["smtp", "submission", "submissions"]

[auth]
# Take passwords over connections without TLS, where anyone on the way can read them.
# plaintext = false
# How users may log in. What is not possible on a connection is not offered there: -PLUS needs
# TLS, OAUTHBEARER and XOAUTH2 need [auth.oauth], EXTERNAL needs client_ca. For old programs
# there are SCRAM-SHA-1 and SCRAM-SHA-1-PLUS besides. An account whose password is older than
# SCRAM here must log in by PLAIN once, or be given a password with account passwd.
# mechanisms = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "EXTERNAL", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"]

# Whose tokens (JWT) are taken. keys is a file with the issuer's public keys (a JSON Web Key
# Set), which is read anew when it changes; login is the claim that names the account.
# [auth.oauth]
# issuer = "https://login.example.org"
# audience = "mail"
# keys = "jwks.json"
# login = "email"
# scope = "email"                  # what clients are told to ask the issuer for

# Mail that our users submit.
[submission]
# Take out Bcc fields, which tell each recipient of the others.
# remove_bcc = true
# Who may stand in From: "check" (one of the account's addresses), "sender" (anybody, and a
# Sender field then names the account), "any".
# header_from = "check"
# Give addresses without a domain, in the header, the account's domain.
# complete_addresses = true
# What our users may do, beside [limits].
# recipients = 1000
# message = "50MiB"
# messages_per_hour = 1000         # of one account; 0 is for no limit
# hold = "7d"                      # how long mail may be held back (FUTURERELEASE); 0 is never

[dns]
# Name servers; without any, those of /etc/resolv.conf.
# servers = ["192.0.2.53", "[2001:db8::53]:53"]

# How mail goes elsewhere.
[relay]
# The port of other servers.
# port = 25
# Domains elsewhere whose mail we take from anybody, and hand on to their hosts.
# domains = ["example.com"]
# Who may send mail elsewhere without a password: addresses and networks.
# networks = ["192.0.2.0/24", "::1"]
# Waits between attempts, the last repeating, and the age at which a message goes back.
# retry = ["15m", "30m", "1h", "2h", "4h"]
# expire = "5d"
# The age at which the sender is told that a message is delayed; 0 for never.
# warn = "4h"
# A message that failed goes back whole up to this size, if its sender asked for that.
# return_whole = "1MiB"
# TLS towards other servers: "none", "opportunistic" (where it is offered), "required"
# (whatever the certificate says), "verified".
# tls = "opportunistic"
# Certificates to trust besides the system's (PEM).
# ca_file = "ca.pem"
# Routes that replace the MX records of a domain, or of all ("*"). tls is as above, or
# "implicit"; with a login it must be that or "verified". The file holds the password alone.
# [[relay.route]]
# domain = "*"
# host = "relay.example.net"
# port = 465
# tls = "implicit"
# login = "us"
# password_file = "relay.password"
# [[relay.route]]
# domain = "example.com"
# host = "127.0.0.1"
# protocol = "lmtp"                # into the mailboxes of another server, as Dovecot's
# port = 24

# What clients may cost.
[limits]
# message = "50MiB"
# recipients = 1000
# connections = 10000
# connections_per_address = 50
# connections_per_network = 500    # a /24 of IPv4, a /64 of IPv6
# How often one address (or /64 of IPv6) may come; 0 is for no limit. Not counted are this
# host, and the networks that may relay.
# connections_per_minute = 600
# messages_per_minute = 1000
# recipients_per_minute = 10000
# login_failures_per_hour = 100    # past it, the address is not let in for a while
# received = 100                   # Received lines past which a message is in a loop
# received_here = 5                # of them, those that we wrote
# login_failures = 5
# login_delay = "2s"
# relays = 20                      # messages on their way out at a time
# relays_per_domain = 5            # of them to one domain
# login_time = "1m"                # from the greeting to the login, in all
# smtp_idle = "5m"
# pop3_idle = "10m"
# imap_idle = "30m"
# data_rate = 500                  # octets a second that a message must come at
# mistakes_before_login = 10       # bad commands before a connection is closed
# mistakes = 50
# refusals = 50                    # recipients refused for good, likewise (SMTP)
# messages_per_connection = 0      # that SMTP takes; 0 is for no limit
# excess = 65536                   # octets of lines that are too long, likewise
# smtp_line = 2048                # of a command
# imap_line = 65536
# imap_literal = 102400
# imap_literals = 1000
# imap_command = 1048576
"#
    )
}
