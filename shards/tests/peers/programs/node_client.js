// A customer on npm's smpp: commands on standard input, what happens on standard output, one JSON
// object a line (the words are in ../client.rs). Long texts go out in message_payload.
'use strict';

const readline = require('readline');
const smpp = require('smpp');

const say = (event, facts) => process.stdout.write(JSON.stringify({ event, ...facts }) + '\n');
const modes = { trx: 'bind_transceiver', tx: 'bind_transmitter', rx: 'bind_receiver' };
const codings = { gsm: 0, ucs2: 8 };
let session;

function deliver(pdu) {
	const content = pdu.short_message.message ? pdu.short_message : pdu.message_payload || pdu.short_message;
	say('deliver', {
		esm_class: pdu.esm_class,
		from: pdu.source_addr,
		to: pdu.destination_addr,
		data_coding: pdu.data_coding,
		udh: (content.udh || []).map((element) => element.toString('hex')),
		text: String(content.message),
		receipted_id: pdu.receipted_message_id || null,
		state: pdu.message_state === undefined ? null : pdu.message_state,
	});
	session.send(pdu.response());
}

function bind(order) {
	session = smpp.connect({ host: '127.0.0.1', port: order.port });
	session.on('connect', () => {
		session[modes[order.mode]](
			{ system_id: order.system_id, password: order.password, interface_version: order.version },
			(pdu) => say('bound', { status: pdu.command_status, system_id: pdu.system_id || null }),
		);
	});
	session.on('deliver_sm', deliver);
	session.on('enquire_link', (pdu) => {
		say('enquire_link', {});
		session.send(pdu.response());
	});
	session.on('unbind', (pdu) => {
		say('unbind', {});
		session.send(pdu.response());
	});
	session.on('error', (error) => say('error', { text: String(error.message) }));
	session.on('close', () => say('closed', {}));
}

function submit(order) {
	const alphanumeric = /[^0-9]/.test(order.from);
	const message = {
		source_addr_ton: alphanumeric ? 5 : 1,
		source_addr_npi: alphanumeric ? 0 : 1,
		source_addr: order.from,
		dest_addr_ton: 1,
		dest_addr_npi: 1,
		destination_addr: order.to,
		registered_delivery: order.receipt ? 1 : 0,
		data_coding: codings[order.coding],
	};
	const long = order.text.length > (order.coding === 'gsm' ? 160 : 70);
	message[long ? 'message_payload' : 'short_message'] = order.text;
	session.submit_sm(message, (pdu) =>
		say('answered', {
			tag: order.tag,
			part: 1,
			parts: 1,
			status: pdu.command_status,
			id: pdu.message_id || null,
		}),
	);
}

// Any request of the protocol, with fields by the library's names.
function request(order) {
	session[order.command](order.fields, (pdu) =>
		say('response', {
			command: pdu.command,
			status: pdu.command_status,
			message_id: pdu.message_id === undefined ? null : pdu.message_id,
			message_state: pdu.message_state === undefined ? null : pdu.message_state,
			unsuccess_sme: pdu.unsuccess_sme || [],
		}),
	);
}

const orders = {
	bind,
	submit,
	request,
	enquire: () => session.enquire_link((pdu) => say('enquired', { status: pdu.command_status })),
	unbind: () =>
		session.unbind((pdu) => {
			say('unbound', { status: pdu.command_status });
			session.close();
		}),
};

readline
	.createInterface({ input: process.stdin })
	.on('line', (line) => {
		const order = JSON.parse(line);
		orders[order.do](order);
	})
	.on('close', () => process.exit(0));
