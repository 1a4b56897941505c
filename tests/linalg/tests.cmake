scanmf_add_test(linalg/grams_test RANKS 1)
scanmf_add_test(linalg/lapack_test RANKS 1 LABELS linalg)
scanmf_add_test(linalg/operations_test RANKS 1 THREADS 1 2)
scanmf_add_test(linalg/repeated_sweeps_test RANKS 1)
