scanmf_add_test(linalg/lapack_test RANKS 1 LABELS linalg)
scanmf_add_test(linalg/operations_test RANKS 1 THREADS 1 2)
