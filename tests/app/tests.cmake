# The program as a user runs it, alone (0 ranks) and under mpirun (which otherwise waits two seconds when a rank ends with another status than 0).
function(scanmf_add_program_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "RANKS" ${ARGN})
  foreach(ranks ${arg_RANKS})
    set(test app_${name}_np${ranks})
    add_test(NAME ${test} COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/${name}.py)
    set_tests_properties(${test} PROPERTIES TIMEOUT ${arg_TIMEOUT} PROCESSORS 2 LABELS app ENVIRONMENT
      "${test_environment};OMPI_MCA_odls_base_sigkill_timeout=0;PYTHONDONTWRITEBYTECODE=1;SCANMF_PROGRAM=$<TARGET_FILE:scanmf_program>;SCANMF_MPIRUN=${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG};SCANMF_RANKS=${ranks};SCANMF_TEST_DATA=${CMAKE_CURRENT_SOURCE_DIR}/data")
  endforeach()
endfunction()

scanmf_add_program_test(usage_test RANKS 0 2 TIMEOUT 900)
scanmf_add_program_test(streaming_test RANKS 1 2 4 TIMEOUT 900)
scanmf_add_program_test(errors_test RANKS 0 2 3 TIMEOUT 900)
scanmf_add_program_test(commands_test RANKS 0 1 2 3 TIMEOUT 900)
scanmf_add_program_test(formats_test RANKS 0 2 4 TIMEOUT 900)
<<<<<<< HEAD
scanmf_add_program_test(option_pairs_test RANKS 0 TIMEOUT 900)
scanmf_add_program_test(files_test RANKS 0 2 TIMEOUT 900)
=======
scanmf_add_program_test(malformed_test RANKS 0 2 TIMEOUT 900)
>>>>>>> 7486a84 (Models and checkpoints are read by a schema: checksums before HDF5 sees a byte, then every shape, type and number, before any array; strings are found without HDF5's heap code; a crash names what was being read; a driver for malformed files)
scanmf_add_program_test(large_test RANKS 2 TIMEOUT 900)
