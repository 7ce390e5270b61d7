"""Addresses of Bittensor hotkeys: SS58 with the network number 42.

Source: https://docs.substrate.io/reference/address-formats/ (1 byte network, 32 bytes public key, 2 bytes checksum).
"""

import hashlib

from kerasfusion.errors import RequestError

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
NETWORK = 42
LENGTH = 48
BYTES = 35


def refuse_other_than_hotkey(address: str) -> None:
    """Check an address, its checksum included.

    Raises:
        RequestError: not a hotkey's address; says what is wrong with it.
    """
    if unknown := sorted(set(address) - set(ALPHABET)):
        _refuse(address, f"characters that base58 does not have: {' '.join(map(repr, unknown))}")
    if len(address) != LENGTH:
        _refuse(address, f"{len(address)} characters, not {LENGTH}")
    number = 0
    for character in address:
        number = number * 58 + ALPHABET.index(character)
    if number >= 256**BYTES:
        _refuse(address, "no network has such a number")
    data = number.to_bytes(BYTES, "big")
    if data[0] != NETWORK:
        _refuse(address, f"of network {data[0]}, not {NETWORK}")
    if hashlib.blake2b(b"SS58PRE" + data[:-2]).digest()[:2] != data[-2:]:
        _refuse(address, "the checksum is wrong: a character was mistyped")


def _refuse(address: str, reason: str) -> None:
    raise RequestError(
        f"not a hotkey's address: {reason}",
        where=f"--submitted-by {address}",
        expected="the SS58 address of a hotkey, such as 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
        todo="btcli wallet list shows it",
    )
