"""A customer on PyPI's aiosmpplib: commands on standard input, what happens on standard output, one
JSON object a line (the words are in ../client.rs). Long texts of the GSM alphabet go out in
message_payload; in UCS-2 as the library's own parts, which carry a user data header and the sar_
TLVs at once."""

import asyncio
import json
import logging
import sys

from aiosmpplib import ESME, AbstractHook, BindMode, PhoneNumber, SubmitSm
from aiosmpplib.protocol import DeliverSm, EnquireLink, EnquireLinkResp, Unbind, UnbindResp
from aiosmpplib.state import NPI, TON

MODES = {"trx": BindMode.TRANSCEIVER, "tx": BindMode.TRANSMITTER, "rx": BindMode.RECEIVER}
UDHI = 0x40
BIND_RESPONSES = [b"\x80\0\0" + last for last in (b"\x01", b"\x02", b"\x09")]


def say(event, **facts):
    print(json.dumps({"event": event, **facts}), flush=True)


class Told(AbstractHook):
    """Tells what the library sends and receives."""

    def __init__(self):
        self.parts = {}
        self.sent = {}

    async def sending(self, smpp_message, pdu, client_id):
        if type(smpp_message) is SubmitSm:
            tag = smpp_message.log_id
            self.sent[tag] = self.sent.get(tag, 0) + 1
            self.parts[smpp_message.sequence_num] = (tag, self.sent[tag])

    async def received(self, smpp_message, pdu, client_id):
        status = int.from_bytes(pdu[8:12], "big")
        sequence = int.from_bytes(pdu[12:16], "big")
        if pdu[4:8] == b"\x80\0\0\x04":
            # The library keeps the answers to all but the last part to itself.
            tag, part = self.parts.pop(sequence)
            message_id = pdu[16:-1].decode() or None
            say("answered", tag=tag, part=part, parts=None, status=status, id=message_id)
        elif pdu[4:8] in BIND_RESPONSES:
            # A refusal without a body is nothing to the library.
            say("bound", status=status, system_id=getattr(smpp_message, "system_id", None))
        elif isinstance(smpp_message, DeliverSm):
            self.deliver(smpp_message, pdu)
        elif isinstance(smpp_message, EnquireLink):
            say("enquire_link")
        elif isinstance(smpp_message, EnquireLinkResp):
            say("enquired", status=status)
        elif isinstance(smpp_message, Unbind):
            say("unbind")
        elif isinstance(smpp_message, UnbindResp):
            say("unbound", status=status)
        elif pdu[4:8] == b"\0\0\0\x05":
            # So it does with the receipts of all parts but the last.
            say("withheld", octets=pdu.hex())
        elif smpp_message is None:
            say("error", text="unreadable: " + pdu.hex())

    def deliver(self, message, pdu):
        receipt = message.parse_receipt()
        say(
            "deliver",
            esm_class=message.esm_class,
            **{"from": message.source.number, "to": message.destination.number},
            data_coding=None,
            udh=[],
            text=message.short_message or message.message_payload,
            receipted_id=receipt.get("id"),
            state=None,
            # With the last receipt of a long text the library shows that of its first part again.
            octets=pdu.hex(),
        )

    async def send_error(self, smpp_message, error, client_id):
        say("error", text=repr(error))


async def submit(esme, order):
    alphanumeric = not order["from"].isdigit()
    in_parts = order["coding"] == "ucs2" and len(order["text"]) > 70
    await esme.broker.enqueue(
        SubmitSm(
            short_message=order["text"],
            source=PhoneNumber(
                order["from"],
                TON.ALPHANUMERIC if alphanumeric else TON.INTERNATIONAL,
                NPI.UNKNOWN if alphanumeric else NPI.ISDN,
            ),
            destination=PhoneNumber(order["to"], TON.INTERNATIONAL, NPI.ISDN),
            registered_delivery=int(order["receipt"]),
            esm_class=UDHI if in_parts else 0,
            auto_message_payload=not in_parts,
            log_id=order["tag"],
        )
    )


async def lines():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


async def main():
    esme, session = None, None
    async for order in lines():
        if order["do"] == "bind":
            esme = ESME(
                smsc_host="127.0.0.1",
                smsc_port=order["port"],
                system_id=order["system_id"],
                password=order["password"],
                bind_mode=MODES[order["mode"]],
                enquire_link_interval=600.0,
                hook=Told(),
                log_level=logging.CRITICAL,
            )
            session = asyncio.create_task(esme.start())
        elif order["do"] == "submit":
            await submit(esme, order)
        elif order["do"] == "enquire":
            await esme.broker.enqueue(EnquireLink())
        elif order["do"] == "unbind":
            await esme.stop()
            session.cancel()
            say("closed")


asyncio.run(main())
