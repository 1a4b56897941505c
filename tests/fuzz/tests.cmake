# Malformed files, a few hundred: in each run of the tests; with the sanitizers (preset debug, ctest -L fuzz) they see
# what a release build survives by luck.
set(asan "")
if(SCANMF_SANITIZE)
  set(asan --asan)
endif()
add_test(NAME fuzz COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/fuzz.py --program $<TARGET_FILE:scanmf_program>
                           --count 300 --seed 1 ${asan})
set_tests_properties(fuzz PROPERTIES TIMEOUT 1800 LABELS fuzz
                     ENVIRONMENT "${test_environment};PYTHONDONTWRITEBYTECODE=1")
