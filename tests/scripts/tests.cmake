add_test(NAME scripts_test COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/scripts_test.py ${PROJECT_SOURCE_DIR}
                                   $<TARGET_FILE:scanmf_program> ${SCANMF_HAS_PYTHON})
set_tests_properties(scripts_test PROPERTIES TIMEOUT 600 LABELS scripts
                     ENVIRONMENT "${test_environment};PYTHONPATH=${PROJECT_BINARY_DIR}/python")
add_test(NAME readme_options COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/readme_options.py
                                     $<TARGET_FILE:scanmf_program> ${PROJECT_SOURCE_DIR}/src/docs/options.md)
add_test(NAME links COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_links.py ${PROJECT_SOURCE_DIR})
set_tests_properties(links PROPERTIES TIMEOUT 60 LABELS "scripts;quick")
set_tests_properties(readme_options PROPERTIES TIMEOUT 60 LABELS "scripts;quick" ENVIRONMENT "${test_environment}")
