scanmf_add_test(io/hdf5_test RANKS 1 2 LABELS io)
target_link_libraries(hdf5_test PRIVATE HDF5::HDF5)
scanmf_add_test(io/checksums_test RANKS 1 2 3 4 LABELS io)
scanmf_add_test(io/output_file_test RANKS 1 2 3 4 LABELS io LIBRARIES HDF5::HDF5)
