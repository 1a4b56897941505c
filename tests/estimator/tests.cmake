scanmf_add_test(estimator/parameters_test RANKS 1)
scanmf_add_test(estimator/fit_test RANKS 1 2 3 4 THREADS 1 2)
scanmf_add_test(estimator/golden_test RANKS 1 2 3 4 THREADS 1 2 LABELS golden TIMEOUT 300 LIBRARIES HDF5::HDF5)
scanmf_add_test(estimator/printed_example_test RANKS 1 2 3 4 LABELS golden)
