# The Python package from the build folder, as pytest and under mpirun. Without the package, or pytest, there is nothing
# to test.
if(NOT SCANMF_HAS_PYTHON)
  return()
endif()
execute_process(COMMAND ${SCANMF_PYTHON} -c "import pytest, pandas, anndata, matplotlib, mpi4py, h5py"
                RESULT_VARIABLE python_test_packages ERROR_QUIET)
if(NOT python_test_packages EQUAL 0)
  message(STATUS "No tests of the Python package: they need pytest, pandas, anndata, matplotlib, mpi4py and \
h5py (scripts/install_packages.sh module)")
  return()
endif()

set(python_environment "${test_environment};PYTHONDONTWRITEBYTECODE=1"
    "PYTHONPATH=${PROJECT_BINARY_DIR}/python:${CMAKE_CURRENT_LIST_DIR}"
    "SCANMF_PROGRAM=$<TARGET_FILE:scanmf_program>;SCANMF_TEST_DATA=${CMAKE_CURRENT_SOURCE_DIR}/data;MPLBACKEND=Agg")
list(JOIN python_environment ";" python_environment)

# scanmf_add_python_test(name arguments of pytest …)
function(scanmf_add_python_test name)
  add_test(NAME python_${name} COMMAND ${SCANMF_PYTHON} -m pytest -q -p no:cacheprovider ${ARGN})
  set_tests_properties(python_${name} PROPERTIES TIMEOUT 900 LABELS python ENVIRONMENT "${python_environment}")
endfunction()

scanmf_add_python_test(golden ${CMAKE_CURRENT_LIST_DIR}/golden_test.py)
scanmf_add_python_test(classes ${CMAKE_CURRENT_LIST_DIR}/classes_test.py)
scanmf_add_python_test(files ${CMAKE_CURRENT_LIST_DIR}/files_test.py)
set_tests_properties(python_files PROPERTIES LABELS "python;quick")
scanmf_add_python_test(checkpoint ${CMAKE_CURRENT_LIST_DIR}/checkpoint_test.py)
scanmf_add_python_test(ensemble ${CMAKE_CURRENT_LIST_DIR}/ensemble_test.py)
scanmf_add_python_test(missing ${CMAKE_CURRENT_LIST_DIR}/missing_test.py)
scanmf_add_python_test(memory ${CMAKE_CURRENT_LIST_DIR}/memory_test.py)
scanmf_add_python_test(readme ${CMAKE_CURRENT_LIST_DIR}/readme_test.py)
scanmf_add_python_test(declarations ${CMAKE_CURRENT_LIST_DIR}/declarations_test.py)
set_tests_properties(python_declarations PROPERTIES LABELS "python;quick")
scanmf_add_python_test(sklearn_checks ${CMAKE_CURRENT_LIST_DIR}/sklearn_checks_test.py)
scanmf_add_python_test(examples --doctest-modules ${PROJECT_BINARY_DIR}/python/scanmf)
# scikit-learn's own tests of NMF, its classes replaced by ours.
execute_process(COMMAND ${SCANMF_PYTHON} -c "import os, sklearn.decomposition as d
print(os.path.join(os.path.dirname(d.__file__), 'tests', 'test_nmf.py'))"
                OUTPUT_VARIABLE sklearn_test OUTPUT_STRIP_TRAILING_WHITESPACE)
if(EXISTS "${sklearn_test}")
  scanmf_add_python_test(sklearn_nmf -p replace_sklearn ${sklearn_test})
endif()
foreach(ranks 1 2 3)
  add_test(NAME python_ranks_np${ranks}
           COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${ranks} ${SCANMF_PYTHON}
                   ${CMAKE_CURRENT_LIST_DIR}/ranks_test.py)
  set_tests_properties(python_ranks_np${ranks} PROPERTIES TIMEOUT 900 PROCESSORS ${ranks} LABELS python
                       ENVIRONMENT "${python_environment}")
endforeach()
