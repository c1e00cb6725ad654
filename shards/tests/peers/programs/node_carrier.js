// A carrier on npm's smpp. Its first argument is {"password", "interface_version", "refuse"}; it
// tells what it reads on standard output, one JSON object a line (the words are in ../carrier.rs),
// and takes orders on standard input. Parts for numbers that end in 9 are UNDELIV, others DELIVRD.
'use strict';

const readline = require('readline');
const smpp = require('smpp');

const say = (event, facts) => process.stdout.write(JSON.stringify({ event, ...facts }) + '\n');
const settings = JSON.parse(process.argv[2]);
const receivers = new Set();
const hex = (value) => (Buffer.isBuffer(value) ? value.toString('hex') : value);
let taken = 0;

function bind(session, pdu) {
	const refused = pdu.password !== settings.password;
	say('bind', {
		command: pdu.command,
		system_id: pdu.system_id,
		system_type: pdu.system_type,
		interface_version: pdu.interface_version,
		refused,
	});
	if (refused) {
		session.send(pdu.response({ command_status: settings.refuse }));
		return;
	}
	const answer = { system_id: 'node' };
	if (settings.interface_version) {
		answer.sc_interface_version = settings.interface_version;
	}
	session.send(pdu.response(answer));
	if (pdu.command !== 'bind_transmitter') {
		receivers.add(session);
	}
}

function receipt(pdu, id) {
	const failed = pdu.destination_addr.endsWith('9');
	const stat = failed ? 'UNDELIV' : 'DELIVRD';
	const [receiver] = receivers;
	if (!receiver || !(pdu.registered_delivery & 3)) {
		return;
	}
	const text =
		`id:${id} sub:001 dlvrd:00${failed ? 0 : 1} submit date:2601021504 done date:2601021505 ` +
		`stat:${stat} err:00${failed ? 1 : 0} text:`;
	receiver.deliver_sm(
		{
			esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
			source_addr_ton: pdu.dest_addr_ton,
			source_addr_npi: pdu.dest_addr_npi,
			source_addr: pdu.destination_addr,
			dest_addr_ton: pdu.source_addr_ton,
			dest_addr_npi: pdu.source_addr_npi,
			destination_addr: pdu.source_addr,
			short_message: text,
			receipted_message_id: id,
			message_state: failed ? 5 : 2,
		},
		(answer) => say('receipt_answered', { id, status: answer.command_status }),
	);
	receiver.enquire_link((answer) => say('enquired', { status: answer.command_status }));
}

function submit(session, pdu) {
	taken += 1;
	const id = `N-${taken}`;
	const content = pdu.short_message.message ? pdu.short_message : pdu.message_payload || pdu.short_message;
	say('submit', {
		id,
		service_type: pdu.service_type,
		from: [pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr],
		to: [pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr],
		esm_class: pdu.esm_class,
		registered_delivery: pdu.registered_delivery,
		data_coding: pdu.data_coding,
		validity: pdu.validity_period ? true : false,
		udh: (content.udh || []).map(hex),
		text: hex(content.message),
		sar: [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum].map((it) => it ?? null),
		in_payload: pdu.message_payload !== undefined,
	});
	session.send(pdu.response({ message_id: id }));
	receipt(pdu, id);
}

function serve(session) {
	session.on('pdu', (pdu) => {
		if (pdu.command.match(/^bind_[a-z]+$/)) {
			bind(session, pdu);
		} else if (pdu.command === 'submit_sm') {
			submit(session, pdu);
		} else if (!pdu.isResponse()) {
			say(pdu.command, {});
			session.send(pdu.response());
		}
	});
	session.on('error', (error) => say('error', { text: String(error.message) }));
	session.on('close', () => {
		receivers.delete(session);
		say('closed', {});
	});
}

const server = smpp.createServer({}, serve);
server.on('error', (error) => say('error', { text: String(error.message) }));
server.listen(0, '127.0.0.1', () => say('listening', { port: server.address().port }));

// {"do": "outbind", "port", "fields"} connects and asks to be bound to; {"do": another request,
// "fields"} sends it on a bind that may receive. A field "udh" is the header of short_message.
function order(line) {
	const { do: command, port, fields } = JSON.parse(line);
	if (command === 'outbind') {
		const session = smpp.connect({ host: '127.0.0.1', port }, () => session.outbind(fields));
		serve(session);
		return;
	}
	if (fields.udh) {
		fields.short_message = { udh: Buffer.from(fields.udh, 'hex'), message: fields.short_message };
		delete fields.udh;
	}
	const [receiver] = receivers;
	receiver[command](fields, (pdu) => say('answered', { command: pdu.command, status: pdu.command_status }));
}

readline
	.createInterface({ input: process.stdin })
	.on('line', order)
	.on('close', () => process.exit(0));
