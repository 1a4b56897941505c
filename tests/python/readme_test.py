"""The programs that README.md prints in its section on Python run as they are printed, on smaller files."""
import os
import re
import subprocess
import sys

import anndata
import h5py
import numpy as np
import scipy.sparse as sp

import scanmf

README = os.path.join(os.path.dirname(__file__), "..", "..", "README.md")


def test_printed_programs(tmp_path):
    with open(README, encoding="utf-8") as file:
        section = file.read().split("## From Python\n")[1].split("\n## ")[0]
    programs = re.findall(r"```python\n(.*?)```", section, re.S)
    assert len(programs) >= 2
    (tmp_path / "build").mkdir()
    (tmp_path / "quickstart").mkdir()
    (tmp_path / "build" / "python").symlink_to(os.path.dirname(os.path.dirname(scanmf.__file__)))
    with h5py.File(tmp_path / "quickstart" / "fashion.h5", "w") as file:
        file["X"] = np.random.RandomState(0).randint(0, 256, (90, 784)).astype("u1")
    counts = sp.random(60, 30, 0.3, "csr", random_state=0)
    anndata.AnnData(counts, layers={"counts": counts}, dtype="f8").write_h5ad(tmp_path / "x.h5ad")
    for program in programs:
        done = subprocess.run([sys.executable, "-"], input=program, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    for file in ("quickstart/parts.png", "quickstart/parts.h5", "model.h5"):
        assert (tmp_path / file).exists(), file
