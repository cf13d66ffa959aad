#!/usr/bin/env bash
. "$(dirname "$0")/harness.sh"
. "$TESTS/pam.sh"
trap clean_up EXIT
pam_module
N=/home/newbie
chmod 755 "$T"
common=("AuthorizedKeysFile /home/%u/.ssh/authorized_keys" "LogLevel VERBOSE")
start_sshd gw1 "AllowUsers newbie" "${common[@]}"
start_sshd gw2 "AllowUsers newops" "${common[@]}"
start_sshd db1 "AllowUsers newbie" "${common[@]}"
start_sshd shut "AllowTcpForwarding no" "AllowUsers newbie" "${common[@]}"
start_pam code '[on:Verification_code:123456]' "PubkeyAuthentication yes" "AuthenticationMethods publickey,keyboard-interactive" "${common[@]}"
for n in gw1 gw2 db1 shut code; do echo "$n ${PORT[$n]}"; done >/tmp/lab.ports
touch /tmp/lab.up
while [ ! -e /tmp/lab.stop ]; do sleep 1; done
