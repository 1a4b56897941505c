scanmf_add_test(data/dense_test RANKS 1 2 3 4 LABELS data)
target_link_libraries(dense_test PRIVATE HDF5::HDF5)
scanmf_add_test(data/sparse_test RANKS 1 2 3 4 LABELS data)
target_link_libraries(sparse_test PRIVATE HDF5::HDF5)
