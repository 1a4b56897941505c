"""Every golden run of scikit-learn, in process."""
import golden
import pytest


@pytest.mark.parametrize("name", golden.names())
def test_golden(name):
    golden.run(golden.Case(name))
