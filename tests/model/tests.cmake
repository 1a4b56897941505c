scanmf_add_test(model/model_file_test RANKS 1 2 3 4 LABELS model LIBRARIES HDF5::HDF5)
scanmf_add_test(model/matrix_writer_test RANKS 1 2 3 4 LABELS model LIBRARIES HDF5::HDF5)
