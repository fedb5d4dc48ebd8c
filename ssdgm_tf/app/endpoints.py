"""What the page may ask of the server: from requests to the session, and back to JSON and pictures."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ssdgm_tf.app import reader
from ssdgm_tf.app.session import Session
from ssdgm_tf.app.training import Training
from ssdgm_tf.app.views import png, view
from ssdgm_tf.labelling import label_studio

# The most examples of one request.
_MOST = 100


class Endpoints:
    """The answers to requests. A bad request raises a `ValueError` or `TypeError` with the rule.

    Args:
        session: the opened run.
        training: trains it on.
    """

    def __init__(self, session: Session, training: Training) -> None:
        self.session, self.training = session, training

    def run(self, _: Request) -> Any:
        """What the page needs to know before it shows anything."""
        return self.session.summary()

    def map(self, _: Request) -> Any:
        """The examples on the map."""
        return self.session.map()

    def find(self, request: Request) -> Any:
        """The examples that ?text= names."""
        return self.session.find(request.query_params.get("text", ""))

    def example(self, request: Request) -> Any:
        """What the model says of a training example."""
        return self.session.example(request.path_params["index"])

    def analogies(self, request: Request) -> Any:
        """A training example with each label."""
        return self.session.analogies(self.session.x_of(request.path_params["index"]))

    def picture(self, request: Request) -> Response:
        """A training example as a PNG file."""
        image = self.session.dataset.to_images(self.session.x_of(request.path_params["index"]))[0]
        if image.ndim != 3:
            raise ValueError(f"Pictures are of images. Received: examples of shape {list(image.shape)}")
        return Response(png(image), media_type="image/png", headers={"cache-control": "max-age=3600"})

    def next(self, body: dict[str, Any]) -> Any:
        """The next examples to label: "rule", "number" and the indices "left_out"."""
        number = min(max(int(body.get("number", 1)), 1), _MOST)
        return self.session.next(str(body.get("rule")), number, list(body.get("left_out", [])))

    def make(self, body: dict[str, Any]) -> Any:
        """Makes the example of the "positions" of the controls, or one for each value of the class to "vary"."""
        positions, vary = body.get("positions"), body.get("vary")
        if not isinstance(positions, dict):
            raise ValueError(f"Positions must be those of controls by their names. Received: {positions!r:.100}")
        with self.session.lock:
            made = self.session.learned.maker.make(positions, vary)
        return {"views": [view(self.session.dataset, one) for one in made]}

    def row(self, body: dict[str, Any]) -> Any:
        """What the model says of a row of a table, {column: cell}."""
        return reader.read_row(self.session, reader.from_cells(self.session, body))

    def read(self, request: Request, content: bytes) -> Any:
        """What the model says of the first example of a file, called ?name=."""
        x = reader.from_file(self.session, request.query_params.get("name", ""), content)
        is_row = self.session.dataset.schema is not None
        read = reader.read_row(self.session, x) if is_row else self.session.read(x)
        return read | {"analogies": self.session.analogies(x)}

    def act(self, body: dict[str, Any]) -> Any:
        """Writes what a person did."""
        return self.session.act(body)

    def train(self, _: dict[str, Any]) -> Any:
        """Starts a training with the labels that were given."""
        self.training.start()
        return self.training.state

    def training_state(self, _: Request) -> Any:
        """How far the training is."""
        return self.training.state

    def give_labels(self, request: Request) -> Response:
        """The labels that were given, as json or csv."""
        kind, given = request.path_params["kind"], self.session.given
        what = given.labels, given.class_names(), self.session.dataset.ids
        if kind == "json":
            return JSONResponse(label_studio.to_tasks(*what))
        if kind == "csv":
            return Response(label_studio.to_csv(*what), media_type="text/csv")
        raise ValueError(f"Labels are written as json or csv. Received: {kind!r}")

    def take_labels(self, _: Request, content: bytes) -> Any:
        """Takes the labels of a file."""
        events = label_studio.from_text(content.decode("utf-8-sig", "replace"), self.session.given.class_names())
        return {"taken": len(events), **self.session.act_all(events)}
