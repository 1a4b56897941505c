scanmf_add_test(estimator/parameters_test RANKS 1)
