scanmf_add_test(estimator/parameters_test RANKS 1)
scanmf_add_test(estimator/fit_test RANKS 1 2 3 4 THREADS 1 2)
