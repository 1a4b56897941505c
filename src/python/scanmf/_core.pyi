"""The compiled module: the library as the classes of the package use it. Not for users."""
from typing import Any, Callable, Optional, Union

import numpy as np

__version__: str


class Error(ValueError):
    """What the library refuses: one line that says what is wrong, where, and what to do."""


class Stopped(RuntimeError):
    """A fit has stopped early, its state being in its checkpoint: the same fit again goes on from there."""


_Sparse = tuple[bool, tuple[int, int], np.ndarray, np.ndarray, np.ndarray]
_X = Union[str, np.ndarray, _Sparse]
_Seed = Union[int, tuple[np.ndarray, int, int, float, bool]]
_Checkpoint = Optional[tuple[str, str, str, str]]
_Params = dict[str, Union[None, bool, int, float, str]]
_Progress = Optional[Callable[[int, int, float, str, float, dict[str, float]], None]]


def defaults(estimator: str) -> _Params:
    ...


def mpi_is_initialised() -> bool:
    ...


def is_launched() -> bool:
    ...


def strangers() -> int:
    ...


def size(text: str) -> Optional[int]:
    ...


class Session:
    def __init__(self, comm: Any = None, threads: int = 0) -> None:
        ...

    @property
    def rank(self) -> int:
        ...

    @property
    def size(self) -> int:
        ...

    @property
    def threads(self) -> int:
        ...

    def agree(self, mistake: str) -> None:
        ...

    def allgather(self, own: bytes) -> list[bytes]:
        ...

    def close(self) -> list[tuple[str, str]]:
        ...

    def fit(self, x: _X, estimator: str, params: _Params, seed: _Seed, W: Optional[np.ndarray] = None,
            H: Optional[np.ndarray] = None, progress: _Progress = None, memory: int = 0, checkpoint: _Checkpoint = None,
            sample_weight: Union[None, str, np.ndarray] = None) -> dict[str, Any]:
        ...

    def partial_fit(self, x: _X, params: _Params, seed: _Seed, W: Optional[np.ndarray] = None,
                    H: Optional[np.ndarray] = None, state: Optional[dict[str, Any]] = None,
                    feature_names: list[str] = ..., progress: _Progress = None, memory: int = 0,
                    sample_weight: Union[None, str, np.ndarray] = None) -> dict[str, Any]:
        ...

    def transform(self, x: _X, estimator: str, params: _Params, seed: _Seed, H: np.ndarray,
                  feature_names: Optional[list[str]] = None, progress: _Progress = None, memory: int = 0,
                  sample_weight: Union[None, str, np.ndarray] = None) -> tuple[np.ndarray, int, Any]:
        ...

    def save(self, file: str, estimator: str, params: _Params, seed: Optional[int], state: dict[str, Any],
             W: Optional[np.ndarray], feature_names: list[str]) -> None:
        ...

    def ensemble(self, x: _X, ks: list[int], estimator: str, params: _Params, random_state: Optional[int],
                 options: dict[str, Any], output: str, feature_names: list[str], groups: Optional[int],
                 progress: _Progress = None, memory: int = 0, checkpoint: _Checkpoint = None,
                 sample_weight: Union[None, str, np.ndarray] = None) -> None:
        ...

    def check_ensemble(self, file: str) -> None:
        ...

    def select(self, file: str, k: int, output: str) -> None:
        ...

    def load(self, file: str) -> dict[str, Any]:
        ...

    def load_W(self, file: str) -> np.ndarray:
        ...

    def inspect(self, input: str) -> str:
        ...
