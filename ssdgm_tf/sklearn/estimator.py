"""What both estimators have in common: rows in, a model trained, means, draws and gaps filled out, and files of it."""

import abc
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ssdgm_tf.models.semi_supervised_model import check_counts
from ssdgm_tf.schema import Column, Schema, Targets, cells, infer
from ssdgm_tf.sklearn import form, training

# Rows that are generated at once.
_MOST_ROWS = 10_000
# Predictions are for a multiple of so many rows.
_BLOCK = 64


class SemiSupervisedEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, abc.ABC):
    """The base of both estimators; see `SemiSupervisedClassifier`.

    A subclass says what y is: `_read_targets` in training, `_values_of` where it is given later.
    """

    def __init__(
        self,
        latent_dim: int = 8,
        *,
        hidden_units: tuple[int, ...] = (48,),
        max_iter: int = 300,
        learning_rate: float = 2e-2,
        batch_size: int = 64,
        n_iter_no_change: int | None = None,
        schema: Schema | str | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.latent_dim = latent_dim
        self.hidden_units = hidden_units
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter_no_change = n_iter_no_change
        self.schema = schema
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Learns from all rows, and from the labels that there are.

        Args:
            X: a DataFrame of pandas or polars, or numbers or objects [N, D], with gaps.
            y: labels [N]; see the class for what says "no label".

        Returns:
            The estimator itself.

        Raises:
            ValueError: rows, labels or arguments that cannot be.
            TypeError: a sparse matrix, or a cell that holds several values.

        Warns:
            UserWarning: a column that is left out, or is not what it seems to be.
        """
        recipe = training.Recipe(**{name: getattr(self, name) for name in training.Recipe._fields})
        recipe.check()
        table = self._as_table(X, y)
        names = self._names(table)
        given = form.columns_of(table, names)
        targets, values = self._read_targets(y, len(table))
        self.schema_ = self._schema_of(given, table, names)
        self._form = form.Form(table, given, self.schema_)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        x = _encoded(self.schema_, given)
        trained = training.train(recipe, self.schema_, targets, x, values, self._seed)
        self.model_, self.loss_curve_, self.n_iter_ = trained.model, trained.losses, trained.num_steps
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The means of the latent variables z of q(z|x,y), for the likeliest class or the mean of y.

        Args:
            X: rows, as in `fit`; the columns of a DataFrame in any order.

        Returns:
            float32 [N, latent_dim].

        Raises:
            ValueError: other columns than those of `fit`, or cells that cannot be.
        """
        return self._means(X)["z"]

    def sample(self, n_samples: int | None = None, y: Any = None, random_state: Any = None) -> Any:
        """New rows, drawn from p(x).

        They have the form of the training table: its type, columns and dtypes. A column that was left out of the schema has
        the only cell that it had in training, or gaps, as an identifier does. Numbers stay within the range of training, and
        have as many digits after the point as there, up to 6.

        Args:
            n_samples: how many; None for 1, or for the number of labels.
            y: labels [N] to draw rows from p(x|y) for, or one label for all rows; None to draw them from p(y).
            random_state: of the draws; None for that of the estimator, which then gives the same rows each time.

        Returns:
            A DataFrame, or an array [N, D].

        Raises:
            ValueError: another label, or another number of them.
        """
        check_is_fitted(self)
        check_counts(n_samples=n_samples)
        given: dict[str, np.ndarray] = {}
        size = 1 if n_samples is None else n_samples
        if y is not None:
            labels = [y] * size if np.ndim(y) == 0 else y
            if n_samples not in (None, len(labels)):
                raise ValueError(f"n_samples must be the number of labels, {len(labels)}. Received: n_samples={n_samples}")
            size = len(labels)
            given = {"y": self._values_of(labels, size, complete=True)}
        seed, made = self._seed_of(random_state), []
        for part, start in enumerate(range(0, size, _MOST_ROWS)):
            held = {name: values[start : start + _MOST_ROWS] for name, values in given.items()}
            rows = min(_MOST_ROWS, size - start)
            made.append(self.model_.generate(held, None if held else rows, seed=(seed + part) % 2**31, draw=True))
        return self._form.rows(self.schema_, np.concatenate(made))

    def impute(self, X: Any, y: Any = None, num_draws: int | None = None, random_state: Any = None) -> Any:
        """A copy of the rows with their gaps filled; every other cell is as it was.

        A gap becomes the mean of its number given what is known of the row, or its likeliest category; with `num_draws` a
        draw. Numbers stay within the range of training, and have as many digits after the point as there, up to 6. Gaps of a
        column that was left out of the schema become the only cell that it had in training, and stay gaps where there was
        not one only.

        Args:
            X: rows, as in `fit`; the columns of a DataFrame in any order.
            y: their labels [N], as far as they are known; None for no label.
            num_draws: how many times to fill them with draws; None for once, with means.
            random_state: of the draws; None for that of the estimator.

        Returns:
            A table of the type of X; a list of `num_draws` of them, where it is given.

        Raises:
            ValueError: rows, labels or arguments that cannot be.
        """
        table, given, x = self._rows(X)
        check_counts(num_draws=num_draws)
        labels = None if y is None else {"y": self._values_of(y, len(x))}
        filled = np.asarray(self.model_.impute(x, labels, num_draws=num_draws, seed=self._seed_of(random_state))["x"])
        if filled.ndim == 2:
            tables = [self._form.filled(table, given, self.schema_, filled)] * (num_draws or 1)  # two for no gap
        else:
            tables = [self._form.filled(table, given, self.schema_, one) for one in filled]
        return tables[0] if num_draws is None else tables

    @abc.abstractmethod
    def _read_targets(self, y: Any, num_rows: int) -> tuple[Targets, np.ndarray]:
        """The target, and its values for the model, as `training.train` takes them."""

    @abc.abstractmethod
    def _values_of(self, y: Any, num_rows: int, complete: bool = False) -> np.ndarray:
        """The values of labels that are given to the trained model; all must be known where it is `complete`."""

    @property
    def _n_features_out(self) -> int:
        return self.model_.get_config()["latent_dim"]

    def _means(self, X: Any) -> dict[str, np.ndarray]:
        """The means of y and z of rows, {name: [N, ...]}.

        Products of matrices round the last rows of a batch in another way. So batches are filled up, and what comes of a row
        of a table of up to 1,000 rows does not depend on its place.
        """
        x = self._rows(X)[2]
        means = self.model_.encode(np.resize(x, (-(-len(x) // _BLOCK) * _BLOCK, x.shape[1])))
        return {name: values[: len(x)] for name, values in means.items()}

    def _rows(self, X: Any) -> tuple[Any, Mapping[str, Sequence[cells.Cell]], np.ndarray]:
        """Rows for the trained model: as a table in the order of training, their cells, and their numbers [N, D]."""
        table = self._as_table(X)
        given = form.columns_of(table, list(self._form.cells))
        return table, given, _encoded(self.schema_, given)

    def _as_table(self, X: Any, y: Any = "no_validation") -> Any:
        """Rows as a DataFrame or an array [N, D]; in training, where y is given, their columns become those of `fit`."""
        is_training = not (isinstance(y, str) and y == "no_validation")
        if not is_training:
            check_is_fitted(self)
        if not form.is_frame(X):
            if is_training and y is None:
                validate_data(self, X, y, skip_check_array=True)  # says that it is needed
            return validate_data(
                self,
                X,
                reset=is_training,
                dtype=None,
                ensure_all_finite="allow-nan",
                ensure_min_samples=2 if is_training else 1,
            )
        names = getattr(self, "feature_names_in_", None)
        if not is_training and names is not None and sorted(map(str, X.columns)) == sorted(names):
            X = X[list(names)]
        if is_training:
            validate_data(self, X, y, skip_check_array=True)
        else:
            validate_data(self, X, reset=False, skip_check_array=True)
        check_array(np.zeros(X.shape, bool), ensure_min_samples=2 if is_training else 1, estimator=self, input_name="X")
        return X

    def _names(self, table: Any) -> list[str]:
        """The names of the columns of a training table; of an array those of the given schema, or x0, x1, ..."""
        if form.is_frame(table) and hasattr(self, "feature_names_in_"):
            return list(self.feature_names_in_)
        size, schema = table.shape[1], self._given_schema()
        if schema is None:
            return [f"x{place}" for place in range(size)]
        if len(schema) != size:
            raise ValueError(f"schema must have a column for each of X, {size}. Received: one of {len(schema)} columns")
        return list(schema.names)

    def _given_schema(self) -> Schema | None:
        """The argument `schema`.

        Raises:
            ValueError: another thing than a schema or its JSON.
        """
        schema = Schema.from_json(self.schema) if isinstance(self.schema, str) else self.schema
        if schema is None or isinstance(schema, Schema):
            return schema
        raise ValueError(f"schema must be a Schema, or its JSON. Received: schema={schema!r}")

    def _schema_of(self, given: Mapping[str, Sequence[cells.Cell]], table: Any, names: list[str]) -> Schema:
        """The given schema, which must fit the table, or the one that is found in its cells."""
        schema = self._given_schema()
        if schema is not None:
            if lacking := [name for name in schema.names if name not in given]:
                raise ValueError(f"schema must be of columns of X. Received: the column {lacking[0]!r}, which X lacks")
            return schema
        columns: dict[str, Any] = dict(given)
        if form.is_frame(table) and hasattr(table, "iloc"):  # categories of pandas may have an order
            columns = {name: table.iloc[:, place] for place, name in enumerate(names)}
        schema, notes = infer(columns)
        if notes:
            warnings.warn(" ".join(notes), stacklevel=3)
        return schema

    def _seed_of(self, random_state: Any) -> int:
        """The seed of draws."""
        return self._seed if random_state is None else int(check_random_state(random_state).randint(2**31 - 1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: the model is the bytes of its `.keras` file."""
        state = dict(super().__getstate__())
        if "model_" in state:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.keras"
                state["model_"].save(path)
                state["model_"] = path.read_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Reads the model from its bytes in Keras' safe mode, which runs no code of the file."""
        state = dict(state)
        if "model_" in state:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.keras"
                path.write_bytes(state["model_"])
                state["model_"] = keras.models.load_model(path, safe_mode=True)
        super().__setstate__(state)


def _encoded(schema: Schema, given: Mapping[str, Sequence[cells.Cell]]) -> np.ndarray:
    """The numbers of cells, float32 [N, D]. A number that a column cannot take is a gap, as an unknown category is.

    Warns:
        UserWarning: such numbers and categories.
    """
    kept: dict[str, Any] = {}
    for column in schema:
        strange = _strange(column, given[column.name])
        kept[column.name] = [None if row in strange else cell for row, cell in enumerate(given[column.name])]
        if strange:
            row = min(strange)
            warnings.warn(
                f"Taken for gaps, as the column {column.name!r} is of kind {column.kind}: {len(strange)} cells, such as "
                f"{given[column.name][row]!r} in row {row}",
                stacklevel=4,
            )
    return schema.encode(kept)


def _strange(column: Column, given: Sequence[cells.Cell]) -> set[int]:
    """The rows whose numbers are no counts, or not above 0 where they must be."""
    if column.kind not in ("count", "positive"):
        return set()
    numbers = [None if cell is None else cells.number_of(cell) for cell in given]
    if column.kind == "positive":
        return {row for row, number in enumerate(numbers) if number is not None and np.float32(number) <= 0}
    return {row for row, number in enumerate(numbers) if number is not None and (number < 0 or number != np.trunc(number))}
