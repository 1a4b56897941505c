"""A plugin of pytest that gives scikit-learn's own tests of NMF this package's classes."""
import sklearn.decomposition

import scanmf

sklearn.decomposition.NMF = scanmf.NMF
sklearn.decomposition.MiniBatchNMF = scanmf.MiniBatchNMF
sklearn.decomposition.non_negative_factorization = scanmf.non_negative_factorization
