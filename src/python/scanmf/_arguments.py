"""From what users say to what the library takes: parameters, sizes, seeds, checkpoints; and what goes back."""
from __future__ import annotations

import inspect
import os
import pickle
import zlib
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import sklearn.decomposition
from sklearn.utils import check_random_state

from . import _core

# "auto"; before scikit-learn 1.6 None.
DEFAULT_N_COMPONENTS = inspect.signature(sklearn.decomposition.NMF).parameters["n_components"].default


def plain(value):
    """A parameter's value as Python's None, bool, int, float or str."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    return int(value) if isinstance(value, Integral) else float(value)


def size(memory) -> int:
    """Bytes of "4G", "500M", …; 0: automatic; -1: no cap."""
    if memory in (None, "none"):
        return -1
    if isinstance(memory, str) and memory == "auto":
        return 0
    size = _core.size(str(memory))
    if size is None:
        raise ValueError(f"memory must be 'auto', None or a size such as '500M' or '4G'. Got {memory!r} instead.")
    return size


def checkpoint(file, every, resume, max_time):
    """What the library is told of a fit's checkpoint; None: there is none."""
    if file is None:
        for name, value, idle in (("checkpoint_every", every, ("15min", )), ("resume", resume, ("auto", "never")),
                                  ("max_time", max_time, ("auto", None))):
            if value not in idle:
                raise ValueError(f"{name}={value!r} needs checkpoint=FILE, where the state is to go")
        return None
    if not os.fspath(file):
        raise ValueError("checkpoint must be the name of a file, or None. Got '' instead.")
    return os.fspath(file), str(every), resume, "none" if max_time is None else max_time


class Seed:
    """random_state as the library takes it; draws are given back to the generator that they came from."""
    def __init__(self, random_state):
        self.generator = None
        self.number = None
        self.is_any = random_state is None
        self.is_lent = False  # another rank's
        if isinstance(random_state, Integral):
            self.number = int(random_state)
            return
        self.generator = check_random_state(random_state)
        if self.generator.get_state(legacy=False)["bit_generator"] != "MT19937":
            raise ValueError("random_state must be an int or a RandomState over MT19937, numpy's default: the draws of "
                             "others cannot be repeated")

    def said(self):
        """What all ranks must say the same of."""
        if self.generator is None:
            return self.number
        return None if self.is_any else f"a generator in state {digest(self._state())}"

    def given(self, core):
        """Of several ranks' global generators that of rank 0: their states are no choice of anybody."""
        if self.generator is None:
            return self.number
        state = self._state()
        if self.is_any and core.size > 1:
            state = pickle.loads(core.allgather(pickle.dumps(state))[0])
            self.is_lent = core.rank > 0
        return *state, self.is_any

    def taken(self, state):
        if self.generator is not None and state is not None and not self.is_lent:
            self.generator.set_state(("MT19937", *state))

    def _state(self):
        return self.generator.get_state()[1:]


class Call(NamedTuple):
    """What a call of the library takes beside parameters."""
    x: Any
    W: Any
    H: Any  # to begin with, or held
    seed: Seed
    memory: int
    checkpoint: Any
    names: Any  # of the features, as they are once the call has succeeded and X, if a file, has none
    sample_weight: Any = None


def digest(value):
    """A short name of a value, for messages; arrays by all of their elements, in whichever order they lie."""
    if isinstance(value, np.ndarray):
        value = np.ascontiguousarray(value)
    return f"{zlib.crc32(pickle.dumps(value)):08x}"


def together(core, work):
    """work() on every rank; when it fails on some, all of them raise."""
    if core.size == 1:
        return work()
    try:
        result, error = work(), None
    except Exception as problem:  # told to the other ranks before it goes on
        result, error = None, problem
    try:
        core.agree("" if error is None else f"rank {core.rank}: {error}")
    except ValueError:
        if error is None:
            raise
    if error is not None:
        raise error
    return result


def same_everywhere(core, said):
    """Raises on all ranks when some say other things; said: by names."""
    if core.size == 1:
        return
    everybody = [pickle.loads(of_rank) for of_rank in core.allgather(pickle.dumps(said))]
    for rank, theirs in enumerate(everybody):
        for name, value in everybody[0].items():
            if theirs[name] != value:
                raise ValueError(f"{name} is {value!r} on rank 0 and {theirs[name]!r} on rank {rank}: "
                                 "all ranks must say the same")


def into(given, result):
    """scikit-learn leaves its results in the arrays of init='custom'; so does this where they can take them."""
    if isinstance(given,
                  np.ndarray) and given.dtype == result.dtype and given.shape == result.shape and given.flags.writeable:
        given[...] = result
        return given
    return result
