"""What several ranks do together: mpirun -n P python3 ranks_test.py [names of tests]."""
import atexit
import os
import shutil
import sys
import tempfile
import traceback

import golden
import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from mpi4py import MPI

import scanmf

comm = MPI.COMM_WORLD
rank, size = comm.rank, comm.size


def own(rows):
    """Uneven shares; one rank of three has nothing."""
    weights = np.array([1, 0, 2, 3])[:size] if size > 1 else np.array([1])
    cuts = np.concatenate([[0], np.cumsum(weights)]) * rows // weights.sum()
    return slice(int(cuts[rank]), int(cuts[rank + 1]))


def whole(rows):
    return np.concatenate(comm.allgather(rows))


def folder():
    """One for all ranks, which rank 0 removes at its end."""
    made = comm.bcast(tempfile.mkdtemp() if rank == 0 else None)
    if rank == 0:
        atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def test_golden_runs():
    for name in golden.names()[::4 if size > 1 else 1]:
        case = golden.Case(name)
        if case.attrs["mode"] == "fit" or size == 1:
            golden.run(case, own, whole, comm=comm)
    for name in ("pf_after_fit", ):
        golden.run(golden.Case(name), own, whole, comm=comm)


def test_weights_of_other_kinds_on_other_ranks():
    """What would be read together is given by some alone: an error on all, no rank waits."""
    if size == 1:
        return
    name = os.path.join(folder(), "weighted.h5")
    if rank == 0:
        with h5py.File(name, "w") as file:
            file["X"], file["obs/w"] = np.random.RandomState(0).rand(30, 8), np.ones(30)
    comm.Barrier()
    for others in (None, np.ones(30 // size)):
        with pytest.raises(ValueError, match="sample_weight is a text on some ranks"):
            scanmf.NMF(2, comm=comm).fit(name, sample_weight="obs/w" if rank == 0 else others)


def test_rows_in_any_form():
    X = sp.random(60, 17, 0.3, "csr", random_state=0, data_rvs=np.random.RandomState(1).rand)
    reference = None
    for form in (sp.csr_matrix, sp.csc_matrix, sp.coo_matrix, lambda x: x.toarray(),
                 lambda x: np.asfortranarray(x.toarray())):
        model = scanmf.NMF(3, init="random", random_state=0, comm=comm, max_iter=30, tol=0)
        W = whole(model.fit_transform(form(X[own(60)])))
        reference = reference or (W, model.components_)
        np.testing.assert_allclose(W, reference[0], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(model.components_, reference[1], rtol=1e-9, atol=1e-12)


def test_one_file_of_all():
    path = folder()
    file = os.path.join(path, "x.h5")
    X = np.random.RandomState(0).rand(50, 7)
    if rank == 0:
        with h5py.File(file, "w") as out:
            out["X"] = X
    comm.barrier()
    for kind in (scanmf.NMF, scanmf.MiniBatchNMF):
        model = kind(3, random_state=0, comm=comm)
        W = model.fit_transform(file)
        first, last = model.sample_range_
        assert W.shape == (last - first, 3)
        same = kind(3, random_state=0, comm=comm)
        np.testing.assert_array_equal(whole(W), whole(same.fit_transform(X[own(50)])))
        np.testing.assert_array_equal(model.components_, same.components_)
        model.save(os.path.join(path, "m.h5"), W)
        again = scanmf.load(os.path.join(path, "m.h5"), comm=comm)
        np.testing.assert_array_equal(again.components_, model.components_)
        np.testing.assert_array_equal(whole(scanmf.load_W(os.path.join(path, "m.h5"), comm=comm)), whole(W))
        np.testing.assert_allclose(whole(again.transform(X[own(50)])), whole(model.transform(file)))


def test_generators_stay_the_same_on_all_ranks():
    X = np.random.RandomState(0).rand(40, 12)
    generator = np.random.RandomState(5)
    model = scanmf.NMF(3, init="random", shuffle=True, max_iter=5, tol=0, random_state=generator, comm=comm)
    model.fit(X[own(40)])
    alone = np.random.RandomState(5)
    same = scanmf.NMF(3, init="random", shuffle=True, max_iter=5, tol=0, random_state=alone, comm=MPI.COMM_SELF).fit(X)
    np.testing.assert_allclose(model.components_, same.components_, rtol=1e-9)
    assert generator.rand() == alone.rand()


def test_ensembles():
    path = folder()
    X = np.random.RandomState(0).rand(50, 9)
    file = os.path.join(path, "x.h5")
    if rank == 0:
        with h5py.File(file, "w") as out:
            out["X"] = X
    comm.barrier()
    how = {"replicates": 3, "random_state": 0, "comm": comm, "n_threads": 1, "max_iter": 30, "density_threshold": 2}
    of_rows = scanmf.ensemble(X[own(50)], [2, 3], path=os.path.join(path, "rows.h5"), **how)
    H = of_rows.components(3)
    for groups in [None, 1] + [2] * (size > 1):
        of_file = scanmf.ensemble(file, [2, 3], path=os.path.join(path, f"{groups}.h5"), groups=groups, **how)
        np.testing.assert_allclose(of_file.components(3), H, rtol=1e-6, atol=1e-9)
    if rank == 0:  # a result is a file, which each process reads for itself
        assert of_rows.consensus(2).transform(X).shape == (50, 2)
    weights = np.arange(50) % 3 + 1.0
    of_rows = scanmf.ensemble(X[own(50)], 3, path=os.path.join(path, "w.h5"), sample_weight=weights[own(50)], **how)
    mine = slice(*scanmf.NMF(2, comm=comm).fit(file).sample_range_)
    for groups in [1] + [2] * (size > 1):
        of_file = scanmf.ensemble(file, 3, path=os.path.join(path, "wf.h5"), sample_weight=weights[mine], groups=groups,
                                  **how)
        np.testing.assert_allclose(of_file.components(3), of_rows.components(3), rtol=1e-6, atol=1e-9)
    mistakes = [({
        "groups": 0
    }, "'groups' parameter"), ({
        "groups": size + 1
    }, "as many ranks"), ({
        "folds": 2 if rank else 1
    }, "'folds' parameter"), ({
        "replicates": 2 if rank else "2"
    }, "'replicates'")]
    if size > 1:
        mistakes += [({
            "groups": 1 + (rank > 0)
        }, "all ranks must say the same"), ({
            "replicates": 2 + (rank > 0)
        }, "all ranks must say the same"), ({
            "resample": "uniform" if rank else None
        }, "all ranks must say the same"), ({
            "path": None
        }, "several ranks need path=FILE")]
    for other, words in mistakes:
        with pytest.raises(ValueError, match=words):
            scanmf.ensemble(file, 2, **{**how, "path": os.path.join(path, "no.h5"), **other})
    assert not os.path.exists(os.path.join(path, "no.h5"))


def test_errors_are_everybodys():
    X = np.ones((20, 4))
    bad = X.copy()
    if rank == size - 1:
        bad[0, 0] = -1
    with pytest.raises(ValueError, match="Negative values in data passed to NMF"):
        scanmf.NMF(2, comm=comm).fit(bad)
    with pytest.raises((ValueError, TypeError)):
        scanmf.NMF(2, comm=comm).fit(X if rank else np.ones((2, 2, 2)))
    if size > 1:
        with pytest.raises(ValueError, match="columns"):
            scanmf.NMF(2, comm=comm).fit(X[:, :4 - (rank == 0)])
    model = scanmf.NMF(2, comm=comm, random_state=0).fit(X)
    with pytest.raises(ValueError, match="expecting 4 features"):
        model.transform(np.ones((3, 5)))


def test_what_ranks_say_differently_is_an_error():
    if size == 1:
        return
    X = np.random.RandomState(0).rand(20, 4)
    last = rank == size - 1
    file = os.path.join(folder(), "x.h5")
    if rank == 0:
        with h5py.File(file, "w") as out:
            out["X"] = X
    comm.barrier()
    for name, params, given in (("X is", {}, file if last else X), ("n_components is", {
            "n_components": 2 + last
    }, X), ("random_state is", {
            "random_state": int(last)
    }, X), ("random_state is", {
            "random_state": np.random.RandomState(rank)
    }, X), ("H is", {
            "init": "custom"
    }, X), ("checkpoint is", {
            "checkpoint": f"state{rank}"
    }, X)):
        start = {"W": np.ones((20, 2)), "H": np.ones((2, 4)) + last} if "init" in params else {}
        with pytest.raises(ValueError, match=name):
            scanmf.NMF(**{"n_components": 2, "random_state": 0, **params}, comm=comm).fit(given, **start)
    np.random.seed(rank)  # nobody's choice: that of rank 0 is taken, and goes on there alone
    model = scanmf.NMF(2, init="random", comm=comm).fit(X[own(20)])
    after = np.random.rand()
    for components in comm.allgather(model.components_):
        np.testing.assert_array_equal(components, model.components_)
    assert (after == np.random.RandomState(rank).rand()) == (rank > 0)
    with pytest.raises(ValueError, match="H is"):
        model.components_ = model.components_ + last
        model.transform(X[own(20)])


def test_other_calls_on_other_ranks_are_errors():
    """None of them waits for ever for the others."""
    X = np.random.RandomState(0).rand(20, 4)
    path = os.path.join(folder(), "m.h5")
    one, two = scanmf.NMF(2, random_state=0, comm=comm), scanmf.MiniBatchNMF(2, random_state=0, comm=comm)
    W = one.fit_transform(X[own(20)])
    last = rank == size - 1
    for wrong in (W[:, 1:], np.ones((len(W) + 1, 2)), W.ravel() if len(W) else np.ones(3), None):
        if wrong is None and size == 1:
            continue
        with pytest.raises(ValueError, match="W "):
            one.save(path, wrong if last else W)
    assert not os.path.exists(path)
    one.save(path, W)
    if size == 1:
        return
    fresh = scanmf.NMF(2, comm=comm)
    for of_rank_0, of_others in (
        (lambda: two.fit(X), lambda: two.partial_fit(X)),
        (lambda: two.fit(X), lambda: one.fit(X)),
        (lambda: one.transform(X), lambda: one.fit(X)),
        (lambda: one.save(path), lambda: one.transform(X)),
        (lambda: scanmf.load(path, comm=comm), lambda: scanmf.load_W(path, comm=comm)),
        (lambda: scanmf.load(path, comm=comm), lambda: one.save(path, W)),
        (lambda: one.transform(X), lambda: fresh.transform(X)),
        (lambda: one.save(path), lambda: fresh.save(path)),
        (lambda: scanmf.load(path, comm=comm), lambda: scanmf.load(path + ".other", comm=comm)),
        (lambda: one.save(path), lambda: one.save(path + ".other")),
    ):
        with pytest.raises((ValueError, AttributeError)):
            (of_others if last else of_rank_0)()
        comm.barrier()
    with pytest.raises(ValueError, match="the call is 'NMF.fit' on rank 0 and 'MiniBatchNMF.fit' on rank"):
        (two if last else one).fit(X)
    one.transform(X[own(20)])


def test_order_of_memory_is_no_difference():
    X, H = np.random.RandomState(0).rand(20, 4), np.random.RandomState(1).rand(2, 4)
    held = np.asfortranarray(H) if rank == size - 1 else H
    W, _, _ = scanmf.non_negative_factorization(X[own(20)], H=held, n_components=2, update_H=False, comm=comm)
    assert len(W) == len(X[own(20)])


def test_interrupts_reach_all():
    X = np.random.RandomState(0).rand(300, 50)
    model = scanmf.NMF(5, comm=comm, max_iter=10**6, tol=0, random_state=0)
    if rank == size - 1:
        import signal

        signal.setitimer(signal.ITIMER_REAL, 0.5)
        signal.signal(signal.SIGALRM, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert not hasattr(model, "components_")
    model.set_params(max_iter=3).fit(X)


def test_checkpoints_of_several_ranks():
    """Interrupted on one rank, all stop with a checkpoint; what they go on to has the bits of an undisturbed fit."""
    X = np.random.RandomState(0).rand(90, 11)
    path = folder()

    def fitted(**more):
        model = scanmf.NMF(3, init="random", shuffle=True, tol=0, max_iter=9, comm=comm, n_threads=1,
                           random_state=np.random.RandomState(7), **more)
        return model, whole(model.fit_transform(X[own(90)]))

    kept = dict(checkpoint=os.path.join(path, "state"), checkpoint_every=100)
    expected = fitted()
    original = scanmf._session.Progress.__call__

    def interrupt(self, done, *_):
        if done == 4:
            raise KeyboardInterrupt

    if rank == 0:
        scanmf._session.Progress.__call__ = interrupt
    try:
        with pytest.raises(KeyboardInterrupt):
            fitted(**kept)
    finally:
        scanmf._session.Progress.__call__ = original
    found = fitted(resume="require", **kept)
    np.testing.assert_array_equal(found[0].components_, expected[0].components_)
    np.testing.assert_array_equal(found[1], expected[1])
    with pytest.raises(ValueError, match="no checkpoint"):
        fitted(resume="require", **kept)
    if rank == 0:
        open(os.path.join(path, "STOP"), "w").close()
    comm.barrier()
    with pytest.raises(scanmf.Stopped, match="STOP"):
        fitted(**kept)


def test_two_communicators():
    half = comm.Split(rank % 2)
    X = np.random.RandomState(0).rand(30, 6)
    part = np.array_split(X, half.size)[half.rank]
    one = scanmf.NMF(2, comm=half, random_state=0).fit(part)
    two = scanmf.MiniBatchNMF(2, comm=comm, random_state=0).fit(X[own(30)])
    alone = scanmf.NMF(2, comm=MPI.COMM_SELF, random_state=0).fit(X)
    np.testing.assert_allclose(one.components_, alone.components_, rtol=1e-8)
    assert two.transform(X[own(30)]).shape[1] == 2
    half.Free()


def main():
    chosen = sys.argv[1:]
    tests = [(name, value) for name, value in globals().items()
             if name.startswith("test_") and (not chosen or name in chosen)]
    for name, test in tests:
        try:
            test()
        except BaseException:
            print(f"rank {rank}: {name} failed\n{traceback.format_exc()}", file=sys.stderr, flush=True)
            comm.Abort(1)
        comm.barrier()
        if rank == 0:
            print(f"{name}: passed on {size} ranks", flush=True)


if __name__ == "__main__":
    main()
