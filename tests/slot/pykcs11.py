#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""pykcs11.py MODULE: what a script does with keys of its session, and of the token. The PIN is in the environment."""
import os
import sys

import PyKCS11
from PyKCS11 import Mechanism, PyKCS11Error

P256 = bytes.fromhex("06082a8648ce3d030107")
WRAP = Mechanism(PyKCS11.CKM_AES_KEY_WRAP_PAD, None)
CBC = Mechanism(PyKCS11.CKM_AES_CBC_PAD, bytes(16))


def aes(session, token, **more):
    """A new AES key that is readable, but for what more says."""
    template = {PyKCS11.CKA_CLASS: PyKCS11.CKO_SECRET_KEY, PyKCS11.CKA_KEY_TYPE: PyKCS11.CKK_AES,
                PyKCS11.CKA_TOKEN: token, PyKCS11.CKA_PRIVATE: True, PyKCS11.CKA_SENSITIVE: False,
                PyKCS11.CKA_EXTRACTABLE: True, PyKCS11.CKA_ENCRYPT: True, PyKCS11.CKA_DECRYPT: True,
                PyKCS11.CKA_WRAP: True, PyKCS11.CKA_UNWRAP: True, PyKCS11.CKA_VALUE_LEN: 32}
    template.update({getattr(PyKCS11, name): value for name, value in more.items()})
    return session.generateKey(list(template.items()), mecha=Mechanism(PyKCS11.CKM_AES_KEY_GEN, None))


def value(session, key):
    return bytes(session.getAttributeValue(key, [PyKCS11.CKA_VALUE])[0])


def refuses(code, call):
    try:
        call()
    except PyKCS11Error as error:
        return error.value == code
    return False


def wrapping(session, token):
    """A key of the session goes out under one of the token, and comes back as what it was."""
    key, wrapper = aes(session, False), aes(session, True)
    secret = bytes(session.encrypt(key, b"some text", CBC))
    blob = bytes(session.wrapKey(wrapper, key, mecha=WRAP))
    template = [(PyKCS11.CKA_CLASS, PyKCS11.CKO_SECRET_KEY), (PyKCS11.CKA_KEY_TYPE, PyKCS11.CKK_AES),
                (PyKCS11.CKA_TOKEN, token), (PyKCS11.CKA_PRIVATE, True), (PyKCS11.CKA_DECRYPT, True),
                (PyKCS11.CKA_SENSITIVE, True), (PyKCS11.CKA_EXTRACTABLE, False)]
    back = session.unwrapKey(wrapper, blob, template, mecha=WRAP)
    assert bytes(session.decrypt(back, secret, CBC)) == b"some text"
    assert len(value(session, key)) == 32
    assert session.getAttributeValue(back, [PyKCS11.CKA_VALUE]) == [None]
    assert refuses(PyKCS11.CKR_KEY_UNEXTRACTABLE, lambda: session.wrapKey(wrapper, back, mecha=WRAP))
    for gone in (key, wrapper, back):
        session.destroyObject(gone)


def agreement(session, token):
    """Both sides of an ECDH come to the same."""
    common = [(PyKCS11.CKA_KEY_TYPE, PyKCS11.CKK_EC), (PyKCS11.CKA_TOKEN, token)]
    sides = [session.generateKeyPair(
        common + [(PyKCS11.CKA_CLASS, PyKCS11.CKO_PUBLIC_KEY), (PyKCS11.CKA_EC_PARAMS, P256)],
        common + [(PyKCS11.CKA_CLASS, PyKCS11.CKO_PRIVATE_KEY), (PyKCS11.CKA_PRIVATE, True),
                  (PyKCS11.CKA_DERIVE, True)],
        mecha=Mechanism(PyKCS11.CKM_EC_KEY_PAIR_GEN, None)) for _ in range(2)]
    template = [(PyKCS11.CKA_CLASS, PyKCS11.CKO_SECRET_KEY), (PyKCS11.CKA_KEY_TYPE, PyKCS11.CKK_GENERIC_SECRET),
                (PyKCS11.CKA_TOKEN, False), (PyKCS11.CKA_PRIVATE, True), (PyKCS11.CKA_SENSITIVE, False),
                (PyKCS11.CKA_EXTRACTABLE, True), (PyKCS11.CKA_VALUE_LEN, 32)]
    points = [bytes(session.getAttributeValue(public, [PyKCS11.CKA_EC_POINT])[0])[2:] for public, _ in sides]
    secrets = [session.deriveKey(sides[i][1], template, mecha=PyKCS11.ECDH1_DERIVE_Mechanism(points[1 - i]))
               for i in range(2)]
    assert value(session, secrets[0]) == value(session, secrets[1])
    for pair in sides:
        for half in pair:
            session.destroyObject(half)


def main():
    lib = PyKCS11.PyKCS11Lib()
    lib.load(sys.argv[1])
    slot = lib.getSlotList(tokenPresent=True)[0]
    session = lib.openSession(slot, PyKCS11.CKF_SERIAL_SESSION | PyKCS11.CKF_RW_SESSION)
    session.login(os.environ["PIN"])
    for token in (False, True):
        wrapping(session, token)
        agreement(session, token)
    session.logout()


if __name__ == "__main__":
    main()
