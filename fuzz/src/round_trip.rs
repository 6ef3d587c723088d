//! What one side says, the other understands.

use postkern::smtp::{
    self, BodyType, Command, Delivery, Envelope, MailParams, Options, Progress, RcptParams, Reply, Verdict,
};
use postkern::{Conn, Instant, Machine, Want, imap, pop3};

use crate::drive::Input;

const NOW: Instant = Instant::from_millis(0);

/// The input's first two lines are a sender and a recipient, the rest is a message: whatever
/// our client agrees to send arrives as it was, but for bare newlines, which become CRLF.
pub fn smtp_round_trip(data: &[u8]) {
    let input = Input::new(data);
    let mut lines = input.octets.splitn(3, |&octet| octet == b'\n');
    let address = |line: Option<&[u8]>| String::from_utf8(line.unwrap_or_default().to_vec()).ok();
    let (Some(sender), Some(recipient)) = (address(lines.next()), address(lines.next())) else { return };
    let message = lines.next().unwrap_or_default();
    commands(&sender, &recipient);
    let mut envelope = Envelope::new(sender.clone(), message.len() as u64).to(recipient.clone());
    envelope.body = if message.is_ascii() { BodyType::SevenBit } else { BodyType::EightBitMime };
    let options = Options { lmtp: input.has(0), ..Options::new("client.example") };
    let mut config = smtp::ServerConfig::default();
    config.protocol = if input.has(0) { smtp::Protocol::Lmtp } else { smtp::Protocol::Smtp };
    let mut delivery = Delivery::new(envelope, options, false);
    let (mut client, mut server) = (Conn::new(smtp::Client::new()), Conn::new(smtp::Server::new(config, false)));
    let (mut received, mut paths, mut finished) = (Vec::new(), Vec::new(), false);
    for _ in 0..100 {
        while let Want::Event(frame) = server.poll(NOW) {
            let (event, machine, out) = server.event(frame);
            serve(event, machine, out, &mut received, &mut paths);
        }
        pass(&mut server, &mut client);
        let progress = |progress: Progress| progress == Progress::Finished;
        while let Want::Event(frame) = client.poll(NOW) {
            let (notice, machine, out) = client.event(frame);
            match delivery.on(notice, machine, out) {
                Progress::Message => {
                    let body = Input { octets: message, ..Input::new(data) };
                    body.cut().for_each(|piece| delivery.write(piece, machine, out));
                    delivery.end(machine, out);
                }
                other => finished |= progress(other),
            }
        }
        pass(&mut client, &mut server);
        if finished {
            break;
        }
    }
    assert!(finished, "the delivery hangs");
    match &delivery.verdicts()[0] {
        Some(Verdict::Delivered { .. }) => {
            assert_eq!(received, normalised(message));
            assert_eq!(paths, [sender, recipient]);
        }
        Some(Verdict::Failed(_) | Verdict::Deferred(_) | Verdict::Postponed) => {
            let addresses = (sender.is_empty() || smtp::is_mailbox(&sender)) && smtp::is_mailbox(&recipient);
            assert!(!addresses || message.contains(&0), "refused for no reason: {:?}", delivery.verdicts());
        }
        None => panic!("a recipient without a verdict"),
    }
}

fn serve(
    event: smtp::Event<'_>,
    server: &mut smtp::Server,
    out: &mut Vec<u8>,
    received: &mut Vec<u8>,
    paths: &mut Vec<String>,
) {
    use smtp::Event;
    let (ticket, reply) = match event {
        Event::Connect { ticket } => (ticket, Reply::plain(220, "mx.example")),
        Event::Hello { ticket, .. } => (ticket, Reply::plain(250, "mx.example")),
        Event::Mail { from, ticket, .. } => {
            paths.push(from.as_str().to_owned());
            (ticket, Reply::OK)
        }
        Event::Rcpt { to, ticket, .. } => {
            paths.push(to.as_str().to_owned());
            (ticket, Reply::OK)
        }
        Event::Data { ticket, .. } => (ticket, Reply::START),
        Event::Chunk(octets) => return received.extend_from_slice(octets),
        Event::Message { ticket, size } => {
            assert_eq!(size, received.len() as u64);
            (ticket, Reply::OK)
        }
        Event::Quit { ticket } => (ticket, Reply::BYE),
        Event::Rset { ticket } => (ticket, Reply::OK),
        Event::Rejected { code: 550 } => return,
        other => panic!("our client said what our server does not take: {other:?}"),
    };
    server.reply(ticket, &reply, out);
}

/// Commands that are not a delivery's: what `send` writes is read, what it refuses is not written.
fn commands(first: &str, second: &str) {
    let mail = Command::Mail { from: first, params: MailParams::new(Some(7), None) };
    let auth = Command::Auth { mechanism: first, initial: Some(second) };
    for command in [
        mail,
        Command::Rcpt { to: second, params: RcptParams::default() },
        Command::Ehlo(first),
        Command::Vrfy(second),
        auth,
    ] {
        let (mut client, mut out) = (smtp::Client::new(), Vec::new());
        let greeting = b"220 x\r\n";
        let Want::Event(frame) = client.poll(NOW, greeting, &mut out) else { panic!("a greeting is a reply") };
        let _ = client.event(frame, greeting, &mut out);
        match client.send(command, &mut out) {
            Ok(_) => {
                assert!(out.ends_with(b"\r\n"));
                let line = &out[..out.len() - 2];
                assert!(line.iter().all(|octet| matches!(octet, b' '..=b'~')), "{command:?} ends its line");
            }
            Err(_) => assert!(out.is_empty(), "{command:?} is refused and written"),
        }
    }
}

/// Lines that end in CRLF, and in nothing else.
pub(crate) fn normalised(message: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut rest = message;
    while let Some(at) = rest.iter().position(|octet| matches!(octet, b'\r' | b'\n')) {
        lines.extend_from_slice(&rest[..at]);
        lines.extend_from_slice(b"\r\n");
        rest = if rest[at..].starts_with(b"\r\n") { &rest[at + 2..] } else { &rest[at + 1..] };
    }
    if !rest.is_empty() {
        lines.extend_from_slice(rest);
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// A message sent by our server in answer to RETR is what our client reads, but for bare
/// newlines, which become CRLF, and a line end added if it lacked one.
pub fn pop3_round_trip(data: &[u8]) {
    let input = Input::new(data);
    let mut config = pop3::ServerConfig::default();
    config.login_in_clear = true;
    let (mut server, mut client) = (Conn::new(pop3::Server::new(config, false)), Conn::new(pop3::Client::new()));
    let mut requests = [pop3::Request::User("bob"), pop3::Request::Pass("pw"), pop3::Request::Retr(1)].into_iter();
    let (mut received, mut ended) = (Vec::new(), false);
    for _ in 0..10 {
        while let Want::Event(frame) = server.poll(NOW) {
            let (event, machine, out) = server.event(frame);
            match event {
                pop3::Event::Command { command: pop3::Command::Retr(1), ticket } => {
                    let mut body = machine.begin(ticket, "", out);
                    input.cut().for_each(|piece| machine.write(&mut body, piece, out));
                    machine.end(body, out);
                }
                pop3::Event::Connect { ticket } | pop3::Event::Command { ticket, .. } => machine.ok(ticket, "", out),
                other => panic!("{other:?} is not of this dialogue"),
            }
        }
        pass(&mut server, &mut client);
        while let Want::Event(frame) = client.poll(NOW) {
            let (notice, machine, out) = client.event(frame);
            match notice {
                pop3::Notice::Status { ok, .. } => assert!(ok),
                pop3::Notice::Chunk(octets) => received.extend_from_slice(octets),
                pop3::Notice::End => ended = true,
                other => panic!("{other:?} is not of this dialogue"),
            }
            if machine.may_send()
                && let Some(request) = requests.next()
            {
                machine.send(request, out).expect("it may be sent");
            }
        }
        pass(&mut client, &mut server);
    }
    assert!(ended, "the message does not end");
    assert_eq!(received, normalised(input.octets));
}

/// Moves what one end has to send to the other.
pub(crate) fn pass<A: Machine, B: Machine>(from: &mut Conn<A>, to: &mut Conn<B>) {
    while !from.output().is_empty() {
        let space = to.space();
        let len = space.len().min(from.output().len());
        space[..len].copy_from_slice(&from.output()[..len]);
        from.sent(len);
        to.filled(len);
    }
}

/// The input's first two lines are strings, the rest is a message: what our client says of
/// them, our server reads as it was meant, whether by quotes or by literals, asked for or not.
pub fn imap_round_trip(data: &[u8]) {
    let input = Input::new(data);
    let mut lines = input.octets.splitn(3, |&octet| octet == b'\n');
    let text = |line: Option<&[u8]>| String::from_utf8(line.unwrap_or_default().to_vec()).ok();
    let (Some(first), Some(second)) = (text(lines.next()), text(lines.next())) else { return };
    let message = lines.next().unwrap_or_default();
    let mut config = imap::ServerConfig::default();
    config.login_in_clear = true;
    let mut server = Conn::new(imap::Server::new(config, false));
    let mut client = Conn::new(imap::Client::new(imap::ClientLimits::default()));
    let requests = [
        imap::Request::Login { user: &first, password: &second },
        imap::Request::Login { user: "bob", password: "pw" },
        imap::Request::Create(&first),
        imap::Request::Rename { from: &second, to: &first },
        imap::Request::List { reference: &first, pattern: &second, subscribed: true },
        imap::Request::Append { mailbox: "Sent", flags: &[], date: None, octets: message.len() as u32 },
        imap::Request::Id(&[(&first, Some(&second))]),
        imap::Request::Logout,
    ];
    // Those that were taken, in order, and what has been seen of them.
    let (mut said, mut seen, mut next, mut received, mut closed) = (Vec::new(), 0, 0, Vec::new(), false);
    for _ in 0..100 {
        while let Want::Event(frame) = server.poll(NOW) {
            let (event, machine, out) = server.event(frame);
            let ticket = match event {
                imap::Event::Connect { ticket } => {
                    machine.finish(ticket, imap::Status::Ok, imap::Code::Capability, "hi", out);
                    continue;
                }
                imap::Event::Append { octets, ticket, .. } => {
                    assert_eq!(octets as usize, message.len());
                    machine.accept(ticket, out);
                    continue;
                }
                imap::Event::Chunk(octets) => {
                    received.extend_from_slice(octets);
                    continue;
                }
                imap::Event::Appended { ticket } => {
                    assert_eq!(received, message);
                    ticket
                }
                imap::Event::Command { command, ticket } => {
                    let request: &imap::Request<'_> = &requests[said[seen]];
                    understood(request, &command);
                    let refused = matches!(command, imap::Command::Login { .. }) && said[seen] == 0;
                    seen += 1;
                    let status = if refused { imap::Status::No } else { imap::Status::Ok };
                    machine.finish(ticket, status, imap::Code::None, "done", out);
                    continue;
                }
                other => panic!("our client said what our server does not take: {other:?}"),
            };
            seen += 1;
            machine.finish(ticket, imap::Status::Ok, imap::Code::None, "done", out);
        }
        pass(&mut server, &mut client);
        loop {
            match client.poll(NOW) {
                Want::Event(frame) => {
                    let (notice, machine, out) = client.event(frame);
                    match notice {
                        imap::Notice::Proceed { message: mut token } => {
                            let body = Input { octets: message, ..Input::new(data) };
                            for piece in body.cut() {
                                machine.write(&mut token, piece, out);
                            }
                            machine.end(token, out);
                        }
                        imap::Notice::Odd(line) => panic!("our server said what our client does not take: {line:?}"),
                        _ => {}
                    }
                    while machine.may_send()
                        && let Some(request) = requests.get(next)
                    {
                        match machine.send(*request, out) {
                            Ok(_) => said.push(next),
                            Err(imap::SendError::NotNow) => break,
                            Err(_) => {}
                        }
                        next += 1;
                    }
                }
                Want::Close(_) => {
                    closed = true;
                    break;
                }
                _ => break,
            }
        }
        pass(&mut client, &mut server);
        if closed {
            break;
        }
    }
    assert!(closed, "the dialogue hangs behind {said:?}, {seen} seen");
    assert_eq!(seen, said.len());
}

/// Whether a server's command is what its client's request says.
fn understood(request: &imap::Request<'_>, command: &imap::Command<'_>) {
    let text = |string: &imap::Astring<'_>| string.bytes().into_owned();
    let name = |string: &imap::Astring<'_>| imap::decode_mailbox(&string.bytes()).expect("our client encodes names");
    match (request, command) {
        (imap::Request::Login { user, password }, imap::Command::Login { user: u, password: p }) => {
            assert_eq!((user.as_bytes(), password.as_bytes()), (&text(u)[..], &text(p)[..]));
        }
        (imap::Request::Create(mailbox), imap::Command::Create(read)) => assert_eq!(*mailbox, name(read)),
        (imap::Request::Rename { from, to }, imap::Command::Rename { from: f, to: t }) => {
            assert_eq!((*from, *to), (&name(f)[..], &name(t)[..]));
        }
        (imap::Request::List { reference, pattern, .. }, imap::Command::List { reference: r, pattern: p, .. }) => {
            assert_eq!((*reference, *pattern), (&name(r)[..], &name(p)[..]));
        }
        (imap::Request::Id(fields), imap::Command::Id(read)) => {
            let read: Vec<_> =
                read.iter().map(|(field, value)| (text(&field), value.map(|value| text(&value)))).collect();
            let said = |&(field, value): &(&str, Option<&str>)| (field.into(), value.map(Into::into));
            assert_eq!(read, fields.iter().map(said).collect::<Vec<(Vec<u8>, Option<Vec<u8>>)>>());
        }
        (imap::Request::Logout, imap::Command::Logout) => {}
        (_, command) => panic!("{command:?} is not what was said"),
    }
}
