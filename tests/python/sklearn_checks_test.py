"""scikit-learn's checks of every estimator, none left out."""
import pytest
from sklearn.utils.estimator_checks import _set_checking_parameters, parametrize_with_checks

import scanmf


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([scanmf.NMF(), scanmf.MiniBatchNMF()])
def test_check(estimator, check):
    _set_checking_parameters(
        estimator)  # as scikit-learn's own tests do: iterations enough for the checks of consistency
    check(estimator)
