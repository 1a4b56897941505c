scanmf_add_test(linalg/lapack_test RANKS 1 LABELS linalg)
