"""A wire to a server that can be cut, mended and slowed down: a proxy that passes bytes on over loopback."""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

_CHUNK = 65_536


class Wire:
    """Listens on a free port and passes everything on; cut from the start."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._here = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._here.getsockname()[1]
        self._open: list[socket.socket] = []
        self._lock, self._whole = threading.Lock(), False
        self.pause_s = 0.0
        """How long every piece is held back."""
        self.passed = 0
        """Bytes that came from the server."""
        self.refused = 0
        """Connections that were hung up on."""
        self.cut_after: int | None = None
        """Bytes from the server after which the wire cuts itself."""
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._here.close()
        self.cut()

    def cut(self) -> None:
        with self._lock:
            self._whole = False
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._open.clear()

    def mend(self) -> None:
        with self._lock:
            self._whole = True

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._here.accept()
                with self._lock:
                    if not self._whole:
                        self.refused += 1
                        client.close()
                        continue
                    server = socket.create_connection(self._to)
                    self._open += [client, server]
                for source, target, back in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pass_on, args=(source, target, back), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                time.sleep(self.pause_s)
                target.sendall(data)
                if back:
                    self.passed += len(data)
                    if self.cut_after is not None and self.passed >= self.cut_after:
                        self.cut_after = None
                        self.cut()
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
