#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""TCP in bulk, timed. Standard library only.

  tcp.py serve PORT           one connection; throws away what comes
  tcp.py send ADDRESS PORT    reads a number of octets, a line each, sends them, waits
                              until the server has them, prints the nanoseconds
"""

import socket
import struct
import sys
import time

PIECE = 1 << 18


def serve(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen()
    conn, _ = listener.accept()
    piece = bytearray(PIECE)
    while True:
        head = conn.recv(8, socket.MSG_WAITALL)
        if len(head) < 8:
            return
        left = struct.unpack("!Q", head)[0]
        while left:
            got = conn.recv_into(piece, min(left, PIECE))
            if not got:
                return
            left -= got
        conn.sendall(b".")


def connect(address, port):
    end = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection((address, port))
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def send(address, port):
    conn = connect(address, port)
    piece = bytes(PIECE)
    for line in sys.stdin:
        left = int(line)
        start = time.monotonic_ns()
        conn.sendall(struct.pack("!Q", left))
        while left:
            left -= conn.send(piece[:left] if left < PIECE else piece)
        if conn.recv(1) != b".":
            sys.exit("the server is gone")
        print(time.monotonic_ns() - start, flush=True)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    send(sys.argv[2], int(sys.argv[3]))
