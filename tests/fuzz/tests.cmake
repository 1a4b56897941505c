# Malformed files, a few hundred; for a minute with the sanitizers (presets debug, sanitize), which see what a release
# build survives by luck.
set(amount --count 300)
if(SCANMF_SANITIZE)
  set(amount --seconds 60 --asan)
endif()
add_test(NAME fuzz COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/fuzz.py --program $<TARGET_FILE:scanmf_program>
                           --seed 1 ${amount})
set_tests_properties(fuzz PROPERTIES TIMEOUT 1800 LABELS fuzz
                     ENVIRONMENT "${test_environment};PYTHONDONTWRITEBYTECODE=1")
