scanmf_add_test(init/tall_qr_test RANKS 1 2 3 4 THREADS 1 2 TIMEOUT 300 SLOW LABELS init)
scanmf_add_test(init/random_factors_test RANKS 1 2 3 4 LABELS init LIBRARIES HDF5::HDF5)
scanmf_add_test(init/nndsvd_test RANKS 1 2 3 4 THREADS 1 2 TIMEOUT 300 LABELS init LIBRARIES HDF5::HDF5)
scanmf_add_test(init/custom_factors_test RANKS 1 2 3 4 LABELS init LIBRARIES HDF5::HDF5)
