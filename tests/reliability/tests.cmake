# Interrupted runs: killed, asked to stop, out of space, damaged, on other hosts, under Slurm. They start mpirun
# themselves.
function(scanmf_add_reliability_test name file timeout)
  add_test(NAME ${name} COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/reliability/${file}
                                $<TARGET_FILE:scanmf_program> ${MPIEXEC_EXECUTABLE} ${ARGN})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} PROCESSORS 2 SKIP_RETURN_CODE 77 COST 1000
                       LABELS reliability ENVIRONMENT "${test_environment}")
endfunction()

scanmf_add_reliability_test(kill_suite kill_suite.py 900 20)
scanmf_add_reliability_test(stop_test stop_test.py 600)
scanmf_add_reliability_test(fault_test fault_test.py 600)
scanmf_add_reliability_test(hosts_test hosts_test.py 300)
scanmf_add_reliability_test(slurm_test slurm_test.py 900 ${PROJECT_SOURCE_DIR})
