set(flags "")
if(SCANMF_SANITIZE)
  set(flags "-fsanitize=${SCANMF_SANITIZE}")
endif()
add_test(NAME install_test
         COMMAND ${CMAKE_COMMAND} -D BUILD=${PROJECT_BINARY_DIR} -D BUILD_TYPE=${CMAKE_BUILD_TYPE}
                 -D SOURCE=${CMAKE_CURRENT_LIST_DIR} -D DATA=${CMAKE_CURRENT_SOURCE_DIR}/data
                 -D MPIEXEC=${MPIEXEC_EXECUTABLE} -D PROJECT=${PROJECT_SOURCE_DIR}
                 -D COMPILER=${CMAKE_CXX_COMPILER} -D FLAGS=${flags} -D LIBRARIES=${CMAKE_INSTALL_LIBDIR}
                 -D PYTHON=${SCANMF_PYTHON}
                 -P ${CMAKE_CURRENT_LIST_DIR}/install_test.cmake)
set_tests_properties(install_test PROPERTIES TIMEOUT 300 PROCESSORS 2 LABELS install ENVIRONMENT "${test_environment}")
add_test(NAME packaging_test COMMAND ${SCANMF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/packaging_test.py ${PROJECT_SOURCE_DIR}
                                     ${PROJECT_VERSION})
set_tests_properties(packaging_test PROPERTIES TIMEOUT 60 LABELS "install;quick")
