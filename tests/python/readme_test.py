"""The programs in Python that README.md and the pages of src/docs print run as they are printed, on smaller files."""
import os
import re
import subprocess
import sys

import anndata
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

import scanmf

PROJECT = os.path.join(os.path.dirname(__file__), "..", "..")


def programs_of(page):
    with open(os.path.join(PROJECT, page), encoding="utf-8") as file:
        return re.findall(r"```python\n(.*?)```", file.read(), re.S)


def run(program, folder):
    done = subprocess.run([sys.executable, "-"], input=program, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_program_of_readme(tmp_path):
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["X"] = np.random.RandomState(0).rand(60, 30)
    (program, ) = programs_of("README.md")
    assert run(program, tmp_path).startswith("(60, 10) (10, 30) ")


def test_programs_of_pages(tmp_path):
    (tmp_path / "build").mkdir()
    (tmp_path / "quickstart").mkdir()
    (tmp_path / "build" / "python").symlink_to(os.path.dirname(os.path.dirname(scanmf.__file__)))
    with h5py.File(tmp_path / "quickstart" / "fashion.h5", "w") as file:
        file["X"] = np.random.RandomState(0).randint(0, 256, (90, 784)).astype("u1")
    counts = sp.random(60, 30, 0.3, "csr", random_state=0)
    anndata.AnnData(counts, layers={"counts": counts}, dtype="f8").write_h5ad(tmp_path / "x.h5ad")
    programs = programs_of("src/docs/python.md")
    assert len(programs) >= 2
    for program in programs:
        run(program, tmp_path)
    for file in ("quickstart/parts.png", "quickstart/parts.h5", "model.h5"):
        assert (tmp_path / file).exists(), file
    (reading, ) = programs_of("src/docs/models.md")  # of the model that the last program has made
    assert re.match(r"\d+ [\d.]+$", run(reading, tmp_path))


@pytest.mark.parametrize("page", sorted(os.listdir(os.path.join(PROJECT, "src", "docs"))))
def test_no_other_page_has_programs(page):
    assert page in ("python.md", "models.md") or not programs_of(f"src/docs/{page}")
