add_test(NAME rules COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_rules.py ${PROJECT_SOURCE_DIR})
add_test(NAME rules_see_violations COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/check_rules_test.py)
set_tests_properties(rules rules_see_violations PROPERTIES TIMEOUT 60 LABELS "rules;quick")

# The layout of .clang-format as version 14 reads it, the one of Debian 12: others lay out some constructs differently.
find_program(CLANG_FORMAT NAMES clang-format-14 clang-format)
if(CLANG_FORMAT)
  execute_process(COMMAND ${CLANG_FORMAT} --version OUTPUT_VARIABLE version)
  if(version MATCHES "version 14\\.")
    file(GLOB_RECURSE formatted CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/*.hpp ${PROJECT_SOURCE_DIR}/src/*.[ch]pp
         ${CMAKE_CURRENT_SOURCE_DIR}/*.[ch]pp)
    add_test(NAME format COMMAND ${CLANG_FORMAT} --dry-run --Werror ${formatted})
    set_tests_properties(format PROPERTIES TIMEOUT 60 LABELS "rules;quick")
  endif()
endif()

# Python is laid out as .style.yapf says; a trailing comma puts each element on a line of its own.
find_program(YAPF NAMES yapf3 yapf)
if(YAPF)
  file(GLOB_RECURSE python CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.py ${PROJECT_SOURCE_DIR}/src/*.pyi
       ${PROJECT_SOURCE_DIR}/scripts/*.py ${CMAKE_CURRENT_SOURCE_DIR}/*.py)
  add_test(NAME format_python COMMAND ${YAPF} --diff --parallel --style ${PROJECT_SOURCE_DIR}/.style.yapf ${python})
  set_tests_properties(format_python PROPERTIES TIMEOUT 120 LABELS "rules;quick")
endif()
