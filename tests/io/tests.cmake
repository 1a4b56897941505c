scanmf_add_test(io/hdf5_test RANKS 1 2 LABELS io)
target_link_libraries(hdf5_test PRIVATE HDF5::HDF5)
