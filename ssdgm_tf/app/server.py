"""The server of the page: on 127.0.0.1, under a secret address."""

import contextlib
import fcntl
import json
import os
import secrets
import socket
import tempfile
import traceback
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ssdgm_tf.app import reader
from ssdgm_tf.app.endpoints import Endpoints
from ssdgm_tf.app.session import Session
from ssdgm_tf.app.training import Training
from ssdgm_tf.errors import UserError

_PAGE = Path(__file__).with_name("page")
# Nothing comes from elsewhere, no script is in the page itself, and no other page may show this one.
_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
# The most bytes of a request that holds JSON; files may be larger.
_LARGEST = 200_000


class Guard:
    """Answers only requests to this host by its own name, and keeps pages of others out.

    Args:
        app: what answers.
        hosts: the values of the Host header that are taken.
    """

    def __init__(self, app: Any, hosts: tuple[str, ...]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request, as ASGI says."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get("origin")
        is_own = origin is None or origin in {f"http://{host}" for host in self.hosts}
        if headers.get("host") not in self.hosts or not is_own:
            received = headers.get("origin") if headers.get("host") in self.hosts else headers.get("host")
            refusal = _refusal(f"The page is served to this machine only. Received: a request of {received!r:.100}", 403)
            await refusal(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def application(session: Session, token: str, port: int, lock: int | None = None) -> Starlette:
    """The application that serves the page and answers its requests, all under /TOKEN/.

    Args:
        session: the opened run.
        token: the secret of the address.
        port: the port that it is served on.
        lock: the descriptor that `alone` gives; None for none.
    """
    of = Endpoints(session, Training(session, lock))
    routes = [
        Route("/api/run", _answer(of.run)),
        Route("/api/map", _answer(of.map)),
        Route("/api/find", _answer(of.find)),
        Route("/api/example/{index:int}", _answer(of.example)),
        Route("/api/analogies/{index:int}", _answer(of.analogies)),
        Route("/api/picture/{index:int}.png", _answer(of.picture)),
        Route("/api/training", _answer(of.training_state)),
        Route("/api/labels.{kind}", _answer(of.give_labels)),
        Route("/api/next", _posted(of.next), methods=["POST"]),
        Route("/api/make", _posted(of.make), methods=["POST"]),
        Route("/api/row", _posted(of.row), methods=["POST"]),
        Route("/api/act", _posted(of.act), methods=["POST"]),
        Route("/api/train", _posted(of.train), methods=["POST"]),
        Route("/api/read", _uploaded(of.read), methods=["POST"]),
        Route("/api/labels", _uploaded(of.take_labels), methods=["POST"]),
        Mount("/", StaticFiles(directory=_PAGE, html=True)),
    ]
    hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
    return Starlette(
        routes=[Mount(f"/{token}", routes=routes)],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={HTTPException: lambda _, error: _refusal(error.detail, error.status_code)},
    )


def serve(session: Session, port: int, tab: str = "", opens: bool = True, lock: int | None = None) -> None:
    """Serves the page until it is interrupted.

    Args:
        session: the opened run.
        port: the port; 0 for a free one.
        tab: the tab that the address opens.
        opens: whether a browser is opened.
        lock: the descriptor that `alone` gives; None for none.

    Raises:
        UserError: the port is in use.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen()  # who asks from here on waits
    except OSError as error:
        listening.close()
        raise UserError(f"--port must be free, or 0 for any that is. Received: --port={port} ({error.strerror})") from error
    port, token = listening.getsockname()[1], secrets.token_urlsafe(16)
    address = f"http://127.0.0.1:{port}/{token}/{f'#{tab}' if tab else ''}"
    print(f"The page is at {address}\nIt ends with Ctrl+C; labels are in {session.folder.labels}", flush=True)
    config = uvicorn.Config(
        application(session, token, port, lock), log_level="error", access_log=False, server_header=False
    )
    with contextlib.ExitStack() as stack:
        if opens:
            webbrowser.open(stack.enter_context(_door(address)))
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


@contextlib.contextmanager
def _door(address: str) -> Iterator[str]:
    """The address of a file that leads to the page and that only its owner reads: no list of processes shows the secret."""
    with tempfile.TemporaryDirectory() as folder:  # readable by its owner only
        path = Path(folder) / "open.html"
        path.write_text(
            f'<!doctype html><meta http-equiv="refresh" content="0; url={address}"><a href="{address}">The page</a>'
        )
        yield path.as_uri()


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[int]:
    """Within it this process, with those that it starts, is the only one that serves or trains a run by the page.

    Gives the descriptor of a lock. A process that was killed holds none, but a training that it started does until its end.

    Args:
        folder: of the run.

    Raises:
        UserError: another one serves it.
    """
    try:
        descriptor = os.open(folder / ".served", os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise UserError(
            f"The page writes labels into the folder of the run. Received: {folder}, where nothing can be written ({error})"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise UserError(
            f"One server opens a run at a time. Received: {folder}, which another one has open, or is training"
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _refusal(message: str, status: int = 400) -> JSONResponse:
    return JSONResponse({"error": message}, status)


def _answer(function: Callable[[Request], Any]) -> Callable[[Request], Response]:
    """An endpoint of a function of the request; a bad request is answered in words."""

    def endpoint(request: Request) -> Response:
        try:
            found = function(request)
        except (ValueError, TypeError, UserError) as error:
            return _refusal(str(error))
        except Exception as error:  # a full disk, say: the page shows it, and the server goes on
            traceback.print_exc()
            return _refusal(f"The server failed: {type(error).__name__}: {error}", 500)
        return found if isinstance(found, Response) else JSONResponse(found)

    return endpoint


def _posted(function: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Any]:
    """An endpoint of a function of the JSON object that a request holds."""

    def of_content(_: Request, content: bytes) -> Any:
        try:
            body = json.loads(content or b"{}")
        except ValueError as error:
            raise ValueError(f"A request must hold a JSON object. Received: {content[:40]!r}") from error
        if not isinstance(body, dict):
            raise ValueError(f"A request must hold a JSON object. Received: {content[:40]!r}")
        return function(body)

    return _uploaded(of_content, _LARGEST)


def _uploaded(function: Callable[[Request, bytes], Any], most: int = reader.LARGEST) -> Callable[[Request], Any]:
    """An endpoint of a function of the request and of the bytes that it holds, up to so many."""

    async def endpoint(request: Request) -> Response:
        content = b""
        async for part in request.stream():
            content += part
            if len(content) > most:
                return _refusal(f"A request must hold at most {most / 1e6:g} MB. Received: more", 413)
        return await run_in_threadpool(_answer(lambda request: function(request, content)), request)

    return endpoint
