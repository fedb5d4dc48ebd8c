"""The server, asked as a browser asks it, and as it should not be asked."""

import contextlib
import http.client
import json
import threading

import pytest
import uvicorn

from ssdgm_tf.app import server
from ssdgm_tf.errors import UserError

TOKEN = "secret"


@contextlib.contextmanager
def answering(session):
    """A function that asks a server: method, path and more in, status, headers and content out."""
    listening = server.socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()  # who asks from here on waits
    port = listening.getsockname()[1]
    config = uvicorn.Config(server.application(session, TOKEN, port), log_level="error", lifespan="off")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()

    def ask(method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, path, body, {"Host": f"127.0.0.1:{port}", **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), content

    ask.port = port
    yield ask
    running.should_exit = True
    thread.join()
    listening.close()


@pytest.fixture(scope="module")
def ask(unchanged):
    with answering(unchanged) as ask:
        yield ask


def test_the_page_and_what_it_asks_for_are_there(ask):
    for path, kind in (("", "text/html"), ("main.js", "javascript"), ("style.css", "text/css"), ("api/run", "json")):
        status, headers, content = ask("GET", f"/{TOKEN}/{path}")
        assert status == 200
        assert kind in headers["content-type"]
        assert content
        assert "default-src 'self'" in headers["content-security-policy"]
    status, headers, content = ask("GET", f"/{TOKEN}/api/picture/3.png")
    assert (status, headers["content-type"], content[:4]) == (200, "image/png", b"\x89PNG")


def test_nothing_of_the_page_comes_from_elsewhere(ask):
    for path in ("", "main.js", "common.js", "map.js", "make.js", "read.js", "label.js", "style.css", "icon.svg"):
        content = ask("GET", f"/{TOKEN}/{path}")[2].decode()
        assert "//" not in content.replace("http://www.w3.org/2000/svg", "").replace("// ", "")


@pytest.mark.parametrize(
    "path", ["/", "/api/run", "/other/api/run", f"/{TOKEN}x/api/run", f"/{TOKEN}/../api/run", "/main.js"]
)
def test_without_the_secret_nothing_is_there(path, ask):
    assert ask("GET", path)[0] == 404


@pytest.mark.parametrize(
    "path",
    ["../session.py", "%2e%2e/session.py", "..%2fsession.py", "/etc/passwd", "%2fetc%2fpasswd", "api/picture/../../x.png"],
)
def test_no_other_file_can_be_read(path, ask):
    status, _, content = ask("GET", f"/{TOKEN}/{path}")
    assert status in (400, 404)
    assert b"root" not in content
    assert b"class Session" not in content


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Host": "127.0.0.1:1"}, {"Origin": "http://evil.example"}])
def test_other_hosts_and_pages_are_refused(headers, ask):
    status, _, content = ask("POST", f"/{TOKEN}/api/act", '{"event": "undo"}', headers)
    assert status == 403
    assert b"this machine only" in content


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("GET", "api/example/99999", None, "one of 0..1296"),
        ("GET", "api/picture/99999.png", None, "one of 0..1296"),
        ("GET", "api/labels.xml", None, "json or csv"),
        ("POST", "api/act", "no json", "must hold a JSON object. Received: b'no json'"),
        ("POST", "api/act", "[1]", "JSON object"),
        ("POST", "api/make", '{"positions": {"y": 10}}', "a class 0..9"),
        ("POST", "api/make", '{"positions": 3}', "must be those of controls"),
        ("POST", "api/make", '{"positions": {"y": 2.7}}', "a class 0..9"),
        ("POST", "api/make", '{"positions": {}, "vary": "z"}', "What varies must be a class"),
        ("GET", "api/find?text=bird", None, "found by its number 0..1296. Received: 'bird'"),
        ("GET", "api/find", None, "Received: ''"),
        ("POST", "api/next", '{"rule": "best"}', "rule must be one of"),
        ("POST", "api/row", '{"a": 1}', "Cells are of tables"),
        ("POST", "api/read?name=x.png", "broken", "must be whole"),
        ("POST", "api/labels?name=x.csv", "a,b", "Labels come as"),
        ("POST", "api/train", "{}", "new labels. Received: none since the last training"),
    ],
)
def test_bad_requests_are_answered_in_words(method, path, body, message, ask):
    status, _, content = ask(method, f"/{TOKEN}/{path}", body)
    assert status == 400
    assert message in json.loads(content)["error"]


def test_large_requests_are_cut_off(ask):
    status, _, content = ask("POST", f"/{TOKEN}/api/act", b"x" * 300_000)
    assert (status, json.loads(content)["error"]) == (413, "A request must hold at most 0.2 MB. Received: more")
    assert ask("GET", f"/{TOKEN}/api/run")[0] == 200


def test_labels_go_out_and_come_in(session):
    with answering(session) as ask:
        for index, value in ((5, 3), (6, 1)):
            event = {"event": "label", "index": index, "variable": "y", "value": value}
            assert ask("POST", f"/{TOKEN}/api/act", json.dumps(event))[0] == 200
        tasks = json.loads(ask("GET", f"/{TOKEN}/api/labels.json")[2])
        assert [task["data"]["index"] for task in tasks] == [5, 6]
        assert ask("GET", f"/{TOKEN}/api/labels.csv")[2] == b"index,variable,label\n5,y,3\n6,y,1\n"
        excel = b"\xef\xbb\xbfindex,label\n7,9\n5,2\n"
        status, _, content = ask("POST", f"/{TOKEN}/api/labels?name=more.csv", excel)
        assert (status, json.loads(content)["taken"]) == (200, 2)
        assert session.given.labels.values == {"y": {5: 2, 6: 1, 7: 9}}


def test_names_of_examples_go_out_with_their_labels(session):
    ids = tuple(f"photo {index}.png" for index in range(len(session.dataset.x_train)))
    session.dataset = session.dataset._replace(ids=ids)
    session.act({"event": "label", "index": 5, "variable": "y", "value": 3})
    with answering(session) as ask:
        assert ask("GET", f"/{TOKEN}/api/labels.csv")[2] == b"index,variable,label,id\n5,y,3,photo 5.png\n"
        (task,) = json.loads(ask("GET", f"/{TOKEN}/api/labels.json")[2])
        assert task["data"] == {"index": 5, "id": "photo 5.png"}
        found = json.loads(ask("GET", f"/{TOKEN}/api/find?text=Photo%2012.p")[2])
        assert found == {"number": 1, "found": [{"index": 12, "id": "photo 12.png"}]}


def test_labels_of_a_bad_file_are_taken_all_or_none(ask, unchanged):
    status, _, content = ask("POST", f"/{TOKEN}/api/labels?name=more.csv", b"index,label\n7,9\n99999,2\n")
    assert status == 400
    assert "99999" in json.loads(content)["error"]
    assert unchanged.given.labels.number == 0


def test_a_second_server_of_a_run_is_refused(tmp_path):
    with server.alone(tmp_path), pytest.raises(UserError, match="One server opens a run at a time"), server.alone(tmp_path):
        pass
    with server.alone(tmp_path):
        pass


def test_a_port_in_use_is_refused(ask, unchanged):
    with pytest.raises(UserError, match=rf"--port must be free, .* Received: --port={ask.port}"):
        server.serve(unchanged, ask.port, opens=False)
