# The package scanmf of Python: built when the interpreter's headers, pybind11, numpy and scipy are there, as of
# build/python.
option(SCANMF_PYTHON_PACKAGE "Build the Python package where what it needs is there" ON)
set(SCANMF_HAS_PYTHON FALSE)
if(SCANMF_SANITIZE OR NOT SCANMF_PYTHON_PACKAGE)
  return()  # an interpreter without the sanitizers' runtime could not load it
endif()
set(Python3_FIND_STRATEGY LOCATION)
if(EXISTS /usr/bin/python3 AND NOT DEFINED Python3_EXECUTABLE)
  # The distribution's, which has its packages, before any other one in the way.
  set(Python3_EXECUTABLE /usr/bin/python3)
endif()
find_package(Python3 COMPONENTS Interpreter Development.Module)
if(Python3_FOUND)
  execute_process(COMMAND ${Python3_EXECUTABLE} -c "import numpy, scipy, sklearn"
                  RESULT_VARIABLE python_packages ERROR_QUIET)
  set(PYBIND11_FINDPYTHON OFF)
  set(PYTHON_EXECUTABLE ${Python3_EXECUTABLE})
  find_package(pybind11 2.10 CONFIG QUIET)
endif()
if(NOT Python3_FOUND OR NOT pybind11_FOUND OR NOT python_packages EQUAL 0)
  message(STATUS "No Python package: it needs Python's headers, pybind11 2.10, numpy, scipy and scikit-learn \
(scripts/install_packages.sh module)")
  return()
endif()
set(SCANMF_HAS_PYTHON TRUE)

file(GLOB module_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/python/*.cpp)
pybind11_add_module(scanmf_python MODULE NO_EXTRAS ${module_sources}
                    ${PROJECT_SOURCE_DIR}/src/app/ensemble_table.cpp ${PROJECT_SOURCE_DIR}/src/app/file_checks.cpp
                    ${PROJECT_SOURCE_DIR}/src/app/inspect_description.cpp ${PROJECT_SOURCE_DIR}/src/app/time_limit.cpp)
set_target_properties(scanmf_python PROPERTIES OUTPUT_NAME _core
                                               LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/python/scanmf)
target_include_directories(scanmf_python PRIVATE ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(scanmf_python PRIVATE SCANMF_VERSION="${PROJECT_VERSION}")
target_link_libraries(scanmf_python PRIVATE scanmf fmt::fmt nlohmann_json::nlohmann_json)
# Nothing but PyInit__core is to be seen from outside: other modules of the process have an HDF5 and BLAS of their own.
target_link_options(scanmf_python PRIVATE -Wl,--exclude-libs,ALL)

# The modules in Python lie in the source folder; in the build folder they are links, so that an edit is seen at once.
file(GLOB package_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/python/scanmf/*.py
     ${PROJECT_SOURCE_DIR}/src/python/scanmf/*.pyi ${PROJECT_SOURCE_DIR}/src/python/scanmf/py.typed)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/python/scanmf)
foreach(file ${package_files})
  get_filename_component(name ${file} NAME)
  file(CREATE_LINK ${file} ${PROJECT_BINARY_DIR}/python/scanmf/${name} SYMBOLIC)
endforeach()

# Where this Python looks below the prefix: Debian's below /usr, and below /usr/local, is .../dist-packages.
execute_process(COMMAND ${Python3_EXECUTABLE} -c "import sysconfig, os
names = sysconfig.get_scheme_names()
scheme = 'posix_local' if 'posix_local' in names else 'posix_prefix'
prefix = dict.fromkeys(['base', 'platbase', 'installed_base', 'installed_platbase'], '/p')
print(os.path.relpath(sysconfig.get_path('platlib', scheme, prefix), '/p'))"
                OUTPUT_VARIABLE python_folder OUTPUT_STRIP_TRAILING_WHITESPACE)
string(REGEX REPLACE "^local/" "" python_folder "${python_folder}")
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(python_folder lib/python3/dist-packages)
endif()
set(SCANMF_PYTHON_FOLDER ${python_folder} CACHE STRING "Where the Python package goes, below the prefix")
install(TARGETS scanmf_python LIBRARY DESTINATION ${SCANMF_PYTHON_FOLDER}/scanmf COMPONENT python)
install(FILES ${package_files} DESTINATION ${SCANMF_PYTHON_FOLDER}/scanmf COMPONENT python)
install(CODE "message(STATUS \"Python package: \${CMAKE_INSTALL_PREFIX}/${SCANMF_PYTHON_FOLDER} \
(PYTHONPATH, unless Python looks there)\")")
