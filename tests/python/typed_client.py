"""Uses everything of the package as a typed program would: `mypy --strict` finds no error in it."""
from typing import Any

from numpy.typing import NDArray

import scanmf


def parts(X: NDArray[Any], file: str) -> NDArray[Any]:
    model = scanmf.NMF(3, init="random", solver="mu", beta_loss=1.0, random_state=0, checkpoint=file, max_time="8h")
    W = model.fit_transform(X)
    model.save(file, W)
    again = scanmf.load(file, n_threads=1)
    steps: int = scanmf.MiniBatchNMF(3, batch_size=64).fit(X).partial_fit(X).n_steps_
    W, H, n_iter = scanmf.non_negative_factorization(X, n_components=3, max_iter=steps)
    description: dict[str, object] = scanmf.inspect(file)
    print(n_iter, description["kind"], again.n_iter_, model.history_["violation"], model.converged_)
    axis = scanmf.pl.convergence(model)
    scanmf.pl.components(again, top=5, axes=[axis])
    scanmf.pl.usage(W, ["a"] * len(W))
    try:
        Y: NDArray[Any] = again.inverse_transform(again.transform(again.align_features(X))) @ H.T
        return Y
    except (scanmf.Error, scanmf.Stopped):
        return scanmf.load_W(file)
