// Sends one message as nodemailer does: the options of the transport and the message come as
// JSON on standard input, what became of it leaves as JSON on standard output.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { createTransport } = createRequire(import.meta.url)(process.argv[2]);
const { transport, message } = JSON.parse(readFileSync(0, "utf-8"));
const dialogue = [];
const listen = (...words) => dialogue.push(words.map(String).join(" "));
const logger = { trace: listen, debug: listen, info: listen, warn: listen, error: listen, fatal: listen };
try {
    const sent = await createTransport({ ...transport, logger, debug: true }).sendMail(message);
    console.log(JSON.stringify({ accepted: sent.accepted, rejected: sent.rejected, response: sent.response, dialogue }));
} catch (error) {
    console.log(JSON.stringify({ error: error.code, response: error.responseCode, dialogue }));
}
