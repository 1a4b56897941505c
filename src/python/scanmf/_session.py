"""Where a call computes: communicator, threads, messages, interrupts."""
from __future__ import annotations

import logging
import os
import sys
import threading
import warnings

from sklearn.exceptions import ConvergenceWarning

from . import _core
from ._arguments import same_everywhere

logger = logging.getLogger("scanmf")

_lock = threading.RLock()  # MPI and the threads of the library serve one call at a time
_forked_from = None
_told_of_ranks = False


def _after_fork():
    global _lock, _forked_from
    _lock = threading.RLock()
    if _core.mpi_is_initialised():
        _forked_from = os.getppid()


os.register_at_fork(after_in_child=_after_fork)


def _leave_the_launcher():
    """A process that a rank of mpirun has started, a worker of joblib say, is no rank: MPI must not take it for that
    one."""
    if not _core.is_launched():
        return
    if os.environ.setdefault("SCANMF_PROCESS_OF_RANK", str(os.getpid())) == str(os.getpid()):
        return
    for name in list(os.environ):
        if name.startswith(
            ("PMIX_", "PMI_", "OMPI_COMM_WORLD", "OMPI_UNIVERSE", "OMPI_MCA_orte", "OMPI_MCA_ess", "ORTE_", "PRTE_")):
            del os.environ[name]


_leave_the_launcher()


def _checked(comm):
    """An mpi4py communicator that ranks can compute with, or None: this process alone."""
    if comm is None:
        return None
    try:
        from mpi4py import MPI
    except ImportError:
        raise TypeError("comm must be an mpi4py communicator, and mpi4py is not installed") from None
    if not isinstance(comm, MPI.Comm):
        raise TypeError(f"comm must be an mpi4py communicator or None. Got {comm!r} instead.")
    if not isinstance(comm, MPI.Intracomm):
        raise TypeError("comm must be an intracommunicator: an intercommunicator has two groups of ranks")
    if comm == MPI.COMM_NULL:
        raise ValueError("comm is COMM_NULL: this process is not part of it")
    return comm


def _tell_of_ranks():
    """Ranks that mpirun started and that compute alone are said to, once, by the first of them."""
    global _told_of_ranks
    if _told_of_ranks:
        return
    _told_of_ranks = True
    ranks = _core.strangers()
    if ranks > 1:
        warnings.warn(
            f"{ranks} ranks were started, and each computes on its own X, because comm is None. For one "
            "factorisation of all ranks' rows pass comm=MPI.COMM_WORLD of mpi4py; comm=MPI.COMM_SELF says that "
            "this is meant.",
            UserWarning,
            stacklevel=_to_the_user(),
        )


def _to_the_user():
    """The stacklevel, for a warning of the caller, of the first frame outside of this package and of scikit-learn's
    wrappers."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("scanmf", "sklearn")):
        level, frame = level + 1, frame.f_back
    return level


class Session:
    """What one call of the library runs in; ``with Session(...) as core: core.fit(...)``.

    Calls of several Python threads come one after the other. Messages of the library become warnings (at the line of
    the user) and records of the logger "scanmf".
    """
    def __init__(self, comm=None, n_threads=None, call=""):
        """call: what is called, on which all ranks must agree before they do anything together."""
        self.call = call
        self.comm = _checked(comm)
        self.n_threads = 0 if n_threads is None else int(n_threads)

    def __enter__(self):
        if _forked_from is not None:
            raise RuntimeError(
                f"this process was forked (from {_forked_from}) after MPI had been initialised there, and neither MPI "
                "nor OpenMP survives that. Fork before the first fit, or start workers anew: joblib's default backend "
                "'loky', or multiprocessing.get_context('spawn').")
        if self.comm is None:
            _leave_the_launcher()
            _tell_of_ranks()
        _lock.acquire()
        try:
            self.core = _core.Session(self.comm, self.n_threads)
        except BaseException:
            _lock.release()
            raise
        try:
            same_everywhere(self.core, {"the call": self.call})
        except BaseException:
            self.__exit__()
            raise
        return self.core

    def __exit__(self, *_):
        messages = self.core.close()
        _lock.release()
        for level, text in messages:
            if level == "warning":
                kind = ConvergenceWarning if text.startswith("Maximum number of iterations") else UserWarning
                warnings.warn(text, kind, stacklevel=_to_the_user())
            else:
                logger.log(logging.INFO if level == "information" else logging.DEBUG, text)


class Progress:
    """What is shown of a running fit: scikit-learn's lines with ``verbose``, else a bar in interactive sessions."""
    def __init__(self, verbose, what, kind, tol):
        self.verbose = bool(verbose)
        self.kind = kind
        self.tol = tol
        self.bar = None if self.verbose else _bar(what)
        self.seconds = 0.0
        self.last = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.bar is not None:
            self.bar.close()

    def __call__(self, iteration, max_iteration, seconds, measure, value, newest):
        self.seconds += seconds
        self.last = (iteration, max_iteration, value)
        if self.bar is not None:
            self.bar.total = max_iteration
            self.bar.set_postfix_str(f"{measure} {value:.3g}" if value == value else "", refresh=False)
            self.bar.update(iteration - self.bar.n)
        elif self.verbose and newest:
            self._print(iteration, max_iteration, measure, value, newest)

    def _print(self, iteration, max_iteration, measure, value, newest):
        if measure == "violation":
            print("violation:", value)
        elif measure == "error":
            if value == value:
                print("Epoch %02d reached after %.3f seconds, error: %f" % (iteration, self.seconds, newest["error"]))
        elif newest["smoothed_cost"] != newest["smoothed_cost"]:
            print(f"Minibatch step {iteration}/{max_iteration}: mean batch cost: {value}")
        else:
            print(f"Minibatch step {iteration}/{max_iteration}: mean batch cost: {value}, "
                  f"ewa cost: {newest['smoothed_cost']}")

    def end(self, converged, reason=""):
        if not self.verbose or self.last is None:
            return
        iteration, max_iteration, value = self.last
        if self.kind == "violation" and converged:
            print("Converged at iteration", iteration)
        elif self.kind == "error" and (self.tol == 0 or iteration % 10 != 0):
            print("Epoch %02d reached after %.3f seconds." % (iteration, self.seconds))
        elif self.kind == "cost" and converged:
            print(f"Converged ({reason}) at step {iteration}/{max_iteration}")


def _bar(what):
    """A tqdm bar that appears after two seconds, in notebooks and on terminals; None where tqdm is missing."""
    try:
        with warnings.catch_warnings():  # of notebooks without widgets: the bar is then one of text
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    except ImportError:
        return None
    if not ("ipykernel" in sys.modules or sys.stderr.isatty()):
        return None
    return tqdm(desc=what, delay=2, leave=False)
