add_test(NAME scripts_test COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/scripts_test.py ${PROJECT_SOURCE_DIR} $<TARGET_FILE:scanmf_program>)
set_tests_properties(scripts_test PROPERTIES TIMEOUT 300 LABELS scripts ENVIRONMENT "${test_environment}")
