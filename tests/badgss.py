#!/usr/bin/env python3
"""badgss.py: an SSH server that breaks the rules of gssapi-with-mic.

usage: badgss.py KEY MODE

Prints "listening PORT".  Takes any key, and asks for gssapi-with-mic first; what
it answers to that (RFC 4462, 3) is MODE, with a refusal behind the last three:

oid	a mechanism that nobody has
empty	a mechanism of no bytes
huge	a mechanism of 30000 bytes
twice	two answers
token	the right mechanism, and a token that is none
tokens	the same, a thousand of them
early	that it has succeeded, before anything was shown
noise	the right mechanism, and a random token
spnego	a mechanism that was not offered
complete	that the exchange is complete
errors	errors and error tokens, a thousand of them
"""

import os
import sys

import paramiko
from paramiko.auth_handler import AuthHandler

import lead

KRB5 = bytes.fromhex("06092a864886f712010202")
SPNEGO = bytes.fromhex("06062b0601050502")
RESPONSE, TOKEN, COMPLETE, ERROR, ERRTOK = 60, 61, 63, 64, 65
MODE = sys.argv[2]


class Server(lead.Server):
    def get_allowed_auths(self, user):
        return "gssapi-with-mic,publickey"

    def check_auth_publickey(self, user, key):
        return paramiko.AUTH_SUCCESSFUL


def message(kind, *strings):
    m = paramiko.Message()
    m.add_byte(bytes([kind]))
    for s in strings:
        m.add_string(s)
    return m


def answers():
    if MODE == "oid":
        return [message(RESPONSE, bytes.fromhex("06032a0304"))]
    if MODE == "empty":
        return [message(RESPONSE, b"")]
    if MODE == "huge":
        return [message(RESPONSE, b"\x06\xff" + bytes(30000))]
    if MODE == "spnego":
        return [message(RESPONSE, SPNEGO)]
    if MODE == "twice":
        return [message(RESPONSE, KRB5)] * 2
    if MODE == "token":
        return [message(RESPONSE, KRB5), message(TOKEN, b"token")]
    if MODE == "tokens":
        return [message(RESPONSE, KRB5)] + [message(TOKEN, b"token")] * 1000
    if MODE == "errors":
        error = message(ERROR)
        error.add_int(1)
        error.add_int(2)
        error.add_string(b"\x1b[31mno\n" * 1000)
        error.add_string(b"")
        return [error, message(ERRTOK, b"x")] * 500
    if MODE == "early":
        return [message(52)]
    if MODE == "complete":
        return [message(RESPONSE, KRB5), message(COMPLETE)]
    if MODE == "noise":
        return [message(RESPONSE, KRB5), message(TOKEN, os.urandom(20000))]
    return []


def request(self, m):
    start = m.packet.tell()
    user, service, method = m.get_text(), m.get_text(), m.get_text()
    m.packet.seek(start)
    if method != "gssapi-with-mic":
        return original(self, m)
    for answer in answers():
        self.transport._send_message(answer)
    if MODE in ("spnego", "complete", "errors"):
        self._send_auth_result(user, method, paramiko.AUTH_FAILED)


def token(self, m):
    pass


original = AuthHandler._parse_userauth_request
lead.answer_login(request, token)
lead.run(Server, sys.argv[1])
