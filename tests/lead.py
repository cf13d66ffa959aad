"""lead.py: for servers in python3-paramiko whose login is not sshd's: the first
channel leads where it is asked to.
"""

import paramiko
from paramiko import auth_handler, common

import raw


class Server(paramiko.ServerInterface):
	def check_channel_direct_tcpip_request(self, n, origin, to):
		self.to = to
		return paramiko.OPEN_SUCCEEDED


def answer_login(request, response):
	"""Has the client's two messages answered by these: each is called with
	an AuthHandler and the message; request may be None."""
	table = auth_handler.AuthHandler._server_handler_table

	def handlers(self):
		t = table.fget(self) if isinstance(table, property) else table
		t = dict(t)
		if request is not None:
			t[common.MSG_USERAUTH_REQUEST] = request
		t[common.MSG_USERAUTH_INFO_RESPONSE] = response
		return t

	auth_handler.AuthHandler._server_handler_table = property(handlers)


def serve(sock, _, new_server, key):
	transport = paramiko.Transport(sock)
	transport.add_server_key(key)
	server = new_server()
	try:
		transport.start_server(server=server)
		channel = transport.accept(300)
		if channel is not None:
			raw.join(channel, server.to[1])
			channel.close()
		transport.join()
	except (paramiko.SSHException, EOFError):
		pass


def run(new_server, keyfile):
	"""Serves for ever, each connection by a new_server()."""
	raw.listen(serve, new_server, paramiko.ECDSAKey(filename=keyfile))
