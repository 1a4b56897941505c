scanmf_add_test(parallel/communicator_test RANKS 1 2 3 4 LABELS parallel)
scanmf_add_test(parallel/link_speed_test RANKS 1 2 3 LABELS parallel)
scanmf_add_test(parallel/row_partition_test RANKS 1 LABELS parallel)
scanmf_add_test(parallel/library_name_test RANKS 1 LABELS parallel)
