add_test(NAME rules COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_rules.py ${PROJECT_SOURCE_DIR})
add_test(NAME rules_see_violations COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_rules_test.py)
set_tests_properties(rules rules_see_violations PROPERTIES TIMEOUT 60 LABELS rules)
