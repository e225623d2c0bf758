"""A TCP link that breaks on request: python3 link.py LISTEN_PORT TARGET_PORT, commands on stdin, one a line:

    cut               every connection is reset
    freeze SECONDS    nothing moves in either direction, then every connection is reset
    deaf SECONDS      requests pass, answers are thrown away, then every connection is reset: "was it executed?"
"""
import asyncio
import socket
import struct
import sys

connections = set()
frozen = asyncio.Event()
deaf = False


def reset(writer):
    sock = writer.get_extra_info("socket")
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except (AttributeError, OSError):
        pass                                                     # it is closed already
    writer.transport.abort()


async def pump(reader, writer, answers):
    try:
        while data := await reader.read(65536):
            await frozen.wait()
            if answers and deaf:
                continue
            writer.write(data)
            await writer.drain()
    except (ConnectionError, OSError):
        pass
    finally:
        writer.close()


async def serve(target, reader, writer):
    try:
        there, back = await asyncio.open_connection("127.0.0.1", target)
    except OSError:
        reset(writer)
        return
    pair = (writer, back)
    connections.add(pair)
    try:
        await asyncio.gather(pump(reader, back, False), pump(there, writer, True))
    finally:
        connections.discard(pair)


def cut():
    for pair in list(connections):
        for writer in pair:
            reset(writer)


async def commands():
    global deaf
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().split():
        if line[0] == "freeze":
            frozen.clear()
            await asyncio.sleep(float(line[1]))
            frozen.set()
        elif line[0] == "deaf":
            deaf = True
            await asyncio.sleep(float(line[1]))
            deaf = False
        cut()


async def main():
    frozen.set()
    target = int(sys.argv[2])
    server = await asyncio.start_server(lambda r, w: serve(target, r, w), "127.0.0.1", int(sys.argv[1]))
    async with server:
        await commands()


asyncio.run(main())
