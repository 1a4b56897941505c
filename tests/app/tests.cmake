# scanmf_add_program_test(name RANKS 0 2 …) registers name.py as app_name_np0, …: the program as a user runs it, alone
# (0 ranks) and under mpirun. odls_base_sigkill_timeout: mpirun otherwise waits two seconds when a rank ends with
# another status than 0. ess_singleton_isolated: without mpirun Open MPI starts a daemon first (0.2 s), for processes
# that may be spawned later.
function(scanmf_add_program_test name)
  cmake_parse_arguments(arg "" "" "RANKS" ${ARGN})
  set(environment "${test_environment}" OMPI_MCA_odls_base_sigkill_timeout=0
      OMPI_MCA_ess_singleton_isolated=1 PYTHONDONTWRITEBYTECODE=1
      SCANMF_PROGRAM=$<TARGET_FILE:scanmf_program> "SCANMF_MPIRUN=${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG}"
      SCANMF_TEST_DATA=${CMAKE_CURRENT_SOURCE_DIR}/data)
  foreach(ranks ${arg_RANKS})
    set(test app_${name}_np${ranks})
    set(processors 2)
    if(ranks EQUAL 0)
      set(processors 1)
    endif()
    add_test(NAME ${test} COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/${name}.py)
    set_tests_properties(${test} PROPERTIES TIMEOUT 900 PROCESSORS ${processors} COST 100 LABELS app
                         ENVIRONMENT "${environment};SCANMF_RANKS=${ranks}")
  endforeach()
endfunction()

# 3 ranks where an uneven share of the work matters, otherwise 2 (waiting ranks take the cores of the others); what
# ranks are one by one (1, 2, 3, 4) is for the tests in C++.
scanmf_add_program_test(pages_test RANKS 0 2)
scanmf_add_program_test(usage_test RANKS 0 2)
set_property(TEST app_usage_test_np0 APPEND PROPERTY LABELS quick)
set_property(TEST app_usage_test_np2 APPEND PROPERTY LABELS two_ranks)
scanmf_add_program_test(streaming_test RANKS 0 3)
scanmf_add_program_test(errors_test RANKS 0 2)
set_property(TEST app_errors_test_np0 APPEND PROPERTY LABELS quick)
set_property(TEST app_errors_test_np2 APPEND PROPERTY LABELS two_ranks)
scanmf_add_program_test(commands_test RANKS 0 2)
scanmf_add_program_test(inspect_test RANKS 0 2)
scanmf_add_program_test(notes_test RANKS 0 2)
scanmf_add_program_test(formats_test RANKS 0 2)
scanmf_add_program_test(option_pairs_test RANKS 0)
scanmf_add_program_test(files_test RANKS 0 2)
scanmf_add_program_test(malformed_test RANKS 0 2)
scanmf_add_program_test(cut_test RANKS 0 2)
scanmf_add_program_test(writers_test RANKS 0 2)
scanmf_add_program_test(large_test RANKS 2)
scanmf_add_program_test(convert_text_test RANKS 0)
scanmf_add_program_test(convert_formats_test RANKS 0)
scanmf_add_program_test(arrays_test RANKS 0 2)
scanmf_add_program_test(elements_test RANKS 0 2)
scanmf_add_program_test(ensemble_test RANKS 0 3)
scanmf_add_program_test(export_test RANKS 0 2)
set_property(TEST app_export_test_np0 APPEND PROPERTY LABELS quick)
scanmf_add_program_test(watch_test RANKS 0 2)
scanmf_add_program_test(missing_test RANKS 0 3)
scanmf_add_program_test(missing_models_test RANKS 0 3)
scanmf_add_program_test(ensemble_options_test RANKS 0 2)
scanmf_add_program_test(ensemble_missing_test RANKS 0 2)
scanmf_add_program_test(ensemble_stops_test RANKS 0 2)
scanmf_add_program_test(estimate_test RANKS 0)
scanmf_add_program_test(align_test RANKS 0 2)
scanmf_add_program_test(triplets_test RANKS 0 2)
scanmf_add_program_test(exclude_test RANKS 0 2)
scanmf_add_program_test(same_bits_test RANKS 0)  # which starts ranks of its own
