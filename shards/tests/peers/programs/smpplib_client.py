"""A customer on PyPI's smpplib: commands on standard input, what happens on standard output, one
JSON object a line (the words are in ../client.rs). Long texts go out in parts with an 8-bit
reference, as smpplib.gsm cuts them."""

import json
import logging
import os
import select
import sys

import smpplib.client
import smpplib.consts as consts
import smpplib.exceptions
import smpplib.gsm

logging.disable(logging.CRITICAL)
CODINGS = {"gsm": consts.SMPP_ENCODING_DEFAULT, "ucs2": consts.SMPP_ENCODING_ISO10646}


def say(event, **facts):
    print(json.dumps({"event": event, **facts}), flush=True)


def text_of(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


class Client(smpplib.client.Client):
    """The library's client, telling what it reads."""

    def __init__(self, port):
        super().__init__("127.0.0.1", port, timeout=20, allow_unknown_opt_params=False)
        self.pending = {}

    def read_pdu(self):
        pdu = super().read_pdu()
        if pdu.command == "submit_sm_resp":
            tag, part, parts = self.pending.pop(pdu.sequence)
            message_id = text_of(getattr(pdu, "message_id", None) or b"") or None
            say("answered", tag=tag, part=part, parts=parts, status=pdu.status, id=message_id)
        elif pdu.command == "enquire_link":
            say("enquire_link")
        elif pdu.command == "enquire_link_resp":
            say("enquired", status=pdu.status)
        elif pdu.command == "unbind":
            say("unbind")
        elif pdu.command == "unbind_resp":
            say("unbound", status=pdu.status)
        return pdu

    def error_pdu_handler(self, pdu):
        """A refusal has been told already."""

    def message_sent_handler(self, pdu, **kwargs):
        """An answer has been told already."""

    def message_received_handler(self, pdu, **kwargs):
        octets = pdu.short_message or pdu.message_payload or b""
        udh = []
        if pdu.esm_class & consts.SMPP_GSMFEAT_UDHI:
            udh, octets = [octets[1 : octets[0] + 1].hex()], octets[octets[0] + 1 :]
        say(
            "deliver",
            esm_class=pdu.esm_class,
            **{"from": text_of(pdu.source_addr), "to": text_of(pdu.destination_addr)},
            data_coding=pdu.data_coding,
            udh=udh,
            text=octets.decode("utf-16-be" if pdu.data_coding == 8 else "latin-1"),
            receipted_id=text_of(pdu.receipted_message_id),
            state=pdu.message_state,
        )


def bind(order):
    client = Client(order["port"])
    client.connect()
    names = {"trx": "bind_transceiver", "tx": "bind_transmitter", "rx": "bind_receiver"}
    try:
        answer = getattr(client, names[order["mode"]])(
            system_id=order["system_id"],
            password=order["password"],
            interface_version=order["version"],
        )
        say("bound", status=answer.status, system_id=text_of(answer.system_id))
    except smpplib.exceptions.PDUError as error:
        say("bound", status=error.args[1], system_id=None)
    return client


def submit(client, order):
    parts, coding, esm_class = smpplib.gsm.make_parts(order["text"], CODINGS[order["coding"]])
    alphanumeric = not order["from"].isdigit()
    for number, part in enumerate(parts, start=1):
        pdu = smpplib.smpp.make_pdu(
            "submit_sm",
            client=client,
            source_addr_ton=consts.SMPP_TON_ALNUM if alphanumeric else consts.SMPP_TON_INTL,
            source_addr_npi=consts.SMPP_NPI_UNK if alphanumeric else consts.SMPP_NPI_ISDN,
            source_addr=order["from"],
            dest_addr_ton=consts.SMPP_TON_INTL,
            dest_addr_npi=consts.SMPP_NPI_ISDN,
            destination_addr=order["to"],
            short_message=part,
            data_coding=coding,
            esm_class=esm_class,
            registered_delivery=order["receipt"],
        )
        client.pending[pdu.sequence] = (order["tag"], number, len(parts))
        client.send_pdu(pdu)


def carry_out(client, order):
    """The client after an order of the test."""
    if order["do"] == "bind":
        return bind(order)
    if order["do"] == "submit":
        submit(client, order)
    elif order["do"] == "enquire":
        client.send_pdu(smpplib.smpp.make_pdu("enquire_link", client=client))
    elif order["do"] == "unbind":
        client.unbind()
        client.disconnect()
        say("closed")
        return None
    return client


def main():
    client, rest = None, b""
    while True:
        sources = [0] + ([client._socket] if client and client._socket else [])
        readable, _, _ = select.select(sources, [], [])
        if 0 in readable:
            octets = os.read(0, 65536)
            if not octets:
                return
            *lines, rest = (rest + octets).split(b"\n")
            for line in lines:
                client = carry_out(client, json.loads(line))
        elif readable:
            try:
                client.read_once(auto_send_enquire_link=False)
            except smpplib.exceptions.ConnectionError:
                say("closed")
                client._socket.close()
                client = None


main()
sys.exit(0)
