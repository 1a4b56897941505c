scanmf_add_test(ensemble/assignment_test RANKS 1)
scanmf_add_test(ensemble/resampling_test RANKS 1 2 3)
