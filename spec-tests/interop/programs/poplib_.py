"""Python's poplib."""

import poplib

from checks import check, expect, same
from deliver import deliver
from messages import in_lines, samples, text, without_trace

# Lines of base64 are short, but poplib's own limit is 2048 octets.
poplib._MAXLINE = 100_000


def maildrop(target, account, password=None):
    pop = poplib.POP3_SSL("localhost", target.port("pop3s"), timeout=120, context=target.tls())
    pop.user(account)
    pop.pass_(password or target.password)
    return pop


def joined(lines):
    return b"".join(line + b"\r\n" for line in lines)


def all_of(target, account):
    """All messages of an account."""
    pop = maildrop(target, account)
    count = pop.stat()[0]
    messages = [joined(pop.retr(number + 1)[1]) for number in range(count)]
    pop.quit()
    return messages


@check
def fetches_octet_for_octet(target):
    bob = target.account()
    deliver(target, bob, [in_lines(message) for message in samples().values()])
    pop = maildrop(target, bob)
    sizes = [int(line.split()[1]) for line in pop.list()[1]]
    for number, (name, message) in enumerate(samples().items(), 1):
        got = joined(pop.retr(number)[1])
        same(without_trace(got), in_lines(message), name)
        expect(sizes[number - 1] == len(got), name, "LIST", sizes[number - 1], "RETR", len(got))
    pop.quit()


@check
def says_every_command(target):
    bob = target.account()
    deliver(target, bob, [text(f"number {number}", "one\r\ntwo\r\nthree") for number in (1, 2, 3)])
    pop = poplib.POP3("localhost", target.port("pop3"), timeout=60)
    expect("STLS" in pop.capa() and "USER" not in pop.capa(), pop.capa())
    pop.stls(context=target.tls())
    capabilities = pop.capa()
    for capability in ["UIDL", "TOP", "USER", "SASL", "PIPELINING"]:
        expect(capability in capabilities, capabilities)
    expect("STLS" not in capabilities and "PLAIN" in capabilities["SASL"], capabilities)
    try:
        pop.user(bob)
        pop.pass_("wrong")
        expect(False, "a wrong password was taken")
    except poplib.error_proto as error:
        expect(b"-ERR" in error.args[0], error)
    pop.user(bob)
    pop.pass_(target.password)
    count, octets = pop.stat()
    expect(count == 3 and octets == sum(int(line.split()[1]) for line in pop.list()[1]), count, octets)
    expect(pop.list(2).split()[1] == b"2")
    unique = [line.split()[1] for line in pop.uidl()[1]]
    expect(len(set(unique)) == 3 and all(1 <= len(id) <= 70 for id in unique), unique)
    # fetchmail asks out of order.
    expect([pop.uidl(number).split()[2] for number in (3, 1, 2)] == [unique[2], unique[0], unique[1]])
    expect(pop.top(1, 0)[1][-1] == b"" and b"Subject: number 1" in pop.top(1, 0)[1])
    expect(pop.top(1, 1)[1][-1] == b"one", pop.top(1, 1))
    expect(pop.top(1, 1000)[1] == pop.retr(1)[1])
    pop.noop()
    pop.dele(1)
    for command in [lambda: pop.retr(1), lambda: pop.dele(1), lambda: pop.list(1), lambda: pop.retr(4), lambda: pop.uidl(0)]:
        try:
            command()
            expect(False, "a message that is not there was found")
        except poplib.error_proto:
            pass
    expect(pop.stat()[0] == 2)
    pop.rset()
    expect(pop.stat()[0] == 3)
    pop.dele(2)
    pop.quit()
    pop = maildrop(target, bob)
    expect([line.split()[1] for line in pop.uidl()[1]] == [unique[0], unique[2]], "unique-ids last")
    # Gone without QUIT: nothing is deleted.
    pop.dele(1)
    pop.close()
    for attempt in range(100):
        try:
            pop = maildrop(target, bob)
            break
        except poplib.error_proto:
            pass
    expect(pop.stat()[0] == 2)
    pop.quit()


@check
def pipelines(target):
    bob = target.account()
    count = 200
    deliver(target, bob, [text(f"number {number}") for number in range(count)])
    pop = maildrop(target, bob)
    pop.sock.sendall(b"".join(b"RETR %d\r\nDELE %d\r\n" % (number, number) for number in range(1, count + 1)))
    for number in range(count):
        got = joined(pop._getlongresp()[1])
        same(without_trace(got), text(f"number {number}"))
        pop._getresp()
    pop.quit()
    expect(all_of(target, bob) == [])
